//! Limits: what the correlator may hold at most.

/// Bounds on the memory of a [`crate::Correlator`].
///
/// With the defaults it stays below about 250 MiB however hard it is flooded: a hit kept takes
/// about 100 bytes, a group about 500.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Groups of all correlations together.
    pub groups_max: usize,
    /// Hits kept in all groups together.
    pub hits_max: usize,
    /// Hits kept in one window. A count beyond it is still a firing window; older hits give way to
    /// newer, and for `value_count` and `temporal` hits that repeat a value give way first.
    pub hits_per_window_max: usize,
}

impl Limits {
    /// Returns the largest threshold an `event_count` may have: a window is kept for two timespans.
    #[must_use]
    pub fn count_max(&self) -> u64 {
        self.hits_per_window_max as u64 / 2
    }

    /// Returns the largest number of distinct values that is counted exactly, and so the largest
    /// threshold a `value_count` may have: a value needs up to eight hits to be represented over
    /// two timespans.
    #[must_use]
    pub fn values_max(&self) -> u64 {
        self.hits_per_window_max as u64 / 8
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { groups_max: 200_000, hits_max: 1_000_000, hits_per_window_max: 2_048 }
    }
}
