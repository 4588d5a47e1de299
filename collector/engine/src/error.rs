//! Why the engine does not start; requests that fail have an `Exception` instead.

use std::net::SocketAddr;
use std::path::PathBuf;

/// What went wrong at start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The password is missing.
    #[error("the environment variable {name} is empty; set it to the password of user vonglau")]
    Password {
        /// The variable.
        name: &'static str,
    },
    /// The address can be reached from outside.
    #[error(
        "{address} can be reached from other hosts, without TLS; listen on 127.0.0.1, or add --allow-remote"
    )]
    Remote {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The address cannot be bound.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The library cannot be loaded.
    #[error("cannot load the ClickHouse library {}; fetch it with deploy/lib/fetch-chdb.sh", path.display())]
    Library {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: libloading::Error,
    },
    /// The library has another version.
    #[error(
        "the ClickHouse library {} has version {found:?}, and this program is made for {wanted}; \
         fetch the right one with deploy/lib/fetch-chdb.sh", path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// The version it reports.
        found: String,
        /// The version wanted.
        wanted: &'static str,
    },
    /// The data directory cannot be made or locked.
    #[error("cannot use the data directory {}; it must be a writable directory", path.display())]
    Data {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Another process holds the data directory.
    #[error(
        "the data directory {} is in use by another process after {seconds} s of waiting; \
         stop the other vonglau-engine, or give another --data", path.display()
    )]
    Locked {
        /// The directory.
        path: PathBuf,
        /// How long was waited.
        seconds: u64,
    },
    /// The library refused to open the directory; it tells why on standard error only.
    #[error("the ClickHouse library cannot open {}; its own message is on standard error above", path.display())]
    Open {
        /// The directory.
        path: PathBuf,
    },
    /// The first statement failed.
    #[error("the ClickHouse library does not answer: {message}")]
    Probe {
        /// What it said.
        message: String,
    },
}
