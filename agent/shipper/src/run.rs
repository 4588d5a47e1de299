//! The shipper's loop: hand over, hear of deliveries, note cursors, try again after a refusal.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use agent_spool::{Durable, LANE_ALERTS, LANE_EVENTS, Location};
use agent_wire::{AgentId, Lane, Record};
use rules_service::backoff::Backoff;
use rules_service::logs::chain;
use rules_service::meter::Health;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::flight::Flight;
use crate::gate::{Gate, Wait};
use crate::inquiry::Inquiry;
use crate::lane::{Delivered, FillError, Filled, PATIENCE, Stream, send};
use crate::problem::{Failure, Trouble};
use crate::producer::{Producer, Receipt};
use crate::{Progress, ShipperConfig};

/// The spool is looked at this often without being told of news.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// Cursors are synced this often. A killed agent has noted them all the same; after a power cut,
/// what was acknowledged since is sent again.
const CURSOR_SYNC_INTERVAL: Duration = Duration::from_secs(1);
/// How long a stop waits for the reports of what was handed over.
const STOP_WAIT_MAX: Duration = Duration::from_secs(3);
/// The broker is said to keep us waiting after this long without an acknowledgement.
const BROKER_WAIT: Duration = Duration::from_secs(2);
/// After so long without one, and without a word of why, it is a problem.
const STALLED_AFTER: Duration = Duration::from_secs(20);
const OPEN_DELAY_MIN: Duration = Duration::from_millis(200);
const OPEN_DELAY_MAX: Duration = Duration::from_secs(30);

/// The subjects of our problems.
const SUBJECT: &str = "kafka";
const SPOOL_SUBJECT: &str = "kafka: spool";
const CURSOR_SUBJECT: &str = "kafka: cursor";

/// Everything the loop needs.
pub(crate) struct Work {
    pub(crate) config: ShipperConfig,
    pub(crate) gate: Gate,
    pub(crate) dir: PathBuf,
    pub(crate) durable: Option<Arc<Durable>>,
    /// See [`crate::Setup`].
    pub(crate) agent: AgentId,
    pub(crate) newest: [u64; 2],
    /// Whether the broker has taken anything.
    pub(crate) has_delivered: Arc<AtomicBool>,
    pub(crate) stop: CancellationToken,
    pub(crate) health: Health,
    pub(crate) progress: Arc<dyn Progress>,
    pub(crate) heartbeats: watch::Receiver<Option<Record>>,
    pub(crate) wake: Arc<Notify>,
    pub(crate) flight: Flight,
    /// When a batch was last acknowledged.
    pub(crate) acknowledged: Instant,
    /// What was last logged of the connection and is not over.
    pub(crate) told: Option<Trouble>,
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
        let Some(mut streams) = self.open().await else { return };
        self.ship(&mut streams).await;
        if tokio::time::timeout(STOP_WAIT_MAX, self.drain(&mut streams)).await.is_err() {
            tracing::info!("stopping without the reports of some batches; they are sent again");
        }
        self.sync_cursors(&mut streams);
    }

    /// Opens both lanes; tries until it can or is told to stop.
    async fn open(&mut self) -> Option<[Stream; 2]> {
        let mut backoff = Backoff::new(OPEN_DELAY_MIN, OPEN_DELAY_MAX);
        loop {
            let [alerts, events] = self.newest;
            let open = |lane, number, newest| {
                Stream::open(self.dir.clone(), self.durable.clone(), lane, number, newest)
            };
            let opened = open(Lane::Alerts, LANE_ALERTS, alerts)
                .and_then(|alerts| Ok([alerts, open(Lane::Events, LANE_EVENTS, events)?]));
            match opened {
                Ok(streams) => return Some(streams),
                Err(error) => self.tell_spool(&error),
            }
            tokio::select! {
                () = self.stop.cancelled() => return None,
                () = tokio::time::sleep(backoff.next_delay()) => {}
            }
        }
    }

    async fn ship(&mut self, streams: &mut [Stream; 2]) {
        let mut cursors_synced = Instant::now();
        let mut heartbeat: Option<Receipt> = None;
        loop {
            self.listen(streams);
            let mut next_look = self.prepare(streams);
            if heartbeat.is_none()
                && let Some(client) = &streams[0].client
                && self.heartbeats.has_changed().unwrap_or(false)
            {
                let newest = self.heartbeats.borrow_and_update().clone();
                heartbeat = newest.and_then(|record| send(client, &record).ok().flatten());
            }
            next_look = next_look.min(self.fill(streams));
            if cursors_synced.elapsed() >= CURSOR_SYNC_INTERVAL {
                self.sync_cursors(streams);
                cursors_synced = Instant::now();
            }
            let [alerts, events] = &mut *streams;
            let (index, result) = tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                result = alerts.next_delivered() => (0, result),
                result = events.next_delivered() => (1, result),
                result = arrived(&mut heartbeat) => {
                    heartbeat = None;
                    match result {
                        Ok(_) => {
                            self.has_delivered.store(true, Ordering::Relaxed);
                            self.untell();
                        }
                        Err(failure) => self.tell(&failure),
                    }
                    continue;
                }
                () = self.wake.notified() => continue,
                () = tokio::time::sleep(next_look) => continue,
            };
            match result {
                Ok(delivered) => self.delivered(&mut streams[index], delivered),
                Err(failure) => self.refused(&mut streams[index], &failure),
            }
        }
    }

    /// Hears what the clients say of their connections, and whether one can go on at all.
    fn listen(&mut self, streams: &mut [Stream; 2]) {
        for stream in streams {
            let Some(client) = &stream.client else { continue };
            if let Some(failure) = client.fatal() {
                self.refused(stream, &failure);
            } else if let Some(failure) = client.trouble() {
                self.tell(&failure);
            }
        }
    }

    /// Sees to it that every lane that may go on has a client; returns when to look again.
    fn prepare(&mut self, streams: &mut [Stream; 2]) -> Duration {
        let mut next_look = POLL_INTERVAL;
        for index in 0..streams.len() {
            let now = Instant::now();
            match streams[index].resume(now) {
                Ok(Some(wait)) => next_look = next_look.min(wait),
                Ok(None) => {}
                Err(error) => self.unreadable(&mut streams[index], &error),
            }
            streams[index].hear();
            if streams[index].is_paused() {
                continue;
            }
            if let Some(client) = streams[index].client.clone() {
                self.ask(&mut streams[index], client);
                continue;
            }
            let other = streams[1 - index].client.clone();
            let shared = other.filter(|client| streams[index].may_share(client.made));
            match shared.map_or_else(|| Producer::new(&self.config).map(Arc::new), Ok) {
                Ok(client) => {
                    streams[index].client = Some(Arc::clone(&client));
                    self.ask(&mut streams[index], client);
                }
                Err(failure) => {
                    self.tell(&failure);
                    self.pause(&mut streams[index]);
                }
            }
        }
        next_look
    }

    /// Asks the broker, once in the life of the agent, what it has of what was sent in the one before.
    fn ask(&mut self, stream: &mut Stream, client: Arc<Producer>) {
        let after = match stream.question() {
            Ok(Some(after)) => after,
            Ok(None) => return,
            Err(error) => return self.unreadable(stream, &error),
        };
        let inquiry = Inquiry {
            config: self.config.clone(),
            client,
            agent: self.agent,
            lane: stream.lane,
            after,
            has_delivered: Arc::clone(&self.has_delivered),
            stop: self.stop.clone(),
            wake: Arc::clone(&self.wake),
        };
        stream.asks(inquiry.start());
    }

    /// Hands over what waits: alerts first, and events only when no alert waits, or when the alerts
    /// do not get on. Returns when to look again.
    fn fill(&mut self, [alerts, events]: &mut [Stream; 2]) -> Duration {
        let count_max = self.flight.count_max();
        let mut next_look = POLL_INTERVAL;
        let filled = alerts.fill(count_max, events.traffic(), None);
        let is_stuck = alerts.is_paused() || age(alerts) > BROKER_WAIT;
        let may_go_on = is_stuck || matches!(filled, Ok(Filled::Empty));
        self.filled(alerts, filled, &mut next_look);
        let filled = if may_go_on {
            events.fill(count_max, alerts.traffic(), Some(&mut self.gate))
        } else {
            Ok(Filled::Bound)
        };
        self.filled(events, filled, &mut next_look);
        for oldest in [age(alerts), age(events)] {
            let left = PATIENCE.saturating_sub(oldest);
            if !oldest.is_zero() && !left.is_zero() {
                next_look = next_look.min(left);
            }
        }
        next_look
    }

    fn filled(
        &mut self,
        stream: &mut Stream,
        filled: Result<Filled, FillError>,
        next_look: &mut Duration,
    ) {
        let oldest = age(stream);
        let mut wait = match filled {
            Ok(Filled::Held(wait, duration)) => {
                *next_look = (*next_look).min(duration);
                Some(wait)
            }
            Ok(_) => None,
            Err(FillError::Kafka(failure)) => {
                self.refused(stream, &failure);
                None
            }
            Err(FillError::Spool(error)) => return self.unreadable(stream, &error),
        };
        self.health.resolved(SPOOL_SUBJECT);
        if stream.told.is_some() {
            // Also while it is tried again: until a batch is taken nothing gets on.
            wait = Some(Wait::Refused);
        } else if oldest > BROKER_WAIT || (wait.is_none() && self.told.is_some()) {
            wait = Some(Wait::Broker);
        }
        let is_silent = self.acknowledged.elapsed() > STALLED_AFTER;
        if oldest > STALLED_AFTER && is_silent && self.told.is_none() {
            let topic = Some(stream.lane.topic());
            let reason = format!("no acknowledgement for {} s", oldest.as_secs());
            self.tell(&Failure { trouble: Trouble::Stalled, topic, reason });
        }
        if stream.shown != wait {
            stream.shown = wait;
            self.progress.waits(stream.lane, wait);
        }
    }

    fn delivered(&mut self, stream: &mut Stream, delivered: Delivered) {
        self.flight.acknowledged(delivered.after);
        self.acknowledged = Instant::now();
        self.has_delivered.store(true, Ordering::Relaxed);
        match stream.note_cursor() {
            Ok(()) => self.health.resolved(CURSOR_SUBJECT),
            Err(error) => self.health.problem(CURSOR_SUBJECT, chain(&error)),
        }
        self.progress.delivered(stream.lane, delivered.seq, delivered.events);
        if stream.told.take().is_some() {
            tracing::info!(lane = %stream.lane, "kafka takes this lane's batches again");
            self.health.resolved(lane_subject(stream.lane));
        }
        self.untell();
    }

    /// A lane's batch was refused, or its client is of no use any more. The other lane goes on.
    fn refused(&mut self, stream: &mut Stream, failure: &Failure) {
        self.progress.failed(failure.trouble.as_str());
        let text = failure.text(&self.config.bootstrap);
        if stream.told.replace(failure.trouble) == Some(failure.trouble) {
            tracing::debug!("{text}");
        } else {
            tracing::warn!("{text}");
        }
        self.health.problem(lane_subject(stream.lane), text);
        self.pause(stream);
    }

    fn unreadable(&mut self, stream: &mut Stream, error: &agent_spool::Error) {
        self.tell_spool(error);
        self.pause(stream);
    }

    fn pause(&mut self, stream: &mut Stream) {
        let Some(client) = stream.fail(Instant::now()).and_then(Arc::into_inner) else { return };
        // Closing connections may take a moment that the other lane has no time for.
        let closing = std::thread::Builder::new().name("shipper-close".to_owned());
        if let Err(error) = closing.spawn(move || drop(client)) {
            tracing::debug!(%error, "a kafka client was closed in line");
        }
    }

    /// Waits for everything handed over; nothing new is.
    async fn drain(&mut self, streams: &mut [Stream; 2]) {
        for stream in streams {
            while !stream.is_paused() && stream.traffic().count > 0 {
                let Ok(delivered) = stream.next_delivered().await else { break };
                self.delivered(stream, delivered);
            }
        }
    }

    fn sync_cursors(&self, streams: &mut [Stream; 2]) {
        for stream in streams {
            if let Err(error) = stream.sync_cursor() {
                self.health.problem(CURSOR_SUBJECT, chain(&error));
            }
        }
    }

    fn tell_spool(&self, error: &agent_spool::Error) {
        tracing::error!(error = %chain(error), "the shipper cannot read the spool");
        self.health.problem(SPOOL_SUBJECT, chain(error));
    }

    /// Shows what the connection complains of; logs it once until it is over or another kind comes.
    fn tell(&mut self, failure: &Failure) {
        self.progress.failed(failure.trouble.as_str());
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

fn lane_subject(lane: Lane) -> &'static str {
    if lane == Lane::Alerts { "kafka: alerts" } else { "kafka: events" }
}

/// How long a lane has waited for the broker to take its oldest batch, or to answer; zero if it does not.
fn age(stream: &Stream) -> Duration {
    stream.waits_since().map(|since| since.elapsed()).unwrap_or_default()
}

async fn arrived(receipt: &mut Option<Receipt>) -> Result<Option<Location>, Failure> {
    match receipt {
        Some(receipt) => receipt.await,
        None => std::future::pending().await,
    }
}
