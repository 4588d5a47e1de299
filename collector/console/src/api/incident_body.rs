//! The API's form of incidents, alerts, links, deadlines and journal entries.

use std::collections::BTreeMap;

use collector_incident::{
    AlertRecord, Deadline, DeadlineState, Incident, JournalEntry, Link, Policy,
};
use rules_event::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::events::EventBody;
use super::reports::ReportBody;

/// An incident.
#[derive(Serialize, ToSchema)]
pub(crate) struct IncidentBody {
    /// Identity.
    pub(crate) id: String,
    /// What people say: `INC-2026-000123`.
    pub(crate) number: String,
    /// Grows with every change; also sent as ETag.
    pub(crate) revision: i64,
    /// Title in Vietnamese; may be empty.
    pub(crate) title_vi: String,
    /// Title in English.
    pub(crate) title_en: String,
    /// `informational`, `low`, `medium`, `high` or `critical`.
    pub(crate) severity: String,
    /// `new`, `triage`, `in_progress`, `contained`, `closed` or `reopened`.
    pub(crate) status: String,
    /// Where it may go from here.
    pub(crate) next_statuses: Vec<String>,
    /// Who works it.
    pub(crate) assignee: Option<String>,
    /// T0: the moment the legal clocks run from, RFC 3339 like every time here.
    pub(crate) detected_at: String,
    /// Time of the first event.
    pub(crate) occurred_first: String,
    /// Time of the last event.
    pub(crate) occurred_last: String,
    /// ATT&CK techniques.
    pub(crate) techniques: Vec<String>,
    /// ATT&CK version they are taken from.
    pub(crate) attack_version: String,
    /// Group `N1` to `N9`.
    pub(crate) incident_type: Option<String>,
    /// Organisation code of the agency.
    pub(crate) organization: Option<String>,
    /// The information system it is of, by its id in the register.
    pub(crate) system: Option<String>,
    /// Whom it speaks of, by ECS field name.
    pub(crate) entity: BTreeMap<String, String>,
    /// Alerts grouped in it.
    pub(crate) alert_count: u64,
    /// Events behind them.
    pub(crate) event_count: u64,
    /// True for a drill, which never leaves the house.
    pub(crate) exercise: bool,
    /// Why nothing of it may be forwarded: the rule of an alert of it says `forward: never`. Absent where
    /// it may.
    pub(crate) kept_by: Option<KeptByBody>,
    /// `true_positive`, `false_positive`, `benign` or `duplicate`.
    pub(crate) close_reason: Option<String>,
    /// What was found.
    pub(crate) close_note: Option<String>,
    /// When it was closed.
    pub(crate) closed_at: Option<String>,
    /// When it last changed.
    pub(crate) updated_at: String,
    /// Legal deadlines, most urgent first.
    pub(crate) deadlines: Vec<DeadlineBody>,
}

/// The rule because of which nothing of an incident may be forwarded.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeptByBody {
    /// The rule or correlation.
    rule_id: String,
    /// Its title in Vietnamese; may be empty.
    title_vi: String,
    /// Its title in English.
    title_en: String,
}

/// A legal deadline.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeadlineBody {
    /// Id in the policy.
    id: String,
    /// What is due, in Vietnamese.
    title_vi: String,
    /// What is due, in English.
    title_en: String,
    /// Kind of report that meets it.
    report: String,
    /// Article it rests on.
    basis: String,
    /// When it is due.
    due: String,
    /// `met`, `met_late`, `running`, `soon` or `overdue`.
    state: &'static str,
    /// When it was met.
    met_at: Option<String>,
}

/// An alert.
#[derive(Serialize, ToSchema)]
pub(crate) struct AlertBody {
    /// Identity.
    id: String,
    /// The rule or correlation that fired.
    rule_id: String,
    /// Title in Vietnamese; may be empty.
    title_vi: String,
    /// Title in English.
    title_en: String,
    /// Level as a Sigma word.
    level: String,
    /// ATT&CK techniques.
    techniques: Vec<String>,
    /// Whom it speaks of, by ECS field name.
    entity: BTreeMap<String, String>,
    /// Time of the first event.
    first: String,
    /// Time of the last event.
    last: String,
    /// Events behind it.
    count: u64,
    /// Ids of the first of them.
    event_ids: Vec<String>,
    /// Agents that saw it.
    agents: Vec<String>,
    /// One line: what was seen.
    summary: String,
    /// True if nothing of it may be forwarded: its rule says `forward: never`, or one that it counts, or
    /// it tells of a record that was held back as a state secret.
    never_forward: bool,
    /// What to do, in Vietnamese.
    runbook_vi: Option<String>,
    /// What to do, in English.
    runbook_en: Option<String>,
}

/// A link to another incident.
#[derive(Serialize, ToSchema)]
pub(crate) struct LinkBody {
    /// Number of the other incident.
    number: String,
    /// `overlaps`, `follows`, `related` or `duplicate_of`.
    kind: &'static str,
    /// True if the link starts here.
    outgoing: bool,
}

/// An entry of the journal.
#[derive(Serialize, ToSchema)]
pub(crate) struct JournalBody {
    /// Place in the chain.
    seq: i64,
    /// When.
    at: String,
    /// Account.
    who: String,
    /// Its role then.
    role: String,
    /// Where from.
    address: String,
    /// What.
    action: String,
    /// Facts of it.
    #[schema(value_type = Object)]
    detail: serde_json::Value,
    /// Hash that the next entry carries on.
    hash: String,
}

/// An incident with everything that belongs to it.
#[derive(Serialize, ToSchema)]
pub(crate) struct DetailBody {
    /// The incident.
    pub(crate) incident: IncidentBody,
    /// Its alerts, oldest first, at most 200.
    pub(crate) alerts: Vec<AlertBody>,
    /// Its events, oldest first, at most 200.
    pub(crate) events: Vec<EventBody>,
    /// How many events are known by id; more than `events` holds if the list was cut.
    pub(crate) events_known: usize,
    /// Why `events` is empty although there are some: the event store does not answer.
    pub(crate) events_problem: Option<String>,
    /// Other incidents.
    pub(crate) links: Vec<LinkBody>,
    /// Who did what, oldest first.
    pub(crate) journal: Vec<JournalBody>,
    /// Reports drafted from it.
    pub(crate) reports: Vec<ReportBody>,
}

impl IncidentBody {
    pub(crate) fn of(incident: &Incident, policy: &Policy, now: Timestamp) -> Self {
        let deadlines = policy.deadlines(incident, now);
        Self {
            id: incident.id.clone(),
            number: incident.number.clone(),
            revision: incident.revision,
            title_vi: incident.title_vi.clone(),
            title_en: incident.title_en.clone(),
            severity: incident.severity.to_string(),
            status: incident.status.to_string(),
            next_statuses: incident.status.next().iter().map(ToString::to_string).collect(),
            assignee: incident.assignee.clone(),
            detected_at: incident.detected_at.to_string(),
            occurred_first: incident.occurred_first.to_string(),
            occurred_last: incident.occurred_last.to_string(),
            techniques: incident.techniques.clone(),
            attack_version: incident.attack_version.clone(),
            incident_type: incident.incident_type.clone(),
            organization: incident.organization.clone(),
            system: incident.system.clone(),
            entity: incident.entity.pairs().into_iter().collect(),
            alert_count: incident.alert_count,
            event_count: incident.event_count,
            exercise: incident.exercise,
            kept_by: incident.kept_by.clone().map(|by| KeptByBody {
                rule_id: by.rule_id,
                title_vi: by.title_vi,
                title_en: by.title,
            }),
            close_reason: incident.close_reason.map(|reason| reason.to_string()),
            close_note: incident.close_note.clone(),
            closed_at: incident.closed_at.map(|at| at.to_string()),
            updated_at: incident.updated_at.to_string(),
            deadlines: deadlines.iter().map(DeadlineBody::of).collect(),
        }
    }
}

impl DeadlineBody {
    fn of(deadline: &Deadline) -> Self {
        Self {
            id: deadline.id.clone(),
            title_vi: deadline.title_vi.clone(),
            title_en: deadline.title_en.clone(),
            report: deadline.report.clone(),
            basis: deadline.basis.clone(),
            due: deadline.due.to_string(),
            state: state_word(deadline.state),
            met_at: deadline.met_at.map(|at| at.to_string()),
        }
    }
}

/// Returns the API's word for how a deadline stands.
pub(crate) fn state_word(state: DeadlineState) -> &'static str {
    match state {
        DeadlineState::Met => "met",
        DeadlineState::MetLate => "met_late",
        DeadlineState::Running => "running",
        DeadlineState::Soon => "soon",
        DeadlineState::Overdue => "overdue",
    }
}

impl From<AlertRecord> for AlertBody {
    fn from(record: AlertRecord) -> Self {
        let alert = record.alert;
        Self {
            id: alert.id,
            rule_id: alert.rule_id,
            title_vi: alert.title_vi,
            title_en: alert.title,
            level: alert.level.to_string(),
            techniques: alert.techniques,
            entity: alert.entity.pairs().into_iter().collect(),
            first: alert.first.to_string(),
            last: alert.last.to_string(),
            count: alert.count,
            event_ids: alert.event_ids,
            agents: alert.agents,
            summary: alert.summary,
            never_forward: alert.never_forward,
            runbook_vi: alert.runbook_vi,
            runbook_en: alert.runbook_en,
        }
    }
}

impl From<Link> for LinkBody {
    fn from(link: Link) -> Self {
        Self { number: link.other_number, kind: link.kind.as_str(), outgoing: link.outgoing }
    }
}

impl From<JournalEntry> for JournalBody {
    fn from(entry: JournalEntry) -> Self {
        Self {
            seq: entry.seq,
            at: entry.at.to_string(),
            who: entry.who,
            role: entry.role,
            address: entry.address,
            action: entry.action,
            detail: entry.detail,
            hash: entry.hash,
        }
    }
}
