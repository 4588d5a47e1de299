//! Source: one content being followed, whatever its file is called by now.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use super::assemble::Assemble;
use super::frame::{Framed, frame};
use super::glob::Stat;
use super::position::{Position, VERSION};
use super::print::{self, HEAD_BYTES_MAX, Print, TAIL_BYTES_MAX};
use crate::{Line, Lines, SourceMeta, clock};

/// Most lines of one chunk.
pub(crate) const CHUNK_LINES_MAX: usize = 1_000;

/// Most bytes of one chunk: four lines of the greatest length.
pub(crate) const CHUNK_BYTES_MAX: usize = 4 * crate::LINE_BYTES_MAX;

/// One content of one file: ends when the file is truncated or replaced.
#[derive(Debug)]
pub(crate) struct Source {
    /// The path that the configuration matched.
    pub(crate) path: PathBuf,
    /// Where to open it.
    pub(crate) real: PathBuf,
    /// Index of its group in the configuration.
    pub(crate) group: usize,
    /// Device and inode.
    pub(crate) id: (u64, u64),
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
    /// The content is no longer the one we knew: nothing was taken.
    Replaced,
}

impl Source {
    /// Returns a source never read before.
    pub(crate) fn new(path: PathBuf, real: PathBuf, group: usize, stat: Stat) -> Self {
        Self {
            path,
            real,
            group,
            id: stat.id,
            generation: 0,
            offset: 0,
            skipping: false,
            frozen: false,
            begin_at: None,
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
            head: position.head.clone(),
            tail: position.tail.clone(),
            meta: Some(Arc::new(meta)),
            known: (position.size, position.changed),
            ..Self::new(PathBuf::from(&position.path), real, group, stat)
        }
    }

    /// Returns the key, once there is one.
    pub(crate) fn key(&self) -> Option<&str> {
        self.meta.as_ref().map(|meta| meta.key.as_str())
    }

    /// Returns where to resume.
    pub(crate) fn position(&self) -> Position {
        Position {
            v: VERSION,
            path: self.path.to_string_lossy().into_owned(),
            real: self.real.to_string_lossy().into_owned(),
            dev: self.id.0,
            ino: self.id.1,
            generation: self.generation,
            offset: self.offset,
            skipping: self.skipping,
            frozen: self.frozen,
            left: self.left,
            head: self.head.clone(),
            tail: self.tail.clone(),
            size: self.known.0,
            changed: self.known.1,
            assembly: self.assembler.as_ref().and_then(|all| all.state()),
        }
    }

    /// Returns which file of which log it is.
    pub(crate) fn place(&self) -> Place {
        Place { path: self.path.clone(), real: self.real.clone(), group: self.group, id: self.id }
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
        !self.pending && self.offset >= self.seen.0
    }

    /// Returns its file for a look, if it is open or still where it was.
    pub(crate) fn opened(&self) -> Option<File> {
        if let Some(file) = &self.file {
            return file.try_clone().ok();
        }
        let file = File::open(&self.real).ok()?;
        (Stat::of(&file.metadata().ok()?).id == self.id).then_some(file)
    }

    /// Returns whether the open file still is the content we know.
    pub(crate) fn holds(&self, file: &File) -> io::Result<bool> {
        Ok(file.metadata()?.len() >= self.offset
            && self.head.begins(&print::read_at(file, 0, HEAD_BYTES_MAX)?)
            && print::tail_holds(file, self.offset, &self.tail)?)
    }

    /// Reads the next lines from the open file.
    ///
    /// The check that the content is still ours comes after the read: what was read before the check
    /// held is ours, whatever happens to the file next.
    pub(crate) fn read(
        &mut self,
        buffer: &mut [u8],
        name: impl FnOnce(&str) -> SourceMeta,
    ) -> io::Result<Step> {
        let Some(file) = &self.file else { return Ok(Step::Nothing) };
        if let Some(offset) = self.begin_at.take_if(|_| self.meta.is_none()) {
            // Only the last byte before it says whether that is the start of a line.
            let last = print::read_at(file, offset.saturating_sub(1), 1)?;
            self.skipping = offset > 0 && last != b"\n";
            self.offset = offset;
            self.head = print::head(file)?;
            self.tail = print::tail(file, offset)?;
            self.meta = Some(Arc::new(name(&self.fresh_key())));
            return Ok(Step::Lines(None, Framed::default()));
        }
        let count = print::fill_at(file, self.offset, buffer)?;
        let stat = Stat::of(&file.metadata()?);
        let first = print::read_at(file, 0, HEAD_BYTES_MAX)?;
        let reached = self.offset + count as u64;
        let ours = stat.size >= reached
            && self.head.begins(&first)
            && print::tail_holds(file, self.offset, &self.tail)?;
        if !ours {
            return Ok(Step::Replaced);
        }
        let read_at = clock::now();
        let bytes = buffer.get(..count).unwrap_or_default();
        let finish = self.frozen && stat.size == reached;
        let mut framed = frame(bytes, self.skipping, finish, CHUNK_LINES_MAX);
        self.seen = (stat.size, stat.changed);
        self.known = self.seen;
        self.failed = false;
        let more = stat.size > reached || framed.lines.len() >= CHUNK_LINES_MAX;
        self.pending = more;
        self.unread &= more;
        if framed.used == 0 {
            // Also an unfinished first line is something to know the content by.
            if self.meta.is_none() {
                self.head = Print::of(&first);
            }
            if more {
                return Ok(Step::Nothing);
            }
            let lines = if finish { self.finish() } else { self.expire(Instant::now()) };
            return Ok(
                lines.map_or(Step::Nothing, |lines| Step::Lines(Some(lines), Framed::default()))
            );
        }
        let offset = self.offset + framed.used as u64;
        let tail = match bytes.get(framed.used.saturating_sub(TAIL_BYTES_MAX)..framed.used) {
            Some(last) if last.len() == TAIL_BYTES_MAX => Print::of(last),
            _ => print::tail(file, offset)?,
        };
        if first.len() > self.head.len {
            self.head = Print::of(&first);
        }
        let meta = match &self.meta {
            Some(meta) => Arc::clone(meta),
            None => Arc::new(name(&self.fresh_key())),
        };
        self.meta = Some(Arc::clone(&meta));
        let mut lines = Lines::new(meta, read_at);
        lines.lines = std::mem::take(&mut framed.lines);
        for span in &mut lines.lines {
            span.offset += self.offset;
        }
        let bytes = bytes.get(..framed.used).unwrap_or_default();
        match &mut self.assembler {
            None => lines.buffer = bytes.to_vec(),
            Some(assembler) => {
                framed.joined = lines.lines.len() as u64;
                let now = Instant::now();
                for span in std::mem::take(&mut lines.lines) {
                    let start = span.start as usize;
                    let bytes = bytes.get(start..start + span.len as usize).unwrap_or_default();
                    let truncated = span.is_truncated();
                    let line = Line { offset: span.offset, bytes, truncated };
                    assembler.push(line, now, &mut lines);
                }
                // Another turn tells whether what waits has to wait.
                self.pending |= assembler.due().is_some();
            }
        }
        self.offset = offset;
        self.tail = tail;
        self.skipping = framed.skipping;
        self.active = Instant::now();
        Ok(Step::Lines(Some(lines), framed))
    }

    /// Returns the records that waited too long for more; the log was read to its end.
    fn expire(&mut self, now: Instant) -> Option<Lines> {
        let assembler = self.assembler.as_mut()?;
        assembler.due().filter(|due| *due <= now)?;
        let mut lines = Lines::new(Arc::clone(self.meta.as_ref()?), clock::now());
        assembler.expire(now, &mut lines);
        Some(lines)
    }

    /// Returns the records that were unfinished, as nothing will follow.
    pub(crate) fn finish(&mut self) -> Option<Lines> {
        let assembler = self.assembler.as_mut()?;
        assembler.due()?;
        let mut lines = Lines::new(Arc::clone(self.meta.as_ref()?), clock::now());
        assembler.finish(&mut lines);
        Some(lines)
    }

    /// Names the content. The fingerprint is taken once, so that the name stays while the file grows.
    fn fresh_key(&self) -> String {
        let (dev, ino) = self.id;
        format!("file:{dev:x}:{ino:x}:{}:{}", self.generation, self.head.hash)
    }
}
