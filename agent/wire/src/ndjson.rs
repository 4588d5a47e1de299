//! The wire form of an event: one JSON object a line, dotted ECS names as keys. Reading it.

use std::fmt;

use rules_event::{Event, Timestamp, Value, field, intern};
use serde::Deserializer;
use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};

use crate::Error;

/// Reads an event from one JSON object. Nested objects are flattened into dotted names, so that
/// events written by hand (rule cases) may use either form.
///
/// # Errors
/// A sentence fragment saying what is wrong.
pub fn parse_event(line: &[u8]) -> Result<Event, String> {
    let mut event = Event::default();
    let mut json = serde_json::Deserializer::from_slice(line);
    Fields { event: &mut event, prefix: "" }
        .deserialize(&mut json)
        .and_then(|()| json.end())
        .map_err(|error| error.to_string())?;
    Ok(event)
}

/// Reads a batch of wire version 1: one event a line.
///
/// # Errors
/// [`Error::BadEvent`].
pub(crate) fn parse_events(raw: &[u8]) -> Result<Vec<Event>, Error> {
    let lines = raw.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines
        .enumerate()
        .map(|(index, line)| {
            parse_event(line).map_err(|reason| Error::BadEvent { event: index + 1, reason })
        })
        .collect()
}

/// Reads the members of one object into the event, each name behind `prefix`.
struct Fields<'a> {
    event: &'a mut Event,
    prefix: &'a str,
}

impl<'de> DeserializeSeed<'de> for Fields<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(key) = map.next_key::<String>()? {
            let name = match self.prefix {
                "" => key,
                prefix => format!("{prefix}.{key}"),
            };
            map.next_value_seed(Field { event: self.event, name })?;
        }
        Ok(())
    }
}

/// Reads one member: a scalar or list becomes a field, an object more [`Fields`].
struct Field<'a> {
    event: &'a mut Event,
    name: String,
}

impl Field<'_> {
    fn set<E: de::Error>(self, value: Value) -> Result<(), E> {
        match (self.name.as_str(), &value) {
            (field::TIMESTAMP, Value::Str(text)) => {
                self.event.time = text.parse::<Timestamp>().map_err(E::custom)?;
            }
            (field::EVENT_ID, Value::Str(text)) => self.event.id = text.to_string(),
            (field::TIMESTAMP | field::EVENT_ID, _) => {
                return Err(E::custom(format!("{} is not text", self.name)));
            }
            _ => self.event.set(intern(&self.name), value),
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Field<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Field<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.set(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<(), E> {
        self.set(Value::Bool(flag))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<(), E> {
        self.set(Value::Int(number))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<(), E> {
        // Beyond i64 only text is exact.
        self.set(i64::try_from(number).map_or_else(|_| Value::from(number.to_string()), Value::Int))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<(), E> {
        self.set(Value::Float(number))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        self.set(Value::text(text))
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<(), S::Error> {
        let mut values = Vec::new();
        while let Some(item) = list.next_element::<serde_json::Value>()? {
            values.push(to_value(item));
        }
        self.set(Value::List(values))
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<(), M::Error> {
        Fields { event: self.event, prefix: &self.name }.visit_map(map)
    }
}

fn to_value(json: serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(flag) => Value::Bool(flag),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(whole) => Value::Int(whole),
            None => Value::Float(number.as_f64().unwrap_or_default()),
        },
        serde_json::Value::String(text) => Value::from(text),
        serde_json::Value::Array(items) => Value::List(items.into_iter().map(to_value).collect()),
        // An object inside a list has no dotted name; its text keeps it readable and lossless.
        object @ serde_json::Value::Object(_) => Value::from(object.to_string()),
    }
}
