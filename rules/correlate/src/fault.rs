//! Faults: which correlations cannot run, and what to tell their authors.

use std::collections::{HashMap, HashSet};

use rules_sigma::{
    CORRELATION_RULES_MAX, Correlation, CorrelationCondition, CorrelationKind, Diagnostic,
    Severity, Span, Threshold, check_references, codes,
};

use crate::Limits;
use crate::plan::{WAYS_MAX, needed, ways};

/// Returns the correlations that can run, and what is wrong with the others.
pub(crate) fn sieve(
    correlations: Vec<Correlation>,
    rule_ids_by_name: &HashMap<String, String>,
    limits: &Limits,
) -> (Vec<Correlation>, Vec<Diagnostic>) {
    let mut problems = Vec::new();
    let mut ids = HashSet::new();
    let mut absent = HashSet::new();
    let mut usable = Vec::new();
    for correlation in correlations {
        let found = if ids.insert(correlation.id.clone()) {
            fault(&correlation, limits)
        } else {
            Some(taken(&correlation))
        };
        match found {
            None => usable.push(correlation),
            Some(found) => {
                problems.push(found);
                absent.extend(correlation.name.iter().chain([&correlation.id]).cloned());
            }
        }
    }
    let known: HashSet<&str> =
        rule_ids_by_name.iter().flat_map(|(name, id)| [name.as_str(), id.as_str()]).collect();
    // An id may belong to a rule that is in force at the agents only.
    let is_rule =
        |text: &str| !absent.contains(text) && (known.contains(text) || looks_like_id(text));
    let mut names: Vec<&str> = rule_ids_by_name.keys().map(String::as_str).collect();
    names.sort_unstable();
    let (faulty, found): (HashSet<usize>, Vec<Diagnostic>) =
        check_references(&usable, &is_rule, &names).into_iter().unzip();
    problems.extend(found);
    let mut index = 0;
    usable.retain(|_| {
        index += 1;
        !faulty.contains(&(index - 1))
    });
    (usable, problems)
}

fn taken(correlation: &Correlation) -> Diagnostic {
    let span = Diagnostic::key_span(&correlation.source, correlation.line, "id");
    let message = format!("the id '{}' is taken by an earlier correlation", correlation.id);
    about(correlation, codes::DUPLICATE_ID, span).saying(message, "give it an id of its own")
}

fn about(correlation: &Correlation, code: &'static str, span: Span) -> Diagnostic {
    Diagnostic::in_text(&correlation.file, &correlation.source, code, Severity::Error, span)
}

/// Says why a correlation cannot run, if it cannot.
fn fault(correlation: &Correlation, limits: &Limits) -> Option<Diagnostic> {
    let condition = correlation.places.condition;
    let rules = correlation.rules.len();
    if rules == 0 || rules > CORRELATION_RULES_MAX {
        let span = correlation.places.rules.first().copied().unwrap_or(condition);
        let message = format!("the correlation must refer to 1 to {CORRELATION_RULES_MAX} rules");
        let help = "list the rules whose hits are counted";
        return Some(about(correlation, codes::CORRELATION_BOUNDS, span).saying(message, help));
    }
    if correlation.timespan.is_zero() {
        let found = about(correlation, codes::BAD_TIMESPAN, condition);
        return Some(found.saying("the timespan is zero", "for example 'timespan: 5m'"));
    }
    let kind = correlation.kind;
    if !kind.is_temporal() && kind != CorrelationKind::EventCount && correlation.fields.is_empty() {
        let message = format!("{} needs a field in its condition", kind.as_str());
        let found = about(correlation, codes::MISSING_FIELD, condition);
        return Some(found.saying(message, "for example 'field: user.name'"));
    }
    let bounds = match &correlation.condition {
        CorrelationCondition::Bounds(bounds) => bounds.as_slice(),
        CorrelationCondition::Rules(_) => &[],
    };
    let bounded = |message: String, help: &str| {
        Some(about(correlation, codes::CORRELATION_BOUNDS, condition).saying(message, help))
    };
    let highest = bounds.iter().map(|bound| bound.value).fold(0.0, f64::max);
    if kind == CorrelationKind::ValueCount && highest > limits.values_max() as f64 {
        let most = limits.values_max();
        let message = format!(
            "the condition speaks of {highest} distinct values; at most {most} are counted exactly"
        );
        return bounded(message, "lower the number: a few hundred say as much");
    }
    if kind == CorrelationKind::TemporalOrdered && ways(correlation).is_none_or(|it| it.is_empty())
    {
        if !bounds.is_empty() && needed(bounds, correlation).is_none() {
            let message = "an order has no upper bound on how many rules follow it".to_owned();
            let help = "remove the condition, or write one over rule names: 'a and b and not c'";
            return bounded(message, help);
        }
        let message = format!("the condition has no way to hold, or more than {WAYS_MAX}");
        return bounded(message, "ask for fewer rules, or nest parts as correlations of their own");
    }
    let never = |bound: &Threshold| !bound.value.is_finite();
    if bounds.iter().any(never) {
        let found = about(correlation, codes::BAD_THRESHOLD, condition);
        return Some(found.saying("the condition compares with no number", "write a number"));
    }
    None
}

/// Says whether a reference has the form of a rule id (UUID).
fn looks_like_id(text: &str) -> bool {
    text.len() == 36
        && text.char_indices().all(|(index, character)| match index {
            8 | 13 | 18 | 23 => character == '-',
            _ => character.is_ascii_hexdigit(),
        })
}
