//! Thinning: what goes from a window that holds too many hits, and what then still can be said.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::definition::Definition;
use crate::hit::{Hit, NEVER};
use crate::plan::{Counted, Measure, Plan};
use crate::sketch::Sketch;
use crate::steps;
use crate::window::Window;

/// A full window's hits are put together by so many parts of the time it keeps.
const PARTS: i64 = 512;

/// By how much the length of a window may be off once hits were put together.
pub(crate) fn error(definition: &Definition) -> f64 {
    let part = definition.kept() as f64 / PARTS as f64;
    (part / definition.timespan.max(1) as f64).min(1.0)
}

/// Makes room in a window that is judged at once, if there are too many hits.
pub(crate) fn thin(window: &mut Window, definition: &Definition, hits_max: usize) {
    if window.hits.len() <= window.thin_at as usize {
        return;
    }
    steps::add(window.hits.len());
    level_moments(window, definition);
    match &definition.plan {
        Plan::AtLeast { what: Counted::Hits, .. } => put_together(window, definition, i64::MAX),
        Plan::AtLeast { what: Counted::Values, .. } => {
            drop_repeats(window, definition, |hit| hit.value);
            if window.hits.len() > hits_max / 8 * 7 {
                start_sketch(window, definition.timespan);
                drop_oldest(window, hits_max);
            }
            link(window);
            window.recount(definition.timespan);
            count_distinct(window);
        }
        _ => {
            drop_repeats(window, definition, |hit| u64::from(hit.place));
            if window.hits.len() > hits_max / 8 * 7 {
                drop_oldest(window, hits_max);
            }
            window.thin_at = u32::try_from((window.hits.len() * 2).clamp(256, hits_max.max(256)))
                .unwrap_or(u32::MAX);
        }
    }
    // Whatever is left over goes, so that the bound holds in any case.
    if window.hits.len() > hits_max {
        drop_oldest(window, hits_max);
    }
    window.recount(definition.timespan);
    if matches!(definition.plan, Plan::AtLeast { what: Counted::Hits, .. }) {
        let held: u32 =
            window.hits.range(window.low..).fold(0, |held, hit| held.saturating_add(hit.weight));
        if let Some(newest) = window.hits.back_mut() {
            newest.level = held;
        }
    }
}

/// Gives all hits of a moment what its last one knows of it, whichever of them stays.
fn level_moments(window: &mut Window, definition: &Definition) {
    let mut later: Option<(i64, u32, u64)> = None;
    let by_value = definition.plan.by_value();
    for hit in window.hits.iter_mut().rev() {
        match later {
            Some((time, level, link)) if time == hit.time => {
                hit.level = level;
                // Of values it says when they are seen next; of rules, which there are.
                if !by_value {
                    hit.link = link;
                }
            }
            _ => later = Some((hit.time, hit.level, hit.link)),
        }
    }
}

/// Makes room in a window whose hits were judged up to a time.
pub(crate) fn thin_judged(
    window: &mut Window,
    definition: &Definition,
    judged: i64,
    hits_max: usize,
) {
    let counts =
        matches!(&definition.plan, Plan::Measured { measure: Measure::Count(Counted::Hits), .. });
    if counts {
        put_together(window, definition, judged);
    }
    if window.hits.len() > hits_max {
        drop_oldest(window, hits_max);
    }
    window.recount(definition.timespan);
}

/// Puts hits of the same part of time together, as long as they count alike.
fn put_together(window: &mut Window, definition: &Definition, until: i64) {
    let part = (definition.kept() / PARTS).max(1);
    let mut kept: VecDeque<Hit> = VecDeque::with_capacity(window.hits.len() / 2);
    for mut hit in window.hits.drain(..) {
        if let Some(before) = kept.back()
            && before.time.div_euclid(part) == hit.time.div_euclid(part)
            && before.counted == hit.counted
            && hit.time <= until
        {
            hit.weight = hit.weight.saturating_add(before.weight);
            hit.end |= before.end;
            kept.pop_back();
            window.estimated = true;
        }
        kept.push_back(hit);
    }
    window.hits = kept;
}

/// Lets the oldest eighth go, so that a flood does not pay for it with every hit.
fn drop_oldest(window: &mut Window, hits_max: usize) {
    window.estimated = true;
    while window.hits.len() > hits_max / 8 * 7 {
        window.pop();
    }
}

/// Lets hits go that lie between two others alike at most a timespan apart: no window can see one
/// of them without seeing a neighbour.
fn drop_repeats(window: &mut Window, definition: &Definition, alike: impl Fn(&Hit) -> u64) {
    let by_place = definition.plan.by_place();
    // For each: where its last kept hit lies, and the time of the kept hit before that one. The last
    // is replaced by the next as long as the one before still reaches the next.
    let mut kept: VecDeque<Hit> = VecDeque::with_capacity(window.hits.len());
    let mut last_two: HashMap<u64, (usize, Option<i64>)> = HashMap::new();
    let mut gone = vec![false; window.hits.len()];
    let mut step = 0;
    for mut hit in window.hits.drain(..) {
        let here = kept.len();
        // Where the order of steps matters, only what no other step comes between repeats.
        if by_place && hit.place != step {
            step = hit.place;
            last_two.clear();
        }
        match last_two.get_mut(&alike(&hit)) {
            Some((last, Some(before)))
                if hit.time.saturating_sub(*before) <= definition.timespan =>
            {
                let previous = &kept[*last];
                // What was not counted yet is counted with the hit that takes its place.
                if previous.counted == [false; 2] && hit.counted == [false; 2] {
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
                last_two.insert(alike(&hit), (here, None));
            }
        }
        kept.push_back(hit);
    }
    let mut gone = gone.into_iter();
    kept.retain(|_| !gone.next().unwrap_or(false));
    window.hits = kept;
}

/// From now on the distinct values are estimated: more come than hits are kept.
fn start_sketch(window: &mut Window, timespan: i64) {
    let mut sketch = match window.extra().sketch.take() {
        Some(sketch) => sketch,
        None => {
            let mut sketch = Sketch::new(timespan);
            window.hits.iter().for_each(|hit| sketch.add(hit.time, hit.value));
            sketch
        }
    };
    if let Some(newest) = window.hits.back() {
        sketch.add(newest.time, newest.value);
    }
    window.extra().sketch = Some(sketch);
}

/// Writes anew when each value is seen next.
fn link(window: &mut Window) {
    let mut next: HashMap<u64, u64> = HashMap::with_capacity(window.hits.len());
    for hit in window.hits.iter_mut().rev() {
        hit.link = next.insert(hit.value, Hit::stamp(hit.time)).unwrap_or(NEVER);
    }
}

/// Counts anew what the newest window holds.
fn count_distinct(window: &mut Window) {
    let distinct: HashSet<u64> = window.hits.range(window.low..).map(|hit| hit.value).collect();
    if let Some(newest) = window.hits.back_mut() {
        newest.level = u32::try_from(distinct.len()).unwrap_or(u32::MAX);
    }
}
