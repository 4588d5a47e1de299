//! Detection at the edge: attaches the rules that hit to an event.

use std::borrow::Cow;
use std::sync::Arc;

use arc_swap::{ArcSwapOption, Guard};
use rules_event::{Event, Level, QuickMap, Value, field};
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
    pub(crate) fn attach(&self, event: &mut Event, hits: &mut Hits) -> Option<Level> {
        hits.rules.clear();
        let rules = self.0.as_ref()?;
        rules.hits(event, &mut hits.rules);
        let level = hits.rules.iter().map(|rule| rules.level(*rule)).max()?;
        event.set(field::RULE_ID, hits.ids(rules));
        match hits.identity {
            Cow::Borrowed(identity) => event.set(field::RULE_RULESET, identity),
            Cow::Owned(_) => event.set_text(field::RULE_RULESET, rules.identity()),
        }
        event.set(field::VONGLAU_LEVEL, level.as_str());
        Some(level)
    }
}

/// Sets of rules that hit together and whose ids are kept as a list. There are some dozen; what an
/// attacker can make is made anew each time.
const LISTS_MAX: usize = 1_024;

/// The rules that hit an event, and what a thread keeps to say so without making texts.
#[derive(Default)]
pub(crate) struct Hits {
    pub(crate) rules: Vec<usize>,
    /// Those that what follows belongs to.
    of: Option<Arc<Matcher>>,
    identity: Cow<'static, str>,
    lists: QuickMap<Box<[usize]>, Arc<[Value]>>,
}

impl Hits {
    /// Returns the ids of the rules that hit.
    fn ids(&mut self, rules: &Arc<Matcher>) -> Arc<[Value]> {
        if !self.of.as_ref().is_some_and(|known| Arc::ptr_eq(known, rules)) {
            self.of = Some(Arc::clone(rules));
            self.identity = rules_event::intern(rules.identity());
            self.lists.clear();
        }
        if let Some(list) = self.lists.get(self.rules.as_slice()) {
            return Arc::clone(list);
        }
        let list: Arc<[Value]> =
            self.rules.iter().map(|rule| Value::text(rules.id(*rule))).collect();
        if self.lists.len() < LISTS_MAX {
            self.lists.insert(self.rules.as_slice().into(), Arc::clone(&list));
        }
        list
    }
}
