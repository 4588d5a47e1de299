//! Group: the windows and alerts of one correlation for one set of group values.

use std::borrow::Cow;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::alert::Alert;
use crate::definition::Definition;
use crate::fired::Fired;
use crate::hit::{Carried, EventId, Fresh, Hit};
use crate::table::Handle;
use crate::window::Window;
use crate::{judge, level, thin};

/// Windows one group may have: live, and the backlogs of two hosts that were cut off. The one not
/// hit for longest gives way.
const WINDOWS_MAX: usize = 3;
/// Alerts one group remembers, so that a further firing adds to them. The one that fired least
/// recently gives way.
const ALERTS_MAX: usize = 4;

/// Names and values of a group, in the order of the rule's `group-by`.
pub(crate) type Values = Arc<[(String, String)]>;

/// Hits of one group.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) windows: SmallVec<[Window; 1]>,
    /// Least recently fired first.
    alerts: Vec<Alert>,
    /// The share of the threshold reached at the last hit.
    pub(crate) progress: Progress,
    /// Made when it first fires.
    values: Option<Values>,
}

/// How far a group has come, in eighths of its threshold. What has come further is kept longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Progress(u8);

impl Progress {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const FIRED: Self = Self(8);
    /// How many there are.
    pub(crate) const COUNT: usize = 9;

    pub(crate) fn from_index(index: u8) -> Option<Self> {
        (index <= Self::FIRED.0).then_some(Self(index))
    }

    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }

    pub(crate) fn of(reached: u64, threshold: u64) -> Self {
        let eighths = reached.saturating_mul(8) / threshold.max(1);
        Self(u8::try_from(eighths).unwrap_or(u8::MAX).min(Self::FIRED.0 - 1))
    }
}

/// What hits did: reused from one to the next, so that most allocate nothing.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) ends: Vec<usize>,
    /// Hits that became ends: what nested correlations count.
    pub(crate) new_ends: Vec<NewEnd>,
    pub(crate) fired: Vec<Fired>,
    /// Where each of those stands: its group, and the slot of its alert.
    pub(crate) places: Vec<(Handle, i64)>,
    /// A hit came after its window was judged, and no longer counts.
    pub(crate) too_late: u64,
}

/// A hit at which a window ends that satisfies the condition.
#[derive(Debug)]
pub(crate) struct NewEnd {
    pub(crate) time: i64,
    pub(crate) id: EventId,
    pub(crate) carried: Option<Carried>,
    /// The names of what it carries.
    pub(crate) names: Arc<[Arc<str>]>,
    pub(crate) group: Values,
    /// The hits came later than the bound.
    pub(crate) late: bool,
}

/// What a group needs to know from outside for one hit.
pub(crate) struct Surroundings<'a> {
    pub(crate) definition: &'a Definition,
    /// Reads the group's values when they are needed.
    pub(crate) values: &'a dyn Fn() -> Values,
    /// Reads a field of the event that is being observed, if there is one.
    pub(crate) read: &'a dyn Fn(&str) -> Option<Cow<'a, str>>,
    /// What all events have in common.
    pub(crate) constants: &'a [(String, String)],
    /// The group.
    pub(crate) handle: Handle,
    /// Grows with every observation.
    pub(crate) tick: u64,
    /// The newest event time seen.
    pub(crate) newest: i64,
    pub(crate) hits_max: usize,
}

impl Surroundings<'_> {
    /// Returns a field of a hit that is not observed now.
    pub(crate) fn of_hit<'c>(&'c self, carried: &'c Carried, name: &str) -> Option<Cow<'c, str>> {
        let value = carried.get(&self.definition.carried, name);
        value.or_else(|| constant(self.constants, name)).map(Cow::Borrowed)
    }
}

/// Returns what all events have in common under a name.
pub(crate) fn constant<'c>(constants: &'c [(String, String)], name: &str) -> Option<&'c str> {
    constants.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

impl Group {
    pub(crate) fn new() -> Self {
        let (windows, alerts) = (SmallVec::new(), Vec::new());
        Self { windows, alerts, progress: Progress::NONE, values: None }
    }

    pub(crate) fn alerts(&self) -> &[Alert] {
        &self.alerts
    }

    /// Adds an alert behind those there are.
    pub(crate) fn take_alert(&mut self, alert: Alert) {
        self.alerts.reserve_exact(1);
        self.alerts.push(alert);
    }

    /// Returns the time of the newest hit.
    pub(crate) fn head(&self) -> i64 {
        self.windows.iter().map(|window| window.head).max().unwrap_or(i64::MIN)
    }

    /// Reads what the next hit will need: see [`crate::table::Table::expect`].
    pub(crate) fn expect(&self) {
        let Some(window) = self.windows.last() else { return };
        let time = |hit: Option<&Hit>| hit.map(|hit| hit.time);
        std::hint::black_box((
            time(window.hits.front()),
            time(window.hits.get(window.low)),
            time(window.hits.back()),
        ));
    }

    /// Returns what its newest hit carries.
    pub(crate) fn carried_last(&self) -> Option<&Carried> {
        self.windows.last()?.hits.back()?.carried.as_ref()
    }

    /// Returns until when hits may add to what it has fired for.
    pub(crate) fn told_until(&self, definition: &Definition) -> Option<i64> {
        let slot = self.alerts.iter().map(|alert| alert.slot).max()?;
        Some(slot.saturating_add(definition.slot).saturating_add(definition.lateness))
    }

    /// Returns the bytes it holds, beside itself.
    pub(crate) fn bytes(&self) -> usize {
        let windows: usize = self.windows.iter().map(Window::bytes).sum();
        let alerts: usize = self.alerts.iter().map(Alert::bytes).sum();
        let values = self.values.as_ref().map_or(0, |values| {
            values.iter().map(|(name, value)| name.capacity() + value.capacity() + 48).sum()
        });
        windows
            + alerts
            + values
            + if self.windows.spilled() { self.windows.capacity() * size_of::<Window>() } else { 0 }
            + self.alerts.capacity() * size_of::<Alert>()
    }

    /// Takes a hit and writes down what it did. `late` says that it came later than the bound.
    pub(crate) fn observe(
        &mut self,
        fresh: &Fresh<'_>,
        late: bool,
        around: &Surroundings<'_>,
        outcome: &mut Outcome,
    ) {
        let definition = around.definition;
        let hit = fresh.hit(self.carried_last());
        let index = self.window_for(hit.time, late, around);
        let window = &mut self.windows[index];
        window.touched = around.tick;
        window.seen_at = around.newest;
        if definition.plan.waits() {
            judge::take_in(window, hit, around, outcome);
            let held = window.hits.len() as u64;
            self.progress =
                self.progress.max(Progress::of(held, definition.plan.need(definition.rules)));
            // A late window is certain as far as its own stream has come.
            if window.late {
                let certain = window.head.saturating_sub(definition.lateness);
                judge::judge(self, index, certain, around, outcome);
            }
            return;
        }
        let Some(at) = window.insert(hit, definition) else { return };
        let mut ends = std::mem::take(&mut outcome.ends);
        let most = level::raise(window, at, definition, &mut ends);
        if self.progress < Progress::FIRED {
            self.progress = Progress::of(most, definition.plan.need(definition.rules));
        }
        if !ends.is_empty() {
            self.fire(index, at, &ends, around, outcome);
        }
        outcome.ends = ends;
        // Only now: the new hit's level was reckoned from what leaves with it.
        let window = &mut self.windows[index];
        window.forget_before(window.head.saturating_sub(definition.kept()));
        thin::thin(window, definition, around.hits_max);
        if self.windows.len() > 1 {
            self.join_windows(index, definition);
        }
    }

    /// Returns the index of the window whose newest hit is nearest, made if none is near.
    fn window_for(&mut self, time: i64, late: bool, around: &Surroundings<'_>) -> usize {
        let definition = around.definition;
        let near = definition.kept().unsigned_abs();
        let distance = |window: &Window| window.head.abs_diff(time);
        let nearest = (0..self.windows.len()).min_by_key(|&index| distance(&self.windows[index]));
        if let Some(index) = nearest.filter(|&index| distance(&self.windows[index]) <= near) {
            return index;
        }
        let new = Window::new(time, late, definition, around.hits_max);
        // The live stream has moved on: nothing of its old window can matter any more.
        let live = self.windows.iter().position(|window| !window.late && !late);
        if let Some(index) = live.filter(|&index| self.windows[index].head < time) {
            let old = &mut self.windows[index];
            old.forget_before(i64::MAX);
            if old.extra.is_none() {
                let hits = std::mem::take(&mut old.hits);
                *old = Window { hits, ..new };
            } else {
                *old = new;
            }
            return index;
        }
        if self.windows.len() == WINDOWS_MAX {
            let oldest = (0..WINDOWS_MAX).min_by_key(|&index| self.windows[index].touched);
            self.windows.swap_remove(oldest.unwrap_or(0));
        }
        self.windows.push(new);
        self.windows.len() - 1
    }

    /// Makes one window of two once their newest hits are within a timespan.
    fn join_windows(&mut self, index: usize, definition: &Definition) {
        let head = self.windows[index].head;
        let near = definition.timespan.unsigned_abs();
        let other = (0..self.windows.len())
            .find(|&other| other != index && self.windows[other].head.abs_diff(head) <= near);
        let Some(other) = other else { return };
        let taken = self.windows.swap_remove(index.max(other));
        let window = &mut self.windows[index.min(other)];
        window.late &= taken.late;
        window.estimated |= taken.estimated;
        window.touched = window.touched.max(taken.touched);
        let mut ends = Vec::new();
        for hit in taken.hits {
            if hit.time < window.head.max(hit.time).saturating_sub(definition.kept()) {
                continue;
            }
            // What both saw apart they now see together; it is told with the next hit.
            if let Some(at) = window.insert(hit, definition) {
                level::raise(window, at, definition, &mut ends);
            }
        }
    }

    /// Counts what the windows hold that end at `ends` into their alerts, and tells of these. The
    /// hit at `at` is new.
    pub(crate) fn fire(
        &mut self,
        window: usize,
        at: usize,
        ends: &[usize],
        around: &Surroundings<'_>,
        outcome: &mut Outcome,
    ) {
        let definition = around.definition;
        self.progress = Progress::FIRED;
        let values = self.values.get_or_insert_with(around.values).clone();
        let newest = at + 1 == self.windows[window].hits.len();
        let mut told: Option<i64> = None;
        for &end in ends {
            let slot = slot_of(self.windows[window].hits[end].time, definition);
            if told.is_some_and(|told| told != slot) {
                self.tell(&values, around, outcome);
            }
            told = Some(slot);
            self.recall(slot, definition, &values);
            let Some(alert) = self.alerts.last_mut() else { return };
            let Window { hits, extra, estimated, late, .. } = &mut self.windows[window];
            let late = *late;
            count(&mut hits[at], slot, alert, around);
            let hit = &mut hits[end];
            let became = !std::mem::replace(&mut hit.end, true);
            let (time, level) = (hit.time, u64::from(hit.level));
            match hit.carried.clone() {
                Some(carried) => alert.seen(hit, &|name| around.of_hit(&carried, name)),
                // Of the others, only the one being observed can still be asked.
                None if end == at => alert.seen(hit, around.read),
                None => {}
            }
            let sketch = extra.as_ref().and_then(|extra| extra.sketch.as_ref());
            let estimate = sketch.filter(|_| newest).map(crate::sketch::Sketch::estimate);
            let level = if definition.plan.counts_hits() { 0 } else { level };
            alert.reached(level.max(estimate.unwrap_or(0)), *estimated, estimate.is_some());
            if !became {
                continue;
            }
            if !definition.subscribers.is_empty() {
                let (id, carried) = (hits[end].id, hits[end].carried.clone());
                let (names, group) = (Arc::clone(&definition.carried), values.clone());
                outcome.new_ends.push(NewEnd { time, id, carried, names, group, late });
            }
            let start = time.saturating_sub(definition.timespan);
            let from = uncounted_from(hits, start, end, slot, newest, definition);
            for hit in hits.range_mut(from..=end) {
                count(hit, slot, alert, around);
            }
        }
        self.tell(&values, around, outcome);
    }

    /// Brings the alert of a slot to the end of the list, made if it is not there.
    pub(crate) fn recall(&mut self, slot: i64, definition: &Definition, values: &Values) {
        if self.alerts.last().is_some_and(|alert| alert.slot == slot) {
            return;
        }
        let alert = match self.alerts.iter().position(|alert| alert.slot == slot) {
            Some(index) => self.alerts.remove(index),
            None => Alert::new(slot, definition, values),
        };
        if self.alerts.len() == ALERTS_MAX {
            self.alerts.remove(0);
        }
        self.alerts.reserve_exact(1);
        self.alerts.push(alert);
    }

    /// Tells of the alert that fired last, if anybody wants to hear of it.
    pub(crate) fn tell(
        &mut self,
        values: &Values,
        around: &Surroundings<'_>,
        outcome: &mut Outcome,
    ) {
        let Some(alert) = self.alerts.last_mut().filter(|it| !it.is_quiet(around.newest)) else {
            return;
        };
        let new = alert.told(around.definition, values);
        match outcome.fired.iter_mut().find(|known| known.key == new.key) {
            Some(known) => *known = new,
            None => {
                outcome.fired.push(new);
                outcome.places.push((around.handle, alert.slot));
            }
        }
    }

    /// Lets the alert of a slot rest: see [`crate::Correlator::quiet`].
    pub(crate) fn be_quiet(&mut self, slot: i64, count: u64, until: i64) {
        let alert = self.alerts.iter_mut().find(|alert| alert.slot == slot);
        if let Some(alert) = alert {
            alert.be_quiet(count, until);
        }
    }

    /// The parts that judging works on.
    pub(crate) fn parts(&mut self, window: usize) -> (&mut Window, &mut Vec<Alert>) {
        (&mut self.windows[window], &mut self.alerts)
    }

    pub(crate) fn values(&mut self, around: &Surroundings<'_>) -> Values {
        self.values.get_or_insert_with(around.values).clone()
    }
}

/// Returns the start of the slot a time lies in.
pub(crate) fn slot_of(time: i64, definition: &Definition) -> i64 {
    time.div_euclid(definition.slot).saturating_mul(definition.slot)
}

/// Whether a time lies in the slot that starts there; without a division, which costs as much as all
/// else that a hit costs here.
fn is_in_slot(time: i64, slot: i64, definition: &Definition) -> bool {
    time >= slot && time.saturating_sub(slot) < definition.slot
}

/// Counts a hit into the alert of a slot, once.
pub(crate) fn count(hit: &mut Hit, slot: i64, alert: &mut Alert, around: &Surroundings<'_>) {
    let next = usize::from(!is_in_slot(hit.time, slot, around.definition));
    if !std::mem::replace(&mut hit.counted[next], true) {
        alert.count(hit, around.definition);
    }
}

/// Returns the first hit from which on some may not be counted in a slot yet, of the window from
/// `start` to the hit at `end`. When no window was looked at that ends later, all before a counted
/// hit are counted as well: the window that counted it began no later than this one.
pub(crate) fn uncounted_from(
    hits: &std::collections::VecDeque<Hit>,
    start: i64,
    end: usize,
    slot: i64,
    in_order: bool,
    definition: &Definition,
) -> usize {
    let mut from = end;
    while let Some(before) = from.checked_sub(1) {
        crate::steps::add(1);
        let hit = &hits[before];
        let next = usize::from(!is_in_slot(hit.time, slot, definition));
        if hit.time < start || (in_order && hit.counted[next]) {
            break;
        }
        from = before;
    }
    from
}
