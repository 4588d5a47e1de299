//! Error: why inputs could not start.

/// Why inputs could not start. What goes wrong later is told through [`crate::Report`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A path or glob of the configuration is not one.
    #[error("input: '{glob}' is not a valid glob; see the glob syntax of input.files.paths")]
    Glob {
        /// The text given.
        glob: String,
        /// What is wrong with it.
        #[source]
        source: globset::Error,
    },
    /// A path of the configuration is not absolute.
    #[error("input.files: '{0}' is not an absolute path; begin it with '/'")]
    Relative(String),
    /// A pattern of the configuration is not one.
    #[error("input.files.multiline: '{pattern}' is not a valid regular expression")]
    Pattern {
        /// The text given.
        pattern: String,
        /// What is wrong with it.
        #[source]
        source: Box<regex::Error>,
    },
    /// Both kinds of patterns are given.
    #[error("input.files.multiline: give 'start' or 'continuation', not both")]
    MultilineBoth,
    /// A number of the configuration is out of its bounds.
    #[error("input.{name} = {value} is out of bounds; give {min} to {max}")]
    Bounds {
        /// Field.
        name: &'static str,
        /// Value given.
        value: u64,
        /// Smallest value allowed.
        min: u64,
        /// Largest value allowed.
        max: u64,
    },
    /// A text of the configuration is not understood.
    #[error("input.{name}: '{text}' is not understood; {remedy}")]
    Text {
        /// Field.
        name: &'static str,
        /// Text given.
        text: String,
        /// What to give instead.
        remedy: &'static str,
    },
    /// An EVTX file could not be opened.
    #[error("'{}' cannot be read as a Windows event log; export it again as .evtx", path.display())]
    Evtx {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong with it.
        #[source]
        source: ::evtx::err::EvtxError,
    },
    /// A thread that reads could not be started.
    #[error("a thread of the inputs could not be started")]
    Thread(#[source] std::io::Error),
}
