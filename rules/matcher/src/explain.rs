//! Explanations: the verdict of a rule as a tree, with the values that decided it.

use std::fmt;

use rules_event::{Event, ValueRef, field};
use rules_sigma::{Body, Condition, Item, Logsource, Quantifier, Rule, Test};

use crate::naive::{Naive, with_text};
use crate::naming::{Naming, Place};
use crate::taxonomy::Source;

/// Longest value shown, in characters.
const SHOWN_CHARS_MAX: usize = 120;
/// Tests of one item shown; the others are counted.
const SHOWN_TESTS_MAX: usize = 12;

/// Why a rule does or does not match an event. Prints as an indented tree of ✔ and ✘.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Id of the rule.
    pub rule_id: String,
    /// Its title.
    pub title: String,
    /// Whether it matches: the logsource fits and the condition holds.
    pub matched: bool,
    /// Whether the event is one the rule speaks of.
    pub logsource: Step,
    /// The condition.
    pub condition: Step,
}

/// One node of an explanation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Whether it holds.
    pub holds: bool,
    /// What it demands and what was found.
    pub text: String,
    /// What it consists of.
    pub children: Vec<Self>,
}

impl Step {
    fn leaf(holds: bool, text: String) -> Self {
        Self { holds, text, children: Vec::new() }
    }

    fn print(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        let sign = if self.holds { '✔' } else { '✘' };
        writeln!(f, "{:width$}{sign} {}", "", self.text, width = depth * 2)?;
        self.children.iter().try_for_each(|child| child.print(f, depth + 1))
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.matched { '✔' } else { '✘' };
        writeln!(f, "{sign} {} ({})", self.title, self.rule_id)?;
        self.logsource.print(f, 1)?;
        self.condition.print(f, 1)
    }
}

/// Explains a verdict; without a source, the logsource is taken to fit.
pub(crate) fn explain(
    rule: &Rule,
    source: Option<&Source>,
    naming: Naming,
    event: &Event,
) -> Explanation {
    let logsource = match source {
        Some(source) => explain_source(source, event),
        None => Step::leaf(true, "logsource: told beside the event".into()),
    };
    let naive = Naive { event, logsource: &rule.logsource, naming };
    let mut condition = Explainer { rule, event, naive }.condition(&rule.detection.condition);
    condition.text = format!("condition: {}", condition.text);
    Explanation {
        rule_id: rule.id.clone(),
        title: rule.title.clone(),
        matched: logsource.holds && condition.holds,
        logsource,
        condition,
    }
}

fn explain_source(source: &Source, event: &Event) -> Step {
    let found = |name| shown(event, name);
    let mut text = match source.datasets.len() {
        _ if source.all => "logsource: every event".to_owned(),
        0 => "logsource: nothing yields such events yet".to_owned(),
        _ => format!("logsource: {} in {}", field::EVENT_DATASET, source.datasets.join(", ")),
    };
    text.push_str(&format!(" — found {}", found(field::EVENT_DATASET)));
    if let Some(program) = &source.program {
        text.push_str(&format!(
            "; {} {program} — found {}",
            field::PROCESS_NAME,
            found(field::PROCESS_NAME)
        ));
    }
    for bound in &source.bounds {
        text.push_str(&format!("; {bound} — found {}", found(bound.field)));
    }
    Step::leaf(source.admits(event), text)
}

struct Explainer<'e> {
    rule: &'e Rule,
    event: &'e Event,
    naive: Naive<'e>,
}

impl Explainer<'_> {
    fn condition(&self, condition: &Condition) -> Step {
        let all = |parts: &[Condition]| -> Vec<Step> {
            parts.iter().map(|part| self.condition(part)).collect()
        };
        match condition {
            Condition::Search(index) => self.search(*index),
            Condition::And(parts) => and("all of", all(parts)),
            Condition::Or(parts) => or("any of", all(parts)),
            Condition::Not(part) => {
                let child = self.condition(part);
                Step { holds: !child.holds, text: "not".into(), children: vec![child] }
            }
            Condition::Of { quantifier, pattern, searches } => {
                let children = searches.iter().map(|index| self.search(*index)).collect();
                match quantifier {
                    Quantifier::Any => or(&format!("1 of {pattern}"), children),
                    Quantifier::All => and(&format!("all of {pattern}"), children),
                }
            }
        }
    }

    fn search(&self, index: usize) -> Step {
        let search = &self.rule.detection.searches[index];
        let step = self.body(&search.body);
        let children = match &search.body {
            Body::Item(_) => vec![step.clone()],
            Body::All(_) | Body::Any(_) => step.children,
        };
        let any = if matches!(search.body, Body::Any(_)) { ": any of" } else { "" };
        Step { holds: step.holds, text: format!("{}{any}", search.name), children }
    }

    fn body(&self, body: &Body) -> Step {
        let all =
            |parts: &[Body]| -> Vec<Step> { parts.iter().map(|part| self.body(part)).collect() };
        match body {
            Body::All(parts) => and("all of", all(parts)),
            Body::Any(parts) => or("any of", all(parts)),
            Body::Item(item) => self.item(item),
        }
    }

    fn item(&self, item: &Item) -> Step {
        let logsource = &self.rule.logsource;
        let outcomes: Vec<(bool, &Test)> =
            item.tests.iter().map(|test| (self.naive.test(item, test), test)).collect();
        let held = if item.all {
            outcomes.iter().all(|(held, _)| *held)
        } else {
            outcomes.iter().any(|(held, _)| *held)
        };
        let found = match self.naive.naming.place(item, logsource) {
            Place::Fields(fields) => {
                let found: Vec<String> = fields.iter().map(|name| self.found(name)).collect();
                found.join(", ")
            }
            Place::Everywhere => "looked for in every field".to_owned(),
        };
        let other = |test| other_field(test, logsource, self.naive.naming);
        let found = match item.tests.iter().find_map(other) {
            Some(other) => format!("{found}, {other} is {}", shown(self.event, &other)),
            None => found,
        };
        let not = if item.negated { "not " } else { "" };
        if let [(_, test)] = outcomes.as_slice() {
            let text = format!("{not}{} {test} — {found}", item.key);
            return Step::leaf(held != item.negated, text);
        }
        let quantity = if item.all { "all of" } else { "any of" };
        let mut step = Step {
            holds: held != item.negated,
            text: format!("{not}{} {quantity} {} — {found}", item.key, outcomes.len()),
            children: Vec::new(),
        };
        // What held tells the most; what did not is shown while there is room.
        let mut outcomes = outcomes;
        outcomes.sort_by_key(|(held, _)| *held == item.all);
        let more = outcomes.len().saturating_sub(SHOWN_TESTS_MAX);
        for (held, test) in outcomes.into_iter().take(SHOWN_TESTS_MAX) {
            step.children.push(Step::leaf(held, cut(&test.to_string())));
        }
        if more > 0 {
            step.text.push_str(&format!(" ({more} not shown)"));
        }
        step
    }
}

impl Explainer<'_> {
    /// Says what a field holds, and what is under its disguises.
    fn found(&self, name: &str) -> String {
        let mut text = format!("{name} is {}", shown(self.event, name));
        let copies = self.naive.naming.copies(name);
        for value in self.event.get(name).into_iter().flat_map(ValueRef::items) {
            with_text(value, |written| {
                copies.of(written, |copy| text.push_str(&format!(", decoded '{}'", cut(copy))));
            });
        }
        text
    }
}

fn and(text: &str, children: Vec<Step>) -> Step {
    let holds = children.iter().all(|child| child.holds);
    Step { holds, text: text.to_owned(), children }
}

fn or(text: &str, children: Vec<Step>) -> Step {
    let holds = children.iter().any(|child| child.holds);
    Step { holds, text: text.to_owned(), children }
}

fn other_field(test: &Test, logsource: &Logsource, naming: Naming) -> Option<String> {
    match test {
        Test::Field { field, .. } => Some(naming.field(logsource, field).into_owned()),
        _ => None,
    }
}

/// Returns what an event holds in a field, for people.
fn shown(event: &Event, name: &str) -> String {
    match event.get(name) {
        None => "absent".to_owned(),
        Some(ValueRef::Null) => "null".to_owned(),
        Some(value) => format!("'{}'", cut(&value.to_string())),
    }
}

fn cut(text: &str) -> String {
    if text.chars().nth(SHOWN_CHARS_MAX).is_none() {
        return text.to_owned();
    }
    text.chars().take(SHOWN_CHARS_MAX).chain(['…']).collect()
}
