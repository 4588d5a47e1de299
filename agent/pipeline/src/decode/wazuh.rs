//! Wazuh: the lines of alerts.json.
//!
//! Every member stays under `wazuh.`: its `rule.id` and `agent.id` are not ours. Spec: Wazuh manager
//! 4.x, `ossec-alerts.json`; field names of its index template.

use rules_event::{Event, Value, ValueRef, field};

use super::table::{As, Row, also, find, put, set_dataset};
use super::{Context, json};

const PREFIX: &str = "wazuh";

/// Ordered by name.
pub(super) const ROWS: &[Row] = &[
    also("agent.name", field::HOST_NAME, As::Same),
    also("data.action", field::EVENT_ACTION, As::Same),
    also("data.dstip", field::DESTINATION_IP, As::Destination),
    also("data.dstport", field::DESTINATION_PORT, As::DestinationPort),
    also("data.dstuser", field::USER_NAME, As::User),
    also("data.protocol", "network.transport", As::Transport),
    also("data.srcip", field::SOURCE_IP, As::Source),
    also("data.srcport", field::SOURCE_PORT, As::SourcePort),
    also("data.srcuser", field::USER_NAME, As::User),
    also("data.url", field::URL_ORIGINAL, As::Url),
    also("full_log", field::MESSAGE, As::Same),
    also("predecoder.program_name", field::PROCESS_NAME, As::Same),
    also("rule.description", "rule.name", As::Same),
    also("rule.level", "event.severity", As::Int),
    also("rule.mitre.id", "threat.technique.id", As::Same),
    also("rule.mitre.tactic", "threat.tactic.name", As::Same),
    also("rule.mitre.technique", "threat.technique.name", As::Same),
    also("syscheck.md5_after", "file.hash.md5", As::Same),
    also("syscheck.path", field::FILE_PATH, As::Same),
    also("syscheck.sha1_after", "file.hash.sha1", As::Same),
    also("syscheck.sha256_after", "file.hash.sha256", As::Same),
];

/// Decodes a line; false when it is no JSON object.
pub(super) fn decode(text: &str, context: &Context<'_>, event: &mut Event) -> bool {
    let read = json::walk(text, PREFIX, event, |name, value, event| {
        let key = name.get(PREFIX.len() + 1..).unwrap_or_default();
        if let Some(row) = find(ROWS, key) {
            put(row, &value, event);
        }
        event.set(rules_event::intern(name), value);
    });
    if !read {
        return false;
    }
    set_dataset(event, "wazuh", "wazuh.alerts");
    event.set(field::EVENT_KIND, "alert");
    let time = event.remove("wazuh.timestamp");
    if let Some(time) = time.as_ref().and_then(|value| json::time(value.into(), context)) {
        event.time = time;
    }
    // Groups are words of one level: authentication_failed, authentication_success.
    let groups = || event.get("wazuh.rule.groups").into_iter().flat_map(ValueRef::items);
    let has = |word: &str| groups().any(|group| group.as_str() == Some(word));
    let outcome = match () {
        () if has("authentication_failed") || has("authentication_failures") => Some("failure"),
        () if has("authentication_success") => Some("success"),
        () => None,
    };
    if let Some(outcome) = outcome {
        event.set(field::EVENT_CATEGORY, "authentication");
        event.set(field::EVENT_OUTCOME, outcome);
    }
    if event.get(field::MESSAGE).is_none() {
        let message = event.get_str("rule.name").unwrap_or(text);
        let message = Value::text(message);
        event.set(field::MESSAGE, message);
    }
    true
}
