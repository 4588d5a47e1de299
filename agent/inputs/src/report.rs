//! Report: how inputs tell of problems and of what they counted.

/// What is counted. Every byte of a log ends up in `LineBytes`, or in one of the other byte counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Count {
    /// Records handed on: lines, or what was made of several.
    Lines,
    /// Lines that were read to be joined into records.
    JoinedLines,
    /// Bytes of the lines handed on, line ends included.
    LineBytes,
    /// Lines cut at the length limit.
    TruncatedLines,
    /// Bytes skipped as the rest of a line that was cut.
    TruncatedBytes,
    /// Bytes of empty lines and of NUL runs, which carry nothing.
    EmptyBytes,
    /// Bytes known to have been written that could no longer be read.
    LostBytes,
    /// Files found renamed away with another one in their place.
    Rotations,
    /// Files that came and went again before they could be opened.
    VanishedFiles,
    /// Files found cut, or replaced in place.
    Truncations,
    /// Entries read from the systemd journal.
    JournalEntries,
    /// Journal entries longer than the limit, skipped.
    JournalSkipped,
    /// Times that audit records were dropped before they could be read, or kept.
    AuditOverruns,
    /// Events the agent made of what it saw for itself.
    Samples,
    /// Programs known to have run that were gone before they could be looked at.
    ProcessesMissed,
    /// Records read from EVTX files.
    EvtxRecords,
    /// Records and chunks of EVTX files that are damaged, skipped.
    EvtxDamaged,
    /// Messages that devices sent over the network.
    SyslogMessages,
    /// Datagrams and connections that were refused.
    SyslogRefused,
    /// Datagrams that the kernel dropped for want of room.
    SyslogDropped,
    /// Runs of commands.
    ExecRuns,
    /// Those that did not end with exit code 0, or were not made.
    ExecFailures,
    /// Runs that were due while the command still ran, or its output waited; left out.
    ExecSkipped,
    /// Runs whose output was not sent since it was that of the run before, or cut short.
    ExecUnchanged,
}

impl Count {
    /// Every count.
    pub const ALL: [Self; 24] = [
        Self::Lines,
        Self::JoinedLines,
        Self::LineBytes,
        Self::TruncatedLines,
        Self::TruncatedBytes,
        Self::EmptyBytes,
        Self::LostBytes,
        Self::Rotations,
        Self::VanishedFiles,
        Self::Truncations,
        Self::JournalEntries,
        Self::JournalSkipped,
        Self::AuditOverruns,
        Self::Samples,
        Self::ProcessesMissed,
        Self::EvtxRecords,
        Self::EvtxDamaged,
        Self::SyslogMessages,
        Self::SyslogRefused,
        Self::SyslogDropped,
        Self::ExecRuns,
        Self::ExecFailures,
        Self::ExecSkipped,
        Self::ExecUnchanged,
    ];

    /// Returns the word for it in metric names: `lines`, `lost_bytes` …
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lines => "lines",
            Self::JoinedLines => "joined_lines",
            Self::LineBytes => "line_bytes",
            Self::TruncatedLines => "truncated_lines",
            Self::TruncatedBytes => "truncated_bytes",
            Self::EmptyBytes => "empty_bytes",
            Self::LostBytes => "lost_bytes",
            Self::Rotations => "rotations",
            Self::VanishedFiles => "vanished_files",
            Self::Truncations => "truncations",
            Self::JournalEntries => "journal_entries",
            Self::JournalSkipped => "journal_skipped",
            Self::AuditOverruns => "audit_overruns",
            Self::Samples => "samples",
            Self::ProcessesMissed => "processes_missed",
            Self::EvtxRecords => "evtx_records",
            Self::EvtxDamaged => "evtx_damaged",
            Self::SyslogMessages => "syslog_messages",
            Self::SyslogRefused => "syslog_refused",
            Self::SyslogDropped => "syslog_dropped",
            Self::ExecRuns => "exec_runs",
            Self::ExecFailures => "exec_failures",
            Self::ExecSkipped => "exec_skipped",
            Self::ExecUnchanged => "exec_unchanged",
        }
    }
}

/// What is known of a log that became shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Truncation<'a> {
    /// The log.
    pub path: &'a str,
    /// Whether its content is read on in a rotated copy: `copytruncate`, and nobody hiding something.
    pub rotated: bool,
    /// Bytes of it that had been read.
    pub read: u64,
    /// Bytes of it that were seen and not read; in a rotated copy they still are.
    pub unread: u64,
}

/// Receives what goes wrong and what is counted. Called from the inputs' own threads; must be quick.
pub trait Report: Send + Sync {
    /// Something stands in the way of one input (`subject`: a path, a glob, `journal`, `host`). Told
    /// once per change of `text`, which names the reason and the remedy.
    fn problem(&self, subject: &str, text: String);

    /// The problem of this subject is over. Told only after a problem.
    fn resolved(&self, subject: &str);

    /// Something happened that cannot be undone and is over, such as lines lost to a rotation; `text`
    /// names what, and how to prevent it. By default it is only logged.
    fn notice(&self, subject: &str, text: String) {
        tracing::warn!(subject, "{text}");
    }

    /// A log became shorter than it was known to be, or holds something else in the same file. By
    /// default it is only counted ([`Count::Truncations`]).
    fn truncated(&self, truncation: &Truncation<'_>) {
        let _ = truncation;
    }

    /// Adds to a count.
    fn count(&self, what: Count, amount: u64);
}
