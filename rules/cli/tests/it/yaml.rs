//! YAML to JSON, as an editor's language server sees a rule file.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

enum Open {
    List(Vec<Value>),
    Map(Map<String, Value>, Option<String>),
}

/// Returns the documents of a text without tags; aliases are written out.
pub(crate) fn documents(text: &str) -> Vec<Value> {
    let mut documents = Vec::new();
    let mut open: Vec<(Open, usize)> = Vec::new();
    let mut anchored: HashMap<usize, Value> = HashMap::new();
    for event in Parser::new_from_str(text) {
        let (value, anchor) = match event.expect("valid YAML").0 {
            Event::SequenceStart(anchor, ..) => {
                open.push((Open::List(Vec::new()), anchor));
                continue;
            }
            Event::MappingStart(anchor, ..) => {
                open.push((Open::Map(Map::new(), None), anchor));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some((Open::List(items), anchor)) => (Value::Array(items), anchor),
                Some((Open::Map(map, None), anchor)) => (Value::Object(map), anchor),
                _ => panic!("unbalanced"),
            },
            Event::Scalar(text, style, anchor, _) => {
                (scalar(&text, style == ScalarStyle::Plain), anchor)
            }
            Event::Alias(anchor) => (anchored[&anchor].clone(), 0),
            _ => continue,
        };
        if anchor != 0 {
            anchored.insert(anchor, value.clone());
        }
        match open.last_mut().map(|(open, _)| open) {
            None => documents.push(value),
            Some(Open::List(items)) => items.push(value),
            Some(Open::Map(map, key)) => match key.take() {
                Some(key) => assert!(map.insert(key, value).is_none(), "a key stands twice"),
                None => *key = Some(value.as_str().map_or(value.to_string(), str::to_owned)),
            },
        }
    }
    documents
}

/// YAML 1.2.2, 10.3 "Core Schema", as far as rules use it.
fn scalar(text: &str, plain: bool) -> Value {
    match text {
        _ if !plain => Value::from(text),
        "" | "~" | "null" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => text
            .parse::<i64>()
            .map(Value::from)
            .or_else(|_| text.parse::<f64>().map(Value::from))
            .unwrap_or_else(|_| Value::from(text)),
    }
}
