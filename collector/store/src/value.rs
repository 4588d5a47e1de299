//! Values of fields as text, with their types: what the map column `extra` holds.
//!
//! Text stands as it is, so that people can query it. Everything else is U+0001 followed by JSON;
//! text that itself begins with U+0001 is written that way, too.

use std::borrow::Cow;

use rules_event::{Value, ValueRef};

/// Opens a value that is not plain text.
pub(crate) const TYPED: char = '\u{1}';

/// Stands for "the event does not have this field", where a column alone could not say so.
pub(crate) const ABSENT: &str = "\u{1}-";

/// Returns the value as the text stored for it.
pub(crate) fn encode(value: ValueRef<'_>) -> Cow<'_, str> {
    match value {
        ValueRef::Str(text) if !text.starts_with(TYPED) => Cow::Borrowed(text),
        other => Cow::Owned(format!("{TYPED}{}", to_json(other))),
    }
}

/// Returns the value that was stored as this text; `None` for [`ABSENT`]. Text that this build
/// could not have written is returned as text: better odd than lost.
pub(crate) fn decode(text: &str) -> Option<Value> {
    if text == ABSENT {
        return None;
    }
    let json = text.strip_prefix(TYPED).and_then(|json| serde_json::from_str(json).ok());
    Some(json.map_or_else(|| Value::from(text.to_owned()), from_json))
}

fn to_json(value: ValueRef<'_>) -> serde_json::Value {
    match value {
        ValueRef::Null => serde_json::Value::Null,
        ValueRef::Bool(flag) => flag.into(),
        ValueRef::Int(number) => number.into(),
        ValueRef::Float(number) => number.into(),
        ValueRef::Str(text) => text.into(),
        ValueRef::List(items) => items.iter().map(|item| to_json(item.into())).collect(),
    }
}

fn from_json(json: serde_json::Value) -> Value {
    match json {
        serde_json::Value::Bool(flag) => Value::Bool(flag),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(whole) => Value::Int(whole),
            None => Value::Float(number.as_f64().unwrap_or_default()),
        },
        serde_json::Value::String(text) => Value::from(text),
        serde_json::Value::Array(items) => Value::List(items.into_iter().map(from_json).collect()),
        // Objects are never written.
        serde_json::Value::Null | serde_json::Value::Object(_) => Value::Null,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Any value an event may hold; lists of lists included.
    pub(crate) fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            (0i64..70_000).prop_map(Value::Int),
            any::<f64>().prop_filter("JSON has no NaN", |n| n.is_finite()).prop_map(Value::Float),
            any::<String>().prop_map(Value::from),
            "\u{1}?[-a-z0-9.:]{0,12}".prop_map(Value::from),
            any::<std::net::IpAddr>().prop_map(|ip| Value::from(ip.to_string())),
        ];
        leaf.prop_recursive(2, 8, 4, |inner| {
            proptest::collection::vec(inner, 0..4).prop_map(Value::List)
        })
    }

    proptest! {
        #[test]
        fn nothing_is_lost(value in any_value()) {
            prop_assert_eq!(decode(&encode((&value).into())), Some(value));
        }
    }

    #[test]
    fn text_stands_as_it_is() {
        assert_eq!(encode(ValueRef::Str("Đăng nhập 1.5")), "Đăng nhập 1.5");
        assert_eq!(encode(ValueRef::Int(5)), "\u{1}5");
        assert_eq!(decode(ABSENT), None);
        assert_eq!(decode("\u{1}{broken"), Some(Value::from("\u{1}{broken".to_owned())));
    }
}
