//! Rule sets: compiled once, asked for every event.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;

use rules_event::{Event, Value, field};
use rules_sigma::{Diagnostic, Rule, Severity, codes};
use sha2::{Digest, Sha256};

use crate::compile::{self, Expr};
use crate::taxonomy::{self, Bound, Program, Source};
use crate::view::{Folded, Slots};
use crate::{Explanation, explain};

/// Up to this many fields are held on the stack while an event is matched.
const STACK_SLOTS: usize = 64;

thread_local! {
    /// Memory for folded texts, reused from event to event.
    static FOLDED: RefCell<Folded> = RefCell::default();
}

/// A set of compiled rules.
pub struct RuleSet {
    rules: Vec<Rule>,
    exprs: Vec<Expr>,
    sources: Vec<Source>,
    slots: Slots,
    by_dataset: HashMap<String, Vec<Candidates>>,
    by_id: HashMap<String, usize>,
    identity: String,
}

/// The rules of one dataset that speak of the same events.
struct Candidates {
    program: Option<Program>,
    bounds: Vec<Bound>,
    rules: Vec<usize>,
}

impl RuleSet {
    /// Compiles rules. A rule that cannot be compiled is left out and diagnosed; a rule whose
    /// logsource nothing of ours yields is kept, never matches, and is diagnosed with a warning.
    #[must_use]
    pub fn compile(rules: Vec<Rule>) -> (Self, Vec<Diagnostic>) {
        let mut set = Self {
            rules: Vec::with_capacity(rules.len()),
            exprs: Vec::with_capacity(rules.len()),
            sources: Vec::with_capacity(rules.len()),
            slots: Slots::default(),
            by_dataset: HashMap::new(),
            by_id: HashMap::new(),
            identity: identity(&rules),
        };
        let mut diagnostics = Vec::new();
        for rule in rules {
            match compile::rule(&rule, &mut set.slots) {
                Ok(expr) => {
                    let source = taxonomy::source(&rule.logsource);
                    if source.datasets.is_empty() {
                        diagnostics.push(unmapped(&rule));
                    }
                    set.add(rule, expr, source);
                }
                Err(diagnostic) => diagnostics.push(*diagnostic),
            }
        }
        (set, diagnostics)
    }

    fn add(&mut self, rule: Rule, expr: Expr, source: Source) {
        let index = self.rules.len();
        for dataset in &source.datasets {
            let candidates = self.by_dataset.entry(dataset.clone().into_owned()).or_default();
            let same = candidates
                .iter_mut()
                .find(|one| one.program == source.program && one.bounds == source.bounds);
            match same {
                Some(same) => same.rules.push(index),
                None => candidates.push(Candidates {
                    program: source.program.clone(),
                    bounds: source.bounds.clone(),
                    rules: vec![index],
                }),
            }
        }
        self.by_id.entry(rule.id.clone()).or_insert(index);
        if let Some(name) = &rule.name {
            self.by_id.entry(name.clone()).or_insert(index);
        }
        self.rules.push(rule);
        self.exprs.push(expr);
        self.sources.push(source);
    }

    /// Replaces `out` by the indexes of the rules that match, ascending.
    pub fn hits(&self, event: &Event, out: &mut Vec<usize>) {
        out.clear();
        let dataset = event.get_str(field::EVENT_DATASET).unwrap_or_default();
        let Some(candidates) = self.by_dataset.get(dataset) else { return };
        let mut stack = [None; STACK_SLOTS];
        let mut heap = Vec::new();
        let values: &mut [Option<&Value>] = if self.slots.len() <= STACK_SLOTS {
            &mut stack[..self.slots.len()]
        } else {
            heap.resize(self.slots.len(), None);
            &mut heap
        };
        self.slots.fill(event, values);
        let program = event.get_str(field::PROCESS_NAME).unwrap_or_default();
        FOLDED.with_borrow_mut(|folded| {
            folded.begin(self.slots.len());
            for candidates in candidates {
                if candidates.program.as_ref().is_none_or(|one| one.admits(program))
                    && candidates.bounds.iter().all(|bound| bound.admits(event))
                {
                    let matches = |index: &usize| self.exprs[*index].holds(values, folded);
                    out.extend(candidates.rules.iter().copied().filter(matches));
                }
            }
        });
        out.sort_unstable();
    }

    /// Returns the rules, in the order of their indexes.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Returns the rule with this id or name.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Rule> {
        self.position(id).and_then(|index| self.rules.get(index))
    }

    /// Returns the index of the rule with this id or name.
    #[must_use]
    pub fn position(&self, id: &str) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    /// Returns 16 hexadecimal digits that are equal for equal sets of rules.
    #[must_use]
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Explains the verdict of one rule on one event. Slow: for people, not for every event.
    ///
    /// # Panics
    /// When `rule` is not an index of [`RuleSet::rules`].
    #[must_use]
    pub fn why(&self, rule: usize, event: &Event) -> Explanation {
        explain::explain(&self.rules[rule], &self.sources[rule], event)
    }
}

impl fmt::Debug for RuleSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuleSet")
            .field("identity", &self.identity)
            .field("rules", &self.rules.len())
            .finish_non_exhaustive()
    }
}

fn unmapped(rule: &Rule) -> Diagnostic {
    let part = |part: &Option<String>| part.clone().unwrap_or_else(|| "-".into());
    let logsource = &rule.logsource;
    let message = format!(
        "nothing here yields events of category {}, product {}, service {}: the rule never matches",
        part(&logsource.category),
        part(&logsource.product),
        part(&logsource.service)
    );
    let help = "known are the logsources of Sigma's taxonomy and those of docs/spec/taxonomy.md; \
                product vonglau takes any dataset as its service";
    rule.diagnose(codes::UNMAPPED_LOGSOURCE, Severity::Warning, logsource.span, message, help)
}

fn identity(rules: &[Rule]) -> String {
    let mut parts: Vec<_> = rules.iter().map(|rule| (&rule.id, &rule.source)).collect();
    parts.sort();
    let mut hash = Sha256::new();
    for (id, source) in parts {
        hash.update((id.len() as u64).to_be_bytes());
        hash.update(id.as_bytes());
        hash.update((source.len() as u64).to_be_bytes());
        hash.update(source.as_bytes());
    }
    hex::encode(&hash.finalize()[..8])
}
