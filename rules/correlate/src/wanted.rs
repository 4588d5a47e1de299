//! Wanted: what correlations read in the events they count, for those who carry hits from elsewhere.

use std::borrow::Cow;
use std::collections::BTreeSet;

use rules_event::{Event, ValueRef, field};

use crate::{Correlator, EVENT_IDS_MAX};

/// A rule whose hits count, see [`Correlator::wanted`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its id.
    pub rule: String,
    /// Fields that are read in the events it hits, sorted.
    pub fields: Vec<String>,
    /// Whether a firing may need no more hits than it names by their ids. Else a firing that names a
    /// hundred of many can do without some.
    pub by_name: bool,
}

impl Correlator {
    /// Returns the rules that are listened to, by id, and what is read in the events they hit.
    #[must_use]
    pub fn wanted(&self) -> Vec<Wanted> {
        let mut all = Vec::new();
        for (rule, range) in &self.definitions.by_rule {
            // Unlike agent and agency it is not the same in all events of a host.
            let mut fields = BTreeSet::from([field::VONGLAU_SYSTEM_ID.to_owned()]);
            let mut by_name = false;
            for to in &self.definitions.listeners[range.clone()] {
                let definition = &self.definitions.list[to.definition];
                let need = definition.plan.need(definition.rules);
                by_name |= !definition.plan.counts_hits() || need <= EVENT_IDS_MAX as u64;
                let read = definition.group_by.iter().chain(&definition.fields);
                fields.extend(read.map(|field| field.of_rule(to.place).to_owned()));
                if definition.carriers >> to.place & 1 == 1 {
                    fields.extend(definition.carried.iter().map(|name| (**name).to_owned()));
                }
            }
            all.push(Wanted { rule: rule.clone(), fields: fields.into_iter().collect(), by_name });
        }
        all.sort_unstable_by(|a, b| a.rule.cmp(&b.rule));
        all
    }
}

/// Returns a field of an event as correlations read it: an event made of these texts alone counts as
/// the whole one does.
#[must_use]
pub fn text_of<'a>(event: &'a Event, name: &str) -> Option<Cow<'a, str>> {
    match event.get(name)? {
        ValueRef::Null => None,
        list @ ValueRef::List(values) => (!values.is_empty()).then(|| Cow::Owned(list.to_string())),
        scalar => scalar.to_text(),
    }
}
