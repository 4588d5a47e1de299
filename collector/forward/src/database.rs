//! Database: tables, versions 3001 and up in the shared SQLite file.

use sqlx::{Sqlite, SqlitePool, Transaction};

use crate::error::database;
use crate::{Error, Result};

/// Our migrations, oldest first. A shipped one is never edited.
const MIGRATIONS: [(i64, &str, &str); 1] =
    [(3001, "forward", include_str!("../migrations/3001_forward.sql"))];

/// Creates the tables or brings them up to date; `collector_incident::migrate` comes first.
///
/// # Errors
/// [`Error::Migrate`].
pub async fn migrate(db: &SqlitePool) -> Result<()> {
    collector_store::database::migrate(db, &MIGRATIONS).await.map_err(Error::Migrate)
}

/// Starts a transaction that may write.
pub(crate) async fn begin(db: &SqlitePool) -> Result<Transaction<'static, Sqlite>> {
    db.begin_with("BEGIN IMMEDIATE").await.map_err(database("begin"))
}
