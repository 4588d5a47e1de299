//! Error: what can go wrong with incidents, and what to do about it.

use crate::{Role, Status};

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something was not done. Nothing has changed after an error.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such incident.
    #[error("find incident {id}: there is none with this id or number")]
    NotFound {
        /// What was asked for.
        id: String,
    },
    /// Somebody else changed the incident in between.
    #[error(
        "change incident {id}: it is at revision {actual}, not {expected}; reload it and look at \
         what changed"
    )]
    Stale {
        /// The incident.
        id: String,
        /// The revision the caller had read.
        expected: i64,
        /// The revision it has now.
        actual: i64,
    },
    /// The table of moves does not allow it.
    #[error("move incident from {from} to {to}: from {from} it can go to {}", words(from.next()))]
    IllegalMove {
        /// Where it is.
        from: Status,
        /// Where it was to go.
        to: Status,
    },
    /// Closing needs a reason.
    #[error("close incident: say why (true_positive, false_positive, benign or duplicate)")]
    ReasonMissing,
    /// Closing needs a note.
    #[error("close incident: write a note that says what was found")]
    NoteMissing,
    /// The actor's role does not allow it.
    #[error("act as {name}: the role {role} may not do this; it takes {needs}")]
    Forbidden {
        /// Account.
        name: String,
        /// Its role.
        role: Role,
        /// The least role that may.
        needs: &'static str,
    },
    /// A value breaks a bound.
    #[error("take {field}: {problem}")]
    Invalid {
        /// Which value.
        field: &'static str,
        /// What is wrong, and the remedy.
        problem: String,
    },
    /// A policy file is wrong.
    #[error("read policy {name}")]
    Policy {
        /// File or name given.
        name: String,
        /// Line, column and reason.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A policy says something that cannot be.
    #[error("read policy {name}: {problem}")]
    PolicyInvalid {
        /// File or name given.
        name: String,
        /// What is wrong, and the remedy.
        problem: String,
    },
    /// The database could not do it.
    #[error("{doing} in the database")]
    Database {
        /// The operation.
        doing: &'static str,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// The tables could not be created or brought up to date.
    #[error("migrate the incident tables")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// A stored row does not read back; the database was edited by hand or is damaged.
    #[error("read {what}: the stored row is damaged; restore the database from its backup")]
    Damaged {
        /// Table and row.
        what: String,
    },
}

impl Error {
    /// Whether the same call may succeed later without anybody doing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Database { source, .. } => matches!(
                source,
                sqlx::Error::PoolTimedOut | sqlx::Error::Io(_) | sqlx::Error::Database(_)
            ),
            _ => false,
        }
    }
}

/// Turns an SQL error into ours, naming the operation.
pub(crate) fn database(doing: &'static str) -> impl Fn(sqlx::Error) -> Error {
    move |source| Error::Database { doing, source }
}

fn words(next: &[Status]) -> String {
    next.iter().map(|status| status.as_str()).collect::<Vec<_>>().join(", ")
}
