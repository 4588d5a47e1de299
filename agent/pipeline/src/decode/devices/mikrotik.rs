//! MikroTik RouterOS: `firewall,info drop input: in:ether1 out:(unknown 0), … proto TCP (SYN), a:1->b:2, len 40`.
//!
//! Spec: MikroTik, RouterOS manual, "Log" and "Firewall: Filter" (`log-prefix`).

use rules_event::{Event, field};

use super::super::source::{
    set_destination, set_destination_port, set_port, set_source, set_transport,
};
use super::super::table::set_dataset;
use super::super::template;

/// Topics that a message may begin with.
const TOPICS: [&str; 12] = [
    "firewall",
    "system",
    "dhcp",
    "account",
    "l2tp",
    "pptp",
    "ppp",
    "ipsec",
    "ovpn",
    "wireless",
    "interface",
    "script",
];

/// Sentences about accounts.
const SENTENCES: &[(&str, &str, Option<&str>)] = &[
    ("login failure for user {user>} from {ip} via {method}", "login", Some("failure")),
    ("login failure for user {user>} via {method}", "login", Some("failure")),
    ("user {user>} logged in from {ip} via {method}", "login", Some("success")),
    ("user {user>} logged out from {ip} via {method}", "logout", None),
];

/// Decodes a message; false when it is of another device.
pub(super) fn decode(message: &str, event: &mut Event) -> bool {
    let Some((topics, text)) = message.split_once(' ') else { return false };
    let topics = topics.strip_suffix(':').unwrap_or(topics);
    let Some((topic, _)) = topics.split_once(',') else { return false };
    if !TOPICS.contains(&topic) {
        return false;
    }
    super::observed(event, "MikroTik", "RouterOS");
    event.set_text("mikrotik.topics", topics);
    event.set_text(field::MESSAGE, text);
    if topic == "firewall" {
        super::firewall(event, "mikrotik", "MikroTik", "RouterOS");
        packet(text, event);
        return true;
    }
    set_dataset(event, "mikrotik", "network.syslog");
    event.set(field::EVENT_CATEGORY, "network");
    for (sentence, action, outcome) in SENTENCES {
        if let Some(holes) = template::fit(sentence, text) {
            template::set(&holes, event);
            event.set(field::EVENT_ACTION, *action);
            if let Some(outcome) = outcome {
                event.set(field::EVENT_CATEGORY, "authentication");
                event.set(field::EVENT_OUTCOME, *outcome);
            }
            break;
        }
    }
    true
}

fn packet(text: &str, event: &mut Event) {
    let (head, rest) = text.split_once(" in:").unwrap_or(("", text));
    let rest = rest.strip_prefix("in:").unwrap_or(rest);
    // "drop-in input:": the administrator's prefix, if any, and the chain. RouterOS does not say what
    // became of the packet; the prefix does, where it is well chosen.
    let head = head.trim_end_matches(':');
    let (prefix, chain) = head.rsplit_once(' ').unwrap_or(("", head));
    if !prefix.is_empty() {
        event.set_text("rule.name", prefix);
        super::act(event, prefix);
    }
    event.set_text("mikrotik.chain", chain);
    if let Some((interface, _)) = rest.split_once(' ') {
        event.set_text("observer.ingress.interface.name", interface);
    }
    if let Some((_, protocol)) = rest.split_once("proto ") {
        let end = protocol.find([' ', ',']).unwrap_or(protocol.len());
        set_transport(event, protocol.get(..end).unwrap_or_default());
    }
    let Some((before, after)) = rest.split_once("->") else { return };
    let from = before.rsplit(' ').next().unwrap_or_default();
    let to = after.split([',', ' ']).next().unwrap_or_default();
    let split = |end: &'_ str| -> (String, String) {
        let (address, port) = end.rsplit_once(':').unwrap_or((end, ""));
        (address.to_owned(), port.to_owned())
    };
    let (address, port) = split(from);
    set_source(event, &address);
    set_port(event, &port);
    let (address, port) = split(to);
    set_destination(event, &address);
    set_destination_port(event, &port);
}
