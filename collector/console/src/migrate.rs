//! Migrate: the console's tables, versions 4001 and up in the shared SQLite file.

use std::borrow::Cow;

use sqlx::SqlitePool;
use sqlx::migrate::{Migration, MigrationType, Migrator};

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
    let migrations = MIGRATIONS.iter().map(|&(version, name, sql)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into(), false)
    });
    let mut migrator =
        Migrator { migrations: Cow::Owned(migrations.collect()), ..Migrator::DEFAULT };
    migrator.set_ignore_missing(true);
    migrator.run(db).await.map_err(Error::Migrate)
}
