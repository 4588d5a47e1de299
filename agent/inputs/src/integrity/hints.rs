//! Hints: the kernel's word that something changed in a folder. Never the truth: queues overflow, and
//! network file systems say nothing.

use std::collections::{HashMap, HashSet};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use tokio::io::unix::AsyncFd;

use crate::attend::Attendant;

/// Most folders remembered as changed; with more, everything is looked at.
const CHANGED_MAX: usize = 4_096;

/// Bytes of hints read at once; one is at most 272.
const BUFFER_BYTES: usize = 16 << 10;

/// What happened since the last look.
#[derive(Debug, Default)]
pub(super) struct Changed {
    pub(super) folders: HashSet<PathBuf>,
    /// Hints were lost: only a full look tells.
    pub(super) everything: bool,
}

impl Changed {
    pub(super) fn is_empty(&self) -> bool {
        self.folders.is_empty() && !self.everything
    }
}

/// See the head of the file.
pub(super) struct Hints {
    /// `None` when the kernel refuses: then every look is a full one.
    queue: Option<AsyncFd<OwnedFd>>,
    folders: HashMap<i32, PathBuf>,
    watched: HashSet<PathBuf>,
    max: usize,
    /// Folders that could not be watched since the last time it was asked.
    pub(super) unwatched: usize,
}

impl Hints {
    /// Asks for a queue; the queue belongs to the attendant's runtime.
    pub(super) fn new(attendant: &Attendant, max: usize) -> Self {
        let queue = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok();
        let queue = queue.and_then(|queue| attendant.adopt(queue).ok());
        Self { queue, folders: HashMap::new(), watched: HashSet::new(), max, unwatched: 0 }
    }

    /// Watches a folder, if there is room and it is not watched yet.
    pub(super) fn watch(&mut self, folder: &Path) {
        let Some(queue) = &self.queue else { return };
        if self.watched.contains(folder) {
            return;
        }
        if self.watched.len() >= self.max {
            self.unwatched += 1;
            return;
        }
        let flags = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVE
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::ATTRIB
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR
            | WatchFlags::DONT_FOLLOW
            | WatchFlags::EXCL_UNLINK;
        match inotify::add_watch(queue.get_ref(), folder, flags) {
            Ok(number) => {
                // One number for one inode: a folder that was moved is now watched as the new path.
                if let Some(before) = self.folders.insert(number, folder.to_owned()) {
                    self.watched.remove(&before);
                }
                self.watched.insert(folder.to_owned());
            }
            Err(error) => {
                self.unwatched += 1;
                tracing::debug!(folder = %folder.display(), %error, "not watched, only looked at");
            }
        }
    }

    /// Waits for a hint, at most this long; false when it is time to end.
    pub(super) fn wait(&self, attendant: &Attendant, span: Duration) -> bool {
        match &self.queue {
            Some(queue) => attendant.wait_readable(queue, span).is_some(),
            None => attendant.wait(span),
        }
    }

    /// Returns what changed since the last call.
    pub(super) fn take(&mut self) -> Changed {
        let mut changed = Changed::default();
        let Some(queue) = &self.queue else { return changed };
        let mut buffer = [MaybeUninit::uninit(); BUFFER_BYTES];
        let mut reader = Reader::new(queue.get_ref().as_fd(), &mut buffer);
        while let Ok(hint) = reader.next() {
            let flags = hint.events();
            if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
                changed.everything = true;
                continue;
            }
            let Some(folder) = self.folders.get(&hint.wd()) else { continue };
            if flags.contains(ReadFlags::IGNORED) {
                self.watched.remove(folder);
                self.folders.remove(&hint.wd());
                continue;
            }
            let of_itself = ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF;
            // What happens to a folder itself is seen from the folder above.
            let place = if flags.intersects(of_itself) || hint.file_name().is_none() {
                folder.parent().unwrap_or(folder)
            } else {
                folder
            };
            if changed.folders.len() >= CHANGED_MAX {
                changed.everything = true;
            } else if !changed.folders.contains(place) {
                changed.folders.insert(place.to_owned());
            }
        }
        changed
    }
}
