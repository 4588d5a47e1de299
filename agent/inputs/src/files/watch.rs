//! Watch: hints from the kernel that files changed. Never the truth: events get lost, and some file
//! systems send none.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use tokio::io::unix::AsyncFd;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

/// Most folders watched; others are only scanned. Half of what Linux before 5.11 grants a user
/// (`fs.inotify.max_user_watches` = 8192), at about 1 KiB of kernel memory each.
const FOLDERS_MAX: usize = 4_096;

/// Most paths that one look takes hints of; beyond, a scan is cheaper.
const PATHS_MAX: usize = 4_096;

/// Most moves of one look that are followed; files beyond are found by their content.
const MOVES_MAX: usize = 4_096;

/// Room for some hundred events, and more than the longest one.
const BUFFER_BYTES: usize = 16 * 1024;

/// What the kernel told since the last look.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    /// Files written to.
    pub(crate) written: HashSet<PathBuf>,
    /// Names that came, went, or stand for another file now.
    pub(crate) names: HashSet<PathBuf>,
    /// Those of them that came.
    pub(crate) created: HashSet<PathBuf>,
    /// Where files were moved to.
    pub(crate) moves: HashMap<PathBuf, PathBuf>,
    /// Something happened that only a scan can find out.
    pub(crate) all: bool,
}

/// Hints about some folders.
pub(crate) struct Watch {
    inotify: Option<AsyncFd<OwnedFd>>,
    folders: HashMap<i32, Arc<Path>>,
    known: HashMap<Arc<Path>, i32>,
    /// The first half of a move, until the second is told.
    from: Option<(u32, PathBuf)>,
}

impl Watch {
    /// Returns a watch of no folders yet.
    pub(crate) fn new(runtime: &Runtime) -> Self {
        let _guard = runtime.enter();
        #[expect(
            deprecated,
            reason = "its successor is unsafe, for it asks that the number stays that of an open file: \
                      an OwnedFd does that"
        )]
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)
            .map_err(std::io::Error::from)
            .and_then(AsyncFd::new);
        if let Err(error) = &inotify {
            tracing::debug!(%error, "no hints from the kernel, files are only scanned");
        }
        let inotify = inotify.ok();
        Self { inotify, folders: HashMap::new(), known: HashMap::new(), from: None }
    }

    /// Watches these folders and no others, as far as the kernel lets us. Returns whether any is new.
    pub(crate) fn follow(&mut self, folders: &HashSet<PathBuf>) -> bool {
        let Some(inotify) = &self.inotify else { return false };
        let mut is_new = false;
        let stale = self.known.iter().filter(|(folder, _)| !folders.contains(&***folder));
        let stale: Vec<(Arc<Path>, i32)> = stale.map(|(f, wd)| (Arc::clone(f), *wd)).collect();
        for (folder, wd) in stale {
            self.known.remove(&folder);
            self.folders.remove(&wd);
            // Fails when the folder is gone, and the watch with it.
            let _ = inotify::remove_watch(inotify, wd);
        }
        for folder in folders {
            if self.known.len() >= FOLDERS_MAX {
                break;
            }
            if self.known.contains_key(folder.as_path()) {
                continue;
            }
            let flags = WatchFlags::CREATE
                | WatchFlags::DELETE
                | WatchFlags::MODIFY
                | WatchFlags::MOVED_FROM
                | WatchFlags::MOVED_TO
                | WatchFlags::DELETE_SELF
                | WatchFlags::MOVE_SELF
                | WatchFlags::ONLYDIR
                | WatchFlags::EXCL_UNLINK;
            match inotify::add_watch(inotify, folder.as_path(), flags) {
                Ok(wd) => {
                    is_new = true;
                    let folder: Arc<Path> = folder.as_path().into();
                    self.known.insert(Arc::clone(&folder), wd);
                    self.folders.insert(wd, folder);
                }
                Err(error) => {
                    tracing::debug!(folder = %folder.display(), %error, "not watched, only scanned");
                }
            }
        }
        is_new
    }

    /// Returns what was told since the last call.
    pub(crate) fn take(&mut self) -> Hints {
        let mut hints = Hints::default();
        let Some(inotify) = &self.inotify else { return hints };
        let mut buffer = [MaybeUninit::uninit(); BUFFER_BYTES];
        let mut reader = Reader::new(inotify, &mut buffer);
        // An error is that there is nothing for now, or nothing that can be read: the scan is the truth.
        while let Ok(event) = reader.next() {
            let flags = event.events();
            if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
                hints.all = true;
                continue;
            }
            let wd = event.wd();
            let Some(folder) = self.folders.get(&wd).map(Arc::clone) else { continue };
            if flags.intersects(ReadFlags::IGNORED | ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF)
            {
                hints.all = true;
                self.folders.remove(&wd);
                self.known.remove(&folder);
                if !flags.contains(ReadFlags::IGNORED) {
                    let _ = inotify::remove_watch(inotify, wd);
                }
                continue;
            }
            let Some(name) = event.file_name() else { continue };
            let path = folder.join(OsStr::from_bytes(name.to_bytes()));
            if hints.written.len() + hints.names.len() >= PATHS_MAX {
                hints.all = true;
                continue;
            }
            if flags.contains(ReadFlags::MODIFY) {
                hints.written.insert(path);
                continue;
            }
            // What is in a folder that came or went is for the scan.
            hints.all |= flags.contains(ReadFlags::ISDIR);
            if flags.contains(ReadFlags::MOVED_FROM) {
                self.from = Some((event.cookie(), path.clone()));
            } else if flags.contains(ReadFlags::MOVED_TO)
                && let Some((_, from)) = self.from.take_if(|(cookie, _)| *cookie == event.cookie())
                && hints.moves.len() < MOVES_MAX
            {
                hints.moves.insert(from, path.clone());
            }
            if flags.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) {
                hints.created.insert(path.clone());
            }
            hints.names.insert(path);
        }
        hints
    }

    /// Waits at least `pause_min`, then until a hint, a time or the end.
    pub(crate) async fn wait(
        &self,
        stop: &CancellationToken,
        pause_min: Duration,
        wake_at: Instant,
    ) {
        let hint = async {
            match &self.inotify {
                // The queue is emptied before the next wait, so that none is slept through.
                Some(inotify) => match inotify.readable().await {
                    Ok(mut ready) => ready.clear_ready(),
                    Err(_) => std::future::pending().await,
                },
                None => std::future::pending().await,
            }
        };
        let wait = async {
            tokio::time::sleep(pause_min).await;
            tokio::select! {
                () = hint => {}
                () = tokio::time::sleep_until(wake_at.into()) => {}
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = wait => {}
        }
    }
}
