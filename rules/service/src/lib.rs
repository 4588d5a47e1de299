//! What every program of ours does alike: configuration, logs, metrics, service manager, shutdown, retry, help, exit codes.
//!
//! Nothing about events, rules or batches belongs here.

pub mod backoff;
pub mod config;
pub mod exit;
pub mod logs;
pub mod meter;
pub mod notify;
pub mod outline;
pub mod shutdown;
