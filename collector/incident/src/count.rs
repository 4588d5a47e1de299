//! Counts: how many incidents stand where, for metrics and the front page.

use std::collections::BTreeMap;

use rules_event::Level;
use serde::Serialize;
use sqlx::{Row, SqlitePool};

use crate::Result;
use crate::error::database;

/// How many incidents there are. Drills are counted like others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// By status word; a status without incidents is there with 0.
    pub by_status: BTreeMap<&'static str, u64>,
    /// Open ones by severity word; likewise.
    pub open_by_severity: BTreeMap<&'static str, u64>,
    /// Open ones that nobody works.
    pub open_unassigned: u64,
    /// Alerts recorded.
    pub alerts: u64,
}

/// Counts the incidents.
///
/// # Errors
/// The database.
pub async fn counts(db: &SqlitePool) -> Result<Counts> {
    let doing = database("count incidents");
    let mut counts = Counts {
        by_status: crate::Status::ALL.iter().map(|status| (status.as_str(), 0)).collect(),
        open_by_severity: Level::ALL.iter().map(|level| (level.as_str(), 0)).collect(),
        ..Counts::default()
    };
    let rows = sqlx::query(
        "SELECT status, severity, assignee IS NULL AS free, COUNT(*), \
         CAST(SUM(alert_count) AS BIGINT) FROM incident GROUP BY 1, 2, 3",
    )
    .fetch_all(db)
    .await
    .map_err(&doing)?;
    for row in rows {
        let number = |column: usize| u64::try_from(row.get::<i64, _>(column)).unwrap_or(0);
        let Ok(status) = row.get::<&str, _>(0).parse::<crate::Status>() else { continue };
        let severity = Level::from_rank(u8::try_from(number(1)).unwrap_or(0));
        *counts.by_status.entry(status.as_str()).or_default() += number(3);
        counts.alerts += number(4);
        if status.is_open() {
            *counts.open_by_severity.entry(severity.as_str()).or_default() += number(3);
            counts.open_unassigned += if number(2) == 1 { number(3) } else { 0 };
        }
    }
    Ok(counts)
}
