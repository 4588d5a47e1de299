//! Spool: the one writer of the log.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{Disk, RealDisk};
use crate::durable::Durable;
use crate::error::{file, is_no_space};
use crate::format::{FRAME_BYTES_MAX, Heads, Kept, Place, SEGMENT_HEADER_BYTES, frame_bytes};
use crate::put;
use crate::recovery::{Segment, recover};
use crate::segment::{SEGMENT_BYTES_MAX, create, open_writable, segment_path, sync_dir};
use crate::{Cursor, Entry, Error, Options, Recovery, Result};

const LOCK_FILE: &str = "lock";
/// A whole checkpoint is written again once the changes since the last take so many times its
/// bytes, so that recovery reads little and the copies are at most half of what changes take.
const CHANGES_PER_WHOLE: u64 = 2;
/// Of a small checkpoint the changes may take more before that: 64 KiB, some hundred rounds.
const CHANGES_BYTES_MIN: u64 = 64 * 1024;
/// A segment, which begins with a whole checkpoint, may take so many times its bytes whatever the
/// configuration says, so that the copies are at most a quarter of what is written.
const SEGMENT_PER_WHOLE: u64 = 4;
/// The buffer of a frame is given back beyond this: 1 MiB, more than rounds have as a rule.
const FRAME_BUFFER_KEPT_MAX: usize = 1024 * 1024;

/// The log, open for writing. There is one per folder; a second [`Spool::open`] is refused.
pub struct Spool {
    options: Options,
    disk: Box<dyn Disk>,
    /// Held while the spool is open; the system lets go of it however the process ends.
    _lock: File,
    epoch: u64,
    /// Lowest number first.
    segments: Vec<Segment>,
    /// The highest segment, if it may be appended to.
    active: Option<File>,
    next_number: u64,
    heads: Heads,
    /// Bytes of the last whole checkpoint, and of the changes written since.
    whole_bytes: u64,
    changes_bytes: u64,
    /// The next checkpoint must be whole whatever it changes: the first after opening.
    is_whole_due: bool,
    durable: Arc<Durable>,
    is_poisoned: bool,
    frame: Vec<u8>,
}

impl std::fmt::Debug for Spool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spool").field("dir", &self.options.dir).finish_non_exhaustive()
    }
}

impl Spool {
    /// Opens the log of a folder, created if absent, and brings it into order.
    ///
    /// # Errors
    /// [`Error::Locked`] if another process writes here; [`Error::Epoch`], [`Error::File`] if the
    /// folder cannot be brought into order.
    pub fn open(options: Options) -> Result<(Self, Recovery)> {
        Self::open_on(options, Box::new(RealDisk))
    }

    pub(crate) fn open_on(
        mut options: Options,
        mut disk: Box<dyn Disk>,
    ) -> Result<(Self, Recovery)> {
        options.bytes_max = options.bytes_max.max(Options::BYTES_MAX_MIN);
        options.segment_bytes_max =
            options.segment_bytes_max.min(options.bytes_max / 2).min(SEGMENT_BYTES_MAX);
        let dir = &options.dir;
        fs::create_dir_all(dir).map_err(file("create spool folder", dir))?;
        let lock = lock(dir)?;
        let (state, recovery) = recover(dir)?;
        let durable = Arc::new(Durable::default());
        let mut active = None;
        if let Some(segment) = state.segments.last() {
            let path = segment_path(dir, segment.number);
            let last = open_writable(&path)?;
            // A process killed between write and sync leaves a whole frame nobody synced.
            disk.sync(&last).map_err(|source| Error::Sync { path, source })?;
            durable.set(segment.number, segment.bytes);
            active = state.appendable.then_some(last);
        }
        let spool = Self {
            options,
            disk,
            _lock: lock,
            epoch: state.epoch,
            segments: state.segments,
            active,
            next_number: state.next_number,
            heads: state.heads,
            whole_bytes: 0,
            changes_bytes: 0,
            is_whole_due: true,
            durable,
            is_poisoned: false,
            frame: Vec::new(),
        };
        Ok((spool, recovery))
    }

    /// Returns when the log began, milliseconds since 1970.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Returns the bytes that all segments hold.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// Returns the bytes of the highest segment up to which rounds are complete.
    #[cfg(test)]
    pub(crate) fn active_bytes(&self) -> u64 {
        self.segments.last().map_or(0, |segment| segment.bytes)
    }

    /// Returns the newest number of a lane; 0 before the first.
    #[must_use]
    pub fn last_seq(&self, lane: u8) -> u64 {
        self.heads.get(&lane).copied().unwrap_or(0)
    }

    /// Returns how far the log is on the platter, for readers of this process.
    #[must_use]
    pub fn durable(&self) -> Arc<Durable> {
        Arc::clone(&self.durable)
    }

    /// Appends a round and makes it durable: when this returns, entries and checkpoint survive a
    /// power cut. `entries` may be empty, to store a checkpoint alone. The checkpoint is a whole one;
    /// for one that is large see [`Self::append_change`].
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::DiskFull`], [`Error::NoSpace`], [`Error::File`]: nothing was
    /// changed, the same call may succeed later ([`Error::is_transient`]).
    /// [`Error::TooLarge`], [`Error::Order`]: never will. [`Error::Sync`], [`Error::Poisoned`]:
    /// reopen first.
    pub fn append(&mut self, entries: &[Entry<'_>], checkpoint: &[u8]) -> Result<()> {
        let mut write = |out: &mut dyn io::Write| out.write_all(checkpoint);
        self.append_kept(entries, Kept::Whole(checkpoint.len() as u64, &mut write))
    }

    /// As [`Self::append`], but writes only what changed of the checkpoint since the last append
    /// that succeeded, and `whole` where a whole one is due: at the start of a segment, after opening,
    /// and now and then. So a round's bytes do not grow with what did not change.
    ///
    /// `whole` writes it, piece by piece, and is called twice where it is wanted, the first time to
    /// learn its length: it must write the same bytes.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub fn append_change(
        &mut self,
        entries: &[Entry<'_>],
        change: &[u8],
        mut whole: impl FnMut(&mut dyn io::Write) -> io::Result<()>,
    ) -> Result<()> {
        let kept = Kept::Change(change);
        let bytes = frame_bytes(&self.heads_after(entries)?, entries, &kept);
        let changes_bytes = self.changes_bytes + change.len() as u64;
        if self.is_whole_due
            || changes_bytes > CHANGES_BYTES_MIN.max(CHANGES_PER_WHOLE * self.whole_bytes)
            || self.segments.last().is_none_or(|segment| segment.frames == 0)
            || !self.has_active_for(bytes)
        {
            let dir = &self.options.dir;
            let bytes = put::count(&mut whole).map_err(file("measure checkpoint for", dir))?;
            return self.append_kept(entries, Kept::Whole(bytes, &mut whole));
        }
        self.append_kept(entries, kept)
    }

    fn append_kept(&mut self, entries: &[Entry<'_>], kept: Kept<'_>) -> Result<()> {
        if self.is_poisoned {
            return Err(Error::Poisoned { dir: self.options.dir.clone() });
        }
        let heads = self.heads_after(entries)?;
        let bytes = frame_bytes(&heads, entries, &kept);
        let (is_whole, kept_bytes) = (matches!(kept, Kept::Whole(..)), kept.content_bytes());
        let bytes_max = (self.options.bytes_max / 2).min(FRAME_BYTES_MAX) - SEGMENT_HEADER_BYTES;
        if bytes > bytes_max {
            return Err(Error::TooLarge { bytes, bytes_max });
        }
        self.make_room(bytes)?;
        self.make_active(bytes)?;
        let segment = self.segments.last_mut().expect("make_active made one");
        let active = self.active.as_ref().expect("make_active opened it");
        let place = Place { epoch: self.epoch, number: segment.number };
        let path = segment_path(&self.options.dir, segment.number);
        let disk = &mut self.disk;
        let mut write_at = |at, piece: &[u8]| disk.write(active, at, piece);
        let written =
            put::frame(&mut self.frame, place, segment.bytes, &heads, entries, kept, &mut write_at);
        if let Err(source) = written {
            if let Err(source) = self.disk.cut(active, segment.bytes) {
                self.is_poisoned = true;
                return Err(Error::Sync { path, source });
            }
            return Err(if is_no_space(&source) {
                Error::NoSpace { path, source }
            } else {
                Error::File { doing: "write", path, source }
            });
        }
        if let Err(source) = self.disk.sync(active) {
            self.is_poisoned = true;
            return Err(Error::Sync { path, source });
        }
        segment.bytes += bytes;
        segment.frames += 1;
        segment.last.extend(entries.iter().map(|entry| (entry.lane, entry.seq)));
        self.durable.set(segment.number, segment.bytes);
        if is_whole {
            segment.has_whole = true;
            self.whole_bytes = kept_bytes;
            self.changes_bytes = 0;
            self.is_whole_due = false;
        } else {
            self.changes_bytes += kept_bytes;
        }
        self.heads = heads;
        if self.frame.capacity() > FRAME_BUFFER_KEPT_MAX {
            self.frame = Vec::new();
        }
        Ok(())
    }

    /// Deletes the oldest segments whose every entry the cursors say is acknowledged; returns the
    /// bytes freed. The newest whole checkpoint stays, and what follows it.
    ///
    /// # Errors
    /// If a cursor cannot be read or a segment cannot be deleted.
    pub fn collect(&mut self) -> Result<u64> {
        let newest = self.segments.iter().rposition(|segment| segment.has_whole).unwrap_or(0);
        let mut acked = Heads::new();
        let mut freed = 0;
        let mut count = 0;
        for segment in self.segments.iter().take(newest) {
            if !is_acked(&self.options.dir, segment, &mut acked)? {
                break;
            }
            let path = segment_path(&self.options.dir, segment.number);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    self.segments.drain(..count);
                    return Err(file("delete", &path)(error));
                }
                _ => {}
            }
            freed += segment.bytes;
            count += 1;
        }
        if count > 0 {
            self.segments.drain(..count);
            sync_dir(&self.options.dir)?;
        }
        Ok(freed)
    }

    fn heads_after(&self, entries: &[Entry<'_>]) -> Result<Heads> {
        let mut heads = self.heads.clone();
        for entry in entries {
            let last = heads.get(&entry.lane).copied().unwrap_or(0);
            if entry.seq <= last {
                return Err(Error::Order { lane: entry.lane, seq: entry.seq, last });
            }
            heads.insert(entry.lane, entry.seq);
        }
        Ok(heads)
    }

    /// Sees to it that so many more bytes may be held.
    fn make_room(&mut self, needed: u64) -> Result<()> {
        let dir = &self.options.dir;
        let free_bytes = self.disk.free_bytes(dir).map_err(file("ask free space of", dir))?;
        let free_bytes_min = self.options.free_bytes_min;
        if free_bytes.saturating_sub(needed) < free_bytes_min {
            if self.collect()? > 0 {
                return self.make_room(needed);
            }
            let dir = self.options.dir.clone();
            return Err(Error::DiskFull { dir, free_bytes, free_bytes_min });
        }
        let needed_most = needed + SEGMENT_HEADER_BYTES;
        if self.bytes() + needed_most <= self.options.bytes_max {
            return Ok(());
        }
        self.collect()?;
        if self.bytes() + needed_most <= self.options.bytes_max {
            return Ok(());
        }
        // Never for ever: once everything is acknowledged only the segment with the newest whole
        // checkpoint is left, and a segment and a round are at most half of the bound each.
        Err(Error::Full {
            dir: self.options.dir.clone(),
            bytes: self.bytes(),
            needed,
            bytes_max: self.options.bytes_max,
        })
    }

    /// Returns whether the highest segment is open and takes so many more bytes.
    fn has_active_for(&self, bytes: u64) -> bool {
        let Some(segment) = self.segments.last().filter(|_| self.active.is_some()) else {
            return false;
        };
        let least = (SEGMENT_PER_WHOLE * self.whole_bytes).min(self.options.bytes_max / 2);
        let bytes_max = self.options.segment_bytes_max.max(least).min(SEGMENT_BYTES_MAX);
        segment.frames == 0 || segment.bytes + bytes <= bytes_max
    }

    /// Sees to it that the highest segment is open and has room for a frame.
    fn make_active(&mut self, bytes: u64) -> Result<()> {
        if self.has_active_for(bytes) {
            return Ok(());
        }
        self.active = None;
        let number = self.next_number;
        self.active = Some(create(&self.options.dir, Place { epoch: self.epoch, number })?);
        self.next_number += 1;
        self.segments.push(Segment::new(number, SEGMENT_HEADER_BYTES));
        Ok(())
    }
}

fn is_acked(dir: &Path, segment: &Segment, acked: &mut Heads) -> Result<bool> {
    for (&lane, &seq) in &segment.last {
        let known = match acked.get(&lane) {
            Some(known) => *known,
            None => {
                let known = Cursor::load(dir, lane)?;
                acked.insert(lane, known);
                known
            }
        };
        if seq > known {
            return Ok(false);
        }
    }
    Ok(true)
}

fn lock(dir: &Path) -> Result<File> {
    let path: PathBuf = dir.join(LOCK_FILE);
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(file("open", &path))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(Error::Locked { dir: dir.to_owned() }),
        Err(TryLockError::Error(source)) => Err(file("lock", &path)(source)),
    }
}
