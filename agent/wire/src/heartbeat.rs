//! Heartbeat: an agent's sign of life, and the sums by which it can be held to account.

use std::collections::BTreeMap;

use rules_event::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Error, Header, Identity, Lane, Record, Result};

/// What an agent says every 15 seconds. Counters count since the process started.
///
/// The sum that must close: `read = spooled + dropped` for events, and per lane
/// `sealed_seq - acked_seq` batches still wait in the spool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Heartbeat {
    /// Name of the host.
    pub host: String,
    /// Version of the agent.
    pub version: String,
    /// Organisation code (mã định danh) of the agency, if configured.
    #[serde(default)]
    pub organization: String,
    /// RFC 3339: when the process started.
    pub started: String,
    /// RFC 3339: when this was made.
    pub sent: String,
    /// Identity of the rule set in force.
    pub ruleset: String,
    /// Rules loaded.
    pub rules: u64,
    /// Lines and samples read.
    pub read: u64,
    /// Events safely in the spool.
    pub spooled: u64,
    /// Events acknowledged by the broker (or, standalone, by the collector).
    pub shipped: u64,
    /// Events dropped, by reason.
    #[serde(default)]
    pub dropped: BTreeMap<String, u64>,
    /// Bytes the spool holds.
    pub spool_bytes: u64,
    /// Progress by lane (`alerts`, `events`).
    #[serde(default)]
    pub lanes: BTreeMap<String, LaneProgress>,
    /// Problems an operator should know, newest last; at most 16.
    #[serde(default)]
    pub problems: Vec<String>,
}

/// How far one lane has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct LaneProgress {
    /// Chain epoch.
    pub epoch: u64,
    /// Last batch sealed.
    pub sealed_seq: u64,
    /// Last batch acknowledged.
    pub acked_seq: u64,
}

impl Heartbeat {
    /// Signs the heartbeat as record number `seq` since the process started.
    ///
    /// # Errors
    /// [`Error::Zstd`] if compression fails.
    pub fn seal(
        &self,
        identity: &Identity,
        epoch: u64,
        seq: u64,
        now: Timestamp,
    ) -> Result<Record> {
        let raw = serde_json::to_vec(self).expect("a heartbeat is plain data");
        let value = zstd::bulk::compress(&raw, 3)
            .map_err(|source| Error::Zstd { doing: "compress", source })?;
        let header = Header {
            agent: identity.agent_id(),
            key: identity.public_key(),
            lane: Lane::Heartbeats,
            epoch,
            seq,
            prev: [0; 32],
            count: 1,
            first: now,
            last: now,
            sealed: now,
            raw_bytes: u32::try_from(raw.len()).expect("a heartbeat is a few kilobytes"),
        };
        Ok(Record::sign(identity, header, value))
    }

    /// Reads the heartbeat a record carries. The record must have been verified.
    ///
    /// # Errors
    /// If the value is damaged or is not a heartbeat.
    pub fn open(record: &Record) -> Result<Self> {
        serde_json::from_slice(&record.raw()?)
            .map_err(|error| Error::BadEvent { line: 1, reason: error.to_string() })
    }
}
