//! Error: what can go wrong with reports, and what to do about it.

use collector_incident::Role;

use crate::ReportState;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something was not done. Nothing has changed after an error.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such report.
    #[error("find report {id}: there is none with this id")]
    NotFound {
        /// What was asked for.
        id: String,
    },
    /// Somebody else changed the report in between.
    #[error("change report {id}: it is at revision {actual}, not {expected}; read it again first")]
    Stale {
        /// The report.
        id: String,
        /// The revision the caller had read.
        expected: i64,
        /// The revision it has now.
        actual: i64,
    },
    /// The report is not where this can be done.
    #[error("{doing} report: it is {state}; this is possible only when it is {needs}")]
    WrongState {
        /// The operation.
        doing: &'static str,
        /// Where the report is.
        state: ReportState,
        /// Where it must be.
        needs: &'static str,
    },
    /// The actor's role does not allow it.
    #[error("act as {name}: the role {role} may not do this; it takes {needs}")]
    Forbidden {
        /// Account.
        name: String,
        /// Its role.
        role: Role,
        /// The roles that may.
        needs: &'static str,
    },
    /// Whoever wrote a report cannot approve it.
    #[error("approve report: {name} wrote or edited it; another lead or admin has to approve it")]
    OwnReport {
        /// Account.
        name: String,
    },
    /// The incident is a drill.
    #[error("forward incident {number}: it is a drill, and drills never leave")]
    Drill {
        /// The incident.
        number: String,
    },
    /// A rule says that nothing of its alerts may leave.
    #[error(
        "forward incident {number}: the rule '{title}' ({rule}) says 'forward: never', so nothing of \
         this incident may leave the province; tell the head of the SOC and the officer for state \
         secrets, report by the way meant for such documents, and note the number of that letter / \
         không chuyển tiếp sự cố {number}: quy tắc '{title_vi}' quy định 'forward: never', không nội \
         dung nào của sự cố được rời khỏi tỉnh; báo lãnh đạo SOC và cán bộ bảo vệ bí mật nhà nước, \
         báo cáo qua kênh dành cho tài liệu mật và ghi lại số văn bản"
    )]
    Kept {
        /// The incident.
        number: String,
        /// Id of the rule.
        rule: String,
        /// Its title in English.
        title: String,
        /// Its title in Vietnamese.
        title_vi: String,
    },
    /// A text carries the mark of a state secret.
    #[error(
        "forward incident {number}: {place} carries the state-secret mark '{mark}'; it must not \
         leave over this channel, tell the owner of the document"
    )]
    StateSecret {
        /// The incident.
        number: String,
        /// Where it was found.
        place: String,
        /// What was found.
        mark: String,
    },
    /// A value breaks a bound.
    #[error("take {field}: {problem}")]
    Invalid {
        /// Which value.
        field: &'static str,
        /// What is wrong, and the remedy.
        problem: String,
    },
    /// The configuration cannot be used.
    #[error("configure forwarding: {key}: {problem}")]
    Config {
        /// The key.
        key: &'static str,
        /// What is wrong, and the remedy.
        problem: String,
    },
    /// A file named by the configuration cannot be read.
    #[error("configure forwarding: {key}: cannot read {path}")]
    ConfigFile {
        /// The key.
        key: &'static str,
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The HTTP client cannot be built.
    #[error("build the TAXII client")]
    Client(#[source] reqwest::Error),
    /// A metric could not be registered.
    #[error("register the metrics of forwarding")]
    Metrics(#[source] prometheus::Error),
    /// Something about incidents.
    #[error("work with the incident")]
    Incident(#[from] collector_incident::Error),
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
    #[error("migrate the report tables")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// A stored row does not read back.
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
            Self::Incident(inner) => inner.is_transient(),
            _ => false,
        }
    }
}

/// Turns an SQL error into ours, naming the operation.
pub(crate) fn database(doing: &'static str) -> impl Fn(sqlx::Error) -> Error {
    move |source| Error::Database { doing, source }
}

pub(crate) fn damaged(what: String) -> Error {
    Error::Damaged { what }
}
