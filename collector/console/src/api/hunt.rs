//! Hunting: a rule asked of stored events.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use collector_store::{HuntWindow, LIMIT_MAX};
use rules_matcher::sql;
use rules_sigma::{Document, Rule, Severity, parse_file};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::events::EventBody;
use super::incidents::time;
use crate::audit::{self, Act};
use crate::body::JsonBody;
use crate::problem::{Problem, ProblemBody};
use crate::visit::{Visit, Who};
use crate::{ConsoleState, moment};

/// Without `since`, a hunt looks this far back.
const SPAN_DEFAULT_S: u64 = 24 * 60 * 60;
/// The longest look back: ten years.
const SPAN_MAX_S: u64 = 3_660 * 24 * 60 * 60;
/// Events when the hunt does not say.
const LIMIT_DEFAULT: u32 = 100;
/// The most diagnostics of a broken rule that are told.
const DIAGNOSTICS_MAX: usize = 5;

/// What to look for, and where.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HuntBody {
    /// A Sigma rule, as YAML. Filters and correlations are not hunted for.
    rule: String,
    /// Which rule, where the text holds several: its id or name.
    id: Option<String>,
    /// Look back so many seconds from `until`; a day if `since` is absent, too.
    since_seconds: Option<u64>,
    /// At or after, RFC 3339.
    since: Option<String>,
    /// Before, RFC 3339; now if absent.
    until: Option<String>,
    /// At most so many events: 1 to 999, more is cut; 100 if absent.
    limit: Option<u32>,
}

/// What was found, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct HuntedBody {
    /// Id of the rule.
    rule: String,
    /// Its title.
    title: String,
    /// The events.
    events: Vec<EventBody>,
    /// True when there are more; ask again with `until` at the last one's time.
    more: bool,
    /// The start of the hunt, RFC 3339.
    since: String,
    /// The end of the hunt, RFC 3339.
    until: String,
}

/// Hunts: returns the stored events that a rule matches, also those from before it was written.
#[utoipa::path(post, path = "/api/v1/hunt", tag = "events", request_body = HuntBody, responses(
    (status = 200, description = "The newest events that the rule matches", body = HuntedBody),
    (status = 400, description = "The rule is broken, or cannot be asked of the store",
     body = ProblemBody),
    (status = 503, description = "The event store does not answer, or not in time",
     body = ProblemBody)))]
pub(crate) async fn hunt(
    State(state): State<ConsoleState>,
    visit: Visit,
    who: Who,
    JsonBody(body): JsonBody<HuntBody>,
) -> Result<Json<HuntedBody>, Problem> {
    let rule = rule_of(&body)?;
    let predicate = sql::predicate(&rule).map_err(|reason| {
        Problem::invalid(format!("'{}' cannot be hunted for: {reason}", rule.title))
    })?;
    let window = window_of(&body)?;
    write_down(&state, &visit, &who, &rule, window).await?;
    // One more than asked for shows whether there are more.
    let wanted = usize::try_from(window.limit).unwrap_or(usize::MAX);
    let more = HuntWindow { limit: window.limit + 1, ..window };
    let mut events = state.events.hunt(&predicate, more).await?;
    let more = events.len() > wanted;
    events.truncate(wanted);
    Ok(Json(HuntedBody {
        rule: rule.id,
        title: rule.title,
        events: events.iter().map(EventBody::of).collect(),
        more,
        since: window.since.to_string(),
        until: window.until.to_string(),
    }))
}

/// The entry of the route says that somebody hunted; this one says for what.
async fn write_down(
    state: &ConsoleState,
    visit: &Visit,
    who: &Who,
    rule: &Rule,
    window: HuntWindow,
) -> Result<(), Problem> {
    let hash = hex::encode(Sha256::digest(rule.source.as_bytes()));
    let detail = format!("{}, sha256 {hash}, {} to {}", rule.title, window.since, window.until);
    let act = Act {
        user: &who.name,
        role: who.role.as_str(),
        address: &who.address,
        action: "hunt",
        target: &rule.id,
        detail: &detail,
        request_id: &visit.request_id,
    };
    audit::write(&state.db, act, moment::now()).await.map_err(Problem::from)
}

fn rule_of(body: &HuntBody) -> Result<Rule, Problem> {
    let parsed = parse_file("rule", &body.rule);
    let wanted = |rule: &Rule| {
        body.id.as_ref().is_none_or(|id| *id == rule.id || Some(id) == rule.name.as_ref())
    };
    let mut rules = parsed.documents.into_iter().filter_map(|document| match document {
        Document::Rule(rule) => Some(rule).filter(|rule| wanted(rule)),
        _ => None,
    });
    match (rules.next(), rules.next()) {
        (Some(rule), None) => Ok(rule),
        (Some(_), Some(_)) => {
            Err(Problem::invalid("the text holds several rules; name one by 'id'"))
        }
        (None, _) => {
            let errors = parsed.diagnostics.iter().filter(|one| one.severity == Severity::Error);
            let told: Vec<_> = errors
                .take(DIAGNOSTICS_MAX)
                .map(|one| format!("{} (line {}): {}", one.code, one.span.line, one.message))
                .collect();
            Err(Problem::invalid(if told.is_empty() {
                "the text holds no such rule".to_owned()
            } else {
                told.join("; ")
            }))
        }
    }
}

fn window_of(body: &HuntBody) -> Result<HuntWindow, Problem> {
    let until = match &body.until {
        Some(text) => time("until", text)?,
        None => moment::now(),
    };
    let since = match (&body.since, body.since_seconds) {
        (Some(_), Some(_)) => {
            return Err(Problem::invalid("give 'since' or 'since_seconds', not both"));
        }
        (Some(text), None) => time("since", text)?,
        (None, seconds) => {
            let seconds = seconds.unwrap_or(SPAN_DEFAULT_S);
            if seconds > SPAN_MAX_S {
                return Err(Problem::invalid(format!("since_seconds is more than {SPAN_MAX_S}")));
            }
            until.saturating_sub(Duration::from_secs(seconds))
        }
    };
    if since >= until {
        return Err(Problem::invalid("since is not before until"));
    }
    // One less than a search returns, because one more is asked for.
    let limit = body.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX - 1);
    Ok(HuntWindow { since, until, limit })
}
