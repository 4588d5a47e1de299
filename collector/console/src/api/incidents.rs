//! Incidents: list, show, assign, move, comment.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use collector_incident::{self as incident, Incident, Query, Status, Transition};
use rules_event::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::events::EventBody;
use super::incident_body::{DetailBody, IncidentBody};
use super::reports;
use crate::body::{JsonBody, QueryBody, etag, if_match};
use crate::problem::{Problem, ProblemBody};
use crate::visit::Who;
use crate::{ConsoleState, moment};

/// Evidence events sent with one incident. More are found with `GET /api/v1/events`.
pub(crate) const EVENTS_SHOWN_MAX: usize = 200;
/// Journal entries sent with one incident.
pub(crate) const JOURNAL_SHOWN_MAX: u32 = 1000;

/// Which incidents.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ListQuery {
    /// Statuses, separated by commas; `all` for every one. Absent: all but closed.
    status: Option<String>,
    /// Least severity.
    severity: Option<String>,
    /// Account; `me` for the caller; empty for nobody.
    assignee: Option<String>,
    /// Words in number, title, entity or technique; case and Vietnamese marks do not matter.
    q: Option<String>,
    /// An alert of this rule belongs to it.
    rule: Option<String>,
    /// An entity as `field:value`, such as `source.ip:203.0.113.9`.
    entity: Option<String>,
    /// Detected at or after, RFC 3339.
    since: Option<String>,
    /// Detected before, RFC 3339.
    until: Option<String>,
    /// Incidents on the page, 1 to 200; 50 if absent.
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Language of pages; ignored here.
    lang: Option<String>,
}

/// A page of incidents, latest detection first.
#[derive(Serialize, ToSchema)]
pub(crate) struct ListBody {
    /// The incidents.
    incidents: Vec<IncidentBody>,
    /// Send as `cursor` for the next page; absent after the last.
    next: Option<String>,
}

/// Whom to give it to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AssignBody {
    /// Account; `me` for the caller; null for nobody.
    assignee: Option<String>,
}

/// A move to another status.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TransitionBody {
    /// Where to: one of the incident's `next_statuses`.
    #[serde(rename = "to", alias = "status")]
    pub(crate) to: String,
    /// To close: `true_positive`, `false_positive`, `benign` or `duplicate`.
    pub(crate) reason: Option<String>,
    /// What was found or done; needed to close.
    #[serde(default)]
    pub(crate) note: String,
}

/// A comment.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoteBody {
    /// The text, at most 16,384 characters.
    note: String,
}

/// Where the comment stands in the journal.
#[derive(Serialize, ToSchema)]
pub(crate) struct NotedBody {
    /// Place in the chain.
    seq: i64,
}

impl ListQuery {
    /// Returns the query as the incidents understand it.
    pub(crate) fn read(self, me: &str) -> Result<Query, Problem> {
        drop(self.lang);
        let mut query = Query { limit: limit(self.limit)?, ..Query::default() };
        match self.status.as_deref().map(str::trim) {
            None | Some("") => {}
            Some("all") => query.closed = true,
            Some(words) => {
                query.status = words.split(',').map(status).collect::<Result<_, _>>()?;
            }
        }
        if let Some(word) = self.severity.filter(|word| !word.is_empty()) {
            let level = word.parse().map_err(|()| {
                let words = "informational, low, medium, high or critical";
                Problem::invalid(format!("severity '{}' is not {words}", short(&word)))
            })?;
            query.severity_min = Some(level);
        }
        query.assignee = self.assignee.map(|name| if name == "me" { me.to_owned() } else { name });
        query.text = self.q.unwrap_or_default();
        query.rule_id = self.rule.filter(|rule| !rule.is_empty());
        if let Some(entity) = self.entity.filter(|entity| !entity.is_empty()) {
            let (field, value) = entity.split_once(':').ok_or_else(|| {
                Problem::invalid("entity is field:value, such as source.ip:203.0.113.9")
            })?;
            query.entity = Some((field.to_owned(), value.to_owned()));
        }
        query.since = self.since.map(|text| time("since", &text)).transpose()?;
        query.until = self.until.map(|text| time("until", &text)).transpose()?;
        query.cursor = self.cursor.filter(|cursor| !cursor.is_empty());
        Ok(query)
    }
}

/// Reads a page's size; 0 stands for the default.
pub(crate) fn limit(limit: Option<u32>) -> Result<u32, Problem> {
    match limit {
        None => Ok(0),
        Some(limit @ 1..=200) => Ok(limit),
        Some(limit) => Err(Problem::invalid(format!("limit {limit} is not 1 to 200"))),
    }
}

/// Reads a time of a query.
pub(crate) fn time(name: &str, text: &str) -> Result<Timestamp, Problem> {
    // A plus sign of an offset, not escaped, arrives as a space.
    let text = text.trim().replace(' ', "+");
    text.parse().map_err(|error| Problem::invalid(format!("{name}: {error}")))
}

pub(crate) fn status(word: &str) -> Result<Status, Problem> {
    word.trim().parse().map_err(|()| {
        let words = Status::ALL.map(Status::as_str).join(", ");
        Problem::invalid(format!("status '{}' is none of {words}", short(word)))
    })
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

/// Lists incidents.
#[utoipa::path(get, path = "/api/v1/incidents", tag = "incidents", params(ListQuery), responses(
    (status = 200, description = "A page of incidents", body = ListBody),
    (status = 400, description = "A filter is not valid", body = ProblemBody)))]
pub(crate) async fn list(
    State(state): State<ConsoleState>,
    who: Who,
    QueryBody(query): QueryBody<ListQuery>,
) -> Result<Json<ListBody>, Problem> {
    let page = incident::list(&state.db, &query.read(&who.name)?).await?;
    let now = moment::now();
    let incidents = page.incidents.iter();
    let incidents = incidents.map(|one| IncidentBody::of(one, &state.policy, now)).collect();
    Ok(Json(ListBody { incidents, next: page.next }))
}

/// Shows an incident with its alerts, evidence, journal, deadlines and reports.
#[utoipa::path(get, path = "/api/v1/incidents/{id}", tag = "incidents",
    params(("id" = String, Path, description = "Id or number")), responses(
    (status = 200, description = "The incident; ETag holds its revision", body = DetailBody),
    (status = 404, description = "There is none", body = ProblemBody)))]
pub(crate) async fn show(
    State(state): State<ConsoleState>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let detail = incident::detail(&state.db, &id).await?;
    let (now, one) = (moment::now(), &detail.incident);
    let journal =
        incident::journal::entries(&state.db, Some(&one.id), 0, JOURNAL_SHOWN_MAX).await?;
    let shown = &detail.event_ids[..detail.event_ids.len().min(EVENTS_SHOWN_MAX)];
    let (events, events_problem) = match state.events.by_ids(shown).await {
        Ok(events) => (events.iter().map(EventBody::of).collect(), None),
        Err(error) => (Vec::new(), Some(Problem::from(error).detail)),
    };
    let revision = one.revision;
    let body = DetailBody {
        incident: IncidentBody::of(one, &state.policy, now),
        events_known: detail.event_ids.len(),
        events,
        events_problem,
        reports: reports::of_incident(&state, &one.id).await?,
        links: detail.links.into_iter().map(Into::into).collect(),
        alerts: detail.alerts.into_iter().map(Into::into).collect(),
        journal: journal.into_iter().map(Into::into).collect(),
    };
    Ok(([(header::ETAG, etag(revision))], Json(body)).into_response())
}

/// Gives an incident to somebody.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/assign", tag = "incidents",
    request_body = AssignBody,
    params(("id" = String, Path, description = "Id or number"),
           ("If-Match" = Option<String>, Header, description = "Revision that was read")),
    responses(
    (status = 200, description = "The incident as it is now", body = IncidentBody),
    (status = 404, description = "There is none", body = ProblemBody),
    (status = 412, description = "Somebody else changed it", body = ProblemBody)))]
pub(crate) async fn assign(
    State(state): State<ConsoleState>,
    Path(id): Path<String>,
    who: Who,
    headers: HeaderMap,
    JsonBody(body): JsonBody<AssignBody>,
) -> Result<Response, Problem> {
    let revision = revision(&state, &id, if_match(&headers)?).await?;
    let assignee = body.assignee.as_deref().map(|name| if name == "me" { &who.name } else { name });
    known_worker(&state, assignee).await?;
    let (actor, now) = (who.actor(), moment::now());
    let changed = incident::assign(&state.db, &id, revision, assignee, &actor, now).await?;
    Ok(answer(&state, &changed))
}

/// Moves an incident to another status.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/transition", tag = "incidents",
    request_body = TransitionBody,
    params(("id" = String, Path, description = "Id or number"),
           ("If-Match" = Option<String>, Header, description = "Revision that was read")),
    responses(
    (status = 200, description = "The incident as it is now", body = IncidentBody),
    (status = 400, description = "Closing lacks its reason or note", body = ProblemBody),
    (status = 404, description = "There is none", body = ProblemBody),
    (status = 409, description = "There is no such move from here", body = ProblemBody),
    (status = 412, description = "Somebody else changed it", body = ProblemBody)))]
pub(crate) async fn transition(
    State(state): State<ConsoleState>,
    Path(id): Path<String>,
    who: Who,
    headers: HeaderMap,
    JsonBody(body): JsonBody<TransitionBody>,
) -> Result<Response, Problem> {
    let revision = revision(&state, &id, if_match(&headers)?).await?;
    let (change, actor) = (body.read()?, who.actor());
    let now = moment::now();
    let changed = incident::transition(&state.db, &id, revision, &change, &actor, now).await?;
    Ok(answer(&state, &changed))
}

/// Writes a comment into an incident's journal.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/note", tag = "incidents",
    request_body = NoteBody, params(("id" = String, Path, description = "Id or number")),
    responses(
    (status = 200, description = "It is written", body = NotedBody),
    (status = 404, description = "There is none", body = ProblemBody)))]
pub(crate) async fn note(
    State(state): State<ConsoleState>,
    Path(id): Path<String>,
    who: Who,
    JsonBody(body): JsonBody<NoteBody>,
) -> Result<Json<NotedBody>, Problem> {
    let (actor, now) = (who.actor(), moment::now());
    let seq = incident::comment(&state.db, &id, &body.note, &actor, now).await?;
    Ok(Json(NotedBody { seq }))
}

impl TransitionBody {
    pub(crate) fn read(self) -> Result<Transition, Problem> {
        let reason = self.reason.filter(|word| !word.is_empty());
        let reason = reason.map(|word| {
            word.parse().map_err(|()| {
                let words = incident::CloseReason::ALL.map(incident::CloseReason::as_str);
                let words = words.join(", ");
                Problem::invalid(format!("reason '{}' is none of {words}", short(&word)))
            })
        });
        Ok(Transition { to: status(&self.to)?, reason: reason.transpose()?, note: self.note })
    }
}

/// Returns the revision to change: the one the caller read, else the present one.
async fn revision(state: &ConsoleState, id: &str, asked: Option<i64>) -> Result<i64, Problem> {
    match asked {
        Some(revision) => Ok(revision),
        None => Ok(incident::get(&state.db, id).await?.revision),
    }
}

/// An incident given to a name that does not exist, is shut out or only reads would lie there.
pub(crate) async fn known_worker(
    state: &ConsoleState,
    assignee: Option<&str>,
) -> Result<(), Problem> {
    let Some(name) = assignee.filter(|name| !name.trim().is_empty()) else { return Ok(()) };
    let unfit = || {
        let name = short(name);
        Problem::invalid(format!("'{name}' is no user who works incidents; see the spelling"))
    };
    let folded = crate::users::fold(name).map_err(|_| unfit())?;
    let user = crate::users::find_with_hash(&state.db, &folded).await?.ok_or_else(unfit)?.0;
    let works = crate::access::WORK.admits(user.role) && !user.disabled;
    if works && folded == name.trim() { Ok(()) } else { Err(unfit()) }
}

fn answer(state: &ConsoleState, changed: &Incident) -> Response {
    let body = IncidentBody::of(changed, &state.policy, moment::now());
    ([(header::ETAG, etag(changed.revision))], Json(body)).into_response()
}
