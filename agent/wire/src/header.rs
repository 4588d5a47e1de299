//! Header: what a batch says of itself, and the canonical text that is signed.

use std::fmt;
use std::fmt::Write as _;
use std::str::FromStr;

use rules_event::Timestamp;

use crate::{AgentId, Error, PublicKey, Result};

/// The version this build writes: events as rows.
pub const WIRE_VERSION: u8 = 2;
/// The version before it, which this build still reads: events as lines of JSON. Agents of a province
/// are not all renewed on one day.
pub(crate) const WIRE_VERSION_NDJSON: u8 = 1;

/// A SHA-256 digest; all zeros stands for "nothing before this".
pub type Hash = [u8; 32];

/// A stream of batches of one agent, with its own numbering and chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// Events that a rule of level medium or higher hit. Small, and always sent first.
    Alerts,
    /// Everything else. Bandwidth caps and time windows apply.
    Events,
    /// Signs of life: one JSON document each, not spooled, not chained (`prev` stays zero).
    Heartbeats,
}

impl Lane {
    /// The two lanes that are spooled and chained, alerts first.
    pub const SPOOLED: [Self; 2] = [Self::Alerts, Self::Events];

    /// Returns the lane's word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alerts => "alerts",
            Self::Events => "events",
            Self::Heartbeats => "heartbeats",
        }
    }

    /// Returns the Kafka topic the lane travels on, such as `vonglau.alerts.v1`.
    #[must_use]
    pub fn topic(self) -> &'static str {
        match self {
            Self::Alerts => "vonglau.alerts.v1",
            Self::Events => "vonglau.events.v1",
            Self::Heartbeats => "vonglau.heartbeats.v1",
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Lane {
    type Err = ();

    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        [Self::Alerts, Self::Events, Self::Heartbeats]
            .into_iter()
            .find(|lane| lane.as_str() == text)
            .ok_or(())
    }
}

/// What a batch says of itself; everything but the digest of its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// How the value is written; see [`WIRE_VERSION`].
    pub version: u8,
    /// Derived from `key`.
    pub agent: AgentId,
    /// The key that signs.
    pub key: PublicKey,
    /// The stream.
    pub lane: Lane,
    /// When the agent's spool was created, milliseconds: a new epoch starts a new chain at 1.
    pub epoch: u64,
    /// Number of the batch in its lane and epoch, from 1, without gaps.
    pub seq: u64,
    /// Hash of the batch before it.
    pub prev: Hash,
    /// Events in the value.
    pub count: u32,
    /// Earliest event time.
    pub first: Timestamp,
    /// Latest event time.
    pub last: Timestamp,
    /// When the agent closed the batch.
    pub sealed: Timestamp,
    /// Size of the value before compression.
    pub raw_bytes: u32,
}

/// Header names, in canonical order. Kafka headers carry them with the prefix `vl.`.
pub(crate) const NAMES: [&str; 11] =
    ["agent", "key", "lane", "epoch", "seq", "prev", "count", "first", "last", "sealed", "bytes"];

impl Header {
    /// Returns the values in the order of [`NAMES`].
    pub(crate) fn values(&self) -> [String; 11] {
        [
            self.agent.to_string(),
            self.key.to_string(),
            self.lane.to_string(),
            self.epoch.to_string(),
            self.seq.to_string(),
            hex::encode(self.prev),
            self.count.to_string(),
            self.first.as_nanos().to_string(),
            self.last.as_nanos().to_string(),
            self.sealed.as_nanos().to_string(),
            self.raw_bytes.to_string(),
        ]
    }

    /// Reads a header from a look-up of its values by name.
    pub(crate) fn from_lookup<'a>(
        lookup: impl Fn(&'static str) -> Option<&'a str>,
    ) -> Result<Self> {
        let text = |name| lookup(name).ok_or(Error::MissingHeader(name));
        let nanos =
            |name| Ok(Timestamp::from_nanos(parse(name, text(name)?, "whole nanoseconds")?));
        let prev = text("prev")?;
        let mut hash = Hash::default();
        hex::decode_to_slice(prev, &mut hash)
            .map_err(|_| bad("prev", prev, "64 hexadecimal digits"))?;
        Ok(Self {
            version: known_version(text("version")?)?,
            agent: parse("agent", text("agent")?, "32 hexadecimal digits")?,
            key: parse("key", text("key")?, "64 hexadecimal digits")?,
            lane: parse("lane", text("lane")?, "alerts, events or heartbeats")?,
            epoch: parse("epoch", text("epoch")?, "a whole number")?,
            seq: parse("seq", text("seq")?, "a whole number")?,
            prev: hash,
            count: parse("count", text("count")?, "a whole number")?,
            first: nanos("first")?,
            last: nanos("last")?,
            sealed: nanos("sealed")?,
            raw_bytes: parse("bytes", text("bytes")?, "a whole number")?,
        })
    }

    /// Returns the text that is hashed and signed: a version line, `name=value` lines in fixed
    /// order, and the SHA-256 of the value. Plain text so that an auditor can rebuild it by hand.
    #[must_use]
    pub fn canonical_text(&self, value_sha256: &Hash) -> String {
        let mut text = format!("vonglau-batch/{}\n", self.version);
        for (name, value) in NAMES.iter().zip(self.values()) {
            let _ = writeln!(text, "{name}={value}");
        }
        let _ = writeln!(text, "sha256={}", hex::encode(value_sha256));
        text
    }
}

fn known_version(text: &str) -> Result<u8> {
    [WIRE_VERSION, WIRE_VERSION_NDJSON]
        .into_iter()
        .find(|version| version.to_string() == text)
        .ok_or_else(|| Error::Version(text.chars().take(20).collect()))
}

fn parse<T: FromStr>(name: &'static str, value: &str, expected: &'static str) -> Result<T> {
    value.parse().map_err(|_| bad(name, value, expected))
}

pub(crate) fn bad(name: &'static str, value: &str, expected: &'static str) -> Error {
    Error::BadHeader { name, value: value.chars().take(80).collect(), expected }
}
