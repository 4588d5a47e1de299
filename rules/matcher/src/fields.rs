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

    #[inline]
    fn static_name(&self, index: usize) -> Option<&'static str> {
        Self::static_name(self, index)
    }

    #[inline]
    fn is_covered(&self, index: usize) -> bool {
        Self::is_covered(self, index)
    }
}
