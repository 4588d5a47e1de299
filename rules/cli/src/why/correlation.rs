//! `why` for a correlation: what its rules hit, how the hits fall into groups, what fired.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::time::Duration;

use rules_event::{Event, Timestamp, ValueRef};
use rules_service::exit::Exit;
use rules_sigma::Correlation;
use serde_json::json;

use crate::args::Format;
use crate::paint::Paint;
use crate::target::Target;

/// Groups shown as text, those with most hits first; JSON has all.
const GROUPS_SHOWN_MAX: usize = 20;

/// The hits of one group.
#[derive(Default)]
struct Group {
    /// By rule, as the correlation calls it.
    rules: BTreeMap<String, usize>,
    times: Vec<Timestamp>,
    fired: bool,
}

/// What came of the events.
#[derive(Default)]
struct Outcome {
    events: usize,
    /// By the values of `group-by`.
    groups: BTreeMap<Vec<String>, Group>,
    /// Hits without one of the fields of `group-by`, by that field.
    lacking: BTreeMap<String, usize>,
    /// Correlations it counts, and how often they fired.
    nested: BTreeMap<String, usize>,
    fired: bool,
}

pub(super) fn run(
    target: &Target,
    correlation: &Correlation,
    mut events: Vec<Event>,
    format: Format,
    paint: Paint,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    for (number, event) in events.iter_mut().enumerate() {
        // An event counts once by its id; events written by hand have none.
        if event.id.is_empty() {
            event.id = format!("{:032x}", number + 1);
        }
    }
    let outcome = observe(target, correlation, &events);
    match format {
        Format::Text => {
            write!(out, "{}", paint.rendered(&text(correlation, &outcome)))?;
        }
        Format::Json => writeln!(out, "{}", to_json(correlation, &outcome))?,
    }
    Ok(if outcome.fired { Exit::Done } else { Exit::Problems })
}

fn observe(target: &Target, correlation: &Correlation, events: &[Event]) -> Outcome {
    let mut outcome = Outcome { events: events.len(), ..Outcome::default() };
    let (mut correlator, _) = target.correlator();
    let rules = target.set.rules();
    let mut hits = Vec::new();
    let mut fired = Vec::new();
    for event in events {
        target.set.hits(event, &mut hits);
        let hit: Vec<_> = hits.iter().filter_map(|index| rules.get(*index)).collect();
        for rule in &hit {
            let called = |name: &&String| **name == rule.id || Some(*name) == rule.name.as_ref();
            if let Some(name) = correlation.rules.iter().find(called) {
                count(correlation, name, event, &mut outcome);
            }
        }
        let ids: Vec<&str> = hit.iter().map(|rule| rule.id.as_str()).collect();
        fired.extend(correlator.observe(event, &ids));
    }
    fired.extend(correlator.finish());
    for it in fired {
        if it.correlation_id == correlation.id {
            outcome.fired = true;
            let key: Vec<String> = it.group.iter().map(|(_, value)| value.clone()).collect();
            outcome.groups.entry(key).or_default().fired = true;
        } else if let Some(nested) = target.correlation(&it.correlation_id) {
            let called =
                |name: &&String| **name == nested.id || Some(*name) == nested.name.as_ref();
            if let Some(name) = correlation.rules.iter().find(called) {
                *outcome.nested.entry(name.clone()).or_default() += 1;
            }
        }
    }
    outcome
}

/// Counts a hit in its group.
fn count(correlation: &Correlation, rule: &str, event: &Event, outcome: &mut Outcome) {
    let mut key = Vec::new();
    for name in &correlation.group_by {
        let field = field(correlation, rule, name);
        match event.get(field).and_then(ValueRef::to_text) {
            Some(value) => key.push(value.into_owned()),
            None => {
                *outcome.lacking.entry(field.to_owned()).or_default() += 1;
                return;
            }
        }
    }
    let group = outcome.groups.entry(key).or_default();
    *group.rules.entry(rule.to_owned()).or_default() += 1;
    group.times.push(event.time);
}

/// Returns the field that a name of `group-by` stands for in the hits of a rule.
fn field<'c>(correlation: &'c Correlation, rule: &str, name: &'c str) -> &'c str {
    let alias = correlation.aliases.iter().find(|alias| alias.name == name);
    let field = alias.and_then(|alias| alias.fields.iter().find(|(of, _)| of == rule));
    field.map_or(name, |(_, field)| field)
}

/// Returns the most hits within one window.
fn peak(times: &[Timestamp], window: Duration) -> usize {
    let mut times = times.to_vec();
    times.sort_unstable();
    let mut first = 0;
    let mut most = 0;
    for (last, time) in times.iter().enumerate() {
        while times.get(first).is_some_and(|start| time.since(*start) > window) {
            first += 1;
        }
        most = most.max(last + 1 - first);
    }
    most
}

fn sign(holds: bool) -> char {
    if holds { '✔' } else { '✘' }
}

fn text(correlation: &Correlation, outcome: &Outcome) -> String {
    let window = format!("{}s", correlation.timespan.as_secs());
    let mut text = format!("{} {} ({})\n", sign(outcome.fired), correlation.title, correlation.id);
    let by = match correlation.group_by.as_slice() {
        [] => "in one group".to_owned(),
        names => format!("by {}", names.join(", ")),
    };
    let kind = correlation.kind.as_str();
    let rules = correlation.rules.join(", ");
    let _ = writeln!(text, "  {kind} of {rules}, {by}, within {window}");
    let hits: usize = outcome.groups.values().map(|group| group.times.len()).sum();
    let _ = writeln!(text, "  {} events, {hits} hits that count", outcome.events);
    for (field, hits) in &outcome.lacking {
        let _ = writeln!(text, "  ✘ {hits} hits lack {field} and count nowhere");
    }
    for (name, times) in &outcome.nested {
        let _ = writeln!(text, "  ✔ {name} fired {times}×");
    }
    let mut groups: Vec<_> = outcome.groups.iter().collect();
    groups.sort_by_key(|(_, group)| (!group.fired, std::cmp::Reverse(group.times.len())));
    for (key, group) in groups.iter().take(GROUPS_SHOWN_MAX) {
        let names = correlation.group_by.iter().zip(*key);
        let key: Vec<String> = names.map(|(name, value)| format!("{name} '{value}'")).collect();
        let key = if key.is_empty() { "all".to_owned() } else { key.join(", ") };
        let rules: Vec<String> =
            group.rules.iter().map(|(rule, hits)| format!("{rule} {hits}×")).collect();
        let _ = writeln!(
            text,
            "  {} {key}: {} — at most {} within {window}{}",
            sign(group.fired),
            rules.join(", "),
            peak(&group.times, correlation.timespan),
            if group.fired { "; fired" } else { "" }
        );
    }
    if groups.len() > GROUPS_SHOWN_MAX {
        let _ = writeln!(text, "  … and {} groups more", groups.len() - GROUPS_SHOWN_MAX);
    }
    text
}

fn to_json(correlation: &Correlation, outcome: &Outcome) -> serde_json::Value {
    let groups: Vec<_> = outcome
        .groups
        .iter()
        .map(|(key, group)| {
            let by: BTreeMap<_, _> = correlation.group_by.iter().zip(key).collect();
            json!({
                "group": by, "rules": group.rules, "fired": group.fired,
                "most_in_window": peak(&group.times, correlation.timespan),
            })
        })
        .collect();
    json!({
        "correlation": correlation.id, "title": correlation.title, "matched": outcome.fired,
        "events": outcome.events, "groups": groups,
        "lacking_field": outcome.lacking, "nested": outcome.nested,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_the_fullest_window() {
        let times = [0, 10, 20, 100, 105, 110, 115].map(Timestamp::from_seconds);
        let peak = |seconds| super::peak(&times, Duration::from_secs(seconds));
        assert_eq!((peak(5), peak(15), peak(20), peak(1_000)), (2, 4, 4, 7));
        assert_eq!(super::peak(&[], Duration::from_secs(1)), 0);
    }
}
