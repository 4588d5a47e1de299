//! The shipper's loop: hand over, hear of deliveries, store cursors, start over after a failure.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_spool::{LANE_ALERTS, LANE_EVENTS};
use agent_wire::{Lane, Record};
use rules_service::backoff::Backoff;
use rules_service::logs::chain;
use rules_service::meter::Health;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::lane::{FillError, Filled, Stream, send};
use crate::problem::{Failure, Trouble};
use crate::producer::{Producer, Receipt};
use crate::{Progress, ShipperConfig};

/// The spool is looked at this often without being told of news.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// Cursors are stored at most this often; what was acknowledged since is sent again after a crash.
const CURSOR_STORE_INTERVAL: Duration = Duration::from_millis(200);
/// How long a stop waits for the reports of what was handed over.
const STOP_WAIT_MAX: Duration = Duration::from_secs(3);
const RETRY_DELAY_MIN: Duration = Duration::from_millis(200);
const RETRY_DELAY_MAX: Duration = Duration::from_secs(30);

/// The subject of our problems.
const SUBJECT: &str = "kafka";
const SPOOL_SUBJECT: &str = "kafka: spool";

/// Everything the loop needs.
pub(crate) struct Work {
    pub(crate) config: ShipperConfig,
    pub(crate) dir: PathBuf,
    pub(crate) stop: CancellationToken,
    pub(crate) health: Health,
    pub(crate) progress: Arc<dyn Progress>,
    pub(crate) heartbeats: watch::Receiver<Option<Record>>,
    pub(crate) wake: Arc<Notify>,
    /// What was last logged and is not over.
    pub(crate) told: Option<Trouble>,
}

/// Why a session with one client ended.
enum End {
    Stopped,
    Kafka(Failure),
    Spool(agent_spool::Error),
}

/// Runs until stopped; on a thread of its own.
pub(crate) fn run(mut work: Work) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_time().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            work.health.problem(SUBJECT, format!("the shipper could not start: {error}"));
            return;
        }
    };
    runtime.block_on(work.run());
}

impl Work {
    async fn run(&mut self) {
        let mut backoff = Backoff::new(RETRY_DELAY_MIN, RETRY_DELAY_MAX);
        let mut streams = None;
        while !self.stop.is_cancelled() {
            match self.session(&mut streams, &mut backoff).await {
                End::Stopped => break,
                End::Kafka(failure) => self.tell(&failure),
                End::Spool(error) => {
                    tracing::error!(error = %chain(&error), "the shipper cannot read the spool");
                    self.health.problem(SPOOL_SUBJECT, chain(&error));
                }
            }
            tokio::select! {
                () = self.stop.cancelled() => break,
                () = tokio::time::sleep(backoff.next_delay()) => {}
            }
        }
        if let Some(streams) = &mut streams {
            self.store_cursors(streams);
        }
    }

    /// Ships with one client until it fails or we are stopped.
    async fn session(&mut self, kept: &mut Option<[Stream; 2]>, backoff: &mut Backoff) -> End {
        let streams = match kept {
            Some(streams) => {
                for stream in streams.iter_mut() {
                    if let Err(error) = stream.rewind(&self.dir) {
                        return End::Spool(error);
                    }
                }
                streams
            }
            None => {
                let open = |lane, number| Stream::open(&self.dir, lane, number);
                let opened = open(Lane::Alerts, LANE_ALERTS)
                    .and_then(|alerts| Ok([alerts, open(Lane::Events, LANE_EVENTS)?]));
                match opened {
                    Ok(streams) => kept.insert(streams),
                    Err(error) => return End::Spool(error),
                }
            }
        };
        let producer = match Producer::new(&self.config) {
            Ok(producer) => producer,
            Err(failure) => return End::Kafka(failure),
        };
        let end = self.ship(&producer, streams, backoff).await;
        if matches!(end, End::Stopped) {
            let drained = tokio::time::timeout(STOP_WAIT_MAX, self.drain(streams)).await;
            if drained.is_err() {
                tracing::info!("stopping without the reports of some batches; they are sent again");
            }
        }
        end
    }

    async fn ship(
        &mut self,
        producer: &Producer,
        streams: &mut [Stream; 2],
        backoff: &mut Backoff,
    ) -> End {
        let mut cursor_stored = Instant::now();
        let mut heartbeat: Option<Receipt> = None;
        loop {
            if let Some(failure) = producer.fatal() {
                return End::Kafka(failure);
            }
            if let Some(failure) = producer.trouble() {
                self.tell(&failure);
            }
            if heartbeat.is_none() && self.heartbeats.has_changed().unwrap_or(false) {
                let newest = self.heartbeats.borrow_and_update().clone();
                heartbeat = newest.and_then(|record| send(producer, &record).ok().flatten());
            }
            if let Err(error) = fill(producer, streams) {
                return match error {
                    FillError::Kafka(failure) => End::Kafka(failure),
                    FillError::Spool(error) => End::Spool(error),
                };
            }
            self.health.resolved(SPOOL_SUBJECT);
            if cursor_stored.elapsed() >= CURSOR_STORE_INTERVAL {
                self.store_cursors(streams);
                cursor_stored = Instant::now();
            }
            let [alerts, events] = streams;
            let delivered = tokio::select! {
                biased;
                () = self.stop.cancelled() => return End::Stopped,
                result = alerts.next_delivered() => result.map(|done| (Lane::Alerts, done)),
                result = events.next_delivered() => result.map(|done| (Lane::Events, done)),
                result = arrived(&mut heartbeat) => {
                    heartbeat = None;
                    match result {
                        Ok(()) => self.untell(),
                        Err(failure) => self.tell(&failure),
                    }
                    continue;
                }
                () = self.wake.notified() => continue,
                () = tokio::time::sleep(POLL_INTERVAL) => continue,
            };
            match delivered {
                Ok((lane, (seq, events))) => {
                    self.progress.delivered(lane, seq, events);
                    backoff.reset();
                    self.untell();
                }
                Err(failure) => return End::Kafka(failure),
            }
        }
    }

    /// Waits for everything handed over; nothing new is.
    async fn drain(&self, streams: &mut [Stream; 2]) {
        for stream in streams {
            while !stream.is_idle() {
                let Ok((seq, events)) = stream.next_delivered().await else { break };
                self.progress.delivered(stream.lane, seq, events);
            }
        }
    }

    fn store_cursors(&self, streams: &mut [Stream; 2]) {
        for stream in streams {
            match stream.store_cursor(&self.dir) {
                Ok(()) => self.health.resolved("kafka: cursor"),
                Err(error) => self.health.problem("kafka: cursor", chain(&error)),
            }
        }
    }

    /// Shows a failure; logs it once until it is over or another kind of failure comes.
    fn tell(&mut self, failure: &Failure) {
        let text = failure.text(&self.config.bootstrap);
        if self.told.replace(failure.trouble) == Some(failure.trouble) {
            tracing::debug!("{text}");
        } else {
            tracing::warn!("{text}");
        }
        self.health.problem(SUBJECT, text);
    }

    fn untell(&mut self) {
        if self.told.take().is_some() {
            tracing::info!(bootstrap = self.config.bootstrap, "kafka takes batches again");
        }
        self.health.resolved(SUBJECT);
    }
}

/// Hands over what waits: alerts first, and events only when no alert waits.
fn fill(producer: &Producer, [alerts, events]: &mut [Stream; 2]) -> Result<(), FillError> {
    if alerts.fill(producer)? == Filled::Empty {
        events.fill(producer)?;
    }
    Ok(())
}

async fn arrived(receipt: &mut Option<Receipt>) -> Result<(), Failure> {
    match receipt {
        Some(receipt) => receipt.await,
        None => std::future::pending().await,
    }
}
