//! Linux audit: the records of one event put together, and where records come from besides files.
//!
//! The kernel writes one event as several records that share time and serial number; records of
//! several events are mixed when several processors write at once.

pub(crate) mod assemble;
mod config;
mod header;
mod kernel;
mod kinds;
mod socket;
pub(crate) mod stream;

pub use config::AuditConfig;
pub use header::Header;
pub use kinds::kind_name;
