//! The shipper: from the spool to Kafka, in order, and nothing forgotten.
//!
//! Each lane is one ordered stream. Batches are read from the spool behind the lane's cursor, handed
//! to the Kafka client in order, and the cursor moves over a batch only once the broker has
//! acknowledged it *and every batch before it*. What the client has merely queued counts for nothing.
//!
//! Invariants
//! 1. A batch leaves the spool's care only after its delivery report (`acks=all`, idempotent).
//! 2. Events are handed over only while no alert waits to be.
//! 3. After any failure the client is thrown away with all it queued, and every lane resumes behind
//!    its last acknowledged batch. Batches the broker had taken meanwhile come twice, and the one
//!    that failed comes late; the collector drops repeats and fills gaps by their number.
//! 4. Memory is bounded by `IN_FLIGHT_COUNT_MAX` and `IN_FLIGHT_BYTES_MAX` per lane, whatever the
//!    broker does; what waits, waits on disk.
//! 5. There is no last attempt: it is tried for ever, with a growing pause.

mod config;
mod lane;
mod problem;
mod producer;
mod run;

use std::path::PathBuf;
use std::sync::Arc;

use agent_wire::{Lane, Record};
use rules_service::meter::Health;
use tokio::sync::{Notify, oneshot, watch};
use tokio_util::sync::CancellationToken;

pub use config::{Error, ShipperConfig, is_secret};

/// Hears of every batch the broker has acknowledged, in order. Called from the shipper's thread.
pub trait Progress: Send + Sync {
    /// Batch `seq` of `lane`, holding so many events, is safely with the broker.
    fn delivered(&self, lane: Lane, seq: u64, events: u64);
}

/// A running shipper: one thread of its own, since reading and syncing the spool blocks.
#[derive(Debug)]
pub struct Shipper {
    heartbeats: watch::Sender<Option<Record>>,
    wake: Arc<Notify>,
    ended: oneshot::Receiver<()>,
}

impl Shipper {
    /// Starts shipping what the spool in `dir` holds and will hold, until `stop` is cancelled.
    ///
    /// A broker that cannot be reached, refuses us or lacks a topic is no error here: it is told to
    /// `health` under the subject `kafka` with its remedy, and tried again.
    ///
    /// # Errors
    /// If the configuration holds what it must not, or the thread cannot be started.
    pub fn start(
        config: ShipperConfig,
        dir: PathBuf,
        stop: CancellationToken,
        health: Health,
        progress: Arc<dyn Progress>,
    ) -> Result<Self, Error> {
        config.check()?;
        let (heartbeats, newest_heartbeat) = watch::channel(None);
        let wake = Arc::new(Notify::new());
        let (done, ended) = oneshot::channel();
        let work = run::Work {
            config,
            dir,
            stop,
            health,
            progress,
            heartbeats: newest_heartbeat,
            wake: Arc::clone(&wake),
            told: None,
        };
        std::thread::Builder::new()
            .name("shipper".to_owned())
            .spawn(move || {
                run::run(work);
                drop(done);
            })
            .map_err(Error::Thread)?;
        Ok(Self { heartbeats, wake, ended })
    }

    /// Says that the spool holds something new; without it, it is noticed a little later.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Returns a function that does what [`Self::wake`] does, for the thread that appends.
    #[must_use]
    pub fn waker(&self) -> Box<dyn Fn() + Send> {
        let wake = Arc::clone(&self.wake);
        Box::new(move || wake.notify_one())
    }

    /// Sends a heartbeat as soon as it can be. Only the newest one waits.
    pub fn heartbeat(&self, record: Record) {
        self.heartbeats.send_replace(Some(record));
        self.wake.notify_one();
    }

    /// Waits until the shipper has ended after `stop`, its cursors stored. A few seconds at most.
    pub async fn join(self) {
        // An error only says that the thread dropped its end: that is the signal.
        let _ = self.ended.await;
    }
}
