//! Bucket: how many bytes may go out now, so that a lane keeps to its bandwidth.

use std::time::{Duration, Instant};

/// What may be saved up while nothing is sent: this long at the full rate. Shorter than a second
/// would let pauses of the loop eat into the rate; longer would show as bursts on a thin line.
const SAVED: Duration = Duration::from_secs(1);

/// A token bucket that may go into debt: whatever is sent is paid back before more is sent, so a
/// batch larger than a second's worth passes too, and the rate holds over time.
#[derive(Debug)]
pub(crate) struct Bucket {
    bytes_per_s: f64,
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    /// Returns a full bucket.
    pub(crate) fn new(bytes_per_s: u64, now: Instant) -> Self {
        let bytes_per_s = bytes_per_s as f64;
        Self { bytes_per_s, tokens: bytes_per_s * SAVED.as_secs_f64(), filled: now }
    }

    /// Returns how long until something may be sent; zero if now.
    pub(crate) fn wait(&mut self, now: Instant) -> Duration {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.filled = now;
        let full = self.bytes_per_s * SAVED.as_secs_f64();
        self.tokens = (self.tokens + passed * self.bytes_per_s).min(full);
        if self.tokens > 0.0 {
            return Duration::ZERO;
        }
        // At least a millisecond, so that rounding never makes a loop of it.
        Duration::from_secs_f64(-self.tokens / self.bytes_per_s).max(Duration::from_millis(1))
    }

    /// Notes what was sent.
    pub(crate) fn take(&mut self, bytes: usize) {
        self.tokens -= bytes as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_to_its_rate_over_time_whatever_the_sizes() {
        let start = Instant::now();
        let mut bucket = Bucket::new(10_000, start);
        let (mut now, mut sent) = (start, 0usize);
        let mut sizes = [3_000, 45_000, 1, 12_000].iter().cycle();
        while now - start < Duration::from_secs(100) {
            let wait = bucket.wait(now);
            if wait.is_zero() {
                let size = *sizes.next().unwrap();
                bucket.take(size);
                sent += size;
            } else {
                now += wait;
            }
        }
        // A second's worth was saved up at the start; the last batch may be in debt.
        assert!((1_000_000..=1_055_000).contains(&sent), "{sent}");
    }

    #[test]
    fn a_pause_saves_up_no_more_than_a_second() {
        let start = Instant::now();
        let mut bucket = Bucket::new(1_000, start);
        bucket.take(1_000);
        assert_eq!(bucket.wait(start), Duration::from_millis(1));
        let later = start + Duration::from_secs(3600);
        assert!(bucket.wait(later).is_zero());
        bucket.take(2_500);
        assert_eq!(bucket.wait(later), Duration::from_millis(1_500));
    }
}
