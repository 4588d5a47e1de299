//! Names: the numbers that a section gives to the names of fields.

use std::collections::HashMap;

/// Places of the table by address. A section of logs uses some hundred names.
const PLACES: usize = 1 << PLACES_LOG2;
const PLACES_LOG2: u32 = 9;

/// Names and their numbers. Most names live as long as the program, so that their address tells which
/// one it is; those that share a place with another, or have no lasting address, are looked up.
#[derive(Debug, Default)]
pub(super) struct Names {
    by_text: HashMap<Box<str>, u32>,
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

impl Names {
    /// Forgets all names.
    pub(super) fn clear(&mut self) {
        self.by_text.clear();
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
        // Spec: Knuth, TAOCP 6.4, multiplicative hashing.
        let hash = (address as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let index = (hash >> (u64::BITS - PLACES_LOG2)) as usize;
        if let Some(place) = self.by_address.get(index)
            && (place.address, place.bytes, place.section) == (address, bytes, self.section)
        {
            return (place.number, false);
        }
        let (number, is_new) = self.of(name);
        if let Some(place) = self.by_address.get_mut(index) {
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
        let number = u32::try_from(self.by_text.len()).unwrap_or(u32::MAX);
        self.by_text.insert(name.into(), number);
        (number, true)
    }
}
