//! Lists of incidents: filters, and pages that stay fast and stable however many there are.

use rules_event::{Level, Timestamp};
use serde::Serialize;
use sqlx::{QueryBuilder, Row, Sqlite, SqlitePool};

use crate::error::database;
use crate::incident::{complete, incident_of};
use crate::{Error, Incident, Result, Status, fold};

/// The most incidents on one page.
pub const PAGE_MAX: u32 = 200;
/// Incidents on a page when the query does not say.
const PAGE_DEFAULT: u32 = 50;
/// Words of a search that count.
const WORDS_MAX: usize = 8;

/// Which incidents. Filters that are empty let everything pass; the default asks for all that are
/// open.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Query {
    /// Any of these; empty means all but closed (see `closed`).
    pub status: Vec<Status>,
    /// Also closed ones, when `status` is empty.
    pub closed: bool,
    /// At least this serious.
    pub severity_min: Option<Level>,
    /// Worked by this account; an empty text means by nobody.
    pub assignee: Option<String>,
    /// Of one of these agencies: the scope of the person who asks. `None` means of any.
    pub organizations: Option<Vec<String>>,
    /// Every word occurs in number, title, entity or technique; case and marks do not matter.
    pub text: String,
    /// An entity, such as `("source.ip", "203.0.113.9")`.
    pub entity: Option<(String, String)>,
    /// An alert of this rule belongs to it.
    pub rule_id: Option<String>,
    /// Detected at or after.
    pub since: Option<Timestamp>,
    /// Detected before.
    pub until: Option<Timestamp>,
    /// `Some(false)` leaves drills out, `Some(true)` shows only them.
    pub exercise: Option<bool>,
    /// Incidents on the page; 0 means 50, the bound is [`PAGE_MAX`].
    pub limit: u32,
    /// [`Page::next`] of the page before.
    pub cursor: Option<String>,
}

/// One page, latest detection first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Page {
    /// The incidents.
    pub incidents: Vec<Incident>,
    /// Where the next page starts; `None` after the last.
    pub next: Option<String>,
}

/// Returns one page of incidents, latest detection first.
///
/// # Errors
/// [`Error::Invalid`] for a cursor that is not ours; the database.
pub async fn list(db: &SqlitePool, query: &Query) -> Result<Page> {
    let limit = if query.limit == 0 { PAGE_DEFAULT } else { query.limit.min(PAGE_MAX) };
    let mut sql = QueryBuilder::<Sqlite>::new("SELECT * FROM incident i WHERE 1 = 1");
    filter(&mut sql, query);
    if let Some(cursor) = &query.cursor {
        let (at, id) = cursor
            .split_once('.')
            .and_then(|(at, id)| Some((at.parse::<i64>().ok()?, id.to_owned())))
            .ok_or_else(|| Error::Invalid {
                field: "cursor",
                problem: "use the cursor of the page before, unchanged".into(),
            })?;
        sql.push(" AND (i.detected_at < ").push_bind(at);
        sql.push(" OR (i.detected_at = ").push_bind(at);
        sql.push(" AND i.id < ").push_bind(id).push("))");
    }
    sql.push(" ORDER BY i.detected_at DESC, i.id DESC LIMIT ").push_bind(i64::from(limit) + 1);
    let doing = database("list incidents");
    let mut tx = db.begin().await.map_err(&doing)?;
    let mut rows = sql.build().fetch_all(&mut *tx).await.map_err(&doing)?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows
        .last()
        .filter(|_| more)
        .map(|row| format!("{}.{}", row.get::<i64, _>("detected_at"), row.get::<&str, _>("id")));
    let mut incidents = Vec::with_capacity(rows.len());
    for row in &rows {
        incidents.push(complete(&mut tx, incident_of(row)?).await?);
    }
    Ok(Page { incidents, next })
}

fn filter(sql: &mut QueryBuilder<'_, Sqlite>, query: &Query) {
    if !query.status.is_empty() {
        among(sql, " AND i.status IN (", query.status.iter().map(|status| status.as_str().into()));
    } else if !query.closed {
        sql.push(" AND i.status <> ").push_bind(Status::Closed.as_str());
    }
    if let Some(level) = query.severity_min {
        sql.push(" AND i.severity >= ").push_bind(i64::from(level.rank()));
    }
    match query.assignee.as_deref() {
        None => {}
        Some("") => drop(sql.push(" AND i.assignee IS NULL")),
        Some(name) => drop(sql.push(" AND i.assignee = ").push_bind(name.to_owned())),
    }
    if let Some(codes) = &query.organizations {
        if codes.is_empty() {
            sql.push(" AND 1 = 0");
        } else {
            among(sql, " AND i.organization IN (", codes.iter().cloned());
        }
    }
    for word in fold(&query.text).split_whitespace().take(WORDS_MAX) {
        let escaped = word.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        sql.push(" AND i.search_text LIKE ").push_bind(format!("%{escaped}%")).push(" ESCAPE '\\'");
    }
    if let Some((field, value)) = &query.entity {
        sql.push(" AND i.id IN (SELECT incident_id FROM incident_entity WHERE field = ");
        sql.push_bind(field.clone()).push(" AND value = ").push_bind(value.clone()).push(")");
    }
    if let Some(rule) = &query.rule_id {
        sql.push(" AND i.id IN (SELECT incident_id FROM incident_alert WHERE rule_id = ");
        sql.push_bind(rule.clone()).push(")");
    }
    if let Some(since) = query.since {
        sql.push(" AND i.detected_at >= ").push_bind(since.as_nanos());
    }
    if let Some(until) = query.until {
        sql.push(" AND i.detected_at < ").push_bind(until.as_nanos());
    }
    if let Some(exercise) = query.exercise {
        sql.push(" AND i.exercise = ").push_bind(i64::from(exercise));
    }
}

fn among(sql: &mut QueryBuilder<'_, Sqlite>, opening: &str, values: impl Iterator<Item = String>) {
    sql.push(opening);
    let mut list = sql.separated(", ");
    for value in values {
        list.push_bind(value);
    }
    sql.push(")");
}
