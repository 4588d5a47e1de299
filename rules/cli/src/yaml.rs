//! Writing YAML: texts and values of events as scalars that read back as what they were.

use rules_event::Value;

/// Returns a text as a scalar that is text whatever it looks like.
pub(crate) fn text(text: &str) -> String {
    if text.chars().any(char::is_control) {
        // A JSON string is a YAML one (YAML 1.2.2, 1.2).
        return serde_json::Value::from(text).to_string();
    }
    format!("'{}'", text.replace('\'', "''"))
}

/// Returns a value of an event, a list in brackets.
pub(crate) fn value(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Str(it) => text(it),
        Value::List(items) => {
            format!("[{}]", items.iter().map(self::value).collect::<Vec<_>>().join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stay_texts() {
        assert_eq!(text("it's: 'x'"), "'it''s: ''x'''");
        assert_eq!(text("a\n\"b"), "\"a\\n\\\"b\"");
        let list = Value::List(vec![Value::Int(7), "8".into(), Value::Null]);
        assert_eq!(value(&list), "[7, '8', null]");
    }
}
