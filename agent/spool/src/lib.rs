//! The agent's disk log of sealed batches: format, invariants, recovery.
//!
//! One log carries both lanes. What happens together is written together: a *round* is one frame,
//! one write, one `fdatasync`, holding entries of any lanes and the caller's checkpoint. So after a
//! crash the checkpoint never claims a line whose batch is gone, nor the other way round.
//!
//! # Layout
//!
//! All integers are little-endian.
//!
//! ```text
//! DIR/lock                       held exclusively by the one writer
//! DIR/epoch                      "1763712000000\n": milliseconds since 1970 when the log began
//! DIR/00000000000000000001.seg   segments, numbered without gaps from 1; the highest is written to
//! DIR/00000000000000000007.corrupt   a damaged segment as it was found
//! DIR/cursor.0  DIR/cursor.1     by lane: "EPOCH SEQ CRC\n", what the receiver has acknowledged;
//!                                from the shipper "EPOCH SEQ PARTITION OFFSET CRC\n"
//! DIR/before-1763712000000/      segments of an earlier epoch, see "Recover"
//!
//! segment   32 bytes header: "VLSPOOL\x01" · u64 number · u64 epoch · u32 zero · u32 CRC
//!           then frames until the end of the file
//! frame     u32 mark "VLF1" · u32 body length · u32 CRC · u32 zero · body
//! gap       u32 mark "VLG1" · u32 length      · u32 CRC · u32 zero · bytes nobody reads
//! body      u32 heads · u32 entries · u32 checkpoint length
//!           heads × (u8 lane · u64 newest seq of the lane, this round included)
//!           entries × (u8 lane · u64 seq · u32 length) · the entries' bytes · checkpoint
//! checkpoint
//!           u8 0xF8 · a whole checkpoint, or u8 0xF9 · what changed since the round before it;
//!           any other first byte: a whole checkpoint as the first version of this format wrote it
//! ```
//!
//! A later change of the format takes another first byte there, or another mark of the frame. An
//! older agent that finds one it does not know refuses to start and deletes nothing.
//!
//! CRC is CRC-32C (Castagnoli) over epoch, segment number, offset of the frame, its first eight
//! bytes and (not for a gap) its body: a frame is valid only at its own place.
//!
//! # Invariants
//!
//! 1. A round is all or nothing.
//! 2. Every frame before the last was synced before the next was begun. So bytes that are no frame
//!    at the end of the last segment are a torn write nobody was told of; anywhere else they are
//!    damage.
//! 3. An entry is handed to a reader only once it is on the platter: whatever left this host can
//!    never be forgotten by it and made again with other content.
//! 4. After a failed append the log is what it was before, or refuses further work ([`Error::Sync`]).
//! 5. The first round of a segment holds a whole checkpoint. The checkpoint in force is the newest
//!    whole one and the changes in the rounds behind it, in their order. It is read from the newest
//!    segment alone; the segment with the newest whole one is never deleted, nor any behind it.
//! 6. A round's bytes depend on its entries and on what changed, not on the size of the checkpoint.
//!    Whole checkpoints come on top: at the start of a segment (a quarter of its bytes at most),
//!    after opening, and when the changes since the last have grown to twice its size.
//! 7. Within an epoch the numbers of a lane only rise.
//! 8. Bytes held stay within [`Options::bytes_max`]; set-aside segments come on top, at most
//!    `CORRUPT_KEPT_MAX` of them.
//!
//! # Write
//!
//! [`Spool::append`] checks the bounds, writes the frame at the end of the highest segment and syncs
//! it. A whole checkpoint is written in pieces, and read in pieces: it never stands in memory. The header
//! of such a frame is written last, so that until the whole is there it is a write in progress, or a
//! torn one; the sync comes behind all of it. A segment that would grow past [`Options::segment_bytes_max`] is left for a new one, made
//! under a temporary name, synced, renamed. If writing fails, the file is cut back. If *syncing*
//! fails, nobody knows what the disk holds; the spool then refuses to go on until it is reopened,
//! which reads what is really there.
//!
//! What is synced when: a round, by one `fdatasync`; a new segment, by `fsync` of the file and of the
//! folder before its first round; deleted segments, by `fsync` of the folder, so that they do not
//! come back; a cursor, see [`Cursor`]. There is no setting to leave one out: fewer, larger rounds
//! cost fewer syncs and promise the same.
//!
//! # Read
//!
//! [`Reader`] follows the log, from the same or another process, while the writer appends, rotates,
//! cuts and deletes. It takes only whole valid frames, syncs what it has not seen synced (or waits
//! for the writer's word, see [`Durable`]), and steps over damage and over segments that were
//! deleted. It holds the entries of one frame at a time, and no more of a large segment.
//!
//! # Recover
//!
//! [`Spool::open`] reads every frame. A torn tail is cut off, whatever it holds: part of a frame,
//! zeros, old sectors. A segment damaged elsewhere is kept aside as `.corrupt` and replaced by a copy
//! whose damaged stretches are gaps, so that everything readable before and after is still served,
//! and nothing is appended to it again. A temporary file is deleted. Changes of the checkpoint that
//! stood in a damaged stretch are missing: what they moved stands where it stood before.
//! If a cursor claims more than the log holds (the disk lied about a sync, or files were put back
//! from a backup), going on would give old numbers to new batches; a new epoch begins instead, with
//! the last readable checkpoint, and the older segments are kept in `before-EPOCH`.

mod chain;
mod cursor;
mod disk;
mod durable;
mod error;
mod format;
mod put;
mod reader;
mod recovery;
mod segment;
#[cfg(test)]
mod tests;
mod writer;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use cursor::{Cursor, HeldCursor, Location};
pub use durable::Durable;
pub use error::{Error, Result};
pub use format::FRAME_BYTES_MAX;
pub use reader::Reader;
pub use writer::Spool;

/// Lane number of alerts.
pub const LANE_ALERTS: u8 = 0;
/// Lane number of events.
pub const LANE_EVENTS: u8 = 1;

/// File in the spool's folder that holds the newest heartbeat when there is no Kafka.
pub const HEARTBEAT_FILE: &str = "heartbeat.rec";

/// Returns the epoch of the log in a folder: milliseconds since 1970 when it began. `None` where none did.
///
/// # Errors
/// If the file that says so cannot be read or understood.
pub fn epoch(dir: &Path) -> Result<Option<u64>> {
    segment::read_epoch(dir)
}

/// Where a spool lies and how large it may grow.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder; created if absent.
    pub dir: PathBuf,
    /// A segment is left for a new one beyond this many bytes. At most half of `bytes_max`; a
    /// larger value is taken as that half.
    pub segment_bytes_max: u64,
    /// The log never holds more bytes than this; at least [`Options::BYTES_MAX_MIN`].
    pub bytes_max: u64,
    /// Nothing is appended when the disk would be left with fewer free bytes than this.
    pub free_bytes_min: u64,
}

impl Options {
    /// The least `bytes_max` that makes sense: 64 KiB. A round must fit in half of `bytes_max`.
    pub const BYTES_MAX_MIN: u64 = 64 * 1024;
}

/// One sealed batch to be appended.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// The lane, such as [`LANE_ALERTS`].
    pub lane: u8,
    /// Its number, higher than every number of the lane before it.
    pub seq: u64,
    /// Opaque here; `agent_wire::Record::encode`.
    pub bytes: &'a [u8],
}

/// One sealed batch as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedEntry {
    /// The epoch it belongs to.
    pub epoch: u64,
    /// Its number in lane and epoch.
    pub seq: u64,
    /// What was appended.
    pub bytes: Vec<u8>,
}

/// A checkpoint as found: what was written last as a whole, and the changes since. It stays in its
/// segments, which are held open: with many files it is larger than all else in memory.
#[derive(Debug, Clone, Default)]
pub struct Saved {
    parts: Vec<SavedPart>,
}

impl Saved {
    /// Returns its parts in their order: the whole one, unless damage took it, then the changes.
    #[must_use]
    pub fn parts(&self) -> &[SavedPart] {
        &self.parts
    }
}

/// A whole checkpoint, or a change of what came before.
#[derive(Debug, Clone)]
pub struct SavedPart {
    /// Path and file.
    segment: Arc<(PathBuf, File)>,
    field: format::Field,
}

impl SavedPart {
    /// Returns whether it is a whole one.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.field.is_whole
    }

    /// Returns its length.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.field.bytes
    }

    /// Reads it, piece by piece. The end is an error if it is no longer what it was when its round was
    /// checked: so read all of it before you believe it.
    #[must_use]
    pub fn reader(&self) -> impl io::Read + '_ {
        chain::PartReader::new(self)
    }
}

/// What [`Spool::open`] found.
#[derive(Debug, Clone, Default)]
pub struct Recovery {
    /// Milliseconds since 1970 when the log began. A caller whose checkpoint names another epoch
    /// starts its numbering at 1.
    pub epoch: u64,
    /// The checkpoint as of the newest readable round; `None` if there is no round.
    pub checkpoint: Option<Saved>,
    /// Bytes of a torn write that were cut off.
    pub truncated_bytes: u64,
    /// What an operator should know, such as a damaged segment that was set aside.
    pub notes: Vec<String>,
}
