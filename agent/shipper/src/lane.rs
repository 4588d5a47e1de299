//! Stream: one lane on its way from the spool to the broker.

use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_spool::{Cursor, Durable, HeldCursor, Location, Reader};
use agent_wire::{Lane, Record};
use rules_service::backoff::Backoff;
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use crate::flight::IN_FLIGHT_BYTES_MAX;
use crate::gate::{Gate, Wait};
use crate::inquiry::Taken;
use crate::problem::{Failure, Trouble};
use crate::producer::{Message, Producer, Receipt};

const RETRY_DELAY_MIN: Duration = Duration::from_millis(200);
const RETRY_DELAY_MAX: Duration = Duration::from_secs(30);
/// After a refusal the fate of what else was under way is waited for so long at most.
const SETTLE_WAIT_MAX: Duration = Duration::from_secs(10);
/// A lane without anything under way may send although the other has used up the common bound, if
/// that has not moved for so long: no lane blocks the other, and an alert waits no longer than this.
pub(crate) const PATIENCE: Duration = Duration::from_millis(500);

/// A batch handed over, in the order of handing over.
struct InFlight {
    seq: u64,
    events: u64,
    bytes: usize,
    since: Instant,
    receipt: Receipt,
}

/// A batch read from the spool and not handed over yet.
struct Waiting {
    seq: u64,
    record: Option<Record>,
}

/// Whether the broker was asked what it has of what a former life of the agent sent.
enum Asking {
    /// Not yet; batches up to this number may have been sent.
    Due(u64),
    /// Since when, and where the answer will be.
    UnderWay(Instant, oneshot::Receiver<Taken>),
    Done,
}

/// What handing over came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filled {
    /// The spool holds nothing more for now.
    Empty,
    /// There may be more, but a bound is reached.
    Bound,
    /// There may be more, but it may not be sent before this has passed.
    Held(Wait, Duration),
}

/// A batch the broker has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delivered {
    pub(crate) seq: u64,
    pub(crate) events: u64,
    /// Since it was handed over.
    pub(crate) after: Duration,
}

/// What is under way on the other lane.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Traffic {
    pub(crate) count: usize,
    pub(crate) oldest: Option<Instant>,
}

/// One lane.
pub(crate) struct Stream {
    pub(crate) lane: Lane,
    number: u8,
    dir: PathBuf,
    durable: Option<Arc<Durable>>,
    reader: Reader,
    waiting: Option<Waiting>,
    in_flight: VecDeque<InFlight>,
    in_flight_bytes: usize,
    /// Delivered although a batch before them was not: not sent again when that one is.
    done: BTreeSet<u64>,
    /// Epoch of what was last handed out; the cursor is stored in it.
    epoch: Option<u64>,
    acked: u64,
    /// Where the broker keeps the last acknowledged batch, or one before it.
    location: Option<Location>,
    asking: Asking,
    /// What the broker has of what is not acknowledged, as it said when it was asked.
    taken: Taken,
    cursor: Option<HeldCursor>,
    pub(crate) client: Option<Arc<Producer>>,
    /// When the last refusal was, and until when nothing is sent because of it.
    failed: Option<Instant>,
    paused: Option<Instant>,
    backoff: Backoff,
    /// What was last logged and is not over.
    pub(crate) told: Option<Trouble>,
    /// Why it waits, as last shown.
    pub(crate) shown: Option<Wait>,
}

impl Stream {
    /// Opens a lane behind its cursor. Batches up to `newest` were there when the agent started.
    pub(crate) fn open(
        dir: PathBuf,
        durable: Option<Arc<Durable>>,
        lane: Lane,
        number: u8,
        newest: u64,
    ) -> agent_spool::Result<Self> {
        let (acked, location) = Cursor::load_located(&dir, number)?;
        Ok(Self {
            lane,
            number,
            reader: Reader::open(&dir, number, acked)?.trusting(durable.clone()),
            dir,
            durable,
            waiting: None,
            in_flight: VecDeque::new(),
            in_flight_bytes: 0,
            done: BTreeSet::new(),
            epoch: None,
            acked,
            location,
            asking: if newest > acked { Asking::Due(newest) } else { Asking::Done },
            taken: Taken::new(),
            cursor: None,
            client: None,
            failed: None,
            paused: None,
            backoff: Backoff::new(RETRY_DELAY_MIN, RETRY_DELAY_MAX),
            told: None,
            shown: None,
        })
    }

    /// Stops the lane for a while after a refusal; everything behind the last acknowledged batch is
    /// handed over again then, to another client. Returns the client it had.
    pub(crate) fn fail(&mut self, now: Instant) -> Option<Arc<Producer>> {
        self.failed = Some(now);
        self.paused = Some(now + self.backoff.next_delay());
        self.client.take()
    }

    /// Returns whether the broker is to be asked for batches that may have been sent before, and behind
    /// which place, if one is known.
    pub(crate) fn question(&mut self) -> agent_spool::Result<Option<Option<Location>>> {
        let Asking::Due(newest) = self.asking else { return Ok(None) };
        if self.waiting.is_none() && !self.look()? {
            return Ok(None);
        }
        let is_old = self.waiting.as_ref().is_some_and(|waiting| waiting.seq <= newest);
        if is_old {
            return Ok(Some(self.location));
        }
        self.asking = Asking::Done;
        Ok(None)
    }

    /// Takes note that the broker is being asked: until it answers nothing is handed over.
    pub(crate) fn asks(&mut self, answer: oneshot::Receiver<Taken>) {
        self.asking = Asking::UnderWay(Instant::now(), answer);
    }

    /// Takes the answer, if it is there.
    pub(crate) fn hear(&mut self) {
        let Asking::UnderWay(_, answer) = &mut self.asking else { return };
        match answer.try_recv() {
            Ok(taken) => self.taken = taken,
            Err(TryRecvError::Empty) => return,
            Err(TryRecvError::Closed) => {}
        }
        self.asking = Asking::Done;
    }

    /// Returns since when it waits for the broker: for its answer, or for its oldest batch to be taken.
    pub(crate) fn waits_since(&self) -> Option<Instant> {
        match &self.asking {
            Asking::UnderWay(since, _) => Some(*since),
            _ => self.traffic().oldest,
        }
    }

    /// Returns whether it waits after a refusal.
    pub(crate) fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    /// Goes on after a refusal if it is time; returns how long it is until then.
    pub(crate) fn resume(&mut self, now: Instant) -> agent_spool::Result<Option<Duration>> {
        let Some(until) = self.paused else { return Ok(None) };
        if now < until {
            return Ok(Some(until - now));
        }
        for flying in std::mem::take(&mut self.in_flight) {
            let mut flying = flying;
            match flying.receipt.now() {
                None => self.in_flight.push_back(flying),
                Some(Ok(_)) => drop(self.done.insert(flying.seq)),
                Some(Err(_)) => {}
            }
        }
        if !self.in_flight.is_empty() && now < until + SETTLE_WAIT_MAX {
            return Ok(Some(RETRY_DELAY_MIN));
        }
        self.in_flight.clear();
        self.in_flight_bytes = 0;
        self.waiting = None;
        self.reader =
            Reader::open(&self.dir, self.number, self.acked)?.trusting(self.durable.clone());
        self.paused = None;
        Ok(None)
    }

    /// Returns whether a client made at a moment is one that did not yet refuse us.
    pub(crate) fn may_share(&self, made: Instant) -> bool {
        self.failed.is_none_or(|failed| made > failed)
    }

    /// Hands over all there is, up to the bounds. `count_max` holds for both lanes together; after
    /// a refusal it is one batch, until that is taken.
    pub(crate) fn fill(
        &mut self,
        count_max: usize,
        other: Traffic,
        mut gate: Option<&mut Gate>,
    ) -> Result<Filled, FillError> {
        let is_asking = matches!(self.asking, Asking::UnderWay(..));
        let may_send = self.paused.is_none() && !is_asking;
        let Some(client) = self.client.clone().filter(|_| may_send) else {
            return Ok(Filled::Bound);
        };
        let count_max = if self.backoff.failures() > 0 { 1 } else { count_max };
        loop {
            let now = Instant::now();
            let is_patient =
                other.oldest.is_none_or(|oldest| now.duration_since(oldest) < PATIENCE);
            let is_at_bound = self.in_flight.len() + other.count >= count_max;
            if is_at_bound && (is_patient || !self.in_flight.is_empty()) {
                // Whether there is more decides if the other lane may go; so it must be looked.
                let is_empty = self.waiting.is_none() && !self.look()?;
                return Ok(if is_empty { Filled::Empty } else { Filled::Bound });
            }
            if let Some(gate) = &mut gate
                && let Some((wait, duration)) = gate.holds(now)
            {
                return Ok(Filled::Held(wait, duration));
            }
            if self.waiting.is_none() && !self.look()? {
                return Ok(Filled::Empty);
            }
            let Some(waiting) = &self.waiting else { continue };
            let (events, bytes, receipt) = match &waiting.record {
                None => (0, 0, Receipt::none(None)),
                Some(record) => {
                    let events = u64::from(record.header.count);
                    let bytes = record.value.len();
                    let place = (record.header.epoch, waiting.seq);
                    let taken = self.taken.remove(&place);
                    let taken = taken.filter(|(hash, _)| *hash == record.hash());
                    if self.done.remove(&waiting.seq) || taken.is_some() {
                        (events, 0, Receipt::none(taken.map(|(_, location)| location)))
                    } else {
                        if !self.in_flight.is_empty()
                            && self.in_flight_bytes + bytes > IN_FLIGHT_BYTES_MAX
                        {
                            return Ok(Filled::Bound);
                        }
                        let Some(receipt) = send(&client, record)? else {
                            return Ok(Filled::Bound);
                        };
                        if let Some(gate) = &mut gate {
                            gate.sent(bytes);
                        }
                        (events, bytes, receipt)
                    }
                }
            };
            self.in_flight_bytes += bytes;
            let seq = waiting.seq;
            self.in_flight.push_back(InFlight { seq, events, bytes, since: now, receipt });
            self.waiting = None;
        }
    }

    /// Takes the next batch from the spool; false if there is none yet.
    fn look(&mut self) -> agent_spool::Result<bool> {
        let Some(entry) = self.reader.next()? else { return Ok(false) };
        if self.epoch != Some(entry.epoch) {
            if self.epoch.is_some() {
                self.acked = 0;
                self.location = None;
                self.done.clear();
            }
            self.epoch = Some(entry.epoch);
        }
        let record = match Record::decode(&entry.bytes) {
            Ok(record) => Some(record),
            Err(error) => {
                // Its CRC is right, so another version wrote it. It cannot be sent as what it is;
                // the collector sees the gap in the numbers.
                tracing::error!(lane = %self.lane, seq = entry.seq, error = %rules_service::logs::chain(&error), "skipping a spooled batch that cannot be read");
                None
            }
        };
        self.waiting = Some(Waiting { seq: entry.seq, record });
        Ok(true)
    }

    /// Waits for the oldest batch that is with the client; for ever if there is none. Safe to drop
    /// half-way.
    pub(crate) async fn next_delivered(&mut self) -> Result<Delivered, Failure> {
        if self.paused.is_some() {
            return std::future::pending().await;
        }
        let Some(oldest) = self.in_flight.front_mut() else { return std::future::pending().await };
        let result = (&mut oldest.receipt).await;
        let done =
            Delivered { seq: oldest.seq, events: oldest.events, after: oldest.since.elapsed() };
        self.in_flight_bytes -= oldest.bytes;
        self.in_flight.pop_front();
        // Of a batch that was there already it is not known: then the one before serves.
        self.location = result?.or(self.location);
        self.acked = done.seq;
        self.backoff.reset();
        Ok(done)
    }

    /// Returns what is under way.
    pub(crate) fn traffic(&self) -> Traffic {
        let oldest = self.in_flight.front().map(|flying| flying.since);
        Traffic { count: self.in_flight.len(), oldest }
    }

    /// Notes what is acknowledged, so that it outlives the process.
    pub(crate) fn note_cursor(&mut self) -> agent_spool::Result<()> {
        let Some(epoch) = self.epoch else { return Ok(()) };
        match self.cursor.as_mut().filter(|cursor| cursor.epoch() == epoch) {
            Some(cursor) => cursor.advance(self.acked, self.location),
            None => {
                let (dir, acked) = (&self.dir, self.acked);
                self.cursor = Some(Cursor::hold(dir, self.number, epoch, acked, self.location)?);
                Ok(())
            }
        }
    }

    /// Makes what was noted survive a power cut.
    pub(crate) fn sync_cursor(&mut self) -> agent_spool::Result<()> {
        self.cursor.as_mut().map_or(Ok(()), HeldCursor::sync)
    }
}

/// Hands one record over; `None` if the client has no room.
pub(crate) fn send(producer: &Producer, record: &Record) -> Result<Option<Receipt>, Failure> {
    producer.send(&Message {
        topic: record.header.lane.topic(),
        key: &record.header.agent.to_string(),
        headers: &record.kafka_headers(),
        value: &record.value,
    })
}

/// What can go wrong while handing over.
pub(crate) enum FillError {
    Spool(agent_spool::Error),
    Kafka(Failure),
}

impl From<agent_spool::Error> for FillError {
    fn from(error: agent_spool::Error) -> Self {
        Self::Spool(error)
    }
}

impl From<Failure> for FillError {
    fn from(failure: Failure) -> Self {
        Self::Kafka(failure)
    }
}
