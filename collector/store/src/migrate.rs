//! Migrations: numbered SQL files, each applied once and recorded with its digest.

use clickhouse::Row;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::{Error, Result, Store};

/// Number of the layout of the table `events`. Part of every insert's token, so that the same range
/// written in another layout is never taken for a repetition.
pub const EVENTS_SCHEMA: u32 = 1;

macro_rules! files {
    ($($name:literal),*) => {
        &[$(($name, include_str!(concat!("../sql/", $name)))),*]
    };
}

/// Every migration in order. Files are only ever added.
const FILES: &[(&str, &str)] = files![
    "0001_events.sql",
    "0002_batches.sql",
    "0003_alerts.sql",
    "0004_heartbeats.sql",
    "0005_quarantine.sql"
];

const JOURNAL: &str = "CREATE TABLE IF NOT EXISTS schema_migrations
(name String, sha256 String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3))
ENGINE = MergeTree ORDER BY name";

#[derive(Row, Deserialize)]
struct Applied {
    name: String,
    sha256: String,
}

impl Store {
    /// Makes the database and its tables, and returns the names of the files applied now.
    ///
    /// May be run by several processes at once: every statement is of the kind `IF NOT EXISTS`, and
    /// a file recorded twice with one digest is the same as once.
    ///
    /// # Errors
    /// [`Error::MigrationChanged`] if a file differs from what was applied,
    /// [`Error::MigrationUnknown`] if a newer build made the tables.
    pub async fn migrate(&self) -> Result<Vec<String>> {
        // The name was checked in `connect`.
        let database = format!("CREATE DATABASE IF NOT EXISTS {}", self.database);
        self.statement("create the database", &database, false).await?;
        self.statement("create schema_migrations", JOURNAL, true).await?;
        let read = self.read("SELECT DISTINCT name, sha256 FROM schema_migrations ORDER BY name");
        let applied: Vec<Applied> = self.rows("read schema_migrations", read).await?;
        check(FILES, &applied)?;
        let mut names = Vec::new();
        for (name, text) in FILES {
            if applied.iter().any(|row| row.name == *name) {
                continue;
            }
            for statement in statements(text) {
                self.statement(&format!("apply migration {name}"), statement, true).await?;
            }
            let record = "INSERT INTO schema_migrations (name, sha256) \
                          SELECT {name:String}, {sha256:String}";
            let query = self
                .read(record)
                .param("name", name)
                .param("sha256", digest(text))
                .with_setting("async_insert", "0");
            self.execute(&format!("record migration {name}"), query).await?;
            names.push((*name).to_owned());
        }
        Ok(names)
    }
}

fn check(files: &[(&str, &str)], applied: &[Applied]) -> Result<()> {
    for row in applied {
        let Some((name, text)) = files.iter().find(|(name, _)| *name == row.name) else {
            return Err(Error::MigrationUnknown(row.name.clone()));
        };
        let carried = digest(text);
        if carried != row.sha256 {
            let applied = row.sha256.clone();
            return Err(Error::MigrationChanged { name: (*name).to_owned(), applied, carried });
        }
    }
    Ok(())
}

fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

/// Returns the statements of a file; each ends with a semicolon at the end of a line.
fn statements(text: &str) -> impl Iterator<Item = &str> {
    text.split(";\n").map(str::trim).filter(|statement| !statement.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_numbered_without_gaps() {
        for (index, (name, text)) in FILES.iter().enumerate() {
            assert!(name.starts_with(&format!("{:04}_", index + 1)), "{name}");
            assert_eq!(statements(text).count(), 1, "{name}");
        }
    }

    #[test]
    fn a_changed_or_unknown_file_is_refused() {
        let files = [("0001_a.sql", "SELECT 1;\n")];
        let row = |name: &str, text| Applied { name: name.into(), sha256: digest(text) };
        check(&files, &[row("0001_a.sql", "SELECT 1;\n")]).unwrap();
        let error = check(&files, &[row("0001_a.sql", "SELECT 2;\n")]).unwrap_err();
        assert!(matches!(error, Error::MigrationChanged { .. }), "{error}");
        let error = check(&files, &[row("0002_b.sql", "")]).unwrap_err();
        assert!(error.to_string().contains("0002_b.sql"), "{error}");
    }
}
