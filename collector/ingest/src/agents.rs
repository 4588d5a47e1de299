//! Agents: which keys are trusted, and who decided so.
//!
//! A decision is written at once and put in force by ingestion between two ranges, so that a range
//! done again after a crash is judged as it was the first time.

use std::fmt;
use std::str::FromStr;

use agent_wire::{AgentId, PublicKey};
use rules_event::Timestamp;
use sqlx::Row;
use sqlx::sqlite::{SqlitePool, SqliteRow};

use crate::error::database;
use crate::{Error, Result};

/// At most this many agents are listed.
const LIST_MAX: i64 = 50_000;

/// What may be done with what a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// It is stored.
    Trusted,
    /// It is quarantined: somebody withdrew trust.
    Revoked,
    /// It is quarantined: nobody has decided yet.
    Unknown,
}

impl Status {
    /// Returns the status as a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trusted => "trusted",
            Self::Revoked => "revoked",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Status {
    type Err = ();

    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        [Self::Trusted, Self::Revoked, Self::Unknown]
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or(())
    }
}

/// One key and what is known of its holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// The key.
    pub key: PublicKey,
    /// The id derived from it.
    pub id: AgentId,
    /// The name people gave it; may be empty.
    pub name: String,
    /// Host name from its latest heartbeat. Only a claim while the key is not trusted.
    pub host: String,
    /// Organisation code from its latest heartbeat, likewise.
    pub organization: String,
    /// What is in force.
    pub status: Status,
    /// What was decided; in force within moments, after trust once the quarantine is released.
    pub wanted: Status,
    /// Who decided.
    pub decided_by: String,
    /// When.
    pub decided_at: Option<Timestamp>,
    /// When its first record arrived.
    pub first_seen: Option<Timestamp>,
    /// When its latest record arrived.
    pub last_seen: Option<Timestamp>,
    /// How many of its records went into quarantine, ever.
    pub quarantined: u64,
}

/// Trusts a key, known or not, and names it. Its quarantined batches are then stored in order,
/// before anything new of it.
///
/// # Errors
/// If the database refuses.
pub async fn trust(db: &SqlitePool, key: &PublicKey, name: &str, by: &str) -> Result<()> {
    sqlx::query(
        "INSERT INTO agent (key_hex, id, name, status, wanted, decided_by, decided_at) \
         VALUES (?1, ?2, ?3, 'unknown', 'trusted', ?4, ?5) \
         ON CONFLICT (key_hex) DO UPDATE SET wanted = 'trusted', decided_by = ?4, decided_at = ?5, \
         name = CASE WHEN ?3 = '' THEN name ELSE ?3 END",
    )
    .bind(key.to_string())
    .bind(key.agent_id().to_string())
    .bind(name)
    .bind(by)
    .bind(now().as_nanos())
    .execute(db)
    .await
    .map_err(database("trust a key"))?;
    Ok(())
}

/// Withdraws trust from a key: what it sends from now on is quarantined.
///
/// # Errors
/// [`Error::NoSuchAgent`] if the key is not listed; others if the database refuses.
pub async fn revoke(db: &SqlitePool, key: &PublicKey, by: &str) -> Result<()> {
    let done = sqlx::query(
        "UPDATE agent SET wanted = 'revoked', decided_by = ?2, decided_at = ?3 WHERE key_hex = ?1",
    )
    .bind(key.to_string())
    .bind(by)
    .bind(now().as_nanos())
    .execute(db)
    .await
    .map_err(database("revoke a key"))?;
    if done.rows_affected() == 0 {
        return Err(Error::NoSuchAgent(key.to_string()));
    }
    Ok(())
}

/// Gives an agent another name.
///
/// # Errors
/// [`Error::NoSuchAgent`] if the key is not listed; others if the database refuses.
pub async fn rename(db: &SqlitePool, key: &PublicKey, name: &str) -> Result<()> {
    let done = sqlx::query("UPDATE agent SET name = ?2 WHERE key_hex = ?1")
        .bind(key.to_string())
        .bind(name)
        .execute(db)
        .await
        .map_err(database("rename an agent"))?;
    if done.rows_affected() == 0 {
        return Err(Error::NoSuchAgent(key.to_string()));
    }
    Ok(())
}

/// Returns every agent, those waiting for a decision first, then by name and id.
///
/// # Errors
/// If the database refuses or holds what this build does not understand.
pub async fn list(db: &SqlitePool) -> Result<Vec<Agent>> {
    let rows = sqlx::query(
        "SELECT * FROM agent ORDER BY CASE wanted WHEN 'unknown' THEN 0 ELSE 1 END, name, id \
         LIMIT ?1",
    )
    .bind(LIST_MAX)
    .fetch_all(db)
    .await
    .map_err(database("list agents"))?;
    rows.iter().map(from_row).collect()
}

/// Returns the agent with this id, if it is listed.
///
/// # Errors
/// As [`list`].
pub async fn find(db: &SqlitePool, id: AgentId) -> Result<Option<Agent>> {
    let row = sqlx::query("SELECT * FROM agent WHERE id = ?1")
        .bind(id.to_string())
        .fetch_optional(db)
        .await
        .map_err(database("find an agent"))?;
    row.as_ref().map(from_row).transpose()
}

/// Returns the agents whose decision is not yet in force.
pub(crate) async fn undecided(db: &SqlitePool) -> Result<Vec<Agent>> {
    let rows =
        sqlx::query("SELECT * FROM agent WHERE wanted <> status ORDER BY decided_at, key_hex")
            .fetch_all(db)
            .await
            .map_err(database("look for decisions"))?;
    rows.iter().map(from_row).collect()
}

fn from_row(row: &SqliteRow) -> Result<Agent> {
    let failed = database("read an agent");
    let text = |name: &str| row.try_get::<String, _>(name).map_err(&failed);
    let time = |name: &str| {
        let nanos = row.try_get::<Option<i64>, _>(name).map_err(&failed)?;
        Ok::<_, Error>(nanos.map(Timestamp::from_nanos))
    };
    let bad = |what, value: String| Error::BadState { what, value };
    let key = text("key_hex")?;
    let key: PublicKey = key.parse().map_err(|_| bad("the key of an agent", key.clone()))?;
    let status = |name: &str| {
        let word = text(name)?;
        word.parse().map_err(|()| bad("the status of an agent", word.clone()))
    };
    Ok(Agent {
        key,
        id: key.agent_id(),
        name: text("name")?,
        host: text("host")?,
        organization: text("organization")?,
        status: status("status")?,
        wanted: status("wanted")?,
        decided_by: text("decided_by")?,
        decided_at: time("decided_at")?,
        first_seen: time("first_seen")?,
        last_seen: time("last_seen")?,
        quarantined: row.try_get::<i64, _>("quarantined").map_err(&failed)?.unsigned_abs(),
    })
}

/// Returns the moment by the system's clock.
pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp::from_nanos(0).saturating_add(since.unwrap_or_default())
}
