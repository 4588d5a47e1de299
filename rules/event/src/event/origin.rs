//! Origin: where a record came from, from which its id follows.

use std::sync::Arc;

use super::Event;

/// A source, and a place in it.
#[derive(Clone, Default)]
pub(super) struct Origin {
    source: Option<Arc<str>>,
    pub(super) offset: Option<u64>,
}

impl Event {
    /// Says of which source the records to come are, by its key; `None`: of none that is known by one.
    /// Stays over [`Event::reset`].
    pub fn set_source(&mut self, source: Option<Arc<str>>) {
        self.origin = Origin { source, offset: None };
    }

    /// Says at which byte of its source the record begins; until the next [`Event::reset`].
    #[inline]
    pub fn set_offset(&mut self, offset: u64) {
        self.origin.offset = Some(offset);
    }

    /// Returns the key of the source and the byte of it at which the record begins, if both are known.
    /// With the agent that read it they make the id.
    #[must_use]
    #[inline]
    pub fn origin(&self) -> Option<(&Arc<str>, u64)> {
        self.origin.source.as_ref().zip(self.origin.offset)
    }
}
