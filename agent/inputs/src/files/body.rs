//! Body: the next lines of a source, out of a plain file.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::frame::{Framed, frame};
use super::glob::Stat;
use super::print::{self, HEAD_BYTES_MAX, Print, TAIL_BYTES_MAX};
use super::source::{CHUNK_LINES_MAX, Source, Step};
use super::wide::{Form, frame_wide};
use crate::{Line, Lines, SourceMeta, clock};

/// Bytes that follow what was handed on.
pub(super) struct Piece<'a> {
    /// They themselves.
    pub(super) bytes: &'a [u8],
    /// The first bytes of the content.
    pub(super) first: &'a [u8],
    /// Nothing will follow them: an unfinished last line is a line.
    pub(super) finish: bool,
    /// More are known to follow.
    pub(super) more: bool,
}

impl Source {
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
        if let Some(size) = self.begin_at.take_if(|_| self.key.is_none()) {
            self.head = print::head(file)?;
            let form = Form::of(&print::read_at(file, 0, HEAD_BYTES_MAX)?, self.encoding);
            let offset = form.whole(size);
            // Only the last unit before it says whether that is the start of a line.
            let before = offset.saturating_sub(form.unit());
            let last = print::read_at(file, before, (offset - before) as usize)?;
            self.skipping = offset > 0 && !form.is_line_end(&last);
            self.offset = offset;
            self.tail = print::tail(file, offset)?;
            self.named(name);
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
        self.seen = (stat.size, stat.changed);
        self.known = self.seen;
        let bytes = buffer.get(..count).unwrap_or_default();
        let finish = self.frozen && stat.size == reached;
        let piece = Piece { bytes, first: &first, finish, more: stat.size > reached };
        let (lines, framed) = self.cut(piece);
        if framed.used == 0 {
            // Also an unfinished first line is something to know the content by.
            if self.key.is_none() {
                self.head = Print::of(&first);
            }
            return Ok(self.rest(finish));
        }
        let offset = self.offset + framed.used as u64;
        let tail = match bytes.get(framed.used.saturating_sub(TAIL_BYTES_MAX)..framed.used) {
            Some(last) if last.len() == TAIL_BYTES_MAX => Print::of(last),
            _ => match &self.file {
                Some(file) => print::tail(file, offset)?,
                None => return Ok(Step::Nothing),
            },
        };
        Ok(self.take(lines, framed, &first, tail, name))
    }

    /// Cuts bytes into lines, without moving the position. Offsets are those of the content; the spans
    /// stand beside the frame.
    pub(super) fn cut(&mut self, piece: Piece<'_>) -> (Cut, Framed) {
        let form = Form::of(piece.first, self.encoding);
        let mark = if self.offset == 0 { form.mark.min(piece.bytes.len()) } else { 0 };
        let bytes = piece.bytes.get(mark..).unwrap_or_default();
        let mut text = Vec::new();
        let mut framed = match form.wide {
            None => frame(bytes, self.skipping, piece.finish, CHUNK_LINES_MAX),
            Some(order) => {
                frame_wide(bytes, order, self.skipping, piece.finish, CHUNK_LINES_MAX, &mut text)
            }
        };
        if form.wide.is_none() {
            text = bytes.get(..framed.used).unwrap_or_default().to_vec();
        }
        let mut spans = std::mem::take(&mut framed.lines);
        for (at, span) in spans.iter_mut().enumerate() {
            // The mark belongs to the first line, so that its place stays the first byte.
            let is_first = at == 0 && span.offset == 0;
            span.offset += self.offset + if is_first { 0 } else { mark as u64 };
        }
        if mark > 0 && (framed.used > 0 || piece.finish) {
            framed.used += mark;
            let count =
                if spans.is_empty() { &mut framed.empty_bytes } else { &mut framed.line_bytes };
            *count += mark as u64;
        }
        let more = piece.more || spans.len() >= CHUNK_LINES_MAX;
        self.failed = false;
        self.pending = more;
        self.unread &= more;
        (Cut { text, spans }, framed)
    }

    /// Moves the position behind what was cut, and makes it records.
    pub(super) fn take(
        &mut self,
        cut: Cut,
        mut framed: Framed,
        first: &[u8],
        tail: Print,
        name: impl FnOnce(&str) -> SourceMeta,
    ) -> Step {
        if first.len() > self.head.len {
            self.head = Print::of(first);
        }
        let mut lines = Lines::new(self.named(name), clock::now());
        match &mut self.assembler {
            None => {
                lines.buffer = cut.text;
                lines.lines = cut.spans;
            }
            Some(assembler) => {
                framed.joined = cut.spans.len() as u64;
                let now = Instant::now();
                for span in cut.spans {
                    let start = span.start as usize;
                    let bytes = cut.text.get(start..start + span.len as usize).unwrap_or_default();
                    let truncated = span.is_truncated();
                    assembler.push(Line { offset: span.offset, bytes, truncated }, now, &mut lines);
                }
                // Another turn tells whether what waits has to wait.
                self.pending |= assembler.due().is_some();
            }
        }
        self.offset += framed.used as u64;
        self.tail = tail;
        self.skipping = framed.skipping;
        self.active = Instant::now();
        Step::Lines(Some(lines), framed)
    }

    /// What there is when nothing more can be cut: records that waited too long, or all at the end.
    pub(super) fn rest(&mut self, finish: bool) -> Step {
        if self.pending {
            return Step::Nothing;
        }
        let lines = if finish { self.finish() } else { self.expire(Instant::now()) };
        lines.map_or(Step::Nothing, |lines| Step::Lines(Some(lines), Framed::default()))
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

    /// Returns what its lines carry; names the content if it has no name yet.
    fn named(&mut self, name: impl FnOnce(&str) -> SourceMeta) -> Arc<SourceMeta> {
        let fresh = || self.fresh_key().into_boxed_str();
        let key = self.key.clone().unwrap_or_else(fresh);
        let meta = self.meta.get_or_insert_with(|| Arc::new(name(&key)));
        self.key = Some(key);
        Arc::clone(meta)
    }

    /// Names the content. The fingerprint is taken once, so that the name stays while the file grows.
    fn fresh_key(&self) -> String {
        let (dev, ino) = self.id;
        format!("file:{dev:x}:{ino:x}:{}:{}", self.generation, self.head.hash())
    }
}

/// Lines that were cut, and the text they are in.
pub(super) struct Cut {
    text: Vec<u8>,
    spans: Vec<crate::Span>,
}
