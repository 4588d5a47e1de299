//! Rule sets: rules as written beside what they were compiled to.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use rules_event::Event;
use rules_sigma::{Diagnostic, Rule, Severity, codes};
use sha2::{Digest, Sha256};

use crate::assemble::{Compiled, assemble};
use crate::compile::{self, Slots};
use crate::fields::Fields;
use crate::matcher::{Matcher, SourceOf};
use crate::naive::Naive;
use crate::naming::Naming;
use crate::taxonomy::{self, Source};
use crate::{Explanation, explain};

/// A set of rules: gives verdicts like the [`Matcher`] in it, and explains them.
pub struct RuleSet {
    rules: Vec<Rule>,
    sources: Vec<Source>,
    by_id: HashMap<String, usize>,
    naming: Naming,
    matcher: Arc<Matcher>,
}

impl RuleSet {
    /// Compiles rules for events under our own names. A rule that cannot be compiled is left out and
    /// diagnosed; a rule whose logsource nothing of ours yields is kept, never matches, and is
    /// diagnosed with a warning.
    #[must_use]
    pub fn compile(rules: Vec<Rule>) -> (Self, Vec<Diagnostic>) {
        Self::compile_as(rules, Naming::Ecs)
    }

    /// Compiles rules for events under the given names.
    #[must_use]
    pub fn compile_as(rules: Vec<Rule>, naming: Naming) -> (Self, Vec<Diagnostic>) {
        let mut diagnostics = Vec::new();
        let identity = identity(&rules);
        let mut slots = Slots::default();
        let mut kept = Vec::with_capacity(rules.len());
        let mut exprs = Vec::with_capacity(rules.len());
        let mut sources = Vec::with_capacity(rules.len());
        for rule in rules {
            match compile::rule(&rule, naming, &mut slots) {
                Ok(expr) => {
                    let source = taxonomy::source(&rule.logsource);
                    if naming == Naming::Ecs && source.is_empty() {
                        diagnostics.push(unmapped(&rule));
                    }
                    exprs.push(expr);
                    sources.push(source);
                    kept.push(rule);
                }
                Err(diagnostic) => diagnostics.push(*diagnostic),
            }
        }
        let compiled: Vec<Compiled<'_>> =
            kept.iter().zip(exprs).map(|(rule, expr)| Compiled { rule, expr }).collect();
        let image = assemble(&compiled, &slots, naming, &identity);
        let mut by_id = HashMap::new();
        for (index, rule) in kept.iter().enumerate() {
            by_id.entry(rule.id.clone()).or_insert(index);
            if let Some(name) = &rule.name {
                by_id.entry(name.clone()).or_insert(index);
            }
        }
        let matcher = Arc::new(Matcher::new(image));
        (Self { rules: kept, sources, by_id, naming, matcher }, diagnostics)
    }

    /// Returns the compiled form: all that is needed where verdicts are given and never explained.
    #[must_use]
    pub fn matcher(&self) -> &Arc<Matcher> {
        &self.matcher
    }

    /// Replaces `out` by the indexes of the rules that match, ascending.
    pub fn hits(&self, event: &Event, out: &mut Vec<usize>) {
        self.matcher.hits(event, out);
    }

    /// Replaces `out` by the indexes of the rules that match an event from a source told beside it.
    /// Whoever has many events from one source asks [`Matcher::select`] once instead.
    pub fn hits_in(&self, source: &SourceOf<'_>, event: &impl Fields, out: &mut Vec<usize>) {
        self.matcher.hits_in(&self.matcher.select(source), event, out);
    }

    /// Returns what [`Matcher::hits`] must return, found by trying every rule with the plain
    /// evaluator. Slow: for tests.
    pub fn full_scan(&self, event: &Event, out: &mut Vec<usize>) {
        out.clear();
        let admitted = (0..self.rules.len()).filter(|rule| self.sources[*rule].admits(event));
        out.extend(admitted.filter(|rule| self.holds(*rule, event)));
    }

    /// Returns what [`Matcher::hits_in`] must return, found by trying every selected rule with the
    /// plain evaluator. Slow: for tests.
    pub fn full_scan_in(&self, source: &SourceOf<'_>, event: &impl Fields, out: &mut Vec<usize>) {
        out.clear();
        let admitted =
            (0..self.rules.len()).filter(|rule| source.is_covered_by(&self.rules[*rule].logsource));
        out.extend(admitted.filter(|rule| self.holds(*rule, event)));
    }

    /// Says whether a rule's condition holds on an event by the plain evaluator, whatever its
    /// logsource.
    ///
    /// # Panics
    /// When `rule` is not an index of [`RuleSet::rules`].
    #[must_use]
    pub fn holds(&self, rule: usize, event: &impl Fields) -> bool {
        let rule = &self.rules[rule];
        Naive { event, logsource: &rule.logsource, naming: self.naming }.rule(rule)
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
        self.matcher.identity()
    }

    /// Explains the verdict of one rule on one event. Slow: for people, not for every event.
    ///
    /// # Panics
    /// When `rule` is not an index of [`RuleSet::rules`].
    #[must_use]
    pub fn why(&self, rule: usize, event: &Event) -> Explanation {
        let source = (self.naming == Naming::Ecs).then(|| &self.sources[rule]);
        explain::explain(&self.rules[rule], source, self.naming, event)
    }
}

impl fmt::Debug for RuleSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuleSet")
            .field("identity", &self.identity())
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
    let mut parts: Vec<_> =
        rules.iter().map(|rule| (&rule.id, &rule.source, &rule.detection.tuning)).collect();
    parts.sort();
    let mut hash = Sha256::new();
    for (id, source, tuning) in parts {
        for text in [id, &**source].into_iter().chain(tuning.iter().map(|text| &**text)) {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        }
    }
    hex::encode(&hash.finalize()[..8])
}
