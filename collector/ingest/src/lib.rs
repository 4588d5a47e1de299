//! Ingestion: from Kafka or a spool into the stores, exactly once.
//!
//! Per range of records, in this order:
//!
//! ```text
//! 1  gather      records of all partitions, up to a bound of events, bytes or time
//! 2  intend      write to SQLite which records they are, and the token (ingest_intent)
//! 3  judge       signature, trust, chain; events decoded
//! 4  insert      events, batches, heartbeats, quarantine into ClickHouse under the token
//! 5  commit      one SQLite transaction: observer, chain heads, gaps, positions, intent removed
//! 6  tell        the source how far we are (advisory: lag tools, the spool's cursor)
//! ```
//!
//! A crash after 2 makes the next start gather exactly the intended records again, and judge them
//! against the same heads and the same trust, because both change only in 5 and between ranges. The
//! rows are therefore the same, the token is the stored one, and ClickHouse drops the repetition.
//!
//! Invariants
//! 1. Every record is accounted for: its batch accepted, a proven duplicate, or in quarantine with
//!    a reason; heartbeats of keys nobody trusts are counted and dropped.
//! 2. What the observer sees is stored. It sees every event once, unless its transaction failed.
//! 3. A token never stands for two different contents: it holds a digest of the records.
//! 4. Trust changes only between ranges.

pub mod agents;

mod book;
mod chain;
mod config;
mod desk;
mod error;
mod event_store;
mod finding;
mod gather;
mod ingest;
mod intent;
mod judge;
mod kafka;
mod metrics;
mod observer;
mod release;
mod rows;
mod source;
mod spool;
#[cfg(test)]
mod tests;

pub use book::{CommittedHeads, GapLine, committed_heads, gaps, migrate, open_spans};
pub use config::IngestConfig;
pub use error::{BoxError, Error, Result};
pub use event_store::EventStore;
pub use finding::{Finding, FindingKind};
pub use ingest::Ingest;
pub use kafka::{KafkaConfig, KafkaSource};
pub use metrics::Metrics;
pub use observer::{Observer, Range};
pub use source::{
    Arrival, Delivery, Lost, LostWhy, Partition, Position, Replayed, Source, Span, Undecodable,
};
pub use spool::SpoolSource;
