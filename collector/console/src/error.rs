//! Error: why the console cannot do what its own code asked.

/// What went wrong inside the console. People see a [`Problem`](crate::Problem) instead.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A statement on the console's tables failed.
    #[error("cannot {doing} in the console's database")]
    Database {
        /// What was being done.
        doing: &'static str,
        /// The database's word.
        #[source]
        source: sqlx::Error,
    },
    /// The console's tables cannot be brought up to date.
    #[error("cannot migrate the console's tables")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// The name is not one we take.
    #[error(
        "user name '{0}' is not 1 to {max} of the characters a-z, 0-9, '.', '-', '_', '@'",
        max = crate::users::NAME_LENGTH_MAX
    )]
    BadName(String),
    /// The password is too short, too long or one everybody tries first.
    #[error("the password {0}")]
    BadPassword(&'static str),
    /// The role is none of ours.
    #[error("role '{0}' is not analyst, lead, auditor or admin")]
    BadRole(String),
    /// There is such a user already.
    #[error("user '{0}' exists already; set a new password instead")]
    UserExists(String),
    /// There is no such user.
    #[error("there is no user '{0}'")]
    UnknownUser(String),
    /// The last administrator would be locked out.
    #[error("'{0}' is the last administrator; make another one first")]
    LastAdmin(String),
    /// Too many passwords are being checked at this moment.
    #[error("too many passwords are being checked at once; try again in a moment")]
    Busy,
    /// A password cannot be hashed.
    #[error("cannot hash a password: {0}")]
    Hash(String),
}

/// Shorthand for this crate's results.
pub type Result<T> = std::result::Result<T, Error>;

/// Returns a closure that wraps a database error with what was being done.
pub(crate) fn database(doing: &'static str) -> impl FnOnce(sqlx::Error) -> Error {
    move |source| Error::Database { doing, source }
}
