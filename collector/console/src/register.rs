//! Register: the agents' keys and who trusts them, as ingestion keeps them.

use agent_wire::{AgentId, PublicKey};
use collector_ingest::Error as IngestError;
use collector_ingest::agents::{self, Agent};
use sqlx::SqlitePool;

use crate::problem::Problem;
use crate::visit::Who;

/// Returns every key that ingestion has met or was told of.
pub(crate) async fn list(db: &SqlitePool) -> Result<Vec<Agent>, Problem> {
    agents::list(db).await.map_err(problem)
}

/// Trusts a key.
pub(crate) async fn trust(
    db: &SqlitePool,
    key: PublicKey,
    name: &str,
    who: &Who,
) -> Result<(), Problem> {
    agents::trust(db, &key, name, &who.name).await.map_err(problem)
}

/// Withdraws trust from a key.
pub(crate) async fn revoke(db: &SqlitePool, key: PublicKey, who: &Who) -> Result<(), Problem> {
    agents::revoke(db, &key, &who.name).await.map_err(problem)
}

/// Returns the key that a caller names by itself or by the agent's id.
pub(crate) async fn resolve(db: &SqlitePool, text: &str) -> Result<PublicKey, Problem> {
    if let Ok(key) = text.parse() {
        return Ok(key);
    }
    let id: AgentId = text.parse().map_err(|_| {
        Problem::invalid(
            "name the agent by its public key (64 hexadecimal digits) or its id (32), as listed",
        )
    })?;
    let found = agents::find(db, id).await.map_err(problem)?;
    found
        .map(|agent| agent.key)
        .ok_or_else(|| Problem::not_found("there is no agent with this id; see the list of agents"))
}

fn problem(error: IngestError) -> Problem {
    match &error {
        IngestError::NoSuchAgent(_) => {
            Problem::not_found("there is no agent with this key; see the list of agents")
        }
        _ => Problem::internal(&error),
    }
}
