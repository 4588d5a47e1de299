//! CPU time of this thread, and what becomes of many rounds of it.

use rustix::time::{ClockId, clock_gettime};

/// Returns the CPU time this thread has used so far, in nanoseconds. Other load on the machine does
/// not count, except for what it does to caches and clock rates.
pub(crate) fn cpu_ns() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e9 + now.tv_nsec as f64
}

/// Runs `work` and returns the CPU time it took, in nanoseconds.
pub(crate) fn time<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let before = cpu_ns();
    let outcome = std::hint::black_box(work());
    (cpu_ns() - before, outcome)
}

/// Times of several rounds of the same work.
#[derive(Debug, Default)]
pub(crate) struct Rounds(Vec<f64>);

impl Rounds {
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// Returns the middle round; of an even number, the lower of the two in the middle.
    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or_default()
    }

    /// Returns the best round.
    pub(crate) fn min(&self) -> f64 {
        self.0.iter().copied().min_by(f64::total_cmp).unwrap_or_default()
    }
}
