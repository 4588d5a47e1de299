//! Heartbeat: an agent's sign of life, and the sums by which it can be held to account.

use std::collections::BTreeMap;

use rules_event::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Error, Header, Identity, Lane, Record, Result, WIRE_VERSION};

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
            version: WIRE_VERSION,
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
    /// Anybody with a key can sign one, so everything in it is cut to a bound.
    ///
    /// # Errors
    /// If the value is damaged, larger than a heartbeat can be, or not a heartbeat.
    pub fn open(record: &Record) -> Result<Self> {
        let bytes = u64::from(record.header.raw_bytes);
        if bytes > HEARTBEAT_BYTES_MAX {
            return Err(Error::TooLarge { bytes });
        }
        let mut beat: Self = serde_json::from_slice(&record.raw()?)
            .map_err(|error| Error::BadEvent { event: 1, reason: error.to_string() })?;
        for text in [
            &mut beat.host,
            &mut beat.version,
            &mut beat.organization,
            &mut beat.started,
            &mut beat.sent,
            &mut beat.ruleset,
        ] {
            cut(text, TEXT_CHARS_MAX);
        }
        beat.problems.truncate(PROBLEMS_MAX);
        beat.problems.iter_mut().for_each(|text| cut(text, PROBLEM_CHARS_MAX));
        beat.dropped = beat.dropped.into_iter().take(ENTRIES_MAX).collect();
        beat.lanes = beat.lanes.into_iter().take(ENTRIES_MAX).collect();
        Ok(beat)
    }
}

/// A heartbeat has a few kilobytes; 64 KiB is no heartbeat.
const HEARTBEAT_BYTES_MAX: u64 = 64 * 1024;
/// Characters kept of a short text; a DNS name has at most 253.
const TEXT_CHARS_MAX: usize = 255;
/// Problems kept, and characters of each.
const PROBLEMS_MAX: usize = 16;
const PROBLEM_CHARS_MAX: usize = 1000;
/// Entries kept of a map.
const ENTRIES_MAX: usize = 32;

fn cut(text: &mut String, chars_max: usize) {
    if let Some((at, _)) = text.char_indices().nth(chars_max) {
        text.truncate(at);
    }
}
