//! Suppressor: tells the first alert of its kind from its repeats (`custom.vonglau.suppress`).
//!
//! By event time. Threads work on several chunks at once, so of two alerts close together either may
//! be taken for the first, but never none and never both: what lies within the span of the first, on
//! either side, is a repeat. Nothing is kept over a restart: the alert that a crash kept from the
//! spool must not silence the one that is read in its place.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rules_event::{Timestamp, ValueRef};
use sha2::{Digest, Sha256};

/// Alerts remembered: some 80 bytes each, 1.3 MiB. Beyond, the longest untouched are forgotten, and
/// raised again when they repeat: too many alerts rather than too few.
const REMEMBERED_MAX: usize = 16_384;

/// See the head of the file.
#[derive(Default)]
pub struct Suppressor {
    known: Mutex<Known>,
    repeated: AtomicU64,
    forgotten: AtomicU64,
}

#[derive(Default)]
struct Known {
    by_key: HashMap<[u8; 16], Alert>,
    turn: u64,
}

struct Alert {
    /// Event time of the alert that was raised, nanoseconds.
    first: i64,
    used: u64,
}

impl Suppressor {
    /// Says whether an alert of a rule repeats one within the span; else it is remembered as raised. A
    /// field that is absent is a value like any other.
    pub fn repeats<'a>(
        &self,
        rule: &str,
        values: impl Iterator<Item = Option<ValueRef<'a>>>,
        span_s: u32,
        time: Timestamp,
    ) -> bool {
        let key = key(rule, values);
        let (span, time) = (i64::from(span_s) * 1_000_000_000, time.as_nanos());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.turn += 1;
        let used = known.turn;
        if let Some(alert) = known.by_key.get_mut(&key) {
            alert.used = used;
            let is_repeat = time.saturating_sub(alert.first).unsigned_abs() < span.unsigned_abs();
            alert.first = if is_repeat { alert.first } else { alert.first.max(time) };
            self.repeated.fetch_add(u64::from(is_repeat), Ordering::Relaxed);
            return is_repeat;
        }
        if known.by_key.len() >= REMEMBERED_MAX {
            let forgotten = known.forget();
            self.forgotten.fetch_add(forgotten, Ordering::Relaxed);
        }
        known.by_key.insert(key, Alert { first: time, used });
        false
    }

    /// Returns how many repeats there were, and how many alerts were forgotten at the bound.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.repeated.load(Ordering::Relaxed), self.forgotten.load(Ordering::Relaxed))
    }
}

impl Known {
    /// Forgets the quarter that was not asked for longest.
    fn forget(&mut self) -> u64 {
        let mut used: Vec<u64> = self.by_key.values().map(|alert| alert.used).collect();
        let (_, limit, _) = used.select_nth_unstable(REMEMBERED_MAX / 4);
        let (limit, before) = (*limit, self.by_key.len());
        self.by_key.retain(|_, alert| alert.used >= limit);
        (before - self.by_key.len()) as u64
    }
}

/// Values may be as long as a line; a hash of them is not.
fn key<'a>(rule: &str, values: impl Iterator<Item = Option<ValueRef<'a>>>) -> [u8; 16] {
    let mut hash = Sha256::new_with_prefix(rule);
    for value in values {
        hash.update([0, u8::from(value.is_some())]);
        if let Some(value) = value {
            hash.update(value.to_string());
        }
    }
    let mut key = [0; 16];
    key.copy_from_slice(&hash.finalize()[..16]);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_795_600_000 + seconds)
    }

    #[test]
    fn one_alert_is_raised_for_each_span_and_value() {
        let all = Suppressor::default();
        let (one, two) = (ValueRef::Str("203.0.113.1"), ValueRef::Str("203.0.113.2"));
        let repeats = |value: &ValueRef<'_>, time| {
            all.repeats("r", [Some(*value)].into_iter(), 3_600, at(time))
        };
        assert!(!repeats(&one, 0));
        assert!(repeats(&one, 10) && repeats(&one, 3_599));
        assert!(repeats(&one, -30), "a thread was quicker with a later one");
        assert!(!repeats(&two, 10), "another value");
        assert!(!repeats(&one, 3_600), "the span is over");
        assert!(repeats(&one, 3_700));
        assert!(!repeats(&one, -9_000), "long before");
        assert!(repeats(&one, 3_701), "what is late moves nothing");
        assert!(!all.repeats("other", [Some(one)].into_iter(), 3_600, at(5)));
        assert!(!all.repeats("r", [None].into_iter(), 3_600, at(5)));
        assert!(all.repeats("r", [None].into_iter(), 3_600, at(6)));
        assert_eq!(all.counts(), (6, 0));
    }

    #[test]
    fn memory_is_bounded_and_the_busy_stay() {
        let all = Suppressor::default();
        let busy = ValueRef::Str("busy");
        for number in 0..3 * REMEMBERED_MAX as i64 {
            let value = ValueRef::Int(number);
            assert!(!all.repeats("r", [Some(value)].into_iter(), 60, at(0)));
            assert_eq!(all.repeats("r", [Some(busy)].into_iter(), 60, at(0)), number > 0);
            let held = all.known.lock().unwrap().by_key.len();
            assert!(held <= REMEMBERED_MAX, "{held}");
        }
        assert!(all.counts().1 > REMEMBERED_MAX as u64);
    }
}
