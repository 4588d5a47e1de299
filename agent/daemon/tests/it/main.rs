//! The real binary, started, fed, killed and asked.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod agent;
mod batches;
mod correlation;
mod evidence;
mod exec;
mod kill;
mod manager;
mod policy;
mod quarantine;
mod redaction;
mod reload;
mod run;
mod telemetry;
mod unit;
