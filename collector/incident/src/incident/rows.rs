//! Rows: what the tables hold, read back into types; a row that does not read back is damage.

use rules_event::{Level, Timestamp};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{AlertRecord, Incident};
use crate::{Alert, Entity, Error, Result};

/// Reads a row of `incident`; what lies in other tables is left empty (see [`super::complete`]).
pub(crate) fn incident_of(row: &SqliteRow) -> Result<Incident> {
    let id: String = row.get("id");
    let bad = |what: &str| damaged(format!("{what} of incident {id}"));
    let status: String = row.get("status");
    let reason: Option<String> = row.get("close_reason");
    Ok(Incident {
        number: row.get("number"),
        revision: row.get("revision"),
        title_en: row.get("title_en"),
        title_vi: row.get("title_vi"),
        severity: level_of(row, "severity"),
        status: status.parse().map_err(|()| bad("status"))?,
        assignee: row.get("assignee"),
        detected_at: moment_of(row, "detected_at"),
        occurred_first: moment_of(row, "occurred_first"),
        occurred_last: moment_of(row, "occurred_last"),
        techniques: texts(row, "techniques").ok_or_else(|| bad("techniques"))?,
        attack_version: row.get("attack_version"),
        incident_type: row.get("incident_type"),
        organization: row.get("organization"),
        system: row.get("system"),
        entity: Entity::default(),
        alert_count: count_of(row, "alert_count"),
        event_count: count_of(row, "event_count"),
        serious: row.get::<Option<i64>, _>("serious").map(|flag| flag != 0),
        disruption: row.get::<i64, _>("disruption") != 0,
        personal_data_at: optional_moment(row, "personal_data_at"),
        exercise: row.get::<i64, _>("exercise") != 0,
        kept_by: None,
        close_reason: reason
            .map(|word| word.parse().map_err(|()| bad("close reason")))
            .transpose()?,
        close_note: row.get("close_note"),
        closed_at: optional_moment(row, "closed_at"),
        updated_at: moment_of(row, "updated_at"),
        deadlines_met: Vec::new(),
        id,
    })
}

/// Reads a row of `incident_alert`.
pub(crate) fn alert_of(row: &SqliteRow) -> Result<AlertRecord> {
    let id: String = row.get("id");
    let bad = |what: &str| damaged(format!("{what} of alert {id}"));
    let entity: String = row.get("entity");
    let alert = Alert {
        rule_id: row.get("rule_id"),
        title: row.get("title"),
        title_vi: row.get("title_vi"),
        level: level_of(row, "level"),
        techniques: texts(row, "techniques").ok_or_else(|| bad("techniques"))?,
        attack_version: row.get("attack_version"),
        entity: serde_json::from_str(&entity).map_err(|_| bad("entity"))?,
        first: moment_of(row, "first_at"),
        last: moment_of(row, "last_at"),
        count: count_of(row, "count"),
        event_ids: texts(row, "event_ids").ok_or_else(|| bad("event ids"))?,
        agents: texts(row, "agents").ok_or_else(|| bad("agents"))?,
        organization: row.get("organization"),
        system: row.get("system"),
        incident_type: row.get("incident_type"),
        runbook_vi: row.get("runbook_vi"),
        runbook_en: row.get("runbook_en"),
        summary: row.get("summary"),
        never_forward: row.get::<i64, _>("never_forward") != 0,
        id,
    };
    Ok(AlertRecord { alert, recorded_at: moment_of(row, "recorded_at") })
}

pub(crate) fn damaged(what: String) -> Error {
    Error::Damaged { what }
}

pub(crate) fn moment_of<I: sqlx::ColumnIndex<SqliteRow>>(row: &SqliteRow, column: I) -> Timestamp {
    Timestamp::from_nanos(row.get(column))
}

fn optional_moment(row: &SqliteRow, column: &str) -> Option<Timestamp> {
    row.get::<Option<i64>, _>(column).map(Timestamp::from_nanos)
}

fn level_of(row: &SqliteRow, column: &str) -> Level {
    Level::from_rank(u8::try_from(row.get::<i64, _>(column)).unwrap_or(0))
}

fn count_of(row: &SqliteRow, column: &str) -> u64 {
    u64::try_from(row.get::<i64, _>(column)).unwrap_or(0)
}

fn texts(row: &SqliteRow, column: &str) -> Option<Vec<String>> {
    serde_json::from_str(row.get::<&str, _>(column)).ok()
}
