//! Events: search.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use collector_store::{EventQuery, Filter, StoredEvent};
use rules_event::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::incidents::{limit, time};
use crate::body::QueryBody;
use crate::problem::{Problem, ProblemBody};
use crate::{ConsoleState, moment};

/// Without `since`, a search looks this far back from `until`.
const SPAN_DEFAULT: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest text, field name or value, in characters.
const TEXT_LENGTH_MAX: usize = 512;
/// Events on a page when the query does not say.
const PAGE_DEFAULT: u32 = 50;

/// Which events. Besides these, every ECS field is a filter for an exact value
/// (an address also for a network, such as `10.0.0.0/8`):
/// `source.ip=203.0.113.9`, `user.name=root`.
#[derive(Debug, Default, IntoParams)]
#[expect(dead_code, reason = "describes the query for OpenAPI; `query_of` reads it")]
pub(crate) struct EventsQuery {
    /// Words that occur in the line, in any order and case; `"in quotes"` they stand together,
    /// `wor*` is a part of a word.
    q: Option<String>,
    /// Id of a rule that hit.
    rule: Option<String>,
    /// At or after, RFC 3339; 24 h before `until` if absent.
    since: Option<String>,
    /// Before, RFC 3339; now if absent.
    until: Option<String>,
    /// Events on the page, 1 to 200; 50 if absent.
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// A page of events, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct EventsBody {
    /// The events.
    events: Vec<EventBody>,
    /// Send as `cursor`, with the same `since` and `until`, for the next page; absent after the
    /// last.
    next: Option<String>,
    /// The start of the search, RFC 3339.
    since: String,
    /// The end of the search, RFC 3339.
    until: String,
}

/// An event.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct EventBody {
    /// Identity.
    pub(crate) id: String,
    /// When it happened, RFC 3339.
    pub(crate) time: String,
    /// When it was received, RFC 3339.
    pub(crate) received: String,
    /// The agent that sent it.
    pub(crate) agent: String,
    /// Every other field by its ECS name.
    #[schema(value_type = Object)]
    pub(crate) fields: Map<String, Value>,
}

impl EventBody {
    pub(crate) fn of(stored: &StoredEvent) -> Self {
        let mut json = Vec::with_capacity(1024);
        agent_wire::write_event(&mut json, &stored.event);
        let mut fields: Map<String, Value> = serde_json::from_slice(&json).unwrap_or_default();
        fields.remove(rules_event::field::TIMESTAMP);
        fields.remove(rules_event::field::EVENT_ID);
        Self {
            id: stored.event.id.clone(),
            time: stored.event.time.to_string(),
            received: stored.place.received.to_string(),
            agent: stored.place.agent.to_string(),
            fields,
        }
    }
}

/// Reads a search from the pairs of a query.
pub(crate) fn query_of(
    pairs: Vec<(String, String)>,
    now: Timestamp,
) -> Result<EventQuery, Problem> {
    let (mut since, mut until, mut asked) = (None, None, None);
    let mut query = EventQuery::default();
    for (name, value) in pairs {
        if name.chars().count() > TEXT_LENGTH_MAX || value.chars().count() > TEXT_LENGTH_MAX {
            let problem = format!("a name or value is longer than {TEXT_LENGTH_MAX} characters");
            return Err(Problem::invalid(problem));
        }
        if value.is_empty() {
            continue;
        }
        match name.as_str() {
            "q" => query.text = Some(value),
            "rule" => query.rule_id = Some(value),
            "since" => since = Some(time("since", &value)?),
            "until" => until = Some(time("until", &value)?),
            "cursor" => {
                let cursor = value.parse();
                let bad = |_| Problem::invalid("cursor: use 'next' of the page before, unchanged");
                query.cursor = Some(cursor.map_err(bad)?);
            }
            "limit" => {
                let number = value.parse();
                let number = number.map_err(|_| Problem::invalid("limit is not 1 to 200"))?;
                asked = Some(number);
            }
            "lang" => {}
            field if field.contains('.') || field == rules_event::field::MESSAGE => {
                query.filters.push(Filter::is(name, value));
            }
            other => {
                return Err(Problem::invalid(format!(
                    "'{other}' is no filter; use q, rule, since, until, limit, cursor or the \
                     dotted name of a field, such as source.ip"
                )));
            }
        }
    }
    query.limit = match limit(asked)? {
        0 => PAGE_DEFAULT,
        limit => limit,
    };
    query.until = until.unwrap_or(now);
    query.since = since.unwrap_or_else(|| query.until.saturating_sub(SPAN_DEFAULT));
    if query.since >= query.until {
        return Err(Problem::invalid("since is not before until"));
    }
    Ok(query)
}

/// Searches the events.
#[utoipa::path(get, path = "/api/v1/events", tag = "events", params(EventsQuery), responses(
    (status = 200, description = "A page of events", body = EventsBody),
    (status = 400, description = "A filter is not valid", body = ProblemBody),
    (status = 503, description = "The event store does not answer", body = ProblemBody)))]
pub(crate) async fn search(
    State(state): State<ConsoleState>,
    QueryBody(pairs): QueryBody<Vec<(String, String)>>,
) -> Result<Json<EventsBody>, Problem> {
    let query = query_of(pairs, moment::now())?;
    let (events, next) = find(&state, &query).await?;
    Ok(Json(EventsBody {
        events: events.iter().map(EventBody::of).collect(),
        next,
        since: query.since.to_string(),
        until: query.until.to_string(),
    }))
}

/// Returns one page of events and where the next one starts.
pub(crate) async fn find(
    state: &ConsoleState,
    query: &EventQuery,
) -> Result<(Vec<StoredEvent>, Option<String>), Problem> {
    // One more than asked for shows whether there is a next page.
    let wanted = usize::try_from(query.limit).unwrap_or(usize::MAX);
    let more = EventQuery { limit: query.limit + 1, ..query.clone() };
    let mut events = state.events.search(&more).await?;
    let next = (events.len() > wanted).then(|| events[wanted - 1].cursor().to_string());
    events.truncate(wanted);
    Ok((events, next))
}
