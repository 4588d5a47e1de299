//! Tally: how often what was hidden, for metrics.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::{Hidden, Kind, Redactor};

/// Records with something hidden, by kind. Counts since the process started, over every change of the
/// configuration.
#[derive(Debug, Default)]
pub struct Tally(Mutex<BTreeMap<String, u64>>);

impl Tally {
    /// Counts a record. Called for those with something hidden only.
    pub(crate) fn note(&self, redactor: &Redactor, hidden: Hidden) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for name in redactor.names(hidden) {
            match counts.get_mut(name) {
                Some(count) => *count += 1,
                None => drop(counts.insert(name.to_owned(), 1)),
            }
        }
    }

    /// Returns how many records held each kind, those that none held as 0.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts: BTreeMap<String, u64> =
            Kind::ALL.iter().map(|kind| (kind.as_str().to_owned(), 0)).collect();
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.extend(known.iter().map(|(name, count)| (name.clone(), *count)));
        counts
    }
}
