//! Stream: one lane on its way from the spool to the broker.

use std::collections::VecDeque;
use std::path::Path;

use agent_spool::{Cursor, Reader};
use agent_wire::{Lane, Record};

use crate::problem::Failure;
use crate::producer::{Message, Producer, Receipt};

/// Batches of a lane that may be with the client at once. The client keeps five requests in the
/// air; 64 batches of 50 to 100 KiB fill a long line (30 MB/s at 200 ms).
pub(crate) const IN_FLIGHT_COUNT_MAX: usize = 64;
/// Bytes of a lane that may be with the client at once: 8 MiB, so 16 MiB in all.
pub(crate) const IN_FLIGHT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A batch handed over, in the order of handing over.
struct InFlight {
    seq: u64,
    events: u64,
    bytes: usize,
    receipt: Receipt,
}

/// A batch read from the spool and not handed over yet.
struct Waiting {
    seq: u64,
    record: Option<Record>,
}

/// What handing over came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filled {
    /// The spool holds nothing more for now.
    Empty,
    /// There is more, but a bound is reached.
    Bound,
}

/// One lane.
pub(crate) struct Stream {
    pub(crate) lane: Lane,
    number: u8,
    reader: Reader,
    waiting: Option<Waiting>,
    in_flight: VecDeque<InFlight>,
    in_flight_bytes: usize,
    /// Epoch of what was last handed out; the cursor is stored in it.
    epoch: Option<u64>,
    acked: u64,
    stored: u64,
}

impl Stream {
    /// Opens a lane behind its cursor.
    pub(crate) fn open(dir: &Path, lane: Lane, number: u8) -> agent_spool::Result<Self> {
        let acked = Cursor::load(dir, number)?;
        Ok(Self {
            lane,
            number,
            reader: Reader::open(dir, number, acked)?,
            waiting: None,
            in_flight: VecDeque::new(),
            in_flight_bytes: 0,
            epoch: None,
            acked,
            stored: acked,
        })
    }

    /// Forgets what is with the client and begins again behind the last acknowledged batch.
    pub(crate) fn rewind(&mut self, dir: &Path) -> agent_spool::Result<()> {
        self.waiting = None;
        self.in_flight.clear();
        self.in_flight_bytes = 0;
        self.reader = Reader::open(dir, self.number, self.acked)?;
        Ok(())
    }

    /// Hands over all there is, up to the bounds.
    pub(crate) fn fill(&mut self, producer: &Producer) -> Result<Filled, FillError> {
        loop {
            if self.waiting.is_none() {
                let Some(entry) = self.reader.next()? else { return Ok(Filled::Empty) };
                if self.epoch != Some(entry.epoch) {
                    if self.epoch.is_some() {
                        (self.acked, self.stored) = (0, 0);
                    }
                    self.epoch = Some(entry.epoch);
                }
                let record = match Record::decode(&entry.bytes) {
                    Ok(record) => Some(record),
                    Err(error) => {
                        // Its CRC is right, so another version wrote it. It cannot be sent as what
                        // it is; the collector sees the gap in the numbers.
                        tracing::error!(lane = %self.lane, seq = entry.seq, error = %rules_service::logs::chain(&error), "skipping a spooled batch that cannot be read");
                        None
                    }
                };
                self.waiting = Some(Waiting { seq: entry.seq, record });
            }
            let Some(waiting) = &self.waiting else { continue };
            let (events, bytes, receipt) = match &waiting.record {
                None => (0, 0, Receipt::none()),
                Some(record) => {
                    let bytes = record.value.len();
                    if self.in_flight.len() >= IN_FLIGHT_COUNT_MAX
                        || (!self.in_flight.is_empty()
                            && self.in_flight_bytes + bytes > IN_FLIGHT_BYTES_MAX)
                    {
                        return Ok(Filled::Bound);
                    }
                    let Some(receipt) = send(producer, record)? else { return Ok(Filled::Bound) };
                    (u64::from(record.header.count), bytes, receipt)
                }
            };
            self.in_flight_bytes += bytes;
            self.in_flight.push_back(InFlight { seq: waiting.seq, events, bytes, receipt });
            self.waiting = None;
        }
    }

    /// Waits for the oldest batch that is with the client; for ever if there is none. Returns its
    /// number and its events. Safe to drop half-way.
    pub(crate) async fn next_delivered(&mut self) -> Result<(u64, u64), Failure> {
        let Some(oldest) = self.in_flight.front_mut() else { return std::future::pending().await };
        (&mut oldest.receipt).await?;
        let (seq, events, bytes) = (oldest.seq, oldest.events, oldest.bytes);
        self.in_flight.pop_front();
        self.in_flight_bytes -= bytes;
        self.acked = seq;
        Ok((seq, events))
    }

    /// Returns whether nothing is with the client.
    pub(crate) fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// Stores the cursor if it has moved.
    pub(crate) fn store_cursor(&mut self, dir: &Path) -> agent_spool::Result<()> {
        let Some(epoch) = self.epoch.filter(|_| self.acked != self.stored) else { return Ok(()) };
        Cursor::store_in_epoch(dir, self.number, epoch, self.acked)?;
        self.stored = self.acked;
        Ok(())
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
