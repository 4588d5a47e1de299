//! Fields: what the matcher asks of an event, whatever form the event has.

use rules_event::{Event, ValueRef};

/// An event as the matcher reads it: a short list of named values. Of two fields with one name the
/// first counts.
pub trait Fields {
    /// How many fields there are.
    fn len(&self) -> usize;

    /// Says whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Name and value of a field; `None` past the end.
    fn at(&self, index: usize) -> Option<(&str, ValueRef<'_>)>;

    /// Name of a field; `None` past the end.
    fn name(&self, index: usize) -> Option<&str> {
        self.at(index).map(|(name, _)| name)
    }

    /// Name of a field, if it lives as long as the program. Its address may then stand for it, so that
    /// its place among the fields that rules ask for is found without reading it.
    fn static_name(&self, _index: usize) -> Option<&'static str> {
        None
    }

    /// Value of a field; `None` past the end.
    fn value_at(&self, index: usize) -> Option<ValueRef<'_>> {
        self.at(index).map(|(_, value)| value)
    }

    /// How many fields at the start are the same as of every event that gives the same number with it,
    /// which is not 0; 0 where it cannot say.
    fn kept(&self) -> (u64, usize) {
        (0, 0)
    }

    /// Says whether the values of two fields are texts and the second is a part of the first. May say no
    /// where it does not know.
    fn holds(&self, _whole: usize, _part: usize) -> bool {
        false
    }

    /// Says whether the value is a text that stands in that of another field, one which is not covered
    /// itself: what is found in it is found there, too.
    fn is_covered(&self, _index: usize) -> bool {
        false
    }

    /// The value of a field by its name.
    fn value(&self, name: &str) -> Option<ValueRef<'_>> {
        (0..self.len())
            .filter_map(|index| self.at(index))
            .find_map(|(known, value)| (known == name).then_some(value))
    }
}

impl Fields for Event {
    #[inline]
    fn len(&self) -> usize {
        self.fields().len()
    }

    #[inline]
    fn at(&self, index: usize) -> Option<(&str, ValueRef<'_>)> {
        Self::at(self, index)
    }

    #[inline]
    fn name(&self, index: usize) -> Option<&str> {
        Self::at(self, index).map(|(name, _)| name)
    }

    #[inline(always)]
    fn static_name(&self, index: usize) -> Option<&'static str> {
        Self::static_name(self, index)
    }

    #[inline(always)]
    fn value_at(&self, index: usize) -> Option<ValueRef<'_>> {
        Self::value_at(self, index)
    }

    #[inline]
    fn kept(&self) -> (u64, usize) {
        match self.kept_id() {
            0 => (0, 0),
            id => (id, Self::kept(self)),
        }
    }

    #[inline]
    fn holds(&self, whole: usize, part: usize) -> bool {
        self.whole_at() == Some(whole) && self.piece(part).is_some()
    }

    #[inline]
    fn is_covered(&self, index: usize) -> bool {
        Self::is_covered(self, index)
    }
}
