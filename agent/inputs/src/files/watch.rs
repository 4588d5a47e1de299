//! Watch: hints from the kernel that files changed. Never the truth: events get lost, and some file
//! systems send none.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Most folders watched; others are only scanned.
const FOLDERS_MAX: usize = 256;

/// Hints about some folders.
pub(crate) struct Watch {
    state: Arc<State>,
    /// Kept for its thread.
    _watcher: Option<RecommendedWatcher>,
}

#[derive(Default)]
struct State {
    changed: Notify,
    names: AtomicBool,
}

impl Watch {
    /// Watches folders as far as the kernel lets us.
    pub(crate) fn new(folders: HashSet<PathBuf>) -> Self {
        let state = Arc::new(State::default());
        let told = Arc::clone(&state);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let Ok(event) = event else { return };
            match event.kind {
                EventKind::Modify(ModifyKind::Name(_))
                | EventKind::Create(_)
                | EventKind::Remove(_)
                | EventKind::Other => told.names.store(true, Ordering::Release),
                EventKind::Modify(_) | EventKind::Any => {}
                EventKind::Access(AccessKind::Close(AccessMode::Write)) => {}
                // Our own reading.
                EventKind::Access(_) => return,
            }
            told.changed.notify_one();
        });
        let watcher = match watcher {
            Ok(mut watcher) => {
                for folder in folders.into_iter().take(FOLDERS_MAX) {
                    if let Err(error) = watcher.watch(&folder, RecursiveMode::NonRecursive) {
                        tracing::debug!(folder = %folder.display(), %error, "not watched, only scanned");
                    }
                }
                Some(watcher)
            }
            Err(error) => {
                tracing::debug!(%error, "no hints from the kernel, files are only scanned");
                None
            }
        };
        Self { state, _watcher: watcher }
    }

    /// Returns whether files came, went or were renamed since the last call.
    pub(crate) fn names_changed(&self) -> bool {
        self.state.names.swap(false, Ordering::AcqRel)
    }

    /// Waits at least `pause_min`, then until a hint, the scan or the end.
    pub(crate) async fn wait(
        &self,
        stop: &CancellationToken,
        pause_min: Duration,
        scan_at: Instant,
    ) {
        let wait = async {
            tokio::time::sleep(pause_min).await;
            tokio::select! {
                () = self.state.changed.notified() => {}
                () = tokio::time::sleep_until(scan_at.into()) => {}
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = wait => {}
        }
    }
}
