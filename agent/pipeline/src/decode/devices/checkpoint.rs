//! Check Point: the Log Exporter's form, `[action:"Drop"; src:"203.0.113.5"; dst:"10.0.0.9"; …]`.
//!
//! All names stay under `checkpoint.`. Spec: Check Point, sk122323 "Log Exporter", format syslog; sk144192,
//! fields of logs; Elastic's integration checkpoint.

use rules_event::{Event, field};

use super::super::table::{As, Row, also, find, put_str};

/// Ordered by name.
pub(crate) const ROWS: &[Row] = &[
    also("dst", field::DESTINATION_IP, As::Destination),
    also("ifname", "observer.ingress.interface.name", As::Same),
    also("origin", "observer.ip", As::Same),
    also("protection_name", "threat.software.name", As::Same),
    also("proto", "network.transport", As::Transport),
    also("received_bytes", "destination.bytes", As::Int),
    also("resource", field::URL_ORIGINAL, As::Url),
    also("rule_name", "rule.name", As::Same),
    also("s_port", field::SOURCE_PORT, As::SourcePort),
    also("sent_bytes", "source.bytes", As::Int),
    also("service", field::DESTINATION_PORT, As::DestinationPort),
    also("src", field::SOURCE_IP, As::Source),
    also("src_user_name", field::USER_NAME, As::User),
    also("user", field::USER_NAME, As::User),
];

/// Most members that are kept; Check Point's longest logs have about ninety.
const MEMBERS_MAX: usize = 160;

/// Decodes a message of the program `CheckPoint`; false when it is of another form.
pub(crate) fn decode(message: &str, event: &mut Event) -> bool {
    let Some(mut rest) = message.trim_start().strip_prefix('[') else { return false };
    if !rest.contains(":\"") {
        return false;
    }
    super::firewall(event, "checkpoint", "Checkpoint", "Firewall");
    let mut name = String::with_capacity(48);
    for _ in 0..MEMBERS_MAX {
        let Some((key, behind)) = rest.split_once(":\"") else { break };
        let end = super::super::pairs::quote_end(behind);
        let (value, behind) = behind.split_at(end);
        rest = behind.get(1..).unwrap_or_default();
        let key = key.trim_start_matches([';', ' ', ']']);
        let is_name = !key.is_empty()
            && key.len() <= super::KEY_BYTES_MAX
            && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !is_name || value.is_empty() {
            continue;
        }
        if let Some(row) = find(ROWS, key) {
            put_str(row, value, event);
        }
        name.clear();
        name.push_str("checkpoint.");
        name.push_str(key);
        event.set_text(rules_event::intern(&name), value);
    }
    let action = event.get_str("checkpoint.action").unwrap_or_default().to_owned();
    super::act(event, &action);
    // What VPN and identity blades say of a login.
    let outcome = match action.as_str() {
        "Log In" => Some("success"),
        "Failed Log In" => Some("failure"),
        _ => None,
    };
    if let Some(outcome) = outcome {
        event.set(field::EVENT_CATEGORY, "authentication");
        event.set(field::EVENT_ACTION, "vpn-login");
        event.set(field::EVENT_OUTCOME, outcome);
        event.remove("vonglau.firewall.blocked");
    }
    true
}
