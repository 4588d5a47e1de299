//! The kernel: what netfilter logs of packets, also under the names of UFW and firewalld.
//!
//! Spec: Linux, net/netfilter/nf_log_syslog.c; the prefix is the administrator's.

use rules_event::{Event, field};

use super::auditd;
use super::pairs::Pairs;
use super::source::{set_destination, set_destination_port, set_port, set_source, set_transport};
use crate::find;

/// Words of a prefix that say that the packet was refused; lower case.
const REFUSED: [&str; 5] = ["block", "drop", "reject", "deny", "denied"];

/// Words that say that it was let through.
const ALLOWED: [&str; 4] = ["allow", "accept", "audit", "permit"];

/// Longest prefix that is looked at: netfilter allows 127 letters.
const PREFIX_BYTES_MAX: usize = 160;

/// Decodes a message of the kernel.
pub(super) fn decode(message: &str, event: &mut Event) {
    if auditd::decode_kernel(message, event) {
        return;
    }
    // [12345.678901] [UFW BLOCK] IN=eth0 OUT= MAC=… SRC=203.0.113.5 DST=… PROTO=TCP SPT=1 DPT=22
    let Some(at) = find::find(message, "IN=") else { return };
    if at > PREFIX_BYTES_MAX || find::find(message, " SRC=").is_none() {
        return;
    }
    let (prefix, facts) = message.split_at(at);
    // The kernel's own stamp is not of the prefix.
    let prefix = match prefix.strip_prefix('[').and_then(|rest| find::split_byte(rest, b']')) {
        Some((stamp, rest)) if stamp.trim().bytes().all(|b| b.is_ascii_digit() || b == b'.') => {
            rest
        }
        _ => prefix,
    };
    let prefix = prefix.trim().trim_end_matches(':');
    for (name, value) in Pairs(facts) {
        match name {
            "" => {}
            "SRC" => set_source(event, value),
            "DST" => set_destination(event, value),
            "SPT" => set_port(event, value),
            "DPT" => set_destination_port(event, value),
            "PROTO" => set_transport(event, value),
            "IN" if !value.is_empty() => {
                event.set_text("observer.ingress.interface.name", value);
            }
            "OUT" if !value.is_empty() => {
                event.set_text("observer.egress.interface.name", value);
            }
            "LEN" if event.get("network.bytes").is_none() => {
                if let Ok(bytes) = value.parse::<i64>() {
                    event.set("network.bytes", bytes);
                }
            }
            _ => {}
        }
    }
    event.set(field::EVENT_CATEGORY, "network");
    let prefix = prefix.trim_start_matches('[').trim_end_matches(']');
    if !prefix.is_empty() {
        // The name of the rule, as far as it has one.
        event.set_text("rule.name", prefix);
    }
    let lower = prefix.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| find::find(&lower, word).is_some());
    if has(&REFUSED) {
        event.set(field::EVENT_ACTION, "deny");
        event.set("vonglau.firewall.blocked", true);
    } else if has(&ALLOWED) {
        event.set(field::EVENT_ACTION, "allow");
        event.set("vonglau.firewall.blocked", false);
    }
}
