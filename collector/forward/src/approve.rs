//! Approval: the second pair of eyes, and what a person may do with a report afterwards.

use collector_incident::{Actor, journal};
use rules_event::Timestamp;
use serde_json::{Value, json};
use sqlx::{Sqlite, SqlitePool, Transaction};

use crate::database::begin;
use crate::draft::must_not_be_kept;
use crate::error::database;
use crate::report::read;
use crate::{Error, Report, ReportState, Result, outbox};

/// Hands a draft in for approval.
///
/// # Errors
/// [`Error::Stale`], [`Error::WrongState`], [`Error::Forbidden`], the database.
pub async fn submit(
    db: &SqlitePool,
    id: &str,
    revision: i64,
    actor: &Actor,
    now: Timestamp,
) -> Result<Report> {
    if !actor.role.may_work() {
        return Err(forbidden(actor, "analyst, lead or admin"));
    }
    let mut change = Change::open(db, id, revision, now).await?;
    change.expect("submit", &[ReportState::Draft], "a draft")?;
    must_not_be_kept(&mut change.tx, &change.report.incident_id).await?;
    change.set(ReportState::PendingApproval, None).await?;
    change.finish(actor, "report_submitted", &json!({ "report": id })).await
}

/// Approves a report: its bytes are fixed and wait in the outbox. The approver must be a lead or
/// admin, and must have written none of it.
///
/// # Errors
/// [`Error::OwnReport`], [`Error::Drill`], [`Error::Kept`], and as [`submit`].
pub async fn approve(
    db: &SqlitePool,
    id: &str,
    revision: i64,
    actor: &Actor,
    now: Timestamp,
) -> Result<Report> {
    must_approve(actor)?;
    let mut change = Change::open(db, id, revision, now).await?;
    change.expect("approve", &[ReportState::PendingApproval], "pending approval")?;
    if change.report.editors.contains(&actor.name) {
        return Err(Error::OwnReport { name: actor.name.clone() });
    }
    let drill: Option<String> =
        sqlx::query_scalar("SELECT number FROM incident WHERE id = $1 AND exercise = 1")
            .bind(&change.report.incident_id)
            .fetch_optional(&mut *change.tx)
            .await
            .map_err(database("approve a report"))?;
    if let Some(number) = drill {
        return Err(Error::Drill { number });
    }
    must_not_be_kept(&mut change.tx, &change.report.incident_id).await?;
    sqlx::query(
        "UPDATE report SET approver = $2, approved_at = $3, attempts = 0, next_at = $3, \
         place = (SELECT COALESCE(MAX(place), 0) + 1 FROM report) WHERE id = $1",
    )
    .bind(id)
    .bind(&actor.name)
    .bind(now.as_nanos())
    .execute(&mut *change.tx)
    .await
    .map_err(database("approve a report"))?;
    outbox::seal(&mut change.tx, id).await?;
    change.set(ReportState::Approved, None).await?;
    let facts = json!({ "report": id, "digest": change.report.digest });
    change.finish(actor, "report_approved", &facts).await
}

/// Sends a report back to its authors, with the reason.
///
/// # Errors
/// As [`submit`]; [`Error::Invalid`] without a reason.
pub async fn refuse(
    db: &SqlitePool,
    id: &str,
    revision: i64,
    reason: &str,
    actor: &Actor,
    now: Timestamp,
) -> Result<Report> {
    must_approve(actor)?;
    let reason = worded(reason)?;
    let mut change = Change::open(db, id, revision, now).await?;
    change.expect("refuse", &[ReportState::PendingApproval], "pending approval")?;
    change.set(ReportState::Draft, Some(reason)).await?;
    change.finish(actor, "report_refused", &json!({ "report": id, "reason": reason })).await
}

/// Sends a dead letter again after a person has cleared the cause: what was refused goes out with
/// the same bytes.
///
/// # Errors
/// As [`submit`].
pub async fn retry(
    db: &SqlitePool,
    id: &str,
    revision: i64,
    actor: &Actor,
    now: Timestamp,
) -> Result<Report> {
    must_approve(actor)?;
    let mut change = Change::open(db, id, revision, now).await?;
    let dead = [ReportState::Partial, ReportState::Rejected];
    change.expect("retry", &dead, "partial or rejected")?;
    must_not_be_kept(&mut change.tx, &change.report.incident_id).await?;
    outbox::reopen(&mut change.tx, id).await?;
    sqlx::query("UPDATE report SET attempts = 0, next_at = $2 WHERE id = $1")
        .bind(id)
        .bind(now.as_nanos())
        .execute(&mut *change.tx)
        .await
        .map_err(database("retry a report"))?;
    change.set(ReportState::Approved, None).await?;
    change.finish(actor, "report_retried", &json!({ "report": id })).await
}

/// Gives a report up, with the reason, such as the number of the letter sent instead. Later reports
/// of the incident no longer wait for it.
///
/// # Errors
/// As [`refuse`]. A report that is being sent or was delivered cannot be discarded.
pub async fn discard(
    db: &SqlitePool,
    id: &str,
    revision: i64,
    reason: &str,
    actor: &Actor,
    now: Timestamp,
) -> Result<Report> {
    must_approve(actor)?;
    let reason = worded(reason)?;
    let mut change = Change::open(db, id, revision, now).await?;
    let from = [
        ReportState::Draft,
        ReportState::PendingApproval,
        ReportState::Approved,
        ReportState::Partial,
        ReportState::Rejected,
    ];
    change.expect("discard", &from, "neither being sent nor delivered")?;
    change.set(ReportState::Discarded, Some(reason)).await?;
    change.finish(actor, "report_discarded", &json!({ "report": id, "reason": reason })).await
}

/// One change by one person.
struct Change {
    tx: Transaction<'static, Sqlite>,
    report: Report,
    now: Timestamp,
}

impl Change {
    async fn open(db: &SqlitePool, id: &str, revision: i64, now: Timestamp) -> Result<Self> {
        let mut tx = begin(db).await?;
        let report = read(&mut tx, id).await?;
        expect_revision(&report, revision)?;
        Ok(Self { tx, report, now })
    }

    fn expect(
        &self,
        doing: &'static str,
        states: &[ReportState],
        needs: &'static str,
    ) -> Result<()> {
        if states.contains(&self.report.state) {
            return Ok(());
        }
        Err(Error::WrongState { doing, state: self.report.state, needs })
    }

    async fn set(&mut self, state: ReportState, problem: Option<&str>) -> Result<()> {
        sqlx::query(
            "UPDATE report SET state = $2, problem = $3, revision = revision + 1, updated_at = $4 \
             WHERE id = $1",
        )
        .bind(&self.report.id)
        .bind(state.as_str())
        .bind(problem)
        .bind(self.now.as_nanos())
        .execute(&mut *self.tx)
        .await
        .map_err(database("change a report"))?;
        Ok(())
    }

    async fn finish(mut self, actor: &Actor, action: &str, facts: &Value) -> Result<Report> {
        let incident = Some(self.report.incident_id.as_str());
        journal::append(&mut self.tx, incident, self.now, actor, action, facts).await?;
        let report = read(&mut self.tx, &self.report.id).await?;
        self.tx.commit().await.map_err(database("commit a change of a report"))?;
        Ok(report)
    }
}

pub(crate) fn expect_revision(report: &Report, expected: i64) -> Result<()> {
    if report.revision == expected {
        return Ok(());
    }
    Err(Error::Stale { id: report.id.clone(), expected, actual: report.revision })
}

fn must_approve(actor: &Actor) -> Result<()> {
    if actor.role.may_approve() { Ok(()) } else { Err(forbidden(actor, "lead or admin")) }
}

fn forbidden(actor: &Actor, needs: &'static str) -> Error {
    Error::Forbidden { name: actor.name.clone(), role: actor.role, needs }
}

fn worded(reason: &str) -> Result<&str> {
    match reason.trim() {
        "" => Err(Error::Invalid { field: "reason", problem: "say why".into() }),
        long if long.chars().count() > 2000 => {
            Err(Error::Invalid { field: "reason", problem: "use at most 2000 characters".into() })
        }
        reason => Ok(reason),
    }
}
