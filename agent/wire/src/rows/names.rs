//! Names: the numbers that a section gives to names of fields and to words.

use std::collections::HashMap;
use std::sync::Arc;

/// Places of the table by address, 32 KiB. A section of logs uses some hundred and fifty names and words;
/// each may stand at one of two places, so that few are in each other's way.
const PLACES: usize = 1 << PLACES_LOG2;
const PLACES_LOG2: u32 = 10;

/// Names and words from which on no more words are numbered: what an attacker can make a section keep.
const WORDS_MAX: usize = 4_096;

/// Names and their numbers. Most names live as long as the program, so that their address tells which
/// one it is; those that share a place with another, or have no lasting address, are looked up.
#[derive(Debug, Default)]
pub(super) struct Names {
    by_text: HashMap<Arc<str>, u32>,
    texts: Vec<Arc<str>>,
    by_address: Vec<Place>,
    /// Places of earlier sections are of no meaning.
    section: u32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Place {
    address: usize,
    bytes: usize,
    section: u32,
    number: u32,
}

/// Where a text is looked for first.
#[inline(always)]
fn place(name: &str) -> usize {
    // Spec: Knuth, TAOCP 6.4, multiplicative hashing.
    let hash = (name.as_ptr() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (hash >> (u64::BITS - PLACES_LOG2)) as usize
}

impl Names {
    /// Forgets all names.
    pub(super) fn clear(&mut self) {
        self.by_text.clear();
        self.texts.clear();
        self.section = self.section.wrapping_add(1);
        if self.section == 0 || self.by_address.is_empty() {
            self.by_address.clear();
            self.by_address.resize(PLACES, Place::default());
            self.section = 1;
        }
    }

    /// Returns the number of a name that lives as long as the program, and whether it is new.
    #[inline(always)]
    pub(super) fn of_static(&mut self, name: &'static str) -> (u32, bool) {
        let (address, bytes) = (name.as_ptr() as usize, name.len());
        let index = place(name);
        for index in [index, index ^ 1] {
            if let Some(place) = self.by_address.get(index)
                && (place.address, place.bytes, place.section) == (address, bytes, self.section)
            {
                return (place.number, false);
            }
        }
        self.note(index, name)
    }

    /// Returns the number of a text, and whether it is new. Fast for one that lies where it did
    /// before.
    pub(super) fn of_text(&mut self, text: &str) -> (u32, bool) {
        let index = place(text);
        for index in [index, index ^ 1] {
            if let Some(place) = self.by_address.get(index)
                && (place.address, place.section) == (text.as_ptr() as usize, self.section)
                // Another text may lie there by now.
                && self.texts.get(place.number as usize).is_some_and(|known| **known == *text)
            {
                return (place.number, false);
            }
        }
        self.note(index, text)
    }

    fn note(&mut self, index: usize, name: &str) -> (u32, bool) {
        let (number, is_new) = self.of(name);
        // Where nobody of this section stands, else the first.
        let is_free = |index: usize| {
            self.by_address.get(index).is_some_and(|place| place.section != self.section)
        };
        let index = if !is_free(index) && is_free(index ^ 1) { index ^ 1 } else { index };
        if let Some(place) = self.by_address.get_mut(index) {
            let (address, bytes) = (name.as_ptr() as usize, name.len());
            *place = Place { address, bytes, section: self.section, number };
        }
        (number, is_new)
    }

    /// Returns the number of any name, and whether it is new.
    pub(super) fn of(&mut self, name: &str) -> (u32, bool) {
        if let Some(number) = self.by_text.get(name) {
            return (*number, false);
        }
        // A batch has fewer bytes than this counts.
        let number = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        let name: Arc<str> = name.into();
        self.texts.push(Arc::clone(&name));
        self.by_text.insert(name, number);
        (number, true)
    }

    /// Returns how many are numbered.
    pub(super) fn count(&self) -> usize {
        self.texts.len()
    }

    /// Forgets those that were numbered last, but for the first `count`.
    #[cold]
    pub(super) fn forget_from(&mut self, count: usize) {
        for text in self.texts.drain(count.min(self.texts.len())..) {
            self.by_text.remove(&text);
        }
        for place in &mut self.by_address {
            if place.section == self.section && place.number as usize >= count {
                *place = Place::default();
            }
        }
    }

    /// Says whether more words may be numbered.
    pub(super) fn has_room(&self) -> bool {
        self.texts.len() < WORDS_MAX
    }
}
