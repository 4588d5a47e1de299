//! How batches of events travel: sealed, chained, signed, compressed once.
//!
//! The one contract that agent and collector share; `docs/spec/wire.md` is its public form. A
//! [`Record`] is one batch of one agent's one lane. It is what a Kafka record carries (headers and
//! value) and what a spool frame holds (the same header text, signature and value).
//!
//! Invariants
//! 1. `seq` of a lane starts at 1 in each epoch and has no gaps; `prev` is the hash of the batch
//!    before it, all zeros for the first.
//! 2. The signature covers every header and, through its SHA-256, every byte of the value.
//! 3. The agent id is derived from the public key, so no agent can speak for another.
//! 4. Nothing here does I/O or reads a clock.

mod batch;
mod compress;
mod event_id;
mod header;
mod heartbeat;
mod identity;
mod ndjson;
mod out;
mod record;
mod rows;
#[cfg(test)]
mod tests;
mod write;

pub use batch::{BATCH_RAW_BYTES_TARGET, BatchBuilder, ChainHead, Packed};
pub use compress::{Compressor, decompress};
pub use event_id::SourceHash;
pub use header::{Hash, Header, Lane, WIRE_VERSION};
pub use heartbeat::{Heartbeat, LaneProgress};
pub use identity::{AgentId, Identity, PublicKey};
pub use ndjson::parse_event;
pub use record::{RAW_BYTES_MAX, Record};
pub use write::write_event;

/// Why bytes are not a batch, or not one to be trusted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A header is absent.
    #[error("header '{0}' is missing")]
    MissingHeader(&'static str),
    /// A header does not hold what it should.
    #[error("header '{name}' holds '{value}', which is not {expected}")]
    BadHeader {
        /// The header.
        name: &'static str,
        /// What it holds, cut to 80 characters.
        value: String,
        /// What it should hold.
        expected: &'static str,
    },
    /// A version this build cannot read.
    #[error("wire version {0} is not supported (this build reads up to {WIRE_VERSION})")]
    Version(String),
    /// The bytes end early or do not have the layout of a spooled batch.
    #[error("not a batch: {0}")]
    Layout(&'static str),
    /// The agent id does not belong to the key.
    #[error("agent id {agent} is not derived from key {key}")]
    AgentKeyMismatch {
        /// The id claimed.
        agent: AgentId,
        /// The key that came with it.
        key: PublicKey,
    },
    /// The key is not a point on the curve.
    #[error("key {0} is not an Ed25519 public key")]
    BadKey(PublicKey),
    /// The signature does not fit: altered or forged.
    #[error("signature of {lane} batch {seq} of agent {agent} does not verify")]
    BadSignature {
        /// The agent that is said to have signed.
        agent: AgentId,
        /// Its lane.
        lane: Lane,
        /// The batch.
        seq: u64,
    },
    /// Compression failed or the compressed bytes are damaged.
    #[error("cannot {doing} the batch")]
    Zstd {
        /// `compress` or `decompress`.
        doing: &'static str,
        /// The library's word.
        #[source]
        source: std::io::Error,
    },
    /// More bytes than the bound allows.
    #[error("batch of {bytes} bytes is over the bound of {RAW_BYTES_MAX}")]
    TooLarge {
        /// Uncompressed size.
        bytes: u64,
    },
    /// A part of the value is not an event.
    #[error("event {event} of the batch is none: {reason}")]
    BadEvent {
        /// Its number, from 1.
        event: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The number of events is not the number the header claims.
    #[error("batch holds {found} events, its header says {claimed}")]
    Count {
        /// What the header says.
        claimed: u32,
        /// What was found.
        found: usize,
    },
}

/// Shorthand for this crate's results.
pub type Result<T> = std::result::Result<T, Error>;
