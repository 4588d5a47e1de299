//! Segment files and the epoch file: names, listing, creation, and walking through one.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::error::file;
use crate::format::{
    FRAME_HEADER_BYTES, Found, MARK_START, Place, SEGMENT_HEADER_BYTES, bytes_before_checkpoint,
    claimed_bytes, frame_crc, is_gap, parse_round, parse_segment_header, segment_header, states,
};
use crate::{Error, Result};

/// Holds the epoch as decimal text.
pub(crate) const EPOCH_FILE: &str = "epoch";
/// End of the names of segments.
pub(crate) const SEGMENT_SUFFIX: &str = ".seg";
/// End of the names of files not yet in place.
pub(crate) const TEMPORARY_SUFFIX: &str = ".tmp";
/// Segments are named by this many digits, so that they sort as text.
const NAME_DIGITS: usize = 20;
/// More bytes than this are no segment of ours, whatever the configuration says: 1 GiB.
pub(crate) const SEGMENT_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// After damage at most this many look-alikes of a frame are checked before the rest is given up:
/// each may cost a read of [`crate::FRAME_BYTES_MAX`].
const RESYNC_CANDIDATES_MAX: usize = 4096;
/// Bytes that are searched for a frame at a time: 64 KiB.
const RESYNC_WINDOW_BYTES: usize = 64 * 1024;
/// A frame of up to so many bytes is read at once: 1 MiB. Ordinary rounds are smaller; those with a whole
/// checkpoint of thousands of files are not, and are rare: of them only what comes before the checkpoint
/// is held. A buffer that has grown beyond is given back after use. In our tests all is small, and goes
/// the same ways.
const AT_ONCE_BYTES: usize = if cfg!(test) { 256 } else { 1024 * 1024 };
/// A checkpoint that is not held is read so many bytes at a time: 64 KiB.
const PIECE_BYTES: usize = if cfg!(test) { 100 } else { 64 * 1024 };

pub(crate) fn segment_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:0NAME_DIGITS$}{SEGMENT_SUFFIX}"))
}

/// Returns the numbers of the segments in a folder, lowest first; none if the folder is absent.
pub(crate) fn list(dir: &Path) -> Result<Vec<u64>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(file("list spool", dir)(error)),
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let name = entry.map_err(file("list spool", dir))?.file_name();
        let number = name.to_str().and_then(|name| {
            let digits = name.strip_suffix(SEGMENT_SUFFIX)?;
            if digits.len() == NAME_DIGITS { digits.parse::<u64>().ok() } else { None }
        });
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Returns the epoch, or `None` if nothing was begun yet.
pub(crate) fn read_epoch(dir: &Path) -> Result<Option<u64>> {
    let path = dir.join(EPOCH_FILE);
    match fs::read_to_string(&path) {
        Ok(text) => text.trim_end().parse().map(Some).map_err(|_| Error::Epoch { path }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(Error::Epoch { path }),
        Err(error) => Err(file("read", &path)(error)),
    }
}

pub(crate) fn write_epoch(dir: &Path, epoch: u64) -> Result<()> {
    let path = dir.join(EPOCH_FILE);
    replace(&path, format!("{epoch}\n").as_bytes()).map_err(file("write", &path))?;
    sync_dir(dir)
}

/// Creates a segment that holds its header and nothing else. It appears whole or not at all.
pub(crate) fn create(dir: &Path, place: Place) -> Result<File> {
    let path = segment_path(dir, place.number);
    replace(&path, &segment_header(place)).map_err(file("create", &path))?;
    sync_dir(dir)?;
    open_writable(&path)
}

pub(crate) fn open_writable(path: &Path) -> Result<File> {
    File::options().read(true).write(true).open(path).map_err(file("open", path))
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(TEMPORARY_SUFFIX);
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}

/// Makes renames and deletions in a folder survive a power cut.
pub(crate) fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(file("sync folder", dir))
}

/// An open segment that is looked through frame by frame.
#[derive(Debug)]
pub(crate) struct Walker {
    pub(crate) file: File,
    pub(crate) place: Place,
    buffer: Vec<u8>,
}

impl Walker {
    /// Opens a segment; `epoch` is the one it must be of if its header is damaged.
    ///
    /// The flag says whether the header is as it should be.
    pub(crate) fn open(dir: &Path, number: u64, epoch: u64) -> io::Result<(Self, bool)> {
        let file = File::open(segment_path(dir, number))?;
        let mut header = [0; SEGMENT_HEADER_BYTES as usize];
        read_at(&file, &mut header, 0)?;
        let stated = parse_segment_header(&header).filter(|place| place.number == number);
        let place = stated.unwrap_or(Place { epoch, number });
        Ok((Self { file, place, buffer: Vec::new() }, stated.is_some()))
    }

    pub(crate) fn bytes(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Says what stands at an offset of a file of `length` bytes.
    pub(crate) fn examine(&mut self, offset: u64, length: u64) -> io::Result<Found<'_>> {
        let available = length.saturating_sub(offset);
        if available == 0 {
            return Ok(Found::End);
        }
        if self.buffer.capacity() > AT_ONCE_BYTES {
            self.buffer = Vec::new();
        }
        self.buffer.clear();
        if !self.grow(offset, FRAME_HEADER_BYTES.min(available as usize))? {
            return Ok(Found::Invalid);
        }
        let claimed = claimed_bytes(&self.buffer).filter(|claimed| *claimed <= available);
        let Some(claimed) = claimed else { return Ok(Found::Invalid) };
        if is_gap(&self.buffer) {
            let is_valid =
                states(&self.buffer, frame_crc(self.place, offset, &self.buffer[..8], &[]));
            return Ok(if is_valid { Found::Gap { bytes: claimed } } else { Found::Invalid });
        }
        let mut needed = claimed.min(AT_ONCE_BYTES as u64);
        while (self.buffer.len() as u64) < needed {
            if !self.grow(offset, needed as usize)? {
                return Ok(Found::Invalid);
            }
            needed = bytes_before_checkpoint(&self.buffer).min(claimed);
        }
        let body = &self.buffer[FRAME_HEADER_BYTES..];
        let mut crc = frame_crc(self.place, offset, &self.buffer[..8], body);
        let (mut at, end) = (offset + self.buffer.len() as u64, offset + claimed);
        // Of what is not held; put behind that of what is, below.
        let (behind_from, mut behind) = (at, 0);
        let mut piece = Vec::new();
        while at < end {
            piece.resize((end - at).min(PIECE_BYTES as u64) as usize, 0);
            if !read_at(&self.file, &mut piece, at)? {
                return Ok(Found::Invalid);
            }
            crc = crc32c::crc32c_append(crc, &piece);
            behind = crc32c::crc32c_append(behind, &piece);
            at += piece.len() as u64;
        }
        if !states(&self.buffer, crc) {
            return Ok(Found::Invalid);
        }
        let behind_bytes = (end - behind_from) as usize;
        let round = parse_round(&self.buffer, offset, claimed, |crc| {
            crc32c::crc32c_combine(crc, behind, behind_bytes)
        });
        Ok(Found::Frame { bytes: claimed, round })
    }

    /// Reads on until the buffer holds so many bytes of a frame; false if the file has become shorter.
    fn grow(&mut self, offset: u64, bytes: usize) -> io::Result<bool> {
        let held = self.buffer.len();
        self.buffer.resize(bytes, 0);
        read_at(&self.file, &mut self.buffer[held..], offset + held as u64)
    }

    /// Returns the offset of the next valid frame or gap behind damage at `offset`, if there is one.
    /// Reads a window at a time, so that damage in a large segment costs no memory.
    pub(crate) fn resync(&mut self, offset: u64, length: u64) -> io::Result<Option<u64>> {
        let mut window = vec![0; RESYNC_WINDOW_BYTES];
        let (mut from, mut candidates) = (offset + 1, 0);
        while from + (FRAME_HEADER_BYTES as u64) <= length {
            let size = (length - from).min(RESYNC_WINDOW_BYTES as u64) as usize;
            if !read_at(&self.file, &mut window[..size], from)? {
                return Ok(None);
            }
            let starts = size + 1 - FRAME_HEADER_BYTES;
            for index in 0..starts {
                if window[index] != MARK_START || claimed_bytes(&window[index..size]).is_none() {
                    continue;
                }
                let at = from + index as u64;
                if matches!(self.examine(at, length)?, Found::Frame { .. } | Found::Gap { .. }) {
                    return Ok(Some(at));
                }
                candidates += 1;
                if candidates == RESYNC_CANDIDATES_MAX {
                    return Ok(None);
                }
            }
            from += starts as u64;
        }
        Ok(None)
    }
}

/// Fills the buffer; false if the file has become shorter meanwhile.
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<bool> {
    match file.read_exact_at(buffer, offset) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
