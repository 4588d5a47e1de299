//! Local: which correlations a host decides by what it sees itself.

use std::collections::{HashMap, HashSet};

use rules_event::field;
use rules_sigma::{Comparison, Correlation, CorrelationCondition, CorrelationKind};

use crate::plan::Plan;

/// What is the same in all events of one host's agent.
const OF_HOST: [&str; 2] = [field::AGENT_HOST, field::AGENT_ID];
/// What is the same in them, but on other hosts as well.
const OF_AGENCY: [&str; 1] = [field::ORGANIZATION_ID];

/// Returns the correlations that one host decides by its own events, in their order: whatever fires
/// there fires as well, under the same key, where the events of all hosts are counted.
///
/// These are the ones that
/// * group by the host (`host.name`, `agent.id`): no other host has a hit of the group; or
/// * can only come true, never false again, as further hits arrive from elsewhere: at least so many
///   hits or values, rules that come together or in order, a sum above a bound (of numbers that are
///   not negative).
///
/// And not those that count hosts (a `value_count` of nothing but `host.name`, `agent.id` or
/// `organization.id`), which one host can never decide, nor those that count the firings of one that
/// is not here.
#[must_use]
pub fn decided_by_one_host(
    correlations: &[Correlation],
    rule_ids_by_name: &HashMap<String, String>,
) -> Vec<Correlation> {
    let mut ids: HashSet<&str> = HashSet::new();
    let mut elsewhere: HashSet<&str> = HashSet::new();
    for correlation in correlations {
        match is_local(correlation) {
            true => ids.insert(&correlation.id),
            false => elsewhere.insert(&correlation.id),
        };
    }
    // What counts the firings of one that is elsewhere is elsewhere; as often as it takes.
    loop {
        let refers = |correlation: &&Correlation| {
            correlation.rules.iter().any(|rule| {
                let id = rule_ids_by_name.get(rule).unwrap_or(rule);
                elsewhere.contains(id.as_str())
            })
        };
        let here = correlations.iter().filter(|it| ids.contains(it.id.as_str()));
        let gone: Vec<&str> = here.filter(refers).map(|it| it.id.as_str()).collect();
        if gone.is_empty() {
            break;
        }
        for id in gone {
            ids.remove(id);
            elsewhere.insert(id);
        }
    }
    correlations.iter().filter(|it| ids.contains(it.id.as_str())).cloned().collect()
}

fn is_local(correlation: &Correlation) -> bool {
    let counts_values = correlation.kind == CorrelationKind::ValueCount;
    let constant = |name: &String| {
        is_one_of(correlation, name, &OF_HOST) || is_one_of(correlation, name, &OF_AGENCY)
    };
    if counts_values && correlation.fields.iter().all(constant) {
        return false;
    }
    let by_host = correlation.group_by.iter().any(|name| is_one_of(correlation, name, &OF_HOST));
    by_host || only_grows(correlation)
}

/// Whether a name stands for one of these fields in the events of every rule.
fn is_one_of(correlation: &Correlation, name: &String, fields: &[&str]) -> bool {
    let mut aliases = correlation.aliases.iter().filter(|alias| alias.name == *name).peekable();
    match aliases.peek() {
        None => fields.contains(&name.as_str()),
        Some(_) => aliases
            .flat_map(|alias| &alias.fields)
            .all(|(_, field)| fields.contains(&field.as_str())),
    }
}

/// Whether hits from elsewhere could only make it fire more.
fn only_grows(correlation: &Correlation) -> bool {
    if !Plan::new(correlation).waits() {
        return true;
    }
    let CorrelationCondition::Bounds(bounds) = &correlation.condition else { return false };
    correlation.kind == CorrelationKind::ValueSum
        && bounds.iter().all(|bound| matches!(bound.op, Comparison::Gt | Comparison::Gte))
}
