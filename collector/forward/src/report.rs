//! Reports: their states, and what is known of them.

mod state;

use collector_incident::moment;
use rules_event::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection, SqlitePool};

use crate::error::{damaged, database};
use crate::{Draft, Error, Result};

pub use state::{ReportKind, ReportState};

/// The most reports returned by one list.
const LIST_MAX: u32 = 500;

/// A report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// UUIDv4.
    pub id: String,
    /// The incident it is about.
    pub incident_id: String,
    /// What it is for.
    pub kind: ReportKind,
    /// Where it stands.
    pub state: ReportState,
    /// Grows by one with every change by a person.
    pub revision: i64,
    /// Who wrote or last edited it; `system` when the collector did.
    pub author: String,
    /// Everybody who wrote or edited it: none of them may approve.
    pub editors: Vec<String>,
    /// Who approved it.
    pub approver: Option<String>,
    /// Its TLP 2.0 marking, such as `amber+strict`.
    pub tlp: String,
    /// What people wrote.
    pub draft: Draft,
    /// SHA-256 of the objects in order, hexadecimal.
    pub digest: String,
    /// How many STIX objects.
    pub objects: u64,
    /// How many texts were masked.
    pub redactions: u64,
    /// Tries so far.
    pub attempts: u64,
    /// When the next try is due.
    #[serde(with = "moment")]
    pub next_at: Timestamp,
    /// What stands in the way, if anything.
    pub problem: Option<String>,
    /// When it was created.
    #[serde(with = "moment")]
    pub created_at: Timestamp,
    /// Last change.
    #[serde(with = "moment")]
    pub updated_at: Timestamp,
    /// When it was approved.
    #[serde(with = "moment::option")]
    pub approved_at: Option<Timestamp>,
    /// When the last receipt was stored.
    #[serde(with = "moment::option")]
    pub delivered_at: Option<Timestamp>,
}

/// What became of one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectStatus {
    /// STIX id.
    pub id: String,
    /// Its `modified`, or empty.
    pub version: String,
    /// `waiting`, `unsure` (being confirmed), `delivered`, `already` (was there before, confirmed) or
    /// `rejected`.
    pub outcome: String,
    /// What the centre said.
    pub message: String,
}

/// An answer of the centre.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// When it came.
    #[serde(with = "moment")]
    pub at: Timestamp,
    /// `push`, `poll` or `confirm`.
    pub request: String,
    /// HTTP status.
    pub http_status: u16,
    /// Id of the centre's status resource.
    pub status_id: Option<String>,
    /// The server's `Date` header.
    pub server_date: Option<String>,
    /// SHA-256 of the answer's body.
    pub body_digest: String,
    /// The answer's body, up to 64 KiB.
    pub body: String,
}

/// A report with what the centre said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReportStatus {
    /// The report.
    pub report: Report,
    /// Its objects in order.
    pub objects: Vec<ObjectStatus>,
    /// Its receipts, oldest first.
    pub receipts: Vec<Receipt>,
}

/// Which reports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReportQuery {
    /// Of this incident (its id).
    pub incident_id: Option<String>,
    /// In any of these states; empty means any.
    pub states: Vec<ReportState>,
    /// Created before this moment (for paging).
    pub before: Option<Timestamp>,
    /// At most this many; 0 means 100, the bound is 500.
    pub limit: u32,
}

/// Returns a report.
///
/// # Errors
/// [`Error::NotFound`], or the database.
pub async fn get(db: &SqlitePool, id: &str) -> Result<Report> {
    let mut connection = db.acquire().await.map_err(database("get a report"))?;
    read(&mut connection, id).await
}

/// Returns reports, latest first.
///
/// # Errors
/// The database.
pub async fn list(db: &SqlitePool, query: &ReportQuery) -> Result<Vec<Report>> {
    let mut sql = QueryBuilder::<Sqlite>::new("SELECT * FROM report WHERE 1 = 1");
    if let Some(incident) = &query.incident_id {
        sql.push(" AND incident_id = ").push_bind(incident.clone());
    }
    if !query.states.is_empty() {
        sql.push(" AND state IN (");
        let mut list = sql.separated(", ");
        for state in &query.states {
            list.push_bind(state.as_str());
        }
        sql.push(")");
    }
    if let Some(before) = query.before {
        sql.push(" AND created_at < ").push_bind(before.as_nanos());
    }
    let limit = if query.limit == 0 { 100 } else { query.limit.min(LIST_MAX) };
    sql.push(" ORDER BY created_at DESC, id LIMIT ").push_bind(i64::from(limit));
    let rows = sql.build().fetch_all(db).await.map_err(database("list reports"))?;
    rows.iter().map(report_of).collect()
}

/// Returns a report with the fate of its objects and the centre's receipts.
///
/// # Errors
/// [`Error::NotFound`], or the database.
pub async fn status(db: &SqlitePool, id: &str) -> Result<ReportStatus> {
    let doing = database("get the status of a report");
    let mut tx = db.begin().await.map_err(&doing)?;
    let report = read(&mut tx, id).await?;
    let objects = sqlx::query(
        "SELECT object_id, version, outcome, message FROM report_object WHERE report_id = $1 \
         ORDER BY ordinal",
    )
    .bind(&report.id)
    .fetch_all(&mut *tx)
    .await
    .map_err(&doing)?;
    let receipts = sqlx::query("SELECT * FROM report_receipt WHERE report_id = $1 ORDER BY number")
        .bind(&report.id)
        .fetch_all(&mut *tx)
        .await
        .map_err(&doing)?;
    let object = |row: &SqliteRow| ObjectStatus {
        id: row.get(0),
        version: row.get(1),
        outcome: row.get(2),
        message: row.get(3),
    };
    let receipt = |row: &SqliteRow| Receipt {
        at: Timestamp::from_nanos(row.get("at")),
        request: row.get("request"),
        http_status: u16::try_from(row.get::<i64, _>("http_status")).unwrap_or(0),
        status_id: row.get("status_id"),
        server_date: row.get("server_date"),
        body_digest: row.get("body_digest"),
        body: row.get("body"),
    };
    Ok(ReportStatus {
        objects: objects.iter().map(object).collect(),
        receipts: receipts.iter().map(receipt).collect(),
        report,
    })
}

/// Returns the exact document that leaves, or would leave: one envelope of all objects.
///
/// # Errors
/// [`Error::NotFound`], or the database.
pub async fn preview(db: &SqlitePool, id: &str) -> Result<Vec<u8>> {
    let mut tx = db.begin().await.map_err(database("get a report"))?;
    let report = read(&mut tx, id).await?;
    crate::outbox::envelope(&mut tx, &report.id, 0, i64::MAX).await
}

pub(crate) async fn read(connection: &mut SqliteConnection, id: &str) -> Result<Report> {
    let row = sqlx::query("SELECT * FROM report WHERE id = $1")
        .bind(id)
        .fetch_optional(connection)
        .await
        .map_err(database("get a report"))?;
    let row = row.ok_or_else(|| Error::NotFound { id: id.chars().take(64).collect() })?;
    report_of(&row)
}

pub(crate) fn report_of(row: &SqliteRow) -> Result<Report> {
    let id: String = row.get("id");
    let bad = |what: &str| damaged(format!("{what} of report {id}"));
    let moment = |column: &str| Timestamp::from_nanos(row.get(column));
    let maybe = |column: &str| row.get::<Option<i64>, _>(column).map(Timestamp::from_nanos);
    let count = |column: &str| u64::try_from(row.get::<i64, _>(column)).unwrap_or(0);
    let json = |column: &str| row.get::<String, _>(column);
    Ok(Report {
        incident_id: row.get("incident_id"),
        kind: json("kind").parse().map_err(|()| bad("kind"))?,
        state: json("state").parse().map_err(|()| bad("state"))?,
        revision: row.get("revision"),
        author: row.get("author"),
        editors: serde_json::from_str(&json("editors")).map_err(|_| bad("editors"))?,
        approver: row.get("approver"),
        tlp: row.get("tlp"),
        draft: serde_json::from_str(&json("draft")).map_err(|_| bad("draft"))?,
        digest: row.get("digest"),
        objects: count("objects"),
        redactions: count("redactions"),
        attempts: count("attempts"),
        next_at: moment("next_at"),
        problem: row.get("problem"),
        created_at: moment("created_at"),
        updated_at: moment("updated_at"),
        approved_at: maybe("approved_at"),
        delivered_at: maybe("delivered_at"),
        id,
    })
}
