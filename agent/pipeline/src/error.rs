//! Error: why a pipeline could not be made.

/// Why a pipeline could not be made. Decoding never fails: what is not understood stays text.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The time zone is not known here.
    #[error(
        "time zone '{name}' is not known; give an IANA name such as Asia/Ho_Chi_Minh (with the \
         package tzdata installed) or an offset such as +07:00"
    )]
    Timezone {
        /// The name given.
        name: String,
        /// What jiff said.
        #[source]
        source: jiff::Error,
    },
    /// A setting of the redaction cannot be taken.
    #[error("{key}: {problem}")]
    Redaction {
        /// The key, such as `redaction.patterns.ho_so`.
        key: String,
        /// What is wrong with it, and what to give.
        problem: String,
    },
}

impl Error {
    /// Returns the key of the setting that is wrong.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Timezone { .. } => "host.timezone",
            Self::Redaction { key, .. } => key,
        }
    }
}
