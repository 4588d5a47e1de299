//! Conditions of correlations: comparisons with numbers, the field they look at, the percentile.

use super::{Comparison, CorrelationCondition, CorrelationKind, Threshold, expression};
use crate::document::{scalar_text, texts};
use crate::report::{Reporter, did_you_mean};
use crate::yaml::{Kind, Node};
use crate::{Span, codes};

/// Fields whose combinations one `value_count` may count.
const FIELDS_MAX: usize = 8;
/// Keys of a condition that are comparisons.
const OPERATORS: [(&str, Comparison); 6] = [
    ("gte", Comparison::Gte),
    ("gt", Comparison::Gt),
    ("lte", Comparison::Lte),
    ("lt", Comparison::Lt),
    ("eq", Comparison::Eq),
    ("neq", Comparison::Neq),
];
const HELP: &str = "for example 'gte: 10', or a range 'gt: 10, lte: 20'; also 'lt', 'eq' and 'neq'";

/// What the condition says.
pub(super) struct Read {
    pub(super) condition: CorrelationCondition,
    pub(super) fields: Vec<String>,
    pub(super) percentile: Option<f64>,
    pub(super) span: Span,
}

/// Reads `condition` and `field` of the section `node`, which begins at `start`.
///
/// Spec: Sigma correlation rules specification 2.1, "Condition" and "Correlation Types".
pub(super) fn read(
    node: &Node,
    kind: CorrelationKind,
    rules: &mut Vec<(String, Span)>,
    start: Span,
    report: &mut Reporter<'_>,
) -> Option<Read> {
    let Some(place) = node.get("condition") else {
        if kind.is_temporal() {
            let all = Threshold { op: Comparison::Gte, value: rules.len() as f64 };
            let condition = CorrelationCondition::Bounds(vec![all]);
            let span = node.get("type").map_or(start, |node| node.span);
            return Some(Read { condition, fields: Vec::new(), percentile: None, span });
        }
        let help = "for example 'condition: { gte: 10 }'";
        report.error_help(codes::MISSING_KEY, start, "the correlation has no condition", help);
        return None;
    };
    let span = place.span;
    let entries = match &place.kind {
        Kind::Map(entries) => entries,
        Kind::Scalar(scalar) if kind.is_temporal() && !scalar.is_null() => {
            let expression = expression::read(place, &scalar.text, rules, report)?;
            let condition = CorrelationCondition::Rules(expression);
            return Some(Read { condition, fields: Vec::new(), percentile: None, span });
        }
        _ => {
            let message = format!("the condition must be a map, not {}", place.kind_name());
            report.error_help(codes::BAD_THRESHOLD, span, message, HELP);
            return None;
        }
    };
    let mut bounds = Vec::new();
    for (key, value) in entries {
        match OPERATORS.iter().find(|(word, _)| *word == key.text) {
            Some((_, op)) => bounds.push(Threshold {
                op: *op,
                value: number(value, &key.text, kind.counts(), report)?,
            }),
            None if matches!(key.text.as_str(), "field" | "percentile") => {}
            None => {
                let words = OPERATORS.map(|(word, _)| word);
                let words = words.into_iter().chain(["field", "percentile"]);
                let help = did_you_mean(&key.text, words, || HELP.to_owned());
                let message = format!("unknown comparison '{}'", key.text);
                report.error_help(codes::BAD_THRESHOLD, key.span, message, help);
                return None;
            }
        }
    }
    check_bounds(&bounds, kind, rules.len(), span, report)?;
    let fields = read_fields(node, place, kind, report);
    let percentile = match place.get("percentile") {
        None => None,
        Some(value) => Some(read_percentile(value, kind, report)?),
    };
    let condition = CorrelationCondition::Bounds(bounds);
    Some(Read { condition, fields, percentile, span })
}

fn number(node: &Node, key: &str, whole: bool, report: &mut Reporter<'_>) -> Option<f64> {
    let text = scalar_text(node, key, report)?;
    let number = match whole {
        true => text.parse::<u32>().ok().map(f64::from),
        false => text.parse::<f64>().ok().filter(|number| number.is_finite()),
    };
    if number.is_none() {
        let message = match whole {
            true => format!("'{text}' is not a whole number of at least 0"),
            false => format!("'{text}' is not a number"),
        };
        report.error_help(codes::BAD_THRESHOLD, node.span, message, HELP);
    }
    number
}

fn read_percentile(node: &Node, kind: CorrelationKind, report: &mut Reporter<'_>) -> Option<f64> {
    if kind != CorrelationKind::ValuePercentile {
        let message = format!("'{}' has no percentile", kind.as_str());
        let help = "use value_percentile, or leave 'percentile' out";
        report.error_help(codes::BAD_THRESHOLD, node.span, message, help);
        return None;
    }
    let text = scalar_text(node, "percentile", report)?;
    let percentile = text.parse().ok().filter(|number| (0.0..=100.0).contains(number));
    if percentile.is_none() {
        let message = format!("'{text}' is not a percentile");
        report.error_help(codes::BAD_THRESHOLD, node.span, message, "a number from 0 to 100");
    }
    percentile
}

/// Refuses what no number satisfies, and warns of what the first hit satisfies by itself.
fn check_bounds(
    bounds: &[Threshold],
    kind: CorrelationKind,
    rules: usize,
    span: Span,
    report: &mut Reporter<'_>,
) -> Option<()> {
    if bounds.is_empty() {
        let message = "the condition holds no comparison";
        report.error_help(codes::BAD_THRESHOLD, span, message, HELP);
        return None;
    }
    let holds = |number: f64| bounds.iter().all(|bound| bound.holds(number));
    // Where the answer can change: at the bounds, beside them, and halfway between two of them.
    let mut tried: Vec<f64> =
        bounds.iter().flat_map(|it| [it.value - 1.0, it.value, it.value + 1.0]).collect();
    if kind.counts() {
        // A window holds at least the hit it ends at.
        tried.push(1.0);
        let most = if kind.is_temporal() { rules as f64 } else { f64::INFINITY };
        tried.retain(|number| *number >= 1.0 && *number <= most);
    } else {
        let pairs =
            bounds.iter().flat_map(|a| bounds.iter().map(|b| f64::midpoint(a.value, b.value)));
        let between: Vec<f64> = pairs.collect();
        tried.extend(between);
    }
    if !tried.into_iter().any(holds) {
        let message = match kind.is_temporal() {
            true => format!("no count satisfies the condition: {rules} rules are listed"),
            false => "no number satisfies the condition".to_owned(),
        };
        let help = "a correlation fires on hits; silence is watched by heartbeats";
        report.error_help(codes::BAD_THRESHOLD, span, message, help);
        return None;
    }
    let upper =
        |it: &Threshold| matches!(it.op, Comparison::Lt | Comparison::Lte | Comparison::Neq);
    if kind.counts() && holds(1.0) && bounds.iter().any(upper) {
        let message = "the condition holds already for a single hit";
        let help = "each hit with little before it fires; add a lower bound: 'gte: 2, lt: 10'";
        report.warning(codes::HOLDS_AT_ONCE, span, message, help);
    }
    Some(())
}

/// Reads `field`, which the specification puts into the condition and its JSON schema beside it.
fn read_fields(
    node: &Node,
    place: &Node,
    kind: CorrelationKind,
    report: &mut Reporter<'_>,
) -> Vec<String> {
    let holder = if place.get("field").is_some() { place } else { node };
    let fields = texts(holder, "field", report);
    let span = holder.get("field").map_or(place.span, |node| node.span);
    let (least, most) = match kind {
        CorrelationKind::ValueCount => (1, FIELDS_MAX),
        CorrelationKind::EventCount
        | CorrelationKind::Temporal
        | CorrelationKind::TemporalOrdered => (0, 0),
        _ => (1, 1),
    };
    let word = kind.as_str();
    let (message, help) = if fields.len() < least {
        let help = "add 'field: user.name' under 'condition'";
        (format!("{word} needs the field whose values it looks at"), help)
    } else if fields.len() > most && most == 0 {
        (format!("'{word}' looks at no field"), "use value_count, or leave the field out")
    } else if fields.len() > most {
        let help = "value_count counts combinations of up to 8 fields; other types take one";
        (format!("'{word}' looks at {most} field at most"), help)
    } else {
        return fields;
    };
    report.error_help(codes::MISSING_FIELD, span, message, help);
    fields
}
