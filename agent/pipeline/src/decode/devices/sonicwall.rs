//! SonicWall: `id=firewall sn=… time="…" fw=… pri=6 m=98 msg="…" src=203.0.113.5:4711:X1 dst=…`.
//!
//! All names stay under `sonicwall.firewall.`. Spec: SonicWall, "SonicOS Log Events Reference Guide",
//! syslog tags; Elastic's integration sonicwall_firewall.

use rules_event::{Event, Value, field};

use super::super::source::{
    set_destination, set_destination_port, set_port, set_source, set_transport,
};
use super::super::table::{As, Row, also};

/// Ordered by name. `src`, `dst` and `proto` hold several things, see `decode`.
pub(crate) const ROWS: &[Row] = &[
    also("m", "event.code", As::Same),
    also("rcvd", "destination.bytes", As::Int),
    also("rule", "rule.name", As::Same),
    also("sent", "source.bytes", As::Int),
    also("sn", "observer.serial_number", As::Same),
    also("user", field::USER_NAME, As::User),
    also("usr", field::USER_NAME, As::User),
];

const PREFIX: &str = "sonicwall.firewall.";

/// Decodes a message; false when it is of another device.
pub(super) fn decode(message: &str, event: &mut Event) -> bool {
    if memchr::memmem::find(message.as_bytes(), b" sn=").is_none() {
        return false;
    }
    super::set_pairs(message, PREFIX, ROWS, event);
    super::firewall(event, "sonicwall", "SonicWall", "SonicOS");
    for (name, is_source) in [("sonicwall.firewall.src", true), ("sonicwall.firewall.dst", false)] {
        let Some(end) = event.get_str(name).map(str::to_owned) else { continue };
        // address:port:interface, and an address of IPv6 stands elsewhere.
        let mut parts = end.split(':');
        let (address, port) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        if is_source {
            set_source(event, address);
            set_port(event, port);
        } else {
            set_destination(event, address);
            set_destination_port(event, port);
        }
    }
    if let Some(protocol) = event.get_str("sonicwall.firewall.proto").map(str::to_owned) {
        set_transport(event, protocol.split('/').next().unwrap_or_default());
    }
    let said = event.get_str("sonicwall.firewall.msg").unwrap_or(message).to_owned();
    super::act(event, &said);
    event.set(field::MESSAGE, Value::from(said));
    true
}
