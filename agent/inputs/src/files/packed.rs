//! Packed: the next lines of a source whose file was compressed.
//!
//! A stream can only be read from its beginning. So the part that was read from the plain file is
//! unpacked again and checked against the prints on the way; what follows is new.

use std::fs::File;
use std::io;
use std::path::Path;

use super::body::Piece;
use super::glob::Stat;
use super::print::{HEAD_BYTES_MAX, Print, TAIL_BYTES_MAX};
use super::source::{CHUNK_BYTES_MAX, Source, Step};
use super::unpack::{Kind, Stream};
use crate::SourceMeta;

/// Most bytes unpacked in one turn while looking for the place to go on: a few milliseconds.
const SKIP_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What a source needs besides while its file is compressed.
#[derive(Debug)]
pub(crate) struct Packed {
    kind: Kind,
    /// What the file says it unpacks to.
    pub(crate) size: Option<u64>,
    open: Option<Open>,
}

/// A stream under way.
#[derive(Debug)]
struct Open {
    stream: Stream,
    /// The first bytes of the content.
    first: Vec<u8>,
    /// The last bytes before what is in `rest`.
    before: Vec<u8>,
    /// Unpacked, not handed on.
    rest: Vec<u8>,
    /// The prints were checked.
    is_ours: bool,
    is_end: bool,
}

impl Packed {
    /// Returns what is needed for a file by its name; `None` for one that is not compressed.
    pub(crate) fn of(path: &Path) -> Option<Box<Self>> {
        let kind = Kind::of(path)?;
        let size = File::open(path).ok().and_then(|file| kind.size(&file));
        Some(Box::new(Self { kind, size, open: None }))
    }

    /// Whether its file is open.
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Closes its file; the next read begins anew.
    pub(crate) fn close(&mut self) {
        self.open = None;
    }
}

impl Open {
    fn new(stream: Stream) -> Self {
        Self {
            stream,
            first: Vec::new(),
            before: Vec::new(),
            rest: Vec::new(),
            is_ours: false,
            is_end: false,
        }
    }

    /// Takes note of bytes that pass.
    fn pass(&mut self, bytes: &[u8]) {
        let last = bytes.len().saturating_sub(TAIL_BYTES_MAX);
        self.before.extend_from_slice(bytes.get(last..).unwrap_or_default());
        let excess = self.before.len().saturating_sub(TAIL_BYTES_MAX);
        self.before.drain(..excess);
    }

    /// Takes note of the first bytes, if `bytes`, which are at `at`, are among them.
    fn begin(&mut self, at: u64, bytes: &[u8]) {
        let known = self.first.len();
        let Some(from) = (known as u64).checked_sub(at) else { return };
        let new = bytes.get(usize::try_from(from).unwrap_or(usize::MAX)..).unwrap_or_default();
        let room = HEAD_BYTES_MAX - known;
        self.first.extend_from_slice(new.get(..room.min(new.len())).unwrap_or_default());
    }

    /// Unpacks up to `offset`, as far as one turn goes. False when there is more to skip.
    fn skip(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<bool> {
        let mut left = SKIP_BYTES_MAX;
        while self.stream.at() < offset && !self.is_end {
            let room = usize::try_from(offset - self.stream.at()).unwrap_or(usize::MAX);
            let room = room.min(buffer.len()).min(left);
            let Some(part) = buffer.get_mut(..room).filter(|part| !part.is_empty()) else {
                return Ok(false);
            };
            let at = self.stream.at();
            let read = self.stream.read(part)?;
            self.is_end = read == 0;
            left -= read;
            self.begin(at, buffer.get(..read).unwrap_or_default());
            self.pass(buffer.get(..read).unwrap_or_default());
        }
        Ok(true)
    }

    /// Unpacks what follows until there is enough for a chunk.
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        while self.rest.len() < CHUNK_BYTES_MAX && !self.is_end {
            let at = self.stream.at();
            let read = self.stream.read(buffer)?;
            self.is_end = read == 0;
            self.begin(at, buffer.get(..read).unwrap_or_default());
            self.rest.extend_from_slice(buffer.get(..read).unwrap_or_default());
        }
        Ok(())
    }
}

impl Source {
    /// Reads the next lines from a compressed file.
    pub(crate) fn read_packed(
        &mut self,
        buffer: &mut [u8],
        name: impl FnOnce(&str) -> SourceMeta,
    ) -> io::Result<Step> {
        let real = self.elsewhere.as_deref().unwrap_or(&self.path);
        let Some(packed) = &mut self.packed else { return Ok(Step::Nothing) };
        let mut open = match packed.open.take() {
            Some(open) => open,
            None => {
                let file = File::open(real)?;
                let stat = Stat::of(&file.metadata()?);
                if stat.id != self.id {
                    return Err(io::ErrorKind::NotFound.into());
                }
                self.seen = (stat.size, stat.changed);
                Open::new(Stream::new(file, packed.kind)?)
            }
        };
        if !open.is_ours && !open.skip(self.offset, buffer)? {
            packed.open = Some(open);
            self.pending = true;
            return Ok(Step::Skipped);
        }
        // What was unpacked before damage is whole lines, but for the last.
        let damage = open.fill(buffer).err();
        if !open.is_ours {
            let tail = open.before.len().saturating_sub(self.tail.len);
            let tail = Print::of(open.before.get(tail..).unwrap_or_default());
            let begin = open.stream.at() - open.rest.len() as u64;
            let is_short = open.first.len() < self.head.len && damage.is_some();
            if begin != self.offset || tail != self.tail || is_short {
                return damage.map_or(Ok(Step::Replaced), Err);
            }
            if !self.head.begins(&open.first) {
                return Ok(Step::Replaced);
            }
            open.is_ours = true;
        }
        self.known = (open.stream.at().max(self.offset), self.seen.1);
        let finish = open.is_end;
        let more = !open.is_end && damage.is_none();
        let piece = Piece { bytes: &open.rest, first: &open.first, finish, more };
        let (cut, framed) = self.cut(piece);
        if framed.used == 0 {
            if let Some(damage) = damage {
                return Err(damage);
            }
            let step = self.rest(finish);
            if matches!(step, Step::Nothing) && self.pending {
                self.keep(open);
            }
            return Ok(step);
        }
        let used: Vec<u8> = open.rest.drain(..framed.used.min(open.rest.len())).collect();
        open.pass(&used);
        let tail = Print::of(&open.before);
        let step = self.take(cut, framed, &open.first, tail, name);
        // Another turn tells that it is read to its end, or damaged.
        self.pending = true;
        self.keep(open);
        Ok(step)
    }

    fn keep(&mut self, open: Open) {
        if let Some(packed) = &mut self.packed {
            packed.open = Some(open);
        }
    }
}
