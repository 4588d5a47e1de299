//! BatchRow: the claim of an accepted batch, and the look-up of hashes for duplicates and forks.

use agent_wire::{AgentId, Hash, Lane, Record};
use clickhouse::Row;
use rules_event::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Error, Result, Store};

/// The most hashes one look-up returns: a redelivered spool is looked up in pieces.
pub(crate) const HASHES_MAX: u64 = 100_000;

/// A row of the table `batches`.
#[derive(Debug, Clone, PartialEq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "columns; sql/0002_batches.sql says what they hold")]
pub struct BatchRow {
    pub agent_id: String,
    pub lane: String,
    pub epoch: u64,
    pub seq: u64,
    pub prev: String,
    pub hash: String,
    pub events: u32,
    pub raw_bytes: u32,
    pub value_bytes: u32,
    pub topic: String,
    pub kafka_partition: i32,
    pub kafka_offset: i64,
    pub received_at: i64,
    pub sealed_at: i64,
    pub first_at: i64,
    pub last_at: i64,
}

impl BatchRow {
    /// Returns the row of a batch that came as this record.
    #[must_use]
    pub fn new(
        record: &Record,
        hash: &Hash,
        topic: &str,
        partition: i32,
        offset: i64,
        received: Timestamp,
    ) -> Self {
        let header = &record.header;
        Self {
            agent_id: header.agent.to_string(),
            lane: header.lane.to_string(),
            epoch: header.epoch,
            seq: header.seq,
            prev: hex::encode(header.prev),
            hash: hex::encode(hash),
            events: header.count,
            raw_bytes: header.raw_bytes,
            value_bytes: u32::try_from(record.value.len()).unwrap_or(u32::MAX),
            topic: topic.to_owned(),
            kafka_partition: partition,
            kafka_offset: offset,
            received_at: received.as_nanos(),
            sealed_at: header.sealed.as_nanos(),
            first_at: header.first.as_nanos(),
            last_at: header.last.as_nanos(),
        }
    }
}

#[derive(Row, Deserialize)]
struct HeadRow {
    agent_id: String,
    lane: String,
    epoch: u64,
    seq: u64,
}

#[derive(Row, Deserialize)]
struct HashRow {
    seq: u64,
    hash: String,
}

impl Store {
    /// Inserts accepted batches; see [`Store::insert_events`] for the token.
    ///
    /// # Errors
    /// As [`Store::insert_events`].
    pub async fn insert_batches(&self, token: &str, rows: &[BatchRow]) -> Result<()> {
        self.insert::<BatchRow>("batches", token, rows).await
    }

    /// Returns the highest batch number stored of every chain: agent, lane, epoch, number.
    ///
    /// # Errors
    /// If ClickHouse does not answer, or an agent or lane is not what this build writes.
    pub async fn chain_heads(&self) -> Result<Vec<(AgentId, Lane, u64, u64)>> {
        let sql = "SELECT agent_id, lane, epoch, max(seq) AS seq FROM batches \
                   GROUP BY agent_id, lane, epoch";
        let rows: Vec<HeadRow> = self.rows("read the heads of chains", self.read(sql)).await?;
        rows.into_iter()
            .map(|row| {
                let bad = |reason| Error::BadRow { what: "the head of a chain", reason };
                let agent =
                    row.agent_id.parse().map_err(|_| bad(format!("agent '{}'", row.agent_id)))?;
                let lane = row.lane.parse().map_err(|()| bad(format!("lane '{}'", row.lane)))?;
                Ok((agent, lane, row.epoch, row.seq))
            })
            .collect()
    }

    /// Returns the hashes of accepted batches `from..=to` of a chain, lowest number first; at most
    /// 100,000.
    ///
    /// # Errors
    /// If ClickHouse does not answer, or a stored hash is not one.
    pub async fn batch_hashes(
        &self,
        agent: AgentId,
        lane: Lane,
        epoch: u64,
        from: u64,
        to: u64,
    ) -> Result<Vec<(u64, Hash)>> {
        let sql = "SELECT seq, any(hash) AS hash FROM batches \
                   WHERE agent_id = {agent:String} AND lane = {lane:String} \
                   AND epoch = {epoch:UInt64} AND seq BETWEEN {from:UInt64} AND {to:UInt64} \
                   GROUP BY seq ORDER BY seq LIMIT {limit:UInt64}";
        let query = self
            .read(sql)
            .param("agent", agent.to_string())
            .param("lane", lane.as_str())
            .param("epoch", epoch)
            .param("from", from)
            .param("to", to)
            .param("limit", HASHES_MAX);
        let rows: Vec<HashRow> = self.rows("look up batches", query).await?;
        rows.into_iter()
            .map(|row| {
                let mut hash = Hash::default();
                hex::decode_to_slice(&row.hash, &mut hash).map_err(|error| Error::BadRow {
                    what: "the hash of a batch",
                    reason: error.to_string(),
                })?;
                Ok((row.seq, hash))
            })
            .collect()
    }
}
