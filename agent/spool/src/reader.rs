//! Reader: follows one lane of the log while it is written, rotated, cut and deleted.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::durable::Durable;
use crate::error::file;
use crate::format::{Found, SEGMENT_HEADER_BYTES};
use crate::segment::{Walker, list, read_epoch, segment_path};
use crate::{OwnedEntry, Result};

/// Hands out the entries of one lane in order. Reads only, takes no lock, may live in another
/// process, and may be opened before the spool exists.
#[derive(Debug)]
pub struct Reader {
    dir: PathBuf,
    lane: u8,
    after_seq: u64,
    epoch: Option<u64>,
    /// The highest segment that was opened.
    number: u64,
    /// Segments behind it that were there when last looked. Any of them may be gone by now; lower ones
    /// never come.
    later: VecDeque<u64>,
    open: Option<Open>,
    ready: VecDeque<OwnedEntry>,
    damaged_bytes: u64,
    durable: Option<Arc<Durable>>,
}

#[derive(Debug)]
struct Open {
    walker: Walker,
    offset: u64,
    /// Up to here the file is known to be on the platter.
    synced: u64,
    /// Length of the file when it was last searched for frames behind damage.
    searched: u64,
    /// A later segment was seen: this one will not change any more.
    is_final: bool,
}

impl Reader {
    /// Opens the lane behind an acknowledged number of the present epoch; see
    /// [`crate::Cursor::load`].
    ///
    /// # Errors
    /// If the epoch cannot be read.
    pub fn open(dir: &Path, lane: u8, after_seq: u64) -> Result<Self> {
        Ok(Self {
            dir: dir.to_owned(),
            lane,
            after_seq,
            epoch: read_epoch(dir)?,
            number: 0,
            later: VecDeque::new(),
            open: None,
            ready: VecDeque::new(),
            damaged_bytes: 0,
            durable: None,
        })
    }

    /// Lets it trust the writer of this process for what is synced; see [`crate::Spool::durable`].
    #[must_use]
    pub fn trusting(mut self, durable: Option<Arc<Durable>>) -> Self {
        self.durable = durable;
        self
    }

    /// Returns the next entry, or `None` if there is nothing more yet: ask again later.
    ///
    /// Numbers rise within an epoch. A number left out means damage, or a segment that was deleted
    /// because a cursor had acknowledged it.
    ///
    /// # Errors
    /// If a file cannot be read or synced; the call may be repeated.
    #[expect(clippy::should_implement_trait, reason = "it has nothing yet rather than never more")]
    pub fn next(&mut self) -> Result<Option<OwnedEntry>> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                self.after_seq = entry.seq;
                return Ok(Some(entry));
            }
            if self.open.is_none() && !self.open_next()? {
                return Ok(None);
            }
            if self.is_at_end() || !self.advance()? {
                return Ok(None);
            }
        }
    }

    /// Returns whether the writer says that there is no more: then nothing need be looked at.
    fn is_at_end(&self) -> bool {
        match (&self.durable, &self.open) {
            (Some(durable), Some(open)) => durable.ends_at(self.number, open.offset),
            _ => false,
        }
    }

    /// Returns the bytes of damage stepped over so far.
    #[must_use]
    pub fn damaged_bytes(&self) -> u64 {
        self.damaged_bytes
    }

    /// Opens the next segment; false if there is none yet.
    fn open_next(&mut self) -> Result<bool> {
        loop {
            if !self.has_later()? {
                return Ok(false);
            }
            let Some(&number) = self.later.front() else { return Ok(false) };
            let Some(epoch) = read_epoch(&self.dir)? else { return Ok(false) };
            if self.epoch != Some(epoch) {
                // The numbering began anew: what was read of the old says nothing of the new.
                if self.epoch.is_some() {
                    self.after_seq = 0;
                }
                self.epoch = Some(epoch);
            }
            let path = segment_path(&self.dir, number);
            let walker = match Walker::open(&self.dir, number, epoch) {
                Ok((walker, _)) => walker,
                // Deleted since it was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.later.pop_front();
                    continue;
                }
                Err(error) => return Err(file("open", &path)(error)),
            };
            if walker.place.epoch > epoch {
                // A change of epoch is under way; it holds once the epoch file says so.
                return Ok(false);
            }
            self.number = number;
            self.later.pop_front();
            if walker.place.epoch < epoch {
                continue;
            }
            self.open = Some(Open {
                walker,
                offset: SEGMENT_HEADER_BYTES,
                synced: 0,
                searched: 0,
                is_final: false,
            });
            return Ok(true);
        }
    }

    /// Returns whether there are segments behind the one that is open.
    fn has_later(&mut self) -> Result<bool> {
        if self.later.is_empty() {
            let numbers = list(&self.dir)?.into_iter();
            self.later = numbers.filter(|number| *number > self.number).collect();
        }
        Ok(!self.later.is_empty())
    }

    /// Reads one frame, or moves on to the next segment; false if there is nothing more yet.
    fn advance(&mut self) -> Result<bool> {
        let Some(open) = self.open.as_mut() else { return Ok(true) };
        let path = segment_path(&self.dir, open.walker.place.number);
        let length = open.walker.bytes().map_err(file("read", &path))?;
        if open.offset > length {
            // Cut behind our back; what we have had is skipped by its number.
            open.offset = SEGMENT_HEADER_BYTES;
            open.synced = 0;
        }
        match open.walker.examine(open.offset, length).map_err(file("read", &path))? {
            Found::Frame { bytes, round } => {
                let end = open.offset + bytes;
                let is_told = self.durable.as_ref().map(|told| told.covers(self.number, end));
                if is_told == Some(false) {
                    return Ok(false);
                }
                let epoch = self.epoch.unwrap_or_default();
                if let Some(round) = round {
                    let wanted = round
                        .entries
                        .iter()
                        .filter(|entry| entry.lane == self.lane && entry.seq > self.after_seq)
                        .map(|entry| OwnedEntry {
                            epoch,
                            seq: entry.seq,
                            bytes: entry.bytes.to_vec(),
                        });
                    self.ready.extend(wanted);
                }
                if !self.ready.is_empty() && is_told.is_none() && end > open.synced {
                    let synced = open.walker.file.sync_data().map_err(file("sync", &path));
                    if synced.is_err() {
                        self.ready.clear();
                    }
                    synced?;
                    open.synced = length;
                }
                open.offset = end;
                return Ok(true);
            }
            Found::Gap { bytes } => {
                self.damaged_bytes += bytes;
                open.offset += bytes;
                return Ok(true);
            }
            Found::End | Found::Invalid => {}
        }
        if !open.is_final {
            // Once a later segment exists this one is complete, so look at it once more.
            let is_final = self.has_later()?;
            let Some(open) = self.open.as_mut() else { return Ok(true) };
            open.is_final = is_final;
            if is_final {
                return Ok(true);
            }
        }
        let Some(open) = self.open.as_mut() else { return Ok(true) };
        // Bytes that are no frame: a write in progress or torn, unless a valid frame follows.
        if length > open.offset && length != open.searched {
            open.searched = length;
            let next = open.walker.resync(open.offset, length).map_err(file("read", &path))?;
            if let Some(next) = next {
                tracing::warn!(path = %path.display(), offset = open.offset, bytes = next - open.offset, "stepped over damage in the spool");
                self.damaged_bytes += next - open.offset;
                open.offset = next;
                return Ok(true);
            }
        }
        if open.is_final {
            self.damaged_bytes += length.saturating_sub(open.offset);
            self.open = None;
            return Ok(true);
        }
        Ok(false)
    }
}
