//! Definition: a correlation rule, checked and resolved.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rules_event::field;
use rules_sigma::{Correlation, Diagnostic};
use sha2::{Digest, Sha256};

use crate::Limits;
use crate::fault;
use crate::plan::Plan;

/// A slot, the unit of alerts, is at least this long.
const SLOT_MIN: Duration = Duration::from_secs(3600);
/// Of a slot that is longer, no more than this is replayed after a restart: the count of an alert
/// may then start lower, which the store, where counts only grow, makes good.
const SLOT_REPLAYED_MAX: Duration = Duration::from_secs(6 * 3600);
/// What an alert wants to know of its last hit.
const WITNESS: [&str; 3] = [field::AGENT_ID, field::ORGANIZATION_ID, field::VONGLAU_SYSTEM_ID];
/// What it wants to know as well where the last of several steps is the outcome.
const OUTCOME: [&str; 3] = [field::AGENT_HOST, field::HOST_NAME, field::USER_NAME];

/// A correlation ready to run. Times are nanoseconds.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) id: String,
    pub(crate) plan: Plan,
    pub(crate) timespan: i64,
    /// How many rules it refers to.
    pub(crate) rules: usize,
    pub(crate) group_by: Vec<Field>,
    /// What the `value_` kinds look at.
    pub(crate) fields: Vec<Field>,
    /// How far behind the newest event a hit may be without changing the outcome.
    pub(crate) lateness: i64,
    /// The length of a slot.
    pub(crate) slot: i64,
    /// Who is told when this fires: definition and the place of this in its list of rules.
    pub(crate) subscribers: Box<[Subscription]>,
    /// Fields that a hit carries along, for those who are told, or for the alert.
    pub(crate) carried: Arc<[Arc<str>]>,
    /// The rules, as bits, whose hits do.
    pub(crate) carriers: u64,
    /// How far back events reach that can matter to a firing now, through all nested correlations.
    pub(crate) reach: i64,
    /// A group cannot fire with so many hits, or, where weights count, with so much.
    pub(crate) silent: u32,
    /// Digest of all that decides: what was remembered for another one is of no use.
    pub(crate) fingerprint: [u8; 16],
}

impl Definition {
    /// How far behind its newest hit a window keeps others.
    pub(crate) fn kept(&self) -> i64 {
        self.timespan.saturating_add(self.lateness)
    }
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
        let by_rule = match alias {
            None => Vec::new(),
            Some(_) => correlation.rules.iter().map(field_in).collect(),
        };
        Self { name: name.to_owned(), by_rule }
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
    /// Each after those it refers to.
    pub(crate) list: Vec<Definition>,
    /// The listeners to every rule that is no correlation, one rule's after the other's.
    pub(crate) listeners: Vec<Subscription>,
    /// By rule id, which of them are its.
    pub(crate) by_rule: HashMap<String, std::ops::Range<usize>>,
    pub(crate) problems: Vec<Diagnostic>,
}

impl Definitions {
    /// Resolves references, leaving out what cannot run and saying why.
    pub(crate) fn new(
        correlations: Vec<Correlation>,
        rule_ids_by_name: &HashMap<String, String>,
        limits: &Limits,
    ) -> Self {
        let (usable, problems) = fault::sieve(correlations, rule_ids_by_name, limits);
        let mut made = Self { problems, ..Self::default() };
        made.connect(&in_order(usable), rule_ids_by_name, limits);
        made
    }

    fn connect(
        &mut self,
        ordered: &[Correlation],
        rule_ids_by_name: &HashMap<String, String>,
        limits: &Limits,
    ) {
        let names = names_of(ordered);
        let mut by_rule: HashMap<String, Vec<Subscription>> = HashMap::new();
        let mut subscribers: Vec<Vec<Subscription>> = vec![Vec::new(); ordered.len()];
        let mut decided = Vec::new();
        for (index, correlation) in ordered.iter().enumerate() {
            let (mut nested_reach, mut nested_lateness) = (0, 0);
            for (place, rule) in correlation.rules.iter().enumerate() {
                let subscription = Subscription { definition: index, place };
                if let Some(&nested) = names.get(rule.as_str()) {
                    // In order, so what it refers to is in the list already.
                    let known = &self.list[nested];
                    subscribers[nested].push(subscription);
                    nested_reach = nested_reach.max(known.reach);
                    if known.plan.waits() {
                        nested_lateness = nested_lateness.max(known.lateness);
                    }
                } else {
                    let id = rule_ids_by_name.get(rule).unwrap_or(rule);
                    by_rule.entry(id.clone()).or_default().push(subscription);
                }
            }
            let timespan = nanos(correlation.timespan);
            let slot = nanos(SLOT_MIN).max(timespan.saturating_mul(4));
            // One more than what it waits for, so that it is judged after that.
            let lateness = nanos(limits.lateness).max(nested_lateness.saturating_add(1));
            let fields = |names: &[String]| -> Vec<Field> {
                names.iter().map(|name| Field::new(name, correlation)).collect()
            };
            let plan = Plan::new(correlation);
            let id_of = |rule: &String| rule_ids_by_name.get(rule).unwrap_or(rule).clone();
            let rules: Vec<String> = correlation.rules.iter().map(id_of).collect();
            let (group_by, looked_at) =
                (fields(&correlation.group_by), fields(&correlation.fields));
            let decides =
                format!("{plan:?}{timespan}{lateness}{slot}{rules:?}{group_by:?}{looked_at:?}");
            decided.push(decides);
            self.list.push(Definition {
                id: correlation.id.clone(),
                carriers: plan.last_steps(),
                silent: plan.silent(),
                plan,
                timespan,
                rules: correlation.rules.len(),
                group_by,
                fields: looked_at,
                lateness,
                slot,
                subscribers: Box::default(),
                carried: Arc::from([]),
                reach: timespan
                    .saturating_add(lateness)
                    .saturating_add(slot.min(nanos(SLOT_REPLAYED_MAX)))
                    .saturating_add(nested_reach),
                fingerprint: [0; 16],
            });
        }
        for (id, list) in by_rule {
            let from = self.listeners.len();
            self.listeners.extend(list);
            self.by_rule.insert(id, from..self.listeners.len());
        }
        for (definition, list) in self.list.iter_mut().zip(subscribers) {
            definition.subscribers = list.into();
        }
        // Those who are told come later in the list, and what they need in turn is known first.
        for index in (0..self.list.len()).rev() {
            self.list[index].carried = self.carried_by(index);
        }
        for (definition, decides) in self.list.iter_mut().zip(decided) {
            // What its hits carry is read by these names.
            let carried = &definition.carried;
            definition.fingerprint = digest(&format!("{decides}{carried:?}"));
        }
    }

    /// Returns the fields that hits of a definition must carry along.
    fn carried_by(&self, index: usize) -> Arc<[Arc<str>]> {
        let definition = &self.list[index];
        let mut names: Vec<Arc<str>> = Vec::new();
        let mut add = |name: &str| {
            let grouped = definition.group_by.iter().any(|field| field.name == name);
            if !grouped && !names.iter().any(|known| &**known == name) {
                names.push(name.into());
            }
        };
        for told in &definition.subscribers {
            let other = &self.list[told.definition];
            for field in other.group_by.iter().chain(&other.fields) {
                add(field.of_rule(told.place));
            }
            other.carried.iter().for_each(|name| add(name));
        }
        // Counts make do with the event that is observed while they fire: a copy of these fields with
        // every hit would cost too much there.
        if definition.plan.looks_back() {
            WITNESS.iter().for_each(|name| add(name));
        }
        if definition.plan.by_place() {
            OUTCOME.iter().for_each(|name| add(name));
        }
        names.into()
    }
}

fn digest(text: &str) -> [u8; 16] {
    let mut digest = [0; 16];
    digest.copy_from_slice(&Sha256::digest(text)[..16]);
    digest
}

/// Returns the correlations so that each comes after those it refers to, which form no circle.
fn in_order(mut waiting: Vec<Correlation>) -> Vec<Correlation> {
    let mut ordered: Vec<Correlation> = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let names = names_of(&waiting);
        let ready: Vec<bool> = waiting
            .iter()
            .map(|it| it.rules.iter().all(|rule| !names.contains_key(rule.as_str())))
            .collect();
        let mut ready = ready.into_iter();
        let (mut settled, rest): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|_| ready.next().unwrap_or(true));
        if settled.is_empty() {
            return ordered;
        }
        ordered.append(&mut settled);
        waiting = rest;
    }
    ordered
}

/// Returns every id and name by which the correlations can be referred to.
fn names_of(correlations: &[Correlation]) -> HashMap<&str, usize> {
    let mut names = HashMap::new();
    for (index, correlation) in correlations.iter().enumerate() {
        names.entry(correlation.id.as_str()).or_insert(index);
        if let Some(name) = &correlation.name {
            names.entry(name.as_str()).or_insert(index);
        }
    }
    names
}

pub(crate) fn nanos(span: Duration) -> i64 {
    i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)
}
