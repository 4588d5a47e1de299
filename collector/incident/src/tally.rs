//! Tally: how many events a recorded alert stands for so far.

use sqlx::SqliteConnection;

use crate::Result;
use crate::error::database;

/// Returns the count of a recorded alert, 0 if it is not known: for callers that count on, range by
/// range, inside the transaction that will record the sum.
///
/// # Errors
/// The database.
pub async fn recorded_count(tx: &mut SqliteConnection, alert_id: &str) -> Result<u64> {
    let count: Option<i64> = sqlx::query_scalar("SELECT count FROM incident_alert WHERE id = $1")
        .bind(alert_id)
        .fetch_optional(&mut *tx)
        .await
        .map_err(database("read the count of an alert"))?;
    Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
}
