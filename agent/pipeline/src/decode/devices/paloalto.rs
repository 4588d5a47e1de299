//! Palo Alto Networks: PAN-OS' comma-separated logs.
//!
//! Spec: Palo Alto Networks, PAN-OS 11 Administrator's Guide, "Syslog Field Descriptions" (the order of
//! the fields has been the same since PAN-OS 7 for those used here).

use rules_event::{Event, field};

use super::super::Context;
use super::super::source::{
    set_destination, set_destination_port, set_port, set_source, set_transport, set_user,
};
use super::super::url::set_target;
use crate::moment;

/// Cells that are looked at; later ones hold nothing that rules use.
const CELLS: usize = 40;

/// Decodes a message; false when it is of another device.
pub(super) fn decode(message: &str, context: &Context<'_>, event: &mut Event) -> bool {
    let mut cells = [""; CELLS];
    let mut rest = Some(message);
    for cell in &mut cells {
        let Some(text) = rest else { break };
        (*cell, rest) = next(text);
    }
    let cell = |index: usize| cells.get(index).copied().unwrap_or_default();
    let kind = cell(3);
    if !matches!(
        kind,
        "TRAFFIC" | "THREAT" | "SYSTEM" | "CONFIG" | "GLOBALPROTECT" | "USERID" | "HIPMATCH"
    ) {
        return false;
    }
    super::firewall(event, "panw", "Palo Alto Networks", "PAN-OS");
    event.set_text(field::MESSAGE, message);
    event.set_text("observer.serial_number", cell(2));
    let time = moment::slashed(cell(6), context.zone).or(moment::slashed(cell(1), context.zone));
    if let Some((time, _)) = time {
        event.time = time;
    }
    event.set_text("panw.panos.type", kind);
    set(event, "panw.panos.sub_type", cell(4));
    match kind {
        "TRAFFIC" | "THREAT" => flow(&cell, kind, event),
        "GLOBALPROTECT" => global_protect(&cell, event),
        "SYSTEM" => {
            set(event, "event.code", cell(8));
            set(event, "log.level", cell(13));
            set(event, field::EVENT_ACTION, cell(8));
        }
        "CONFIG" => {
            set_source(event, cell(7));
            set(event, "panw.panos.command", cell(9));
            set_user(event, cell(10));
            event.set(field::EVENT_ACTION, "configured");
            let done = cell(12).eq_ignore_ascii_case("Succeeded");
            event.set(field::EVENT_OUTCOME, if done { "success" } else { "failure" });
        }
        _ => {}
    }
    true
}

fn flow<'a>(cell: &impl Fn(usize) -> &'a str, kind: &str, event: &mut Event) {
    set_source(event, cell(7));
    set_destination(event, cell(8));
    set(event, "rule.name", cell(11));
    set_user(event, cell(12));
    set(event, "network.application", cell(14));
    set(event, "observer.ingress.zone", cell(16));
    set(event, "observer.egress.zone", cell(17));
    set(event, "observer.ingress.interface.name", cell(18));
    set(event, "observer.egress.interface.name", cell(19));
    set_port(event, cell(24));
    set_destination_port(event, cell(25));
    set_transport(event, cell(29));
    super::act(event, cell(30));
    if kind == "TRAFFIC" {
        let numbers = [("source.bytes", 32), ("destination.bytes", 33), ("network.packets", 34)];
        for (name, index) in numbers {
            if let Ok(number) = cell(index).parse::<i64>() {
                event.set(name, number);
            }
        }
        return;
    }
    event.set(field::EVENT_KIND, "alert");
    event.set(field::EVENT_CATEGORY, "intrusion_detection");
    let is_url = cell(4) == "url";
    if is_url {
        set_target(event, cell(31));
    } else {
        set(event, "panw.panos.threat.resource", cell(31));
    }
    set(event, "panw.panos.threat.name", cell(32));
    set(event, "panw.panos.url.category", cell(33));
    set(event, "log.level", cell(34));
}

fn global_protect<'a>(cell: &impl Fn(usize) -> &'a str, event: &mut Event) {
    event.set(field::EVENT_CATEGORY, "authentication");
    event.set(field::EVENT_ACTION, format!("globalprotect-{}", cell(8)));
    set(event, "vonglau.auth.method", cell(10));
    set_user(event, cell(12));
    // "VN": ISO codes as ECS wants them, or the name of a region of the administrator's own.
    let region = cell(13);
    if region.len() == 2 && region.bytes().all(|b| b.is_ascii_uppercase()) {
        set(event, "source.geo.country_iso_code", region);
    }
    let address = if cell(15) == "0.0.0.0" { cell(16) } else { cell(15) };
    set_source(event, address);
    set(event, "event.reason", cell(25));
    let outcome = if cell(28) == "success" { "success" } else { "failure" };
    event.set(field::EVENT_OUTCOME, outcome);
}

fn set(event: &mut Event, name: &'static str, value: &str) {
    if !value.is_empty() {
        event.set_text(name, value);
    }
}

/// The next cell, in quotes or not, and what is behind its comma.
fn next(text: &str) -> (&str, Option<&str>) {
    if let Some(quoted) = text.strip_prefix('"') {
        let end = memchr::memchr(b'"', quoted.as_bytes()).unwrap_or(quoted.len());
        let (cell, rest) = quoted.split_at(end);
        return (cell, rest.split_once(',').map(|(_, rest)| rest));
    }
    match text.split_once(',') {
        Some((cell, rest)) => (cell, Some(rest)),
        None => (text, None),
    }
}
