//! JSON events read for matching only: nothing is copied that need not be.

use std::borrow::Cow;
use std::fmt;

use rules_event::Value;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use rules_event::ValueRef;

use crate::fields::Fields;

/// Fields of one event; more are refused.
pub const FIELDS_MAX: usize = 2_000;
/// How deep objects may nest; deeper ones are refused.
pub const NESTING_MAX: usize = 16;

/// One JSON object as an event. Nested objects are flattened: `{"a":{"b":1}}` is the field `a.b`. Of
/// two fields with one name the last counts, as with most readers of JSON.
#[derive(Debug, Default)]
pub struct JsonFields<'a> {
    fields: Vec<(Cow<'a, str>, Scalar<'a>)>,
}

#[derive(Debug)]
enum Scalar<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(Cow<'a, str>),
    List(Vec<Value>),
}

impl<'a> JsonFields<'a> {
    /// Reads one object.
    ///
    /// # Errors
    /// When the text is no JSON object, has more than [`FIELDS_MAX`] fields or nests deeper than
    /// [`NESTING_MAX`]; the error names line and column.
    pub fn parse(text: &'a str) -> Result<Self, serde_json::Error> {
        let mut fields = Vec::with_capacity(32);
        let mut reader = serde_json::Deserializer::from_str(text);
        Object { fields: &mut fields, prefix: "", depth: 0 }.deserialize(&mut reader)?;
        reader.end()?;
        let mut event = Self { fields };
        event.keep_last();
        Ok(event)
    }

    /// Drops all but the last of fields with one name.
    fn keep_last(&mut self) {
        let repeated = |index: usize| {
            let (name, _) = &self.fields[index];
            self.fields[index + 1..].iter().any(|(later, _)| later == name)
        };
        // Objects have few keys, and their lengths tell most of them apart.
        let gone: Vec<usize> = (0..self.fields.len()).filter(|index| repeated(*index)).collect();
        for index in gone.into_iter().rev() {
            self.fields.remove(index);
        }
    }
}

impl Fields for JsonFields<'_> {
    fn len(&self) -> usize {
        self.fields.len()
    }

    #[inline]
    fn at(&self, index: usize) -> Option<(&str, ValueRef<'_>)> {
        let (name, value) = self.fields.get(index)?;
        let value = match value {
            Scalar::Null => ValueRef::Null,
            Scalar::Bool(flag) => ValueRef::Bool(*flag),
            Scalar::Int(number) => ValueRef::Int(*number),
            Scalar::Float(number) => ValueRef::Float(*number),
            Scalar::Str(text) => ValueRef::Str(text),
            Scalar::List(values) => ValueRef::List(values),
        };
        Some((name, value))
    }
}

/// An object whose fields are appended under a prefix.
struct Object<'f, 'a, 'p> {
    fields: &'f mut Vec<(Cow<'a, str>, Scalar<'a>)>,
    prefix: &'p str,
    depth: usize,
}

impl<'a> DeserializeSeed<'a> for Object<'_, 'a, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for Object<'_, 'a, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<(), M::Error> {
        if self.depth >= NESTING_MAX {
            return Err(M::Error::custom(format_args!("nests deeper than {NESTING_MAX}")));
        }
        while let Some(Key(key)) = map.next_key_seed(KeySeed)? {
            let name = match self.prefix {
                "" => key,
                prefix => Cow::Owned(format!("{prefix}.{key}")),
            };
            if self.fields.len() >= FIELDS_MAX {
                return Err(M::Error::custom(format_args!("more than {FIELDS_MAX} fields")));
            }
            map.next_value_seed(Field { fields: self.fields, name, depth: self.depth })?;
        }
        Ok(())
    }
}

/// A key, borrowed where it holds no escapes.
struct Key<'a>(Cow<'a, str>);
struct KeySeed;

impl<'a> DeserializeSeed<'a> for KeySeed {
    type Value = Key<'a>;

    fn deserialize<D: Deserializer<'a>>(self, reader: D) -> Result<Key<'a>, D::Error> {
        reader.deserialize_str(self)
    }
}

impl<'a> Visitor<'a> for KeySeed {
    type Value = Key<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Key<'a>, E> {
        Ok(Key(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Key<'a>, E> {
        Ok(Key(Cow::Owned(text.to_owned())))
    }
}

/// The value of one field, or an object of further ones.
struct Field<'f, 'a> {
    fields: &'f mut Vec<(Cow<'a, str>, Scalar<'a>)>,
    name: Cow<'a, str>,
    depth: usize,
}

impl<'a> Field<'_, 'a> {
    fn push<E>(self, value: Scalar<'a>) -> Result<(), E> {
        self.fields.push((self.name, value));
        Ok(())
    }
}

impl<'a> DeserializeSeed<'a> for Field<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Field<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.push(Scalar::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<(), E> {
        self.push(Scalar::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.push(Scalar::Int(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        // Beyond i64 only text is exact.
        let text = |_| Scalar::Str(Cow::Owned(number.to_string()));
        self.push(i64::try_from(number).map_or_else(text, Scalar::Int))
    }

    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        self.push(Scalar::Float(number))
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<(), E> {
        self.push(Scalar::Str(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.push(Scalar::Str(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<S: SeqAccess<'a>>(self, mut list: S) -> Result<(), S::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element::<serde_json::Value>()? {
            flatten(value, &mut values);
        }
        self.push(Scalar::List(values))
    }

    fn visit_map<M: MapAccess<'a>>(self, map: M) -> Result<(), M::Error> {
        Object { fields: self.fields, prefix: &self.name, depth: self.depth + 1 }.visit_map(map)
    }
}

/// The elements of a list: lists inside are taken apart, an object is its JSON text.
fn flatten(value: serde_json::Value, out: &mut Vec<Value>) {
    match value {
        serde_json::Value::Null => out.push(Value::Null),
        serde_json::Value::Bool(flag) => out.push(Value::Bool(flag)),
        serde_json::Value::Number(number) => out.push(match number.as_i64() {
            Some(number) => Value::Int(number),
            None => Value::Float(number.as_f64().unwrap_or_default()),
        }),
        serde_json::Value::String(text) => out.push(Value::from(text)),
        serde_json::Value::Array(values) => {
            values.into_iter().for_each(|value| flatten(value, out));
        }
        object @ serde_json::Value::Object(_) => out.push(Value::from(object.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_flattened_and_last_ones_count() {
        let text = r#"{"a":{"b":1,"c":"x\ty"},"d":[1,["z"],null],"a.b":2.5,"n":null,"t":true}"#;
        let event = JsonFields::parse(text).unwrap();
        assert_eq!(event.value("a.b"), Some(ValueRef::Float(2.5)));
        assert_eq!(event.value("a.c"), Some(ValueRef::Str("x\ty")));
        assert_eq!(event.value("n"), Some(ValueRef::Null));
        assert_eq!(event.value("t"), Some(ValueRef::Bool(true)));
        let list = [Value::Int(1), Value::from("z"), Value::Null];
        assert_eq!(event.value("d"), Some(ValueRef::List(&list)));
        assert_eq!(event.len(), 5);
    }

    #[test]
    fn what_is_no_event_is_refused_with_its_place() {
        assert!(JsonFields::parse("[1]").unwrap_err().to_string().contains("line 1 column"));
        assert!(JsonFields::parse(r#"{"a":1} x"#).is_err());
        let deep = format!("{}1{}", r#"{"a":"#.repeat(40), "}".repeat(40));
        assert!(JsonFields::parse(&deep).unwrap_err().to_string().contains("nests deeper"));
    }
}
