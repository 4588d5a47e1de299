//! Work: what people do to an incident, each guarded by the revision they had read.

mod change;

use rules_event::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::{SqliteConnection, SqlitePool};

use crate::database::begin;
use crate::error::database;
use crate::incident::read;
use crate::{Actor, CloseReason, Error, Incident, LinkKind, Result, Status, journal};
use change::{Work, bound, difference, incident_type, severity};

/// Characters of a title.
const TITLE_CHARS_MAX: usize = 500;
/// Characters of a name or a code.
const NAME_CHARS_MAX: usize = 200;
/// Characters of a note or comment.
const NOTE_CHARS_MAX: usize = 16_384;

/// A move to another status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transition {
    /// Where to.
    pub to: Status,
    /// Why; needed to close, ignored otherwise.
    #[serde(default)]
    pub reason: Option<CloseReason>,
    /// What was found or done; needed to close.
    #[serde(default)]
    pub note: String,
}

/// Changes to what an incident says; absent fields stay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Amendment {
    /// Title in English.
    pub title_en: Option<String>,
    /// Title in Vietnamese.
    pub title_vi: Option<String>,
    /// Severity as a Sigma word; alerts no longer raise it afterwards.
    pub severity: Option<String>,
    /// `N1` to `N9`.
    pub incident_type: Option<String>,
    /// Organisation code.
    pub organization: Option<String>,
    /// Ruling: serious in the sense of the law, or not.
    pub serious: Option<bool>,
    /// Seriously disrupts a system, or threatens public order.
    pub disruption: Option<bool>,
    /// Personal data may be affected; the moment of the first `true` is kept as that clock's start.
    pub personal_data: Option<bool>,
    /// A drill; it never leaves the house.
    pub exercise: Option<bool>,
}

/// Gives the incident to somebody, or (`None`) to nobody.
///
/// # Errors
/// [`Error::Stale`], [`Error::NotFound`], [`Error::Forbidden`], [`Error::Invalid`], the database.
pub async fn assign(
    db: &SqlitePool,
    id: &str,
    revision: i64,
    assignee: Option<&str>,
    actor: &Actor,
    now: Timestamp,
) -> Result<Incident> {
    let assignee = assignee.map(str::trim).filter(|name| !name.is_empty());
    bound("assignee", assignee.unwrap_or_default(), NAME_CHARS_MAX)?;
    let mut work = Work::begin(db, id, revision, actor, now).await?;
    let facts = json!({ "from": work.incident.assignee, "to": assignee });
    work.incident.assignee = assignee.map(str::to_owned);
    work.finish("assigned", &facts).await
}

/// Moves the incident to another status, by the one table of legal moves ([`Status::next`]).
///
/// # Errors
/// [`Error::IllegalMove`], [`Error::ReasonMissing`], [`Error::NoteMissing`], and as [`assign`].
pub async fn transition(
    db: &SqlitePool,
    id: &str,
    revision: i64,
    change: &Transition,
    actor: &Actor,
    now: Timestamp,
) -> Result<Incident> {
    bound("note", &change.note, NOTE_CHARS_MAX)?;
    let mut work = Work::begin(db, id, revision, actor, now).await?;
    let (from, note) = (work.incident.status, change.note.trim());
    if !from.next().contains(&change.to) {
        return Err(Error::IllegalMove { from, to: change.to });
    }
    if change.to == Status::Closed {
        work.incident.close_reason = Some(change.reason.ok_or(Error::ReasonMissing)?);
        work.incident.close_note = Some(note.to_owned());
        work.incident.closed_at = Some(now);
        if note.is_empty() {
            return Err(Error::NoteMissing);
        }
    } else {
        // What it was closed with stays in the journal.
        work.incident.close_reason = None;
        work.incident.close_note = None;
        work.incident.closed_at = None;
    }
    work.incident.status = change.to;
    let facts = json!({
        "from": from, "to": change.to, "reason": work.incident.close_reason, "note": note,
    });
    work.finish("moved", &facts).await
}

/// Changes what the incident says.
///
/// # Errors
/// As [`assign`].
pub async fn amend(
    db: &SqlitePool,
    id: &str,
    revision: i64,
    change: &Amendment,
    actor: &Actor,
    now: Timestamp,
) -> Result<Incident> {
    let severity = severity(change.severity.as_deref())?;
    for (field, text) in [("title_en", &change.title_en), ("title_vi", &change.title_vi)] {
        bound(field, text.as_deref().unwrap_or_default(), TITLE_CHARS_MAX)?;
        if text.as_deref().is_some_and(|title| title.trim().is_empty()) {
            return Err(Error::Invalid { field, problem: "a title cannot be empty".into() });
        }
    }
    bound("organization", change.organization.as_deref().unwrap_or_default(), NAME_CHARS_MAX)?;
    incident_type(change.incident_type.as_deref())?;
    let mut work = Work::begin(db, id, revision, actor, now).await?;
    let incident = &mut work.incident;
    let before = json!(incident);
    if let Some(level) = severity {
        incident.severity = level;
        work.severity_by_person = true;
    }
    if let Some(title) = &change.title_en {
        title.trim().clone_into(&mut incident.title_en);
        work.title_by_person = true;
    }
    if let Some(title) = &change.title_vi {
        title.trim().clone_into(&mut incident.title_vi);
        work.title_by_person = true;
    }
    if let Some(group) = &change.incident_type {
        incident.incident_type = Some(group.clone());
    }
    if let Some(code) = &change.organization {
        incident.organization = Some(code.trim().to_owned()).filter(|code| !code.is_empty());
    }
    incident.serious = change.serious.or(incident.serious);
    incident.disruption = change.disruption.unwrap_or(incident.disruption);
    incident.exercise = change.exercise.unwrap_or(incident.exercise);
    match change.personal_data {
        Some(true) => incident.personal_data_at = incident.personal_data_at.or(Some(now)),
        Some(false) => incident.personal_data_at = None,
        None => {}
    }
    let facts = difference(&before, &json!(incident));
    work.finish("amended", &facts).await
}

/// Writes a comment into the journal. It needs no revision: comments never conflict.
///
/// # Errors
/// As [`assign`], but never [`Error::Stale`].
pub async fn comment(
    db: &SqlitePool,
    id: &str,
    text: &str,
    actor: &Actor,
    now: Timestamp,
) -> Result<i64> {
    actor.must_work()?;
    let text = text.trim();
    bound("comment", text, NOTE_CHARS_MAX)?;
    if text.is_empty() {
        return Err(Error::Invalid { field: "comment", problem: "write something".into() });
    }
    let mut tx = begin(db).await?;
    let incident = read(&mut tx, id).await?;
    let facts = json!({ "text": text });
    let seq = journal::append(&mut tx, Some(&incident.id), now, actor, "commented", &facts).await?;
    tx.commit().await.map_err(database("commit a comment"))?;
    Ok(seq)
}

/// Links two incidents by hand, as [`LinkKind::Related`] or [`LinkKind::DuplicateOf`].
///
/// # Errors
/// As [`comment`].
pub async fn link(
    db: &SqlitePool,
    id: &str,
    other: &str,
    kind: LinkKind,
    actor: &Actor,
    now: Timestamp,
) -> Result<()> {
    actor.must_work()?;
    let mut tx = begin(db).await?;
    let (incident, other) = (read(&mut tx, id).await?, read(&mut tx, other).await?);
    if incident.id == other.id {
        let problem = "an incident cannot be linked to itself".into();
        return Err(Error::Invalid { field: "link", problem });
    }
    insert_link(&mut tx, &incident.id, &other.id, kind, now).await?;
    let facts = json!({ "other": other.number, "kind": kind });
    journal::append(&mut tx, Some(&incident.id), now, actor, "linked", &facts).await?;
    tx.commit().await.map_err(database("commit a link"))
}

/// Notes in the caller's transaction that a legal deadline was met: by a receipt of a report, or by
/// a letter. The first time counts; returns whether this was it.
///
/// # Errors
/// The database.
pub async fn meet_deadline(
    tx: &mut SqliteConnection,
    incident_id: &str,
    deadline_id: &str,
    how: &str,
    actor: &Actor,
    now: Timestamp,
) -> Result<bool> {
    let done = sqlx::query(
        "INSERT INTO incident_deadline_met (incident_id, deadline_id, at, how) \
         VALUES ($1, $2, $3, $4) ON CONFLICT (incident_id, deadline_id) DO NOTHING",
    )
    .bind(incident_id)
    .bind(deadline_id)
    .bind(now.as_nanos())
    .bind(how)
    .execute(&mut *tx)
    .await
    .map_err(database("note that a deadline was met"))?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    let facts = json!({ "deadline": deadline_id, "how": how });
    journal::append(tx, Some(incident_id), now, actor, "deadline_met", &facts).await?;
    Ok(true)
}

pub(crate) async fn insert_link(
    tx: &mut SqliteConnection,
    id: &str,
    other: &str,
    kind: LinkKind,
    now: Timestamp,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO incident_link (incident_id, other_id, kind, at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (incident_id, other_id, kind) DO NOTHING",
    )
    .bind(id)
    .bind(other)
    .bind(kind.as_str())
    .bind(now.as_nanos())
    .execute(tx)
    .await
    .map_err(database("link two incidents"))?;
    Ok(())
}
