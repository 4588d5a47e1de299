//! Cases: the events beside a rule that it must and must not match.
//!
//! `NAME.case.yml` stands next to `NAME.yml`:
//!
//! ```yaml
//! matches:
//!   - name: root from outside          # optional, for messages
//!     event: { event.dataset: system.auth, process.name: sshd, user: { name: root } }
//! does_not_match:
//!   - events:                          # a sequence, for correlations
//!       - { '@timestamp': 2026-11-21T08:00:00Z, event.dataset: system.auth }
//!       - event: { '@timestamp': 2026-11-21T08:00:01Z, event.dataset: system.auth }
//!         repeat: 9                    # nine of it …
//!         every: 5s                    # … five seconds apart
//!     expect_group: { source.ip: 203.0.113.7 }   # only under `matches`
//! ```

use std::time::Duration;

use rules_event::{Event, Timestamp, field};

use crate::document::{scalar_text, text};
use crate::report::{Reporter, did_you_mean};
use crate::yaml::{self, Key, Kind, Node};
use crate::{Diagnostic, Span, codes};

mod event;

use event::event;

/// Events of one case, repetitions included.
const EVENTS_MAX: usize = 10_000;

/// The cases of one rule file.
#[derive(Debug, Clone, Default)]
pub struct Cases {
    /// What must match.
    pub matches: Vec<Case>,
    /// What must not.
    pub does_not_match: Vec<Case>,
}

/// One case: an event, or a sequence of events for a correlation.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its name, or `case 1`, `case 2` …
    pub name: String,
    /// The id or name of the rule it is for, where the file beside it holds several.
    pub rule: Option<String>,
    /// The events, at least one, each with a distinct id.
    pub events: Vec<Event>,
    /// The group by which a correlation must fire: field and value.
    pub expect_group: Option<Vec<(String, String)>>,
    /// Its place in the case file.
    pub span: Span,
}

/// Reads a case file. What is wrong in one case does not touch the others.
#[must_use]
pub fn parse_cases(name: &str, text: &str) -> (Cases, Vec<Diagnostic>) {
    let mut report = Reporter::new(name, text);
    let mut cases = Cases::default();
    for source in yaml::documents(text, &mut report) {
        let Kind::Map(entries) = &source.root.kind else {
            let message = format!("a case file must be a map, not {}", source.root.kind_name());
            report.error_help(codes::BAD_CASE, source.root.span, message, HELP);
            continue;
        };
        for (key, node) in entries {
            let list = match key.text.as_str() {
                "matches" => &mut cases.matches,
                "does_not_match" => &mut cases.does_not_match,
                other => {
                    let known = ["matches", "does_not_match"];
                    let help = did_you_mean(other, known, || HELP.to_owned());
                    let message = format!("unknown key '{other}'");
                    report.error_help(codes::BAD_CASE, key.span, message, help);
                    continue;
                }
            };
            match &node.kind {
                Kind::List(nodes) => {
                    for (number, node) in nodes.iter().enumerate() {
                        list.extend(case(node, number + 1, &mut report));
                    }
                }
                Kind::Scalar(scalar) if scalar.is_null() => {}
                _ => {
                    let message = format!("'{}' must be a list of cases", key.text);
                    report.error_help(codes::BAD_CASE, key.span, message, HELP);
                }
            }
        }
    }
    (cases, report.finish())
}

const HELP: &str = "write 'matches:' and 'does_not_match:', each with a list of cases";

fn case(node: &Node, number: usize, report: &mut Reporter<'_>) -> Option<Case> {
    const KEYS: [&str; 6] = ["name", "rule", "event", "events", "expect_group", "line"];
    let Kind::Map(entries) = &node.kind else {
        let help = "write '- event: { … }' or '- events: [ … ]'";
        let message = format!("a case must be a map, not {}", node.kind_name());
        report.error_help(codes::BAD_CASE, node.span, message, help);
        return None;
    };
    let errors = report.errors();
    for (key, _) in entries {
        if key.text == "line" {
            let help = "write the decoded event: 'event: { event.dataset: system.auth, … }'";
            let message = "cases made of raw lines are not supported here";
            report.error_help(codes::BAD_CASE, key.span, message, help);
        } else if !KEYS.contains(&key.text.as_str()) {
            let help = did_you_mean(&key.text, KEYS, || {
                "known: name, rule, event, events, expect_group".into()
            });
            report.error_help(
                codes::BAD_CASE,
                key.span,
                format!("unknown key '{}'", key.text),
                help,
            );
        }
    }
    let span = entries.first().map_or(node.span, |(key, _)| key.span);
    let mut events = Vec::new();
    match (node.get("event"), node.get("events").map(|node| &node.kind)) {
        (Some(node), None) => {
            events.extend(event(node, report));
        }
        (None, Some(Kind::List(nodes))) => {
            for node in nodes {
                sequence(node, &mut events, report);
            }
        }
        _ if report.errors() > errors => {}
        _ => {
            let message =
                "a case needs 'event' (one map) or 'events' (a list), and only one of them";
            report.error(codes::BAD_CASE, span, message);
        }
    }
    for (number, event) in events.iter_mut().enumerate() {
        if event.id.is_empty() {
            event.id = format!("{:032x}", number + 1);
        }
    }
    let case = Case {
        name: text(node, "name", report).unwrap_or_else(|| format!("case {number}")),
        rule: text(node, "rule", report),
        events,
        expect_group: expect_group(node, report),
        span,
    };
    (report.errors() == errors && !case.events.is_empty()).then_some(case)
}

fn expect_group(node: &Node, report: &mut Reporter<'_>) -> Option<Vec<(String, String)>> {
    let node = node.get("expect_group")?;
    let Kind::Map(entries) = &node.kind else {
        report.error(
            codes::BAD_CASE,
            node.span,
            "'expect_group' must be a map from field to value",
        );
        return None;
    };
    let pair = |(key, node): &(Key, Node), report: &mut Reporter<'_>| {
        Some((key.text.clone(), scalar_text(node, &key.text, report)?))
    };
    entries.iter().map(|entry| pair(entry, report)).collect()
}

/// Reads one element of `events`: an event, or a map with `event`, `repeat` and `every`.
fn sequence(node: &Node, events: &mut Vec<Event>, report: &mut Reporter<'_>) {
    // `event` may also be the head of nested ECS names; `event: {dataset: …}` is such.
    let wrapped = node.get("event").filter(|inner| {
        node.get("repeat").is_some()
            || inner.get(field::EVENT_DATASET).is_some()
            || inner.get("event").is_some()
    });
    let Some(first) = event(wrapped.unwrap_or(node), report) else { return };
    if first.time == Timestamp::default() {
        let help = "correlations live in event time: add '@timestamp': 2026-11-21T08:00:00Z";
        report.error_help(
            codes::BAD_CASE,
            node.span,
            "an event of a sequence needs '@timestamp'",
            help,
        );
    }
    let mut repeat = 1;
    let mut every = Duration::from_secs(1);
    if wrapped.is_some() {
        if let Some(text) = text(node, "repeat", report) {
            repeat =
                text.parse().ok().filter(|count| (1..=EVENTS_MAX).contains(count)).unwrap_or_else(
                    || {
                        let message = format!("'repeat' must be a number from 1 to {EVENTS_MAX}");
                        report.error(codes::BAD_CASE, node.span, message);
                        1
                    },
                );
        }
        if let Some(text) = text(node, "every", report) {
            every = crate::correlation::parse_timespan(&text).unwrap_or_else(|| {
                report.error_help(
                    codes::BAD_CASE,
                    node.span,
                    "'every' is not a timespan",
                    "for example 5s",
                );
                every
            });
        }
    }
    if events.len() + repeat > EVENTS_MAX {
        report.error(
            codes::BAD_CASE,
            node.span,
            format!("more than {EVENTS_MAX} events in one case"),
        );
        return;
    }
    let mut time = first.time;
    for _ in 0..repeat {
        let mut event = first.clone();
        event.time = time;
        events.push(event);
        time = time.saturating_add(every);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_may_be_nested_and_repeated() {
        let text = "matches:\n  - event: {event.dataset: a, user: {name: x, id: 7}}\n  - events:\n      \
                    - {'@timestamp': 2026-11-21T08:00:00Z, event: {dataset: a}}\n      \
                    - event: {'@timestamp': 2026-11-21T08:01:00Z, event.dataset: a}\n        \
                    repeat: 3\n        every: 5s\n    expect_group: {source.ip: 1.2.3.4}\n\
                    does_not_match:\n";
        let (cases, diagnostics) = parse_cases("a.case.yml", text);
        assert_eq!(diagnostics, []);
        let [single, many] = cases.matches.as_slice() else { panic!("{cases:?}") };
        assert_eq!(single.events.first().and_then(|event| event.get_str("user.name")), Some("x"));
        let times: Vec<_> = many.events.iter().map(|event| event.time.to_string()).collect();
        assert_eq!(times.len(), 4);
        assert_eq!(times.last().map(String::as_str), Some("2026-11-21T08:01:10Z"));
        let ids: std::collections::HashSet<_> = many.events.iter().map(|event| &event.id).collect();
        assert_eq!(ids.len(), 4);
        assert_eq!(many.expect_group, Some(vec![("source.ip".into(), "1.2.3.4".into())]));
    }

    #[test]
    fn mistakes_are_named_and_leave_the_others() {
        let text = "match: []\nmatches:\n  - event: {user.name: x}\n  - line: 'Nov 21 …'\n  - {}\n  \
                    - events: [{event.dataset: a}]\n  - event: {event.dataset: a}\n";
        let (cases, diagnostics) = parse_cases("a.case.yml", text);
        assert_eq!(cases.matches.len(), 1);
        let messages: Vec<_> = diagnostics.iter().map(|it| it.message.as_str()).collect();
        assert_eq!(
            messages,
            [
                "unknown key 'match'",
                "the event has no 'event.dataset'",
                "cases made of raw lines are not supported here",
                "a case needs 'event' (one map) or 'events' (a list), and only one of them",
                "an event of a sequence needs '@timestamp'",
            ]
        );
    }
}
