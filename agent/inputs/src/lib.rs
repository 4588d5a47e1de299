//! Inputs: where records come from — log files, the systemd journal and the host itself.
//!
//! [`start`] runs every configured input and sends [`Chunk`]s into one bounded channel. A chunk
//! carries its items together with the positions to resume from once they are durable; nothing here
//! writes a checkpoint. So the caller decides what "durable" means and a crash re-reads exactly what
//! was not yet safe, under the same identities.

mod accounts;
mod attend;
pub mod audit;
#[cfg(test)]
mod bench;
mod clock;
mod config;
mod error;
mod evtx;
mod exec;
mod expand;
mod files;
mod host;
mod integrity;
mod inventory;
mod item;
mod journal;
mod policy;
mod positions;
mod process;
mod report;
mod run;
mod state;
mod syslog;
mod weekday;

pub use accounts::Accounts;
pub use audit::AuditConfig;
pub use config::{
    Enabled, Encoding, FilesConfig, Format, HostConfig, InputsConfig, JournalConfig,
    LINE_BYTES_MAX, MultilineConfig, SYSTEM_REMEDY, Start, is_system_id,
};
pub use error::Error;
pub use evtx::{EvtxChunk, EvtxConfig, EvtxReader, EvtxRecord};
pub use exec::{ExecConfig, GUARD_ARGUMENT, Record, distrusted, guard};
pub use files::join::Joiner;
pub use files::settings_of;
pub use integrity::IntegrityConfig;
pub use inventory::InventoryConfig;
pub use item::{Chunk, Entry, Item, Line, Lines, Sample, SourceMeta, Span};
pub use policy::{Policy, PolicyConfig, Ship, policy_of_dataset};
pub use positions::Positions;
pub use process::{ProcessConfig, ProcessSource};
pub use report::{Count, Report, Truncation};
pub use run::{check, start};
pub use syslog::{SyslogConfig, Transport};
