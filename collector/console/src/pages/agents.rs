//! The agents: trusted or not, alive or silent.

use std::time::Duration;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

use super::{Chrome, done, render};
use crate::ConsoleState;
use crate::api::agents::{AgentBody, known};
use crate::language::Messages;
use crate::moment::{Shown, now, shown, shown_exactly};
use crate::problem::Problem;
use crate::register;
use crate::visit::{Visit, Who};

/// Heartbeats come every 15 seconds; after this long without one an agent is called silent.
const SILENT_AFTER: Duration = Duration::from_secs(120);

struct Row {
    host: String,
    agent: String,
    key: String,
    status: &'static str,
    class: &'static str,
    organization: String,
    version: String,
    last: Option<Shown>,
    silent: bool,
    first: Option<Shown>,
    problems: Vec<String>,
    may_trust: bool,
    may_revoke: bool,
}

#[derive(Template)]
#[template(path = "agents.html")]
struct AgentsPage {
    page: Chrome,
    evidence_missing: bool,
    rows: Vec<Row>,
}

/// Lists the agents.
pub(crate) async fn show(
    State(state): State<ConsoleState>,
    visit: Visit,
    who: Who,
) -> Result<Response, Problem> {
    let (agents, problem) = known(&state).await?;
    let page = Chrome::new(&visit, Some(&who), "/agents");
    render(&AgentsPage {
        evidence_missing: problem.is_some(),
        rows: agents.into_iter().map(|agent| row(agent.into(), page.m)).collect(),
        page,
    })
}

fn row(agent: AgentBody, m: &Messages) -> Row {
    let (status, class) = match agent.status.as_str() {
        "trusted" => (m.agent_trusted, "good"),
        "revoked" => (m.agent_revoked, "bad"),
        _ => (m.agent_unknown, "level-medium"),
    };
    let known_key = !agent.key.is_empty();
    let mut row = Row {
        host: if agent.host.is_empty() { agent.name } else { agent.host },
        agent: agent.agent,
        may_trust: known_key && agent.wanted != "trusted",
        may_revoke: known_key && agent.wanted != "revoked",
        key: agent.key,
        status,
        class,
        organization: agent.organization,
        version: String::new(),
        last: None,
        silent: false,
        first: agent.first_seen.and_then(|text| text.parse().ok()).map(shown),
        problems: Vec::new(),
    };
    if let Some(beat) = agent.heartbeat {
        row.version = beat.version;
        row.problems = beat.problems;
        if let Ok(received) = beat.received.parse() {
            row.silent = now().since(received) > SILENT_AFTER;
            row.last = Some(shown_exactly(received));
        }
    }
    row
}

/// Trusts an agent's key.
pub(crate) async fn trust(
    State(state): State<ConsoleState>,
    Path(text): Path<String>,
    who: Who,
) -> Result<Response, Problem> {
    let key = register::resolve(&state.db, &text).await?;
    register::trust(&state.db, key, "", &who).await?;
    Ok(done("/agents"))
}

/// Revokes an agent's key.
pub(crate) async fn revoke(
    State(state): State<ConsoleState>,
    Path(text): Path<String>,
    who: Who,
) -> Result<Response, Problem> {
    let key = register::resolve(&state.db, &text).await?;
    register::revoke(&state.db, key, &who).await?;
    Ok(done("/agents"))
}
