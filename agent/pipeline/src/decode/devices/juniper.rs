//! Juniper SRX: `RT_FLOW_SESSION_DENY: session denied 203.0.113.5/4711->10.0.0.9/22 …`, and the same as
//! structured data.
//!
//! Spec: Juniper, "Junos OS System Log Explorer", RT_FLOW_SESSION_CREATE, _CLOSE, _DENY.

use rules_event::{Event, field};

use super::super::source::{
    set_destination, set_destination_port, set_port, set_source, set_transport,
};
use super::super::table::set_dataset;
use super::super::template;

/// Sentences of the flow daemon.
const SENTENCES: &[(&str, &str)] = &[
    ("…session denied {ip}/{port}->{toip}/{toport} {_}", "deny"),
    ("…session created {ip}/{port}->{toip}/{toport} {_}", "permit"),
    ("…session closed {reason}: {ip}/{port}->{toip}/{toport} {_}", "close"),
];

/// Decodes a message of the program `RT_FLOW`.
pub(crate) fn decode(message: &str, event: &mut Event) {
    set_dataset(event, "juniper", "network.syslog");
    event.set(field::EVENT_CATEGORY, "network");
    event.set("observer.type", "firewall");
    super::observed(event, "Juniper", "SRX");
    let said = SENTENCES
        .iter()
        .find_map(|(words, action)| Some((template::fit(words, message)?, *action)));
    if let Some((holes, action)) = said {
        template::set(&holes, event);
        super::act(event, action);
    }
    structured(event);
}

/// Structured data names everything; the names stand behind the id of the firewall's model.
fn structured(event: &mut Event) {
    let facts: Vec<(&'static str, String)> = event
        .fields()
        .filter_map(|(name, value)| {
            let name = name.strip_prefix("log.syslog.structured_data.junos@")?;
            let key = NAMES.iter().find(|key| name.ends_with(**key))?;
            Some((*key, value.to_string()))
        })
        .collect();
    for (key, value) in facts {
        match key {
            ".source-address" => set_source(event, &value),
            ".source-port" => set_port(event, &value),
            ".destination-address" => set_destination(event, &value),
            ".destination-port" => set_destination_port(event, &value),
            ".protocol-id" => set_transport(event, &value),
            ".policy-name" => event.set_text("rule.name", &value),
            ".username" if value != "N/A" => event.set_text(field::USER_NAME, &value),
            ".bytes-from-client" | ".bytes-from-server" => {
                let name =
                    if key.ends_with("client") { "source.bytes" } else { "destination.bytes" };
                if let Ok(bytes) = value.parse::<i64>() {
                    event.set(name, bytes);
                }
            }
            _ => {}
        }
    }
    // With structured data the sentence may be left out; its name then is the message's id.
    if event.get(field::EVENT_ACTION).is_none() {
        let action = match event.get_str("log.syslog.msgid") {
            Some("RT_FLOW_SESSION_DENY" | "RT_FLOW_SESSION_DENY_LS") => "deny",
            Some("RT_FLOW_SESSION_CREATE" | "RT_FLOW_SESSION_CREATE_LS") => "permit",
            Some("RT_FLOW_SESSION_CLOSE" | "RT_FLOW_SESSION_CLOSE_LS") => "close",
            _ => return,
        };
        super::act(event, action);
    }
}

const NAMES: [&str; 9] = [
    ".source-address",
    ".source-port",
    ".destination-address",
    ".destination-port",
    ".protocol-id",
    ".policy-name",
    ".username",
    ".bytes-from-client",
    ".bytes-from-server",
];
