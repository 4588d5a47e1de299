//! Taking the time: rounds over the same events, of which the fastest counts.

use std::hint::black_box;
use std::time::{Duration, Instant};

use rules_event::Event;
use rules_matcher::RuleSet;

/// How long one rule is measured, at least.
pub(super) const RULE_TIME: Duration = Duration::from_millis(3);
/// How long the whole set is measured, at least.
pub(super) const SET_TIME: Duration = Duration::from_millis(500);
/// Events of the full scan at most: it is slow, and only compared.
const SCAN_EVENTS_MAX: usize = 500;
/// Rounds at least: the first one fills caches.
const ROUNDS_MIN: usize = 3;

/// Returns the nanoseconds an event takes. The fastest round counts: what else the machine does can
/// only slow a round down.
pub(super) fn nanos_an_event(set: &RuleSet, events: &[&Event], time: Duration) -> f64 {
    nanos(events, time, |event, hits| set.hits(event, hits))
}

/// Returns what an event takes when every rule of its logsource is tried one after the other.
pub(super) fn full_scan_nanos(set: &RuleSet, events: &[&Event], time: Duration) -> f64 {
    // From all over the sample: its first events may be of one log.
    let step = events.len().div_ceil(SCAN_EVENTS_MAX).max(1);
    let sample: Vec<&Event> = events.iter().step_by(step).copied().collect();
    nanos(&sample, time, |event, hits| set.full_scan(event, hits))
}

fn nanos(events: &[&Event], time: Duration, mut ask: impl FnMut(&Event, &mut Vec<usize>)) -> f64 {
    let mut hits = Vec::new();
    let mut best = Duration::MAX;
    let start = Instant::now();
    let mut rounds = 0;
    while rounds < ROUNDS_MIN || start.elapsed() < time {
        let round = Instant::now();
        for event in events {
            ask(event, &mut hits);
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
