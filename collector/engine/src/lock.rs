//! The data directory's lock: one process a directory, with a bounded wait for a dying predecessor.
//!
//! The library has its own lock (code 76) and tells of it on standard error only. This one is taken
//! first, so that the message is ours. The kernel drops it when the process is gone, however it ended.

use std::fs::{File, TryLockError};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::limits::LOCK_PAUSE;

/// The locked file inside the data directory.
const FILE: &str = "vonglau-engine.lock";

/// Holds the directory until dropped.
#[derive(Debug)]
pub(crate) struct DataLock {
    _file: File,
}

impl DataLock {
    /// Makes the directory when absent (for its owner only) and locks it.
    pub(crate) fn take(directory: &Path, wait: Duration) -> Result<Self, Error> {
        let data = |source| Error::Data { path: directory.to_owned(), source };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(data)?;
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(directory.join(FILE))
            .map_err(data)?;
        let started = Instant::now();
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::Error(source)) => return Err(data(source)),
                Err(TryLockError::WouldBlock) if started.elapsed() >= wait => {
                    return Err(Error::Locked {
                        path: directory.to_owned(),
                        seconds: wait.as_secs(),
                    });
                }
                Err(TryLockError::WouldBlock) => {}
            }
            if !told {
                tracing::warn!(directory = %directory.display(), "another process holds the data directory; waiting");
                told = true;
            }
            std::thread::sleep(LOCK_PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_taker_waits_and_then_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new");
        let held = DataLock::take(&path, Duration::ZERO).unwrap();
        let error = DataLock::take(&path, Duration::ZERO).unwrap_err();
        assert!(matches!(error, Error::Locked { .. }), "{error}");
        let waiting = std::thread::spawn({
            let path = path.clone();
            move || DataLock::take(&path, Duration::from_secs(20))
        });
        drop(held);
        assert!(waiting.join().unwrap().is_ok());
    }

    #[test]
    fn a_file_in_place_of_the_directory_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = DataLock::take(file.path(), Duration::ZERO).unwrap_err();
        assert!(error.to_string().contains(&file.path().display().to_string()));
    }
}
