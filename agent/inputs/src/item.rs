//! Item, Line, Sample and Chunk: what an input hands on.

use std::sync::Arc;

use rules_event::{Event, Timestamp};

use crate::Format;

/// One thing an input produced.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// A record read from a log, still to be decoded.
    Line(Line),
    /// Something the agent saw for itself, already an event.
    Sample(Sample),
}

/// Something the agent saw for itself: a measurement, a file that changed, a process that began.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The event, with an empty id: the pipeline knows the agent.
    pub event: Event,
    /// What tells it from other samples of the same moment. The id is a hash of agent, `sample`,
    /// this text and the event's time, so an input that may repeat an event after a crash has to
    /// choose the same text and time again.
    pub instance: String,
}

/// One record: the bytes of a line as read, and where they came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The log it came from.
    pub source: Arc<SourceMeta>,
    /// Byte offset of its first byte in the file; 0 when `cursor` is set.
    pub offset: u64,
    /// The journal's own name for the entry, for lines of the journal.
    pub cursor: Option<String>,
    /// The line without its line end (`\n` or `\r\n`); at most `LINE_BYTES_MAX` bytes.
    pub bytes: Vec<u8>,
    /// True when the line was longer and its rest was skipped.
    pub truncated: bool,
    /// When it was read.
    pub read_at: Timestamp,
}

/// What is known of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceMeta {
    /// Names this log in checkpoints and in event ids: device, inode, generation and fingerprint for
    /// a file, so that it outlives renames and restarts and differs for every new content.
    pub key: String,
    /// Where the file was when it was first read; `None` for the journal.
    pub path: Option<String>,
    /// How to decode its lines.
    pub format: Format,
    /// `event.dataset` set by the configuration.
    pub dataset: Option<String>,
}

/// Some items, and where to resume once they (and all before them) are durable.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Chunk {
    /// What was read, in order. May be empty when only positions move.
    pub items: Vec<Item>,
    /// Per source key, the position (opaque JSON) after the items of this chunk.
    pub positions: Vec<(String, String)>,
    /// Source keys whose positions are no longer needed.
    pub gone: Vec<String>,
}

impl Chunk {
    /// Returns whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty() && self.positions.is_empty() && self.gone.is_empty()
    }
}
