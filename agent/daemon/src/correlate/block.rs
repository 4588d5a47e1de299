//! Block: what of a chunk the correlations of this host count, on its way from the thread that found it
//! to the one that counts.

use std::sync::Arc;

use rules_event::{Event, field};

use super::counting::Counting;
use super::dictionary::Hits;

/// The hits of one chunk that are counted, in the order they were read.
#[derive(Debug)]
pub(crate) struct Block {
    pub(super) counting: Arc<Counting>,
    pub(super) hits: Hits,
    /// Their original lines, one behind the other, and where each ends.
    pub(super) lines: String,
    pub(super) line_ends: Vec<usize>,
    /// The newest time of all events of the chunk, nanoseconds.
    pub(super) newest: i64,
    /// Places of the rules of the event at hand.
    rules: Vec<u16>,
}

impl Block {
    /// Begins with the correlations in force.
    pub(crate) fn new(counting: Arc<Counting>) -> Self {
        Self {
            counting,
            hits: Hits::default(),
            lines: String::new(),
            line_ends: Vec::new(),
            newest: i64::MIN,
            rules: Vec::new(),
        }
    }

    /// Notes an event that was judged. It is counted if a rule hit it that some correlation counts.
    /// `with_line` says whether its line may be shown with an alert; else it is only counted.
    pub(crate) fn note(&mut self, event: &Event, hits: usize, with_line: bool) {
        self.newest = self.newest.max(event.time.as_nanos());
        if hits == 0 || !self.counts() {
            return;
        }
        self.rules.clear();
        self.rules.extend(event.rule_ids().filter_map(|id| self.counting.dictionary.place(id)));
        if self.rules.is_empty() {
            return;
        }
        if !self.hits.push(&self.counting.dictionary, event, &self.rules) {
            return;
        }
        if with_line {
            let line = event.get_str(field::EVENT_ORIGINAL);
            let line = line.or_else(|| event.get_str(field::MESSAGE)).unwrap_or_default();
            let end = line.floor_char_boundary(rules_correlate::told::LINE_BYTES_MAX);
            self.lines.push_str(&line[..end]);
        }
        self.line_ends.push(self.lines.len());
    }

    /// Whether hits are counted at all.
    pub(crate) fn counts(&self) -> bool {
        !self.counting.dictionary.is_empty()
    }

    /// Whether it says nothing to those who count.
    pub(super) fn is_idle(&self) -> bool {
        self.hits.count == 0 && !(self.counting.waits && self.newest > i64::MIN)
    }
}
