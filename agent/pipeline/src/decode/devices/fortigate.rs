//! FortiGate: `date=… time=… devname="…" type="traffic" … action="deny"`.
//!
//! All names stay under `fortinet.firewall.`. Spec: Fortinet, FortiOS Log Message Reference, "Log
//! schema structure"; Elastic's integration fortinet_fortigate.

use rules_event::{Event, Timestamp, field};

use super::super::Context;
use super::super::table::{As, Row, also};
use crate::moment;

/// Ordered by name.
pub(crate) const ROWS: &[Row] = &[
    also("attack", "threat.software.name", As::Same),
    also("devid", "observer.serial_number", As::Same),
    also("devname", "observer.name", As::Same),
    also("dstcountry", "destination.geo.country_name", As::Same),
    also("dstintf", "observer.egress.interface.name", As::Same),
    also("dstip", field::DESTINATION_IP, As::Destination),
    also("dstport", field::DESTINATION_PORT, As::DestinationPort),
    also("duration", "event.duration", As::Seconds),
    also("hostname", "url.domain", As::Same),
    also("level", "log.level", As::Same),
    also("logid", "event.code", As::Same),
    also("policyname", "rule.name", As::Same),
    also("proto", "network.transport", As::Transport),
    also("rcvdbyte", "destination.bytes", As::Int),
    also("rcvdpkt", "destination.packets", As::Int),
    also("reason", "event.reason", As::Same),
    also("remip", field::SOURCE_IP, As::Source),
    also("sentbyte", "source.bytes", As::Int),
    also("sentpkt", "source.packets", As::Int),
    also("service", "network.protocol", As::Lower),
    also("srccountry", "source.geo.country_name", As::Same),
    also("srcintf", "observer.ingress.interface.name", As::Same),
    also("srcip", field::SOURCE_IP, As::Source),
    also("srcport", field::SOURCE_PORT, As::SourcePort),
    also("unauthuser", field::USER_NAME, As::User),
    also("url", field::URL_ORIGINAL, As::Url),
    also("user", field::USER_NAME, As::User),
];

/// Where FortiGate's names stand.
const PREFIX: &str = "fortinet.firewall.";

/// Decodes a message; false when it is of another device.
pub(super) fn decode(message: &str, context: &Context<'_>, event: &mut Event) -> bool {
    if memchr::memmem::find(message.as_bytes(), b"devid=").is_none() {
        return false;
    }
    super::set_pairs(message, PREFIX, ROWS, event);
    super::firewall(event, "fortinet", "Fortinet", "FortiGate");
    event.set_text(field::MESSAGE, message);
    if let Some(time) = time(event, context) {
        event.time = time;
    }
    let get = |name: &str| event.get_str(name).unwrap_or_default();
    let action = get("fortinet.firewall.action");
    let is_ssl = get("fortinet.firewall.tunneltype").starts_with("ssl");
    let is_event = get("fortinet.firewall.type") == "event";
    let status = get("fortinet.firewall.status");
    let outcome = match () {
        () if !is_event => None,
        () if status.starts_with("fail") || action.contains("fail") => Some("failure"),
        () if status == "success" || action == "tunnel-up" => Some("success"),
        () => None,
    };
    // Rules know a VPN by its word: ssl-vpn-tunnel-up, ssl-vpn-login-fail.
    let action = match action.strip_prefix("ssl-").unwrap_or(action) {
        bare if is_ssl && is_event => format!("ssl-vpn-{bare}"),
        _ => action.to_owned(),
    };
    super::act(event, &action);
    if is_event {
        event.remove("vonglau.firewall.blocked");
    }
    if let Some(outcome) = outcome {
        event.set(field::EVENT_OUTCOME, outcome);
        event.set(field::EVENT_CATEGORY, "authentication");
    }
    true
}

fn time(event: &Event, context: &Context<'_>) -> Option<Timestamp> {
    let get = |name: &str| event.get_str(name);
    let (date, clock) = (get("fortinet.firewall.date")?, get("fortinet.firewall.time")?);
    let zone = get("fortinet.firewall.tz").and_then(|text| crate::timezone(text).ok());
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    moment::parts(year, month, day, clock, zone.as_ref().unwrap_or(context.zone))
}
