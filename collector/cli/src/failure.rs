//! Failure: why something was not done, in one sentence with the remedy.

use std::path::PathBuf;

use rules_service::exit::Exit;

/// The result of this program's functions.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("no server is known; run 'vonglau login --server URL' or set VONGLAU_SERVER")]
    NoServer,
    #[error("'{0}' is not a server's address; write it like https://soc.tinh.gov.vn")]
    BadServer(String),
    #[error("not logged in at {0}; run 'vonglau login --server {0}'")]
    NotLoggedIn(String),
    #[error("no answer from {server}; see that the address is right and the collector runs")]
    Down {
        server: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("{server} answered {status}, but not as a Vọng Lâu collector; see the address")]
    NotOurs { server: String, status: u16 },
    /// What the collector said no to.
    #[error("{detail} (request {request_id})")]
    Refused { status: u16, detail: String, request_id: String },
    #[error("wrong user name or password, or the account is disabled")]
    WrongPassword,
    #[error("the login has expired; run 'vonglau login --server {0}'")]
    Expired(String),
    #[error("{0}")]
    Throttled(String),
    #[error("{0}")]
    Forbidden(String),
    #[error("{0}")]
    Misuse(String),
    #[error("cannot {doing} {}", path.display())]
    File {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the credentials file {} is not valid; run 'vonglau login' again", .0.display())]
    BadCredentials(PathBuf),
    #[error("there is no home directory to keep credentials in; set HOME or VONGLAU_TOKEN")]
    NoHome,
    #[error("the certificate file {} holds no PEM certificate", .0.display())]
    BadCertificate(PathBuf),
    #[error("cannot make an HTTP client")]
    Client(#[source] reqwest::Error),
    #[error("cannot write the output")]
    Output(#[source] std::io::Error),
}

impl Failure {
    /// Returns what the caller is told by the exit code.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::NoServer
            | Self::BadServer(_)
            | Self::File { .. }
            | Self::BadCredentials(_)
            | Self::NoHome
            | Self::BadCertificate(_)
            | Self::Client(_) => Exit::Config,
            Self::Refused { status: 500.., .. }
            | Self::NotLoggedIn(_)
            | Self::Down { .. }
            | Self::NotOurs { .. }
            | Self::WrongPassword
            | Self::Expired(_)
            | Self::Throttled(_)
            | Self::Forbidden(_) => Exit::Unavailable,
            Self::Refused { .. } => Exit::Problems,
            Self::Misuse(_) => Exit::Misuse,
            // `vonglau … | head` closes the pipe, and is content.
            Self::Output(source) if source.kind() == std::io::ErrorKind::BrokenPipe => Exit::Done,
            Self::Output(_) => Exit::Problems,
        }
    }
}
