//! Reading the `correlation` section.

use std::time::Duration;

use super::condition::{self, Read};
use super::{Alias, CORRELATION_RULES_MAX, Correlation, CorrelationKind, CorrelationPlaces};
use crate::document::{Meta, scalar_text, texts};
use crate::report::{Reporter, did_you_mean};
use crate::yaml::{Kind, Node};
use crate::{Severity, Span, codes};

/// The longest window: 31 days. Longer ones would hold state for months.
const TIMESPAN_MAX: Duration = Duration::from_secs(31 * 86_400);
/// Fields in `group-by`.
const GROUP_BY_MAX: usize = 20;

/// The `correlation` section.
pub(crate) struct Section {
    kind: CorrelationKind,
    rules: Vec<String>,
    group_by: Vec<String>,
    timespan: Duration,
    condition: Read,
    rule_spans: Vec<Span>,
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
            condition: self.condition.condition,
            fields: self.condition.fields,
            percentile: self.condition.percentile,
            aliases: self.aliases,
            generate: self.generate,
            file: file.to_owned(),
            line: meta.line,
            places: CorrelationPlaces { rules: self.rule_spans, condition: self.condition.span },
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
        let what = (Severity::Error, codes::MISSPELT_KEY, key.span);
        let message = format!("'{}' is not a key of a correlation", key.text);
        let help = || format!("known keys: {}", KEYS.join(", "));
        report.unknown_word(what, &key.text, message, &KEYS, help);
    }
    let kind = read_kind(node, start, report);
    let mut rules = read_rules(node, report);
    let group_by = texts(node, "group-by", report);
    bounded("group-by", group_by.len(), GROUP_BY_MAX, node, report);
    let timespan = read_timespan(node, start, report);
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
    let condition = condition::read(node, kind, &mut rules, start, report);
    // A condition over rule names may be what names them.
    if rules.is_empty() {
        let help = "list the ids or names of the rules whose hits are counted";
        report.error_help(codes::MISSING_KEY, start, "the correlation names no rules", help);
    }
    if rules.len() > CORRELATION_RULES_MAX {
        let span = node.get("rules").map_or(node.span, |node| node.span);
        let found = rules.len();
        let message =
            format!("the correlation names {found} rules; the bound is {CORRELATION_RULES_MAX}");
        let help = "count parts of them in correlations of their own, and correlate those";
        report.error_help(codes::CORRELATION_BOUNDS, span, message, help);
    }
    let (rules, rule_spans): (Vec<String>, Vec<Span>) = rules.into_iter().unzip();
    let condition = condition?;
    let aliases = read_aliases(node, &rules, report)?;
    check_use(node, &aliases, &group_by, &condition.fields, &rules, report);
    let timespan = timespan?;
    Some(Section { kind, rules, group_by, timespan, condition, rule_spans, aliases, generate })
}

/// Reads `rules`: one or a list, each once.
fn read_rules(node: &Node, report: &mut Reporter<'_>) -> Vec<(String, Span)> {
    let Some(place) = node.get("rules") else { return Vec::new() };
    let nodes = match &place.kind {
        Kind::List(nodes) => nodes.as_slice(),
        Kind::Scalar(scalar) if scalar.is_null() => &[],
        _ => std::slice::from_ref(place),
    };
    let mut rules: Vec<(String, Span)> = Vec::with_capacity(nodes.len());
    for node in nodes {
        let Some(rule) = scalar_text(node, "rules", report) else { continue };
        if rules.iter().any(|(known, _)| *known == rule) {
            let message = format!("the rule '{rule}' is listed twice");
            let help = "list it once; to ask for several hits of it, correlate an event_count";
            report.error_help(codes::WRONG_TYPE, node.span, message, help);
            continue;
        }
        rules.push((rule, node.span));
    }
    rules
}

fn bounded(key: &str, found: usize, bound: usize, node: &Node, report: &mut Reporter<'_>) {
    if found > bound {
        let span = node.get(key).map_or(node.span, |node| node.span);
        let message = format!("'{key}' holds {found} entries; the bound is {bound}");
        report.error(codes::DETECTION_BOUNDS, span, message);
    }
}

fn read_kind(node: &Node, start: Span, report: &mut Reporter<'_>) -> Option<CorrelationKind> {
    let words = CorrelationKind::ALL.map(CorrelationKind::as_str);
    let Some(place) = node.get("type") else {
        let help = format!("add 'type': one of {}", words.join(", "));
        report.error_help(codes::MISSING_KEY, start, "the correlation has no type", help);
        return None;
    };
    let word = scalar_text(place, "type", report)?;
    let known = CorrelationKind::ALL.into_iter().find(|kind| kind.as_str() == word);
    if known.is_none() {
        // pySigma calls these types of their own inside; in rules they are the plain ones.
        let message = format!("unknown correlation type '{word}'");
        if word.contains("extended") {
            let help = "write 'temporal' or 'temporal_ordered' with a condition over rule names";
            report.error_help(codes::CORRELATION_TYPE, place.span, message, help);
        } else {
            let what = (Severity::Error, codes::CORRELATION_TYPE, place.span);
            let help = || format!("one of {}", words.join(", "));
            report.unknown_word(what, &word, message, &words, help);
        }
    }
    known
}

fn read_timespan(node: &Node, start: Span, report: &mut Reporter<'_>) -> Option<Duration> {
    let help = "a whole number and s, m, h, d, w or M (a month), at most 31d: '15m'";
    let Some(place) = node.get("timespan").or_else(|| node.get("timeframe")) else {
        report.error_help(codes::MISSING_KEY, start, "the correlation has no timespan", help);
        return None;
    };
    let text = scalar_text(place, "timespan", report)?;
    let fits = |timespan: Duration| timespan <= TIMESPAN_MAX;
    let timespan = parse_timespan(&text).filter(|timespan| fits(*timespan));
    if timespan.is_none() {
        let message = format!("'{text}' is not a timespan");
        report.error_help(codes::BAD_TIMESPAN, place.span, message, help);
        let respelt = crate::timespan::respelt(&text);
        if let Some(spelt) = respelt.filter(|it| parse_timespan(it).is_some_and(fits)) {
            report.repair(place.span, &text, &spelt);
        }
    }
    timespan
}

/// Reads a whole number with a unit, more than zero.
///
/// Spec: Sigma correlation rules specification 2.1, "Time Selection"; weeks, months and years (of a
/// twelfth of, and a whole mean Gregorian year) are pySigma's.
pub(crate) fn parse_timespan(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let seconds: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        "M" => 2_629_746,
        "y" => 31_556_952,
        _ => return None,
    };
    let seconds = number.parse::<u64>().ok()?.checked_mul(seconds)?;
    (seconds > 0).then_some(Duration::from_secs(seconds))
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

/// Warns of aliases that do nothing, or nothing for one of the rules.
fn check_use(
    node: &Node,
    aliases: &[Alias],
    group_by: &[String],
    fields: &[String],
    rules: &[String],
    report: &mut Reporter<'_>,
) {
    let Some(Kind::Map(entries)) = node.get("aliases").map(|node| &node.kind) else { return };
    for (alias, (key, _)) in aliases.iter().zip(entries) {
        let name = &alias.name;
        if !group_by.contains(name) && !fields.contains(name) {
            let names = group_by.iter().chain(fields).map(String::as_str);
            let help = did_you_mean(name, names, || "name it in 'group-by', or take it out".into());
            let message = format!("the alias '{name}' is not used");
            report.warning(codes::BAD_ALIAS, key.span, message, help);
        }
        let silent = rules.iter().find(|rule| !alias.fields.iter().any(|(of, _)| of == *rule));
        if let Some(rule) = silent {
            let message = format!("the alias '{name}' says nothing of the rule '{rule}'");
            let help = format!("hits of '{rule}' count only if they have a field called '{name}'");
            report.warning(codes::BAD_ALIAS, key.span, message, help);
        }
    }
}
