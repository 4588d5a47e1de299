//! Events of the Windows event log, as JSON: what the input of EVTX files hands on, and what
//! `evtx_dump -o jsonl` prints.
//!
//! Every named value of the event's data stands under `winlog.event_data.`, and once more under the
//! name that rules look for it by: the same table (`rules_matcher::taxonomy`) serves both.
//! Spec: Event Schema (learn.microsoft.com, "Event Schema"); docs/spec/taxonomy.md.

mod data;
mod kind;

use rules_event::{Event, Timestamp, Value, field};
use serde_json::{Map, Value as Json};

use self::data::Data;

/// Dataset of channels without a Sigma service of their own.
const OTHER: &str = "windows.other";

/// Audit success and audit failure among the keywords; winmeta.h.
const AUDIT_SUCCESS: u64 = 0x0020_0000_0000_0000;
const AUDIT_FAILURE: u64 = 0x0010_0000_0000_0000;

/// Decodes an event; false when it is none.
pub(super) fn decode(text: &str, event: &mut Event) -> bool {
    let Ok(Json::Object(record)) = serde_json::from_str::<Json>(text) else { return false };
    let Some(Json::Object(record)) = record.get("Event") else { return false };
    let Some(Json::Object(system)) = record.get("System") else { return false };
    let head = Head::of(system);
    set_system(event, system, &head);
    let mut data = Data::default();
    for part in ["EventData", "UserData"] {
        if let Some(part) = record.get(part) {
            data.collect(part);
        }
    }
    data.set(event, &head);
    kind::set(event, &head, &data);
    let message = match record.get("RenderingInfo").and_then(|info| info.get("Message")) {
        // A forwarded event brings the text with it.
        Some(Json::String(message)) => message.clone(),
        _ => data.summary(&head),
    };
    event.set(field::MESSAGE, message);
    true
}

/// What decides how the rest is read.
pub(super) struct Head<'a> {
    pub(super) provider: &'a str,
    pub(super) channel: &'a str,
    pub(super) computer: &'a str,
    /// The event id, as digits.
    pub(super) code: String,
    pub(super) keywords: u64,
    /// Sigma's service of the channel, and the dataset.
    pub(super) service: &'static str,
    pub(super) dataset: &'static str,
}

impl<'a> Head<'a> {
    fn of(system: &'a Map<String, Json>) -> Self {
        let text =
            |name: &str| system.get(name).map(plain).and_then(Json::as_str).unwrap_or_default();
        let channel = text("Channel");
        let known = rules_matcher::taxonomy::CHANNELS
            .iter()
            .find(|known| known.names.iter().any(|name| name.eq_ignore_ascii_case(channel)));
        Self {
            provider: system
                .get("Provider")
                .and_then(|it| attribute(it, "Name"))
                .unwrap_or_default(),
            channel,
            computer: text("Computer"),
            code: system.get("EventID").map(plain).map(digits).unwrap_or_default(),
            keywords: hexadecimal(text("Keywords")),
            service: known.map_or("", |known| known.service),
            dataset: known.map_or(OTHER, |known| known.dataset),
        }
    }
}

fn set_system(event: &mut Event, system: &Map<String, Json>, head: &Head<'_>) {
    event.set(field::EVENT_KIND, "event");
    event.set(field::EVENT_MODULE, "windows");
    event.set(field::EVENT_DATASET, head.dataset);
    event.set_text("event.code", &head.code);
    for (name, text) in [
        ("event.provider", head.provider),
        ("winlog.provider_name", head.provider),
        ("winlog.channel", head.channel),
        ("winlog.computer_name", head.computer),
        (field::HOST_NAME, head.computer),
    ] {
        if !text.is_empty() {
            event.set_text(name, text);
        }
    }
    let part = |name: &str| system.get(name).map(plain);
    for (name, field) in [
        ("Level", "winlog.level"),
        ("Task", "winlog.task"),
        ("Opcode", "winlog.opcode"),
        ("Version", "winlog.version"),
        ("Keywords", "winlog.keywords"),
        ("EventRecordID", "winlog.record_id"),
    ] {
        if let Some(value) = part(name).and_then(scalar) {
            event.set(field, value);
        }
    }
    // Event Schema, LevelType: 0 is "always", which the log shows as information.
    let level = part("Level").and_then(Json::as_u64).map(|level| match level {
        1 => "critical",
        2 => "error",
        3 => "warning",
        5 => "verbose",
        _ => "information",
    });
    if let Some(level) = level {
        event.set("log.level", level);
    }
    let attributes = [
        ("Provider", "Guid", "winlog.provider_guid"),
        ("Correlation", "ActivityID", "winlog.activity_id"),
        ("Correlation", "RelatedActivityID", "winlog.related_activity_id"),
        ("Security", "UserID", "winlog.user.identifier"),
    ];
    for (element, name, field) in attributes {
        if let Some(text) = system.get(element).and_then(|it| attribute(it, name)) {
            event.set_text(field, text);
        }
    }
    let numbers = [("ProcessID", "winlog.process.pid"), ("ThreadID", "winlog.process.thread.id")];
    for (name, field) in numbers {
        let attributes = system.get("Execution").and_then(|it| it.get("#attributes"));
        if let Some(number) = attributes.and_then(|it| it.get(name)).and_then(Json::as_i64) {
            event.set(field, number);
        }
    }
    let time = system.get("TimeCreated").and_then(|it| attribute(it, "SystemTime"));
    if let Some(time) = time.and_then(|text| text.parse::<Timestamp>().ok()) {
        event.time = time;
    }
    if head.keywords & AUDIT_FAILURE != 0 {
        event.set(field::EVENT_OUTCOME, "failure");
    } else if head.keywords & AUDIT_SUCCESS != 0 {
        event.set(field::EVENT_OUTCOME, "success");
    }
}

/// The content of an element that also has attributes.
fn plain(value: &Json) -> &Json {
    value.get("#text").unwrap_or(value)
}

fn attribute<'a>(element: &'a Json, name: &str) -> Option<&'a str> {
    element.get("#attributes")?.get(name)?.as_str()
}

fn digits(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

fn hexadecimal(text: &str) -> u64 {
    u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap_or_default()
}

/// A single value; nothing for what is empty or has parts.
fn scalar(value: &Json) -> Option<Value> {
    match value {
        Json::String(text) => Some(Value::text(text)),
        Json::Bool(truth) => Some(Value::from(*truth)),
        Json::Number(number) => Some(match number.as_i64() {
            Some(whole) => Value::from(whole),
            None => Value::text(&number.to_string()),
        }),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}
