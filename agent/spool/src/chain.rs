//! Chain: which rounds make up the caller's checkpoint, and where in the segments it stands.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::file;
use crate::format::Field;
use crate::segment::segment_path;
use crate::{Result, Saved, SavedPart};

/// Where the rounds stand that make up the checkpoint: segment and field.
#[derive(Debug, Default)]
pub(crate) struct Chain {
    pub(crate) whole: Option<(u64, Field)>,
    /// Behind the whole one, in order.
    changes: Vec<(u64, Field)>,
}

impl Chain {
    /// Goes on with what a later segment holds.
    pub(crate) fn extend(&mut self, later: Self) {
        if later.whole.is_some() {
            *self = later;
        } else {
            self.changes.extend(later.changes);
        }
    }

    /// Notes a round of a segment.
    pub(crate) fn note(&mut self, number: u64, field: Field) {
        if field.is_whole {
            *self = Self { whole: Some((number, field)), changes: Vec::new() };
        } else {
            self.changes.push((number, field));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.whole.is_none() && self.changes.is_empty()
    }

    /// Opens the parts of the checkpoint; nothing of them is read yet.
    pub(crate) fn open(&self, dir: &Path) -> Result<Saved> {
        let mut last: Option<(u64, Arc<(PathBuf, File)>)> = None;
        let mut parts = Vec::with_capacity(self.changes.len() + 1);
        for (number, field) in self.whole.iter().chain(&self.changes) {
            let segment = match &last {
                Some((known, segment)) if known == number => Arc::clone(segment),
                _ => {
                    let path = segment_path(dir, *number);
                    let opened = File::open(&path).map_err(file("read checkpoint from", &path))?;
                    Arc::clone(&last.insert((*number, Arc::new((path, opened)))).1)
                }
            };
            parts.push(SavedPart { segment, field: *field });
        }
        Ok(Saved { parts })
    }
}

/// Reads one part from its first byte to its last, and fails there if it is no longer what it was when
/// its round was checked.
#[derive(Debug)]
pub(crate) struct PartReader<'a> {
    part: &'a SavedPart,
    at: u64,
    crc: u32,
}

impl<'a> PartReader<'a> {
    pub(crate) fn new(part: &'a SavedPart) -> Self {
        Self { part, at: 0, crc: 0 }
    }
}

impl io::Read for PartReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        use std::os::unix::fs::FileExt;

        let field = &self.part.field;
        let left = usize::try_from(field.bytes - self.at).unwrap_or(usize::MAX);
        let wanted = left.min(buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        let (path, file) = &*self.part.segment;
        let read = file.read_at(&mut buffer[..wanted], field.at + self.at)?;
        self.crc = crc32c::crc32c_append(self.crc, &buffer[..read]);
        self.at += read as u64;
        if read == 0 || self.at == field.bytes && self.crc != field.crc {
            let text = format!("{} is not what it was a moment ago", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        Ok(read)
    }
}
