//! Window: the hits of one group in one stretch of time, sorted.

use std::collections::{HashMap, VecDeque};

/// One hit as a window keeps it. Times are nanoseconds since the epoch.
#[derive(Debug, Clone)]
pub(crate) struct Hit {
    pub(crate) time: i64,
    /// Place in the list of rules, for `temporal_ordered`; else 0, so that it does not sort.
    pub(crate) step: u32,
    pub(crate) event_id: Box<str>,
    /// What is counted distinct: hash of the value, or place of the rule.
    pub(crate) value: u64,
    /// Hits this one stands for: itself as often as the log repeats it, and those thinned out beside
    /// it that were not yet counted.
    pub(crate) weight: u32,
    /// The window ending here was found to hold enough.
    pub(crate) end: bool,
    /// An episode has counted this.
    pub(crate) counted: bool,
}

impl Hit {
    fn order(&self) -> (i64, u32, &str, u64) {
        (self.time, self.step, &self.event_id, self.value)
    }
}

/// Sorted hits, kept for two timespans behind the newest.
#[derive(Debug)]
pub(crate) struct Window {
    pub(crate) hits: VecDeque<Hit>,
    /// Time of the newest hit ever put in.
    pub(crate) head: i64,
    /// When it was last hit, in observations.
    pub(crate) touched: u64,
    /// Thinning is tried when there are this many hits.
    thin_at: usize,
}

/// Windows smaller than this are not thinned.
const THIN_MIN: usize = 256;

impl Window {
    pub(crate) fn new(time: i64, tick: u64) -> Self {
        Self { hits: VecDeque::new(), head: time, touched: tick, thin_at: THIN_MIN }
    }

    /// Puts a hit in its place; returns false if it is there already.
    pub(crate) fn insert(&mut self, hit: Hit, timespan: i64, tick: u64) -> bool {
        self.touched = tick;
        self.head = self.head.max(hit.time);
        let oldest = self.head.saturating_sub(timespan.saturating_mul(2));
        while self.hits.front().is_some_and(|front| front.time < oldest) {
            self.hits.pop_front();
        }
        let place = self.hits.partition_point(|known| known.order() < hit.order());
        // An event without an identity cannot be recognised, so it counts whenever it is seen.
        let known = self.hits.get(place).is_some_and(|known| known.order() == hit.order());
        if known && !hit.event_id.is_empty() {
            return false;
        }
        self.hits.insert(place, hit);
        true
    }

    /// Makes room: hits of a value between two others of it at most a timespan apart go first, since
    /// no window can see one of them without seeing a neighbour; then the oldest.
    pub(crate) fn thin(&mut self, timespan: i64, by_value: bool, hits_max: usize) {
        if self.hits.len() <= hits_max && (!by_value || self.hits.len() < self.thin_at) {
            return;
        }
        if by_value {
            self.drop_repeats(timespan);
            self.thin_at = (self.hits.len() * 2).max(THIN_MIN);
        }
        if self.hits.len() > hits_max {
            // An eighth at a time, so that a flood does not pay for it with every hit.
            self.hits.drain(..self.hits.len() - hits_max / 8 * 7);
        }
    }

    fn drop_repeats(&mut self, timespan: i64) {
        // Per value: where its last kept hit lies, and the time of the kept hit before that one.
        // The last is replaced by the next as long as the one before still reaches the next.
        let mut kept: VecDeque<Hit> = VecDeque::with_capacity(self.hits.len());
        let mut last_two: HashMap<u64, (usize, Option<i64>)> = HashMap::new();
        let mut gone = vec![false; self.hits.len()];
        let mut step = 0;
        for mut hit in self.hits.drain(..) {
            let here = kept.len();
            // Where the order of steps matters, only what no other step comes between repeats.
            if hit.step != step {
                step = hit.step;
                last_two.clear();
            }
            match last_two.get_mut(&hit.value) {
                Some((last, Some(before))) if hit.time.saturating_sub(*before) <= timespan => {
                    let previous = &kept[*last];
                    // What was not counted yet is counted with the hit that takes its place.
                    if !previous.counted && !hit.counted {
                        hit.weight = hit.weight.saturating_add(previous.weight);
                    }
                    gone[*last] = true;
                    *last = here;
                }
                Some((last, before)) => {
                    *before = Some(kept[*last].time);
                    *last = here;
                }
                None => {
                    last_two.insert(hit.value, (here, None));
                }
            }
            kept.push_back(hit);
        }
        let mut gone = gone.into_iter();
        kept.retain(|_| !gone.next().unwrap_or(false));
        self.hits = kept;
    }

    /// Takes in another window of the same group.
    pub(crate) fn merge(&mut self, other: Self, timespan: i64) {
        let tick = self.touched.max(other.touched);
        self.head = self.head.max(other.head);
        for hit in other.hits {
            if hit.time >= self.head.saturating_sub(timespan.saturating_mul(2)) {
                self.insert(hit, timespan, tick);
            }
        }
        self.touched = tick;
    }
}
