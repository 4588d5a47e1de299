//! Audit: who read personal data and who changed what, in rows chained by hash.

use rules_event::Timestamp;
use sha2::{Digest, Sha256};
use sqlx::{Row, SqlitePool};

use crate::error::{Result, database};

/// What `prev` of the first row holds.
const START: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// The longest target or detail kept, in characters.
const TEXT_LENGTH_MAX: usize = 1000;
/// Rows read at a time while the chain is checked.
const PAGE_ROWS: i64 = 1000;

/// One row: who, when, what, from where.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Entry {
    /// Number of the row, from 1, without gaps.
    pub seq: i64,
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// The user's name; `-` before a login.
    pub user: String,
    /// The role the user had.
    pub role: String,
    /// The address the request came from.
    pub address: String,
    /// What was done, such as `POST /api/v1/incidents/{id}/assign` or `login`.
    pub action: String,
    /// What it was done to: the request's path.
    pub target: String,
    /// The query, or how it ended.
    pub detail: String,
    /// The request id, as given in the answer and in the log.
    pub request_id: String,
}

/// What is known when a row is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Act<'a> {
    pub user: &'a str,
    pub role: &'a str,
    pub address: &'a str,
    pub action: &'a str,
    pub target: &'a str,
    pub detail: &'a str,
    pub request_id: &'a str,
}

/// Adds a row. It is durable when this returns.
pub(crate) async fn write(db: &SqlitePool, act: Act<'_>, now: Timestamp) -> Result<()> {
    let target: String = act.target.chars().take(TEXT_LENGTH_MAX).collect();
    let detail: String = act.detail.chars().take(TEXT_LENGTH_MAX).collect();
    // IMMEDIATE: two writers must not read the same last row.
    let mut tx =
        db.begin_with("BEGIN IMMEDIATE").await.map_err(database("begin an audit entry"))?;
    let last = sqlx::query("SELECT seq, hash FROM console_audit ORDER BY seq DESC LIMIT 1")
        .fetch_optional(&mut *tx)
        .await
        .and_then(|row| match row {
            Some(row) => Ok((row.try_get::<i64, _>("seq")?, row.try_get::<String, _>("hash")?)),
            None => Ok((0, START.to_owned())),
        })
        .map_err(database("read the last audit entry"))?;
    let (seq, prev) = (last.0 + 1, last.1);
    let at = now.as_millis();
    let facts = [act.user, act.role, act.address, act.action, &target, &detail, act.request_id];
    let hash = link(&prev, seq, at, facts);
    sqlx::query(
        "INSERT INTO console_audit (seq, at, user_name, role, address, action, target, detail,
                                    request_id, prev, hash)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(seq)
    .bind(at)
    .bind(act.user)
    .bind(act.role)
    .bind(act.address)
    .bind(act.action)
    .bind(&target)
    .bind(&detail)
    .bind(act.request_id)
    .bind(&prev)
    .bind(hash)
    .execute(&mut *tx)
    .await
    .map_err(database("add an audit entry"))?;
    tx.commit().await.map_err(database("commit an audit entry"))
}

/// Returns up to `limit` rows older than row `before`, newest first.
///
/// # Errors
/// [`crate::Error::Database`].
pub async fn list(db: &SqlitePool, before: Option<i64>, limit: u32) -> Result<Vec<Entry>> {
    let rows = sqlx::query(
        "SELECT seq, at, user_name, role, address, action, target, detail, request_id
         FROM console_audit WHERE seq < $1 ORDER BY seq DESC LIMIT $2",
    )
    .bind(before.unwrap_or(i64::MAX))
    .bind(i64::from(limit))
    .fetch_all(db)
    .await
    .map_err(database("list the audit entries"))?;
    rows.iter().map(|row| read(row).map_err(database("read an audit entry"))).collect()
}

/// Walks the whole chain and returns the number of the first row that does not fit, if any.
/// Rows cut off at the end do not show here: compare the last hash with one noted elsewhere.
///
/// # Errors
/// [`crate::Error::Database`].
pub async fn first_broken(db: &SqlitePool) -> Result<Option<i64>> {
    let (mut seq, mut prev) = (0, START.to_owned());
    loop {
        let rows = sqlx::query(
            "SELECT seq, at, user_name, role, address, action, target, detail, request_id, prev,
                    hash
             FROM console_audit WHERE seq > $1 ORDER BY seq LIMIT $2",
        )
        .bind(seq)
        .bind(PAGE_ROWS)
        .fetch_all(db)
        .await
        .map_err(database("walk the audit entries"))?;
        if rows.is_empty() {
            return Ok(None);
        }
        for row in &rows {
            let (number, hash, fits) =
                check(row, seq, &prev).map_err(database("read an audit entry"))?;
            if !fits {
                return Ok(Some(number));
            }
            (seq, prev) = (number, hash);
        }
    }
}

fn check(
    row: &sqlx::sqlite::SqliteRow,
    seq: i64,
    prev: &str,
) -> std::result::Result<(i64, String, bool), sqlx::Error> {
    let entry = read(row)?;
    let (at, hash): (i64, String) = (row.try_get("at")?, row.try_get("hash")?);
    let facts = [
        entry.user.as_str(),
        &entry.role,
        &entry.address,
        &entry.action,
        &entry.target,
        &entry.detail,
        &entry.request_id,
    ];
    let fits = entry.seq == seq + 1
        && row.try_get::<String, _>("prev")? == prev
        && hash == link(prev, entry.seq, at, facts);
    Ok((entry.seq, hash, fits))
}

fn read(row: &sqlx::sqlite::SqliteRow) -> std::result::Result<Entry, sqlx::Error> {
    Ok(Entry {
        seq: row.try_get("seq")?,
        at: Timestamp::from_millis(row.try_get("at")?).to_string(),
        user: row.try_get("user_name")?,
        role: row.try_get("role")?,
        address: row.try_get("address")?,
        action: row.try_get("action")?,
        target: row.try_get("target")?,
        detail: row.try_get("detail")?,
        request_id: row.try_get("request_id")?,
    })
}

/// SHA-256 over the hash before and every column, each behind its length so that no two rows read
/// alike.
fn link(prev: &str, seq: i64, at: i64, facts: [&str; 7]) -> String {
    let mut hash = Sha256::new();
    hash.update(prev);
    hash.update(seq.to_be_bytes());
    hash.update(at.to_be_bytes());
    for fact in facts {
        hash.update(u64::try_from(fact.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(fact);
    }
    hex::encode(hash.finalize())
}
