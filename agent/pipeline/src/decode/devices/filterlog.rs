//! pfSense and OPNsense: the packet filter's log.
//!
//! Spec: Netgate, "Raw Filter Log Format"; OPNsense writes the same.

use rules_event::{Event, field};

use super::super::source::{
    set_destination, set_destination_port, set_port, set_source, set_transport,
};

/// Decodes `5,,,1000000103,em0,match,block,in,4,0x0,,64,420,0,none,6,tcp,60,203.0.113.5,…`.
pub(crate) fn decode(message: &str, event: &mut Event) {
    let mut cells = [""; 26];
    for (cell, text) in cells.iter_mut().zip(message.split(',')) {
        *cell = text;
    }
    let [rule, _, _, tracker, interface, _, action, direction, version, tail @ ..] = cells;
    // Places of the protocol, the length and the addresses.
    let [protocol, length, source, destination, port, to] = match (version, tail) {
        ("4", [_, _, _, _, _, _, _, protocol, length, source, destination, port, to, ..]) => {
            [protocol, length, source, destination, port, to]
        }
        ("6", [_, _, _, protocol, _, length, source, destination, port, to, ..]) => {
            [protocol, length, source, destination, port, to]
        }
        _ => return,
    };
    let is_opnsense =
        event.get_str(field::HOST_NAME).is_some_and(|host| starts_with(host, "opnsense"));
    if is_opnsense {
        super::firewall(event, "pfsense", "opnsense", "OPNsense");
    } else {
        super::firewall(event, "pfsense", "netgate", "pfSense");
    }
    set_source(event, source);
    set_destination(event, destination);
    set_transport(event, protocol);
    if matches!(protocol, "tcp" | "udp" | "TCP" | "UDP") {
        set_port(event, port);
        set_destination_port(event, to);
    }
    super::act(event, action);
    event.set("network.direction", if direction == "in" { "inbound" } else { "outbound" });
    event.set_text("observer.ingress.interface.name", interface);
    event.set_text("pfsense.rule", rule);
    event.set_text("pfsense.tracker", tracker);
    if let Ok(length) = length.parse::<i64>() {
        event.set("network.bytes", length);
    }
}

fn starts_with(text: &str, start: &str) -> bool {
    text.get(..start.len()).is_some_and(|text| text.eq_ignore_ascii_case(start))
}
