//! JSON lines: one object per line, flattened into dotted names.
//!
//! A line is read once, straight into the event: no tree of it is built.

use std::borrow::Cow;
use std::fmt;

use rules_event::{Event, Value, ValueRef, field};
use serde::Deserializer as _;
use serde::de::{self, Deserialize, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;
use serde_json::value::RawValue;

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
    let read = walk(text, "", event, |name, value, event| {
        event.set(safe_name(name), value);
    });
    if !read {
        return false;
    }
    if event.get(field::EVENT_MODULE).is_none() {
        event.set(field::EVENT_MODULE, "json");
    }
    if event.get(field::EVENT_DATASET).is_none() {
        event.set(field::EVENT_DATASET, "json");
    }
    let time = TIMES.iter().find_map(|name| time(event.get(name)?, context));
    if let Some(time) = time {
        event.time = time;
    }
    event.remove(field::TIMESTAMP);
    if event.get_str(field::MESSAGE).is_none() {
        let message = MESSAGES.iter().find_map(|name| event.get_str(name)).unwrap_or(text);
        let message = Value::text(message);
        event.set(field::MESSAGE, message);
    }
    true
}

/// Hands every member of an object on, by its dotted name behind `prefix`; false, and the event as it
/// was given, when the text is no JSON object.
pub(super) fn walk(
    text: &str,
    prefix: &str,
    event: &mut Event,
    take: impl FnMut(&str, Value, &mut Event),
) -> bool {
    // What is set before a line turns out to be broken is taken back: events come here with what all
    // records of the source have in common, and nothing else.
    let (time, id) = (event.time, std::mem::take(&mut event.id));
    let mut walk =
        Walk { name: String::with_capacity(96), left: FIELDS_MAX, event: &mut *event, take };
    walk.name.push_str(prefix);
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = reader.deserialize_map(Member { walk: &mut walk, depth: 0 });
    let read = read.is_ok() && reader.end().is_ok();
    if !read {
        event.reset(time);
    }
    event.id = id;
    read
}

/// What is known on the way through an object.
struct Walk<'e, F> {
    name: String,
    left: usize,
    event: &'e mut Event,
    take: F,
}

impl<F: FnMut(&str, Value, &mut Event)> Walk<'_, F> {
    fn set(&mut self, value: Value) {
        if self.left > 0
            && self.name.len() <= NAME_BYTES_MAX
            && !self.name.is_empty()
            && !self.name.ends_with('.')
        {
            self.left -= 1;
            (self.take)(&self.name, value, self.event);
        }
    }
}

/// One value, at the place that the walk's name says.
struct Member<'w, 'e, F> {
    walk: &'w mut Walk<'e, F>,
    depth: usize,
}

impl<'de, F: FnMut(&str, Value, &mut Event)> DeserializeSeed<'de> for Member<'_, '_, F> {
    type Value = ();

    fn deserialize<D: de::Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de, F: FnMut(&str, Value, &mut Event)> Visitor<'de> for Member<'_, '_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_bool<E>(self, flag: bool) -> Result<(), E> {
        self.walk.set(Value::Bool(flag));
        Ok(())
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.walk.set(Value::Int(number));
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        // Larger than we can hold: its digits.
        let value =
            i64::try_from(number).map_or_else(|_| Value::from(number.to_string()), Value::Int);
        self.walk.set(value);
        Ok(())
    }

    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        self.walk.set(Value::Float(number));
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.walk.set(Value::text(text));
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.walk.set(Value::Null);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        let mut list = Vec::new();
        while let Some(raw) = values.next_element::<&RawValue>()? {
            // Nested values stay text, as written.
            list.push(match raw.get().as_bytes() {
                [b'{' | b'[', ..] => Value::text(raw.get()),
                _ => value_of(serde_json::from_str(raw.get()).map_err(de::Error::custom)?),
            });
        }
        self.walk.set(Value::List(list));
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        if self.depth >= DEPTH_MAX {
            let nested = Json::deserialize(de::value::MapAccessDeserializer::new(members))?;
            self.walk.set(Value::from(nested.to_string()));
            return Ok(());
        }
        let before = self.walk.name.len();
        let mut is_empty = true;
        loop {
            if before > 0 {
                self.walk.name.push('.');
            }
            if members.next_key_seed(Key(&mut self.walk.name))?.is_none() {
                break;
            }
            is_empty = false;
            members.next_value_seed(Member { walk: &mut *self.walk, depth: self.depth + 1 })?;
            self.walk.name.truncate(before);
        }
        self.walk.name.truncate(before);
        if is_empty && self.depth > 0 {
            self.walk.set(Value::from("{}"));
        }
        Ok(())
    }
}

/// A member's key, put behind the name so far.
struct Key<'n>(&'n mut String);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = ();

    fn deserialize<D: de::Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<(), E> {
        self.0.push_str(key);
        Ok(())
    }
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
            _ => Value::from(number.to_string()),
        },
        nested => Value::from(nested.to_string()),
    }
}

/// The moment that a value of a JSON line means.
pub(super) fn time(value: ValueRef<'_>, context: &Context<'_>) -> Option<rules_event::Timestamp> {
    match value {
        ValueRef::Int(number) => moment::epoch(number as f64).map(|rough| exact(number, rough)),
        ValueRef::Float(number) => moment::epoch(number),
        ValueRef::Str(text) => match moment::rfc3339(text, context.zone) {
            Some((time, "")) => Some(time),
            _ => text.parse().ok().and_then(moment::epoch).or_else(|| moment::access(text)),
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
