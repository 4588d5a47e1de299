//! Sweep: at which hits does a window that is full enough end?

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use rules_sigma::CorrelationKind;

use crate::definition::Definition;
use crate::window::Hit;

/// A hit at which a window ends that satisfies the condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    /// The hit's index.
    pub(crate) index: usize,
    /// The window's hits are those from this time on.
    pub(crate) start: i64,
    /// Distinct values or rules in it; 0 for `event_count`.
    pub(crate) values: u64,
}

/// What a sweep found.
#[derive(Debug, Default)]
pub(crate) struct Swept {
    /// Ends, oldest first; their starts do not decrease.
    pub(crate) ends: Vec<End>,
    /// The most that any window held of what the condition asks for.
    pub(crate) most: u64,
}

/// Finds every end whose window holds the moment `time`: those from `time` to a timespan later.
pub(crate) fn sweep(hits: &VecDeque<Hit>, definition: &Definition, time: i64) -> Swept {
    match definition.kind {
        CorrelationKind::EventCount => count(hits, definition, time),
        CorrelationKind::ValueCount | CorrelationKind::Temporal => distinct(hits, definition, time),
        CorrelationKind::TemporalOrdered => ordered(hits, definition, time),
    }
}

/// Returns the indexes of the hits that may be ends.
fn candidates(hits: &VecDeque<Hit>, timespan: i64, time: i64) -> std::ops::Range<usize> {
    let last = time.saturating_add(timespan);
    hits.partition_point(|hit| hit.time < time)..hits.partition_point(|hit| hit.time <= last)
}

fn first_since(hits: &VecDeque<Hit>, time: i64) -> usize {
    hits.partition_point(|hit| hit.time < time)
}

fn count(hits: &VecDeque<Hit>, definition: &Definition, time: i64) -> Swept {
    let mut swept = Swept::default();
    let mut low = first_since(hits, time.saturating_sub(definition.timespan));
    let candidates = candidates(hits, definition.timespan, time);
    // Bounded: a window holds few hits and a weight is small.
    let mut held: u64 = hits.range(low..candidates.start).map(|hit| u64::from(hit.weight)).sum();
    for index in candidates {
        held += u64::from(hits[index].weight);
        let start = hits[index].time.saturating_sub(definition.timespan);
        while hits[low].time < start {
            held -= u64::from(hits[low].weight);
            low += 1;
        }
        swept.most = swept.most.max(held);
        if definition.threshold.holds(held) {
            swept.ends.push(End { index, start, values: 0 });
        }
    }
    swept
}

fn distinct(hits: &VecDeque<Hit>, definition: &Definition, time: i64) -> Swept {
    let mut swept = Swept::default();
    let mut low = first_since(hits, time.saturating_sub(definition.timespan));
    let first = low;
    let candidates = candidates(hits, definition.timespan, time);
    let mut seen: HashMap<u64, u32, BuildHasherDefault<Given>> =
        HashMap::with_capacity_and_hasher(candidates.end - first, BuildHasherDefault::default());
    for index in first..candidates.end {
        *seen.entry(hits[index].value).or_default() += 1;
        if index < candidates.start {
            continue;
        }
        let start = hits[index].time.saturating_sub(definition.timespan);
        while hits[low].time < start {
            if let Some(times) = seen.get_mut(&hits[low].value) {
                *times -= 1;
                if *times == 0 {
                    seen.remove(&hits[low].value);
                }
            }
            low += 1;
        }
        let values = seen.len() as u64;
        swept.most = swept.most.max(values);
        if definition.threshold.holds(values) {
            swept.ends.push(End { index, start, values });
        }
    }
    swept
}

fn ordered(hits: &VecDeque<Hit>, definition: &Definition, time: i64) -> Swept {
    let mut swept = Swept::default();
    let low = first_since(hits, time.saturating_sub(definition.timespan));
    let end = candidates(hits, definition.timespan, time).end;
    // For each step: the latest starts of chains of hits that have got so far, with their last
    // hits, which are two different events.
    let mut chains: Vec<[Option<Chain>; 2]> = vec![[None; 2]; definition.rules];
    for index in low..end {
        let hit = &hits[index];
        let step = hit.step as usize;
        // One event cannot be two steps of a chain.
        let other = |chain: &&Chain| hits[chain.last].event_id != hit.event_id;
        let start = match step.checked_sub(1) {
            None => Some(hit.time),
            Some(before) => chains[before].iter().flatten().find(other).map(|chain| chain.start),
        };
        let Some(start) = start else { continue };
        let [best, second] = &mut chains[step];
        // An older start is not worth replacing a younger one.
        if best.is_none_or(|known| known.start <= start) {
            if best.as_ref().is_some_and(|known| other(&known)) {
                *second = *best;
            }
            *best = Some(Chain { start, last: index });
        }
        let window = hit.time.saturating_sub(definition.timespan);
        if start < window || hit.time < time {
            continue;
        }
        swept.most = swept.most.max(step as u64 + 1);
        if step + 1 == definition.rules {
            swept.ends.push(End { index, start: window, values: definition.rules as u64 });
        }
    }
    swept
}

/// Hits that follow the steps listed so far.
#[derive(Debug, Clone, Copy)]
struct Chain {
    start: i64,
    /// Index of the last hit.
    last: usize,
}

/// Takes values as they are: they are seeded hashes already, or small places in a list.
#[derive(Debug, Default)]
struct Given(u64);

impl Hasher for Given {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}
