//! The embedded engine: started once, one connection a statement.
//!
//! A connection costs about a millisecond and a shared one would serialise everything. One more, the
//! anchor, stays open from start to stop: closing the last connection would stop the engine.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::error::Error;
use crate::exception::Exception;
use crate::ffi::{Connection, Library};
use crate::limits::LOCK_TIME_MAX;
use crate::lock::DataLock;
use crate::request::Request;
use crate::settings::{identifier, literal};

/// The versions of the library that this program is made and tested for.
const LIBRARY_VERSION: &str = "26.7.";

/// Where the engine lives and what it may use.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// `libchdb.so`.
    pub(crate) library: PathBuf,
    /// The data directory.
    pub(crate) data: PathBuf,
    /// Where BACKUP and RESTORE may write and read; nowhere when absent.
    pub(crate) backups: Option<PathBuf>,
    /// Memory of the whole engine, in bytes.
    pub(crate) memory_bytes_max: u64,
}

/// The running engine.
pub(crate) struct Engine {
    library: &'static Library,
    anchor: Mutex<Option<Connection>>,
    arguments: Vec<CString>,
    memory_bytes_max: u64,
    /// ClickHouse's version, such as `26.7.2.1`.
    pub(crate) version: String,
    /// The server's time zone.
    pub(crate) timezone: String,
    _lock: DataLock,
}

impl Engine {
    /// Takes the data directory, loads the library and starts the engine. Blocks; about half a second.
    pub(crate) fn start(options: &Options) -> Result<Self, Error> {
        let path = options.library.clone();
        let library = Library::open(&options.library)
            .map_err(|source| Error::Library { path: path.clone(), source })?;
        let found = library.version();
        if !found.starts_with(LIBRARY_VERSION) {
            return Err(Error::Version { path, found, wanted: LIBRARY_VERSION });
        }
        let lock = DataLock::take(&options.data, LOCK_TIME_MAX)?;
        let open = || Error::Open { path: options.data.clone() };
        let arguments = arguments(options).ok_or_else(open)?;
        let mut anchor = library.connect(&arguments).ok_or_else(open)?;
        let probe = anchor
            .query(b"SELECT version(), timezone()", "TSV", &[])
            .map_err(|message| Error::Probe { message })?;
        let text = String::from_utf8_lossy(probe.bytes()).into_owned();
        let (version, timezone) = text
            .trim_end()
            .split_once('\t')
            .ok_or_else(|| Error::Probe { message: text.clone() })?;
        let (version, timezone) = (version.to_owned(), timezone.to_owned());
        drop(probe);
        Ok(Self {
            library,
            anchor: Mutex::new(Some(anchor)),
            arguments,
            memory_bytes_max: options.memory_bytes_max,
            version,
            timezone,
            _lock: lock,
        })
    }

    /// Opens a connection for one request: database, settings, read-only. `tag` marks its statement.
    pub(crate) fn session(
        &self,
        request: &Request,
        tag: &str,
        whole_result: bool,
    ) -> Result<Connection, Exception> {
        let mut connection = self.library.connect(&self.arguments).ok_or_else(|| {
            Exception::from_engine(
                "Code: 210. DB::Exception: the engine refuses a connection. (NETWORK_ERROR)".into(),
            )
        })?;
        // Half of the engine's memory for one statement: another one always fits beside it.
        let memory = self.memory_bytes_max / 2;
        let mut statements = Vec::new();
        if let Some(database) = &request.database {
            statements.push(format!("USE {}", identifier(database)));
        }
        statements.push(request.settings.statement(tag, memory, whole_result));
        if request.readonly {
            // 2: settings may change, as on a server's GET; this one may not change back.
            statements.push("SET readonly = 2".into());
        }
        for statement in statements {
            connection.query(statement.as_bytes(), "Null", &[]).map_err(Exception::from_engine)?;
        }
        Ok(connection)
    }

    /// Asks the engine to stop the statement with this tag. It stops at its next block.
    pub(crate) fn kill(&self, tag: &str) {
        let Some(mut connection) = self.library.connect(&self.arguments) else { return };
        let sql = format!("KILL QUERY WHERE Settings['log_comment'] = {} ASYNC", literal(tag));
        if let Err(error) = connection.query(sql.as_bytes(), "Null", &[]) {
            tracing::warn!(tag, error, "cannot stop a statement that nobody waits for");
        }
    }

    /// Closes the last connection, which stops the engine. Only when no session is open: the library
    /// may abort the process when a connection closes under a running statement. (`chdb_shutdown`
    /// is not used: 26.7.3 answers that it failed, in every case tried.)
    pub(crate) fn stop(&self) {
        drop(self.anchor.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// The engine's start arguments; only the first connection's matter.
fn arguments(options: &Options) -> Option<Vec<CString>> {
    let argument = |name: &str, path: &Path| {
        let mut bytes = name.as_bytes().to_vec();
        bytes.extend_from_slice(path.as_os_str().as_bytes());
        CString::new(bytes).ok()
    };
    let mut arguments = vec![
        CString::new("vonglau-engine").ok()?,
        argument("--path=", &options.data)?,
        CString::new(format!("--max_server_memory_usage={}", options.memory_bytes_max)).ok()?,
        // The default is 5 GiB each; caches may take a quarter of the memory at most.
        CString::new(format!("--mark_cache_size={}", options.memory_bytes_max / 8)).ok()?,
        CString::new(format!("--index_mark_cache_size={}", options.memory_bytes_max / 8)).ok()?,
    ];
    if let Some(backups) = &options.backups {
        let mut path = backups.clone();
        path.push(""); // ends with a slash: a directory, not a prefix
        arguments.push(argument("--backups.allowed_path=", &path)?);
    }
    Some(arguments)
}
