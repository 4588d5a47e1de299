//! Correlator: hands each hit to the correlations that wait for it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use rules_event::{Event, Timestamp, ValueRef};
use rules_sigma::{Correlation, Diagnostic};

use crate::definition::{Definition, Definitions, Field, Subscription, nanos};
use crate::fired::shortened;
use crate::group::{NewEnd, Outcome, Surroundings, Values, carried_value};
use crate::hit::{Carried, EventId, Hit, NEVER, bytes_of};
use crate::table::{Handle, Table};
use crate::wanted::text_of;
use crate::{Fired, Limits, judge};

/// A group value longer than this is cut, and a digest of the whole put in place of the rest.
const GROUP_VALUE_BYTES_MAX: usize = 256;
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
    /// Nested hits that are still to be handed on.
    waiting: Vec<(Subscription, NewEnd)>,
}

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

/// Where the fields of a hit are read.
#[derive(Clone, Copy)]
enum Source<'a> {
    Event(&'a Event),
    /// A nested correlation that fired: its group, and what its hit carried along.
    Nested(&'a NewEnd),
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
            waiting: Vec::new(),
        };
        (correlator, problems)
    }

    /// Takes an event and the ids of the rules that hit it; returns what fires by it, nested
    /// correlations after those they count, and what is certain now that time has come so far. An
    /// event that lacks a group field or the counted field of a correlation does not count there.
    /// The same event (by id) counts once.
    pub fn observe(&mut self, event: &Event, rule_ids: &[&str]) -> Vec<Fired> {
        let time = event.time.as_nanos();
        self.pass(time);
        let mut id = None;
        for rule_id in rule_ids {
            let listeners = self.definitions.by_rule.get(*rule_id).cloned().unwrap_or_default();
            for at in listeners {
                let to = self.definitions.listeners[at];
                let id = *id.get_or_insert_with(|| EventId::new(&event.id));
                let source = Source::Event(event);
                let arrival = Arrival { source, time, id, weight: weight_of(event) };
                self.arrive(to, &arrival);
                self.hand_on();
            }
        }
        if id.is_some() && time.saturating_add(nanos(self.limits.lateness)) < self.newest {
            self.tardy.late += 1;
        }
        self.table.expire(self.newest, &self.definitions.list);
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
                    hashes.extend(
                        self.find_key(self.definitions.listeners[at], Source::Event(event)),
                    );
                }
            }
        }
        self.table.expect(&hashes, &mut self.slots);
        self.hashes = hashes;
    }

    /// Writes the key of the group a hit belongs to, and returns its hash; `None` when the hit lacks
    /// a field.
    fn find_key(&mut self, to: Subscription, source: Source<'_>) -> Option<u64> {
        self.key.clear();
        for field in &self.definitions.list[to.definition].group_by {
            let text = source.text(field, to.place)?;
            encode(&mut self.key, &shortened(&text, GROUP_VALUE_BYTES_MAX));
        }
        let mut hash = self.hasher.build_hasher();
        hash.write_usize(to.definition);
        hash.write(&self.key);
        Some(hash.finish())
    }

    /// Lets time move on to that of an event that no rule hit; returns what is certain by then.
    pub fn advance(&mut self, time: Timestamp) -> Vec<Fired> {
        self.pass(time.as_nanos());
        std::mem::take(&mut self.outcome.fired)
    }

    /// Judges everything that still waits: for the end of a finite input.
    pub fn finish(&mut self) -> Vec<Fired> {
        self.judge_until(i64::MAX);
        std::mem::take(&mut self.outcome.fired)
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
    fn pass(&mut self, time: i64) {
        if time > self.believed {
            self.tardy.ahead += 1;
        } else if time > self.newest {
            self.newest = time;
            self.judge_until(time);
        }
    }

    /// Judges, in the order of time, what was due before `now`.
    fn judge_until(&mut self, now: i64) {
        while let Some((handle, due)) = self.table.next_due(now) {
            self.tick += 1;
            let Some(held) = self.table.get(handle) else { continue };
            let definition = &self.definitions.list[held.definition as usize];
            let around = Surroundings {
                definition,
                values: &|| decode(definition, &held.key),
                read: &|_| None,
                tick: self.tick,
                newest: self.newest,
                hits_max: self.limits.hits_per_window_max,
            };
            // What is due by now, as if now were a moment later than that.
            judge::judge_due(&mut held.group, due, &around, &mut self.outcome);
            self.settle(handle);
            self.hand_on();
        }
    }

    /// Hands nested hits on, and those that come of them. Ends because references form no circle.
    fn hand_on(&mut self) {
        while let Some((to, end)) = self.waiting.pop() {
            let source = Source::Nested(&end);
            let arrival = Arrival { source, time: end.time, id: end.id, weight: 1 };
            self.arrive(to, &arrival);
        }
    }

    /// Gives a hit to one correlation.
    fn arrive(&mut self, to: Subscription, arrival: &Arrival<'_>) {
        let source = arrival.source;
        let Some(hash) = self.find_key(to, source) else { return };
        let definition = &self.definitions.list[to.definition];
        let Some(value) = value_of(definition, to.place, source) else { return };
        let by_rule = definition.plan.by_rule();
        self.tick += 1;
        let number = u32::try_from(to.definition).unwrap_or(u32::MAX);
        let handle = self.table.find(number, &self.key, hash, self.tick);
        let Some(held) = self.table.get(handle) else { return };
        let carries = definition.carriers >> to.place & 1 == 1 && !definition.carried.is_empty();
        let carried = carries.then(|| source.carry(definition, held.group.carried_last()));
        let elsewhere = carried.as_ref().map_or(0, |(_, elsewhere)| *elsewhere);
        let hit = Hit {
            time: arrival.time,
            id: arrival.id,
            value,
            link: NEVER,
            carried: carried.map(|(carried, _)| carried),
            weight: arrival.weight,
            level: 0,
            place: if by_rule { u8::try_from(to.place).unwrap_or(u8::MAX) } else { 0 },
            end: false,
            counted: [false; 2],
            elsewhere,
        };
        let late = match source {
            Source::Event(_) => arrival.time.saturating_add(definition.lateness) < self.newest,
            // Told as soon as it was certain, which may be long after.
            Source::Nested(end) => end.late,
        };
        let key = &self.key;
        let around = Surroundings {
            definition,
            values: &|| decode(definition, key),
            read: &|name| source.read(name).map(Cow::into_owned),
            tick: self.tick,
            newest: self.newest,
            hits_max: self.limits.hits_per_window_max,
        };
        held.group.observe(hit, late, &around, &mut self.outcome);
        self.settle(handle);
    }

    /// Notes what a hit did to its group and beyond.
    fn settle(&mut self, handle: Handle) {
        let Some(held) = self.table.get(handle) else { return };
        let definition = &self.definitions.list[held.definition as usize];
        let due = match definition.plan.waits() {
            true => judge::due(&held.group, definition),
            false => None,
        };
        self.table.changed(handle, self.tick, self.newest, definition.kept(), due);
        self.tardy.too_late += std::mem::take(&mut self.outcome.too_late);
        for end in self.outcome.new_ends.drain(..).rev() {
            let NewEnd { time, id, carried, group, late } = end;
            for &subscriber in definition.subscribers.iter().rev() {
                let (id, carried, group) = (id, carried.clone(), group.clone());
                self.waiting.push((subscriber, NewEnd { time, id, carried, group, late }));
            }
        }
        self.table.settle(self.tick, self.limits.groups_max, self.limits.bytes_max);
    }
}

impl<'a> Source<'a> {
    /// Reads a field by its name.
    fn read(self, name: &str) -> Option<Cow<'a, str>> {
        match self {
            Source::Event(event) => text_of(event, name),
            Source::Nested(end) => {
                if let Some((_, value)) = end.group.iter().find(|(known, _)| known == name) {
                    return Some(Cow::Borrowed(value));
                }
                carried_value(end.carried.as_ref()?, name).map(Cow::Owned)
            }
        }
    }

    /// Reads a field of a correlation. The group of a nested one goes by the correlation's names.
    fn text(self, field: &Field, place: usize) -> Option<Cow<'a, str>> {
        self.read(field.of_rule(place))
    }

    fn number(self, field: &Field, place: usize) -> Option<f64> {
        let number = match self {
            Source::Event(event) => match event.get(field.of_rule(place))? {
                #[expect(clippy::cast_precision_loss, reason = "sums are rounded to f64 anyway")]
                ValueRef::Int(number) => Some(number as f64),
                ValueRef::Float(number) => Some(number),
                ValueRef::Str(text) => text.trim().parse().ok(),
                _ => None,
            },
            Source::Nested(_) => self.text(field, place)?.trim().parse().ok(),
        };
        number.filter(|number: &f64| number.is_finite())
    }

    fn named(self, name: &Arc<str>) -> Option<(&Arc<str>, Cow<'a, str>)> {
        Some((name, self.read(name)?))
    }

    /// Returns what a hit is to carry, and the bytes it takes: none when the one before carries the
    /// same, which is most often so.
    fn carry(self, definition: &Definition, before: Option<&Carried>) -> (Carried, u16) {
        let read = |name| self.named(name);
        if let Some(before) = before {
            let mut known = before.iter();
            let same = definition.carried.iter().filter_map(read).all(|(name, value)| {
                let value = shortened(&value, GROUP_VALUE_BYTES_MAX);
                known.next().is_some_and(|known| known.0 == *name && *known.1 == *value)
            });
            if same && known.next().is_none() {
                return (before.clone(), 0);
            }
        }
        let owned = |(name, value): (&Arc<str>, Cow<'_, str>)| {
            (name.clone(), shortened(&value, GROUP_VALUE_BYTES_MAX).into_owned())
        };
        let carried: Carried =
            Arc::new(definition.carried.iter().filter_map(read).map(owned).collect());
        let bytes = bytes_of(&carried);
        (carried, bytes)
    }
}

/// Returns what a correlation looks at in a hit; `None` when the hit lacks it.
fn value_of(definition: &Definition, place: usize, source: Source<'_>) -> Option<u64> {
    if definition.plan.by_number() {
        return source.number(definition.fields.first()?, place).map(f64::to_bits);
    }
    if !definition.plan.by_value() {
        return Some(0);
    }
    // With keys that never change: a replay then finds the same. Tables of values add their own.
    let mut hash = BuildHasherDefault::<DefaultHasher>::default().build_hasher();
    for field in &definition.fields {
        let text = source.text(field, place)?;
        hash.write_usize(text.len());
        hash.write(text.as_bytes());
    }
    Some(hash.finish())
}

fn weight_of(event: &Event) -> u32 {
    let repeats = event.get(REPEAT_COUNT).and_then(ValueRef::as_int).unwrap_or(1);
    u32::try_from(repeats.clamp(1, REPEATS_MAX)).unwrap_or(1)
}

/// Writes a group value after its length, so that no two groups are written alike.
fn encode(key: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    key.extend_from_slice(&length.to_le_bytes());
    key.extend_from_slice(text.as_bytes());
}

/// Reads a group's values back, with their names.
pub(crate) fn decode(definition: &Definition, mut key: &[u8]) -> Values {
    let mut values = Vec::with_capacity(definition.group_by.len());
    for field in &definition.group_by {
        let Some((length, rest)) = key.split_first_chunk::<2>() else { break };
        let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
        let (text, rest) = rest.split_at(length);
        values.push((field.name.clone(), String::from_utf8_lossy(text).into_owned()));
        key = rest;
    }
    values.into()
}
