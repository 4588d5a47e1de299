//! Assemble: joins lines of one log into records, between framing and items.
//!
//! What an assembler holds back is part of the source's position, so that a kill neither loses nor
//! repeats it: the position that follows a chunk says "read up to here, and these lines are still
//! unfinished". A record is known by the offset of its first line, wherever its other lines were.

use std::fmt::Debug;
use std::path::Path;
use std::time::Instant;

use serde_json::Value;

use super::Group;
use super::multiline::Multiline;
use crate::{Format, Line, Lines, audit};

/// Most bytes of JSON that an assembler may leave in a position: it is written to disk with every
/// round in which its log was read. Four lines of the greatest length.
pub(crate) const STATE_BYTES_MAX: usize = 4 * crate::LINE_BYTES_MAX;

/// Joins lines into records.
pub(crate) trait Assemble: Send + Debug {
    /// Takes the next line of the log, read at `now`; records that are complete by now go to `out`.
    fn push(&mut self, line: Line<'_>, now: Instant, out: &mut Lines);

    /// Hands out records that have waited too long. Called only when the log was read to its end, so
    /// that a reader that was held up does not tear records apart.
    fn expire(&mut self, now: Instant, out: &mut Lines);

    /// Hands out everything: nothing will follow.
    fn finish(&mut self, out: &mut Lines);

    /// Returns when the first unfinished record will have waited too long; `None` without one.
    fn due(&self) -> Option<Instant>;

    /// Returns the unfinished records, at most [`STATE_BYTES_MAX`] bytes of JSON; `None` without one.
    /// An assembler keeps the bound by handing out its oldest record early.
    fn state(&self) -> Option<Value>;

    /// Takes over what [`Self::state`] returned; what waits begins to wait anew. False when the state
    /// is not understood: then nothing is taken over.
    fn restore(&mut self, state: &Value, now: Instant) -> bool;
}

/// Returns what joins the lines of a group's logs; `None` when every line is a record.
pub(super) fn assembler(group: &Group, path: &Path) -> Option<Box<dyn Assemble>> {
    let is_audit = match group.format {
        Format::Auditd => true,
        Format::Auto => group.multiline.is_none() && is_audit_log(path),
        _ => false,
    };
    if is_audit {
        return Some(Box::new(audit::assemble::Assembler::new(group.audit_wait)));
    }
    let multiline = group.multiline.as_ref()?;
    Some(Box::new(Multiline::new(std::sync::Arc::clone(multiline))))
}

/// `audit.log`, `audit.log.1`: what auditd calls its files.
pub(super) fn is_audit_log(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let rest = name.strip_prefix("audit.log");
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-']))
}
