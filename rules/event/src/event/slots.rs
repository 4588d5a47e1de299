//! Slots: the fields of an event, in memory that serves for one record after the other.

use std::ops::{Deref, DerefMut};

use super::Texts;
use super::stored::Stored;

/// A name and its value. Holds no memory of its own: writing one over another costs nothing more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    /// The name, if it lives as long as the program.
    pub(super) name: &'static str,
    /// Else one more than its number among the names of [`Texts`].
    pub(super) own: u32,
    pub(super) stored: Stored,
    /// Of the name, see [`super::place`].
    pub(super) place: u16,
    /// What [`super::Places`] had there before: another field whose name has the same place, or 0.
    pub(super) next: u8,
}

impl Field {
    #[inline(always)]
    pub(super) fn name<'a>(&'a self, texts: &'a Texts) -> &'a str {
        match self.own {
            0 => self.name,
            own => texts.names.get(own as usize - 1).map_or("", String::as_str),
        }
    }
}

/// Fields in order. Those of a record are written over those of the one before: taking them away first
/// would cost a line as much as setting them.
#[derive(Default)]
pub(super) struct Slots {
    /// The first so many are fields; what follows is left over from other records.
    all: Vec<Field>,
    count: usize,
}

/// Without what is left over: a copy may be kept for long.
impl Clone for Slots {
    fn clone(&self) -> Self {
        Self { all: self.to_vec(), count: self.count }
    }
}

impl Slots {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self { all: Vec::with_capacity(capacity), count: 0 }
    }

    /// Adds a field and returns its number.
    #[inline(always)]
    pub(super) fn push(&mut self, field: Field) -> usize {
        let index = self.count;
        if !self.write(field) {
            self.all.push(field);
            self.count = index + 1;
        }
        index
    }

    /// Adds a field if it takes no more memory, and says whether it did.
    #[inline(always)]
    pub(super) fn write(&mut self, field: Field) -> bool {
        let Some(slot) = self.all.get_mut(self.count) else { return false };
        *slot = field;
        self.count += 1;
        true
    }

    /// Takes away all but the first so many.
    pub(super) fn truncate(&mut self, count: usize) {
        self.count = self.count.min(count);
    }

    pub(super) fn remove(&mut self, index: usize) -> Field {
        self.count -= 1;
        self.all.remove(index)
    }
}

impl Deref for Slots {
    type Target = [Field];

    #[inline(always)]
    fn deref(&self) -> &[Field] {
        self.all.get(..self.count).unwrap_or_default()
    }
}

impl DerefMut for Slots {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [Field] {
        self.all.get_mut(..self.count).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &'static str) -> Field {
        Field { name, own: 0, stored: Stored::Null, place: 0, next: 0 }
    }

    fn names(slots: &Slots) -> Vec<&str> {
        slots.iter().map(|field| field.name).collect()
    }

    #[test]
    fn what_is_taken_away_is_gone() {
        let mut slots = Slots::with_capacity(2);
        for name in ["a", "b", "c"] {
            slots.push(field(name));
        }
        slots.truncate(1);
        assert_eq!(names(&slots), ["a"]);
        slots.truncate(3);
        assert_eq!(slots.push(field("d")), 1);
        assert_eq!(names(&slots), ["a", "d"]);
        assert_eq!(slots.remove(0).name, "a");
        slots.push(field("e"));
        assert_eq!(names(&slots), ["d", "e"]);
        let copy = slots.clone();
        assert_eq!((names(&copy), copy.all.len(), slots.all.len()), (vec!["d", "e"], 2, 2));
        slots.truncate(1);
        let copy = slots.clone();
        assert_eq!((names(&copy), copy.all.len(), slots.all.len()), (vec!["d"], 1, 2));
    }
}
