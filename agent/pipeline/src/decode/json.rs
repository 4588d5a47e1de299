//! JSON lines: one object per line, flattened into dotted names.

use std::borrow::Cow;

use rules_event::{Event, Value, field};
use serde_json::Value as Json;

use super::Context;
use crate::moment;

/// Deepest object that is flattened; deeper ones stay JSON text.
const DEPTH_MAX: usize = 16;

/// Most fields; the rest is only in `event.original`.
const FIELDS_MAX: usize = 256;

/// Longest name, bytes; fields with a longer one are only in `event.original`.
const NAME_BYTES_MAX: usize = 256;

/// Names of the time, the most trustworthy first.
const TIMES: [&str; 8] =
    ["@timestamp", "timestamp", "time", "ts", "eventTime", "event_time", "datetime", "date"];

/// Names of the text a person reads.
const MESSAGES: [&str; 3] = ["msg", "log", "text"];

/// Names that only the agent sets. A log must not be able to speak as another host, or to bring its
/// own hits: such fields go on under `json.`.
const OURS: [&str; 9] = [
    field::EVENT_ID,
    field::EVENT_ORIGINAL,
    field::AGENT_ID,
    field::AGENT_HOST,
    field::ORGANIZATION_ID,
    field::LOG_FILE_PATH,
    field::LOG_OFFSET,
    field::RULE_ID,
    field::RULE_RULESET,
];

/// Decodes a line; false when it is no JSON object.
pub(super) fn decode(text: &str, context: &Context<'_>, event: &mut Event) -> bool {
    let Ok(Json::Object(object)) = serde_json::from_str::<Json>(text) else { return false };
    event.set(field::EVENT_MODULE, "json");
    event.set(field::EVENT_DATASET, "json");
    let mut name = String::new();
    let mut left = FIELDS_MAX;
    for (key, value) in object {
        flatten(key, value, &mut name, 1, &mut left, event);
    }
    let time = TIMES.iter().find_map(|name| time(event.get(name)?, context));
    if let Some(time) = time {
        event.time = time;
    }
    event.remove(field::TIMESTAMP);
    if event.get_str(field::MESSAGE).is_none() {
        let message = MESSAGES.iter().find_map(|name| event.get_str(name)).unwrap_or(text);
        let message = message.to_owned();
        event.set(field::MESSAGE, message);
    }
    true
}

fn flatten(
    key: String,
    value: Json,
    name: &mut String,
    depth: usize,
    left: &mut usize,
    event: &mut Event,
) {
    let before = name.len();
    if before > 0 {
        name.push('.');
    }
    name.push_str(&key);
    match value {
        Json::Object(object) if depth < DEPTH_MAX && !object.is_empty() => {
            for (key, value) in object {
                flatten(key, value, name, depth + 1, left, event);
            }
        }
        other if *left > 0 && name.len() <= NAME_BYTES_MAX && !key.is_empty() => {
            *left -= 1;
            event.set(safe_name(name), value_of(other));
        }
        _ => {}
    }
    name.truncate(before);
}

fn safe_name(name: &str) -> Cow<'static, str> {
    if OURS.contains(&name) || name.starts_with("vonglau.") {
        return rules_event::intern(&format!("json.{name}"));
    }
    rules_event::intern(name)
}

fn value_of(json: Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(flag),
        Json::String(text) => Value::from(text),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Value::Int(whole),
            (None, Some(fraction)) if fraction.is_finite() && !number.is_u64() => {
                Value::Float(fraction)
            }
            // Larger than we can hold: its digits.
            _ => Value::from(number.to_string()),
        },
        Json::Array(values) => Value::List(
            values
                .into_iter()
                .map(|value| match value {
                    nested @ (Json::Array(_) | Json::Object(_)) => Value::from(nested.to_string()),
                    scalar => value_of(scalar),
                })
                .collect(),
        ),
        nested @ Json::Object(_) => Value::from(nested.to_string()),
    }
}

fn time(value: &Value, context: &Context<'_>) -> Option<rules_event::Timestamp> {
    match value {
        Value::Int(number) => moment::epoch(*number as f64).map(|rough| exact(*number, rough)),
        Value::Float(number) => moment::epoch(*number),
        Value::Str(text) => match moment::rfc3339(text, context.zone) {
            Some((time, "")) => Some(time),
            _ => text.parse().ok().and_then(moment::epoch),
        },
        _ => None,
    }
}

/// A float holds 53 bits; a whole number of nanoseconds has more.
fn exact(number: i64, rough: rules_event::Timestamp) -> rules_event::Timestamp {
    if rough.as_nanos().abs_diff(number) < 1_000 {
        return rules_event::Timestamp::from_nanos(number);
    }
    rough
}
