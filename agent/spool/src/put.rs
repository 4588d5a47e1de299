//! Put: writes the frame of a round, a large checkpoint in pieces.

use std::io::{self, Write};

use crate::Entry;
use crate::format::{
    FRAME_HEADER_BYTES, Heads, Kept, Place, begin_frame, frame_bytes, frame_crc, frame_header,
    frame_start,
};

/// A whole checkpoint is written so many bytes at a time: 256 KiB. In our tests all is small, and goes
/// the same way.
const PIECE_BYTES: usize = if cfg!(test) { 200 } else { 256 * 1024 };

/// Writes bytes at an offset of the segment.
pub(crate) type WriteAt<'a> = dyn FnMut(u64, &[u8]) -> io::Result<()> + 'a;

/// Counts the bytes of a whole checkpoint.
///
/// # Errors
/// What `write` fails with.
pub(crate) fn count(write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>) -> io::Result<u64> {
    let mut counter = Counter(0);
    write(&mut counter)?;
    Ok(counter.0)
}

/// Writes the frame of a round at an offset; returns the bytes it takes. What fits into a piece, and
/// everything without a whole checkpoint, is written at once. Of more the header comes last: until
/// it is there, the rest is a write in progress, or a torn one.
///
/// # Errors
/// What `write_at` fails with; any part may have been written.
pub(crate) fn frame(
    buffer: &mut Vec<u8>,
    place: Place,
    offset: u64,
    heads: &Heads,
    entries: &[Entry<'_>],
    kept: Kept<'_>,
    write_at: &mut WriteAt<'_>,
) -> io::Result<u64> {
    let bytes = frame_bytes(heads, entries, &kept);
    begin_frame(buffer, heads, entries, &kept);
    let start = frame_start(bytes);
    let crc = frame_crc(place, offset, &start, &[]);
    let mut pieces = Pieces { buffer, offset, at: offset, crc, write_at };
    match kept {
        Kept::Change(change) => pieces.buffer.extend_from_slice(change),
        Kept::Whole(_, write) => write(&mut pieces)?,
    }
    pieces.end(start)?;
    assert_eq!(pieces.at - offset, bytes, "the size was foretold");
    Ok(bytes)
}

struct Pieces<'a, 'b> {
    buffer: &'a mut Vec<u8>,
    offset: u64,
    /// Where the buffer will stand.
    at: u64,
    crc: u32,
    write_at: &'a mut WriteAt<'b>,
}

impl Pieces<'_, '_> {
    fn is_first(&self) -> bool {
        self.at == self.offset
    }

    fn add_to_crc(&mut self) {
        let from = if self.is_first() { FRAME_HEADER_BYTES } else { 0 };
        self.crc = crc32c::crc32c_append(self.crc, &self.buffer[from..]);
    }

    fn put(&mut self) -> io::Result<()> {
        (self.write_at)(self.at, self.buffer)?;
        self.at += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn end(&mut self, start: [u8; 8]) -> io::Result<()> {
        self.add_to_crc();
        let header = frame_header(start, self.crc);
        if self.is_first() {
            self.buffer[..FRAME_HEADER_BYTES].copy_from_slice(&header);
            return self.put();
        }
        self.put()?;
        (self.write_at)(self.offset, &header)
    }
}

impl Write for Pieces<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE_BYTES {
            self.add_to_crc();
            self.put()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Counter(u64);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
