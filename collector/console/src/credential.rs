//! Credentials: bearer tokens and browser sessions. The database knows only their SHA-256.

use std::time::Duration;

use rand::RngCore;
use rules_event::Timestamp;
use sha2::{Digest, Sha256};
use sqlx::SqlitePool;

use crate::error::{Result, database};
use crate::users::{self, User};

/// Live credentials of one user; one more ends the oldest.
const PER_USER_MAX: i64 = 20;
/// Bytes of randomness in a secret.
const SECRET_BYTES: usize = 32;
/// What a bearer token starts with, so that a scanner of leaked secrets can find it.
const TOKEN_PREFIX: &str = "vlt_";

/// How a person entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A bearer token, for programs.
    Token,
    /// A cookie, for browsers.
    Session,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Session => "session",
        }
    }
}

/// Makes a credential that lives for `lifetime`, and returns its secret.
pub(crate) async fn issue(
    db: &SqlitePool,
    kind: Kind,
    user: &str,
    address: &str,
    lifetime: Duration,
    now: Timestamp,
) -> Result<String> {
    let mut bytes = [0; SECRET_BYTES];
    rand::rngs::OsRng.fill_bytes(&mut bytes);
    let secret = match kind {
        Kind::Token => format!("{TOKEN_PREFIX}{}", hex::encode(bytes)),
        Kind::Session => hex::encode(bytes),
    };
    let mut tx = db.begin().await.map_err(database("begin a login"))?;
    sqlx::query("DELETE FROM console_credential WHERE expires_at <= $1")
        .bind(now.as_millis())
        .execute(&mut *tx)
        .await
        .map_err(database("remove expired sessions"))?;
    sqlx::query(
        "INSERT INTO console_credential (hash, kind, user_name, address, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(fingerprint(&secret))
    .bind(kind.as_str())
    .bind(user)
    .bind(address)
    .bind(now.as_millis())
    .bind(now.saturating_add(lifetime).as_millis())
    .execute(&mut *tx)
    .await
    .map_err(database("add a session"))?;
    sqlx::query(
        "DELETE FROM console_credential WHERE user_name = $1 AND hash NOT IN
             (SELECT hash FROM console_credential WHERE user_name = $1
              ORDER BY created_at DESC, hash LIMIT $2)",
    )
    .bind(user)
    .bind(PER_USER_MAX)
    .execute(&mut *tx)
    .await
    .map_err(database("bound a user's sessions"))?;
    tx.commit().await.map_err(database("commit a login"))?;
    Ok(secret)
}

/// Returns the user a live credential belongs to; nobody if it is unknown, expired, of the other
/// kind, or its user is shut out.
pub(crate) async fn holder(
    db: &SqlitePool,
    kind: Kind,
    secret: &str,
    now: Timestamp,
) -> Result<Option<User>> {
    let row = sqlx::query(
        "SELECT u.name, u.display_name, u.role, u.disabled, u.created_at
         FROM console_credential c JOIN console_user u ON u.name = c.user_name
         WHERE c.hash = $1 AND c.kind = $2 AND c.expires_at > $3 AND u.disabled = 0",
    )
    .bind(fingerprint(secret))
    .bind(kind.as_str())
    .bind(now.as_millis())
    .fetch_optional(db)
    .await
    .map_err(database("look up a session"))?;
    row.map(|row| users::read(&row).map_err(database("read a user"))).transpose()
}

/// Ends a credential.
pub(crate) async fn revoke(db: &SqlitePool, secret: &str) -> Result<()> {
    sqlx::query("DELETE FROM console_credential WHERE hash = $1")
        .bind(fingerprint(secret))
        .execute(db)
        .await
        .map(drop)
        .map_err(database("end a session"))
}

/// Returns the token that a form must carry: derived from the session's secret, so that it needs no
/// column of its own and dies with the session.
pub(crate) fn form_token(secret: &str) -> String {
    hex::encode(Sha256::new().chain_update(b"vonglau form\0").chain_update(secret).finalize())
}

/// Compares secrets without telling by time where they differ: both are hashed first.
pub(crate) fn same(left: &str, right: &str) -> bool {
    Sha256::digest(left) == Sha256::digest(right)
}

fn fingerprint(secret: &str) -> String {
    hex::encode(Sha256::digest(secret))
}
