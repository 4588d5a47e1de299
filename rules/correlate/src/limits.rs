//! Limits: what the correlator may hold at most, and how late a hit may come.

use std::time::Duration;

/// Bounds on the memory and the patience of a [`crate::Correlator`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Groups of all correlations together.
    pub groups_max: usize,
    /// Bytes of all groups together, as allocated. What stands beside them (the index, the order
    /// of departure, timers) adds at most 100 bytes a group.
    pub bytes_max: usize,
    /// Hits kept in one window. Beyond it hits that add nothing to the verdict are put together,
    /// and what then is no longer exact says so: see [`crate::Fired::estimated`].
    pub hits_per_window_max: usize,
    /// How late a hit may come for the alerts to be the same as if it had come in time: so much
    /// older than the newest event seen. What asks for certainty (an upper bound, an average, a
    /// `not`) waits as long before it is judged.
    pub lateness: Duration,
}

impl Limits {
    /// Returns the largest number of distinct values that is counted exactly, and so the largest
    /// threshold a `value_count` may have: a value may need several hits to be represented in every
    /// window it belongs to.
    #[must_use]
    pub fn values_max(&self) -> u64 {
        self.hits_per_window_max as u64 / 4
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            groups_max: 200_000,
            bytes_max: 256 * 1024 * 1024,
            hits_per_window_max: 4_096,
            lateness: Duration::from_secs(300),
        }
    }
}
