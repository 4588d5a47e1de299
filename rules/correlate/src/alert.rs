//! Alert: what a group fired for in one slot, as it stands.

use std::borrow::Cow;
use std::sync::Arc;

use rules_event::{Timestamp, field};

use crate::bytes::{Reader, write_bytes, write_signed, write_unsigned};
use crate::definition::Definition;
use crate::fired::{EVENT_IDS_MAX, Fired, Witness, key};
use crate::hit::{EventId, Hit};
use crate::{sketch, thin};

/// Every hit in a window that satisfies the condition and ends in the slot.
#[derive(Debug)]
pub(crate) struct Alert {
    pub(crate) slot: i64,
    first: i64,
    last: i64,
    count: u64,
    values: u64,
    measured: Option<(i64, f64)>,
    estimated: bool,
    sketched: bool,
    /// The oldest hits, sorted: time, event id, and for kinds that look at rules the rule's place.
    events: Vec<(i64, EventId, u8)>,
    /// Their ids as told last, while they stay the same.
    told: Option<Arc<[String]>>,
    /// Whom the witness is of.
    seen: Option<(i64, EventId)>,
    witness: Witness,
    key: String,
    /// Places of rules, as bits, that have their share of events.
    full: u64,
    /// It is not told before it counts so many, or time comes so far.
    quiet: Option<(u64, i64)>,
}

impl Alert {
    pub(crate) fn new(slot: i64, definition: &Definition, group: &[(String, String)]) -> Self {
        Self {
            slot,
            first: i64::MAX,
            last: i64::MIN,
            count: 0,
            values: 0,
            measured: None,
            estimated: false,
            sketched: false,
            events: Vec::new(),
            told: None,
            seen: None,
            witness: Witness::default(),
            key: key(&definition.id, group, slot),
            full: 0,
            quiet: None,
        }
    }

    pub(crate) fn save(&self, out: &mut Vec<u8>) {
        for time in [self.slot, self.first, self.last] {
            write_signed(out, time);
        }
        write_unsigned(out, self.count);
        write_unsigned(out, self.values);
        out.push(u8::from(self.estimated) | u8::from(self.sketched) << 1);
        out.push(u8::from(self.measured.is_some()) | u8::from(self.seen.is_some()) << 1);
        if let Some((time, measure)) = self.measured {
            write_signed(out, time);
            out.extend_from_slice(&measure.to_le_bytes());
        }
        if let Some((time, id)) = &self.seen {
            write_signed(out, *time);
            id.write(out);
            let Witness { agent, organization, system, host, user } = &self.witness;
            for text in [agent, organization, system, host, user] {
                out.push(u8::from(text.is_some()));
                write_bytes(out, text.as_deref().unwrap_or_default().as_bytes());
            }
        }
        write_unsigned(out, self.events.len() as u64);
        for (time, id, place) in &self.events {
            write_signed(out, time.wrapping_sub(self.slot));
            id.write(out);
            out.push(*place);
        }
    }

    /// Reads an alert of a group; without the definition one that nobody will ask.
    pub(crate) fn load(
        from: &mut Reader<'_>,
        definition: Option<&Definition>,
        group: Option<&[(String, String)]>,
    ) -> Option<Self> {
        let (slot, first, last) = (from.signed()?, from.signed()?, from.signed()?);
        let (count, values) = (from.unsigned()?, from.unsigned()?);
        let (off, has) = (from.byte()?, from.byte()?);
        let mut measured = None;
        if has & 1 != 0 {
            measured = Some((from.signed()?, f64::from_le_bytes(from.array()?)));
        }
        let (mut seen, mut witness) = (None, Witness::default());
        if has & 2 != 0 {
            seen = Some((from.signed()?, EventId::read(from)?));
            let Witness { agent, organization, system, host, user } = &mut witness;
            for text in [agent, organization, system, host, user] {
                let (there, value) = (from.byte()? != 0, from.text()?);
                *text = there.then(|| value.to_owned());
            }
        }
        let mut events = Vec::new();
        for _ in 0..from.count()? {
            let time = from.signed()?.wrapping_add(slot);
            events.push((time, EventId::read(from)?, from.byte()?));
        }
        let key = match (definition, group) {
            (Some(definition), Some(group)) => key(&definition.id, group, slot),
            _ => String::new(),
        };
        let (estimated, sketched) = (off & 1 != 0, off & 2 != 0);
        let told = None;
        Some(Self {
            slot,
            first,
            last,
            count,
            values,
            measured,
            estimated,
            sketched,
            events,
            told,
            seen,
            witness,
            key,
            full: 0,
            quiet: None,
        })
    }

    pub(crate) fn bytes(&self) -> usize {
        let told = self.told.as_ref().map_or(0, |told| {
            told.iter().map(|id| id.capacity() + size_of::<String>()).sum::<usize>()
        });
        self.events.capacity() * size_of::<(i64, EventId, u8)>() + told + self.key.capacity()
    }

    /// Counts a hit. It is kept as evidence if it is among the oldest. Where rules follow each
    /// other, each has its share, so that a thousand failures do not hide the one success after.
    pub(crate) fn count(&mut self, hit: &Hit, definition: &Definition) {
        self.count = self.count.saturating_add(u64::from(hit.weight));
        self.first = self.first.min(hit.time);
        self.last = self.last.max(hit.time);
        let (place, share) = match definition.plan.by_rule() {
            false => (0, EVENT_IDS_MAX),
            true => (hit.place, EVENT_IDS_MAX / definition.rules.max(1)),
        };
        let order = |known: &(i64, EventId, u8)| {
            (known.0, &known.1, known.2).cmp(&(hit.time, &hit.id, place))
        };
        // A place that has its share keeps it.
        let bit = 1_u64.checked_shl(u32::from(place)).unwrap_or(0);
        let full = self.full & bit != 0
            || self.events.len() >= share
                && self.events.iter().filter(|known| known.2 == place).count() >= share;
        if full {
            self.full |= bit;
            if self.events.last().is_some_and(|last| order(last).is_le()) {
                return;
            }
        }
        let youngest = || self.events.iter().rev().find(|known| known.2 == place);
        if full && youngest().is_none_or(|youngest| order(youngest).is_le()) {
            return;
        }
        let Err(index) = self.events.binary_search_by(order) else { return };
        self.events.insert(index, (hit.time, hit.id, place));
        self.told = None;
        if full && let Some(youngest) = self.events.iter().rposition(|known| known.2 == place) {
            self.events.remove(youngest);
        }
    }

    /// Notes what the window held that ends at a hit.
    pub(crate) fn reached(&mut self, values: u64, estimated: bool, sketched: bool) {
        self.values = self.values.max(values);
        self.estimated |= estimated;
        self.sketched |= sketched;
    }

    /// Notes what was measured at a time.
    pub(crate) fn measured(&mut self, time: i64, measure: f64) {
        if self.measured.is_none_or(|(known, _)| known <= time) {
            self.measured = Some((time, measure));
        }
    }

    /// Notes where a hit was seen, if no later one is known.
    pub(crate) fn seen<'a>(&mut self, hit: &Hit, read: &dyn Fn(&str) -> Option<Cow<'a, str>>) {
        let newer = |(time, id): &(i64, EventId)| (*time, id) <= (hit.time, &hit.id);
        if !self.seen.as_ref().is_none_or(newer) {
            return;
        }
        self.seen = Some((hit.time, hit.id));
        let Witness { agent, organization, system, host, user } = &mut self.witness;
        renew(agent, read(field::AGENT_ID));
        renew(organization, read(field::ORGANIZATION_ID));
        renew(system, read(field::VONGLAU_SYSTEM_ID));
        renew(host, read(field::AGENT_HOST).or_else(|| read(field::HOST_NAME)));
        renew(user, read(field::USER_NAME));
    }

    /// Is not told before it counts `count`, or time comes to `until`.
    pub(crate) fn be_quiet(&mut self, count: u64, until: i64) {
        self.quiet = Some((count, until));
        // Not wanted again soon.
        self.told = None;
    }

    /// Whether nobody wants to hear of it now.
    pub(crate) fn is_quiet(&self, newest: i64) -> bool {
        self.quiet.is_some_and(|(count, until)| self.count < count && newest < until)
    }

    pub(crate) fn told(
        &mut self,
        definition: &Definition,
        group: &Arc<[(String, String)]>,
    ) -> Fired {
        let events = &self.events;
        let event_ids =
            self.told.get_or_insert_with(|| events.iter().map(|(_, id, _)| id.text()).collect());
        let error = match (self.sketched, self.estimated) {
            (true, _) => sketch::ERROR.max(thin::error(definition)),
            (false, true) => thin::error(definition),
            (false, false) => 0.0,
        };
        Fired {
            correlation_id: definition.id.clone(),
            group: group.clone(),
            first: Timestamp::from_nanos(self.first),
            last: Timestamp::from_nanos(self.last),
            count: self.count,
            values: self.values,
            measure: self.measured.map(|(_, measure)| measure),
            estimated: self.estimated,
            error,
            event_ids: event_ids.clone(),
            witness: self.witness.clone(),
            key: self.key.clone(),
        }
    }
}

/// Replaces a text, unless it is the same.
fn renew(known: &mut Option<String>, text: Option<Cow<'_, str>>) {
    if known.as_deref() != text.as_deref() {
        *known = text.map(Cow::into_owned);
    }
}
