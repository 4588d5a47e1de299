//! Source: where records come from, as ingestion sees it.

use std::future::Future;

use agent_wire::Record;
use rules_event::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Result;

/// One ordered stream of records.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Partition {
    /// Kafka topic, or `spool/LANE`.
    pub topic: String,
    /// Which incarnation of the topic: offsets of different ones are unrelated. Kafka:
    /// `CLUSTER/TOPIC`, with `#N` once the topic was seen to have been recreated (librdkafka does
    /// not tell topic ids). Spool: the epoch.
    pub topic_id: String,
    /// Partition number; 0 for a spool.
    pub number: i32,
}

/// Where to read on in a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The partition.
    pub partition: Partition,
    /// The first offset not yet done.
    pub next_offset: i64,
}

/// Some consecutive offsets of a partition; not every one need hold a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The partition.
    pub partition: Partition,
    /// First offset.
    pub from: i64,
    /// Offset after the last.
    pub next: i64,
}

/// One record as it came.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Where it came from.
    pub partition: Partition,
    /// Its offset.
    pub offset: i64,
    /// When it arrived: the broker's time, or for a spool when the agent sealed it. The same
    /// whenever the record is read.
    pub received: Timestamp,
    /// The record, not yet verified, or bytes that are none.
    pub record: std::result::Result<Record, Undecodable>,
}

/// Bytes that are not a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecodable {
    /// What is wrong with them.
    pub reason: String,
    /// Kafka headers as they came.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Value as it came.
    pub value: Vec<u8>,
}

/// Offsets that can never be read any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// The partition.
    pub partition: Partition,
    /// First offset lost.
    pub from: i64,
    /// Offset after the last.
    pub next: i64,
    /// Why.
    pub why: LostWhy,
}

/// Why offsets are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LostWhy {
    /// The broker deleted them by its retention before they were read.
    Retention,
    /// The topic was deleted and made anew, or cut back: numbering starts over. What the old one
    /// held beyond our position, if anything, is unknown.
    Recreated,
}

/// What a source has to tell.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all are deliveries; a box each would cost")]
pub enum Arrival {
    /// A record.
    Delivery(Delivery),
    /// Something is gone.
    Lost(Lost),
}

/// The records of intended spans, read again.
#[derive(Debug, Default)]
pub struct Replayed {
    /// Every record of the spans that can still be read.
    pub deliveries: Vec<Delivery>,
    /// What cannot.
    pub lost: Vec<Lost>,
}

/// Where records come from. Outages are the source's own business: it retries without end and says
/// so through health; an error it returns is final.
pub trait Source: Send {
    /// Reads exactly these spans once more. Called before [`Source::start`], if at all.
    fn replay(&mut self, spans: &[Span]) -> impl Future<Output = Result<Replayed>> + Send;

    /// Begins to read: partitions in the list from their position, others from their beginning.
    fn start(&mut self, positions: &[Position]) -> impl Future<Output = Result<()>> + Send;

    /// Waits for the next thing to tell. Offsets of a partition rise. Dropping the future loses
    /// nothing.
    fn next(&mut self) -> impl Future<Output = Result<Arrival>> + Send;

    /// Takes note that everything before these positions is done. Advisory: failures are logged.
    fn committed(&mut self, positions: &[Position]) -> impl Future<Output = ()> + Send;
}
