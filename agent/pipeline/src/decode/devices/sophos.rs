//! Sophos Firewall (XG, SFOS): `device="SFW" date=… log_type="Firewall" log_subtype="Denied" …`.
//!
//! All names stay under `sophos.xg.`. Spec: Sophos, "Sophos Firewall: Syslog guide"; Elastic's
//! integration sophos.

use rules_event::{Event, Timestamp, field};

use super::super::Context;
use super::super::table::{As, Row, also};
use crate::moment;

/// Ordered by name.
pub(crate) const ROWS: &[Row] = &[
    also("bytes_received", "destination.bytes", As::Int),
    also("bytes_sent", "source.bytes", As::Int),
    also("con_duration", "event.duration", As::Seconds),
    also("device_name", "observer.name", As::Same),
    also("device_serial_id", "observer.serial_number", As::Same),
    also("domain", "url.domain", As::Same),
    also("dst_country", "destination.geo.country_name", As::Same),
    also("dst_ip", field::DESTINATION_IP, As::Destination),
    also("dst_port", field::DESTINATION_PORT, As::DestinationPort),
    also("fw_rule_name", "rule.name", As::Same),
    also("in_interface", "observer.ingress.interface.name", As::Same),
    also("log_id", "event.code", As::Same),
    also("out_interface", "observer.egress.interface.name", As::Same),
    also("protocol", "network.transport", As::Transport),
    also("recv_bytes", "destination.bytes", As::Int),
    also("sent_bytes", "source.bytes", As::Int),
    also("src_country", "source.geo.country_name", As::Same),
    also("src_ip", field::SOURCE_IP, As::Source),
    also("src_port", field::SOURCE_PORT, As::SourcePort),
    also("url", field::URL_ORIGINAL, As::Url),
    also("user_name", field::USER_NAME, As::User),
];

/// Where Sophos' names stand.
const PREFIX: &str = "sophos.xg.";

/// Decodes a message; false when it is of another device.
pub(super) fn decode(message: &str, context: &Context<'_>, event: &mut Event) -> bool {
    let is_ours = |word: &[u8]| memchr::memmem::find(message.as_bytes(), word).is_some();
    if !is_ours(b"log_type=") || !is_ours(b"log_component=") {
        return false;
    }
    super::set_pairs(message, PREFIX, ROWS, event);
    super::firewall(event, "sophos", "Sophos", "SFOS");
    event.set_text(field::MESSAGE, message);
    if let Some(time) = time(event, context) {
        event.time = time;
    }
    let get = |name: &str| event.get_str(name).unwrap_or_default();
    let subtype = get("sophos.xg.log_subtype").to_owned();
    let status = get("sophos.xg.status");
    let component = get("sophos.xg.log_component");
    let is_login = subtype == "Authentication" || get("sophos.xg.log_type") == "Event";
    let outcome = match status {
        "Successful" | "Success" | "Established" => Some("success"),
        "Failed" | "Deny" if is_login => Some("failure"),
        _ => None,
    };
    let is_vpn = component.contains("SSL VPN") || component.contains("IPSec");
    let action = if is_vpn && is_login {
        Some(if component.contains("SSL") { "sslvpn-login" } else { "vpn-login" })
    } else {
        None
    };
    super::act(event, action.unwrap_or(&subtype));
    if let Some(outcome) = outcome.filter(|_| is_login) {
        event.set(field::EVENT_OUTCOME, outcome);
        event.set(field::EVENT_CATEGORY, "authentication");
    }
    true
}

fn time(event: &Event, context: &Context<'_>) -> Option<Timestamp> {
    let get = |name: &str| event.get_str(name);
    if let Some(text) = get("sophos.xg.timestamp") {
        return moment::rfc3339(text, context.zone).map(|(time, _)| time);
    }
    let (date, clock) = (get("sophos.xg.date")?, get("sophos.xg.time")?);
    let zone = get("sophos.xg.timezone").and_then(|text| crate::timezone(text).ok());
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    moment::parts(year, month, day, clock, zone.as_ref().unwrap_or(context.zone))
}
