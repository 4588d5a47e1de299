//! The meaning of a rule, written down as plainly as possible.
//!
//! Walks the rule as parsed, with no preparation. [`crate::RuleSet::why`] explains with it, and the
//! property tests hold the compiled form to it.

use std::cmp::Ordering;
use std::net::IpAddr;

use rules_event::{Event, Timestamp, Value};
use rules_sigma::{
    Comparison, Item, Logsource, Number, Part, Pattern, Place, Test, TimePart, compile_regex, fold,
};

use crate::taxonomy;

/// Returns the names of the fields an item looks at.
pub(crate) fn fields(item: &Item, logsource: &Logsource) -> Vec<String> {
    match &item.field {
        Some(field) => vec![taxonomy::field_name(logsource, field).into_owned()],
        None => taxonomy::KEYWORD_FIELDS.map(str::to_owned).to_vec(),
    }
}

/// Says whether one test holds on one field of an event.
pub(crate) fn holds(test: &Test, field: &str, event: &Event, logsource: &Logsource) -> bool {
    let value = event.get(field);
    let there = !matches!(value, None | Some(Value::Null));
    match test {
        Test::Null => !there,
        Test::Exists(wanted) => there == *wanted,
        Test::AnyOf(tests) => tests.iter().any(|test| holds(test, field, event, logsource)),
        Test::Field { field: other, place, cased } => {
            let other = event.get(&taxonomy::field_name(logsource, other));
            value
                .zip(other)
                .is_some_and(|(value, other)| fields_agree(value, other, *place, *cased))
        }
        test => value.is_some_and(|value| value.as_slice().iter().any(|one| holds_one(test, one))),
    }
}

fn holds_one(test: &Test, value: &Value) -> bool {
    let text = value.to_text();
    match test {
        Test::Text { pattern, cased } => {
            text.is_some_and(|text| pattern_matches(pattern, &text, *cased))
        }
        Test::Number(number) => equals_number(value, *number),
        Test::Bool(flag) => equals_bool(value, *flag),
        Test::Regex { source, flags } => {
            let regex = compile_regex(source, *flags);
            text.is_some_and(|text| regex.is_ok_and(|regex| regex.is_match(&text)))
        }
        Test::Cidr(cidr) => value
            .as_str()
            .is_some_and(|text| text.parse::<IpAddr>().is_ok_and(|address| cidr.contains(address))),
        Test::Compare { op, bound } => compares(value, *op, *bound),
        Test::TimePart { part, op, bound } => time_compares(value, *part, *op, *bound),
        Test::Null | Test::Exists(_) | Test::AnyOf(_) | Test::Field { .. } => false,
    }
}

/// Matches a pattern by the table of all prefixes of text and pattern.
pub(crate) fn pattern_matches(pattern: &Pattern, text: &str, cased: bool) -> bool {
    let change = |c: char| if cased { c } else { fold(c) };
    let text: Vec<char> = text.chars().map(change).collect();
    // reach[i]: the parts so far can end after i characters.
    let mut reach = vec![false; text.len() + 1];
    reach[0] = true;
    for part in &pattern.parts {
        match part {
            Part::Many => {
                for index in 1..reach.len() {
                    reach[index] |= reach[index - 1];
                }
            }
            Part::One => {
                reach.rotate_right(1);
                reach[0] = false;
            }
            Part::Literal(literal) => {
                for wanted in literal.chars().map(change) {
                    for index in (1..reach.len()).rev() {
                        reach[index] = reach[index - 1] && text[index - 1] == wanted;
                    }
                    reach[0] = false;
                }
            }
        }
    }
    reach[text.len()]
}

/// Returns a value as a number: numbers, and texts that spell one.
fn number(value: &Value) -> Option<Number> {
    match value {
        Value::Int(number) => Some(Number::Int(*number)),
        Value::Float(number) => Some(Number::Float(*number)),
        Value::Str(text) => Number::parse(text),
        Value::Null | Value::Bool(_) | Value::List(_) => None,
    }
}

pub(crate) fn equals_number(value: &Value, wanted: Number) -> bool {
    number(value).is_some_and(|number| number.compare(wanted) == Some(Ordering::Equal))
}

pub(crate) fn equals_bool(value: &Value, wanted: bool) -> bool {
    match value {
        Value::Bool(flag) => *flag == wanted,
        Value::Str(text) => text.eq_ignore_ascii_case(if wanted { "true" } else { "false" }),
        _ => false,
    }
}

pub(crate) fn compares(value: &Value, op: Comparison, bound: Number) -> bool {
    let order = number(value).and_then(|number| number.compare(bound));
    order.is_some_and(|order| agrees(order, op))
}

fn agrees(order: Ordering, op: Comparison) -> bool {
    match op {
        Comparison::Gte => order.is_ge(),
        Comparison::Gt => order.is_gt(),
        Comparison::Lte => order.is_le(),
        Comparison::Lt => order.is_lt(),
        Comparison::Eq => order.is_eq(),
    }
}

/// Compares a part of a time: an RFC 3339 text, or seconds since 1970 as a number or its text.
pub(crate) fn time_compares(value: &Value, part: TimePart, op: Comparison, bound: i64) -> bool {
    let text = value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
    let seconds = match (text, number(value)) {
        (Some(time), _) => time.as_seconds(),
        (None, Some(Number::Int(seconds))) => seconds,
        (None, Some(Number::Float(seconds))) => seconds.floor() as i64,
        (None, None) => return false,
    };
    agrees(part.of(seconds).cmp(&bound), op)
}

/// Says whether a value of one field stands in a value of the other as `fieldref` demands.
pub(crate) fn fields_agree(value: &Value, other: &Value, place: Place, cased: bool) -> bool {
    let text = |value: &Value| {
        let text = value.to_text()?;
        Some(if cased { text.into_owned() } else { text.chars().map(fold).collect() })
    };
    value.as_slice().iter().filter_map(text).any(|value: String| {
        other.as_slice().iter().filter_map(text).any(|other: String| match place {
            Place::Whole => value == other,
            Place::Inside => value.contains(&other),
            Place::Start => value.starts_with(&other),
            Place::End => value.ends_with(&other),
        })
    })
}
