//! Correlator: hands each hit to the correlations that wait for it.

use std::collections::{HashMap, VecDeque};
use std::hash::RandomState;
use std::time::Duration;

use rules_event::{Event, Timestamp, ValueRef};
use rules_sigma::{Correlation, Diagnostic};
use smallvec::SmallVec;

use crate::definition::{Definitions, Subscription, nanos};
use crate::group::{NewEnd, Outcome, Surroundings};
use crate::hit::{EventId, Fresh};
use crate::key::{decode, find_key, value_of};
use crate::source::{Noted, Source, What};
use crate::table::{Handle, Table};
use crate::{Fired, Limits, judge};

/// What the decoder of syslog sets on "message repeated 3 times: [ … ]": the event stands for 3.
pub const REPEAT_COUNT: &str = "vonglau.repeat_count";
/// An event stands for at most this many, whatever it says.
const REPEATS_MAX: i64 = 1_000;

/// Runs correlations over a stream of events. See the crate's text for what it promises.
#[derive(Debug)]
pub struct Correlator {
    pub(crate) definitions: Definitions,
    pub(crate) limits: Limits,
    pub(crate) table: Table,
    /// Hashes group keys. Seeded at random, so that nobody can make a bucket overflow.
    pub(crate) hasher: RandomState,
    /// Hits handed to a correlation so far.
    pub(crate) tick: u64,
    /// The newest event time seen, as far as it is believed.
    pub(crate) newest: i64,
    /// Event times beyond this are not believed.
    believed: i64,
    tardy: Tardy,
    outcome: Outcome,
    /// The key of the group being looked for.
    key: Vec<u8>,
    /// Of the groups expected next.
    hashes: Vec<u64>,
    slots: Vec<u32>,
    /// What the hit at hand carries.
    carried: Vec<u8>,
    /// Nested hits that are still to be handed on.
    waiting: Vec<(Subscription, NewEnd)>,
    /// What all events have in common.
    constants: Vec<(String, String)>,
    /// Keys of the hits announced by [`Self::expect_noted`], in the order of those who listen: the hash
    /// and where it ends, of those that lack a field nothing.
    ready: VecDeque<Option<(u64, std::ops::Range<usize>)>>,
    ready_keys: Vec<u8>,
    /// Where what was told last stands: see [`Self::quiet`].
    places: Vec<(Handle, i64)>,
}

/// Who counts the hits of a rule: see [`Correlator::listeners`].
#[derive(Debug, Clone, Default)]
pub struct Listeners(std::ops::Range<usize>);

/// Events that came out of the time they should have come in, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tardy {
    /// Events that came later than [`Limits::lateness`]. They are judged with what is left of their
    /// time, so their alerts may lack what was already forgotten.
    pub late: u64,
    /// Of these, hits that no longer counted in a correlation, since it had judged their time.
    pub too_late: u64,
    /// Events from the future, as far as [`Correlator::clock`] says: they count, but time does not
    /// move on by them.
    pub ahead: u64,
}

/// A hit on its way to one correlation.
struct Arrival<'a> {
    source: Source<'a>,
    time: i64,
    id: EventId,
    /// Hits it stands for.
    weight: u32,
}

impl Correlator {
    /// Builds a correlator from rules, and says which of them are left out and why.
    ///
    /// `rule_ids_by_name` resolves references that are names; references to ids need no entry.
    #[must_use]
    pub fn new(
        correlations: Vec<Correlation>,
        rule_ids_by_name: &HashMap<String, String>,
        limits: Limits,
    ) -> (Self, Vec<Diagnostic>) {
        let mut definitions = Definitions::new(correlations, rule_ids_by_name, &limits);
        let problems = std::mem::take(&mut definitions.problems);
        let correlator = Self {
            definitions,
            limits,
            table: Table::default(),
            hasher: RandomState::new(),
            tick: 0,
            newest: i64::MIN,
            believed: i64::MAX,
            tardy: Tardy::default(),
            outcome: Outcome::default(),
            key: Vec::new(),
            hashes: Vec::new(),
            slots: Vec::new(),
            carried: Vec::new(),
            waiting: Vec::new(),
            constants: Vec::new(),
            ready: VecDeque::new(),
            ready_keys: Vec::new(),
            places: Vec::new(),
        };
        (correlator, problems)
    }

    /// Takes an event and the ids of the rules that hit it; returns what fires by it, nested
    /// correlations after those they count, and what is certain now that time has come so far. An
    /// event that lacks a group field or the counted field of a correlation does not count there.
    /// The same event (by id) counts once.
    pub fn observe(&mut self, event: &Event, rule_ids: &[&str]) -> Vec<Fired> {
        let id = EventId::new(&event.id);
        let constants = std::mem::take(&mut self.constants);
        let source = Source { what: What::Event(event), constants: &constants };
        let arrival = Arrival { source, time: event.time.as_nanos(), id, weight: weight_of(event) };
        let by_rule = rule_ids.iter().map(|rule_id| self.listeners(rule_id).0);
        let listeners: SmallVec<[_; 8]> = by_rule.collect();
        self.hear(&arrival, listeners.into_iter());
        self.constants = constants;
        self.told()
    }

    /// As [`Self::observe`], for a hit as a host writes it down, and those who count it.
    pub fn observe_noted(&mut self, noted: &Noted<'_>, listeners: &[Listeners]) -> Vec<Fired> {
        let constants = std::mem::take(&mut self.constants);
        let source = Source { what: What::Noted(noted), constants: &constants };
        let (time, weight) = (noted.time.as_nanos(), weight_of_repeats(noted.repeats));
        let arrival = Arrival { source, time, id: noted.id, weight };
        self.hear(&arrival, listeners.iter().map(|listeners| listeners.0.clone()));
        self.constants = constants;
        self.told()
    }

    /// As [`Self::expect`]. Exactly these hits must be observed next, in this order.
    pub fn expect_noted<'n>(
        &mut self,
        next: impl Iterator<Item = (&'n Noted<'n>, &'n [Listeners])>,
    ) {
        self.hashes.clear();
        self.ready.clear();
        self.ready_keys.clear();
        for (noted, listeners) in next {
            let source = Source { what: What::Noted(noted), constants: &self.constants };
            for at in listeners.iter().flat_map(|listeners| listeners.0.clone()) {
                let to = self.definitions.listeners[at];
                let definition = &self.definitions.list[to.definition];
                let hash = find_key(&mut self.key, &self.hasher, definition, to, source);
                self.hashes.extend(hash);
                let from = self.ready_keys.len();
                self.ready_keys.extend_from_slice(&self.key);
                let to = self.ready_keys.len();
                self.ready.push_back(hash.map(|hash| (hash, from..to)));
            }
        }
        self.table.expect(&self.hashes, &mut self.slots);
    }

    /// Returns those who count the hits of a rule.
    #[must_use]
    pub fn listeners(&self, rule_id: &str) -> Listeners {
        Listeners(self.definitions.by_rule.get(rule_id).cloned().unwrap_or_default())
    }

    /// Says what all events have in common, which is then read of none.
    pub fn set_constants(&mut self, constants: Vec<(String, String)>) {
        self.constants = constants;
    }

    /// Returns the newest event time seen, as far as it is believed.
    #[must_use]
    pub fn newest(&self) -> Timestamp {
        Timestamp::from_nanos(self.newest)
    }

    /// Says of the firing at `index` of those returned last that nobody wants to hear of it again
    /// before it counts so many hits, or time comes so far. It is a hint, forgotten with the group.
    pub fn quiet(&mut self, index: usize, count: u64, until: Timestamp) {
        let Some((handle, slot)) = self.places.get(index).copied() else { return };
        if let Some(group) = self.table.get(handle).and_then(|held| held.life.grown()) {
            group.be_quiet(slot, count, until.as_nanos());
        }
    }

    /// Gives a hit to all who listen.
    fn hear(
        &mut self,
        arrival: &Arrival<'_>,
        listeners: impl Iterator<Item = std::ops::Range<usize>>,
    ) {
        let (time, constants) = (arrival.time, arrival.source.constants);
        self.pass(time, constants);
        let mut is_heard = false;
        for at in listeners.flatten() {
            is_heard = true;
            self.arrive(self.definitions.listeners[at], arrival);
            self.hand_on(constants);
        }
        if is_heard && time.saturating_add(nanos(self.limits.lateness)) < self.newest {
            self.tardy.late += 1;
        }
        self.table.expire(self.newest, &self.definitions.list);
    }

    /// Returns what fired.
    fn told(&mut self) -> Vec<Fired> {
        self.places.clear();
        self.places.append(&mut self.outcome.places);
        std::mem::take(&mut self.outcome.fired)
    }

    /// Says which events come next, a few dozen at most, for [`Self::observe`] to be faster: the
    /// memory it needs for them is read in one go. Changes nothing else.
    pub fn expect<'e>(&mut self, next: impl Iterator<Item = (&'e Event, &'e [&'e str])>) {
        let mut hashes = std::mem::take(&mut self.hashes);
        hashes.clear();
        for (event, rule_ids) in next {
            for rule_id in rule_ids {
                let listeners = self.definitions.by_rule.get(*rule_id).cloned().unwrap_or_default();
                for at in listeners {
                    let to = self.definitions.listeners[at];
                    let source = Source { what: What::Event(event), constants: &self.constants };
                    let definition = &self.definitions.list[to.definition];
                    hashes.extend(find_key(&mut self.key, &self.hasher, definition, to, source));
                }
            }
        }
        self.table.expect(&hashes, &mut self.slots);
        self.hashes = hashes;
    }

    /// Lets time move on to that of an event that no rule hit; returns what is certain by then.
    pub fn advance(&mut self, time: Timestamp) -> Vec<Fired> {
        let constants = std::mem::take(&mut self.constants);
        self.pass(time.as_nanos(), &constants);
        self.constants = constants;
        self.told()
    }

    /// Judges everything that still waits: for the end of a finite input.
    pub fn finish(&mut self) -> Vec<Fired> {
        let constants = std::mem::take(&mut self.constants);
        self.judge_until(i64::MAX, &constants);
        self.constants = constants;
        self.told()
    }

    /// Says what time it is, as far as the caller knows: events from later than the lateness beyond
    /// that do not move time on. Without it every event is believed.
    pub fn clock(&mut self, now: Timestamp) {
        self.believed = now.as_nanos().saturating_add(nanos(self.limits.lateness));
    }

    /// Returns the longest timespan of any correlation; zero if there is none.
    #[must_use]
    pub fn longest_timespan(&self) -> Duration {
        let longest = self.definitions.list.iter().map(|definition| definition.timespan).max();
        Duration::from_nanos(longest.unwrap_or(0).unsigned_abs())
    }

    /// Returns how far back hits must be observed again after a restart for later firings to say
    /// what they would have said; more than [`Self::longest_timespan`], since lateness, nested
    /// correlations and the slots of alerts reach further.
    #[must_use]
    pub fn replay_span(&self) -> Duration {
        let reach = self.definitions.list.iter().map(|definition| definition.reach).max();
        Duration::from_nanos(reach.unwrap_or(0).unsigned_abs())
    }

    /// Whether something is decided by time alone: then it must be told how far time has come
    /// ([`Self::advance`]) when no rule hits either.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.definitions.list.iter().any(|definition| definition.plan.waits())
    }

    /// Returns how many correlations run.
    #[must_use]
    pub fn correlations(&self) -> usize {
        self.definitions.list.len()
    }

    /// Returns how many groups are held.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.table.groups()
    }

    /// Returns how many bytes the groups take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.table.bytes()
    }

    /// Returns how many groups were dropped for want of room while they could still have mattered.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.table.evicted()
    }

    /// Returns how many groups were dropped because their windows were over.
    #[must_use]
    pub fn expired(&self) -> u64 {
        self.table.expired()
    }

    /// Returns how many events came late, too late or from the future.
    #[must_use]
    pub fn tardy(&self) -> Tardy {
        self.tardy
    }

    /// Notes the time of an event and judges what is certain by it.
    fn pass(&mut self, time: i64, constants: &[(String, String)]) {
        if time > self.believed {
            self.tardy.ahead += 1;
        } else if time > self.newest {
            self.newest = time;
            self.judge_until(time, constants);
        }
    }

    /// Judges, in the order of time, what was due before `now`.
    fn judge_until(&mut self, now: i64, constants: &[(String, String)]) {
        while let Some((handle, due)) = self.table.next_due(now) {
            self.tick += 1;
            let Some(held) = self.table.get(handle) else { continue };
            let definition = &self.definitions.list[held.definition as usize];
            let Some(group) = held.life.grown() else { continue };
            let around = Surroundings {
                definition,
                values: &|| decode(definition, &held.key),
                read: &|_| None,
                constants,
                handle,
                tick: self.tick,
                newest: self.newest,
                hits_max: self.limits.hits_per_window_max,
            };
            // What is due by now, as if now were a moment later than that.
            judge::judge_due(group, due, &around, &mut self.outcome);
            self.settle(handle);
            self.hand_on(constants);
        }
    }

    /// Hands nested hits on, and those that come of them. Ends because references form no circle.
    fn hand_on(&mut self, constants: &[(String, String)]) {
        while let Some((to, end)) = self.waiting.pop() {
            let source = Source { what: What::Nested(&end), constants };
            let arrival = Arrival { source, time: end.time, id: end.id, weight: 1 };
            self.arrive(to, &arrival);
        }
    }

    /// Gives a hit to one correlation.
    fn arrive(&mut self, to: Subscription, arrival: &Arrival<'_>) {
        let source = arrival.source;
        let definition = &self.definitions.list[to.definition];
        let announced = match source.what {
            What::Noted(_) => self.ready.pop_front(),
            _ => None,
        };
        let hash = match announced {
            None => find_key(&mut self.key, &self.hasher, definition, to, source),
            Some(known) => known.map(|(hash, place)| {
                self.key.clear();
                self.key.extend_from_slice(self.ready_keys.get(place).unwrap_or_default());
                hash
            }),
        };
        let Some(hash) = hash else { return };
        let Some(value) = value_of(definition, to.place, source) else { return };
        let by_rule = definition.plan.by_rule();
        self.tick += 1;
        let number = u32::try_from(to.definition).unwrap_or(u32::MAX);
        let handle = self.table.find(number, &self.key, hash, self.tick);
        let Some(held) = self.table.get(handle) else { return };
        let carries = definition.carriers >> to.place & 1 == 1 && !definition.carried.is_empty();
        if carries {
            source.carry(definition, &mut self.carried);
        }
        let fresh = Fresh {
            time: arrival.time,
            id: arrival.id,
            value,
            weight: arrival.weight,
            place: if by_rule { u8::try_from(to.place).unwrap_or(u8::MAX) } else { 0 },
            carried: carries.then_some(&self.carried),
        };
        let late = match source.what {
            // Told as soon as it was certain, which may be long after.
            What::Nested(end) => end.late,
            _ => arrival.time.saturating_add(definition.lateness) < self.newest,
        };
        let key = &self.key;
        let around = Surroundings {
            definition,
            values: &|| decode(definition, key),
            read: &|name| source.read(name),
            constants: source.constants,
            handle,
            tick: self.tick,
            newest: self.newest,
            hits_max: self.limits.hits_per_window_max,
        };
        held.life.observe(&fresh, late, &around, &mut self.outcome);
        self.settle(handle);
    }

    /// Notes what a hit did to its group and beyond.
    fn settle(&mut self, handle: Handle) {
        let Some(held) = self.table.get(handle) else { return };
        let definition = &self.definitions.list[held.definition as usize];
        let due = match definition.plan.waits() {
            true => held.life.grown().and_then(|group| judge::due(group, definition)),
            false => None,
        };
        self.table.changed(handle, self.tick, self.newest, definition.kept(), due);
        self.tardy.too_late += std::mem::take(&mut self.outcome.too_late);
        for end in self.outcome.new_ends.drain(..).rev() {
            let NewEnd { time, id, carried, names, group, late } = end;
            for &subscriber in definition.subscribers.iter().rev() {
                let (carried, names, group) = (carried.clone(), names.clone(), group.clone());
                self.waiting.push((subscriber, NewEnd { time, id, carried, names, group, late }));
            }
        }
        self.table.settle(self.tick, self.limits.groups_max, self.limits.bytes_max);
    }
}

fn weight_of(event: &Event) -> u32 {
    weight_of_repeats(event.get(REPEAT_COUNT).and_then(ValueRef::as_int).unwrap_or(1))
}

fn weight_of_repeats(repeats: i64) -> u32 {
    u32::try_from(repeats.clamp(1, REPEATS_MAX)).unwrap_or(1)
}
