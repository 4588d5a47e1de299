//! Agents: who they are, whether they are trusted, when they were last heard of.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use collector_ingest::agents::Agent;
use collector_store::SeenAgent;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ConsoleState;
use crate::body::JsonBody;
use crate::problem::{Problem, ProblemBody};
use crate::register;
use crate::visit::Who;

/// The longest name of an agent, in characters.
const NAME_LENGTH_MAX: usize = 200;

/// Every agent.
#[derive(Serialize, ToSchema)]
pub(crate) struct AgentsBody {
    /// The agents, by host.
    agents: Vec<AgentBody>,
    /// Why heartbeats are absent: the event store does not answer.
    heartbeats_problem: Option<String>,
}

/// An agent.
#[derive(Serialize, ToSchema)]
pub(crate) struct AgentBody {
    /// Agent id, derived from the key.
    pub(crate) agent: String,
    /// Ed25519 public key, hexadecimal; empty for one that is known from heartbeats only.
    pub(crate) key: String,
    /// The name given when it was trusted.
    pub(crate) name: String,
    /// `trusted`, `revoked` or `unknown`.
    pub(crate) status: String,
    /// What was decided; in force as `status` within moments.
    pub(crate) wanted: String,
    /// Host, from the key's latest heartbeat; only a claim while it is not trusted.
    pub(crate) host: String,
    /// Organisation code of the agency, likewise.
    pub(crate) organization: String,
    /// Who decided.
    pub(crate) decided_by: String,
    /// When, RFC 3339.
    pub(crate) decided_at: Option<String>,
    /// When the key was first seen, RFC 3339.
    pub(crate) first_seen: Option<String>,
    /// When its latest record arrived, RFC 3339.
    pub(crate) last_seen: Option<String>,
    /// Records of it that went into quarantine, ever.
    pub(crate) quarantined: u64,
    /// Its last sign of life.
    pub(crate) heartbeat: Option<HeartbeatBody>,
}

/// A sign of life.
#[derive(Serialize, ToSchema)]
pub(crate) struct HeartbeatBody {
    /// When it was received, RFC 3339.
    pub(crate) received: String,
    /// Host.
    pub(crate) host: String,
    /// Organisation code of the agency.
    pub(crate) organization: String,
    /// Version of the agent.
    pub(crate) version: String,
    /// Rules in force.
    pub(crate) rules: u64,
    /// Identity of the rule set in force.
    pub(crate) ruleset: String,
    /// Lines and samples read since it started.
    pub(crate) read: u64,
    /// Events in the spool since it started.
    pub(crate) spooled: u64,
    /// Events acknowledged since it started.
    pub(crate) shipped: u64,
    /// Events dropped since it started, by reason.
    pub(crate) dropped: BTreeMap<String, u64>,
    /// Bytes the spool holds.
    pub(crate) spool_bytes: u64,
    /// What is wrong there.
    pub(crate) problems: Vec<String>,
}

/// What the agent is to be called.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TrustBody {
    /// Name, such as the host's; kept as it was if absent.
    name: String,
}

/// An agent with its two halves joined: the register's and the store's.
pub(crate) struct Known {
    pub(crate) registered: Option<Agent>,
    pub(crate) seen: Option<SeenAgent>,
}

impl Known {
    fn host(&self) -> String {
        let beat = self.seen.as_ref().map(|seen| seen.heartbeat.host.clone());
        let claim = self.registered.as_ref().map(|agent| agent.host.clone());
        beat.or(claim).unwrap_or_default()
    }
}

/// Returns every agent, and why heartbeats are absent if they are.
pub(crate) async fn known(state: &ConsoleState) -> Result<(Vec<Known>, Option<Problem>), Problem> {
    let mut agents: BTreeMap<String, Known> = BTreeMap::new();
    for registered in register::list(&state.db).await? {
        let id = registered.id.to_string();
        agents.insert(id, Known { registered: Some(registered), seen: None });
    }
    let problem = match state.events.agents_seen().await {
        Ok(seen) => {
            for seen in seen {
                let known = agents.entry(seen.agent.to_string());
                known.or_insert(Known { registered: None, seen: None }).seen = Some(seen);
            }
            None
        }
        Err(error) => Some(Problem::from(error)),
    };
    let mut agents: Vec<Known> = agents.into_values().collect();
    agents.sort_by_key(Known::host);
    Ok((agents, problem))
}

impl From<Known> for AgentBody {
    fn from(known: Known) -> Self {
        let seen = known.seen.as_ref().map(|seen| seen.agent.to_string()).unwrap_or_default();
        let heartbeat = known.seen.map(|seen| HeartbeatBody {
            received: seen.received.to_string(),
            host: seen.heartbeat.host,
            organization: seen.heartbeat.organization,
            version: seen.heartbeat.version,
            rules: seen.heartbeat.rules,
            ruleset: seen.heartbeat.ruleset,
            read: seen.heartbeat.read,
            spooled: seen.heartbeat.spooled,
            shipped: seen.heartbeat.shipped,
            dropped: seen.heartbeat.dropped,
            spool_bytes: seen.heartbeat.spool_bytes,
            problems: seen.heartbeat.problems,
        });
        let host = heartbeat.as_ref().map(|beat| beat.host.clone()).unwrap_or_default();
        let organization =
            heartbeat.as_ref().map(|beat| beat.organization.clone()).unwrap_or_default();
        match known.registered {
            Some(one) => Self {
                agent: one.id.to_string(),
                key: one.key.to_string(),
                name: one.name,
                status: one.status.to_string(),
                wanted: one.wanted.to_string(),
                host: if host.is_empty() { one.host } else { host },
                organization: if organization.is_empty() { one.organization } else { organization },
                decided_by: one.decided_by,
                decided_at: one.decided_at.map(|at| at.to_string()),
                first_seen: one.first_seen.map(|at| at.to_string()),
                last_seen: one.last_seen.map(|at| at.to_string()),
                quarantined: one.quarantined,
                heartbeat,
            },
            None => Self {
                agent: seen,
                key: String::new(),
                name: String::new(),
                status: "unknown".into(),
                wanted: "unknown".into(),
                host,
                organization,
                decided_by: String::new(),
                decided_at: None,
                first_seen: None,
                last_seen: None,
                quarantined: 0,
                heartbeat,
            },
        }
    }
}

/// Lists the agents.
#[utoipa::path(get, path = "/api/v1/agents", tag = "agents", responses(
    (status = 200, description = "The agents", body = AgentsBody)))]
pub(crate) async fn list(State(state): State<ConsoleState>) -> Result<Json<AgentsBody>, Problem> {
    let (agents, problem) = known(&state).await?;
    Ok(Json(AgentsBody {
        agents: agents.into_iter().map(Into::into).collect(),
        heartbeats_problem: problem.map(|problem| problem.detail),
    }))
}

/// Trusts an agent's key: what it signed is taken in, also what waits in quarantine.
#[utoipa::path(post, path = "/api/v1/agents/{key}/trust", tag = "agents",
    request_body = TrustBody,
    params(("key" = String, Path, description = "Public key (64 hexadecimal digits) or agent id (32)")), responses(
    (status = 204, description = "It is trusted"),
    (status = 400, description = "That is no key", body = ProblemBody),
    (status = 403, description = "Only for administrators", body = ProblemBody)))]
pub(crate) async fn trust(
    State(state): State<ConsoleState>,
    Path(text): Path<String>,
    who: Who,
    JsonBody(body): JsonBody<TrustBody>,
) -> Result<StatusCode, Problem> {
    if body.name.chars().count() > NAME_LENGTH_MAX {
        return Err(Problem::invalid("name: at most 200 characters"));
    }
    let key = register::resolve(&state.db, &text).await?;
    register::trust(&state.db, key, body.name.trim(), &who).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Revokes an agent's key: what it signs from now on is quarantined.
#[utoipa::path(post, path = "/api/v1/agents/{key}/revoke", tag = "agents",
    params(("key" = String, Path, description = "Public key (64 hexadecimal digits) or agent id (32)")), responses(
    (status = 204, description = "It is revoked"),
    (status = 403, description = "Only for administrators", body = ProblemBody),
    (status = 404, description = "There is no such agent", body = ProblemBody)))]
pub(crate) async fn revoke(
    State(state): State<ConsoleState>,
    Path(text): Path<String>,
    who: Who,
) -> Result<StatusCode, Problem> {
    let key = register::resolve(&state.db, &text).await?;
    register::revoke(&state.db, key, &who).await?;
    Ok(StatusCode::NO_CONTENT)
}
