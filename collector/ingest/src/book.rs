//! The book: positions, intent, chains and gaps in SQLite.

use agent_wire::{AgentId, Hash, Lane, PublicKey};
use collector_store::{OpenSpan, Place, QuarantineCursor};
use rules_event::Timestamp;
use sqlx::sqlite::SqlitePool;
use sqlx::{Row, SqliteConnection};

use crate::agents::Status;
use crate::chain::{Chain, ChainId, Piece};
use crate::error::database;
use crate::intent::Intent;
use crate::judge::Sighting;
use crate::source::{Partition, Position};
use crate::{Error, Result};

/// At most this many gaps are listed.
const GAPS_MAX: i64 = 1000;

/// Our migrations, oldest first. A shipped one is never edited.
const MIGRATIONS: [(i64, &str, &str); 1] =
    [(1001, "ingest", include_str!("../migrations/1001_ingest.sql"))];

/// Makes the tables of ingestion; migrations 1001 and up. Those of other crates in the same
/// database (other ranges of numbers) are left alone.
///
/// # Errors
/// [`Error::Migrate`] if they cannot be made or were changed.
pub async fn migrate(db: &SqlitePool) -> Result<()> {
    collector_store::database::migrate(db, &MIGRATIONS).await.map_err(Error::Migrate)
}

/// A gap in a chain, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GapLine {
    /// The agent.
    pub agent: AgentId,
    /// Its lane.
    pub lane: Lane,
    /// Its epoch.
    pub epoch: u64,
    /// First and last batch that were missing when the gap was found.
    pub batches: (u64, u64),
    /// How many are still missing.
    pub missing: u64,
    /// When it was found.
    pub found: Timestamp,
    /// When the last missing batch arrived.
    pub closed: Option<Timestamp>,
}

/// Returns the gaps found in chains, open ones first, then the newest; at most 1000.
///
/// # Errors
/// If the database refuses.
pub async fn gaps(db: &SqlitePool) -> Result<Vec<GapLine>> {
    let failed = database("list gaps");
    let rows = sqlx::query(
        "SELECT * FROM chain_gap \
         ORDER BY CASE WHEN closed_at IS NULL THEN 0 ELSE 1 END, found_at DESC LIMIT ?1",
    )
    .bind(GAPS_MAX)
    .fetch_all(db)
    .await
    .map_err(&failed)?;
    rows.iter()
        .map(|row| {
            let number = |name: &str| row.try_get::<i64, _>(name).map_err(&failed);
            let text = |name: &str| row.try_get::<String, _>(name).map_err(&failed);
            let bad = |value: &str| Error::BadState { what: "a gap", value: value.to_owned() };
            let (agent, lane) = (text("agent")?, text("lane")?);
            Ok(GapLine {
                agent: agent.parse().map_err(|_| bad(&agent))?,
                lane: lane.parse().map_err(|()| bad(&lane))?,
                epoch: number("epoch")?.unsigned_abs(),
                batches: (number("from_seq")?.unsigned_abs(), number("to_seq")?.unsigned_abs()),
                missing: number("missing")?.unsigned_abs(),
                found: Timestamp::from_nanos(number("found_at")?),
                closed: row
                    .try_get::<Option<i64>, _>("closed_at")
                    .map_err(&failed)?
                    .map(Timestamp::from_nanos),
            })
        })
        .collect()
}

/// Returns what may be stored in ClickHouse and is not yet committed here: to be left out when
/// correlation is rebuilt from the store, because ingestion will hand it over again.
///
/// # Errors
/// If the database refuses.
pub async fn open_spans(db: &SqlitePool) -> Result<Vec<OpenSpan>> {
    Ok(intent(db).await?.map(|intent| intent.open_spans()).unwrap_or_default())
}

/// The last committed batch of every chain, by agent, lane and epoch.
#[derive(Debug, Clone, Default)]
pub struct CommittedHeads(std::collections::HashMap<(String, String, u64), u64>);

impl CommittedHeads {
    /// Returns whether the batch that holds this place has been committed. One that is stored beyond
    /// the head (SQLite was put back from a backup) will be handed over again.
    #[must_use]
    pub fn hold(&self, place: &Place) -> bool {
        let chain = (place.agent.to_string(), place.lane.as_str().to_owned(), place.epoch);
        self.0.get(&chain).is_some_and(|head| place.seq <= *head)
    }
}

/// Returns the last committed batch of every chain.
///
/// # Errors
/// If the database refuses.
pub async fn committed_heads(db: &SqlitePool) -> Result<CommittedHeads> {
    let rows: Vec<(String, String, i64, i64)> =
        sqlx::query_as("SELECT agent, lane, epoch, seq FROM chain")
            .fetch_all(db)
            .await
            .map_err(database("read the heads of chains"))?;
    let heads = rows
        .into_iter()
        .map(|(agent, lane, epoch, seq)| ((agent, lane, epoch.unsigned_abs()), seq.unsigned_abs()));
    Ok(CommittedHeads(heads.collect()))
}

pub(crate) async fn positions(db: &SqlitePool) -> Result<Vec<Position>> {
    type Line = (String, String, i32, i64);
    let rows: Vec<Line> =
        sqlx::query_as("SELECT topic, topic_id, number, next_offset FROM ingest_position")
            .fetch_all(db)
            .await
            .map_err(database("read positions"))?;
    Ok(rows
        .into_iter()
        .map(|(topic, topic_id, number, next_offset)| Position {
            partition: Partition { topic, topic_id, number },
            next_offset,
        })
        .collect())
}

pub(crate) async fn set_position(
    tx: &mut SqliteConnection,
    position: &Position,
    now: Timestamp,
) -> sqlx::Result<()> {
    let partition = &position.partition;
    sqlx::query(
        "INSERT INTO ingest_position (topic, topic_id, number, next_offset, updated_at) \
         VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (topic, topic_id, number) \
         DO UPDATE SET next_offset = ?4, updated_at = ?5",
    )
    .bind(&partition.topic)
    .bind(&partition.topic_id)
    .bind(partition.number)
    .bind(position.next_offset)
    .bind(now.as_nanos())
    .execute(tx)
    .await?;
    Ok(())
}

pub(crate) async fn intent(db: &SqlitePool) -> Result<Option<Intent>> {
    let body: Option<String> = sqlx::query_scalar("SELECT body FROM ingest_intent WHERE id = 1")
        .fetch_optional(db)
        .await
        .map_err(database("read the intent"))?;
    body.map(|body| {
        serde_json::from_str(&body).map_err(|_| Error::BadState { what: "the intent", value: body })
    })
    .transpose()
}

pub(crate) async fn set_intent(db: &SqlitePool, intent: &Intent) -> sqlx::Result<()> {
    let body = serde_json::to_string(intent).expect("an intent is plain data");
    sqlx::query("INSERT INTO ingest_intent (id, body) VALUES (1, ?1)")
        .bind(body)
        .execute(db)
        .await?;
    Ok(())
}

pub(crate) async fn clear_intent(tx: &mut SqliteConnection) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM ingest_intent WHERE id = 1").execute(tx).await?;
    Ok(())
}

/// Returns a chain and whether it was known.
pub(crate) async fn chain(db: &SqlitePool, id: &ChainId) -> Result<Option<Chain>> {
    let failed = database("read a chain");
    let head: Option<(i64, String)> =
        sqlx::query_as("SELECT seq, hash FROM chain WHERE agent = ?1 AND lane = ?2 AND epoch = ?3")
            .bind(id.agent.to_string())
            .bind(id.lane.as_str())
            .bind(signed(id.epoch))
            .fetch_optional(db)
            .await
            .map_err(&failed)?;
    let Some((seq, hash)) = head else { return Ok(None) };
    let rows: Vec<(i64, i64, i64, String, String)> = sqlx::query_as(
        "SELECT from_seq, to_seq, gap_from, prev_hash, last_hash FROM chain_gap_piece \
         WHERE agent = ?1 AND lane = ?2 AND epoch = ?3 ORDER BY from_seq",
    )
    .bind(id.agent.to_string())
    .bind(id.lane.as_str())
    .bind(signed(id.epoch))
    .fetch_all(db)
    .await
    .map_err(&failed)?;
    let pieces = rows
        .into_iter()
        .map(|(from, to, gap_from, prev, last)| {
            Ok(Piece {
                from: from.unsigned_abs(),
                to: to.unsigned_abs(),
                gap_from: gap_from.unsigned_abs(),
                prev: unhex(&prev)?,
                last: unhex(&last)?,
            })
        })
        .collect::<Result<_>>()?;
    Ok(Some(Chain { seq: seq.unsigned_abs(), hash: unhex(&hash)?, pieces }))
}

/// Returns the latest epoch known of an agent's lane.
pub(crate) async fn latest_epoch(
    db: &SqlitePool,
    agent: AgentId,
    lane: Lane,
) -> Result<Option<u64>> {
    let epoch: Option<i64> =
        sqlx::query_scalar("SELECT max(epoch) FROM chain WHERE agent = ?1 AND lane = ?2")
            .bind(agent.to_string())
            .bind(lane.as_str())
            .fetch_one(db)
            .await
            .map_err(database("read epochs"))?;
    Ok(epoch.map(i64::unsigned_abs))
}

/// Writes a chain that changed.
pub(crate) async fn set_chain(
    tx: &mut SqliteConnection,
    id: &ChainId,
    chain: &Chain,
    now: Timestamp,
) -> sqlx::Result<()> {
    let (agent, lane, epoch) = (id.agent.to_string(), id.lane.as_str(), signed(id.epoch));
    sqlx::query(
        "INSERT INTO chain (agent, lane, epoch, seq, hash, updated_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
         ON CONFLICT (agent, lane, epoch) DO UPDATE SET seq = ?4, hash = ?5, updated_at = ?6",
    )
    .bind(&agent)
    .bind(lane)
    .bind(epoch)
    .bind(signed(chain.seq))
    .bind(hex::encode(chain.hash))
    .bind(now.as_nanos())
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Replaces what is missing of a chain, and brings its gaps up to date.
pub(crate) async fn set_gaps(
    tx: &mut SqliteConnection,
    id: &ChainId,
    chain: &Chain,
    opened: &[(u64, u64)],
    filled: &[u64],
    now: Timestamp,
) -> sqlx::Result<()> {
    let (agent, lane, epoch) = (id.agent.to_string(), id.lane.as_str(), signed(id.epoch));
    sqlx::query("DELETE FROM chain_gap_piece WHERE agent = ?1 AND lane = ?2 AND epoch = ?3")
        .bind(&agent)
        .bind(lane)
        .bind(epoch)
        .execute(&mut *tx)
        .await?;
    for piece in &chain.pieces {
        sqlx::query(
            "INSERT INTO chain_gap_piece \
             (agent, lane, epoch, from_seq, to_seq, gap_from, prev_hash, last_hash) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )
        .bind(&agent)
        .bind(lane)
        .bind(epoch)
        .bind(signed(piece.from))
        .bind(signed(piece.to))
        .bind(signed(piece.gap_from))
        .bind(hex::encode(piece.prev))
        .bind(hex::encode(piece.last))
        .execute(&mut *tx)
        .await?;
    }
    for (from, to) in opened {
        sqlx::query(
            "INSERT INTO chain_gap (agent, lane, epoch, from_seq, to_seq, missing, found_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )
        .bind(&agent)
        .bind(lane)
        .bind(epoch)
        .bind(signed(*from))
        .bind(signed(*to))
        .bind(signed(chain.missing(*from)))
        .bind(now.as_nanos())
        .execute(&mut *tx)
        .await?;
    }
    for gap_from in filled.iter().chain(opened.iter().map(|(from, _)| from)) {
        let closed = (!chain.is_open(*gap_from)).then_some(now.as_nanos());
        sqlx::query(
            "UPDATE chain_gap SET missing = ?5, closed_at = ?6 \
             WHERE agent = ?1 AND lane = ?2 AND epoch = ?3 AND from_seq = ?4",
        )
        .bind(&agent)
        .bind(lane)
        .bind(epoch)
        .bind(signed(*gap_from))
        .bind(signed(chain.missing(*gap_from)))
        .bind(closed)
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}

/// Numbers above `i64::MAX` are refused before they come here.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unhex(text: &str) -> Result<Hash> {
    let mut hash = Hash::default();
    hex::decode_to_slice(text, &mut hash)
        .map_err(|_| Error::BadState { what: "a hash", value: text.to_owned() })?;
    Ok(hash)
}

pub(crate) async fn status(db: &SqlitePool, key: &str) -> Result<Option<Status>> {
    let word: Option<String> = sqlx::query_scalar("SELECT status FROM agent WHERE key_hex = ?1")
        .bind(key)
        .fetch_optional(db)
        .await
        .map_err(database("look up a key"))?;
    word.map(|word| {
        word.parse().map_err(|()| Error::BadState { what: "the status of an agent", value: word })
    })
    .transpose()
}

/// Puts a decision in force; the next release of the key starts over.
pub(crate) async fn set_status(db: &SqlitePool, key: &str, status: Status) -> Result<()> {
    sqlx::query("UPDATE agent SET status = ?2, release_cursor = NULL WHERE key_hex = ?1")
        .bind(key)
        .bind(status.as_str())
        .execute(db)
        .await
        .map_err(database("put a decision in force"))?;
    Ok(())
}

pub(crate) async fn release_cursor(db: &SqlitePool, key: &str) -> Result<Option<QuarantineCursor>> {
    let body: Option<Option<String>> =
        sqlx::query_scalar("SELECT release_cursor FROM agent WHERE key_hex = ?1")
            .bind(key)
            .fetch_optional(db)
            .await
            .map_err(database("read a release cursor"))?;
    body.flatten()
        .map(|body| {
            serde_json::from_str(&body)
                .map_err(|_| Error::BadState { what: "a release cursor", value: body })
        })
        .transpose()
}

pub(crate) async fn set_release_cursor(
    tx: &mut SqliteConnection,
    key: &str,
    cursor: &QuarantineCursor,
) -> sqlx::Result<()> {
    let body = serde_json::to_string(cursor).expect("a cursor is plain data");
    sqlx::query("UPDATE agent SET release_cursor = ?2 WHERE key_hex = ?1")
        .bind(key)
        .bind(body)
        .execute(tx)
        .await?;
    Ok(())
}

/// Notes that a key was seen. A new one is listed while fewer than `unknown_max` wait.
pub(crate) async fn sight(
    tx: &mut SqliteConnection,
    key: &PublicKey,
    sighting: &Sighting,
    unknown_max: i64,
) -> sqlx::Result<()> {
    let updated = sqlx::query(
        "UPDATE agent SET first_seen = coalesce(first_seen, ?2), \
         last_seen = max(coalesce(last_seen, ?2), ?2), \
         host = CASE WHEN ?3 = '' THEN host ELSE ?3 END, \
         organization = CASE WHEN ?3 = '' THEN organization ELSE ?4 END, \
         quarantined = quarantined + ?5 WHERE key_hex = ?1",
    )
    .bind(key.to_string())
    .bind(sighting.last.as_nanos())
    .bind(&sighting.host)
    .bind(&sighting.organization)
    .bind(signed(sighting.quarantined))
    .execute(&mut *tx)
    .await?;
    if updated.rows_affected() > 0 {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO agent (key_hex, id, host, organization, status, wanted, first_seen, \
         last_seen, quarantined) \
         SELECT ?1, ?2, ?3, ?4, 'unknown', 'unknown', ?5, ?5, ?6 \
         WHERE (SELECT count(*) FROM agent WHERE wanted = 'unknown') < ?7",
    )
    .bind(key.to_string())
    .bind(key.agent_id().to_string())
    .bind(&sighting.host)
    .bind(&sighting.organization)
    .bind(sighting.last.as_nanos())
    .bind(signed(sighting.quarantined))
    .bind(unknown_max)
    .execute(tx)
    .await?;
    Ok(())
}
