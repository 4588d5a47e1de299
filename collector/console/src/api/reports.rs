//! Reports: draft, approve, refuse, send again, and what the centre said.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use collector_forward::{
    self as forward, Draft, Report, ReportKind, ReportQuery, ReportState, ReportStatus,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::body::{JsonBody, QueryBody, if_match};
use crate::problem::{Problem, ProblemBody};
use crate::visit::Who;
use crate::{ConsoleState, moment};

/// Which reports.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReportsQuery {
    /// States, separated by commas; absent means any.
    state: Option<String>,
    /// Of this incident: id or number.
    incident: Option<String>,
    /// Reports on the page, 1 to 200.
    limit: Option<u32>,
    /// Created before, RFC 3339: `created_at` of the last one on the page before.
    before: Option<String>,
}

/// What people write. Empty texts are left out.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DraftBody {
    /// `initial`, `full`, `update`, `closing` or `personal-data`; `initial` if absent.
    #[serde(default)]
    pub(crate) kind: String,
    /// What happened, in Vietnamese.
    #[serde(default)]
    pub(crate) text_vi: String,
    /// Cause.
    #[serde(default)]
    pub(crate) cause: String,
    /// Scope of impact.
    #[serde(default)]
    pub(crate) scope: String,
    /// Measures taken and planned.
    #[serde(default)]
    pub(crate) measures: String,
    /// Help asked of the centre.
    #[serde(default)]
    pub(crate) help: String,
    /// Leave it a draft instead of handing it in for approval.
    #[serde(default)]
    pub(crate) draft_only: bool,
}

/// Why not.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReasonBody {
    /// What the authors should change.
    pub(crate) reason: String,
}

/// A report.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReportBody {
    /// Identity.
    id: String,
    /// Id of the incident it is about.
    incident_id: String,
    /// What it is for.
    kind: &'static str,
    /// `draft`, `pending_approval`, `approved`, `sending`, `delivered`, `partial`, `rejected` or
    /// `discarded`.
    state: &'static str,
    /// Grows with every change by a person.
    revision: i64,
    /// Who wrote or last edited it.
    author: String,
    /// Everybody who wrote or edited it; none of them may approve.
    editors: Vec<String>,
    /// Who approved it.
    approver: Option<String>,
    /// TLP 2.0 marking.
    tlp: String,
    /// SHA-256 of what leaves.
    digest: String,
    /// STIX objects in it.
    objects: u64,
    /// Texts that were masked.
    redactions: u64,
    /// Tries so far.
    attempts: u64,
    /// What stands in the way.
    problem: Option<String>,
    /// When it was created, RFC 3339.
    created_at: String,
    /// When it was approved.
    approved_at: Option<String>,
    /// When the last receipt was stored; until then it is not sent.
    delivered_at: Option<String>,
}

/// A page of reports, latest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReportsBody {
    /// The reports.
    reports: Vec<ReportBody>,
}

/// What became of one object.
#[derive(Serialize, ToSchema)]
pub(crate) struct ObjectBody {
    /// STIX id.
    id: String,
    /// `waiting`, `unsure`, `delivered`, `already` or `rejected`.
    outcome: String,
    /// What the centre said.
    message: String,
}

/// An answer of the centre.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReceiptBody {
    /// When it came, RFC 3339.
    at: String,
    /// `push`, `poll` or `confirm`.
    request: String,
    /// HTTP status.
    http_status: u16,
    /// Id of the centre's status resource.
    status_id: Option<String>,
    /// The answer as it came.
    body: String,
}

/// A report with its document and receipts.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReportDetailBody {
    /// The report.
    report: ReportBody,
    /// Its objects in order.
    objects: Vec<ObjectBody>,
    /// Its receipts, oldest first.
    receipts: Vec<ReceiptBody>,
    /// Exactly what leaves, or would leave.
    document: String,
}

impl From<Report> for ReportBody {
    fn from(report: Report) -> Self {
        Self {
            kind: report.kind.as_str(),
            state: report.state.as_str(),
            id: report.id,
            incident_id: report.incident_id,
            revision: report.revision,
            author: report.author,
            editors: report.editors,
            approver: report.approver,
            tlp: report.tlp,
            digest: report.digest,
            objects: report.objects,
            redactions: report.redactions,
            attempts: report.attempts,
            problem: report.problem,
            created_at: report.created_at.to_string(),
            approved_at: report.approved_at.map(|at| at.to_string()),
            delivered_at: report.delivered_at.map(|at| at.to_string()),
        }
    }
}

/// Returns the reports of an incident, by its id.
pub(crate) async fn of_incident(
    state: &ConsoleState,
    incident: &str,
) -> Result<Vec<ReportBody>, Problem> {
    let query = ReportQuery { incident_id: Some(incident.to_owned()), ..ReportQuery::default() };
    let reports = forward::list(&state.db, &query).await?;
    Ok(reports.into_iter().map(Into::into).collect())
}

impl ReportsQuery {
    async fn read(self, state: &ConsoleState) -> Result<ReportQuery, Problem> {
        let mut query =
            ReportQuery { limit: super::incidents::limit(self.limit)?, ..ReportQuery::default() };
        if let Some(words) = self.state.filter(|words| !words.is_empty()) {
            let read = |word: &str| {
                word.trim().parse().map_err(|()| {
                    let words: Vec<_> =
                        ReportState::ALL.iter().map(|state| state.as_str()).collect();
                    Problem::invalid(format!("state is one of {}", words.join(", ")))
                })
            };
            query.states = words.split(',').map(read).collect::<Result<_, _>>()?;
        }
        if let Some(id) = self.incident {
            query.incident_id = Some(collector_incident::get(&state.db, &id).await?.id);
        }
        let before = self.before.map(|text| super::incidents::time("before", &text));
        query.before = before.transpose()?;
        Ok(query)
    }
}

impl DraftBody {
    pub(crate) fn read(self) -> Result<Draft, Problem> {
        let kind = match self.kind.as_str() {
            "" => ReportKind::Initial,
            word => word.parse().map_err(|()| {
                let words: Vec<_> = ReportKind::ALL.iter().map(|kind| kind.as_str()).collect();
                Problem::invalid(format!("kind is one of {}", words.join(", ")))
            })?,
        };
        Ok(Draft {
            kind,
            text_vi: self.text_vi,
            cause: self.cause,
            scope: self.scope,
            measures: self.measures,
            help: self.help,
        })
    }
}

/// Drafts a report and, unless told otherwise, hands it in for approval.
pub(crate) async fn draft(
    state: &ConsoleState,
    who: &Who,
    incident: &str,
    body: DraftBody,
) -> Result<Report, Problem> {
    let (actor, now, submit) = (who.actor(), moment::now(), !body.draft_only);
    let draft = body.read()?;
    let report = forward::request(&state.db, &state.profile, incident, &draft, &actor, now).await?;
    if !submit {
        return Ok(report);
    }
    Ok(forward::submit(&state.db, &report.id, report.revision, &actor, now).await?)
}

/// Returns the revision of a report to change.
pub(crate) async fn revision(
    state: &ConsoleState,
    id: &str,
    asked: Option<i64>,
) -> Result<i64, Problem> {
    match asked {
        Some(revision) => Ok(revision),
        None => Ok(forward::get(&state.db, id).await?.revision),
    }
}

/// Drafts a report of an incident for the national centre.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/report", tag = "reports",
    request_body = DraftBody, params(("id" = String, Path, description = "Id or number")),
    responses(
    (status = 200, description = "The report, waiting for a second person", body = ReportBody),
    (status = 404, description = "There is no such incident", body = ProblemBody),
    (status = 409, description = "A drill, or marked as a state secret", body = ProblemBody)))]
pub(crate) async fn request(
    State(state): State<ConsoleState>,
    Path(id): Path<String>,
    who: Who,
    JsonBody(body): JsonBody<DraftBody>,
) -> Result<Json<ReportBody>, Problem> {
    Ok(Json(draft(&state, &who, &id, body).await?.into()))
}

/// Lists reports.
#[utoipa::path(get, path = "/api/v1/reports", tag = "reports", params(ReportsQuery), responses(
    (status = 200, description = "A page of reports", body = ReportsBody),
    (status = 400, description = "A filter is not valid", body = ProblemBody)))]
pub(crate) async fn list(
    State(state): State<ConsoleState>,
    QueryBody(query): QueryBody<ReportsQuery>,
) -> Result<Json<ReportsBody>, Problem> {
    let reports = forward::list(&state.db, &query.read(&state).await?).await?;
    Ok(Json(ReportsBody { reports: reports.into_iter().map(Into::into).collect() }))
}

/// Shows a report with the exact outgoing document and its receipts.
#[utoipa::path(get, path = "/api/v1/reports/{id}", tag = "reports",
    params(("id" = String, Path, description = "Id")), responses(
    (status = 200, description = "The report", body = ReportDetailBody),
    (status = 404, description = "There is none", body = ProblemBody)))]
pub(crate) async fn show(
    State(state): State<ConsoleState>,
    Path(id): Path<String>,
) -> Result<Json<ReportDetailBody>, Problem> {
    let ReportStatus { report, objects, receipts } = forward::status(&state.db, &id).await?;
    let document = forward::preview(&state.db, &id).await?;
    let objects = objects.into_iter();
    let objects =
        objects.map(|one| ObjectBody { id: one.id, outcome: one.outcome, message: one.message });
    let receipts = receipts.into_iter().map(|receipt| ReceiptBody {
        at: receipt.at.to_string(),
        request: receipt.request,
        http_status: receipt.http_status,
        status_id: receipt.status_id,
        body: receipt.body,
    });
    Ok(Json(ReportDetailBody {
        report: report.into(),
        objects: objects.collect(),
        receipts: receipts.collect(),
        document: String::from_utf8_lossy(&document).into_owned(),
    }))
}

/// Approves a report. The approver must have written none of it.
#[utoipa::path(post, path = "/api/v1/reports/{id}/approve", tag = "reports",
    params(("id" = String, Path, description = "Id"),
           ("If-Match" = Option<String>, Header, description = "Revision that was read")),
    responses(
    (status = 200, description = "The report, on its way", body = ReportBody),
    (status = 403, description = "Not a lead, or an author of it", body = ProblemBody),
    (status = 404, description = "There is none", body = ProblemBody),
    (status = 409, description = "It does not wait for approval", body = ProblemBody)))]
pub(crate) async fn approve(
    State(state): State<ConsoleState>,
    Path(id): Path<String>,
    who: Who,
    headers: HeaderMap,
) -> Result<Json<ReportBody>, Problem> {
    let revision = revision(&state, &id, if_match(&headers)?).await?;
    let report = forward::approve(&state.db, &id, revision, &who.actor(), moment::now()).await?;
    Ok(Json(report.into()))
}

/// Sends a report back to its authors.
#[utoipa::path(post, path = "/api/v1/reports/{id}/refuse", tag = "reports",
    request_body = ReasonBody, params(("id" = String, Path, description = "Id")), responses(
    (status = 200, description = "The report, a draft again", body = ReportBody),
    (status = 404, description = "There is none", body = ProblemBody),
    (status = 409, description = "It does not wait for approval", body = ProblemBody)))]
pub(crate) async fn refuse(
    State(state): State<ConsoleState>,
    Path(id): Path<String>,
    who: Who,
    JsonBody(body): JsonBody<ReasonBody>,
) -> Result<Json<ReportBody>, Problem> {
    let revision = revision(&state, &id, None).await?;
    let (actor, now) = (who.actor(), moment::now());
    let report = forward::refuse(&state.db, &id, revision, &body.reason, &actor, now).await?;
    Ok(Json(report.into()))
}

/// Sends a refused report again, with the same bytes, after the cause was cleared.
#[utoipa::path(post, path = "/api/v1/reports/{id}/retry", tag = "reports",
    params(("id" = String, Path, description = "Id")), responses(
    (status = 200, description = "The report, on its way again", body = ReportBody),
    (status = 404, description = "There is none", body = ProblemBody),
    (status = 409, description = "It was not refused", body = ProblemBody)))]
pub(crate) async fn retry(
    State(state): State<ConsoleState>,
    Path(id): Path<String>,
    who: Who,
) -> Result<Json<ReportBody>, Problem> {
    let revision = revision(&state, &id, None).await?;
    let report = forward::retry(&state.db, &id, revision, &who.actor(), moment::now()).await?;
    Ok(Json(report.into()))
}
