//! Item, Lines, Sample and Chunk: what an input hands on.

use std::sync::Arc;

use rules_event::{Event, Timestamp};

use crate::Format;

/// What an input produced.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "a chunk has few items: of lines one for thousands, and a sample is moved twice in its life"
)]
pub enum Item {
    /// Records read from a log, still to be decoded.
    Lines(Lines),
    /// An entry of the systemd journal, still to be decoded.
    Entry(Entry),
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

/// Records of one log that were read together: their bytes lie in one buffer, so that none has an
/// allocation of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines {
    /// The log they came from.
    pub source: Arc<SourceMeta>,
    /// When they were read.
    pub read_at: Timestamp,
    /// The bytes; what lies between two records (line ends) is not part of any.
    pub buffer: Vec<u8>,
    /// Where each record is, in the order of the log.
    pub lines: Vec<Span>,
}

/// Where one record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Byte offset of its first byte in the log: what it is known by.
    pub offset: u64,
    /// Its first byte in the buffer.
    pub start: u32,
    /// Its bytes, without a line end; at most `LINE_BYTES_MAX`.
    pub len: u32,
    /// What else is known of it: [`Span::TRUNCATED`].
    pub flags: u8,
}

/// One record: a borrowed view of [`Lines`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// See [`Span::offset`].
    pub offset: u64,
    /// The record without its line end (`\n` or `\r\n`). One made of several lines holds them joined
    /// by `\n`.
    pub bytes: &'a [u8],
    /// True when it was longer and its rest was left out.
    pub truncated: bool,
}

/// One entry of the systemd journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The journal.
    pub source: Arc<SourceMeta>,
    /// When it was read.
    pub read_at: Timestamp,
    /// The journal's own name for the entry: what it is known by.
    pub cursor: String,
    /// The entry as `journalctl --output=json` prints it.
    pub bytes: Vec<u8>,
}

impl Span {
    /// The record was longer and its rest was left out.
    pub const TRUNCATED: u8 = 1;

    /// Returns whether the record was longer and its rest was left out.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.flags & Self::TRUNCATED != 0
    }
}

impl Lines {
    /// Returns no records yet.
    #[must_use]
    pub fn new(source: Arc<SourceMeta>, read_at: Timestamp) -> Self {
        Self { source, read_at, buffer: Vec::new(), lines: Vec::new() }
    }

    /// Adds a record by copying it into the buffer.
    pub fn push(&mut self, line: Line<'_>) {
        // A buffer holds a chunk, which is far below 4 GiB.
        let place = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let start = place(self.buffer.len());
        self.buffer.extend_from_slice(line.bytes);
        let flags = if line.truncated { Span::TRUNCATED } else { 0 };
        self.lines.push(Span { offset: line.offset, start, len: place(line.bytes.len()), flags });
    }

    /// Returns one record.
    #[must_use]
    pub fn get(&self, span: &Span) -> Line<'_> {
        let start = span.start as usize;
        let bytes = self.buffer.get(start..start + span.len as usize).unwrap_or_default();
        Line { offset: span.offset, bytes, truncated: span.is_truncated() }
    }

    /// Returns the records in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Line<'_>> {
        self.lines.iter().map(|span| self.get(span))
    }
}

/// What is known of a log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
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
    /// The device that sent it over the network (`log.source.address`).
    pub address: Option<String>,
    /// The command whose output it is (`vonglau.exec.name`).
    pub command: Option<String>,
    /// The information system it belongs to (`vonglau.system.id`), where that is not the agent's.
    pub system: Option<String>,
    /// Number of the policy of its input ([`crate::InputsConfig::policies`]); 0: everything is kept.
    pub policy: u16,
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
