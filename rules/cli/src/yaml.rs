//! Writing YAML: texts and values of events as scalars that read back as what they were.

use rules_event::ValueRef;

/// Returns a text as a scalar that is text whatever it looks like.
pub(crate) fn text(text: &str) -> String {
    if text.chars().any(char::is_control) {
        // A JSON string is a YAML one (YAML 1.2.2, 1.2).
        return serde_json::Value::from(text).to_string();
    }
    format!("'{}'", text.replace('\'', "''"))
}

/// Returns a value of an event, a list in brackets.
pub(crate) fn value(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "null".to_owned(),
        ValueRef::Bool(flag) => flag.to_string(),
        ValueRef::Int(number) => number.to_string(),
        ValueRef::Float(number) => number.to_string(),
        ValueRef::Str(it) => text(it),
        ValueRef::List(items) => {
            format!(
                "[{}]",
                items.iter().map(|item| self::value(item.into())).collect::<Vec<_>>().join(", ")
            )
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
        let list = rules_event::Value::List(vec![
            rules_event::Value::Int(7),
            "8".into(),
            rules_event::Value::Null,
        ]);
        assert_eq!(value((&list).into()), "[7, '8', null]");
    }
}
