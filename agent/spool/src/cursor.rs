//! Cursor: how far the receiver of a lane has acknowledged, kept beside the log.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::error::file;
use crate::segment::{read_epoch, sync_dir};
use crate::{Error, Result};

/// A cursor that cannot be read right is read so many times before it counts as damaged.
const READ_TRIES_MAX: usize = 3;

/// Where the receiver keeps an acknowledged entry, in numbers of its own. The shipper looks behind it for
/// what the receiver has and no cursor says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location {
    /// Kafka's partition.
    pub partition: u32,
    /// Kafka's offset.
    pub offset: u64,
}

/// What the file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Acked {
    epoch: u64,
    seq: u64,
    location: Option<Location>,
}

/// The acknowledged position of a lane: a small file with a checksum, replaced as a whole, or written
/// over in place by a [`HeldCursor`].
///
/// Written by whoever delivers (the shipper, or the collector of a site without Kafka), read by the
/// spool when it looks for segments to delete.
#[derive(Debug)]
pub struct Cursor;

impl Cursor {
    /// Returns the last acknowledged number of a lane in the spool's present epoch; 0 if nothing
    /// was acknowledged yet.
    ///
    /// A damaged file counts as 0 and is logged: sending again is safe, skipping is not.
    ///
    /// # Errors
    /// If the file is there but cannot be read.
    pub fn load(dir: &Path, lane: u8) -> Result<u64> {
        Ok(Self::load_located(dir, lane)?.0)
    }

    /// As [`Self::load`], with where the receiver keeps that entry, if it was noted.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_located(dir: &Path, lane: u8) -> Result<(u64, Option<Location>)> {
        let Some(epoch) = read_epoch(dir)? else { return Ok((0, None)) };
        let path = path_of(dir, lane);
        for _ in 0..READ_TRIES_MAX {
            let text = match fs::read(&path) {
                Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((0, None)),
                Err(error) => return Err(file("read cursor", &path)(error)),
            };
            match parse(&text) {
                Some(acked) if acked.epoch == epoch => return Ok((acked.seq, acked.location)),
                Some(_) => return Ok((0, None)),
                // Perhaps read in the midst of a write.
                None => {}
            }
        }
        tracing::warn!(path = %path.display(), "cursor is damaged; sending again from the start of the spool");
        Ok((0, None))
    }

    /// Stores a number durably and keeps the file open, for a receiver that acknowledges often.
    ///
    /// # Errors
    /// As [`Self::store`].
    pub fn hold(
        dir: &Path,
        lane: u8,
        epoch: u64,
        acked_seq: u64,
        location: Option<Location>,
    ) -> Result<HeldCursor> {
        let path = path_of(dir, lane);
        let acked = Acked { epoch, seq: acked_seq, location };
        write(dir, lane, acked)?;
        let file = File::options().write(true).open(&path).map_err(file("open cursor", &path))?;
        Ok(HeldCursor { dir: dir.to_owned(), lane, acked, path, file, is_synced: true })
    }

    /// Stores the last acknowledged number of a lane, durably.
    ///
    /// # Errors
    /// If the file cannot be written; the old one is then still in place.
    pub fn store(dir: &Path, lane: u8, acked_seq: u64) -> Result<()> {
        match read_epoch(dir)? {
            Some(epoch) => write(dir, lane, Acked { epoch, seq: acked_seq, location: None }),
            None => Err(Error::Epoch { path: dir.join(crate::segment::EPOCH_FILE) }),
        }
    }

    /// As [`Self::store`], but does nothing if the spool has begun another epoch meanwhile: for a
    /// receiver in another process.
    ///
    /// # Errors
    /// As [`Self::store`].
    pub fn store_in_epoch(dir: &Path, lane: u8, epoch: u64, acked_seq: u64) -> Result<()> {
        if read_epoch(dir)? != Some(epoch) {
            return Ok(());
        }
        write(dir, lane, Acked { epoch, seq: acked_seq, location: None })
    }
}

/// A cursor whose file is held open. There is one holder of a lane at a time.
#[derive(Debug)]
pub struct HeldCursor {
    dir: PathBuf,
    lane: u8,
    acked: Acked,
    path: PathBuf,
    file: File,
    is_synced: bool,
}

impl HeldCursor {
    /// Returns the epoch it counts in.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.acked.epoch
    }

    /// Notes an acknowledged number, so cheaply that it can be done for every batch: one write of a
    /// line that stays as long as it is. It outlives the process at once, a power cut only after
    /// [`Self::sync`]; what is forgotten then is sent again.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn advance(&mut self, acked_seq: u64, location: Option<Location>) -> Result<()> {
        let acked = Acked { seq: acked_seq, location, ..self.acked };
        if location.is_some() != self.acked.location.is_some() {
            // A line of another length.
            *self = Cursor::hold(&self.dir, self.lane, acked.epoch, acked_seq, location)?;
            return Ok(());
        }
        self.file
            .write_all_at(line(acked).as_bytes(), 0)
            .map_err(file("store cursor", &self.path))?;
        self.acked = acked;
        self.is_synced = false;
        Ok(())
    }

    /// Makes what was noted survive a power cut.
    ///
    /// # Errors
    /// If the file cannot be synced.
    pub fn sync(&mut self) -> Result<()> {
        if self.is_synced {
            return Ok(());
        }
        let ours = self.file.metadata().map(|facts| facts.ino()).ok();
        if fs::metadata(&self.path).map(|facts| facts.ino()).ok() != ours {
            // Somebody deleted or replaced it: what we wrote is in a file without a name.
            let Acked { epoch, seq, location } = self.acked;
            *self = Cursor::hold(&self.dir, self.lane, epoch, seq, location)?;
            return Ok(());
        }
        self.file.sync_data().map_err(file("sync cursor", &self.path))?;
        self.is_synced = true;
        Ok(())
    }
}

fn path_of(dir: &Path, lane: u8) -> PathBuf {
    dir.join(format!("cursor.{lane}"))
}

fn write(dir: &Path, lane: u8, acked: Acked) -> Result<()> {
    let path = path_of(dir, lane);
    let temporary = dir.join(format!("cursor.{lane}.tmp"));
    let line = line(acked);
    let attempt = || -> io::Result<()> {
        let mut file = fs::File::create(&temporary)?;
        file.write_all(line.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, &path)
    };
    match attempt() {
        Ok(()) => sync_dir(dir),
        // A full disk has no room for a second file. The one that is there can be written over; else
        // nobody would learn what was acknowledged, and no segment would be freed, for ever.
        Err(error) => overwrite(&path, &line).map_err(|_| file("store cursor", &path)(error)),
    }
}

/// Writes over what a file holds. Torn, it counts as damaged: everything is sent again.
fn overwrite(path: &Path, line: &str) -> io::Result<()> {
    let file = File::options().write(true).open(path)?;
    file.write_all_at(line.as_bytes(), 0)?;
    file.set_len(line.len() as u64)?;
    file.sync_data()
}

/// The file's content, of one length within an epoch with a location, and of another without: a shorter
/// line over a longer one would leave the end of that.
fn line(acked: Acked) -> String {
    let Acked { epoch, seq, location } = acked;
    let body = match location {
        Some(Location { partition, offset }) => {
            format!("{epoch} {seq:020} {partition:010} {offset:020}")
        }
        None => format!("{epoch} {seq:020}"),
    };
    format!("{body} {:08x}\n", crc32c::crc32c(body.as_bytes()))
}

fn parse(text: &str) -> Option<Acked> {
    let (body, crc) = text.strip_suffix('\n')?.rsplit_once(' ')?;
    if u32::from_str_radix(crc, 16).ok()? != crc32c::crc32c(body.as_bytes()) {
        return None;
    }
    let words: Vec<&str> = body.split(' ').collect();
    let (epoch, seq, location) = match words[..] {
        [epoch, seq] => (epoch, seq, None),
        [epoch, seq, partition, offset] => {
            let (partition, offset) = (partition.parse().ok()?, offset.parse().ok()?);
            (epoch, seq, Some(Location { partition, offset }))
        }
        _ => return None,
    };
    Some(Acked { epoch: epoch.parse().ok()?, seq: seq.parse().ok()?, location })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::EPOCH_FILE;

    #[test]
    fn a_cursor_moves_although_there_is_no_room_for_a_second_file() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(EPOCH_FILE), "7\n").unwrap();
        Cursor::store(dir.path(), 1, 3).unwrap();
        // Stands where the replacement would be written.
        std::fs::create_dir(dir.path().join("cursor.1.tmp")).unwrap();
        Cursor::store(dir.path(), 1, 4).unwrap();
        assert_eq!(Cursor::load(dir.path(), 1).unwrap(), 4);
        let mut held = Cursor::hold(dir.path(), 1, 7, 5, None).unwrap();
        assert_eq!(Cursor::load(dir.path(), 1).unwrap(), 5);
        held.advance(6, None).unwrap();
        assert_eq!(Cursor::load(dir.path(), 1).unwrap(), 6);
        // A lane that has no file yet cannot be held.
        std::fs::create_dir(dir.path().join("cursor.0.tmp")).unwrap();
        assert!(Cursor::hold(dir.path(), 0, 7, 1, None).is_err());
    }
    #[test]
    fn a_cursor_says_where_the_receiver_keeps_the_entry_if_that_is_known() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(EPOCH_FILE), "7\n").unwrap();
        let load = || Cursor::load_located(dir.path(), 1).unwrap();
        let mut held = Cursor::hold(dir.path(), 1, 7, 5, None).unwrap();
        assert_eq!(load(), (5, None));
        for (seq, partition, offset) in [(6, 3, 9), (7, u32::MAX, u64::MAX), (8, 0, 0)] {
            let location = Some(Location { partition, offset });
            held.advance(seq, location).unwrap();
            assert_eq!(load(), (seq, location));
            held.sync().unwrap();
            assert_eq!((load(), Cursor::load(dir.path(), 1).unwrap()), ((seq, location), seq));
        }
        held.advance(9, None).unwrap();
        assert_eq!(load(), (9, None));
        // Of another epoch it says nothing.
        held.advance(10, Some(Location { partition: 1, offset: 2 })).unwrap();
        std::fs::write(dir.path().join(EPOCH_FILE), "8\n").unwrap();
        assert_eq!(load(), (0, None));
    }
}
