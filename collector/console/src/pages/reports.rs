//! Reports to the national centre: the list, and one with its exact bytes and receipts.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use collector_forward::{self as forward, Report, ReportQuery, ReportState};
use serde::Deserialize;

use super::{Chrome, done, render};
use crate::ConsoleState;
use crate::body::FormBody;
use crate::language::Messages;
use crate::moment::{Shown, now, shown, shown_exactly};
use crate::problem::Problem;
use crate::visit::{Visit, Who};

/// A report as a row.
pub(crate) struct ReportRow {
    pub(crate) id: String,
    pub(crate) number: String,
    pub(crate) kind: &'static str,
    pub(crate) status: &'static str,
    pub(crate) class: &'static str,
    pub(crate) author: String,
    pub(crate) approver: String,
    pub(crate) created: Shown,
}

impl ReportRow {
    pub(crate) fn of(report: &Report, number: &str, m: &Messages) -> Self {
        Self {
            id: report.id.clone(),
            number: number.to_owned(),
            kind: m.report_kind(report.kind),
            status: m.report_state(report.state),
            class: match report.state {
                ReportState::Delivered => "good",
                ReportState::Partial | ReportState::Rejected => "bad",
                _ => "soft",
            },
            author: report.author.clone(),
            approver: report.approver.clone().unwrap_or_default(),
            created: shown(report.created_at),
        }
    }
}

#[derive(Template)]
#[template(path = "reports.html")]
struct ReportsPage {
    page: Chrome,
    rows: Vec<ReportRow>,
}

#[derive(Template)]
#[template(path = "report.html")]
struct ReportPage {
    page: Chrome,
    row: ReportRow,
    revision: i64,
    attempts: u64,
    problem: String,
    digest: String,
    redactions: u64,
    may_decide: bool,
    may_retry: bool,
    receipts: Vec<(Shown, String)>,
    document: String,
}

/// Lists the latest reports.
pub(crate) async fn list(
    State(state): State<ConsoleState>,
    visit: Visit,
    who: Who,
) -> Result<Response, Problem> {
    let page = Chrome::new(&visit, Some(&who), "/reports");
    let mut rows = Vec::new();
    for report in forward::list(&state.db, &ReportQuery::default()).await? {
        let number = collector_incident::get(&state.db, &report.incident_id).await?.number;
        rows.push(ReportRow::of(&report, &number, page.m));
    }
    render(&ReportsPage { rows, page })
}

/// Shows a report.
pub(crate) async fn show(
    State(state): State<ConsoleState>,
    visit: Visit,
    who: Who,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let status = forward::status(&state.db, &id).await?;
    let document = forward::preview(&state.db, &id).await?;
    let report = status.report;
    let number = collector_incident::get(&state.db, &report.incident_id).await?.number;
    let page = Chrome::new(&visit, Some(&who), "/reports");
    let receipts = status.receipts.into_iter().map(|receipt| {
        let text = format!("{} → HTTP {}\n{}", receipt.request, receipt.http_status, receipt.body);
        (shown_exactly(receipt.at), text)
    });
    let dead = matches!(report.state, ReportState::Partial | ReportState::Rejected);
    let waits = report.state == ReportState::PendingApproval;
    render(&ReportPage {
        row: ReportRow::of(&report, &number, page.m),
        revision: report.revision,
        attempts: report.attempts,
        problem: report.problem.clone().unwrap_or_default(),
        redactions: report.redactions,
        may_decide: waits && page.may_approve() && !report.editors.contains(&who.name),
        may_retry: dead && page.may_approve(),
        digest: report.digest,
        receipts: receipts.collect(),
        document: String::from_utf8_lossy(&document).into_owned(),
        page,
    })
}

/// The form that decides over a report. The revision makes sure that what is approved is what was
/// read.
#[derive(Deserialize)]
pub(crate) struct DecisionForm {
    revision: i64,
    #[serde(default)]
    reason: String,
}

/// Approves a report.
pub(crate) async fn approve(
    State(state): State<ConsoleState>,
    Path(id): Path<String>,
    who: Who,
    FormBody(form): FormBody<DecisionForm>,
) -> Result<Response, Problem> {
    let report = forward::approve(&state.db, &id, form.revision, &who.actor(), now()).await?;
    Ok(done(&format!("/reports/{}", report.id)))
}

/// Sends a report back to its authors.
pub(crate) async fn refuse(
    State(state): State<ConsoleState>,
    Path(id): Path<String>,
    who: Who,
    FormBody(form): FormBody<DecisionForm>,
) -> Result<Response, Problem> {
    let (actor, at) = (who.actor(), now());
    let report = forward::refuse(&state.db, &id, form.revision, &form.reason, &actor, at).await?;
    Ok(done(&format!("/reports/{}", report.id)))
}

/// Sends a refused report again.
pub(crate) async fn retry(
    State(state): State<ConsoleState>,
    Path(id): Path<String>,
    who: Who,
    FormBody(form): FormBody<DecisionForm>,
) -> Result<Response, Problem> {
    let report = forward::retry(&state.db, &id, form.revision, &who.actor(), now()).await?;
    Ok(done(&format!("/reports/{}", report.id)))
}
