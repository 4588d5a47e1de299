//! Reading the `correlation` section.

use std::time::Duration;

use super::{Alias, Comparison, Correlation, CorrelationKind, Threshold};
use crate::document::{Meta, scalar_text, texts};
use crate::report::{Reporter, did_you_mean};
use crate::yaml::{Kind, Node};
use crate::{Span, codes};

/// The longest window: 31 days. Longer ones would hold state for months.
const TIMESPAN_MAX: Duration = Duration::from_secs(31 * 86_400);
/// Rules one correlation may refer to.
const RULES_MAX: usize = 200;
/// Fields in `group-by`.
const GROUP_BY_MAX: usize = 20;

/// The `correlation` section.
pub(crate) struct Section {
    kind: CorrelationKind,
    rules: Vec<String>,
    group_by: Vec<String>,
    timespan: Duration,
    condition: Threshold,
    field: Option<String>,
    aliases: Vec<Alias>,
    generate: bool,
}

impl Section {
    pub(crate) fn with(self, meta: Meta, file: &str) -> Correlation {
        Correlation {
            id: meta.id,
            name: meta.name,
            title: meta.title,
            description: meta.description,
            status: meta.status,
            level: meta.level,
            tags: meta.tags,
            falsepositives: meta.falsepositives,
            custom: meta.custom,
            kind: self.kind,
            rules: self.rules,
            group_by: self.group_by,
            timespan: self.timespan,
            condition: self.condition,
            field: self.field,
            aliases: self.aliases,
            generate: self.generate,
            file: file.to_owned(),
            line: meta.line,
            source: meta.source,
        }
    }
}

/// Reads the `correlation` section; `None` when something was reported.
pub(crate) fn read(node: &Node, report: &mut Reporter<'_>) -> Option<Section> {
    const KEYS: [&str; 8] =
        ["type", "rules", "group-by", "timespan", "condition", "aliases", "generate", "field"];
    let Kind::Map(entries) = &node.kind else {
        let message = format!("'correlation' must be a map, not {}", node.kind_name());
        report.error(codes::WRONG_TYPE, node.span, message);
        return None;
    };
    let start = entries.first().map_or(node.span, |(key, _)| key.span);
    for (key, _) in entries.iter().filter(|(key, _)| !KEYS.contains(&key.text.as_str())) {
        let help = did_you_mean(&key.text, KEYS, || format!("known keys: {}", KEYS.join(", ")));
        let message = format!("'{}' is not a key of a correlation", key.text);
        report.error_help(codes::MISSPELT_KEY, key.span, message, help);
    }
    let kind = read_kind(node, start, report);
    let rules = texts(node, "rules", report);
    bounded("rules", rules.len(), RULES_MAX, node, report);
    if rules.is_empty() {
        let help = "list the ids or names of the rules whose hits are counted";
        report.error_help(codes::MISSING_KEY, start, "the correlation names no rules", help);
    }
    let group_by = texts(node, "group-by", report);
    bounded("group-by", group_by.len(), GROUP_BY_MAX, node, report);
    let timespan = read_timespan(node, start, report);
    let aliases = read_aliases(node, &rules, report);
    let generate = match node.get("generate").map(|node| (node, &node.kind)) {
        None => false,
        Some((node, Kind::Scalar(scalar))) => scalar.as_bool().unwrap_or_else(|| {
            report.error(codes::WRONG_TYPE, node.span, "'generate' must be true or false");
            false
        }),
        Some((node, _)) => {
            report.error(codes::WRONG_TYPE, node.span, "'generate' must be true or false");
            false
        }
    };
    let kind = kind?;
    let (condition, field) = read_condition(node, kind, rules.len(), start, report)?;
    Some(Section {
        kind,
        rules,
        group_by,
        timespan: timespan?,
        condition,
        field,
        aliases: aliases?,
        generate,
    })
}

fn bounded(key: &str, found: usize, bound: usize, node: &Node, report: &mut Reporter<'_>) {
    if found > bound {
        let span = node.get(key).map_or(node.span, |node| node.span);
        let message = format!("'{key}' holds {found} entries; the bound is {bound}");
        report.error(codes::DETECTION_BOUNDS, span, message);
    }
}

fn read_kind(node: &Node, start: Span, report: &mut Reporter<'_>) -> Option<CorrelationKind> {
    const SUPPORTED: [CorrelationKind; 4] = [
        CorrelationKind::EventCount,
        CorrelationKind::ValueCount,
        CorrelationKind::Temporal,
        CorrelationKind::TemporalOrdered,
    ];
    const UNSUPPORTED: [&str; 6] = [
        "value_sum",
        "value_avg",
        "value_percentile",
        "value_median",
        "extended_temporal",
        "extended_temporal_ordered",
    ];
    let words = SUPPORTED.map(CorrelationKind::as_str);
    let Some(place) = node.get("type") else {
        let help = format!("add 'type': one of {}", words.join(", "));
        report.error_help(codes::MISSING_KEY, start, "the correlation has no type", help);
        return None;
    };
    let word = scalar_text(place, "type", report)?;
    if let Some(kind) = SUPPORTED.into_iter().find(|kind| kind.as_str() == word) {
        return Some(kind);
    }
    if UNSUPPORTED.contains(&word.as_str()) {
        let message = format!("correlations of type '{word}' are not supported yet");
        let help = format!("supported: {}", words.join(", "));
        report.error_help(codes::CORRELATION_UNSUPPORTED, place.span, message, help);
    } else {
        let help = did_you_mean(&word, words, || format!("one of {}", words.join(", ")));
        let message = format!("unknown correlation type '{word}'");
        report.error_help(codes::CORRELATION_TYPE, place.span, message, help);
    }
    None
}

fn read_timespan(node: &Node, start: Span, report: &mut Reporter<'_>) -> Option<Duration> {
    let help = "a whole number and s, m, h or d, at most 31d: '15m'";
    let Some(place) = node.get("timespan").or_else(|| node.get("timeframe")) else {
        report.error_help(codes::MISSING_KEY, start, "the correlation has no timespan", help);
        return None;
    };
    let text = scalar_text(place, "timespan", report)?;
    let timespan = parse_timespan(&text).filter(|timespan| *timespan <= TIMESPAN_MAX);
    if timespan.is_none() {
        let message = format!("'{text}' is not a timespan");
        report.error_help(codes::BAD_TIMESPAN, place.span, message, help);
    }
    timespan
}

/// Reads a whole number with a unit, more than zero.
///
/// Spec: Sigma correlation rules specification 2.1, "timespan".
pub(crate) fn parse_timespan(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let seconds: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    let seconds = number.parse::<u64>().ok()?.checked_mul(seconds)?;
    (seconds > 0).then_some(Duration::from_secs(seconds))
}

/// Reads `condition`: one comparison, and for `value_count` the field to count.
fn read_condition(
    node: &Node,
    kind: CorrelationKind,
    rules: usize,
    start: Span,
    report: &mut Reporter<'_>,
) -> Option<(Threshold, Option<String>)> {
    let temporal = matches!(kind, CorrelationKind::Temporal | CorrelationKind::TemporalOrdered);
    let Some(place) = node.get("condition") else {
        if temporal {
            let value = rules as u64;
            return Some((Threshold { op: Comparison::Gte, value }, None));
        }
        let help = "for example 'condition: { gte: 10 }'";
        report.error_help(codes::MISSING_KEY, start, "the correlation has no condition", help);
        return None;
    };
    let help = "for example 'gte: 10'; the comparisons are gte, gt, lte, lt and eq";
    let Kind::Map(entries) = &place.kind else {
        if temporal && matches!(place.kind, Kind::Scalar(_)) {
            let message = "conditions over rule names are not supported yet";
            let help = "leave it out: all rules must hit";
            report.error_help(codes::CORRELATION_UNSUPPORTED, place.span, message, help);
        } else {
            let message = format!("the condition must be a map, not {}", place.kind_name());
            report.error_help(codes::BAD_THRESHOLD, place.span, message, help);
        }
        return None;
    };
    let mut thresholds = Vec::new();
    for (key, value) in entries {
        let op = match key.text.as_str() {
            "gte" => Comparison::Gte,
            "gt" => Comparison::Gt,
            "lte" => Comparison::Lte,
            "lt" => Comparison::Lt,
            "eq" => Comparison::Eq,
            "field" => continue,
            other => {
                let words = ["gte", "gt", "lte", "lt", "eq", "field"];
                let help = did_you_mean(other, words, || help.to_owned());
                let message = format!("unknown comparison '{other}'");
                report.error_help(codes::BAD_THRESHOLD, key.span, message, help);
                return None;
            }
        };
        let text = scalar_text(value, &key.text, report)?;
        let Ok(number) = text.parse() else {
            let message = format!("'{text}' is not a whole number of at least 0");
            report.error_help(codes::BAD_THRESHOLD, value.span, message, help);
            return None;
        };
        thresholds.push(Threshold { op, value: number });
    }
    let &[condition] = thresholds.as_slice() else {
        let message = match thresholds.len() {
            0 => "the condition holds no comparison",
            _ => "ranges (two comparisons) are not supported yet",
        };
        report.error_help(codes::BAD_THRESHOLD, place.span, message, help);
        return None;
    };
    if condition.holds(0) {
        let message = "the condition already holds when nothing has happened";
        let help = "a correlation fires on hits; silence is watched by heartbeats";
        report.error_help(codes::BAD_THRESHOLD, place.span, message, help);
    }
    let holder = if place.get("field").is_some() { place } else { node };
    let fields = texts(holder, "field", report);
    let span = holder.get("field").map_or(place.span, |node| node.span);
    match (kind, fields.as_slice()) {
        (CorrelationKind::ValueCount, []) => {
            let help = "add 'field: user.name' under 'condition'";
            let message = "value_count needs the field whose values are counted";
            report.error_help(codes::MISSING_FIELD, span, message, help);
        }
        (CorrelationKind::ValueCount, [_, _, ..]) => {
            let message = "counting combinations of several fields is not supported yet";
            report.error(codes::CORRELATION_UNSUPPORTED, span, message);
        }
        (CorrelationKind::ValueCount, [_]) | (_, []) => {}
        _ => {
            let message = format!("'{}' counts no field", kind.as_str());
            let help = "use value_count, or leave the field out";
            report.error_help(codes::MISSING_FIELD, span, message, help);
        }
    }
    Some((condition, fields.into_iter().next()))
}

fn read_aliases(node: &Node, rules: &[String], report: &mut Reporter<'_>) -> Option<Vec<Alias>> {
    let Some(place) = node.get("aliases") else { return Some(Vec::new()) };
    let help = "write each alias as a map from rule to field: 'ip: { rule_a: source.ip }'";
    let mut aliases = Vec::new();
    let Kind::Map(entries) = &place.kind else {
        report.error_help(codes::BAD_ALIAS, place.span, "'aliases' must be a map", help);
        return None;
    };
    for (key, value) in entries {
        let Kind::Map(fields) = &value.kind else {
            let message = format!("the alias '{}' must be a map", key.text);
            report.error_help(codes::BAD_ALIAS, key.span, message, help);
            return None;
        };
        let mut pairs = Vec::new();
        for (rule, field) in fields {
            if !rules.contains(&rule.text) {
                let names = rules.iter().map(String::as_str);
                let help = did_you_mean(&rule.text, names, || {
                    "an alias may name only rules listed under 'rules'".to_owned()
                });
                let message =
                    format!("'{}' is not one of the rules of this correlation", rule.text);
                report.error_help(codes::BAD_ALIAS, rule.span, message, help);
            }
            pairs.push((rule.text.clone(), scalar_text(field, &rule.text, report)?));
        }
        aliases.push(Alias { name: key.text.clone(), fields: pairs });
    }
    Some(aliases)
}
