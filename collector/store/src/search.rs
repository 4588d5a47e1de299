//! Events: inserting them, searching them, and reading hits back for correlation.

use rules_event::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{EventQuery, EventRow, Result, Store, StoredEvent};

/// Offsets of one partition that are stored but not yet accounted for: a range whose SQLite
/// transaction has not committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenSpan {
    /// Topic, as in `Place::topic`.
    pub topic: String,
    /// Partition number.
    pub partition: i32,
    /// First offset.
    pub from: i64,
    /// Offset after the last.
    pub next: i64,
}

impl Store {
    /// Inserts events as one block; at most [`crate::INSERT_ROWS_MAX`].
    ///
    /// # Errors
    /// If ClickHouse does not confirm. The rows may then be there or not: repeat with the same token
    /// and the same rows until it does; they are stored once.
    pub async fn insert_events(&self, token: &str, rows: &[EventRow<'_>]) -> Result<()> {
        self.insert::<EventRow<'static>>("events", token, rows).await
    }

    /// Returns the events the query asks for, newest first; continue with
    /// [`StoredEvent::cursor`] of the last.
    ///
    /// # Errors
    /// [`crate::Error::BadQuery`] if the query breaks a bound or compares a field with something it
    /// cannot hold; others if ClickHouse does not answer.
    pub async fn search(&self, query: &EventQuery) -> Result<Vec<StoredEvent>> {
        let sql = query.conditions()?;
        let text = format!(
            "SELECT ?fields FROM events WHERE {} ORDER BY ts DESC, event_id DESC LIMIT {}",
            sql.text,
            query.limit()
        );
        let mut events = Vec::new();
        let read = sql.bind(self.read(&text));
        self.each::<EventRow<'static>>("search events", read, |row| {
            events.push(row.into_stored()?);
            Ok(())
        })
        .await?;
        Ok(events)
    }

    /// Returns the events with these ids, oldest first; at most [`crate::IDS_MAX`] ids.
    ///
    /// # Errors
    /// As [`Store::search`].
    pub async fn events_by_id(&self, ids: &[String]) -> Result<Vec<StoredEvent>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let query = EventQuery { ids: ids.to_vec(), ..EventQuery::ever() };
        let mut events = self.search(&query).await?;
        events.reverse();
        Ok(events)
    }

    /// Returns the arrival time that every topic has reached: the least of their latest ones. `None`
    /// if nothing is stored.
    ///
    /// # Errors
    /// If ClickHouse does not answer.
    pub async fn arrivals_reach(&self) -> Result<Option<Timestamp>> {
        let sql = "SELECT toInt64(ifNull(min(toUnixTimestamp64Nano(toDateTime64(latest, 9))), 0)) \
                   FROM (SELECT max(received_at) AS latest FROM events GROUP BY topic)";
        let rows: Vec<i64> = self.rows("find the latest arrival", self.read(sql)).await?;
        let nanos = rows.first().copied().unwrap_or(0);
        Ok((nanos > 0).then(|| Timestamp::from_nanos(nanos)))
    }

    /// Calls `each` for every event that some rule hit and that arrived at or after `since`, in the
    /// order of arrival, for rebuilding correlation after a restart. By arrival, not by what the
    /// line says: an agent that was cut off for days sends old lines now. Events of `open` spans are
    /// left out: ingestion will hand them over again. Returns how many there were.
    ///
    /// # Errors
    /// If ClickHouse does not answer.
    pub async fn hits_since(
        &self,
        since: Timestamp,
        open: &[OpenSpan],
        mut each: impl FnMut(&StoredEvent),
    ) -> Result<u64> {
        let sql = "SELECT ?fields FROM events \
                   WHERE received_at >= fromUnixTimestamp64Nano({since:Int64}) AND notEmpty(rule_ids) \
                   ORDER BY received_at, topic, kafka_partition, kafka_offset, idx";
        let query = self.read(sql).param("since", since.as_nanos());
        let mut count = 0;
        self.each::<EventRow<'static>>("read hits", query, |row| {
            let stored = row.into_stored()?;
            let place = &stored.place;
            let is_open = open.iter().any(|span| {
                span.topic == *place.topic
                    && span.partition == place.partition
                    && (span.from..span.next).contains(&place.offset)
            });
            if !is_open {
                count += 1;
                each(&stored);
            }
            Ok(())
        })
        .await?;
        Ok(count)
    }
}
