//! Drafts: what people write, turned into redacted STIX objects whose bytes are kept.

use collector_incident::{Actor, Detail, detail, journal, kept_by};
use rules_event::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::{SqliteConnection, SqlitePool};

use crate::database::begin;
use crate::error::database;
use crate::redact::Redactor;
use crate::report::read;
use crate::secrecy::Marks;
use crate::{Error, Profile, Report, ReportKind, ReportState, Result, outbox, stix};

/// Characters of one text of a draft.
const TEXT_CHARS_MAX: usize = 32_768;

/// What people write. Empty texts are left out of the report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Draft {
    /// What the report is for.
    pub kind: ReportKind,
    /// What happened, in Vietnamese.
    pub text_vi: String,
    /// Cause (nguyên nhân).
    pub cause: String,
    /// Scope of impact (phạm vi ảnh hưởng).
    pub scope: String,
    /// Measures taken and planned (biện pháp khắc phục).
    pub measures: String,
    /// Help asked of the centre (đề nghị hỗ trợ).
    pub help: String,
}

impl Draft {
    /// The texts with the headings they get in the report.
    pub(crate) fn sections(&self) -> [(&'static str, &str); 5] {
        [
            ("Diễn biến", &self.text_vi),
            ("Nguyên nhân", &self.cause),
            ("Phạm vi ảnh hưởng", &self.scope),
            ("Biện pháp khắc phục", &self.measures),
            ("Đề nghị hỗ trợ", &self.help),
        ]
    }

    fn check(&self) -> Result<()> {
        for (_, text) in self.sections() {
            let length = text.chars().count();
            if length > TEXT_CHARS_MAX {
                let problem = format!("{length} characters; the bound is {TEXT_CHARS_MAX}");
                return Err(Error::Invalid { field: "draft", problem });
            }
        }
        Ok(())
    }
}

/// Creates a draft for an incident (by its id or number). A draft of [`Actor::system`] has the author
/// `system`.
///
/// # Errors
/// [`Error::Drill`], [`Error::Kept`], [`Error::StateSecret`] (also noted in the journal),
/// [`Error::Forbidden`], [`Error::Invalid`], the database.
pub async fn request(
    db: &SqlitePool,
    profile: &Profile,
    incident: &str,
    draft: &Draft,
    author: &Actor,
    now: Timestamp,
) -> Result<Report> {
    let evidence = writable(db, incident, draft, author, now).await?;
    let id = uuid::Uuid::new_v4().to_string();
    let redactor = checked(db, profile, &evidence, draft, author, now).await?;
    let mut tx = begin(db).await?;
    sqlx::query(
        "INSERT INTO report (id, incident_id, kind, state, revision, author, editors, tlp, draft, \
         digest, objects, redactions, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, 1, $5, $6, $7, $8, '', 0, 0, $9, $9)",
    )
    .bind(&id)
    .bind(&evidence.incident.id)
    .bind(draft.kind.as_str())
    .bind(ReportState::Draft.as_str())
    .bind(&author.name)
    .bind(json!([author.name]).to_string())
    .bind(profile.config.tlp.as_str())
    .bind(json!(draft).to_string())
    .bind(now.as_nanos())
    .execute(&mut *tx)
    .await
    .map_err(database("create a report"))?;
    let build = stix::Build { profile, evidence: &evidence, draft, report: &id, now };
    let digest = outbox::fill(&mut tx, &build, redactor).await?;
    let facts = json!({ "report": id, "kind": draft.kind, "digest": digest });
    journal::append(&mut tx, Some(&evidence.incident.id), now, author, "report_drafted", &facts)
        .await?;
    let report = read(&mut tx, &id).await?;
    tx.commit().await.map_err(database("commit a draft"))?;
    Ok(report)
}

/// Rewrites a draft from what the incident is now. Whoever edits becomes an author.
///
/// # Errors
/// As [`request`]; [`Error::Stale`]; [`Error::WrongState`] once it is approved.
pub async fn edit(
    db: &SqlitePool,
    profile: &Profile,
    id: &str,
    revision: i64,
    draft: &Draft,
    author: &Actor,
    now: Timestamp,
) -> Result<Report> {
    let old = crate::get(db, id).await?;
    let evidence = writable(db, &old.incident_id, draft, author, now).await?;
    let redactor = checked(db, profile, &evidence, draft, author, now).await?;
    let mut tx = begin(db).await?;
    let mut report = read(&mut tx, id).await?;
    crate::approve::expect_revision(&report, revision)?;
    if !matches!(report.state, ReportState::Draft | ReportState::PendingApproval) {
        let needs = "a draft or pending approval";
        return Err(Error::WrongState { doing: "edit", state: report.state, needs });
    }
    if !report.editors.contains(&author.name) {
        report.editors.push(author.name.clone());
    }
    sqlx::query(
        "UPDATE report SET state = $2, kind = $3, revision = revision + 1, author = $4, \
         editors = $5, tlp = $6, draft = $7, problem = NULL, updated_at = $8 WHERE id = $1",
    )
    .bind(&report.id)
    .bind(ReportState::Draft.as_str())
    .bind(draft.kind.as_str())
    .bind(&author.name)
    .bind(json!(report.editors).to_string())
    .bind(profile.config.tlp.as_str())
    .bind(json!(draft).to_string())
    .bind(now.as_nanos())
    .execute(&mut *tx)
    .await
    .map_err(database("edit a report"))?;
    let build = stix::Build { profile, evidence: &evidence, draft, report: &report.id, now };
    let digest = outbox::fill(&mut tx, &build, redactor).await?;
    let facts = json!({ "report": id, "kind": draft.kind, "digest": digest });
    journal::append(&mut tx, Some(&report.incident_id), now, author, "report_edited", &facts)
        .await?;
    let report = read(&mut tx, id).await?;
    tx.commit().await.map_err(database("commit a draft"))?;
    Ok(report)
}

async fn writable(
    db: &SqlitePool,
    incident: &str,
    draft: &Draft,
    who: &Actor,
    now: Timestamp,
) -> Result<Detail> {
    if !who.role.may_work() {
        let (name, role) = (who.name.clone(), who.role);
        return Err(Error::Forbidden { name, role, needs: "analyst, lead or admin" });
    }
    draft.check()?;
    let evidence = detail(db, incident).await?;
    if evidence.incident.exercise {
        return Err(Error::Drill { number: evidence.incident.number });
    }
    let mut tx = begin(db).await?;
    let id = &evidence.incident.id;
    if let Err(error) = must_not_be_kept(&mut tx, id).await {
        if let Error::Kept { rule, .. } = &error {
            let facts = json!({ "rule": rule });
            journal::append(&mut tx, Some(id), now, who, "forward_blocked", &facts).await?;
            tx.commit().await.map_err(database("commit a blocked report"))?;
        }
        return Err(error);
    }
    Ok(evidence)
}

/// Refuses an incident of which nothing may leave. Asked again at every step on the way out: an alert
/// may have come in between.
pub(crate) async fn must_not_be_kept(
    connection: &mut SqliteConnection,
    incident: &str,
) -> Result<()> {
    let Some(by) = kept_by(connection, incident).await? else { return Ok(()) };
    let number = sqlx::query_scalar("SELECT number FROM incident WHERE id = $1")
        .bind(incident)
        .fetch_one(connection)
        .await
        .map_err(database("get the number of an incident"))?;
    Err(Error::Kept { number, rule: by.rule_id, title: by.title, title_vi: by.title_vi })
}

/// Looks for marks of state secrets in everything that could leave, as it was written, before
/// anything is masked. A find is noted in the journal: somebody has to talk to the owner.
async fn checked(
    db: &SqlitePool,
    profile: &Profile,
    evidence: &Detail,
    draft: &Draft,
    who: &Actor,
    now: Timestamp,
) -> Result<Redactor> {
    let marks = Marks::new(profile.config.state_secret_patterns.as_deref())?;
    let redactor = Redactor::new(&profile.config.redaction)?;
    let Some((place, mark)) = stix::texts(evidence, draft)
        .into_iter()
        .find_map(|(place, text)| marks.find(&text).map(|mark| (place, mark)))
    else {
        return Ok(redactor);
    };
    let mut tx = begin(db).await?;
    let facts = json!({ "place": place, "mark": mark });
    let id = Some(evidence.incident.id.as_str());
    journal::append(&mut tx, id, now, who, "forward_blocked", &facts).await?;
    tx.commit().await.map_err(database("commit a blocked report"))?;
    Err(Error::StateSecret { number: evidence.incident.number.clone(), place, mark })
}
