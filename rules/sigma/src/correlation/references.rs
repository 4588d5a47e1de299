//! References between correlations: to what is not there, and in circles.

use std::collections::{HashMap, HashSet};

use super::Correlation;
use crate::report::did_you_mean;
use crate::{Diagnostic, Severity, Span, codes};

/// Finds the correlations that refer to what is not there, or to themselves through others.
///
/// `is_rule` says whether an id or name belongs to a rule that is no correlation; `names` are the
/// names of such rules, for "did you mean". Returns indexes into `correlations`, each with what is
/// wrong; one that refers to another that is left out is left out itself.
#[must_use]
pub fn check_references(
    correlations: &[Correlation],
    is_rule: &dyn Fn(&str) -> bool,
    names: &[&str],
) -> Vec<(usize, Diagnostic)> {
    let mut by_name: HashMap<&str, usize> = HashMap::new();
    for (index, correlation) in correlations.iter().enumerate() {
        for name in names_of(correlation) {
            by_name.entry(name).or_insert(index);
        }
    }
    let mut left_out: HashSet<usize> = HashSet::new();
    let mut found = Vec::new();
    for index in 0..correlations.len() {
        if let Some(circle) = circle_through(index, correlations, &by_name) {
            let (place, members) = circle;
            let text: Vec<&str> = members
                .iter()
                .filter_map(|member| correlations.get(*member))
                .map(|it| it.name.as_deref().unwrap_or(&it.id))
                .collect();
            let message =
                format!("correlations refer to each other in a circle: {}", text.join(" → "));
            let help = "a correlation may only count what does not wait for it: take this out";
            found.extend(about(
                correlations,
                index,
                place,
                codes::CORRELATION_CIRCLE,
                message,
                help,
            ));
            left_out.insert(index);
        }
    }
    // Until none refers to one that is left out.
    loop {
        let before = left_out.len();
        for (index, correlation) in correlations.iter().enumerate() {
            if left_out.contains(&index) {
                continue;
            }
            let missing = correlation.rules.iter().position(|rule| {
                let there = match by_name.get(rule.as_str()) {
                    Some(other) => !left_out.contains(other),
                    None => is_rule(rule),
                };
                !there
            });
            let Some(place) = missing else { continue };
            let rule = correlation.rules.get(place).map(String::as_str).unwrap_or_default();
            let (message, help) = if by_name.contains_key(rule) {
                let message = format!("the correlation refers to '{rule}', which is left out");
                (message, "correct that correlation first".to_owned())
            } else {
                let all = names.iter().copied().chain(by_name.keys().copied());
                let help = did_you_mean(rule, all, || {
                    "name the id or the 'name' of a rule that is loaded along with it; see also \
                     what is wrong with that rule"
                        .to_owned()
                });
                (format!("the correlation refers to '{rule}', which was not loaded"), help)
            };
            found.extend(about(correlations, index, place, codes::UNKNOWN_RULE, message, &help));
            left_out.insert(index);
        }
        if left_out.len() == before {
            return found;
        }
    }
}

fn names_of(correlation: &Correlation) -> impl Iterator<Item = &str> {
    std::iter::once(correlation.id.as_str()).chain(correlation.name.as_deref())
}

/// Returns the shortest circle that leads from a correlation back to it: the place of the first
/// step in its `rules`, and the correlations on the way, itself first and last.
fn circle_through(
    from: usize,
    correlations: &[Correlation],
    by_name: &HashMap<&str, usize>,
) -> Option<(usize, Vec<usize>)> {
    // Breadth first; each one reached remembers from where, and by which place the way began.
    let mut reached: HashMap<usize, (usize, usize)> = HashMap::new();
    let mut edge = vec![from];
    while !edge.is_empty() {
        let mut next = Vec::new();
        for here in edge {
            let rules = correlations.get(here).map_or(&[][..], |it| &it.rules);
            for (place, rule) in rules.iter().enumerate() {
                let Some(&there) = by_name.get(rule.as_str()) else { continue };
                let first = reached.get(&here).map_or(place, |(_, first)| *first);
                if there == from {
                    let mut way = vec![from, here];
                    let mut at = here;
                    while at != from {
                        at = reached.get(&at).map_or(from, |(before, _)| *before);
                        way.push(at);
                    }
                    way.reverse();
                    return Some((first, way));
                }
                if let std::collections::hash_map::Entry::Vacant(vacant) = reached.entry(there) {
                    vacant.insert((here, first));
                    next.push(there);
                }
            }
        }
        edge = next;
    }
    None
}

fn about(
    correlations: &[Correlation],
    index: usize,
    place: usize,
    code: &'static str,
    message: String,
    help: &str,
) -> Option<(usize, Diagnostic)> {
    let it = correlations.get(index)?;
    let start = Span { line: it.line, column: 1, len: 1 };
    let span = it.places.rules.get(place).copied().unwrap_or(start);
    let found = Diagnostic::in_text(&it.file, &it.source, code, Severity::Error, span);
    Some((index, found.saying(message, help)))
}
