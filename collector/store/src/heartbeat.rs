//! HeartbeatRow: signs of life, their history and the latest of each agent.

use agent_wire::{AgentId, Header, Heartbeat};
use clickhouse::Row;
use rules_event::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Error, Result, Store};

/// At most this many agents are listed; three times the largest province we planned for.
const AGENTS_MAX: u64 = 30_000;

/// At most this many heartbeats of one agent are returned: four hours at one every 15 seconds.
const HISTORY_MAX: u32 = 1000;

/// A row of the table `heartbeats`.
#[derive(Debug, Clone, PartialEq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "columns; sql/0004_heartbeats.sql says what they hold")]
pub struct HeartbeatRow {
    pub agent_id: String,
    pub received_at: i64,
    pub sent_at: i64,
    pub epoch: u64,
    pub seq: u64,
    pub host: String,
    pub organization: String,
    pub version: String,
    pub document: String,
}

impl HeartbeatRow {
    /// Returns the row of a heartbeat that came under this header.
    #[must_use]
    pub fn new(heartbeat: &Heartbeat, header: &Header, received: Timestamp) -> Self {
        Self {
            agent_id: header.agent.to_string(),
            received_at: received.as_nanos(),
            sent_at: header.sealed.as_nanos(),
            epoch: header.epoch,
            seq: header.seq,
            host: heartbeat.host.clone(),
            organization: heartbeat.organization.clone(),
            version: heartbeat.version.clone(),
            document: serde_json::to_string(heartbeat).expect("a heartbeat is plain data"),
        }
    }
}

/// The latest sign of life of an agent.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenAgent {
    /// The agent.
    pub agent: AgentId,
    /// When its heartbeat arrived.
    pub received: Timestamp,
    /// What it said.
    pub heartbeat: Heartbeat,
}

#[derive(Row, Deserialize)]
struct SeenRow {
    agent_id: String,
    received_at: i64,
    document: String,
}

impl SeenRow {
    fn into_seen(self) -> Result<SeenAgent> {
        let bad = |reason: String| Error::BadRow { what: "a heartbeat", reason };
        Ok(SeenAgent {
            agent: self.agent_id.parse().map_err(|_| bad(format!("agent '{}'", self.agent_id)))?,
            received: Timestamp::from_nanos(self.received_at),
            heartbeat: serde_json::from_str(&self.document).map_err(|e| bad(e.to_string()))?,
        })
    }
}

impl Store {
    /// Inserts heartbeats; see [`Store::insert_events`] for the token.
    ///
    /// # Errors
    /// As [`Store::insert_events`].
    pub async fn insert_heartbeats(&self, token: &str, rows: &[HeartbeatRow]) -> Result<()> {
        self.insert::<HeartbeatRow>("heartbeats", token, rows).await
    }

    /// Returns every agent heard of in the last 35 days with its latest heartbeat, by agent id; at
    /// most 30,000.
    ///
    /// # Errors
    /// If ClickHouse does not answer.
    pub async fn agents_seen(&self) -> Result<Vec<SeenAgent>> {
        let sql = "SELECT agent_id, max(received_at) AS received_at, \
                   argMax(document, heartbeats.received_at) AS document \
                   FROM heartbeats GROUP BY agent_id ORDER BY agent_id LIMIT {limit:UInt64}";
        let query = self.read(sql).param("limit", AGENTS_MAX);
        let rows: Vec<SeenRow> = self.rows("list agents", query).await?;
        rows.into_iter().map(SeenRow::into_seen).collect()
    }

    /// Returns the heartbeats of one agent, newest first; `limit` is cut to 1000.
    ///
    /// # Errors
    /// If ClickHouse does not answer.
    pub async fn heartbeats_of(&self, agent: AgentId, limit: u32) -> Result<Vec<SeenAgent>> {
        let sql = "SELECT agent_id, received_at, document FROM heartbeats \
                   WHERE agent_id = {agent:String} ORDER BY received_at DESC LIMIT {limit:UInt64}";
        let query =
            self.read(sql).param("agent", agent.to_string()).param("limit", limit.min(HISTORY_MAX));
        let rows: Vec<SeenRow> = self.rows("list heartbeats", query).await?;
        rows.into_iter().map(SeenRow::into_seen).collect()
    }
}
