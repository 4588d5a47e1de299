//! Definition: a correlation rule, checked and resolved.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use rules_sigma::{Comparison, Correlation, CorrelationKind, Threshold};

use crate::Limits;

/// Rules one correlation may refer to.
const RULES_MAX: usize = 64;
/// A slot, the unit of episode keys, is at least this long.
const SLOT_MIN: Duration = Duration::from_secs(3600);

/// A correlation ready to run. Times are nanoseconds.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) id: String,
    pub(crate) kind: CorrelationKind,
    pub(crate) timespan: i64,
    pub(crate) threshold: Threshold,
    /// How many rules it refers to.
    pub(crate) rules: usize,
    pub(crate) group_by: Vec<Field>,
    /// What `value_count` counts.
    pub(crate) counted: Option<Field>,
    /// The length of a slot.
    pub(crate) slot: i64,
    /// Who is told when this fires: definition and the place of this in its list of rules.
    pub(crate) subscribers: Vec<Subscription>,
    /// How far back events reach that can matter to a firing now, through all nested correlations.
    pub(crate) reach: i64,
}

/// A field to read, possibly under another name in the events of each rule.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    /// By place in the list of rules, where an alias says otherwise than `name`.
    by_rule: Vec<Option<String>>,
}

impl Field {
    fn new(name: &str, correlation: &Correlation) -> Self {
        let alias = correlation.aliases.iter().find(|alias| alias.name == name);
        let field_in = |rule: &String| {
            let (_, field) = alias?.fields.iter().find(|(of, _)| of == rule)?;
            Some(field.clone())
        };
        Self { name: name.to_owned(), by_rule: correlation.rules.iter().map(field_in).collect() }
    }

    /// Returns the field to read in an event that the rule at `place` hit.
    pub(crate) fn of_rule(&self, place: usize) -> &str {
        self.by_rule.get(place).and_then(Option::as_deref).unwrap_or(&self.name)
    }
}

/// A place in a definition's list of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) definition: usize,
    pub(crate) place: usize,
}

/// The correlations that can run, and who listens to which rule.
#[derive(Debug, Default)]
pub(crate) struct Definitions {
    pub(crate) list: Vec<Definition>,
    /// Listeners by id of a rule that is no correlation.
    pub(crate) by_rule: HashMap<String, Vec<Subscription>>,
    pub(crate) problems: Vec<String>,
    /// Ids and names of correlations left out.
    absent: HashSet<String>,
}

impl Definitions {
    /// Resolves references, leaving out what cannot run and saying why.
    pub(crate) fn new(
        correlations: Vec<Correlation>,
        rule_ids_by_name: &HashMap<String, String>,
        limits: &Limits,
    ) -> Self {
        let mut made = Self::default();
        let mut ids = HashSet::new();
        let mut usable = Vec::new();
        for correlation in correlations {
            let fault = if ids.insert(correlation.id.clone()) {
                fault(&correlation, limits)
            } else {
                Some("its id is taken by an earlier correlation; give it one of its own".into())
            };
            match fault {
                None => usable.push(correlation),
                Some(fault) => made.leave_out(&correlation, &fault),
            }
        }
        let ordered = made.in_order(usable, rule_ids_by_name);
        made.connect(&ordered, rule_ids_by_name);
        made
    }

    fn leave_out(&mut self, correlation: &Correlation, fault: &str) {
        let (id, file) = (&correlation.id, &correlation.file);
        self.problems.push(format!("correlation '{id}' in {file} is left out: {fault}"));
        self.absent.extend(correlation.name.iter().chain([id]).cloned());
    }

    /// Returns the correlations so that each comes after those it refers to.
    fn in_order(
        &mut self,
        mut waiting: Vec<Correlation>,
        rule_ids_by_name: &HashMap<String, String>,
    ) -> Vec<Correlation> {
        let known: HashSet<&String> = rule_ids_by_name.values().collect();
        let mut ordered: Vec<Correlation> = Vec::with_capacity(waiting.len());
        // Each round settles at least one, or is the last.
        loop {
            let names = names_of(&waiting);
            let done = names_of(&ordered);
            let mut later = Vec::new();
            let mut settled = Vec::new();
            for (index, correlation) in waiting.iter().enumerate() {
                let unknown = correlation.rules.iter().find(|rule| {
                    let text = rule.as_str();
                    !(done.contains_key(text)
                        || names.contains_key(text)
                        || rule_ids_by_name.contains_key(*rule)
                        || known.contains(rule)
                        || (looks_like_id(text) && !self.absent.contains(text)))
                });
                if let Some(unknown) = unknown {
                    let fault = format!(
                        "it refers to '{unknown}', which is the id or name of no rule and of no \
                         correlation in force"
                    );
                    settled.push((index, Some(fault)));
                } else if correlation.rules.iter().all(|rule| !names.contains_key(rule.as_str())) {
                    settled.push((index, None));
                } else {
                    later.push(index);
                }
            }
            if settled.is_empty() {
                for correlation in waiting {
                    self.leave_out(&correlation, "it refers to itself, directly or in a circle");
                }
                return ordered;
            }
            let mut rest: Vec<Option<Correlation>> = waiting.into_iter().map(Some).collect();
            for (index, fault) in settled {
                let Some(correlation) = rest[index].take() else { continue };
                match fault {
                    None => ordered.push(correlation),
                    Some(fault) => self.leave_out(&correlation, &fault),
                }
            }
            waiting = rest.into_iter().flatten().collect();
            if waiting.is_empty() {
                return ordered;
            }
        }
    }

    fn connect(&mut self, ordered: &[Correlation], rule_ids_by_name: &HashMap<String, String>) {
        let names: HashMap<String, usize> =
            names_of(ordered).into_iter().map(|(name, index)| (name.to_owned(), index)).collect();
        for (index, correlation) in ordered.iter().enumerate() {
            let mut nested_reach = 0;
            for (place, rule) in correlation.rules.iter().enumerate() {
                let subscription = Subscription { definition: index, place };
                if let Some(&nested) = names.get(rule) {
                    // In order, so what it refers to is in the list already.
                    let nested: &mut Definition = &mut self.list[nested];
                    nested.subscribers.push(subscription);
                    nested_reach = nested_reach.max(nested.reach);
                } else {
                    let id = rule_ids_by_name.get(rule).unwrap_or(rule);
                    self.by_rule.entry(id.clone()).or_default().push(subscription);
                }
            }
            let timespan = nanos(correlation.timespan);
            let slot = nanos(SLOT_MIN).max(timespan.saturating_mul(4));
            self.list.push(Definition {
                id: correlation.id.clone(),
                kind: correlation.kind,
                timespan,
                threshold: correlation.condition,
                rules: correlation.rules.len(),
                group_by: correlation
                    .group_by
                    .iter()
                    .map(|name| Field::new(name, correlation))
                    .collect(),
                counted: correlation.field.as_ref().map(|name| Field::new(name, correlation)),
                slot,
                subscribers: Vec::new(),
                reach: timespan
                    .saturating_mul(2)
                    .saturating_add(slot / 4)
                    .saturating_add(nested_reach),
            });
        }
    }
}

/// Returns every id and name by which the correlations can be referred to.
fn names_of(correlations: &[Correlation]) -> HashMap<&str, usize> {
    let mut names = HashMap::new();
    for (index, correlation) in correlations.iter().enumerate() {
        names.insert(correlation.id.as_str(), index);
        if let Some(name) = &correlation.name {
            names.insert(name.as_str(), index);
        }
    }
    names
}

/// Says why a correlation cannot run, if it cannot.
fn fault(correlation: &Correlation, limits: &Limits) -> Option<String> {
    let Threshold { op, value } = correlation.condition;
    if correlation.rules.is_empty() || correlation.rules.len() > RULES_MAX {
        return Some(format!("it must refer to 1 to {RULES_MAX} rules"));
    }
    if correlation.timespan.is_zero() {
        return Some("its timespan is zero".into());
    }
    if matches!(op, Comparison::Lt | Comparison::Lte) {
        return Some(
            "a condition of lt or lte asks for what did not happen, which no event can show; use \
             gte, gt or eq"
                .into(),
        );
    }
    // "Greater than zero" and the like would fire on everything; Sigma calls it valid, we too.
    let needed = if op == Comparison::Gt { value.saturating_add(1) } else { value };
    let (most, what) = match correlation.kind {
        CorrelationKind::EventCount => (limits.count_max(), "hits"),
        CorrelationKind::ValueCount => (limits.values_max(), "distinct values"),
        CorrelationKind::Temporal | CorrelationKind::TemporalOrdered => {
            (correlation.rules.len() as u64, "rules")
        }
    };
    if needed > most {
        return Some(format!(
            "its condition asks for {needed} {what}; at most {most} can be counted"
        ));
    }
    if correlation.kind == CorrelationKind::TemporalOrdered && needed != most {
        return Some(
            "temporal_ordered asks for every rule it lists; remove the condition or list fewer \
             rules"
                .into(),
        );
    }
    if correlation.kind == CorrelationKind::ValueCount && correlation.field.is_none() {
        return Some("value_count needs a field in its condition".into());
    }
    None
}

/// Says whether a reference has the form of a rule id (UUID), which may belong to a rule that is
/// in force at the agents only.
fn looks_like_id(text: &str) -> bool {
    text.len() == 36
        && text.char_indices().all(|(index, character)| match index {
            8 | 13 | 18 | 23 => character == '-',
            _ => character.is_ascii_hexdigit(),
        })
}

fn nanos(span: Duration) -> i64 {
    i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)
}
