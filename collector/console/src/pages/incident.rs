//! One incident: why, evidence, runbook, journal, and what can be done about it.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use collector_forward::{ReportKind, ReportQuery};
use collector_incident::{self as incident, AlertRecord, CloseReason, Detail, Status};
use serde::Deserialize;

use super::parts::{Due, EventPart, Head, facts};
use super::reports::ReportRow;
use super::{Chrome, done, render};
use crate::api::incidents::{EVENTS_SHOWN_MAX, JOURNAL_SHOWN_MAX, TransitionBody, known_worker};
use crate::api::reports::{DraftBody, draft};
use crate::body::FormBody;
use crate::language::Language;
use crate::moment::{Shown, now, shown, shown_exactly};
use crate::problem::Problem;
use crate::visit::{Visit, Who};
use crate::{ConsoleState, access, users};

struct AlertPart {
    level: &'static str,
    severity: &'static str,
    title: String,
    summary: String,
    rule_id: String,
    techniques: String,
    count: u64,
    first: Shown,
    last: Shown,
    never_forward: bool,
}

struct DeadlinePart {
    title: String,
    basis: String,
    due: Due,
}

struct JournalPart {
    at: Shown,
    who: String,
    role: String,
    address: String,
    action: String,
    text: String,
}

#[derive(Template)]
#[template(path = "incident.html")]
struct IncidentPage {
    page: Chrome,
    one: Head,
    revision: i64,
    me: String,
    first: Shown,
    last: Shown,
    organization: Option<String>,
    system: Option<String>,
    techniques: String,
    alert_count: u64,
    event_count: u64,
    close_reason: Option<&'static str>,
    close_note: String,
    alerts: Vec<AlertPart>,
    runbooks: Vec<(String, String)>,
    events: Vec<EventPart>,
    evidence_missing: bool,
    evidence_cut: bool,
    journal: Vec<JournalPart>,
    deadlines: Vec<DeadlinePart>,
    moves: Vec<(&'static str, &'static str)>,
    may_close: bool,
    reasons: Vec<(&'static str, &'static str)>,
    workers: Vec<String>,
    reports: Vec<ReportRow>,
    report_kinds: Vec<(&'static str, &'static str)>,
    links: Vec<(String, &'static str)>,
}

/// Shows an incident.
pub(crate) async fn show(
    State(state): State<ConsoleState>,
    visit: Visit,
    who: Who,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let Detail { incident: one, alerts, event_ids, links } =
        incident::detail(&state.db, &id).await?;
    let (at, lang) = (now(), visit.language);
    let page = Chrome::new(&visit, Some(&who), "/incidents");
    let m = page.m;
    let shown_ids = &event_ids[..event_ids.len().min(EVENTS_SHOWN_MAX)];
    // Without the store, the rest of the page still helps.
    let found = state.events.by_ids(shown_ids).await;
    let evidence_missing = found.is_err();
    let events = found.unwrap_or_else(|error| {
        tracing::error!(error = %rules_service::logs::chain(&error), "evidence is missing");
        Vec::new()
    });
    let journal =
        incident::journal::entries(&state.db, Some(&one.id), 0, JOURNAL_SHOWN_MAX).await?;
    let query = ReportQuery { incident_id: Some(one.id.clone()), ..ReportQuery::default() };
    let reports = collector_forward::list(&state.db, &query).await?;
    let workers = users::list(&state.db).await?.into_iter();
    let workers = workers.filter(|user| !user.disabled && access::WORK.admits(user.role));
    let deadlines = state.policy.deadlines(&one, at);
    let moves = one.status.next().iter().filter(|to| **to != Status::Closed);
    render(&IncidentPage {
        revision: one.revision,
        me: who.name.clone(),
        first: shown(one.occurred_first),
        last: shown(one.occurred_last),
        organization: one.organization.clone(),
        system: one.system.clone(),
        techniques: one.techniques.join(", "),
        alert_count: one.alert_count,
        event_count: one.event_count,
        close_reason: one.close_reason.map(|reason| m.close_reason(reason)),
        close_note: one.close_note.clone().unwrap_or_default(),
        runbooks: runbooks(&alerts, lang),
        alerts: alerts.iter().map(|record| alert(record, lang)).collect(),
        events: events.iter().map(EventPart::of).collect(),
        evidence_missing,
        evidence_cut: event_ids.len() > EVENTS_SHOWN_MAX,
        journal: journal
            .into_iter()
            .map(|entry| JournalPart {
                at: shown_exactly(entry.at),
                action: m.action(&entry.action).to_owned(),
                text: facts(&entry.detail),
                who: entry.who,
                role: entry.role,
                address: entry.address,
            })
            .collect(),
        deadlines: deadlines
            .iter()
            .map(|deadline| DeadlinePart {
                title: lang.pick(&deadline.title_vi, &deadline.title_en).to_owned(),
                basis: deadline.basis.clone(),
                due: Due::of(deadline, m, at),
            })
            .collect(),
        moves: moves.map(|to| (to.as_str(), m.status(*to))).collect(),
        may_close: one.status.next().contains(&Status::Closed),
        reasons: CloseReason::ALL.map(|reason| (reason.as_str(), m.close_reason(reason))).to_vec(),
        workers: workers.map(|user| user.name).collect(),
        reports: reports.iter().map(|report| ReportRow::of(report, &one.number, m)).collect(),
        report_kinds: ReportKind::ALL
            .iter()
            .map(|kind| (kind.as_str(), m.report_kind(*kind)))
            .collect(),
        links: links.into_iter().map(|link| (link.other_number, m.link(link.kind))).collect(),
        one: Head::of(&one, &state.policy, lang, at),
        page,
    })
}

fn alert(record: &AlertRecord, lang: Language) -> AlertPart {
    let alert = &record.alert;
    AlertPart {
        level: alert.level.as_str(),
        severity: lang.messages().level(alert.level),
        title: lang.pick(&alert.title_vi, &alert.title).to_owned(),
        summary: alert.summary.clone(),
        rule_id: alert.rule_id.clone(),
        techniques: alert.techniques.join(", "),
        count: alert.count,
        first: shown_exactly(alert.first),
        last: shown_exactly(alert.last),
        never_forward: alert.never_forward,
    }
}

/// Returns title and text of the alerts' runbooks, the most serious alert's first, each text once.
fn runbooks(alerts: &[AlertRecord], lang: Language) -> Vec<(String, String)> {
    let mut by_level: Vec<&AlertRecord> = alerts.iter().collect();
    by_level.sort_by_key(|record| std::cmp::Reverse(record.alert.level));
    let mut books: Vec<(String, String)> = Vec::new();
    for AlertRecord { alert, .. } in by_level {
        let vi = alert.runbook_vi.as_deref().unwrap_or_default();
        let text = lang.pick(vi, alert.runbook_en.as_deref().unwrap_or_default()).trim();
        if !text.is_empty() && !books.iter().any(|(_, known)| known == text) {
            books.push((lang.pick(&alert.title_vi, &alert.title).to_owned(), text.to_owned()));
        }
    }
    books
}

/// The form that gives an incident to somebody.
#[derive(Deserialize)]
pub(crate) struct AssignForm {
    revision: i64,
    #[serde(default)]
    assignee: String,
}

/// The form that moves or closes an incident.
#[derive(Deserialize)]
pub(crate) struct TransitionForm {
    revision: i64,
    to: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    note: String,
}

/// The form that comments on an incident.
#[derive(Deserialize)]
pub(crate) struct NoteForm {
    note: String,
}

/// The form that drafts a report.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
pub(crate) struct ReportForm {
    kind: String,
    text_vi: String,
    cause: String,
    scope: String,
    measures: String,
    help: String,
}

/// Gives the incident to somebody.
pub(crate) async fn assign(
    State(state): State<ConsoleState>,
    Path(id): Path<String>,
    who: Who,
    FormBody(form): FormBody<AssignForm>,
) -> Result<Response, Problem> {
    let assignee = Some(form.assignee.as_str()).filter(|name| !name.trim().is_empty());
    known_worker(&state, assignee).await?;
    let (actor, at) = (who.actor(), now());
    let one = incident::assign(&state.db, &id, form.revision, assignee, &actor, at).await?;
    Ok(done(&format!("/incidents/{}", one.number)))
}

/// Moves or closes the incident.
pub(crate) async fn transition(
    State(state): State<ConsoleState>,
    Path(id): Path<String>,
    who: Who,
    FormBody(form): FormBody<TransitionForm>,
) -> Result<Response, Problem> {
    let change = TransitionBody { to: form.to, reason: Some(form.reason), note: form.note };
    let (change, actor) = (change.read()?, who.actor());
    let one = incident::transition(&state.db, &id, form.revision, &change, &actor, now()).await?;
    Ok(done(&format!("/incidents/{}", one.number)))
}

/// Comments on the incident.
pub(crate) async fn note(
    State(state): State<ConsoleState>,
    Path(id): Path<String>,
    who: Who,
    FormBody(form): FormBody<NoteForm>,
) -> Result<Response, Problem> {
    incident::comment(&state.db, &id, &form.note, &who.actor(), now()).await?;
    let one = incident::get(&state.db, &id).await?;
    Ok(done(&format!("/incidents/{}", one.number)))
}

/// Drafts a report and hands it in for approval.
pub(crate) async fn report(
    State(state): State<ConsoleState>,
    Path(id): Path<String>,
    who: Who,
    FormBody(form): FormBody<ReportForm>,
) -> Result<Response, Problem> {
    let body = DraftBody {
        kind: form.kind,
        text_vi: form.text_vi,
        cause: form.cause,
        scope: form.scope,
        measures: form.measures,
        help: form.help,
        draft_only: false,
    };
    let report = draft(&state, &who, &id, body).await?;
    Ok(done(&format!("/reports/{}", report.id)))
}
