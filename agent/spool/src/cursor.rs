//! Cursor: how far the receiver of a lane has acknowledged, kept beside the log.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::file;
use crate::segment::{read_epoch, sync_dir};
use crate::{Error, Result};

/// The acknowledged position of a lane: a small file, replaced atomically.
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
        let Some(epoch) = read_epoch(dir)? else { return Ok(0) };
        let path = path_of(dir, lane);
        let text = match fs::read(&path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(file("read cursor", &path)(error)),
        };
        match parse(&text) {
            Some((of, seq)) if of == epoch => Ok(seq),
            Some(_) => Ok(0),
            None => {
                tracing::warn!(path = %path.display(), "cursor is damaged; sending again from the start of the spool");
                Ok(0)
            }
        }
    }

    /// Stores the last acknowledged number of a lane, durably.
    ///
    /// # Errors
    /// If the file cannot be written; the old one is then still in place.
    pub fn store(dir: &Path, lane: u8, acked_seq: u64) -> Result<()> {
        match read_epoch(dir)? {
            Some(epoch) => write(dir, lane, epoch, acked_seq),
            None => Err(Error::Epoch { path: dir.join(crate::segment::EPOCH_FILE) }),
        }
    }

    /// As [`Self::store`], but does nothing if the spool has begun another epoch meanwhile: for a
    /// receiver in another process.
    ///
    /// # Errors
    /// As [`Self::store`].
    pub fn store_in_epoch(dir: &Path, lane: u8, epoch: u64, acked_seq: u64) -> Result<()> {
        if read_epoch(dir)? == Some(epoch) { write(dir, lane, epoch, acked_seq) } else { Ok(()) }
    }
}

fn path_of(dir: &Path, lane: u8) -> PathBuf {
    dir.join(format!("cursor.{lane}"))
}

fn write(dir: &Path, lane: u8, epoch: u64, seq: u64) -> Result<()> {
    let path = path_of(dir, lane);
    let temporary = dir.join(format!("cursor.{lane}.tmp"));
    let body = format!("{epoch} {seq}");
    let line = format!("{body} {:08x}\n", crc32c::crc32c(body.as_bytes()));
    let attempt = || -> io::Result<()> {
        let mut file = fs::File::create(&temporary)?;
        file.write_all(line.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, &path)
    };
    attempt().map_err(file("store cursor", &path))?;
    sync_dir(dir)
}

fn parse(text: &str) -> Option<(u64, u64)> {
    let (body, crc) = text.strip_suffix('\n')?.rsplit_once(' ')?;
    if u32::from_str_radix(crc, 16).ok()? != crc32c::crc32c(body.as_bytes()) {
        return None;
    }
    let (epoch, seq) = body.split_once(' ')?;
    Some((epoch.parse().ok()?, seq.parse().ok()?))
}
