//! Judging: deciding for hits that no earlier one can follow any more.

use crate::definition::Definition;
use crate::group::{Group, NewEnd, Outcome, Surroundings, count, slot_of, uncounted_from};
use crate::hit::Hit;
use crate::plan::Plan;
use crate::tally::Tally;
use crate::thin;
use crate::window::Window;

/// Puts a hit into a window where it waits to be judged.
pub(crate) fn take_in(
    window: &mut Window,
    hit: Hit,
    around: &Surroundings<'_>,
    outcome: &mut Outcome,
) {
    let definition = around.definition;
    if hit.time <= judged(window) {
        outcome.too_late += 1;
        return;
    }
    window.forget_before(window.head.max(hit.time).saturating_sub(definition.kept()));
    window.insert(hit, definition);
}

/// Until when the hits of a window are judged.
pub(crate) fn judged(window: &Window) -> i64 {
    let tally = window.extra.as_ref().and_then(|extra| extra.tally.as_ref());
    tally.map_or(i64::MIN, |tally| tally.judged)
}

/// Returns the time of the first hit of a window that waits.
pub(crate) fn first_waiting(window: &Window) -> Option<i64> {
    let judged = judged(window);
    if window.hits.back().is_none_or(|newest| newest.time <= judged) {
        return None;
    }
    let at = window.hits.partition_point(|hit| hit.time <= judged);
    window.hits.get(at).map(|hit| hit.time)
}

/// Returns when the newest event must be at least this new for the next hit of a group to be judged.
pub(crate) fn due(group: &Group, definition: &Definition) -> Option<i64> {
    let due = |window: &Window| {
        let first = first_waiting(window)?;
        // A late window waits for its own stream, and when that has ended, as long as others.
        let from = if window.late { window.seen_at } else { first };
        Some(from.saturating_add(definition.lateness))
    };
    group.windows.iter().filter_map(due).min()
}

/// Judges what is due when the newest event is `now`.
pub(crate) fn judge_due(
    group: &mut Group,
    now: i64,
    around: &Surroundings<'_>,
    outcome: &mut Outcome,
) {
    let certain = now.saturating_sub(around.definition.lateness);
    for index in 0..group.windows.len() {
        let window = &group.windows[index];
        let until = match window.late {
            false => certain,
            true if window.seen_at <= certain => i64::MAX,
            true => continue,
        };
        judge(group, index, until, around, outcome);
    }
}

/// Judges the hits of a window up to a time.
pub(crate) fn judge(
    group: &mut Group,
    index: usize,
    until: i64,
    around: &Surroundings<'_>,
    outcome: &mut Outcome,
) {
    let definition = around.definition;
    while first_waiting(&group.windows[index]).is_some_and(|first| first <= until) {
        judge_moment(group, index, around, outcome);
    }
    let window = &mut group.windows[index];
    if window.hits.len() > around.hits_max {
        // Too many wait: the older half is judged now, which a late hit may prove wrong.
        let middle = window.hits[window.hits.len() / 2].time;
        window.estimated = true;
        while first_waiting(&group.windows[index]).is_some_and(|first| first <= middle) {
            judge_moment(group, index, around, outcome);
        }
        let window = &mut group.windows[index];
        let judged = judged(window);
        thin::thin_judged(window, definition, judged, around.hits_max);
    }
}

/// Judges the next moment of a window: all hits of one time.
fn judge_moment(group: &mut Group, index: usize, around: &Surroundings<'_>, outcome: &mut Outcome) {
    let definition = around.definition;
    let (window, _) = group.parts(index);
    let judged = judged(window);
    let from = window.hits.partition_point(|hit| hit.time <= judged);
    let Some(time) = window.hits.get(from).map(|hit| hit.time) else { return };
    let alike = window.hits.range(from..).take_while(|hit| hit.time == time).count();
    let moment = from..from + alike;
    let Window { hits, extra, .. } = window;
    let tally = extra.get_or_insert_default().tally.get_or_insert_with(|| Tally::new(definition));
    tally.slide(hits, moment.clone(), definition.timespan);
    let mut ends = std::mem::take(&mut outcome.ends);
    ends.clear();
    let mut measured = None;
    // Of the hits of a moment that is judged as a whole, one stands for all, whatever order they came in.
    let last = match definition.plan.by_place() {
        true => moment.end - 1,
        false => {
            let named = |at: &usize| (hits[*at].id, hits[*at].place);
            moment.clone().max_by_key(named).unwrap_or(moment.end - 1)
        }
    };
    match &definition.plan {
        Plan::Measured { measure, bounds } => {
            // A share may differ from hit to hit, everything else belongs to the moment.
            let mut candidates: Vec<usize> =
                if definition.plan.by_hit() { moment.clone().collect() } else { vec![last] };
            candidates.sort_unstable_by_key(|at| hits[*at].id);
            for at in candidates {
                let found = tally.measure(*measure, &hits[at]);
                if bounds.iter().all(|bound| bound.holds(found)) {
                    ends.push(at);
                    measured = Some(found);
                }
            }
        }
        Plan::CertainRules(expression) => {
            if expression.holds(tally.rules()) {
                ends.push(last);
            }
        }
        Plan::CertainOrdered(ways) => {
            for at in moment.clone() {
                if tally.ordered(&hits[at], ways, definition.timespan) {
                    ends.push(at);
                }
            }
        }
        Plan::AtLeast { .. } | Plan::Rules(_) | Plan::Ordered(_) => {}
    }
    if !ends.is_empty() {
        fire(group, index, (&ends, moment.end - 1, measured), around, outcome);
    }
    outcome.ends = ends;
}

/// Counts the window that ends with the moment whose last hit is at `last`, and tells of it.
fn fire(
    group: &mut Group,
    index: usize,
    (ends, last, measured): (&[usize], usize, Option<f64>),
    around: &Surroundings<'_>,
    outcome: &mut Outcome,
) {
    let definition = around.definition;
    let values = group.values(around);
    group.progress = crate::group::Progress::FIRED;
    let time = group.windows[index].hits[last].time;
    let slot = slot_of(time, definition);
    group.recall(slot, definition, &values);
    let (window, alerts) = group.parts(index);
    let Some(alert) = alerts.last_mut() else { return };
    let tally = window.extra.as_ref().and_then(|extra| extra.tally.as_ref());
    let level = tally.map_or(0, Tally::level);
    alert.reached(level, window.estimated, false);
    if let Some(measured) = measured.filter(|_| definition.plan.measures()) {
        alert.measured(time, measured);
    }
    for &end in ends {
        let hit = &mut window.hits[end];
        hit.end = true;
        let carried = hit.carried.clone();
        alert.seen(hit, &|name| around.of_hit(carried.as_ref()?, name));
        if !definition.subscribers.is_empty() {
            let id = hit.id;
            let (names, group) = (std::sync::Arc::clone(&definition.carried), values.clone());
            let late = window.late;
            outcome.new_ends.push(NewEnd { time, id, carried, names, group, late });
        }
    }
    let start = time.saturating_sub(definition.timespan);
    let from = uncounted_from(&window.hits, start, last, slot, true, definition);
    for hit in window.hits.range_mut(from..=last) {
        count(hit, slot, alert, around);
    }
    group.tell(&values, around, outcome);
}
