//! Level: how much the windows hold that a new hit lies in.
//!
//! A window that ends at a moment holds all hits of that moment, and the last of these, in the order they
//! came, knows how many hits, values or rules that are. A hit that comes in time needs to know only what
//! the one before it knew, and what has left since: O(1), however many share its moment. One that comes
//! late raises the levels of those after it, up to a timespan later.

use std::collections::hash_map::Entry;

use crate::chain::Chains;
use crate::definition::Definition;
use crate::hit::{Hit, NEVER};
use crate::plan::{Counted, Plan};
use crate::steps;
use crate::window::{Seen, WALK_MAX, Window};

/// Takes in the hit at `index`, which was just inserted. Writes into `ends` the hits at which a
/// window ends that it lies in and that satisfies the condition, and returns the highest level.
pub(crate) fn raise(
    window: &mut Window,
    index: usize,
    definition: &Definition,
    ends: &mut Vec<usize>,
) -> u64 {
    ends.clear();
    match &definition.plan {
        Plan::AtLeast { what: Counted::Hits, need } => {
            let most = count(window, index, definition);
            at_least(window, index, definition.timespan, *need, ends);
            most
        }
        Plan::AtLeast { what: Counted::Values, need } => {
            let most = distinct(window, index, definition);
            at_least(window, index, definition.timespan, *need, ends);
            most
        }
        Plan::AtLeast { what: Counted::Rules, need } => {
            let most = rules(window, index, definition);
            at_least(window, index, definition.timespan, *need, ends);
            most
        }
        Plan::Rules(expression) => {
            let most = rules(window, index, definition);
            let holds = |hit: &Hit| expression.holds(hit.link);
            collect(window, index, definition.timespan, holds, ends);
            most
        }
        Plan::Ordered(ways) => {
            let Window { hits, extra, .. } = window;
            let extra = extra.get_or_insert_default();
            let chains = extra.chains.get_or_insert_with(|| Chains::new(ways));
            chains.take_in(hits, index, ways, definition.timespan, ends)
        }
        Plan::Measured { .. } | Plan::CertainRules(_) | Plan::CertainOrdered(_) => 0,
    }
}

fn at_least(window: &Window, index: usize, timespan: i64, need: u32, ends: &mut Vec<usize>) {
    collect(window, index, timespan, |hit| hit.level >= need, ends);
}

/// Collects the hits up to a timespan later than the one at `index`, from its moment on, at whose moments
/// something holds. Those of its own moment before it only if they were no ends: nothing is new for the
/// others.
fn collect(
    window: &Window,
    index: usize,
    timespan: i64,
    holds: impl Fn(&Hit) -> bool,
    ends: &mut Vec<usize>,
) {
    let hits = &window.hits;
    let time = hits[index].time;
    if holds(&hits[index]) {
        let earlier = |at: &usize| {
            steps::add(1);
            hits[*at].time == time && !hits[*at].end
        };
        ends.extend((0..index).rev().take_while(earlier));
        ends.reverse();
        ends.push(index);
    }
    let last = time.saturating_add(timespan);
    let mut at = index + 1;
    while at < hits.len() && hits[at].time <= last {
        // The last of the moment speaks for it.
        let from = at;
        while hits.get(at + 1).is_some_and(|next| next.time == hits[from].time) {
            at += 1;
        }
        at += 1;
        steps::add(at - from);
        if holds(&hits[at - 1]) {
            ends.extend(from..at);
        }
    }
}

/// How the window that ends at a hit is reckoned from what is before it.
enum Before {
    /// Nothing is in it.
    Nothing,
    /// From that of the hit before, without these, which have left since.
    Without(std::ops::Range<usize>),
    /// From these hits: what the hit before saw is partly forgotten.
    Anew(std::ops::Range<usize>),
}

fn before(window: &mut Window, index: usize, definition: &Definition) -> Before {
    let timespan = definition.timespan;
    let start = window.hits[index].time.saturating_sub(timespan);
    let newest = index + 1 == window.hits.len();
    let known = index.checked_sub(1).map(|before| window.hits[before].time);
    let whole = window.head.saturating_sub(definition.lateness);
    let from = match known {
        Some(known) if !newest && known >= whole => {
            window.first_since(known.saturating_sub(timespan))
        }
        Some(known) if !newest && known >= start => {
            return Before::Anew(window.first_since(start)..index);
        }
        _ => window.low,
    };
    let mut to = from;
    while window.hits[to].time < start {
        to += 1;
    }
    if newest {
        window.low = to;
    }
    match known {
        Some(known) if known >= start => Before::Without(from..to),
        _ => Before::Nothing,
    }
}

fn count(window: &mut Window, index: usize, definition: &Definition) -> u64 {
    let timespan = definition.timespan;
    let weigh = |window: &Window, range| {
        let weights = window.hits.range(range).map(|hit: &Hit| hit.weight);
        weights.fold(0_u32, u32::saturating_add)
    };
    let held = match before(window, index, definition) {
        Before::Nothing => 0,
        Before::Without(range) => window.hits[index - 1].level.saturating_sub(weigh(window, range)),
        Before::Anew(range) => weigh(window, range),
    };
    let (time, weight) = (window.hits[index].time, window.hits[index].weight);
    window.hits[index].level = held.saturating_add(weight);
    raise_later(window, index, time.saturating_add(timespan), |hit| {
        hit.level = hit.level.saturating_add(weight);
    })
}

/// Changes the hits after `index` up to a time, and returns the highest level from `index` on.
fn raise_later(
    window: &mut Window,
    index: usize,
    last: i64,
    mut change: impl FnMut(&mut Hit),
) -> u64 {
    let mut most = window.hits[index].level;
    for hit in window.hits.range_mut(index + 1..) {
        if hit.time > last {
            break;
        }
        steps::add(1);
        change(hit);
        most = most.max(hit.level);
    }
    u64::from(most)
}

fn distinct(window: &mut Window, index: usize, definition: &Definition) -> u64 {
    let timespan = definition.timespan;
    // A value leaves, or is there, unless it is seen again in the part that stays, or later.
    let last = |window: &Window, range| {
        let stamp = Hit::stamp(window.hits[index - 1].time);
        let last = window.hits.range(range).filter(|hit: &&Hit| hit.link > stamp).count();
        u32::try_from(last).unwrap_or(u32::MAX)
    };
    let held = match before(window, index, definition) {
        Before::Nothing => 0,
        Before::Without(range) => window.hits[index - 1].level.saturating_sub(last(window, range)),
        Before::Anew(range) => last(window, range),
    };
    let (time, value) = (window.hits[index].time, window.hits[index].value);
    let (earlier, later) = neighbours(window, index);
    let seen = earlier.map(|earlier| window.hits[earlier].time);
    window.hits[index].link = if seen == Some(time) {
        // Those of one moment come and go together; one of them stands for the value.
        Hit::stamp(time)
    } else {
        if let Some(earlier) = earlier {
            window.hits[earlier].link = Hit::stamp(time);
        }
        later.map_or(NEVER, |later| Hit::stamp(window.hits[later].time))
    };
    let new = seen.is_none_or(|seen| seen < time.saturating_sub(timespan));
    window.hits[index].level = held + u32::from(new);
    if let Some(sketch) = window.extra.as_mut().and_then(|extra| extra.sketch.as_mut()) {
        sketch.add(time, value);
    }
    // Later windows gain the value unless they hold it already: before this hit, or after it.
    let until = later.map_or(i64::MAX, |later| window.hits[later].time);
    let mut most = window.hits[index].level;
    for at in index + 1..window.hits.len() {
        steps::add(1);
        let hit = &mut window.hits[at];
        if hit.time >= until || hit.time > time.saturating_add(timespan) {
            break;
        }
        if seen.is_none_or(|seen| seen < hit.time.saturating_sub(timespan)) {
            hit.level += 1;
        }
        most = most.max(hit.level);
    }
    u64::from(most)
}

/// Returns the hits that stand for the same value before one, or in its moment, and after it.
fn neighbours(window: &mut Window, index: usize) -> (Option<usize>, Option<usize>) {
    let (time, value) = (window.hits[index].time, window.hits[index].value);
    let newest = index + 1 == window.hits.len();
    if window.hits.len() <= WALK_MAX || !newest {
        // It stands behind the others of its moment.
        let earlier = window.hits.range(..index).rposition(|hit| hit.value == value);
        let later = window.hits.range(index + 1..).position(|hit| hit.value == value);
        steps::add(window.hits.len());
        let earlier = earlier.map(|at| standing(window, at));
        if newest && let Some(extra) = &mut window.extra {
            extra.seen = None;
        }
        return (earlier, later.map(|later| index + 1 + later));
    }
    let gone = window.gone;
    let number = |at: usize| gone.wrapping_add(at as u64);
    if window.extra().seen.is_none() {
        steps::add(window.hits.len());
        let standing = window.hits.range(..index).enumerate().filter(|(_, hit)| hit.link == NEVER);
        let seen =
            standing.map(|(at, hit)| (hit.value, Seen { time: hit.time, number: number(at) }));
        let seen = seen.collect();
        window.extra().seen = Some(seen);
    }
    let here = Seen { time, number: number(index) };
    let seen = window.extra().seen.get_or_insert_default();
    let earlier = match seen.entry(value) {
        Entry::Vacant(entry) => {
            entry.insert(here);
            None
        }
        // The one that was there first stands for the moment.
        Entry::Occupied(entry) if entry.get().time == time => Some(entry.get().number),
        Entry::Occupied(mut entry) => Some(entry.insert(here).number),
    };
    let place = |number: u64| usize::try_from(number.wrapping_sub(gone)).ok();
    (earlier.and_then(place).filter(|at| *at < index), None)
}

/// Returns which hit of the moment of one stands for its value: the one that says when it is seen next.
fn standing(window: &Window, at: usize) -> usize {
    let (time, value) = (window.hits[at].time, window.hits[at].value);
    let own = Hit::stamp(time);
    let moment = (0..=at).rev().take_while(|at| window.hits[*at].time == time);
    let mut alike = moment.filter(|at| window.hits[*at].value == value);
    alike.find(|at| window.hits[*at].link != own).unwrap_or(at)
}

fn rules(window: &mut Window, index: usize, definition: &Definition) -> u64 {
    let timespan = definition.timespan;
    let bit = 1_u64 << window.hits[index].place;
    let gather = |window: &Window, from, most| {
        let mut held = bit;
        for hit in window.hits.range(from..index).rev() {
            held |= 1 << hit.place;
            if held == most {
                break;
            }
        }
        held
    };
    let held = match before(window, index, definition) {
        Before::Nothing => 0,
        Before::Without(range) if range.is_empty() => window.hits[index - 1].link,
        Before::Without(range) => gather(window, range.end, window.hits[index - 1].link | bit),
        Before::Anew(range) => gather(window, range.start, u64::MAX),
    };
    let time = window.hits[index].time;
    let hit = &mut window.hits[index];
    hit.link = held | bit;
    hit.level = hit.link.count_ones();
    raise_later(window, index, time.saturating_add(timespan), |hit| {
        hit.link |= bit;
        hit.level = hit.link.count_ones();
    })
}
