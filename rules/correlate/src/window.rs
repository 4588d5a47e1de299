//! Window: the hits of one group in one stretch of time, sorted.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::RandomState;

use crate::chain::Chains;
use crate::definition::Definition;
use crate::hit::{EventId, Hit, NEVER};
use crate::plan::Plan;
use crate::sketch::Sketch;
use crate::steps;
use crate::tally::Tally;

/// Windows smaller than this look for a value by walking, larger ones in a table.
pub(crate) const WALK_MAX: usize = 32;
/// Windows of the kinds that look at rules are thinned from here on: there are few rules.
const RULES_THIN_MIN: u32 = 256;

/// Sorted hits, kept for a timespan and the lateness behind the newest.
#[derive(Debug)]
pub(crate) struct Window {
    pub(crate) hits: VecDeque<Hit>,
    /// Time of the newest hit ever put in.
    pub(crate) head: i64,
    /// When it was last hit, in observations.
    pub(crate) touched: u64,
    /// Index of the first hit of the window that ends at the newest.
    pub(crate) low: usize,
    /// Hits that were let go at the front since places were last written down.
    pub(crate) gone: u64,
    /// Bytes that the hits hold elsewhere.
    pub(crate) elsewhere: usize,
    /// Thinning is tried when there are more hits than this.
    pub(crate) thin_at: u32,
    /// The newest event of all when it was last hit.
    pub(crate) seen_at: i64,
    /// Made for hits that came later than the bound.
    pub(crate) late: bool,
    /// Hits were put together or dropped that might have counted.
    pub(crate) estimated: bool,
    /// What only some kinds, or only large windows, have.
    pub(crate) extra: Option<Box<Extra>>,
}

/// See [`Window::extra`].
#[derive(Debug, Default)]
pub(crate) struct Extra {
    /// When each value was last seen.
    pub(crate) seen: Option<HashMap<u64, Seen, RandomState>>,
    /// The ids of the newest moment, if it has many hits.
    pub(crate) moment: Option<HashSet<EventId, RandomState>>,
    pub(crate) sketch: Option<Sketch>,
    pub(crate) chains: Option<Chains>,
    pub(crate) tally: Option<Tally>,
}

/// Where a value was seen last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) time: i64,
    /// The hit, counted from the first the window ever had: see [`Window::gone`].
    pub(crate) number: u64,
}

impl Window {
    pub(crate) fn new(time: i64, late: bool, definition: &Definition, hits_max: usize) -> Self {
        let hits_max = u32::try_from(hits_max).unwrap_or(u32::MAX);
        let thin_at = match definition.plan.by_rule() && !definition.plan.waits() {
            true => RULES_THIN_MIN.min(hits_max),
            false => hits_max,
        };
        Self {
            hits: VecDeque::with_capacity(1),
            head: time,
            touched: 0,
            low: 0,
            gone: 0,
            elsewhere: 0,
            thin_at,
            seen_at: time,
            late,
            estimated: false,
            extra: None,
        }
    }

    /// Returns the bytes it holds, beside itself.
    pub(crate) fn bytes(&self) -> usize {
        let extra = self.extra.as_ref().map_or(0, |extra| extra.bytes());
        self.hits.capacity() * size_of::<Hit>() + self.elsewhere + extra
    }

    pub(crate) fn extra(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }

    /// Returns the index of the first hit at or after a time.
    pub(crate) fn first_since(&self, time: i64) -> usize {
        self.hits.partition_point(|hit| hit.time < time)
    }

    /// Puts a hit in its place and returns that; `None` if it is there already.
    ///
    /// Hits of one moment stand as they came, so that a flood within one second costs no more than one
    /// over an hour: only where rules follow each other they stand in the order of those.
    pub(crate) fn insert(&mut self, hit: Hit, definition: &Definition) -> Option<usize> {
        let plan = &definition.plan;
        self.head = self.head.max(hit.time);
        let newest = self.hits.back().map(|newest| newest.time);
        if newest.is_none_or(|newest| newest < hit.time) {
            if let Some(extra) = &mut self.extra {
                extra.moment = None;
            }
            return Some(self.append(hit));
        }
        if !hit.id.is_empty() && self.is_known(&hit, plan) {
            return None;
        }
        let by_place = plan.by_place();
        if !by_place && newest == Some(hit.time) {
            if let Some(ids) = self.extra.as_mut().and_then(|extra| extra.moment.as_mut()) {
                ids.insert(hit.id);
            }
            return Some(self.append(hit));
        }
        let place = match by_place {
            true => self.hits.partition_point(|known| known.order(&hit).is_lt()),
            false => self.hits.partition_point(|known| known.time <= hit.time),
        };
        self.grow();
        let newest = newest.unwrap_or(hit.time);
        if place <= self.low && hit.time < newest.saturating_sub(definition.timespan) {
            self.low += 1;
        }
        self.elsewhere += usize::from(hit.elsewhere);
        if let Some(extra) = &mut self.extra {
            // What it knows by place is so no more.
            (extra.moment, extra.seen) = (None, None);
        }
        self.hits.insert(place, hit);
        Some(place)
    }

    fn append(&mut self, hit: Hit) -> usize {
        self.grow();
        self.elsewhere += usize::from(hit.elsewhere);
        self.hits.push_back(hit);
        self.hits.len() - 1
    }

    /// Whether a hit is there already. Few of one moment are looked through; of many of the newest moment,
    /// as in a flood, the ids are kept.
    fn is_known(&mut self, hit: &Hit, plan: &Plan) -> bool {
        if plan.by_place() {
            return self.hits.binary_search_by(|known| known.order(hit)).is_ok();
        }
        let is_newest = self.hits.back().is_some_and(|newest| newest.time == hit.time);
        let from = self.first_since(hit.time);
        let mut moment = self.hits.range(from..).take_while(|known| known.time == hit.time);
        if is_newest && self.hits.len() - from > WALK_MAX {
            let all = || self.hits.range(from..).map(|known| known.id).collect();
            let extra = self.extra.get_or_insert_default();
            if !extra.moment.get_or_insert_with(all).contains(&hit.id) {
                return false;
            }
        }
        moment.any(|known| {
            steps::add(1);
            same(known, hit, plan)
        })
    }

    /// Makes room for one more, by a half: many groups hold few hits.
    fn grow(&mut self) {
        if self.hits.len() == self.hits.capacity() {
            self.hits.reserve_exact((self.hits.len() / 2).max(1));
        }
    }

    /// Lets go of the hits before a time.
    pub(crate) fn forget_before(&mut self, oldest: i64) {
        while self.hits.front().is_some_and(|front| front.time < oldest) {
            self.pop();
        }
        if self.hits.is_empty() {
            // Nothing is left of what was put together.
            self.estimated = false;
        }
        // A flood is over: give its room back.
        if self.hits.capacity() > 64 && self.hits.len() < self.hits.capacity() / 8 {
            self.hits.shrink_to(self.hits.len() * 2);
        }
    }

    /// Lets go of the oldest hit.
    pub(crate) fn pop(&mut self) {
        let Some(gone) = self.hits.pop_front() else { return };
        match self.hits.front_mut() {
            // What the next one carries as well is now put down to that.
            Some(next) if gone.elsewhere > 0 && next.elsewhere == 0 && shared(&gone, next) => {
                next.elsewhere = gone.elsewhere;
            }
            _ => self.elsewhere -= usize::from(gone.elsewhere),
        }
        self.low = self.low.saturating_sub(1);
        self.gone += 1;
        let Some(extra) = &mut self.extra else { return };
        if let Some(tally) = &mut extra.tally {
            tally.let_go(&gone);
        }
        if gone.link == NEVER
            && let Some(seen) = &mut extra.seen
        {
            seen.remove(&gone.value);
            if seen.is_empty() {
                extra.seen = None;
            }
        }
        if self.hits.len() < WALK_MAX {
            extra.moment = None;
        }
        if extra.sketch.is_some() && self.hits.len() < WALK_MAX {
            extra.sketch = None;
        }
    }

    /// Counts the bytes of what hits hold elsewhere anew, after some were taken out in the middle.
    pub(crate) fn recount(&mut self, timespan: i64) {
        if let Some(extra) = &mut self.extra {
            (extra.moment, extra.seen) = (None, None);
        }
        self.elsewhere = self.hits.iter().map(|hit| usize::from(hit.elsewhere)).sum();
        let start =
            self.hits.back().map_or(i64::MIN, |newest| newest.time.saturating_sub(timespan));
        self.low = self.first_since(start);
    }
}

impl Extra {
    fn bytes(&self) -> usize {
        let seen = self.seen.as_ref().map_or(0, |seen| seen.capacity() * 28);
        let moment = self.moment.as_ref().map_or(0, |ids| ids.capacity() * 20);
        let sketch = self.sketch.as_ref().map_or(0, |_| Sketch::heap_bytes());
        let chains = self.chains.as_ref().map_or(0, Chains::bytes);
        let tally = self.tally.as_ref().map_or(0, Tally::bytes);
        size_of::<Self>() + seen + moment + sketch + chains + tally
    }
}

/// Whether two hits carry the same.
fn shared(one: &Hit, other: &Hit) -> bool {
    match (&one.carried, &other.carried) {
        (Some(one), Some(other)) => one.is(other),
        _ => false,
    }
}

/// Whether two hits of one moment are the same thing.
fn same(known: &Hit, new: &Hit, plan: &Plan) -> bool {
    known.id == new.id
        && (!plan.by_value() || known.value == new.value)
        && (!plan.by_rule() || known.place == new.place)
}
