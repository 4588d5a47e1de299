//! Correlator: hands each hit to the correlations that wait for it.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use rules_event::{Event, Value};
use rules_sigma::{Correlation, CorrelationKind};

use crate::definition::{Definitions, Field, Subscription};
use crate::group::Group;
use crate::table::Table;
use crate::window::Hit;
use crate::{Fired, Limits};

/// A group value longer than this is cut, and a digest of the whole put in place of the rest.
const GROUP_VALUE_BYTES_MAX: usize = 256;
/// What the decoder of syslog sets on "message repeated 3 times: [ … ]": the event stands for 3.
const REPEAT_COUNT: &str = "vonglau.repeat_count";
/// An event stands for at most this many, whatever it says.
const REPEATS_MAX: i64 = 1_000;

/// Runs correlations over a stream of events. See the crate's text for what it promises.
#[derive(Debug)]
pub struct Correlator {
    definitions: Definitions,
    limits: Limits,
    table: Table,
    /// Hashes counted values. Seeded at random, so that nobody can make two values look alike.
    hasher: RandomState,
    /// Observations so far.
    tick: u64,
    /// The newest event time seen.
    newest: i64,
}

/// A hit on its way to one correlation.
struct Arrival<'a> {
    event: &'a Event,
    time: i64,
    event_id: &'a str,
    /// Hits it stands for.
    weight: u32,
    /// The group of the nested correlation that fired, whose fields go before the event's own.
    nested: &'a [(String, String)],
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
    ) -> (Self, Vec<String>) {
        let mut definitions = Definitions::new(correlations, rule_ids_by_name, &limits);
        let problems = std::mem::take(&mut definitions.problems);
        let correlator = Self {
            definitions,
            limits,
            table: Table::default(),
            hasher: RandomState::new(),
            tick: 0,
            newest: i64::MIN,
        };
        (correlator, problems)
    }

    /// Takes an event and the ids of the rules that hit it; returns what fires by it, nested
    /// correlations after those they count. An event that lacks a group field or the counted field
    /// of a correlation does not count there. The same event (by id) counts once.
    pub fn observe(&mut self, event: &Event, rule_ids: &[&str]) -> Vec<Fired> {
        let mut fired = Vec::new();
        let waiting: Vec<Subscription> = rule_ids
            .iter()
            .filter_map(|id| self.definitions.by_rule.get(*id))
            .flatten()
            .copied()
            .collect();
        if waiting.is_empty() {
            return fired;
        }
        let time = event.time.as_nanos();
        self.newest = self.newest.max(time);
        let repeats = event.get(REPEAT_COUNT).and_then(Value::as_int).unwrap_or(1);
        let weight = u32::try_from(repeats.clamp(1, REPEATS_MAX)).unwrap_or(1);
        for subscription in waiting {
            let arrival = Arrival { event, time, event_id: &event.id, weight, nested: &[] };
            self.arrive(subscription, &arrival, &mut fired);
        }
        self.table.settle(self.newest, self.limits.groups_max, self.limits.hits_max);
        fired
    }

    /// Returns the longest timespan of any correlation; zero if there is none.
    #[must_use]
    pub fn longest_timespan(&self) -> Duration {
        let longest = self.definitions.list.iter().map(|definition| definition.timespan).max();
        Duration::from_nanos(longest.unwrap_or(0).unsigned_abs())
    }

    /// Returns how far back hits must be observed again after a restart for every later firing to
    /// have the key it would have had; more than [`Self::longest_timespan`], since windows, nested
    /// correlations and the ends of slots reach further.
    #[must_use]
    pub fn replay_span(&self) -> Duration {
        let reach = self.definitions.list.iter().map(|definition| definition.reach).max();
        Duration::from_nanos(reach.unwrap_or(0).unsigned_abs())
    }

    /// Returns how many groups are held.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.table.groups()
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

    /// Gives a hit to one correlation, and what fires by it to those that refer to that one. Ends
    /// because references form no circle.
    fn arrive(&mut self, to: Subscription, arrival: &Arrival<'_>, fired: &mut Vec<Fired>) {
        let definition = &self.definitions.list[to.definition];
        let read = |field: &Field| read_field(field, to.place, arrival);
        let mut values = Vec::with_capacity(definition.group_by.len());
        for field in &definition.group_by {
            let Some(text) = read(field) else { return };
            values.push(shortened(text));
        }
        let ordered = definition.kind == CorrelationKind::TemporalOrdered;
        let value = match (&definition.counted, definition.kind) {
            (Some(field), CorrelationKind::ValueCount) => {
                let Some(text) = read(field) else { return };
                self.hasher.hash_one(text)
            }
            (_, CorrelationKind::EventCount | CorrelationKind::ValueCount) => 0,
            _ => to.place as u64,
        };
        let hit = Hit {
            time: arrival.time,
            step: if ordered { u32::try_from(to.place).unwrap_or(u32::MAX) } else { 0 },
            event_id: arrival.event_id.into(),
            value,
            weight: arrival.weight,
            end: false,
            counted: false,
        };
        self.tick += 1;
        let tick = self.tick;
        let hits_max = self.limits.hits_per_window_max;
        let names = definition.group_by.iter().map(|field| field.name.clone());
        let group_values: Vec<_> = names.zip(values.iter().cloned()).collect();
        let observed = self.table.with(
            (to.definition, values),
            || Group::new(group_values.clone()),
            tick,
            definition.timespan,
            |group| group.observe(definition, hit, tick, hits_max),
        );
        if let Some(new) = observed.fired {
            match fired.iter_mut().find(|known| known.key == new.key) {
                Some(known) => *known = new,
                None => fired.push(new),
            }
        }
        let subscribers = definition.subscribers.clone();
        for (time, event_id) in &observed.new_ends {
            for &subscriber in &subscribers {
                let nested = Arrival {
                    event: arrival.event,
                    time: *time,
                    event_id,
                    weight: 1,
                    nested: &group_values,
                };
                self.arrive(subscriber, &nested, fired);
            }
        }
    }
}

/// Returns the text of a field, or `None` where there is none.
fn read_field(field: &Field, place: usize, arrival: &Arrival<'_>) -> Option<String> {
    let name = field.of_rule(place);
    if let Some((_, value)) = arrival.nested.iter().find(|(known, _)| known == name) {
        return Some(value.clone());
    }
    match arrival.event.get(name)? {
        Value::Null => None,
        list @ Value::List(values) => (!values.is_empty()).then(|| list.to_string()),
        scalar => scalar.to_text().map(|text| text.into_owned()),
    }
}

/// Cuts a text to the length limit, with a digest in place of the rest.
fn shortened(mut text: String) -> String {
    if text.len() > GROUP_VALUE_BYTES_MAX {
        let digest = crate::fired::key(&text, &[], 0);
        let end = text.floor_char_boundary(GROUP_VALUE_BYTES_MAX - digest.len() - 1);
        text.truncate(end);
        text.push('~');
        text.push_str(&digest);
    }
    text
}
