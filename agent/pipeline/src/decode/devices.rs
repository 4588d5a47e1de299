//! Devices that send syslog: firewalls, routers, hypervisors. Each is told by how its message begins.
//!
//! Firewalls are `firewall.syslog` and routers `network.syslog`, whoever made them; `observer.vendor`
//! tells them apart. `event.action` is the device's own word, `vonglau.firewall.blocked` says what
//! it means.

pub(super) mod cef;
pub(super) mod checkpoint;
mod cisco;
pub(super) mod esxi;
pub(super) mod filterlog;
mod fortigate;
mod huawei;
pub(super) mod juniper;
mod mikrotik;
mod paloalto;
mod sonicwall;
mod sophos;

use rules_event::{Event, field};

#[cfg(test)]
pub(super) use cef::ROWS as CEF;
#[cfg(test)]
pub(super) use checkpoint::ROWS as CHECKPOINT;
#[cfg(test)]
pub(super) use fortigate::ROWS as FORTIGATE;
#[cfg(test)]
pub(super) use sonicwall::ROWS as SONICWALL;
#[cfg(test)]
pub(super) use sophos::ROWS as SOPHOS;

use super::Context;
use super::pairs::Pairs;
use super::table::{Row, find, put_str, set_dataset};

/// Words of any vendor that say that a packet or request was refused; lower case.
const REFUSED: [&str; 9] =
    ["deny", "denied", "block", "drop", "reject", "reset", "refuse", "quarantine", "terminated"];

/// Decodes a message that no program's name stands before; false when it is none of these.
pub(super) fn decode(message: &str, context: &Context<'_>, event: &mut Event) -> bool {
    match message.as_bytes() {
        [b'%', b'%', ..] => huawei::decode(message, event),
        [b'%', ..] => cisco::decode(message, event),
        [b':' | b' ' | b'*' | b'0'..=b'9', ..] if let Some(rest) = cisco::find(message) => {
            cisco::decode(rest, event)
        }
        [b'0'..=b'9', b',', ..] => paloalto::decode(message, context, event),
        [b'd', b'a', b't', b'e', b'=', ..] | [b'l', b'o', b'g', b'v', b'e', b'r', b'=', ..] => {
            fortigate::decode(message, context, event) || sophos::decode(message, context, event)
        }
        [b'd', b'e', b'v', b'i', b'c', b'e', ..] => sophos::decode(message, context, event),
        [b'i', b'd', b'=', ..] => sonicwall::decode(message, event),
        [b'C', b'E', b'F', b':', ..] => cef::decode(message, event),
        [first, ..] if first.is_ascii_lowercase() => mikrotik::decode(message, event),
        _ => false,
    }
}

/// Sets who observed it.
pub(super) fn observed(event: &mut Event, vendor: &'static str, product: &'static str) {
    event.set("observer.vendor", vendor);
    event.set("observer.product", product);
}

/// Sets that a firewall saw it.
pub(super) fn firewall(
    event: &mut Event,
    module: &'static str,
    vendor: &'static str,
    product: &'static str,
) {
    set_dataset(event, module, "firewall.syslog");
    event.set("observer.type", "firewall");
    event.set(field::EVENT_CATEGORY, "network");
    observed(event, vendor, product);
}

/// Sets the device's word for what it did, and whether that was a refusal.
pub(super) fn act(event: &mut Event, action: &str) {
    if action.is_empty() {
        return;
    }
    let lower = action.to_ascii_lowercase();
    event.set("vonglau.firewall.blocked", REFUSED.iter().any(|word| lower.contains(word)));
    event.set(field::EVENT_ACTION, lower);
}

/// Sets every pair of a message, under `prefix` by its own name and by `rows` under ECS' names.
pub(super) fn set_pairs(text: &str, prefix: &str, rows: &'static [Row], event: &mut Event) {
    let mut name = String::with_capacity(64);
    for (key, value) in Pairs(text).take(PAIRS_MAX) {
        if value.is_empty() || value == "N/A" || key.is_empty() || key.len() > KEY_BYTES_MAX {
            continue;
        }
        if let Some(row) = find(rows, key) {
            put_str(row, value, event);
            if !row.keep {
                continue;
            }
        }
        name.clear();
        name.push_str(prefix);
        name.push_str(key);
        event.set_text(rules_event::intern(&name), value);
    }
}

/// Most pairs of a message that are kept; FortiGate's longest have about eighty.
const PAIRS_MAX: usize = 160;

/// Longest name of a pair, bytes; a longer one is no name.
const KEY_BYTES_MAX: usize = 64;
