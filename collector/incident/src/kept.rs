//! Kept at home: incidents of which nothing may be forwarded, as a rule of theirs says so.
//!
//! An alert of a rule with `forward: never` makes incidents with its like only, so that it does not
//! keep back what has to be reported, and nobody can keep an incident from being reported by writing
//! a mark into a log. Should one be mixed all the same (its rule said something else at first), the
//! whole incident stays: its title, its counts and what people wrote speak of all its alerts.

use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;

use crate::Result;
use crate::error::database;

/// The alert because of which an incident must not be forwarded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptBy {
    /// Id of its rule.
    pub rule_id: String,
    /// Title of its rule, in English and in Vietnamese.
    pub title: String,
    /// See `title`.
    pub title_vi: String,
}

/// Returns why nothing of an incident (by its id) may be forwarded, if that is so.
///
/// # Errors
/// The database.
pub async fn kept_by(connection: &mut SqliteConnection, incident: &str) -> Result<Option<KeptBy>> {
    let found: Option<(String, String, String)> = sqlx::query_as(
        "SELECT rule_id, title, title_vi FROM incident_alert \
         WHERE incident_id = $1 AND never_forward = 1 ORDER BY first_at, id LIMIT 1",
    )
    .bind(incident)
    .fetch_optional(connection)
    .await
    .map_err(database("look for alerts that must not be forwarded"))?;
    Ok(found.map(|(rule_id, title, title_vi)| KeptBy { rule_id, title, title_vi }))
}
