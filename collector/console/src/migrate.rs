//! Migrate: the console's tables, versions 4001 and up in the shared SQLite file.

use sqlx::SqlitePool;

use crate::{Error, error::Result};

/// Our migrations, oldest first. A shipped one is never edited.
const MIGRATIONS: [(i64, &str, &str); 1] =
    [(4001, "console", include_str!("../migrations/4001_console.sql"))];

/// Creates the tables or brings them up to date. Other crates' migrations in the same database
/// (other ranges of versions) are left alone.
///
/// # Errors
/// [`Error::Migrate`].
pub async fn migrate(db: &SqlitePool) -> Result<()> {
    collector_store::database::migrate(db, &MIGRATIONS).await.map_err(Error::Migrate)
}
