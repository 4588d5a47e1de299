//! Backoff: retry delays that double up to a bound, with jitter, as a pure state machine.

use std::time::Duration;

/// How long to wait before the next try. Full jitter between half and all of the current delay, so
/// that a province of agents does not knock at one moment.
#[derive(Debug, Clone)]
pub struct Backoff {
    delay_min: Duration,
    delay_max: Duration,
    failures: u32,
}

impl Backoff {
    /// Returns a backoff whose delays double from `delay_min` to `delay_max`.
    #[must_use]
    pub fn new(delay_min: Duration, delay_max: Duration) -> Self {
        Self { delay_min, delay_max, failures: 0 }
    }

    /// Notes a success: the next delay is the shortest again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// Returns how many times it has failed in a row.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Notes a failure and returns how long to wait; `chance` in 0.0..=1.0 places the jitter.
    pub fn next_delay_with(&mut self, chance: f64) -> Duration {
        let doubled = self
            .delay_min
            .saturating_mul(1u32.checked_shl(self.failures.min(20)).unwrap_or(u32::MAX));
        self.failures = self.failures.saturating_add(1);
        doubled.min(self.delay_max).mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
    }

    /// Notes a failure and returns how long to wait, with random jitter.
    pub fn next_delay(&mut self) -> Duration {
        self.next_delay_with(rand::random())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_to_the_bound_and_start_over() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        let delays: Vec<_> = (0..6).map(|_| backoff.next_delay_with(1.0).as_millis()).collect();
        assert_eq!(delays, [100, 200, 400, 800, 1000, 1000]);
        backoff.reset();
        assert_eq!(backoff.next_delay_with(0.0).as_millis(), 50);
    }
}
