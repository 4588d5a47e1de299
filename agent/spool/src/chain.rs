//! Chain: which rounds make up the caller's checkpoint, and their content.

use std::io;
use std::path::Path;

use crate::error::file;
use crate::format::{Found, Kept, parse_body};
use crate::segment::{Walker, segment_path};
use crate::{Result, Saved};

/// Where the rounds stand that make up the checkpoint: segment and offset.
#[derive(Debug, Default)]
pub(crate) struct Chain {
    pub(crate) whole: Option<(u64, u64)>,
    /// Behind the whole one, in order.
    changes: Vec<(u64, u64)>,
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

    /// Notes a round at its place.
    pub(crate) fn note(&mut self, place: (u64, u64), kept: Kept<'_>) {
        match kept {
            Kept::Whole(_) => *self = Self { whole: Some(place), changes: Vec::new() },
            Kept::Change(_) => self.changes.push(place),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.whole.is_none() && self.changes.is_empty()
    }

    /// Reads the parts of the checkpoint.
    pub(crate) fn read(&self, dir: &Path, epoch: u64) -> Result<Saved> {
        let mut open: Option<Walker> = None;
        let mut read = |(number, offset): (u64, u64)| -> io::Result<Vec<u8>> {
            let walker = match &mut open {
                Some(walker) if walker.place.number == number => walker,
                other => other.insert(Walker::open(dir, number, epoch)?.0),
            };
            let length = walker.bytes()?;
            match walker.examine(offset, length)? {
                Found::Frame { body, .. } => Ok(match parse_body(body).map(|round| round.kept) {
                    Some(Kept::Whole(bytes) | Kept::Change(bytes)) => bytes.to_vec(),
                    None => Vec::new(),
                }),
                _ => Err(io::Error::other("a frame that was just read is gone")),
            }
        };
        let mut part = |place: (u64, u64)| {
            read(place).map_err(file("read checkpoint from", &segment_path(dir, place.0)))
        };
        Ok(Saved {
            whole: self.whole.map(&mut part).transpose()?,
            changes: self.changes.iter().copied().map(&mut part).collect::<Result<_>>()?,
        })
    }
}
