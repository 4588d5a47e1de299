//! Taking the time: rounds over the same events, of which the fastest counts.

use std::hint::black_box;
use std::time::{Duration, Instant};

use rules_event::Event;
use rules_matcher::RuleSet;

/// How long one rule is measured, at least.
pub(super) const RULE_TIME: Duration = Duration::from_millis(3);
/// How long the whole set is measured, at least.
pub(super) const SET_TIME: Duration = Duration::from_millis(500);
/// Rounds at least: the first one fills caches.
const ROUNDS_MIN: usize = 3;

/// Returns the nanoseconds an event takes. The fastest round counts: what else the machine does can
/// only slow a round down.
pub(super) fn nanos_an_event(set: &RuleSet, events: &[&Event], time: Duration) -> f64 {
    let mut hits = Vec::new();
    let mut best = Duration::MAX;
    let start = Instant::now();
    let mut rounds = 0;
    while rounds < ROUNDS_MIN || start.elapsed() < time {
        let round = Instant::now();
        for event in events {
            set.hits(event, &mut hits);
            black_box(&hits);
        }
        best = best.min(round.elapsed());
        rounds += 1;
    }
    best.as_secs_f64() * 1e9 / events.len().max(1) as f64
}

/// Returns how many events each rule hits.
pub(super) fn hits(set: &RuleSet, events: &[Event]) -> Vec<usize> {
    let mut counts = vec![0; set.rules().len()];
    let mut hits = Vec::new();
    for event in events {
        set.hits(event, &mut hits);
        for index in &hits {
            if let Some(count) = counts.get_mut(*index) {
                *count += 1;
            }
        }
    }
    counts
}
