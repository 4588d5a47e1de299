//! Event: the one type that flows through the house.

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

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
    /// Those of the record are the first `used`; behind them is memory to be used again.
    fields: Vec<Field>,
    used: usize,
    places: Places,
    /// So many fields at the start stay over [`Event::reset`].
    kept: usize,
    /// Tells these fields from any others; 0 if nothing is kept.
    kept_id: u64,
    /// Texts of earlier records, to be used again.
    spares: Vec<CompactString>,
    source: Source,
}

/// A name and its value.
#[derive(Clone)]
struct Field {
    name: Cow<'static, str>,
    value: Value,
    /// Where in the text that is being decoded the value stands, if it is a piece of it.
    at: Option<u32>,
    /// Of the name, see [`place`].
    place: u16,
}

/// The text that fields are decoded from.
#[derive(Clone, Copy, Default)]
struct Source {
    /// Where it lies in memory, for as long as it does.
    start: usize,
    bytes: usize,
    /// The field that holds all of it.
    whole: Option<usize>,
}

/// Numbers what events keep, from 1.
static KEPT: AtomicU64 = AtomicU64::new(1);

/// Finds fields by name: without it every field set would be compared with all before it.
///
/// For each place 0, or one more than the number of a field whose name has it: the last one set.
#[derive(Clone, Copy)]
struct Places([u8; PLACES]);

const PLACES: usize = 1 << PLACES_LOG2;
/// Fields are some 30; one look in twenty for a name that is not there meets one that is.
const PLACES_LOG2: u32 = 9;

/// Where a name stands among [`Places`]. Known when compiling, for a constant.
#[inline(always)]
fn place(name: &str) -> u16 {
    let bytes = name.as_bytes();
    let number = match (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        (Some(first), Some(last)) => {
            u64::from_le_bytes(*first).rotate_left(23) ^ u64::from_le_bytes(*last)
        }
        _ => bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)),
    };
    // The top bits depend on all of them. Spec: Knuth, TAOCP 6.4, multiplicative hashing.
    let hash = (number ^ bytes.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (hash >> (u64::BITS - PLACES_LOG2)) as u16
}

impl Default for Places {
    fn default() -> Self {
        Self([0; PLACES])
    }
}

impl Places {
    #[inline(always)]
    fn get(&self, place: u16) -> u8 {
        self.0[usize::from(place) % PLACES]
    }

    /// Notes the field with this number; those from the 255th on share one.
    #[inline(always)]
    fn set(&mut self, place: u16, index: usize) {
        self.0[usize::from(place) % PLACES] = (index + 1).min(usize::from(u8::MAX)) as u8;
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
        self.source = Source::default();
        self.used = self.kept;
        self.index();
    }

    /// Notes all fields among the places anew.
    fn index(&mut self) {
        self.places = Places::default();
        for (index, field) in self.fields[..self.used].iter().enumerate() {
            self.places.set(field.place, index);
        }
    }

    /// Keeps the fields set so far over every [`Event::reset`]: what is true of all records to come.
    /// Setting one of them anew ends that for it and for those behind it; see [`Event::kept`].
    pub fn keep(&mut self) {
        self.kept = self.used;
        self.kept_id = KEPT.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns how many fields stay over a [`Event::reset`].
    #[must_use]
    pub fn kept(&self) -> usize {
        self.kept
    }

    /// Returns a number that stands for the fields kept: where it is the same, they are. 0 where it
    /// is not known.
    #[must_use]
    pub fn kept_id(&self) -> u64 {
        self.kept_id
    }

    /// Lets no field stay over the next [`Event::reset`].
    pub fn keep_none(&mut self) {
        self.kept = 0;
        self.kept_id = 0;
    }

    /// Runs what decodes a text into this event. Fields that are set meanwhile to pieces of the text,
    /// and one that is set to all of it, are known as such afterwards: see [`Event::piece`].
    pub fn decoded_from<R>(&mut self, text: &str, decode: impl FnOnce(&mut Self) -> R) -> R {
        // An address, never followed: it tells for as long as the text is borrowed, which is here.
        self.source = Source { start: text.as_ptr() as usize, bytes: text.len(), whole: None };
        let done = decode(self);
        (self.source.start, self.source.bytes) = (0, 0);
        done
    }

    /// Returns the text this event was decoded from, if a field still holds it.
    #[must_use]
    pub fn whole(&self) -> Option<&str> {
        self.fields[self.source.whole?].value.as_str()
    }

    /// Returns where in [`Event::whole`] the value of the field at a place stands, in bytes, if it is
    /// a piece of it. Of no meaning without the whole.
    #[must_use]
    #[inline]
    pub fn piece(&self, index: usize) -> Option<usize> {
        self.fields[..self.used].get(index)?.at.map(|at| at as usize)
    }

    /// Returns the value of a field by its dotted ECS name.
    ///
    /// `@timestamp` and `event.id` are not found here: they are [`Event::time`] and [`Event::id`].
    #[must_use]
    #[inline]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.position(name, place(name)).map(|index| &self.fields[index].value)
    }

    #[inline(always)]
    fn position(&self, name: &str, place: u16) -> Option<usize> {
        let number = usize::from(self.places.get(place));
        if number == 0 {
            return None;
        }
        match self.fields.get(number - 1) {
            Some(field) if field.name == name => Some(number - 1),
            _ => self.search(name),
        }
    }

    /// Finds a field whose place another one has, too.
    #[cold]
    fn search(&self, name: &str) -> Option<usize> {
        self.fields[..self.used].iter().position(|field| field.name == name)
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
        let name = name.into();
        let place = place(&name);
        let index = self.slot(name, place);
        let field = &mut self.fields[index];
        field.at = None;
        let old = std::mem::replace(&mut field.value, value.into());
        if let Value::Str(text) = old {
            spare(&mut self.spares, text);
        }
    }

    /// Sets a field to a text, as [`Event::set`] does, in memory that an earlier record needed.
    #[inline]
    pub fn set_text(&mut self, name: impl Into<Cow<'static, str>>, text: &str) {
        let name = name.into();
        let place = place(&name);
        self.put_text(name, place, text);
    }

    fn put_text(&mut self, name: Cow<'static, str>, place: u16, text: &str) {
        let index = self.slot(name, place);
        let at = self.place_of(text);
        let field = &mut self.fields[index];
        field.at = at;
        // Written where it stays: to move a value that was just made costs more than to make it.
        match &mut field.value {
            Value::Str(old)
                if text.len() <= old.capacity() && old.capacity() <= SPARE_BYTES_MAX =>
            {
                old.clear();
                old.push_str(text);
            }
            value => replace_text(value, text, &mut self.spares),
        }
        if at == Some(0) && text.len() == self.source.bytes && !text.is_empty() {
            self.source.whole = Some(index);
        }
    }

    /// Returns the number of the field with this name, which may hold anything.
    #[inline(always)]
    fn slot(&mut self, name: Cow<'static, str>, place: u16) -> usize {
        if let Some(index) = self.position(&name, place) {
            self.touch(index);
            return index;
        }
        let index = self.used;
        match self.fields.get_mut(index) {
            Some(field) => {
                field.name = name;
                field.place = place;
            }
            None => self.fields.push(Field { name, value: Value::Null, at: None, place }),
        }
        self.places.set(place, index);
        self.used += 1;
        index
    }

    /// Where in the text being decoded the piece stands, if it is one.
    #[inline(always)]
    fn place_of(&self, piece: &str) -> Option<u32> {
        let at = (piece.as_ptr() as usize).wrapping_sub(self.source.start);
        if at > self.source.bytes || piece.len() > self.source.bytes - at {
            return None;
        }
        u32::try_from(at).ok()
    }

    /// Forgets what is known of a field that gets another value or goes.
    fn touch(&mut self, index: usize) {
        if index < self.kept {
            (self.kept, self.kept_id) = (index, 0);
        }
        if self.source.whole == Some(index) {
            self.source.whole = None;
        }
    }

    /// Removes a field and returns what it held.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let index = self.position(name, place(name))?;
        self.touch(index);
        self.source.whole = self.source.whole.map(|whole| whole - usize::from(whole > index));
        let removed = self.fields.remove(index);
        self.used -= 1;
        self.index();
        Some(removed.value)
    }

    /// Returns the fields in the order they were set.
    #[inline]
    pub fn fields(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.fields[..self.used].iter().map(|field| (field.name.as_ref(), &field.value))
    }

    /// Returns the name and value of the field at a place in that order.
    #[must_use]
    #[inline]
    pub fn at(&self, index: usize) -> Option<(&str, &Value)> {
        self.fields[..self.used].get(index).map(|field| (field.name.as_ref(), &field.value))
    }

    /// Returns the name of the field at a place in that order, if it is one that lives as long as the
    /// program: its address then tells it from every other.
    #[must_use]
    #[inline]
    pub fn static_name(&self, index: usize) -> Option<&'static str> {
        match self.fields[..self.used].get(index)?.name {
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

/// Makes the value a text that has no room in what it was.
#[cold]
fn replace_text(value: &mut Value, text: &str, spares: &mut Vec<CompactString>) {
    let new = match spares.pop() {
        Some(mut spare) if text.len() > INLINE_BYTES_MAX => {
            spare.clear();
            spare.push_str(text);
            spare
        }
        other => {
            spares.extend(other);
            CompactString::new(text)
        }
    };
    if let Value::Str(old) = std::mem::replace(value, Value::Str(new)) {
        spare(spares, old);
    }
}

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
            fields: self.fields[..self.used].to_vec(),
            used: self.used,
            places: self.places,
            kept: self.kept,
            kept_id: self.kept_id,
            spares: Vec::new(),
            source: Source { start: 0, bytes: 0, ..self.source },
        }
    }
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        (self.time, &self.id) == (other.time, &other.id) && self.fields().eq(other.fields())
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("time", &self.time)
            .field("id", &self.id)
            .field("fields", &self.fields().collect::<Vec<_>>())
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
