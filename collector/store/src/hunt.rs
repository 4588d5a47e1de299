//! Hunting: the stored events that a rule's predicate holds on.

use rules_event::Timestamp;
use rules_matcher::sql::{self, SQL_BYTES_MAX, Sql};

use crate::{EventRow, LIMIT_MAX, Result, Store, StoredEvent};

/// How long the engine may work on one hunt. It looks at every event of its time window, but a
/// person waits for it.
const SECONDS_MAX: u32 = 50;

/// The most memory one hunt may take in the engine: 2 GiB.
const MEMORY_BYTES_MAX: u64 = 2 << 30;

/// Which events to look at.
#[derive(Debug, Clone, Copy)]
pub struct HuntWindow {
    /// Earliest event time.
    pub since: Timestamp,
    /// Event times before this.
    pub until: Timestamp,
    /// At most so many events, cut to [`LIMIT_MAX`]; 0 means [`LIMIT_MAX`].
    pub limit: u32,
}

impl Store {
    /// Returns the events of a time window on which a rule's predicate holds, newest first.
    ///
    /// Reads only: the engine is told so, besides that the predicate can say nothing else.
    ///
    /// # Errors
    /// If ClickHouse does not answer, or needs more time or memory than a hunt may take.
    pub async fn hunt(&self, predicate: &Sql, window: HuntWindow) -> Result<Vec<StoredEvent>> {
        let limit = match window.limit {
            0 => LIMIT_MAX,
            limit => limit.min(LIMIT_MAX),
        };
        // The condition on time stands first and alone: by it whole granules are left out.
        let text = format!(
            "{}\nSELECT ?fields FROM events \
             WHERE ts >= fromUnixTimestamp64Nano({{since:Int64}}) \
             AND ts < fromUnixTimestamp64Nano({{until:Int64}}) AND ({}) \
             ORDER BY ts DESC, event_id DESC LIMIT {limit}",
            sql::with_clause([predicate]),
            predicate.condition()
        );
        let query = self
            .read(&text)
            .param("since", window.since.as_nanos())
            .param("until", window.until.as_nanos())
            .with_setting("max_execution_time", SECONDS_MAX.to_string())
            .with_setting("max_memory_usage", MEMORY_BYTES_MAX.to_string())
            .with_setting("max_query_size", (2 * SQL_BYTES_MAX).to_string())
            .with_setting("readonly", "2");
        let mut events = Vec::new();
        self.each::<EventRow<'static>>("hunt for events", query, |row| {
            events.push(row.into_stored()?);
            Ok(())
        })
        .await?;
        Ok(events)
    }
}
