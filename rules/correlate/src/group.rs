//! Group: the windows and episodes of one correlation for one set of group values.

use rules_event::Timestamp;
use rules_sigma::CorrelationKind;

use crate::definition::Definition;
use crate::fired::{EVENT_IDS_MAX, Fired, key};
use crate::sweep::{End, sweep};
use crate::window::{Hit, Window};

/// Windows one group may have: live, and the backlogs of two hosts that were cut off. The one not
/// hit for longest gives way.
const WINDOWS_MAX: usize = 3;
/// Episodes one group remembers, so that a further firing continues them. The one that fired least
/// recently gives way.
const EPISODES_MAX: usize = 4;

/// Hits of one group.
#[derive(Debug)]
pub(crate) struct Group {
    /// Names and values, in the order of the rule's `group-by`.
    values: Vec<(String, String)>,
    windows: Vec<Window>,
    /// Least recently fired first.
    episodes: Vec<Episode>,
    /// The share of the threshold reached at the last hit.
    progress: Progress,
}

/// How far a group has come, in eighths of its threshold. What has come further is kept longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Progress(u8);

impl Progress {
    const NONE: Self = Self(0);
    const FIRED: Self = Self(8);

    /// Every progress there is, least first.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (Self::NONE.0..=Self::FIRED.0).map(Self)
    }

    fn of(reached: u64, threshold: u64) -> Self {
        let eighths = reached.saturating_mul(8) / threshold.max(1);
        Self(u8::try_from(eighths).unwrap_or(u8::MAX).min(Self::FIRED.0 - 1))
    }
}

/// What one hit did.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    /// The firing, if there is one.
    pub(crate) fired: Option<Fired>,
    /// Time and event of the hits that became ends by it: what nested correlations count.
    pub(crate) new_ends: Vec<(i64, Box<str>)>,
}

/// A stretch of firing.
#[derive(Debug)]
struct Episode {
    slot: i64,
    first: i64,
    last: i64,
    count: u64,
    values: u64,
    /// The oldest hits, sorted: time, event id, and for the temporal kinds the place of the rule.
    events: Vec<(i64, Box<str>, u64)>,
}

impl Group {
    pub(crate) fn new(values: Vec<(String, String)>) -> Self {
        Self { values, windows: Vec::new(), episodes: Vec::new(), progress: Progress::NONE }
    }

    pub(crate) fn progress(&self) -> Progress {
        self.progress
    }

    /// Returns the time of the newest hit.
    pub(crate) fn head(&self) -> i64 {
        self.windows.iter().map(|window| window.head).max().unwrap_or(i64::MIN)
    }

    /// Returns how many hits it holds, remembered evidence included.
    pub(crate) fn size(&self) -> usize {
        self.windows.iter().map(|window| window.hits.len()).sum::<usize>()
            + self.episodes.iter().map(|episode| episode.events.len()).sum::<usize>()
    }

    /// Takes a hit and says what it did. `tick` grows with every observation.
    pub(crate) fn observe(
        &mut self,
        definition: &Definition,
        hit: Hit,
        tick: u64,
        hits_max: usize,
    ) -> Observed {
        let time = hit.time;
        let index = self.window_for(time, definition.timespan, tick);
        let window = &mut self.windows[index];
        if !window.insert(hit, definition.timespan, tick) {
            return Observed::default();
        }
        let swept = sweep(&window.hits, definition, time);
        if self.progress < Progress::FIRED {
            self.progress = Progress::of(swept.most, definition.threshold.value);
        }
        let mut observed = Observed::default();
        if !swept.ends.is_empty() {
            self.progress = Progress::FIRED;
            observed.fired = Some(self.fire(index, &swept.ends, definition));
            for end in &swept.ends {
                let hit = &mut self.windows[index].hits[end.index];
                if !std::mem::replace(&mut hit.end, true) {
                    observed.new_ends.push((hit.time, hit.event_id.clone()));
                }
            }
        }
        let by_value = definition.kind != CorrelationKind::EventCount;
        self.windows[index].thin(definition.timespan, by_value, hits_max);
        self.join_windows(index, definition.timespan);
        observed
    }

    /// Returns the index of the window whose newest hit is nearest, made if none is near.
    fn window_for(&mut self, time: i64, timespan: i64, tick: u64) -> usize {
        let distance = |window: &Window| window.head.abs_diff(time);
        let near = timespan.unsigned_abs().saturating_mul(2);
        let nearest = (0..self.windows.len()).min_by_key(|&index| distance(&self.windows[index]));
        if let Some(index) = nearest.filter(|&index| distance(&self.windows[index]) <= near) {
            return index;
        }
        if self.windows.len() == WINDOWS_MAX {
            let oldest = (0..WINDOWS_MAX).min_by_key(|&index| self.windows[index].touched);
            self.windows.swap_remove(oldest.unwrap_or(0));
        }
        self.windows.push(Window::new(time, tick));
        self.windows.len() - 1
    }

    /// Makes one window of two once their newest hits are within a timespan.
    fn join_windows(&mut self, index: usize, timespan: i64) {
        let head = self.windows[index].head;
        let near = timespan.unsigned_abs();
        let other = (0..self.windows.len())
            .find(|&other| other != index && self.windows[other].head.abs_diff(head) <= near);
        if let Some(other) = other {
            let (low, high) = (index.min(other), index.max(other));
            let taken = self.windows.remove(high);
            self.windows[low].merge(taken, timespan);
        }
    }

    /// Counts what the ends' windows hold into their episode and tells of it.
    fn fire(&mut self, window: usize, ends: &[End], definition: &Definition) -> Fired {
        let hits = &mut self.windows[window].hits;
        let from = ends.first().map_or(0, |end| hits.partition_point(|hit| hit.time < end.start));
        let last = ends.last().map_or(from, |end| end.index);
        let (low, high) = (hits[from].time, hits[last].time);
        let slot = low.div_euclid(definition.slot).saturating_mul(definition.slot);
        let known = self.episodes.iter().position(|episode| {
            let touches = low <= episode.last.saturating_add(definition.timespan)
                && high >= episode.first.saturating_sub(definition.timespan);
            let ended = episode.slot.saturating_add(definition.slot / 4 * 5);
            (touches && high < ended) || episode.slot == slot
        });
        let mut episode = match known {
            Some(index) => self.episodes.remove(index),
            None => {
                Episode { slot, first: low, last: high, count: 0, values: 0, events: Vec::new() }
            }
        };
        episode.first = episode.first.min(low);
        episode.last = episode.last.max(high);
        // The windows of the ends overlap; each hit is looked at once.
        let mut next = from;
        for end in ends {
            next = next.max(hits.partition_point(|hit| hit.time < end.start));
            for hit in hits.range_mut(next..=end.index) {
                if !std::mem::replace(&mut hit.counted, true) {
                    episode.count = episode.count.saturating_add(u64::from(hit.weight));
                    episode.remember(hit, definition);
                }
            }
            next = end.index + 1;
            episode.values = episode.values.max(end.values);
        }
        let fired = episode.told(definition, &self.values);
        if self.episodes.len() == EPISODES_MAX {
            self.episodes.remove(0);
        }
        self.episodes.push(episode);
        fired
    }
}

impl Episode {
    /// Keeps the hit as evidence if it is among the oldest. Where rules follow each other, each has
    /// its share, so that a thousand failures do not hide the one success after them.
    fn remember(&mut self, hit: &Hit, definition: &Definition) {
        let (place, share) = match definition.kind {
            CorrelationKind::EventCount | CorrelationKind::ValueCount => (0, EVENT_IDS_MAX),
            CorrelationKind::Temporal | CorrelationKind::TemporalOrdered => {
                (hit.value, EVENT_IDS_MAX / definition.rules.max(1))
            }
        };
        let new = (hit.time, hit.event_id.clone(), place);
        if let Err(index) = self.events.binary_search(&new) {
            self.events.insert(index, new);
            if self.events.iter().filter(|known| known.2 == place).count() > share
                && let Some(youngest) = self.events.iter().rposition(|known| known.2 == place)
            {
                self.events.remove(youngest);
            }
        }
    }

    fn told(&self, definition: &Definition, group: &[(String, String)]) -> Fired {
        Fired {
            correlation_id: definition.id.clone(),
            group: group.to_vec(),
            first: Timestamp::from_nanos(self.first),
            last: Timestamp::from_nanos(self.last),
            count: self.count,
            values: self.values,
            event_ids: self.events.iter().map(|(_, id, _)| id.clone().into_string()).collect(),
            key: key(&definition.id, group, self.slot),
        }
    }
}
