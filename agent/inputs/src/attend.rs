//! Attend: inputs that look at the host with blocking calls, each on a thread of its own.

use std::os::fd::OwnedFd;
use std::time::Duration;

use tokio::io::unix::AsyncFd;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use crate::run::Wiring;
use crate::{Chunk, Count, Error, Item};

/// What such an input waits and speaks with.
pub(crate) struct Attendant {
    pub(crate) wiring: Wiring,
    /// A runtime of its own: the thread must be able to end in order also while the caller's runtime
    /// is being shut down.
    runtime: Runtime,
}

impl Attendant {
    /// Waits; false when it is time to end.
    pub(crate) fn wait(&self, span: Duration) -> bool {
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.wiring.stop.cancelled() => false,
                () = tokio::time::sleep(span) => true,
            }
        })
    }

    /// Waits until bytes can be read; `Some(false)` when it took too long, `None` at the end.
    pub(crate) fn wait_readable(&self, socket: &AsyncFd<OwnedFd>, span: Duration) -> Option<bool> {
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.wiring.stop.cancelled() => None,
                ready = socket.readable() => {
                    // The reader empties the socket, so that readiness has to be told anew.
                    if let Ok(mut guard) = ready { guard.clear_ready(); }
                    Some(true)
                }
                () = tokio::time::sleep(span) => Some(false),
            }
        })
    }

    /// Makes a descriptor one that can be waited for on this thread.
    #[allow(
        deprecated,
        reason = "the other way is unsafe; what it guards against, a descriptor that changes within its owner, cannot happen with OwnedFd"
    )]
    pub(crate) fn adopt(&self, descriptor: OwnedFd) -> std::io::Result<AsyncFd<OwnedFd>> {
        let _guard = self.runtime.enter();
        AsyncFd::new(descriptor)
    }

    /// Returns whether it is time to end.
    pub(crate) fn is_stopped(&self) -> bool {
        self.wiring.stop.is_cancelled()
    }

    /// Hands a chunk on, waiting for room. False when it is time to end instead.
    pub(crate) fn send(&self, chunk: Chunk) -> bool {
        let samples = chunk.items.iter().filter(|item| matches!(item, Item::Sample(_))).count();
        let sent = self.runtime.block_on(self.wiring.send(chunk));
        if sent && samples > 0 {
            self.wiring.report.count(Count::Samples, samples as u64);
        }
        sent
    }
}

/// Starts the thread of an input. The receiver is told by its end when the thread has ended.
pub(crate) fn spawn(
    name: &'static str,
    wiring: Wiring,
    body: impl FnOnce(&Attendant) + Send + 'static,
) -> Result<oneshot::Receiver<()>, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Thread)?;
    let (done, ended) = oneshot::channel::<()>();
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            body(&Attendant { wiring, runtime });
            drop(done);
        })
        .map_err(Error::Thread)?;
    Ok(ended)
}
