//! Shapes: which fields events have, in what order and of what kind, once a section.
//!
//! Events of one kind of log mostly have the same fields, and many of those hold one of few words. A shape
//! is all that, so that an event is its number and what is its own.

use rules_event::{Form, Told, ValueRef};

use super::{KINDS, kind_of, simple};

/// Shapes of a section; events of further ones tell their fields themselves. A section of logs has some
/// forty, and so many fit into one byte.
pub(super) const SHAPES_MAX: usize = 128;
/// Fields of a shape. With [`SHAPES_MAX`] it bounds what a section makes a writer keep: 128 KiB.
const FIELDS_MAX: usize = 64;
/// Places of the table by hash.
const PLACES: usize = 1 << PLACES_LOG2;
const PLACES_LOG2: u32 = 9;
/// Places a shape may stand at, one behind the other: those that find none free are told with the event.
const LOOKS_MAX: usize = 4;

/// What tells a field of a shape from another: its name, and its kind or word, by their addresses.
type Key = [u64; 2];

/// Keys of one event.
#[derive(Debug)]
struct Keys([Key; FIELDS_MAX]);

impl Default for Keys {
    fn default() -> Self {
        Self([Key::default(); FIELDS_MAX])
    }
}

/// The shapes of a section and their numbers.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    /// Keys of all shapes, one behind the other.
    keys: Vec<Key>,
    places: Vec<Place>,
    /// Shapes known.
    count: u32,
    /// Places of earlier sections are of no meaning.
    section: u32,
    /// The keys of the event at hand, and how many of them are known.
    asked: Box<Keys>,
    fields: usize,
    hash: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Place {
    hash: u64,
    section: u32,
    number: u8,
    first: u32,
    fields: u32,
}

impl Shapes {
    /// Forgets all shapes.
    pub(super) fn clear(&mut self) {
        self.keys.clear();
        self.count = 0;
        self.section = self.section.wrapping_add(1);
        if self.section == 0 || self.places.is_empty() {
            self.places.clear();
            self.places.resize(PLACES, Place::default());
            self.section = 1;
        }
    }

    /// Begins with the fields of an event; says whether so many may be a shape.
    #[inline(always)]
    pub(super) fn begin(&mut self, fields: usize) -> bool {
        (self.fields, self.hash) = (0, 0);
        fields <= FIELDS_MAX
    }

    /// Takes the next field; says whether it may be one of a shape.
    #[inline(always)]
    pub(super) fn add(&mut self, told: &Told<'_>, offset: Option<u64>) -> bool {
        let (Some(name), Some(asked)) = (told.lasting, self.asked.0.get_mut(self.fields)) else {
            return false;
        };
        let key = [address(name), of_form(told, offset)];
        // Spec: Knuth, TAOCP 6.4, multiplicative hashing.
        self.hash = (self.hash.rotate_left(5) ^ key[0] ^ key[1].rotate_left(29))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        *asked = key;
        self.fields += 1;
        true
    }

    /// Returns the number of the shape that the fields taken make, if it is known.
    #[inline]
    pub(super) fn known(&self) -> Option<u8> {
        let asked = self.asked.0.get(..self.fields)?;
        for place in self.places() {
            let place = self.places.get(place)?;
            if place.section != self.section {
                return None;
            }
            if place.hash == self.hash
                && self.keys.get(place.first as usize..)?.get(..place.fields as usize)? == asked
            {
                return Some(place.number);
            }
        }
        None
    }

    /// Gives the shape that the fields taken make a number, if there is room for another one.
    pub(super) fn learn(&mut self) -> Option<u8> {
        let number = u8::try_from(self.count).ok().filter(|it| usize::from(*it) < SHAPES_MAX)?;
        let asked = self.asked.0.get(..self.fields)?;
        for place in self.places() {
            let place = self.places.get_mut(place)?;
            if place.section != self.section {
                let (first, fields) = (self.keys.len() as u32, asked.len() as u32);
                *place = Place { hash: self.hash, section: self.section, number, first, fields };
                self.keys.extend_from_slice(asked);
                self.count += 1;
                return Some(number);
            }
        }
        None
    }

    /// Where the fields taken may stand.
    #[inline(always)]
    fn places(&self) -> impl Iterator<Item = usize> + use<> {
        let first = (self.hash >> (u64::BITS - PLACES_LOG2)) as usize;
        (0..LOOKS_MAX).map(move |look| (first + look) % PLACES)
    }
}

/// An address and a length in one: addresses of user space have at most 48 bits, unless a program asks for
/// more (Linux, `Documentation/arch/x86/x86_64/5level-paging.rst`, `arch/arm64/memory.rst`), and no constant
/// of a program is as long as 64 KiB.
#[inline(always)]
fn address(text: &'static str) -> u64 {
    text.as_ptr() as u64 ^ (text.len() as u64) << 48
}

#[inline(always)]
fn of_form(told: &Told<'_>, offset: Option<u64>) -> u64 {
    let number = match told.form {
        Form::Word(word) => return address(word),
        Form::Value(value @ (ValueRef::Null | ValueRef::Bool(_))) => KINDS + simple(value),
        _ => kind_of(told, offset),
    };
    // As of a text of 64 KiB.
    u64::MAX - u64::from(number)
}
