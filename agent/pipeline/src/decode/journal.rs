//! Entries of the systemd journal, as `journalctl --output=json` prints them.
//!
//! Spec: systemd, "Journal Export Formats", JSON: values are text, null when too large, an array of
//! bytes when not UTF-8, and an array of values when a field occurs more than once.

use rules_event::{Event, Timestamp, encode_lossless, field};
use serde_json::{Map, Value as Json};

use super::syslog::{self, Header};
use super::{Context, auditd};

/// Decodes an entry; false when it is none.
pub(super) fn decode(text: &str, context: &Context<'_>, event: &mut Event) -> bool {
    let Ok(Json::Object(entry)) = serde_json::from_str::<Json>(text) else { return false };
    let microseconds = |name| get(&entry, name).and_then(|text| text.parse::<i64>().ok());
    // When the process wrote it, else when the journal received it.
    let time = microseconds("_SOURCE_REALTIME_TIMESTAMP").or(microseconds("__REALTIME_TIMESTAMP"));
    if let Some(time) = time {
        event.time = Timestamp::from_nanos(time.saturating_mul(1_000));
    }
    let facility = get(&entry, "SYSLOG_FACILITY").and_then(|text| text.parse::<u8>().ok());
    let facility = facility.filter(|facility| *facility < 24);
    let severity = get(&entry, "PRIORITY").and_then(|text| text.parse::<u8>().ok());
    if let Some(severity) = severity.filter(|severity| *severity < 8) {
        match facility {
            Some(facility) => syslog::set_priority(event, facility * 8 + severity),
            None => event.set("log.syslog.severity.code", i64::from(severity)),
        }
    }
    for (name, field) in [
        ("_EXE", field::PROCESS_EXECUTABLE),
        ("_SYSTEMD_UNIT", "systemd.unit"),
        ("_TRANSPORT", "systemd.transport"),
    ] {
        if let Some(text) = get(&entry, name) {
            event.set_text(field, text);
        }
    }
    let (message, escaped) = message(&entry);
    if get(&entry, "_TRANSPORT") == Some("audit") && audit(&entry, &message, event) {
        return true;
    }
    let process = get(&entry, "SYSLOG_IDENTIFIER").or_else(|| get(&entry, "_COMM"));
    let header = Header {
        host: get(&entry, "_HOSTNAME").unwrap_or_default(),
        process: process.unwrap_or_default(),
        pid: get(&entry, "_PID").or_else(|| get(&entry, "SYSLOG_PID")).unwrap_or_default(),
        message: &message,
        tagged: &message,
    };
    syslog::finish(&header, facility, context, event);
    if escaped {
        event.set(field::VONGLAU_ESCAPED, true);
    }
    true
}

/// A record that journald took from the kernel: its header stands in fields, the rest behind the name of
/// its type in the message. Spec: systemd, `src/journal/journald-audit.c`.
fn audit(entry: &Map<String, Json>, message: &str, event: &mut Event) -> bool {
    let Some(serial) = get(entry, "_AUDIT_ID") else { return false };
    let (kind, body) = message.split_once(' ').unwrap_or((message, ""));
    // Older ones write <audit-1400> for the name.
    let kind = get(entry, "_AUDIT_TYPE_NAME").unwrap_or(kind);
    let number = |name: &str| get(entry, name).and_then(|text| text.parse::<i64>().ok());
    let time = number("_SOURCE_REALTIME_TIMESTAMP").or(number("__REALTIME_TIMESTAMP"));
    let (seconds, millis) = time.map_or((0, 0), |time| (time / 1_000_000, time / 1_000 % 1_000));
    let kind = match kind.strip_prefix("<audit-").and_then(|kind| kind.strip_suffix('>')) {
        Some(number) => number,
        None => kind,
    };
    let record = format!("type={kind} msg=audit({seconds}.{millis:03}:{serial}): {body}");
    if !auditd::decode(&record, event) {
        return false;
    }
    if let Some(host) = get(entry, "_HOSTNAME") {
        event.set_text(field::HOST_NAME, host);
    }
    true
}

/// The text of a field; of the first value when it occurs more than once.
fn get<'a>(entry: &'a Map<String, Json>, name: &str) -> Option<&'a str> {
    match entry.get(name)? {
        Json::String(text) => Some(text),
        Json::Array(values) => values.first().and_then(Json::as_str),
        _ => None,
    }
}

/// The message, and whether it holds escapes for bytes that were not UTF-8.
fn message(entry: &Map<String, Json>) -> (String, bool) {
    if let Some(Json::Array(values)) = entry.get("MESSAGE") {
        let byte = |value: &Json| value.as_u64().and_then(|number| u8::try_from(number).ok());
        if let Some(bytes) = values.iter().map(byte).collect::<Option<Vec<u8>>>() {
            let (text, escaped) = encode_lossless(&bytes);
            return (text.into_owned(), escaped);
        }
    }
    (get(entry, "MESSAGE").unwrap_or_default().to_owned(), false)
}
