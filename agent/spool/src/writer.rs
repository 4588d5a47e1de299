//! Spool: the one writer of the log.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use crate::disk::{Disk, RealDisk};
use crate::error::{file, is_no_space};
use crate::format::{
    FRAME_BYTES_MAX, Heads, Place, SEGMENT_HEADER_BYTES, encode_frame, frame_bytes,
};
use crate::recovery::{Segment, recover};
use crate::segment::{SEGMENT_BYTES_MAX, create, open_writable, segment_path, sync_dir};
use crate::{Cursor, Entry, Error, Options, Recovery, Result};

const LOCK_FILE: &str = "lock";

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
        let active = match state.segments.last() {
            Some(segment) if state.appendable => {
                let path = segment_path(dir, segment.number);
                let active = open_writable(&path)?;
                // A process killed between write and sync leaves a whole frame nobody synced.
                disk.sync(&active).map_err(|source| Error::Sync { path, source })?;
                Some(active)
            }
            _ => None,
        };
        let spool = Self {
            options,
            disk,
            _lock: lock,
            epoch: state.epoch,
            segments: state.segments,
            active,
            next_number: state.next_number,
            heads: state.heads,
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

    /// Returns the newest number of a lane; 0 before the first.
    #[must_use]
    pub fn last_seq(&self, lane: u8) -> u64 {
        self.heads.get(&lane).copied().unwrap_or(0)
    }

    /// Appends a round and makes it durable: when this returns, entries and checkpoint survive a
    /// power cut. `entries` may be empty, to store a checkpoint alone.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::DiskFull`], [`Error::NoSpace`], [`Error::File`]: nothing was
    /// changed, the same call may succeed later ([`Error::is_transient`]).
    /// [`Error::TooLarge`], [`Error::Order`]: never will. [`Error::Sync`], [`Error::Poisoned`]:
    /// reopen first.
    pub fn append(&mut self, entries: &[Entry<'_>], checkpoint: &[u8]) -> Result<()> {
        if self.is_poisoned {
            return Err(Error::Poisoned { dir: self.options.dir.clone() });
        }
        let heads = self.heads_after(entries)?;
        let bytes = frame_bytes(&heads, entries, checkpoint);
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
        encode_frame(&mut self.frame, place, segment.bytes, &heads, entries, checkpoint);
        assert_eq!(self.frame.len() as u64, bytes, "the size was foretold");
        if let Err(source) = self.disk.write(active, segment.bytes, &self.frame) {
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
        self.heads = heads;
        Ok(())
    }

    /// Deletes the oldest segments whose every entry the cursors say is acknowledged; returns the
    /// bytes freed. The newest frame stays.
    ///
    /// # Errors
    /// If a cursor cannot be read or a segment cannot be deleted.
    pub fn collect(&mut self) -> Result<u64> {
        let newest = self.segments.iter().rposition(|segment| segment.frames > 0).unwrap_or(0);
        let mut acked = Heads::new();
        let mut freed = 0;
        let mut count = 0;
        for segment in self.segments.iter().take(newest) {
            if !is_acked(&self.options.dir, segment, &mut acked)? {
                break;
            }
            let path = segment_path(&self.options.dir, segment.number);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
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
        // Never for ever: once everything is acknowledged only the newest frame's segment is left,
        // and a segment and a round are at most half of the bound each.
        Err(Error::Full {
            dir: self.options.dir.clone(),
            bytes: self.bytes(),
            needed,
            bytes_max: self.options.bytes_max,
        })
    }

    /// Sees to it that the highest segment is open and has room for a frame.
    fn make_active(&mut self, bytes: u64) -> Result<()> {
        if let (Some(_), Some(segment)) = (&self.active, self.segments.last())
            && (segment.frames == 0 || segment.bytes + bytes <= self.options.segment_bytes_max)
        {
            return Ok(());
        }
        self.active = None;
        let number = self.next_number;
        self.active = Some(create(&self.options.dir, Place { epoch: self.epoch, number })?);
        self.next_number += 1;
        self.segments.push(Segment {
            number,
            bytes: SEGMENT_HEADER_BYTES,
            last: Heads::new(),
            frames: 0,
        });
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
