//! Event: the one type that flows through the house.

use std::borrow::Cow;
use std::fmt;

use compact_str::CompactString;

use crate::{Timestamp, Value, field};

/// Texts kept for the next event's values after [`Event::reset`]. An event of a log has some ten that
/// do not fit into a value.
const SPARES_MAX: usize = 32;

/// A text larger than this is given back: one long line must not hold memory for ever.
const SPARE_BYTES_MAX: usize = 4 * 1024;

/// A decoded record: its time, its identity and its ECS fields.
///
/// Fields are a short list (10 to 40 in practice), so that look-up is a scan over one cache-friendly
/// vector and the order of decoding is kept. A name occurs at most once.
///
/// One event can serve for one record after the other ([`Event::reset`]): names and texts then take
/// the memory of those before them, and nothing is allocated for a line.
///
/// `Event` is not serialisable on purpose: wire form, table row and API body are forms of their own,
/// each owned by its crate.
#[derive(Default)]
pub struct Event {
    /// When it happened (`@timestamp`).
    pub time: Timestamp,
    /// Who it is (`event.id`): 32 hexadecimal digits, the same whenever the same bytes are read.
    pub id: String,
    fields: Vec<(Cow<'static, str>, Value)>,
    /// Says of most names that are not there that they are not.
    names: NameFilter,
    /// So many fields at the start stay over [`Event::reset`].
    kept: usize,
    /// Texts of earlier records, to be used again.
    spares: Vec<CompactString>,
}

/// A set of names that may say yes to one that is not in it. Without it every field set would be
/// compared with all before it.
#[derive(Clone, Copy, Default)]
struct NameFilter([u64; 4]);

/// Where a name stands in the filter: a number below 256. Known when compiling, for a constant.
#[inline(always)]
fn place(name: &str) -> u8 {
    let bytes = name.as_bytes();
    let number = match (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        (Some(first), Some(last)) => {
            u64::from_le_bytes(*first).rotate_left(23) ^ u64::from_le_bytes(*last)
        }
        _ => bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)),
    };
    // The top byte depends on all of them. Spec: Knuth, TAOCP 6.4, multiplicative hashing.
    ((number ^ bytes.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

impl NameFilter {
    #[inline(always)]
    fn may_hold(&self, place: u8) -> bool {
        self.0[usize::from(place >> 6)] & (1 << (place & 63)) != 0
    }

    #[inline(always)]
    fn add(&mut self, place: u8) {
        self.0[usize::from(place >> 6)] |= 1 << (place & 63);
    }
}

impl Event {
    /// Returns an event without fields.
    #[must_use]
    pub fn new(time: Timestamp, id: String) -> Self {
        Self { time, id, fields: Vec::with_capacity(24), ..Self::default() }
    }

    /// Makes it the event of another record: without id and fields, but for those that
    /// [`Event::keep`] kept.
    pub fn reset(&mut self, time: Timestamp) {
        self.time = time;
        self.id.clear();
        for (_, value) in self.fields.drain(self.kept..) {
            if let Value::Str(text) = value {
                spare(&mut self.spares, text);
            }
        }
        self.names = NameFilter::default();
        for (name, _) in &self.fields {
            self.names.add(place(name));
        }
    }

    /// Keeps the fields set so far over every [`Event::reset`]: what is true of all records to come.
    /// Setting one of them anew ends that for it and for those behind it; see [`Event::kept`].
    pub fn keep(&mut self) {
        self.kept = self.fields.len();
    }

    /// Returns how many fields stay over a [`Event::reset`].
    #[must_use]
    pub fn kept(&self) -> usize {
        self.kept
    }

    /// Lets no field stay over the next [`Event::reset`].
    pub fn keep_none(&mut self) {
        self.kept = 0;
    }

    /// Returns the value of a field by its dotted ECS name.
    ///
    /// `@timestamp` and `event.id` are not found here: they are [`Event::time`] and [`Event::id`].
    #[must_use]
    #[inline]
    pub fn get(&self, name: &str) -> Option<&Value> {
        if !self.names.may_hold(place(name)) {
            return None;
        }
        self.find(name)
    }

    fn find(&self, name: &str) -> Option<&Value> {
        self.fields.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Returns the text of a field, if it is there and holds text.
    #[must_use]
    #[inline]
    pub fn get_str(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }

    /// Sets a field, replacing what it held.
    #[inline]
    pub fn set(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Value>) {
        let (name, value) = (name.into(), value.into());
        let place = place(&name);
        self.put(name, place, value);
    }

    /// Sets a field to a text, as [`Event::set`] does, in memory that an earlier record needed.
    #[inline]
    pub fn set_text(&mut self, name: impl Into<Cow<'static, str>>, text: &str) {
        let name = name.into();
        let place = place(&name);
        self.put_text(name, place, text);
    }

    fn put_text(&mut self, name: Cow<'static, str>, place: u8, text: &str) {
        let value = if text.len() <= INLINE_BYTES_MAX {
            CompactString::new(text)
        } else {
            match self.spares.pop() {
                Some(mut spare) => {
                    spare.clear();
                    spare.push_str(text);
                    spare
                }
                None => CompactString::new(text),
            }
        };
        self.put(name, place, Value::Str(value));
    }

    fn put(&mut self, name: Cow<'static, str>, place: u8, value: Value) {
        if self.names.may_hold(place)
            && let Some(index) = self.fields.iter().position(|(key, _)| *key == name)
        {
            self.kept = self.kept.min(index);
            if let Value::Str(text) = std::mem::replace(&mut self.fields[index].1, value) {
                spare(&mut self.spares, text);
            }
            return;
        }
        self.names.add(place);
        self.fields.push((name, value));
    }

    /// Removes a field and returns what it held.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let index = self.fields.iter().position(|(key, _)| key == name)?;
        self.kept = self.kept.min(index);
        Some(self.fields.remove(index).1)
    }

    /// Returns the fields in the order they were set.
    #[inline]
    pub fn fields(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.fields.iter().map(|(name, value)| (name.as_ref(), value))
    }

    /// Returns the name and value of the field at a place in that order.
    #[must_use]
    #[inline]
    pub fn at(&self, index: usize) -> Option<(&str, &Value)> {
        self.fields.get(index).map(|(name, value)| (name.as_ref(), value))
    }

    /// Returns the name of the field at a place in that order, if it is one that lives as long as the
    /// program: its address then tells it from every other.
    #[must_use]
    #[inline]
    pub fn static_name(&self, index: usize) -> Option<&'static str> {
        match self.fields.get(index)?.0 {
            Cow::Borrowed(name) => Some(name),
            Cow::Owned(_) => None,
        }
    }

    /// Returns the ids of the rules that hit this event, as attached at the edge.
    pub fn rule_ids(&self) -> impl Iterator<Item = &str> {
        self.get(field::RULE_ID).map_or(&[][..], Value::as_slice).iter().filter_map(Value::as_str)
    }
}

/// The longest text that lies in a value itself.
const INLINE_BYTES_MAX: usize = size_of::<CompactString>();

/// Keeps the memory of a text that is no longer needed.
fn spare(spares: &mut Vec<CompactString>, text: CompactString) {
    if text.is_heap_allocated() && text.capacity() <= SPARE_BYTES_MAX && spares.len() < SPARES_MAX {
        spares.push(text);
    }
}

impl Clone for Event {
    fn clone(&self) -> Self {
        Self {
            time: self.time,
            id: self.id.clone(),
            fields: self.fields.clone(),
            names: self.names,
            kept: self.kept,
            spares: Vec::new(),
        }
    }
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        (self.time, &self.id, &self.fields) == (other.time, &other.id, &other.fields)
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("time", &self.time)
            .field("id", &self.id)
            .field("fields", &self.fields)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_occurs_once() {
        let mut event = Event::new(Timestamp::from_seconds(1), "ab".into());
        event.set(field::MESSAGE, "one");
        event.set(field::MESSAGE, "two");
        assert_eq!(event.get_str(field::MESSAGE), Some("two"));
        assert_eq!(event.fields().len(), 1);
        assert_eq!(event.remove(field::MESSAGE), Some(Value::from("two")));
        assert_eq!(event.get(field::MESSAGE), None);
    }

    #[test]
    fn one_event_serves_for_many_records() {
        let long = "x".repeat(100);
        let mut event = Event::new(Timestamp::from_seconds(1), "ab".into());
        event.set_text(field::AGENT_HOST, &long);
        event.keep();
        event.set_text(field::MESSAGE, &long);
        event.set(field::SOURCE_PORT, 22);
        event.reset(Timestamp::from_seconds(2));
        assert_eq!((event.id.as_str(), event.fields().len(), event.kept()), ("", 1, 1));
        assert_eq!(event.get(field::MESSAGE), None);
        event.set_text(field::MESSAGE, &long[..50]);
        let mut fresh = Event::new(Timestamp::from_seconds(2), String::new());
        fresh.set_text(field::AGENT_HOST, &long);
        fresh.set_text(field::MESSAGE, &long[..50]);
        assert_eq!((&event, &event.clone()), (&fresh, &fresh));
        // What is set anew is not true of all records.
        event.set_text(field::AGENT_HOST, "other");
        event.reset(Timestamp::from_seconds(3));
        assert_eq!((event.fields().len(), event.kept()), (0, 0));
    }

    #[test]
    fn a_name_is_found_whatever_the_filter_says() {
        let mut event = Event::default();
        let names: Vec<String> = (0..1_000).map(|number| format!("name.{number}")).collect();
        for (number, name) in (0..).zip(&names) {
            assert_eq!(event.get(name), None);
            event.set(name.clone(), number);
        }
        for (number, name) in (0..).zip(&names) {
            assert_eq!(event.get(name).and_then(Value::as_int), Some(number));
            event.set(name.clone(), number + 1);
        }
        assert_eq!(event.fields().len(), names.len());
    }

    #[test]
    fn rule_ids_reads_one_or_many() {
        let mut event = Event::default();
        assert_eq!(event.rule_ids().count(), 0);
        event.set(field::RULE_ID, "a");
        assert_eq!(event.rule_ids().collect::<Vec<_>>(), ["a"]);
        event.set(field::RULE_ID, Value::List(vec!["a".into(), "b".into()]));
        assert_eq!(event.rule_ids().collect::<Vec<_>>(), ["a", "b"]);
    }
}
