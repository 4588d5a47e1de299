//! The SQLite file that ingest, incidents, forwarding and console share.

use std::borrow::Cow;
use std::fs::OpenOptions;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Sqlite, Transaction};

use crate::{Error, Result};

/// Connections of one process. SQLite has one writer at a time; the rest are readers, and more of
/// them than this would wait for the disk, not for a connection.
pub const CONNECTIONS_MAX: u32 = 8;

/// How long a statement waits for another writer before it fails.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Opens the database, making the file if it is absent.
///
/// Write-ahead log with `synchronous = FULL`, so that a committed transaction survives a power cut;
/// foreign keys are on; the file is readable by its owner only.
///
/// # Errors
/// [`Error::DatabaseFile`] or [`Error::Database`], both naming the file.
pub async fn open(path: &Path) -> Result<SqlitePool> {
    prepare(path).map_err(|source| Error::DatabaseFile { path: path.to_owned(), source })?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT);
    SqlitePoolOptions::new()
        .max_connections(CONNECTIONS_MAX)
        .acquire_timeout(BUSY_TIMEOUT * 2)
        .connect_with(options)
        .await
        .map_err(|source| Error::Database { path: path.to_owned(), source })
}

/// Makes the file with its mode before SQLite does, so that it is never readable by others, not
/// even for a moment; SQLite gives its `-wal` and `-shm` files the mode of the database.
fn prepare(path: &Path) -> std::io::Result<()> {
    let file =
        OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
    file.set_permissions(std::fs::Permissions::from_mode(0o600))
}

/// Brings one crate's tables up to date from its numbered migrations (version, name, SQL), oldest
/// first; a shipped one is never edited. Each crate has a range of versions of its own in the one
/// file, and those of other crates are left alone.
///
/// # Errors
/// If a migration fails, or one that was applied has changed since.
pub async fn migrate(
    db: &SqlitePool,
    migrations: &[(i64, &'static str, &'static str)],
) -> std::result::Result<(), MigrateError> {
    let migrations = migrations.iter().map(|&(version, name, sql)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into(), false)
    });
    let mut migrator =
        Migrator { migrations: Cow::Owned(migrations.collect()), ..Migrator::DEFAULT };
    migrator.set_ignore_missing(true);
    migrator.run(db).await
}

/// Begins a transaction that will write.
///
/// `BEGIN IMMEDIATE` takes the write lock at once and waits for it up to [`BUSY_TIMEOUT`]; a plain
/// `BEGIN` would fail without waiting if another writer committed between its first read and its
/// first write.
///
/// # Errors
/// If the lock or a connection cannot be had in time.
pub async fn begin(
    pool: &SqlitePool,
) -> std::result::Result<Transaction<'static, Sqlite>, sqlx::Error> {
    pool.begin_with("BEGIN IMMEDIATE").await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn opens_with_the_promised_settings() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("v.db");
        let pool = open(&path).await.unwrap();
        let mut tx = begin(&pool).await.unwrap();
        sqlx::query("CREATE TABLE t (a INTEGER)").execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
        for (pragma, want) in [("journal_mode", "wal"), ("synchronous", "2"), ("foreign_keys", "1")]
        {
            let sql = format!("SELECT CAST({pragma} AS TEXT) FROM pragma_{pragma}");
            let got: String = sqlx::query_scalar(&sql).fetch_one(&pool).await.unwrap();
            assert_eq!(got, want, "{pragma}");
        }
        for name in ["v.db", "v.db-wal"] {
            let mode = std::fs::metadata(dir.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        pool.close().await;
        open(&path).await.unwrap();
    }

    #[tokio::test]
    async fn an_error_names_the_file() {
        let error = open(Path::new("/nonexistent/v.db")).await.unwrap_err();
        assert!(error.to_string().contains("/nonexistent/v.db"), "{error}");
    }
}
