//! Source: one content being followed, whatever its file is called by now.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::assemble::Assemble;
use super::frame::Framed;
use super::glob::{Life, Stat};
use super::packed::Packed;
use super::position::{Position, VERSION};
use super::print::{self, HEAD_BYTES_MAX, Print};
use crate::{Encoding, Lines, SourceMeta};

/// Most lines of one chunk.
pub(crate) const CHUNK_LINES_MAX: usize = 1_000;

/// Most bytes of one chunk: four lines of the greatest length.
pub(crate) const CHUNK_BYTES_MAX: usize = 4 * crate::LINE_BYTES_MAX;

/// One content of one file: ends when the file is truncated or replaced.
#[derive(Debug)]
pub(crate) struct Source {
    /// The path that the configuration matched.
    pub(crate) path: PathBuf,
    /// Where to open it, when that is elsewhere.
    pub(super) elsewhere: Option<Box<Path>>,
    /// Index of its group in the configuration.
    pub(crate) group: usize,
    /// Device and inode.
    pub(crate) id: (u64, u64),
    /// What tells one use of an inode from the next.
    pub(crate) life: Life,
    /// The inode turned out to be used anew.
    pub(crate) reused: bool,
    /// Files that turned out not to hold its content.
    pub(crate) rejected: Vec<(u64, u64)>,
    /// How bytes are read as text.
    pub(crate) encoding: Encoding,
    /// How often this inode has begun anew.
    pub(crate) generation: u32,
    /// First byte not yet handed on.
    pub(crate) offset: u64,
    /// Inside a line that was cut.
    pub(crate) skipping: bool,
    /// Nothing will be added any more.
    pub(crate) frozen: bool,
    /// Begin at this offset, the size at first sight (`start = "end"`).
    pub(crate) begin_at: Option<u64>,
    /// Its name in checkpoints; `None` until there is a line to know it by.
    pub(crate) key: Option<Box<str>>,
    /// What its lines carry; at hand while it is read.
    pub(crate) meta: Option<Arc<SourceMeta>>,
    /// Its first bytes.
    pub(crate) head: Print,
    /// The bytes just before `offset`.
    pub(crate) tail: Print,
    /// Open, unless idle for long.
    pub(crate) file: Option<File>,
    /// Size and last change when last looked at.
    pub(crate) seen: (u64, i64),
    /// The same when its content was last found to be ours.
    pub(crate) known: (u64, i64),
    /// Rotated files changed at this time or later, that nobody knows, held what this file held
    /// before: set at first sight, and of use until there is a first line.
    pub(crate) since: i64,
    /// There may be something to read.
    pub(crate) pending: bool,
    /// Its end has not been reached since it was taken in or moved: others may wait for it.
    pub(crate) unread: bool,
    /// Reading failed at the last try.
    pub(crate) failed: bool,
    /// No longer found under a path the configuration matches.
    pub(crate) left: bool,
    /// Number of the scan that last found it.
    pub(crate) scan: u64,
    /// When it last changed or moved.
    pub(crate) active: Instant,
    /// Number of the source whose lines come first.
    pub(crate) after: Option<u64>,
    /// Its file is compressed.
    pub(crate) packed: Option<Box<Packed>>,
    /// Joins its lines into records; `None` when every line is one.
    pub(crate) assembler: Option<Box<dyn Assemble>>,
}

/// Which file of which log a source is.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// See [`Source::path`].
    pub(crate) path: PathBuf,
    /// See [`Source::real`].
    pub(crate) real: PathBuf,
    /// See [`Source::group`].
    pub(crate) group: usize,
    /// See [`Source::id`].
    pub(crate) id: (u64, u64),
}

/// What one read brought.
#[derive(Debug)]
pub(crate) enum Step {
    /// Lines, perhaps none; the position has moved. Their spans are no longer in the frame.
    Lines(Option<Lines>, Framed),
    /// Nothing for now.
    Nothing,
    /// Nothing yet: what was read before is being unpacked.
    Skipped,
    /// The content is no longer the one we knew: nothing was taken.
    Replaced,
}

impl Source {
    /// Returns a source never read before.
    pub(crate) fn new(mut path: PathBuf, real: PathBuf, group: usize, stat: Stat) -> Self {
        // There may be tens of thousands.
        path.shrink_to_fit();
        let elsewhere = (real != path).then(|| real.into_boxed_path());
        Self {
            path,
            elsewhere,
            group,
            id: stat.id,
            life: Life { born: stat.born, version: None },
            reused: false,
            rejected: Vec::new(),
            encoding: Encoding::Auto,
            generation: 0,
            offset: 0,
            skipping: false,
            frozen: false,
            begin_at: None,
            key: None,
            meta: None,
            head: Print::of(b""),
            tail: Print::of(b""),
            file: None,
            seen: (stat.size, stat.changed),
            known: (stat.size, stat.changed),
            // What was there at first sight is older than the agent.
            since: stat.changed.saturating_add(1),
            pending: true,
            unread: true,
            failed: false,
            left: false,
            scan: 0,
            active: Instant::now(),
            after: None,
            packed: None,
            assembler: None,
        }
    }

    /// Returns a source that goes on from a checkpoint, in the file where it was found again.
    pub(crate) fn resume(
        meta: SourceMeta,
        position: &Position,
        real: PathBuf,
        group: usize,
        stat: Stat,
    ) -> Self {
        Self {
            generation: position.generation,
            offset: position.offset,
            skipping: position.skipping,
            frozen: position.frozen,
            head: position.head,
            tail: position.tail,
            key: Some(meta.key.as_str().into()),
            meta: Some(Arc::new(meta)),
            known: (position.size, position.changed),
            ..Self::new(PathBuf::from(&position.path), real, group, stat)
        }
        .at_rest(position, stat)
    }

    /// Spares a file the first look that is as it was left: read to its end, the same inode in the same
    /// use, size and time.
    fn at_rest(mut self, position: &Position, stat: Stat) -> Self {
        let is_same = (position.dev, position.ino) == stat.id
            && position.life.born.is_some()
            && position.life.born == stat.born
            && (position.size, position.changed) == (stat.size, stat.changed);
        if is_same && self.offset == stat.size && position.assembly.is_none() {
            self.life.version = position.life.version;
            self.pending = false;
            self.unread = false;
        }
        self
    }

    /// Takes note that its file is compressed, or is not.
    pub(crate) fn set_packed(&mut self, packed: Option<Box<Packed>>, changed: i64) {
        self.packed = packed;
        let Some(packed) = &self.packed else { return };
        self.frozen = true;
        // Compressed after it was read to its end: nothing in it is new.
        let is_read = packed.size == Some(self.offset)
            && self.known == (self.offset, changed)
            && self.key.is_some();
        self.pending &= !is_read;
        self.unread &= !is_read;
    }

    /// Returns the key, once there is one.
    pub(crate) fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Returns where to open it.
    pub(crate) fn real(&self) -> &Path {
        self.elsewhere.as_deref().unwrap_or(&self.path)
    }

    /// Takes note of where to open it.
    pub(crate) fn set_real(&mut self, real: PathBuf) {
        self.elsewhere = (real != self.path).then(|| real.into_boxed_path());
    }

    /// Lets go of what only a source that is read needs. Records that are not finished need it, too.
    pub(crate) fn rest_closed(&mut self) {
        if self.assembler.is_none() {
            self.meta = None;
        }
    }

    /// Returns where to resume.
    pub(crate) fn position(&self) -> Position {
        Position {
            v: VERSION,
            path: self.path.to_string_lossy().into_owned(),
            real: String::new(),
            dev: self.id.0,
            ino: self.id.1,
            generation: self.generation,
            offset: self.offset,
            skipping: self.skipping,
            frozen: self.frozen,
            left: self.left,
            head: self.head,
            tail: self.tail,
            size: match &self.packed {
                Some(packed) if self.pending || self.unread => packed.size.unwrap_or(self.offset),
                Some(_) => self.offset,
                None => self.known.0,
            },
            changed: self.known.1,
            life: self.life,
            assembly: self.assembler.as_ref().and_then(|all| all.state()),
        }
        .at(self.real().to_string_lossy().into_owned())
    }

    /// Returns which file of which log it is.
    pub(crate) fn place(&self) -> Place {
        Place {
            path: self.path.clone(),
            real: self.real().to_path_buf(),
            group: self.group,
            id: self.id,
        }
    }

    /// Returns the last change that a file may have which came before this one: what changed after one
    /// that was renamed away itself is its successor.
    pub(crate) fn missed_until(&self) -> i64 {
        if self.left { self.seen.1 } else { i64::MAX }
    }

    /// Takes note of what the kernel says; a change makes it pending.
    pub(crate) fn look(&mut self, stat: Stat) {
        if self.seen != (stat.size, stat.changed) {
            self.seen = (stat.size, stat.changed);
            self.pending = true;
            self.active = Instant::now();
        }
    }

    /// Returns whether everything written so far was handed on.
    pub(crate) fn is_read(&self) -> bool {
        !self.pending && (self.packed.is_some() || self.offset >= self.seen.0)
    }

    /// Whether a file with its inode is known to be another.
    pub(crate) fn is_not(&self, stat: Stat) -> bool {
        self.reused || self.life.differs(Life { born: stat.born, version: None })
    }

    /// Whether its file is open.
    pub(crate) fn is_open(&self) -> bool {
        self.file.is_some() || self.packed.as_ref().is_some_and(|packed| packed.is_open())
    }

    /// Closes its file.
    pub(crate) fn close(&mut self) {
        self.file = None;
        if let Some(packed) = &mut self.packed {
            packed.close();
        }
        self.rest_closed();
    }

    /// Returns its file for a look, if it is open or still where it was; none for a compressed one.
    pub(crate) fn opened(&self) -> Option<File> {
        if self.packed.is_some() {
            return None;
        }
        if let Some(file) = &self.file {
            return file.try_clone().ok();
        }
        let file = File::open(self.real()).ok()?;
        (Stat::of(&file.metadata().ok()?).id == self.id).then_some(file)
    }

    /// Returns whether the open file still is the content we know.
    pub(crate) fn holds(&self, file: &File) -> io::Result<bool> {
        Ok(file.metadata()?.len() >= self.offset
            && self.head.begins(&print::read_at(file, 0, HEAD_BYTES_MAX)?)
            && print::tail_holds(file, self.offset, &self.tail)?)
    }
}
