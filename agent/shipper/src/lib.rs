//! The shipper: from the spool to Kafka, in order, and nothing forgotten.
//!
//! Each lane is one ordered stream. Batches are read from the spool behind the lane's cursor, handed
//! to the Kafka client in order, and the cursor moves over a batch only once the broker has
//! acknowledged it *and every batch before it*. What the client has merely queued counts for nothing.
//!
//! Invariants
//! 1. A batch leaves the spool's care only after its delivery report (`acks=all`, idempotent).
//! 2. Events are handed over only while no alert waits to be. Alerts and heartbeats know no cap and no
//!    time windows.
//! 3. As few batches are under way as the line needs (`flight.rs`); each acknowledgement is noted in
//!    the cursor before the next batch is handed over. So of a killed agent only the fate of what was
//!    under way is unknown, on a near broker that of one batch; and the broker is asked for it before
//!    any of it is sent again (`inquiry.rs`).
//! 4. A refusal concerns one lane. It hands over nothing for a while, then everything behind its last
//!    acknowledged batch again, the first alone, through a new client; the other lane goes on.
//!    Batches the broker had taken without our knowing come twice, and the one that failed comes
//!    late; the collector drops repeats and fills gaps by their number.
//! 5. Memory is bounded by `IN_FLIGHT_COUNT_MAX` and `IN_FLIGHT_BYTES_MAX` per lane, whatever the
//!    broker does; what waits, waits on disk, and one batch of it is read at a time.
//! 6. There is no last attempt: it is tried for ever, with a growing pause.

mod bucket;
mod config;
mod flight;
mod gate;
mod inquiry;
mod lane;
mod partition;
mod problem;
mod producer;
mod run;
mod windows;

use std::path::PathBuf;
use std::sync::Arc;

use agent_spool::Durable;
use agent_wire::{AgentId, Lane, Record};
use jiff::tz::TimeZone;
use rules_service::meter::Health;
use tokio::sync::{Notify, oneshot, watch};
use tokio_util::sync::CancellationToken;

pub use config::{Error, ShipperConfig, is_secret};
pub use gate::{ShippingConfig, Wait};
pub use problem::FAILURE_KINDS;

/// Hears how it goes. Called from the shipper's thread.
pub trait Progress: Send + Sync {
    /// Batch `seq` of `lane`, holding so many events, is safely with the broker. In order.
    fn delivered(&self, lane: Lane, seq: u64, events: u64);

    /// Why a lane sends nothing from now on although it may have something; `None`: it sends.
    fn waits(&self, lane: Lane, why: Option<Wait>) {
        let _ = (lane, why);
    }

    /// Something failed, by its kind, one of [`FAILURE_KINDS`]. It is tried again.
    fn failed(&self, kind: &'static str) {
        let _ = kind;
    }
}

/// What a shipper needs.
pub struct Setup {
    /// Where and how to reach Kafka.
    pub kafka: ShipperConfig,
    /// When and how fast events are sent.
    pub shipping: ShippingConfig,
    /// Zone of the times in `shipping`.
    pub zone: TimeZone,
    /// The spool's folder.
    pub dir: PathBuf,
    /// Who we are: whose batches to look for at the broker.
    pub agent: AgentId,
    /// The newest number of each lane, alerts and events, when the agent started: batches up to there may
    /// have been sent before.
    pub newest: [u64; 2],
    /// What its writer in this process says is on the platter, if it is in this process.
    pub durable: Option<Arc<Durable>>,
    /// Ends it.
    pub stop: CancellationToken,
    /// Where problems are told.
    pub health: Health,
    /// Who hears how it goes.
    pub progress: Arc<dyn Progress>,
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
    /// `health` under the subjects `kafka`, `kafka: alerts` and `kafka: events` with its remedy, and
    /// tried again.
    ///
    /// # Errors
    /// If the configuration holds what it must not, or the thread cannot be started.
    pub fn start(setup: Setup) -> Result<Self, Error> {
        setup.kafka.check()?;
        setup.shipping.check()?;
        let clock = Box::new(jiff::Timestamp::now);
        let (heartbeats, newest_heartbeat) = watch::channel(None);
        let wake = Arc::new(Notify::new());
        let (done, ended) = oneshot::channel();
        let work = run::Work {
            gate: gate::Gate::new(&setup.shipping, setup.zone, clock)?,
            config: setup.kafka,
            dir: setup.dir,
            durable: setup.durable,
            agent: setup.agent,
            newest: setup.newest,
            has_delivered: Arc::default(),
            stop: setup.stop,
            health: setup.health,
            progress: setup.progress,
            heartbeats: newest_heartbeat,
            wake: Arc::clone(&wake),
            flight: flight::Flight::default(),
            acknowledged: std::time::Instant::now(),
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
