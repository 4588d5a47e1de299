//! Error: why the agent cannot start or go on, each with an exit code.

use std::io;
use std::path::PathBuf;

use rules_service::exit::Exit;

/// Shorthand for this crate's results.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// Why the agent cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The configuration file cannot be taken.
    #[error(transparent)]
    Config(#[from] rules_service::config::ConfigError),
    /// A number is out of its bounds.
    #[error("{name} = {value} is out of bounds; give {min} to {max}")]
    Bounds { name: &'static str, value: u64, min: u64, max: u64 },
    /// A path is not absolute.
    #[error("{name}: '{}' is not an absolute path; begin it with '/'", path.display())]
    Relative { name: &'static str, path: PathBuf },
    /// A value is wrong, and it is known where it was set.
    #[error("{place}")]
    At {
        place: String,
        #[source]
        source: Box<Self>,
    },
    /// Memory stays over its bound although inputs wait.
    #[error(
        "the agent holds {bytes} bytes of memory, more than limits.memory_bytes_max = {bound} \
         although inputs wait; it ends to be started anew and goes on where it was. If this comes \
         again, raise the bound, follow fewer files, or report it"
    )]
    Memory { bytes: u64, bound: u64 },
    /// The `[kafka]` section holds what it must not.
    #[error("the [kafka] section is not usable")]
    Kafka(#[from] agent_shipper::Error),
    /// The time zone is not known.
    #[error("host.timezone is not usable")]
    Zone(#[from] agent_pipeline::Error),
    /// The `[redaction]` section holds what it must not.
    #[error("the [redaction] section is not usable")]
    Redaction(#[source] agent_pipeline::Error),
    /// An id of an information system is none.
    #[error("host.system: '{text}' is not understood; {}", agent_inputs::SYSTEM_REMEDY)]
    SystemId { text: String },
    /// The inputs refuse their configuration.
    #[error("the [input] section is not usable")]
    Inputs(#[from] agent_inputs::Error),
    /// A rule folder cannot be read.
    #[error("the rules cannot be loaded")]
    Rules(#[from] rules_pack::Error),
    /// A rule set has errors.
    #[error("the rule set is refused: {mistakes}")]
    RulesRefused { mistakes: String },
    /// The spool cannot be opened or refuses to go on.
    #[error("the spool is not usable")]
    Spool(#[from] agent_spool::Error),
    /// There is no spool where one was asked for.
    #[error(
        "there is no spool in {} (no file 'epoch'): name the agent's own with --config, or a copy of its \
         whole folder with --spool", dir.display()
    )]
    NoSpool { dir: PathBuf },
    /// A file does not hold the headers of a batch.
    #[error("{} does not hold the headers of a batch, one vl.NAME=VALUE a line", path.display())]
    Headers {
        path: PathBuf,
        #[source]
        source: agent_wire::Error,
    },
    /// The key file does not hold a key.
    #[error(
        "key file {} does not hold 64 hexadecimal digits; restore it from a backup, or move it away \
         to begin with a new identity (which must be trusted anew)", path.display()
    )]
    Key { path: PathBuf },
    /// The checkpoint in the spool cannot be understood.
    #[error(
        "the checkpoint in spool {} cannot be understood ({reason}); start the version of the agent \
         that wrote it, or move the folder away to begin anew (batches in it are then not sent, and \
         logs are read again from where input.files.start says)", dir.display()
    )]
    Checkpoint { dir: PathBuf, reason: String },
    /// The metrics address cannot be bound.
    #[error("cannot listen on metrics.listen = {address}; is another agent running?")]
    Listen {
        address: std::net::SocketAddr,
        #[source]
        source: io::Error,
    },
    /// A batch could not be sealed.
    #[error("cannot seal a batch")]
    Seal(#[from] agent_wire::Error),
    /// A file operation.
    #[error("cannot {doing} {}", path.display())]
    File {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The operating system refuses something basic.
    #[error("cannot {doing}")]
    System {
        doing: &'static str,
        #[source]
        source: io::Error,
    },
    /// A thread panicked.
    #[error("the {0} thread ended in a panic; this is a bug, please report it")]
    Panic(&'static str),
}

impl Error {
    /// Says where the value was set.
    pub(crate) fn at(self, place: String) -> Self {
        Self::At { place, source: Box::new(self) }
    }

    /// Returns the exit code of a program that ends for this reason.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Config(_)
            | Self::Bounds { .. }
            | Self::Relative { .. }
            | Self::Kafka(_)
            | Self::Zone(_)
            | Self::Redaction(_)
            | Self::SystemId { .. }
            | Self::Inputs(_)
            | Self::Rules(_)
            | Self::RulesRefused { .. }
            | Self::Key { .. } => Exit::Config,
            Self::At { source, .. } => source.exit(),
            Self::Spool(_)
            | Self::NoSpool { .. }
            | Self::Headers { .. }
            | Self::Memory { .. }
            | Self::Checkpoint { .. }
            | Self::Listen { .. }
            | Self::File { .. }
            | Self::System { .. } => Exit::Unavailable,
            Self::Seal(_) | Self::Panic(_) => Exit::Bug,
        }
    }
}

/// Returns a closure that turns an I/O error of an operation on a path into ours.
pub(crate) fn file(doing: &'static str, path: &std::path::Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { doing, path, source }
}
