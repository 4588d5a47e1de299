//! Join: puts the lines of a text that is there as a whole together, as is done while a log is followed.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::assemble::{Assemble, is_audit_log};
use super::multiline::{Multiline, Rules};
use crate::{AuditConfig, Error, Format, Line, Lines, MultilineConfig, audit};

/// How lines are joined; checked, and cheap to copy.
#[derive(Debug, Clone)]
pub(crate) struct Joining {
    is_audit: bool,
    multiline: Option<Arc<Rules>>,
    audit_wait: Duration,
}

impl Joining {
    /// Checks settings.
    pub(crate) fn new(
        format: Format,
        multiline: &MultilineConfig,
        audit_wait: Duration,
    ) -> Result<Self, Error> {
        let multiline = Rules::new(multiline)?.map(Arc::new);
        Ok(Self { is_audit: format == Format::Auditd, multiline, audit_wait })
    }

    /// Returns what joins lines; `None` when every line is a record.
    pub(crate) fn assembler(&self) -> Option<Box<dyn Assemble>> {
        if self.is_audit {
            return Some(Box::new(audit::assemble::Assembler::new(self.audit_wait)));
        }
        Some(Box::new(Multiline::new(Arc::clone(self.multiline.as_ref()?))))
    }
}

/// Joins the lines of a text as the agent would those of a log, for programs that have a text at hand.
/// No line waits by the clock: the text is there, only what lies between two lines counts.
#[derive(Debug)]
pub struct Joiner(Option<Box<dyn Assemble>>);

impl Joiner {
    /// Returns one for a log of this format and path.
    ///
    /// # Errors
    ///
    /// When a pattern or a bound of `multiline` is wrong.
    pub fn new(
        format: Format,
        path: Option<&str>,
        multiline: &MultilineConfig,
    ) -> Result<Self, Error> {
        let wait = Duration::from_millis(AuditConfig::default().wait_ms);
        let mut joining = Joining::new(format, multiline, wait)?;
        let is_audit = path.is_some_and(|path| is_audit_log(Path::new(path)));
        joining.is_audit |= format == Format::Auto && joining.multiline.is_none() && is_audit;
        Ok(Self(joining.assembler()))
    }

    /// Takes the next line; records that are complete by now go to `out`.
    pub fn push(&mut self, line: Line<'_>, out: &mut Lines) {
        match &mut self.0 {
            Some(assembler) => assembler.push(line, Instant::now(), out),
            None => out.push(line),
        }
    }

    /// Hands out everything: nothing will follow.
    pub fn finish(&mut self, out: &mut Lines) {
        if let Some(assembler) = &mut self.0 {
            assembler.finish(out);
        }
    }
}
