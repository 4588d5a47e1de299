//! Event: the one type that flows through the house.

mod origin;
mod places;
mod slots;
mod stored;
#[cfg(test)]
mod tests;
mod told;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use self::origin::Origin;
use self::places::{Places, place};
use self::slots::{Field, Slots};
pub use self::stored::FieldValue;
use self::stored::{Span, Stored};
pub use self::told::{Form, Told, ToldFrom};
use crate::{Timestamp, Value, ValueRef, field};

/// Texts larger than this are given back once the record is done: one long line must not hold memory
/// for ever.
const KEPT_BYTES_MAX: usize = 16 * 1024;

/// A decoded record: its time, its identity and its ECS fields.
///
/// Fields are a short list (10 to 40 in practice) in the order they were set; a name occurs at most
/// once.
///
/// One event can serve for one record after the other ([`Event::reset`]): fields and texts then take
/// the memory of those before them, and nothing is allocated for a line.
///
/// `Event` is not serialisable on purpose: wire form, table row and API body are forms of their own,
/// each owned by its crate.
#[derive(Clone, Default)]
pub struct Event {
    /// When it happened (`@timestamp`).
    pub time: Timestamp,
    /// Who it is (`event.id`): 32 hexadecimal digits, the same whenever the same bytes are read. Empty
    /// where it follows from [`Event::origin`] and nobody has asked for it.
    pub id: String,
    origin: Origin,
    fields: Slots,
    places: Places,
    texts: Texts,
    kept: Kept,
    /// The field that holds all of the text it was decoded from.
    whole: Option<usize>,
}

/// The texts of an event.
#[derive(Debug, Clone, Default)]
struct Texts {
    /// A copy of the text it was decoded from.
    source: String,
    /// Where the original of it lies in memory and ends, for as long as it does.
    lies: (usize, usize),
    /// All others, one behind the other.
    block: String,
    /// Names that do not live as long as the program.
    names: Vec<String>,
    lists: Vec<Arc<[Value]>>,
}

/// What stays over [`Event::reset`].
#[derive(Clone, Copy, Default)]
struct Kept {
    /// Fields, at the start.
    fields: usize,
    /// Of the block, at the start.
    bytes: usize,
    /// Of the names and of the lists.
    names: usize,
    lists: usize,
    /// Tells them from any others; 0 if it is not known what is kept.
    id: u64,
}

/// Numbers what events keep, from 1.
static KEPT: AtomicU64 = AtomicU64::new(1);

impl Texts {
    /// Stores a list.
    fn list(&mut self, list: Arc<[Value]>) -> Stored {
        let number = u32::try_from(self.lists.len()).unwrap_or(u32::MAX);
        self.lists.push(list);
        Stored::List(number)
    }

    /// Stores a text: a piece of the one being decoded as its place there, others as a copy. Says also
    /// whether it is all of the one being decoded.
    fn store(&mut self, text: &str) -> (Stored, bool) {
        self.piece(text).unwrap_or_else(|| (self.own(text), false))
    }

    /// As [`Texts::store`], of a piece of the text being decoded.
    #[inline(always)]
    fn piece(&self, text: &str) -> Option<(Stored, bool)> {
        let start = text.as_ptr() as usize;
        if start < self.lies.0 || start + text.len() > self.lies.1 {
            return None;
        }
        // The text is as long as spans can say, see `decoded_from`.
        let start = (start - self.lies.0) as u32;
        let is_whole = text.len() == self.source.len() && !text.is_empty();
        Some((Stored::Piece(Span { start, bytes: text.len() as u32 }), is_whole))
    }

    /// Stores a text as a copy.
    #[inline]
    fn own(&mut self, text: &str) -> Stored {
        let start = self.block.len();
        match (u32::try_from(start), u32::try_from(start + text.len())) {
            (Ok(start), Ok(end)) => {
                self.block.push_str(text);
                Stored::Own(Span { start, bytes: end - start })
            }
            // An event of 4 GiB: no record is a thousandth of that.
            _ => Stored::Null,
        }
    }
}

impl Event {
    /// Returns an event without fields.
    #[must_use]
    pub fn new(time: Timestamp, id: String) -> Self {
        Self { time, id, fields: Slots::with_capacity(24), ..Self::default() }
    }

    /// Makes it the event of another record: without id and fields, but for those that
    /// [`Event::keep`] kept.
    pub fn reset(&mut self, time: Timestamp) {
        self.time = time;
        self.id.clear();
        self.origin.offset = None;
        self.whole = None;
        self.fields.truncate(self.kept.fields);
        // A decoder may begin anew in the middle of its text.
        if self.texts.lies == (0, 0) {
            self.texts.source.clear();
        }
        self.texts.block.truncate(self.kept.bytes);
        self.texts.names.truncate(self.kept.names);
        self.texts.lists.truncate(self.kept.lists);
        for text in [&mut self.texts.source, &mut self.texts.block] {
            if text.capacity() > KEPT_BYTES_MAX {
                text.shrink_to(KEPT_BYTES_MAX);
            }
        }
        self.index();
    }

    /// Notes all fields among the places anew.
    fn index(&mut self) {
        self.places = Places::default();
        for (index, field) in self.fields.iter_mut().enumerate() {
            field.next = self.places.get(field.place);
            self.places.set(field.place, index);
        }
    }

    /// Keeps the fields set so far over every [`Event::reset`]: what is true of all records to come.
    /// Setting one of them anew ends that for it and for those behind it; see [`Event::kept`].
    pub fn keep(&mut self) {
        // The text they are pieces of goes.
        self.own_pieces();
        self.whole = None;
        let id = KEPT.fetch_add(1, Ordering::Relaxed);
        let Texts { block, names, lists, .. } = &self.texts;
        let (bytes, names, lists) = (block.len(), names.len(), lists.len());
        self.kept = Kept { fields: self.fields.len(), bytes, names, lists, id };
    }

    /// Returns the id as the 16 bytes that its digits stand for; `None` if it is not made of 32 lower-case
    /// hexadecimal digits.
    #[must_use]
    #[inline]
    pub fn binary_id(&self) -> Option<[u8; 16]> {
        let digits: &[u8; 32] = self.id.as_bytes().try_into().ok()?;
        // Without a way out of the loop, so that the compiler makes a few wide operations of it.
        let mut is_hex = true;
        let mut numbers = [0; 32];
        for (number, digit) in numbers.iter_mut().zip(digits) {
            is_hex &= digit.is_ascii_digit() | (b'a'..=b'f').contains(digit);
            *number = (digit & 0xf) + 9 * (digit >> 6);
        }
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(numbers.as_chunks::<2>().0) {
            *byte = pair[0] << 4 | pair[1];
        }
        is_hex.then_some(bytes)
    }

    /// Returns how many fields stay over a [`Event::reset`].
    #[must_use]
    pub fn kept(&self) -> usize {
        self.kept.fields
    }

    /// Returns a number that stands for the fields kept: where it is the same, they are. 0 where it
    /// is not known.
    #[must_use]
    pub fn kept_id(&self) -> u64 {
        self.kept.id
    }

    /// Lets no field stay over the next [`Event::reset`].
    pub fn keep_none(&mut self) {
        self.kept = Kept::default();
    }

    /// Runs what decodes a text into this event. Fields that are set meanwhile to pieces of the text
    /// are stored, and known, as such: see [`Event::piece`]. Those of a text decoded before are copied.
    pub fn decoded_from<R>(&mut self, text: &str, decode: impl FnOnce(&mut Self) -> R) -> R {
        self.own_pieces();
        self.whole = None;
        if u32::try_from(text.len()).is_ok() {
            self.texts.source.clear();
            self.texts.source.push_str(text);
            // Addresses, never followed: they tell for as long as the text is borrowed, which is here.
            let start = text.as_ptr() as usize;
            self.texts.lies = (start, start + text.len());
        }
        let done = decode(self);
        self.texts.lies = (0, 0);
        done
    }

    fn own_pieces(&mut self) {
        for field in self.fields.iter_mut() {
            if let Stored::Piece(_) = field.stored {
                let text = field.stored.value(&self.texts).to_value();
                field.stored = stored::sealed::Store::store(text, &mut self.texts);
            }
        }
    }

    /// Returns the text this event was decoded from, if a field still holds it.
    #[must_use]
    pub fn whole(&self) -> Option<&str> {
        self.whole.map(|_| self.texts.source.as_str())
    }

    /// Returns where in [`Event::whole`] the value of the field at a place stands, in bytes, if it is
    /// a piece of it. Of no meaning without the whole.
    #[must_use]
    #[inline]
    pub fn piece(&self, index: usize) -> Option<usize> {
        match self.fields.get(index)?.stored {
            Stored::Piece(span) => Some(span.start as usize),
            _ => None,
        }
    }

    /// Says whether the value of the field at a place is a piece of [`Event::whole`], which another
    /// field holds.
    #[must_use]
    #[inline]
    pub fn is_covered(&self, index: usize) -> bool {
        self.whole.is_some_and(|whole| whole != index) && self.piece(index).is_some()
    }

    /// Returns the value of a field by its dotted ECS name.
    ///
    /// `@timestamp` and `event.id` are not found here: they are [`Event::time`] and [`Event::id`].
    #[must_use]
    #[inline(always)]
    pub fn get(&self, name: &str) -> Option<ValueRef<'_>> {
        // Inlined, so that the place of a constant is one.
        self.get_at(name, place(name))
    }

    fn get_at(&self, name: &str, place: u16) -> Option<ValueRef<'_>> {
        let field = self.fields.get(self.position(name, place)?)?;
        Some(field.stored.value(&self.texts))
    }

    #[inline(always)]
    fn position(&self, name: &str, place: u16) -> Option<usize> {
        let number = self.places.get(place);
        let index = usize::from(number).checked_sub(1)?;
        // The same constant, mostly: then its address tells.
        match self.fields.get(index) {
            Some(field) if field.own == 0 && std::ptr::eq(field.name, name) => Some(index),
            _ => self.search(name, number),
        }
    }

    /// Finds a field among those that have a place in common, the last of which has this number.
    fn search(&self, name: &str, mut number: u8) -> Option<usize> {
        // Fields from the 255th on share this number.
        if number == u8::MAX {
            return self.fields.iter().position(|field| field.name(&self.texts) == name);
        }
        loop {
            let index = usize::from(number).checked_sub(1)?;
            let field = self.fields.get(index)?;
            if field.name(&self.texts) == name {
                return Some(index);
            }
            number = field.next;
        }
    }

    /// Returns the text of a field, if it is there and holds text.
    #[must_use]
    #[inline(always)]
    pub fn get_str(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(ValueRef::as_str)
    }

    /// Sets a field, replacing what it held.
    #[inline]
    pub fn set(&mut self, name: impl Into<Cow<'static, str>>, value: impl FieldValue) {
        let stored = value.store(&mut self.texts);
        match name.into() {
            Cow::Borrowed(name) => self.put_static(name, place(name), stored),
            Cow::Owned(name) => {
                self.put_owned(name, stored);
            }
        }
    }

    /// Sets a field to a text that need not live longer than the call.
    #[inline]
    pub fn set_text(&mut self, name: impl Into<Cow<'static, str>>, text: &str) {
        match name.into() {
            Cow::Borrowed(name) => self.put_text(name, place(name), text),
            Cow::Owned(name) => {
                let (stored, is_whole) = self.texts.store(text);
                let index = self.put_owned(name, stored);
                self.whole = if is_whole { Some(index) } else { self.whole };
            }
        }
    }

    /// The usual case without a call, which would cost as much as all the rest: a piece of the text, for a
    /// field that is not there.
    fn put_text(&mut self, name: &'static str, place: u16, text: &str) {
        if let Some((stored, is_whole)) = self.texts.piece(text)
            && self.add(name, place, stored)
        {
            if is_whole {
                self.whole = Some(self.fields.len() - 1);
            }
            return;
        }
        self.put_text_anyhow(name, place, text);
    }

    #[inline(never)]
    fn put_text_anyhow(&mut self, name: &'static str, place: u16, text: &str) {
        let (stored, is_whole) = self.texts.store(text);
        let index = self.put_anyhow(name, place, stored);
        if is_whole {
            self.whole = Some(index);
        }
    }

    #[inline(always)]
    fn put_static(&mut self, name: &'static str, place: u16, stored: Stored) {
        if !self.add(name, place, stored) {
            self.put_anyhow(name, place, stored);
        }
    }

    /// Adds a field whose name no other can have, if there is room, and says whether it did.
    #[inline(always)]
    fn add(&mut self, name: &'static str, place: u16, stored: Stored) -> bool {
        if self.places.get(place) != 0 {
            return false;
        }
        let index = self.fields.len();
        let is_added = self.fields.write(Field { name, own: 0, stored, place, next: 0 });
        if is_added {
            self.places.set(place, index);
        }
        is_added
    }

    /// Returns the number of the field.
    #[inline(never)]
    fn put_anyhow(&mut self, name: &'static str, place: u16, stored: Stored) -> usize {
        if let Some(index) = self.position(name, place) {
            return self.replace(index, stored);
        }
        let next = self.places.get(place);
        let index = self.fields.push(Field { name, own: 0, stored, place, next });
        self.places.set(place, index);
        index
    }

    fn put_owned(&mut self, name: String, stored: Stored) -> usize {
        let place = place(&name);
        if let Some(index) = self.position(&name, place) {
            return self.replace(index, stored);
        }
        let next = self.places.get(place);
        self.texts.names.push(name);
        // More than 4 billion names: an event would be larger than any record is long.
        let own = u32::try_from(self.texts.names.len()).unwrap_or(u32::MAX);
        let index = self.fields.push(Field { name: "", own, stored, place, next });
        self.places.set(place, index);
        index
    }

    fn replace(&mut self, index: usize, stored: Stored) -> usize {
        self.touch(index);
        self.fields[index].stored = stored;
        index
    }

    /// Forgets what is known of a field that gets another value or goes.
    fn touch(&mut self, index: usize) {
        if index < self.kept.fields {
            self.kept = Kept { fields: index, id: 0, ..self.kept };
        }
        if self.whole == Some(index) {
            self.whole = None;
        }
    }

    /// Removes a field and returns what it held.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let index = self.position(name, place(name))?;
        self.touch(index);
        self.whole = self.whole.map(|whole| whole - usize::from(whole > index));
        let removed = self.fields.remove(index);
        self.index();
        Some(removed.stored.value(&self.texts).to_value())
    }

    /// Returns the fields in the order they were set.
    #[inline]
    pub fn fields(&self) -> impl ExactSizeIterator<Item = (&str, ValueRef<'_>)> {
        self.fields.iter().map(|field| (field.name(&self.texts), field.stored.value(&self.texts)))
    }

    /// Returns the name and value of the field at a place in that order.
    #[must_use]
    #[inline]
    pub fn at(&self, index: usize) -> Option<(&str, ValueRef<'_>)> {
        let field = self.fields.get(index)?;
        Some((field.name(&self.texts), field.stored.value(&self.texts)))
    }

    /// Returns the name of the field at a place in that order, if it is one that lives as long as the
    /// program: its address then tells it from every other.
    #[must_use]
    #[inline]
    pub fn static_name(&self, index: usize) -> Option<&'static str> {
        let field = self.fields.get(index)?;
        (field.own == 0).then_some(field.name)
    }

    /// Returns the ids of the rules that hit this event, as attached at the edge.
    pub fn rule_ids(&self) -> impl Iterator<Item = &str> {
        self.get(field::RULE_ID).into_iter().flat_map(ValueRef::items).filter_map(ValueRef::as_str)
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
