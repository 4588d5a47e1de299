//! Tally: what is known so far of an alert that is about to be recorded again.

use rules_event::Timestamp;
use sqlx::{Row, SqliteConnection};

use crate::Result;
use crate::error::database;

/// What was recorded of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownAlert {
    /// How many events it stands for.
    pub count: u64,
    /// When it was first recorded.
    pub at: Timestamp,
}

/// Returns what was recorded of an alert, if anything: for callers that count on, range by range,
/// inside the transaction that will record the sum.
///
/// # Errors
/// The database.
pub async fn recorded(tx: &mut SqliteConnection, alert_id: &str) -> Result<Option<KnownAlert>> {
    let row = sqlx::query("SELECT count, recorded_at FROM incident_alert WHERE id = $1")
        .bind(alert_id)
        .fetch_optional(&mut *tx)
        .await
        .map_err(database("read the count of an alert"))?;
    Ok(row.map(|row| KnownAlert {
        count: u64::try_from(row.get::<i64, _>("count")).unwrap_or(0),
        at: Timestamp::from_nanos(row.get("recorded_at")),
    }))
}
