//! Counting: what the rules in force ask of this host's own correlation.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rules_correlate::{Correlator, Limits};

use super::dictionary::Dictionary;
use super::kept::{Facts, Kept};
use crate::config::{CorrelationSection, Scope};

/// What stands beside a group's own bytes: the index, the order of departure, timers. See
/// [`Limits::bytes_max`].
const BESIDE_BYTES: usize = 100;
/// A group of one hit takes about so much in all.
const GROUP_BYTES: usize = 400;

/// The correlations of one rule set that this host decides. Shared with the threads that find hits;
/// another rule set brings another one.
#[derive(Debug, Default)]
pub(crate) struct Counting {
    /// Later ones replace earlier ones.
    pub(super) generation: u64,
    pub(super) dictionary: Dictionary,
    /// By correlation id: those that alert.
    pub(super) facts: HashMap<String, Facts>,
    /// Identity of the rule set.
    pub(super) ruleset: String,
    /// Whether some correlation is decided by time alone.
    pub(super) waits: bool,
    /// What counts, until the one thread that does takes it.
    correlator: Mutex<Option<Correlator>>,
}

impl Counting {
    /// Returns what is to be counted under a rule set: of its correlations those that run here.
    pub(crate) fn new(
        kept: &Kept,
        ruleset: &str,
        section: &CorrelationSection,
        scope: Scope,
    ) -> Self {
        static GENERATIONS: AtomicU64 = AtomicU64::new(1);
        let (correlator, facts) = kept.within(scope).correlator(limits(section));
        Self {
            generation: GENERATIONS.fetch_add(1, Ordering::Relaxed),
            dictionary: Dictionary::new(&correlator.wanted()),
            facts,
            ruleset: ruleset.to_owned(),
            waits: correlator.waits(),
            correlator: Mutex::new(Some(correlator)),
        }
    }

    /// Returns how many correlations run here and alert.
    pub(crate) fn alerting(&self) -> usize {
        self.facts.len()
    }

    /// Gives away what counts; an empty one if that was done already.
    pub(super) fn take_correlator(&self) -> Correlator {
        let mut correlator = self.correlator.lock().unwrap_or_else(PoisonError::into_inner);
        let none = || Correlator::new(Vec::new(), &HashMap::new(), Limits::default()).0;
        correlator.take().unwrap_or_else(none)
    }
}

/// Shares the memory out: groups, and what stands beside them.
fn limits(section: &CorrelationSection) -> Limits {
    let bytes = usize::try_from(section.memory_bytes_max).unwrap_or(usize::MAX);
    let groups_max = bytes / GROUP_BYTES;
    let beside = groups_max * BESIDE_BYTES;
    let bytes_max = bytes.saturating_sub(beside);
    Limits { groups_max, bytes_max, lateness: super::LATENESS, ..Limits::default() }
}
