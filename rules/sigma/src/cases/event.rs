//! One event of a case: ECS fields, nested or dotted.

use rules_event::{Event, Value, field};

use crate::report::Reporter;
use crate::yaml::{Kind, Node, Scalar};
use crate::{Number, codes};

pub(super) fn event(node: &Node, report: &mut Reporter<'_>) -> Option<Event> {
    let errors = report.errors();
    let mut event = Event::default();
    flatten("", node, &mut event, report);
    if report.errors() > errors {
        return None;
    }
    if event.get_str(field::EVENT_DATASET).is_none() {
        let help = "for example 'event.dataset: system.auth': rules choose their events by it";
        report.error_help(codes::BAD_CASE, node.span, "the event has no 'event.dataset'", help);
        return None;
    }
    Some(event)
}

/// Sets the fields of a map in an event, nested maps as dotted names.
fn flatten(prefix: &str, node: &Node, event: &mut Event, report: &mut Reporter<'_>) {
    let Kind::Map(entries) = &node.kind else {
        let message = format!("an event must be a map of ECS fields, not {}", node.kind_name());
        report.error(codes::BAD_CASE, node.span, message);
        return;
    };
    for (key, node) in entries {
        let name =
            if prefix.is_empty() { key.text.clone() } else { format!("{prefix}.{}", key.text) };
        match (&node.kind, name.as_str()) {
            (Kind::Map(_), _) => flatten(&name, node, event, report),
            (Kind::Scalar(scalar), field::TIMESTAMP) => match scalar.text.parse() {
                Ok(time) => event.time = time,
                Err(error) => report.error(codes::BAD_CASE, node.span, format!("{error}")),
            },
            (Kind::Scalar(scalar), field::EVENT_ID) => event.id.clone_from(&scalar.text),
            (Kind::Scalar(scalar), _) => event.set(name, value(scalar)),
            (Kind::List(nodes), _) => {
                let values = nodes.iter().map(|node| match &node.kind {
                    Kind::Scalar(scalar) => value(scalar),
                    Kind::List(_) | Kind::Map(_) => {
                        let message = "a list in an event holds only single values";
                        report.error(codes::BAD_CASE, node.span, message);
                        Value::Null
                    }
                });
                let values = values.collect();
                event.set(name, Value::List(values));
            }
        }
    }
}

fn value(scalar: &Scalar) -> Value {
    if scalar.is_null() {
        return Value::Null;
    }
    if let Some(flag) = scalar.as_bool() {
        return Value::Bool(flag);
    }
    match Number::parse(&scalar.text).filter(|_| scalar.plain) {
        Some(Number::Int(number)) => Value::Int(number),
        Some(Number::Float(number)) => Value::Float(number),
        None => Value::from(scalar.text.clone()),
    }
}
