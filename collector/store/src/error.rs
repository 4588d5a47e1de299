//! Why a store could not do what it was asked.

use std::path::PathBuf;

/// Why a store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A name in the configuration cannot be used.
    #[error("use '{value}' as {what}: it must be 1 to 64 letters, digits or underscores")]
    BadName {
        /// What it names.
        what: &'static str,
        /// What was given.
        value: String,
    },
    /// ClickHouse did not do it. The source says whether it was reached at all.
    #[error("{doing} in ClickHouse at {url}")]
    ClickHouse {
        /// The operation, such as `insert into events`.
        doing: String,
        /// Where.
        url: String,
        /// The client's word.
        #[source]
        source: Box<clickhouse::error::Error>,
    },
    /// ClickHouse took longer than the bound.
    #[error("{doing} in ClickHouse at {url}: no answer within {seconds} s")]
    Slow {
        /// The operation.
        doing: String,
        /// Where.
        url: String,
        /// The bound.
        seconds: u64,
    },
    /// A migration was applied in another form than the one this build carries.
    #[error(
        "apply migration {name}: it was applied with SHA-256 {applied}, this build carries {carried}; \
         run the build that made the tables, or add a new migration instead of changing this one"
    )]
    MigrationChanged {
        /// File name.
        name: String,
        /// Digest recorded in the table.
        applied: String,
        /// Digest of the embedded file.
        carried: String,
    },
    /// The tables were made by a newer build.
    #[error(
        "use tables made by migration {0}, which this build does not know; install the newer build"
    )]
    MigrationUnknown(String),
    /// More rows than one insert may carry.
    #[error("insert {rows} rows at once; the bound is {bound}")]
    TooManyRows {
        /// Rows given.
        rows: usize,
        /// The bound.
        bound: usize,
    },
    /// A query asks for something it must not, or in a form that cannot be answered.
    #[error("search: {0}")]
    BadQuery(String),
    /// A row does not hold what its column promises.
    #[error("read {what} from ClickHouse: {reason}")]
    BadRow {
        /// Which.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The SQLite file cannot be made or its mode not be set.
    #[error("prepare database file {}", path.display())]
    DatabaseFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// SQLite refused.
    #[error("open database {}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
}

/// Shorthand for this crate's results.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Returns whether trying the same again may succeed without anybody doing something: the
    /// server is away, busy or slow. Callers that must not lose data retry in any case.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Slow { .. } => true,
            Self::ClickHouse { source, .. } => matches!(
                source.as_ref(),
                clickhouse::error::Error::Network(_) | clickhouse::error::Error::TimedOut
            ),
            _ => false,
        }
    }
}
