//! Why ingestion cannot go on.

use std::path::PathBuf;

/// Any error of an observer or an event store.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why ingestion cannot go on, or an agent cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// SQLite refused.
    #[error("{doing} in the database")]
    Database {
        /// The operation.
        doing: &'static str,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// The tables cannot be made.
    #[error("make the tables of ingestion")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// A row of the database does not hold what it should: it was changed by hand or by a newer
    /// build.
    #[error("read {what} from the database: '{value}' is not understood")]
    BadState {
        /// Which.
        what: &'static str,
        /// What is there.
        value: String,
    },
    /// The Kafka client cannot be made of this configuration.
    #[error("configure Kafka for {bootstrap}")]
    KafkaConfig {
        /// The bootstrap servers.
        bootstrap: String,
        /// The client's word.
        #[source]
        source: BoxError,
    },
    /// The spool cannot be read at all.
    #[error("read the spool {}", dir.display())]
    Spool {
        /// The folder.
        dir: PathBuf,
        /// Why.
        #[source]
        source: BoxError,
    },
    /// No such agent.
    #[error("find an agent with key {0}")]
    NoSuchAgent(String),
    /// The event store failed; ingestion itself retries, so only others see this.
    #[error("{doing}")]
    Store {
        /// The operation.
        doing: &'static str,
        /// Why.
        #[source]
        source: BoxError,
    },
    /// The observer failed.
    #[error("hand the range to its observer")]
    Observer(#[source] BoxError),
    /// The stop token was cancelled.
    #[error("stop as asked")]
    Stopped,
    /// A test killed it here.
    #[cfg(test)]
    #[error("die at {0}")]
    Killed(String),
}

/// Shorthand for this crate's results.
pub type Result<T> = std::result::Result<T, Error>;

pub(crate) fn database(doing: &'static str) -> impl Fn(sqlx::Error) -> Error {
    move |source| Error::Database { doing, source }
}
