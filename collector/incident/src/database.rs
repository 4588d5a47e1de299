//! Database: tables, versions 2001 and up in the shared SQLite file.

use sqlx::SqlitePool;

use crate::{Error, Result};

/// Our migrations, oldest first. A shipped one is never edited.
const MIGRATIONS: [(i64, &str, &str); 4] = [
    (2001, "incident", include_str!("../migrations/2001_incident.sql")),
    (2002, "never_forward", include_str!("../migrations/2002_never_forward.sql")),
    (2003, "system", include_str!("../migrations/2003_system.sql")),
    (2004, "kept", include_str!("../migrations/2004_kept.sql")),
];

/// Creates the tables or brings them up to date. Migrations of other crates in the same database
/// (other ranges of versions) are left alone.
///
/// # Errors
/// [`Error::Migrate`].
pub async fn migrate(db: &SqlitePool) -> Result<()> {
    collector_store::database::migrate(db, &MIGRATIONS).await.map_err(Error::Migrate)
}

/// Starts a transaction that may write (see the crate's note on `BEGIN IMMEDIATE`).
pub(crate) async fn begin(db: &SqlitePool) -> Result<sqlx::Transaction<'static, sqlx::Sqlite>> {
    db.begin_with("BEGIN IMMEDIATE").await.map_err(crate::error::database("begin"))
}
