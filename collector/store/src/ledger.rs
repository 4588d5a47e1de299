//! The ledger: what was claimed against what is stored, chain by chain.

use std::collections::BTreeMap;

use clickhouse::Row;
use rules_event::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Result, Store};

/// The most missing ranges listed; [`LedgerLine::missing_batches`] counts all.
pub const MISSING_RANGES_MAX: usize = 1000;

/// The most chains a ledger covers.
const CHAINS_MAX: u64 = 100_000;

/// Which arrivals the ledger covers. The default is all of them; a month of a busy province is
/// better asked for by the day, because distinct ids are counted exactly, in memory.
#[derive(Debug, Clone, Copy, Default)]
pub struct LedgerQuery {
    /// Arrivals at or after this.
    pub since: Option<Timestamp>,
    /// Arrivals before this.
    pub until: Option<Timestamp>,
}

/// One chain: a lane of an agent in one epoch.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LedgerLine {
    /// Agent id.
    pub agent: String,
    /// Lane.
    pub lane: String,
    /// Epoch.
    pub epoch: u64,
    /// Batches accepted.
    pub batches: u64,
    /// Batches accepted more than once: rows beyond the first of a number.
    pub repeated_batches: u64,
    /// Lowest batch number.
    pub seq_min: u64,
    /// Highest batch number.
    pub seq_max: u64,
    /// Batch numbers between lowest and highest that are not there.
    pub missing_batches: u64,
    /// The missing numbers as ranges, both ends included; at most [`MISSING_RANGES_MAX`] in all.
    pub missing: Vec<(u64, u64)>,
    /// Events that the accepted batches claim to hold.
    pub events_claimed: u64,
    /// Events stored.
    pub events_stored: u64,
    /// Distinct event ids among them.
    pub events_distinct: u64,
    /// When the last batch arrived, nanoseconds since 1970.
    pub last_received: i64,
}

impl LedgerLine {
    /// Returns whether the sums close: every batch once, every event once.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.missing_batches == 0
            && self.repeated_batches == 0
            && self.events_claimed == self.events_stored
            && self.events_stored == self.events_distinct
    }
}

/// What the ledger says in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every chain closes.
    Closed,
    /// Some chain does not.
    Open,
}

/// Every chain, and the verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// By agent, lane, epoch.
    pub lines: Vec<LedgerLine>,
    /// Whether all of them close.
    pub verdict: Verdict,
}

#[derive(Row, Deserialize)]
struct BatchSums {
    agent_id: String,
    lane: String,
    epoch: u64,
    rows: u64,
    batches: u64,
    seq_min: u64,
    seq_max: u64,
    claimed: u64,
    last_received: i64,
}

#[derive(Row, Deserialize)]
struct EventSums {
    agent_id: String,
    lane: String,
    epoch: u64,
    stored: u64,
    distinct: u64,
}

#[derive(Row, Deserialize)]
struct Missing {
    agent_id: String,
    lane: String,
    epoch: u64,
    from_seq: u64,
    to_seq: u64,
}

impl Store {
    /// Returns the ledger of everything that arrived in the window.
    ///
    /// Ask when nothing is being ingested, or leave out the last seconds: a range whose events are
    /// in and whose batch rows are not yet shows as open.
    ///
    /// # Errors
    /// If ClickHouse does not answer.
    pub async fn ledger(&self, query: &LedgerQuery) -> Result<Ledger> {
        let mut lines = BTreeMap::new();
        for sums in self.batch_sums(query).await? {
            let line = LedgerLine {
                agent: sums.agent_id,
                lane: sums.lane,
                epoch: sums.epoch,
                batches: sums.batches,
                repeated_batches: sums.rows - sums.batches,
                seq_min: sums.seq_min,
                seq_max: sums.seq_max,
                missing_batches: (sums.seq_max - sums.seq_min + 1).saturating_sub(sums.batches),
                events_claimed: sums.claimed,
                last_received: sums.last_received,
                ..LedgerLine::default()
            };
            lines.insert((line.agent.clone(), line.lane.clone(), line.epoch), line);
        }
        for sums in self.event_sums(query).await? {
            let key = (sums.agent_id, sums.lane, sums.epoch);
            // Events of a chain without batches are as wrong as batches without events.
            let line = lines.entry(key.clone()).or_insert_with(|| LedgerLine {
                agent: key.0,
                lane: key.1,
                epoch: key.2,
                ..LedgerLine::default()
            });
            (line.events_stored, line.events_distinct) = (sums.stored, sums.distinct);
        }
        for gap in self.missing(query).await? {
            if let Some(line) = lines.get_mut(&(gap.agent_id, gap.lane, gap.epoch)) {
                line.missing.push((gap.from_seq, gap.to_seq));
            }
        }
        let lines: Vec<LedgerLine> = lines.into_values().collect();
        let closed = lines.iter().all(LedgerLine::is_closed);
        Ok(Ledger { lines, verdict: if closed { Verdict::Closed } else { Verdict::Open } })
    }

    async fn batch_sums(&self, query: &LedgerQuery) -> Result<Vec<BatchSums>> {
        let sql = format!(
            "SELECT agent_id, lane, epoch, sum(times) AS rows, count() AS batches, \
             min(seq) AS seq_min, max(seq) AS seq_max, sum(claimed_once) AS claimed, \
             max(last) AS last_received \
             FROM (SELECT agent_id, lane, epoch, seq, count() AS times, \
             toUInt64(any(events)) AS claimed_once, max(received_at) AS last \
             FROM batches WHERE {WINDOW} GROUP BY agent_id, lane, epoch, seq) \
             GROUP BY agent_id, lane, epoch ORDER BY agent_id, lane, epoch LIMIT {CHAINS_MAX}"
        );
        self.rows("sum up batches", query.bind(self.read(&sql))).await
    }

    async fn event_sums(&self, query: &LedgerQuery) -> Result<Vec<EventSums>> {
        let sql = format!(
            "SELECT agent_id, lane, epoch, count() AS stored, \
             uniqExact(sipHash128(event_id)) AS distinct FROM events WHERE {WINDOW} \
             GROUP BY agent_id, lane, epoch ORDER BY agent_id, lane, epoch LIMIT {CHAINS_MAX}"
        );
        self.rows("sum up events", query.bind(self.read(&sql))).await
    }

    async fn missing(&self, query: &LedgerQuery) -> Result<Vec<Missing>> {
        let sql = format!(
            "SELECT agent_id, lane, epoch, toUInt64(before + 1) AS from_seq, \
             toUInt64(seq - 1) AS to_seq FROM \
             (SELECT agent_id, lane, epoch, seq, lagInFrame(seq, 1, seq) OVER \
             (PARTITION BY agent_id, lane, epoch ORDER BY seq \
             ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS before \
             FROM batches WHERE {WINDOW}) \
             WHERE seq > before + 1 ORDER BY agent_id, lane, epoch, seq \
             LIMIT {MISSING_RANGES_MAX}"
        );
        self.rows("look for missing batches", query.bind(self.read(&sql))).await
    }
}

/// The window of [`LedgerQuery::bind`].
const WINDOW: &str = "received_at >= fromUnixTimestamp64Nano({since:Int64}) \
                      AND received_at < fromUnixTimestamp64Nano({until:Int64})";

/// Ends of "all": what ClickHouse's DateTime64(9) covers (1900 to 2262), well inside.
const EVER: (i64, i64) = (0, 9_000_000_000_000_000_000);

impl LedgerQuery {
    fn bind(&self, query: clickhouse::query::Query) -> clickhouse::query::Query {
        query
            .param("since", self.since.map_or(EVER.0, Timestamp::as_nanos))
            .param("until", self.until.map_or(EVER.1, Timestamp::as_nanos))
    }
}
