//! AlertRow: alerts for searching and statistics; people work on the incidents in SQLite.

use clickhouse::Row;
use rules_event::Timestamp;
use serde::{Deserialize, Serialize};

use crate::query::LIMIT_MAX;
use crate::{Result, Store};

/// A row of the table `alerts`: an alert as it stood at one update.
#[derive(Debug, Clone, PartialEq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "columns; sql/0003_alerts.sql says what they hold")]
pub struct AlertRow {
    pub id: String,
    /// Rises with every update of the alert; the highest is the alert.
    pub version: u64,
    pub rule_id: String,
    pub title: String,
    pub title_vi: String,
    /// `rules_event::Level::rank`.
    pub level: u8,
    pub techniques: Vec<String>,
    pub source_ip: String,
    pub user_name: String,
    pub host: String,
    pub organization: String,
    pub agents: Vec<String>,
    pub event_ids: Vec<String>,
    pub events: u64,
    /// Nanoseconds since 1970, as all times here.
    pub first_at: i64,
    pub last_at: i64,
    /// When the alert was first raised: the same in all its versions.
    pub raised_at: i64,
    pub incident: String,
    pub summary: String,
}

impl Store {
    /// Inserts alerts; see [`Store::insert_events`] for the token.
    ///
    /// # Errors
    /// As [`Store::insert_events`].
    pub async fn insert_alerts(&self, token: &str, rows: &[AlertRow]) -> Result<()> {
        self.insert::<AlertRow>("alerts", token, rows).await
    }

    /// Returns the alerts raised in `since..until`, each in its newest version, newest first; at
    /// most `limit`, cut to 1000.
    ///
    /// # Errors
    /// If ClickHouse does not answer.
    pub async fn alerts(
        &self,
        since: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<AlertRow>> {
        let sql = "SELECT ?fields FROM alerts \
                   WHERE raised_at >= fromUnixTimestamp64Nano({since:Int64}) \
                   AND raised_at < fromUnixTimestamp64Nano({until:Int64}) \
                   ORDER BY raised_at DESC, id DESC, version DESC LIMIT 1 BY id \
                   LIMIT {limit:UInt64}";
        let query = self
            .read(sql)
            .param("since", since.as_nanos())
            .param("until", until.as_nanos())
            .param("limit", limit.min(LIMIT_MAX));
        self.rows("list alerts", query).await
    }
}
