//! Error: what can go wrong with the disk, by operation.

use std::io;
use std::path::{Path, PathBuf};

/// Shorthand for this crate's results.
pub type Result<T> = std::result::Result<T, Error>;

/// Why the spool could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log is as large as it may be: the receiver does not keep up or is away.
    #[error(
        "spool {} is full: {bytes} bytes held, {needed} more needed, spool.bytes_max is {bytes_max}; \
         it drains when the receiver is back, or raise the bound", dir.display()
    )]
    Full {
        /// The folder.
        dir: PathBuf,
        /// Bytes held now.
        bytes: u64,
        /// Bytes of the round.
        needed: u64,
        /// The bound.
        bytes_max: u64,
    },
    /// The disk has too little room left for others.
    #[error(
        "disk of spool {} has {free_bytes} bytes free, spool.free_bytes_min is {free_bytes_min}; \
         free some space", dir.display()
    )]
    DiskFull {
        /// The folder.
        dir: PathBuf,
        /// Bytes free now.
        free_bytes: u64,
        /// The bound.
        free_bytes_min: u64,
    },
    /// The disk or a quota refused more bytes (ENOSPC, EDQUOT). Nothing was changed.
    #[error("no space left for spool file {}; free some space or raise the quota", path.display())]
    NoSpace {
        /// The segment.
        path: PathBuf,
        /// The system's word.
        #[source]
        source: io::Error,
    },
    /// A round that could never fit.
    #[error("a round of {bytes} bytes is over the bound of {bytes_max} (half of spool.bytes_max)")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The bound.
        bytes_max: u64,
    },
    /// A number that is not higher than the one before: a bug of the caller.
    #[error("batch {seq} of lane {lane} comes after batch {last}")]
    Order {
        /// The lane.
        lane: u8,
        /// The number given.
        seq: u64,
        /// The newest number of the lane.
        last: u64,
    },
    /// Another process writes here.
    #[error("spool {} is in use by another process; stop it first", dir.display())]
    Locked {
        /// The folder.
        dir: PathBuf,
    },
    /// The disk did not confirm a write. What it holds is unknown until the spool is reopened.
    #[error("cannot sync spool file {}; check the disk, then start again", path.display())]
    Sync {
        /// The segment.
        path: PathBuf,
        /// The system's word.
        #[source]
        source: io::Error,
    },
    /// An earlier [`Error::Sync`] makes every further append unsafe.
    #[error("spool {} must be reopened after a failed sync", dir.display())]
    Poisoned {
        /// The folder.
        dir: PathBuf,
    },
    /// The file that says when the log began is not what it should be.
    #[error(
        "spool file {} does not hold a number of milliseconds; restore it, or move the whole spool \
         folder away to begin a new one", path.display()
    )]
    Epoch {
        /// The file.
        path: PathBuf,
    },
    /// Any other file operation.
    #[error("cannot {doing} {}", path.display())]
    File {
        /// The operation.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's word.
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// Returns whether the same append may succeed later: there was no room, or a write failed and
    /// was undone. The caller keeps its batch and tries again.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Full { .. } | Self::DiskFull { .. } | Self::NoSpace { .. } => true,
            Self::File { .. } => true,
            Self::TooLarge { .. }
            | Self::Order { .. }
            | Self::Locked { .. }
            | Self::Sync { .. }
            | Self::Poisoned { .. }
            | Self::Epoch { .. } => false,
        }
    }

    /// Returns whether it is for lack of room.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::DiskFull { .. } | Self::NoSpace { .. })
    }
}

/// Returns a closure that turns an I/O error of an operation on a path into ours.
pub(crate) fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| {
        if is_no_space(&source) {
            Error::NoSpace { path, source }
        } else {
            Error::File { doing, path, source }
        }
    }
}

pub(crate) fn is_no_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
