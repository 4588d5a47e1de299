//! Detection at the edge: attaches the rules that hit to an event.

use std::cell::RefCell;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rules_event::{Event, Level, Value, field};
use rules_matcher::Matcher;

thread_local! {
    /// Reused from event to event.
    static HITS: RefCell<Vec<usize>> = RefCell::default();
}

/// The rules in force. Another set takes over between two events, without a lock that a reader could
/// wait for.
pub(crate) struct Detector {
    rules: ArcSwapOption<Matcher>,
}

impl Detector {
    pub(crate) fn new(rules: Option<Arc<Matcher>>) -> Self {
        Self { rules: ArcSwapOption::new(rules) }
    }

    pub(crate) fn swap(&self, rules: Arc<Matcher>) {
        self.rules.store(Some(rules));
    }

    /// Sets `rule.id`, `rule.ruleset` and `vonglau.level` when rules hit; returns the highest level.
    pub(crate) fn attach(&self, event: &mut Event) -> Option<Level> {
        let rules = self.rules.load();
        let rules = rules.as_ref()?;
        HITS.with_borrow_mut(|hits| {
            rules.hits(event, hits);
            let level = hits.iter().map(|rule| rules.level(*rule)).max()?;
            let ids = hits.iter().map(|rule| Value::text(rules.id(*rule))).collect();
            event.set(field::RULE_ID, Value::List(ids));
            event.set(field::RULE_RULESET, Value::text(rules.identity()));
            event.set(field::VONGLAU_LEVEL, level.as_str());
            Some(level)
        })
    }
}
