//! Journal: who did what, when and from where, as one hash chain over the whole database.
//!
//! ```text
//! hash(n) = SHA-256( JSON array ["vonglau.journal.v1", n, hash(n-1), incident or null, at (ns),
//!                                who, role, address, action, detail text] )      hash(0) = 64 zeros
//! ```
//!
//! 1. `seq` starts at 1 and has no gaps.
//! 2. Rows are only ever added; an edited, removed or inserted row breaks the chain at that place.
//! 3. Rows cut off the end do not break a chain: whoever must prove that none are missing keeps the
//!    head (`seq`, `hash`) that [`verify_journal`] returned, outside of the database.

use rules_event::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection, SqlitePool};

use crate::error::database;
use crate::incident::{damaged, moment_of};
use crate::{Actor, Result, moment};

/// What stands before the first entry.
const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// Names the canonical form; a new form gets a new name.
const FORM: &str = "vonglau.journal.v1";
/// Entries read at a time while verifying.
const VERIFY_PAGE: i64 = 1000;
/// The most entries returned by one call.
pub const ENTRIES_MAX: u32 = 1000;

/// One entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// Place in the chain, from 1.
    pub seq: i64,
    /// The incident it is about, if any.
    pub incident_id: Option<String>,
    /// When.
    #[serde(with = "moment")]
    pub at: Timestamp,
    /// Account.
    pub who: String,
    /// Role it had.
    pub role: String,
    /// Where it came from.
    pub address: String,
    /// What was done, as a word such as `assigned`.
    pub action: String,
    /// The facts.
    pub detail: Value,
    /// Hash of this entry, hexadecimal.
    pub hash: String,
}

/// What verifying found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// Entries that hold, from the first on.
    pub entries: i64,
    /// Hash of the last entry that holds: the head, if nothing is broken.
    pub head: String,
    /// The first entry that does not hold.
    pub broken: Option<Break>,
}

/// Where a chain is broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Break {
    /// The sequence number that should have held.
    pub seq: i64,
    /// What is wrong with it.
    pub reason: String,
}

/// Appends an entry in the caller's transaction (which must have begun as one that writes).
///
/// # Errors
/// The database.
pub async fn append(
    tx: &mut SqliteConnection,
    incident_id: Option<&str>,
    at: Timestamp,
    actor: &Actor,
    action: &str,
    detail: &Value,
) -> Result<i64> {
    let doing = database("write the journal");
    let last: Option<(i64, String)> =
        sqlx::query_as("SELECT seq, hash FROM journal ORDER BY seq DESC LIMIT 1")
            .fetch_optional(&mut *tx)
            .await
            .map_err(&doing)?;
    let (seq, prev) = last.map_or((1, GENESIS.to_owned()), |(seq, hash)| (seq + 1, hash));
    let row = Link {
        seq,
        incident_id: incident_id.map(str::to_owned),
        at: at.as_nanos(),
        who: actor.name.clone(),
        role: actor.role.as_str().to_owned(),
        address: actor.address.clone(),
        action: action.to_owned(),
        detail: detail.to_string(),
        prev,
    };
    let hash = row.hash();
    sqlx::query(
        "INSERT INTO journal (seq, incident_id, at, who, role, address, action, detail, prev, hash) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(row.seq)
    .bind(row.incident_id)
    .bind(row.at)
    .bind(row.who)
    .bind(row.role)
    .bind(row.address)
    .bind(row.action)
    .bind(row.detail)
    .bind(row.prev)
    .bind(hash)
    .execute(tx)
    .await
    .map_err(&doing)?;
    Ok(seq)
}

/// Returns entries after `after_seq`, oldest first: of one incident, or of everything. At most
/// [`ENTRIES_MAX`].
///
/// # Errors
/// The database.
pub async fn entries(
    db: &SqlitePool,
    incident_id: Option<&str>,
    after_seq: i64,
    limit: u32,
) -> Result<Vec<JournalEntry>> {
    let limit = i64::from(limit.min(ENTRIES_MAX));
    let query = match incident_id {
        Some(id) => sqlx::query(
            "SELECT * FROM journal WHERE incident_id = $3 AND seq > $1 ORDER BY seq LIMIT $2",
        )
        .bind(after_seq)
        .bind(limit)
        .bind(id),
        None => sqlx::query("SELECT * FROM journal WHERE seq > $1 ORDER BY seq LIMIT $2")
            .bind(after_seq)
            .bind(limit),
    };
    let rows = query.fetch_all(db).await.map_err(database("read the journal"))?;
    rows.iter()
        .map(|row| {
            let (hash, row): (String, Link) = (row.get("hash"), Link::of(row));
            let detail = serde_json::from_str(&row.detail)
                .map_err(|_| damaged(format!("journal entry {}", row.seq)))?;
            Ok(JournalEntry {
                seq: row.seq,
                incident_id: row.incident_id,
                at: Timestamp::from_nanos(row.at),
                who: row.who,
                role: row.role,
                address: row.address,
                action: row.action,
                detail,
                hash,
            })
        })
        .collect()
}

/// Walks the whole chain and finds the first entry that does not hold.
///
/// # Errors
/// The database; a broken chain is an answer, not an error.
pub async fn verify_journal(db: &SqlitePool) -> Result<Verification> {
    let mut found = Verification { entries: 0, head: GENESIS.to_owned(), broken: None };
    // One read transaction, so that entries written meanwhile cannot look like a break.
    let mut tx = db.begin().await.map_err(database("read the journal"))?;
    loop {
        let rows = sqlx::query("SELECT * FROM journal WHERE seq > $1 ORDER BY seq LIMIT $2")
            .bind(found.entries)
            .bind(VERIFY_PAGE)
            .fetch_all(&mut *tx)
            .await
            .map_err(database("read the journal"))?;
        if rows.is_empty() {
            return Ok(found);
        }
        for row in &rows {
            let (hash, row): (String, Link) = (row.get("hash"), Link::of(row));
            let seq = found.entries + 1;
            let reason = if row.seq != seq {
                format!("entry {seq} is missing; the next one is {}", row.seq)
            } else if row.prev != found.head {
                format!("entry {seq} does not follow from the entry before it")
            } else if row.hash() != hash {
                format!("entry {seq} was changed after it was written")
            } else {
                found.entries = seq;
                found.head = hash;
                continue;
            };
            found.broken = Some(Break { seq, reason });
            return Ok(found);
        }
    }
}

/// A row as hashed.
struct Link {
    seq: i64,
    incident_id: Option<String>,
    at: i64,
    who: String,
    role: String,
    address: String,
    action: String,
    detail: String,
    prev: String,
}

impl Link {
    fn of(row: &SqliteRow) -> Self {
        Self {
            seq: row.get("seq"),
            incident_id: row.get("incident_id"),
            at: moment_of(row, "at").as_nanos(),
            who: row.get("who"),
            role: row.get("role"),
            address: row.get("address"),
            action: row.get("action"),
            detail: row.get("detail"),
            prev: row.get("prev"),
        }
    }

    fn hash(&self) -> String {
        let canonical = serde_json::json!([
            FORM,
            self.seq,
            self.prev,
            self.incident_id,
            self.at,
            self.who,
            self.role,
            self.address,
            self.action,
            self.detail
        ]);
        hex::encode(Sha256::digest(canonical.to_string().as_bytes()))
    }
}
