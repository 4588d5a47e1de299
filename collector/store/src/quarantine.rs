//! QuarantineRow: what was received and not accepted, kept until somebody decides.

use agent_wire::{PublicKey, Record};
use clickhouse::Row;
use rules_event::{Timestamp, encode_lossless};
use serde::{Deserialize, Serialize};

use crate::bytes::Bytes;
use crate::{Result, Store};

/// At most this many rows come back at once.
const PAGE_MAX: u32 = 1000;

/// A row of the table `quarantine`.
#[derive(Debug, Clone, PartialEq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "columns; sql/0005_quarantine.sql says what they hold")]
pub struct QuarantineRow {
    pub received_at: i64,
    pub reason: String,
    pub detail: String,
    /// The key that claims to have signed: 64 hexadecimal digits, empty if none could be read.
    pub key: String,
    pub agent_id: String,
    pub lane: String,
    pub epoch: u64,
    pub seq: u64,
    pub topic: String,
    pub kafka_partition: i32,
    pub kafka_offset: i64,
    headers: Vec<(String, String)>,
    value: Bytes,
}

/// Where a walk through the quarantined batches of one key stands: after this row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "columns of QuarantineRow, in the order of the walk")]
pub struct QuarantineCursor {
    pub lane: String,
    pub epoch: u64,
    pub seq: u64,
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
}

impl QuarantineRow {
    /// Returns the row of a record that could be read but is not accepted. Its bytes are kept as
    /// the spool holds them (`Record::encode`).
    #[must_use]
    pub fn of_record(
        record: &Record,
        topic: &str,
        partition: i32,
        offset: i64,
        received: Timestamp,
        reason: &str,
        detail: &str,
    ) -> Self {
        let header = &record.header;
        Self {
            key: header.key.to_string(),
            agent_id: header.agent.to_string(),
            lane: header.lane.to_string(),
            epoch: header.epoch,
            seq: header.seq,
            value: Bytes(record.encode()),
            ..Self::of_bytes(&[], &[], topic, partition, offset, received, reason, detail)
        }
    }

    /// Returns the row of bytes that could not be read as a record.
    #[must_use]
    #[expect(clippy::too_many_arguments, reason = "the columns; a struct would repeat the row")]
    pub fn of_bytes(
        headers: &[(String, Vec<u8>)],
        value: &[u8],
        topic: &str,
        partition: i32,
        offset: i64,
        received: Timestamp,
        reason: &str,
        detail: &str,
    ) -> Self {
        let text = |bytes: &[u8]| encode_lossless(bytes).0.into_owned();
        Self {
            received_at: received.as_nanos(),
            reason: reason.to_owned(),
            detail: detail.to_owned(),
            key: String::new(),
            agent_id: String::new(),
            lane: String::new(),
            epoch: 0,
            seq: 0,
            topic: topic.to_owned(),
            kafka_partition: partition,
            kafka_offset: offset,
            headers: headers.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
            value: Bytes(value.to_vec()),
        }
    }

    /// Returns the record, if the row holds one.
    ///
    /// # Errors
    /// The wire's word on what is wrong with the bytes.
    pub fn record(&self) -> agent_wire::Result<Record> {
        Record::decode(&self.value.0)
    }

    /// Returns the bytes: an encoded record, or the value of what could not be read.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        &self.value.0
    }

    /// Returns the headers of what could not be read; bytes that are not text are escaped.
    #[must_use]
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// Returns the cursor after this row.
    #[must_use]
    pub fn cursor(&self) -> QuarantineCursor {
        QuarantineCursor {
            lane: self.lane.clone(),
            epoch: self.epoch,
            seq: self.seq,
            topic: self.topic.clone(),
            partition: self.kafka_partition,
            offset: self.kafka_offset,
        }
    }
}

impl Store {
    /// Inserts what is not accepted; see [`Store::insert_events`] for the token.
    ///
    /// # Errors
    /// As [`Store::insert_events`].
    pub async fn insert_quarantine(&self, token: &str, rows: &[QuarantineRow]) -> Result<()> {
        self.insert::<QuarantineRow>("quarantine", token, rows).await
    }

    /// Returns quarantined batches of a key that wait for one of these reasons, in the order of
    /// their chains, after the cursor; at most `limit`, cut to 1000.
    ///
    /// # Errors
    /// If ClickHouse does not answer.
    pub async fn quarantined(
        &self,
        key: &PublicKey,
        reasons: &[&str],
        after: Option<&QuarantineCursor>,
        limit: u32,
    ) -> Result<Vec<QuarantineRow>> {
        const ORDER: &str = "lane, epoch, seq, topic, kafka_partition, kafka_offset";
        let mut sql = "SELECT ?fields FROM quarantine WHERE key = {key:String} \
                       AND has({reasons:Array(String)}, reason)"
            .to_owned();
        if after.is_some() {
            sql.push_str(
                " AND (toString(lane), epoch, seq, toString(topic), kafka_partition, kafka_offset) \
                 > ({lane:String}, {epoch:UInt64}, {seq:UInt64}, {topic:String}, \
                 {partition:Int32}, {offset:Int64})",
            );
        }
        // A record that was quarantined twice is one record.
        sql.push_str(&format!(" ORDER BY {ORDER} LIMIT 1 BY {ORDER} LIMIT {{limit:UInt64}}"));
        let mut query = self
            .read(&sql)
            .param("key", key.to_string())
            .param("reasons", reasons)
            .param("limit", limit.min(PAGE_MAX));
        if let Some(after) = after {
            query = query
                .param("lane", &after.lane)
                .param("epoch", after.epoch)
                .param("seq", after.seq)
                .param("topic", &after.topic)
                .param("partition", after.partition)
                .param("offset", after.offset);
        }
        self.rows("list quarantined batches", query).await
    }

    /// Returns the newest quarantined rows of any kind, for people; `limit` is cut to 1000.
    ///
    /// # Errors
    /// If ClickHouse does not answer.
    pub async fn quarantine_latest(&self, limit: u32) -> Result<Vec<QuarantineRow>> {
        let sql = "SELECT ?fields FROM quarantine ORDER BY received_at DESC LIMIT {limit:UInt64}";
        let query = self.read(sql).param("limit", limit.min(PAGE_MAX));
        self.rows("list the quarantine", query).await
    }
}
