//! Detection at the edge: attaches the rules that hit to an event.

use std::sync::Arc;

use arc_swap::{ArcSwapOption, Guard};
use rules_event::{Event, Level, Value, field};
use rules_matcher::Matcher;

/// The rules in force. Another set takes over between two items, without a lock that a reader could
/// wait for.
pub(crate) struct Detector {
    rules: ArcSwapOption<Matcher>,
}

/// The rules as they were in force when an item was begun.
pub(crate) struct InForce(Guard<Option<Arc<Matcher>>>);

impl Detector {
    pub(crate) fn new(rules: Option<Arc<Matcher>>) -> Self {
        Self { rules: ArcSwapOption::new(rules) }
    }

    pub(crate) fn swap(&self, rules: Arc<Matcher>) {
        self.rules.store(Some(rules));
    }

    pub(crate) fn in_force(&self) -> InForce {
        InForce(self.rules.load())
    }
}

impl InForce {
    pub(crate) fn matcher(&self) -> Option<&Matcher> {
        self.0.as_deref()
    }

    /// Sets `rule.id`, `rule.ruleset` and `vonglau.level` when rules hit; returns the highest level.
    /// `hits` is left with the rules that did.
    pub(crate) fn attach(&self, event: &mut Event, hits: &mut Vec<usize>) -> Option<Level> {
        hits.clear();
        let rules = self.0.as_ref()?;
        rules.hits(event, hits);
        let level = hits.iter().map(|rule| rules.level(*rule)).max()?;
        let ids = hits.iter().map(|rule| Value::text(rules.id(*rule))).collect();
        event.set(field::RULE_ID, Value::List(ids));
        event.set_text(field::RULE_RULESET, rules.identity());
        event.set(field::VONGLAU_LEVEL, level.as_str());
        Some(level)
    }
}
