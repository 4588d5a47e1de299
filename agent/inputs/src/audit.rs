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

use std::sync::Arc;
use std::time::{Duration, Instant};

use rules_event::Timestamp;

use crate::files::assemble::Assemble;
use crate::{Format, Line, Lines, SourceMeta};

/// Puts the records of a whole log together, as is done while it is followed: events of several lines
/// joined by `\n`, each at the number of its first line. For tools and tests that have a log at hand.
#[must_use]
pub fn join<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Lines {
    let meta = SourceMeta {
        key: "audit".to_owned(),
        path: None,
        format: Format::Auditd,
        dataset: None,
        ..SourceMeta::default()
    };
    let mut out = Lines::new(Arc::new(meta), Timestamp::default());
    // Nothing waits: only what is between records counts.
    let (mut assembler, now) = (assemble::Assembler::new(Duration::from_secs(10)), Instant::now());
    for (offset, bytes) in (0..).zip(lines) {
        assembler.push(Line { offset, bytes, truncated: false }, now, &mut out);
    }
    assembler.finish(&mut out);
    out
}
