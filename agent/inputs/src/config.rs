//! InputsConfig: the `[input]` part of the agent's configuration file.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::audit::AuditConfig;
use crate::{
    Error, EvtxConfig, ExecConfig, IntegrityConfig, InventoryConfig, PolicyConfig, ProcessConfig,
    SyslogConfig,
};

/// Longest line handed on, bytes; the rest of a longer one is skipped and counted.
///
/// Not configurable: the cut decides where the next line begins, and so is part of every event id.
pub const LINE_BYTES_MAX: usize = 64 * 1024;

/// Longest id of an information system, bytes: as long as ids of agencies and agents are at most.
const SYSTEM_BYTES_MAX: usize = 64;

/// Returns whether a text may be the id of an information system. It ends up in tables, addresses of
/// pages and reports, so it is held to what needs no quoting anywhere.
#[must_use]
pub fn is_system_id(text: &str) -> bool {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=SYSTEM_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_fine)
}

/// What to do about a text that is none.
pub const SYSTEM_REMEDY: &str =
    "give the id of the system in the register: at most 64 of A-Z a-z 0-9 . _ -";

/// Checks the `system` of an input; empty stands for none.
pub(crate) fn check_system(name: &'static str, text: &str) -> Result<(), Error> {
    if text.is_empty() || is_system_id(text) {
        return Ok(());
    }
    Err(Error::Text { name, text: text.to_owned(), remedy: SYSTEM_REMEDY })
}

/// Everything the agent reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InputsConfig {
    /// Log files, in groups that share their settings.
    pub files: Vec<FilesConfig>,
    /// The systemd journal.
    pub journal: JournalConfig,
    /// Logs that other devices send over the network.
    pub syslog: Vec<SyslogConfig>,
    /// Commands whose output is read.
    pub exec: Vec<ExecConfig>,
    /// Linux audit.
    pub audit: AuditConfig,
    /// Measurements of the host.
    pub host: HostConfig,
    /// Files that must not change unnoticed.
    pub integrity: IntegrityConfig,
    /// Programs that begin and end.
    pub process: ProcessConfig,
    /// What is installed, allowed and listening.
    pub inventory: InventoryConfig,
    /// Exported logs of Windows.
    pub evtx: EvtxConfig,
    /// How often files are looked at even if the kernel reports no change, ms (default 1000, 50 to
    /// 60000). With many files a look at all of them is made less often, so that it takes at most a
    /// quarter of a percent of one processor; those that changed not long ago are looked at each time.
    pub scan_interval_ms: u64,
    /// Most files followed at once (default 32768, 1 to 100000); more is a problem that is reported.
    pub files_max: usize,
    /// Most log files held open at once (default 32, 4 to 4096).
    pub open_max: usize,
    /// Folder in which inputs keep what they know of the host. Set by the program, below its own state
    /// folder; not for configuration files.
    #[serde(skip)]
    pub state_dir: PathBuf,
    /// Whether commands are started through [`crate::guard`], so that they end with the agent. Set by
    /// the program, if it calls it; not for configuration files.
    #[serde(skip)]
    pub exec_guarded: bool,
}

impl Default for InputsConfig {
    fn default() -> Self {
        Self {
            files: Vec::new(),
            journal: JournalConfig::default(),
            syslog: Vec::new(),
            exec: Vec::new(),
            audit: AuditConfig::default(),
            host: HostConfig::default(),
            integrity: IntegrityConfig::default(),
            process: ProcessConfig::default(),
            inventory: InventoryConfig::default(),
            evtx: EvtxConfig::default(),
            scan_interval_ms: 1_000,
            files_max: 32_768,
            open_max: 32,
            state_dir: PathBuf::new(),
            exec_guarded: false,
        }
    }
}

/// A group of log files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct FilesConfig {
    /// Absolute paths or globs (`*`, `?`, `[…]`, `{a,b}`, `**`); a file that several groups match
    /// belongs to the first.
    pub paths: Vec<String>,
    /// Globs left out. Compressed files (`.gz`, `.xz`, `.bz2`, `.zst`, `.lz4`, `.Z`) always are; a rotated
    /// file that was compressed (`.gz`, `.zst`) before it was read to its end is read all the same.
    pub exclude: Vec<String>,
    /// How lines are decoded.
    pub format: Format,
    /// Where to begin in a file never seen before that is there when the agent starts. Files that
    /// appear later are always read from their beginning.
    pub start: Start,
    /// `event.dataset` of its events; empty: chosen by the decoder.
    pub dataset: String,
    /// How bytes are read as text.
    pub encoding: Encoding,
    /// The information system these logs belong to (`vonglau.system.id`): its id in the register, at
    /// most 64 of `A-Z a-z 0-9 . _ -`; empty: that of the host.
    pub system: String,
    /// Which lines belong together as one record; by default each line is one.
    pub multiline: MultilineConfig,
    /// What of it leaves the host, and how much a second.
    pub policy: PolicyConfig,
}

/// Joins lines into one record. Give `start` or `continuation`; without either nothing is joined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MultilineConfig {
    /// Regular expression of lines that begin a record; all others continue it.
    pub start: String,
    /// Regular expression of lines that continue a record; all others begin one.
    pub continuation: String,
    /// Most lines of one record (default 500, 2 to 10000); what follows is a record of its own.
    pub lines_max: usize,
    /// Most bytes of one record (default 65536, 256 to 65536); what follows is a record of its own.
    pub bytes_max: usize,
    /// How long a record waits for its next line after the log was read to its end, ms (default 2000,
    /// 10 to 600000).
    pub timeout_ms: u64,
}

impl Default for MultilineConfig {
    fn default() -> Self {
        Self {
            start: String::new(),
            continuation: String::new(),
            lines_max: 500,
            bytes_max: LINE_BYTES_MAX,
            timeout_ms: 2_000,
        }
    }
}

/// How bytes are read as text. Invalid bytes are kept in a form that leads back to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// By the byte order mark of the file; UTF-8 without one.
    #[default]
    Auto,
    /// UTF-8; a byte order mark is left out.
    #[serde(rename = "utf-8")]
    Utf8,
    /// UTF-16, least significant byte first, as Windows writes it.
    #[serde(rename = "utf-16le")]
    Utf16Le,
    /// UTF-16, most significant byte first.
    #[serde(rename = "utf-16be")]
    Utf16Be,
}

/// How lines are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// By the file's name and by what each line looks like.
    #[default]
    Auto,
    /// Syslog, RFC 3164 or RFC 5424.
    Syslog,
    /// nginx access log, combined or common, or its error log.
    Nginx,
    /// Apache access log, combined or common, or its error log.
    Apache,
    /// Linux audit: the records of one event are put together.
    Auditd,
    /// IIS, W3C extended format; its columns from `#Fields:`.
    Iis,
    /// A log of Zeek, tab-separated or JSON.
    Zeek,
    /// Suricata, `eve.json` or `fast.log`.
    Suricata,
    /// Wazuh, `alerts.json`.
    Wazuh,
    /// squid, native access log.
    Squid,
    /// MySQL or MariaDB, error log.
    Mysql,
    /// PostgreSQL, `stderr` or `csvlog`.
    Postgresql,
    /// An event of the Windows event log per line, as JSON, as `evtx_dump -o jsonl` prints it. Binary
    /// files (`.evtx`) are read by `input.evtx`.
    Evtx,
    /// One JSON object per line.
    Json,
    /// Text that is not decoded.
    Text,
    /// An entry of the systemd journal as `journalctl --output=json` prints it. Set by the journal
    /// input; not for configuration files.
    #[serde(skip)]
    Journal,
}

/// Where to begin in a log never seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// At its first byte.
    #[default]
    Beginning,
    /// At its end: what is already there is not read.
    End,
}

/// Whether an optional input runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Enabled {
    /// When it is there and would not repeat what a log file already holds.
    #[default]
    Auto,
    /// Always; its absence is a problem that is reported.
    Yes,
    /// Never.
    No,
}

/// The systemd journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JournalConfig {
    /// `auto` (default): read it when `journalctl` is there and no syslog file (`auth.log`, `secure`,
    /// `syslog`, `messages`) is among the input files; those hold the same lines.
    pub enabled: Enabled,
    /// Where to begin when it was never read before (default `end`).
    pub start: Start,
    /// The program to run (default `journalctl`, found in `PATH`).
    pub program: String,
    /// Which journals: empty (default): the system's own; a name: that namespace; `+NAME`: both; `*`:
    /// all namespaces, interleaved. Needs systemd 245.
    pub namespace: String,
    /// Whether audit records that journald took from the kernel are read. `auto` (default): unless
    /// they are read elsewhere, from `audit.log` or by `[input.audit]`.
    pub audit: Enabled,
    /// What of it leaves the host, and how much a second.
    pub policy: PolicyConfig,
}

impl Default for JournalConfig {
    fn default() -> Self {
        Self {
            enabled: Enabled::Auto,
            start: Start::End,
            program: "journalctl".to_owned(),
            namespace: String::new(),
            audit: Enabled::Auto,
            policy: PolicyConfig::default(),
        }
    }
}

/// Measurements of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HostConfig {
    /// Whether the host is measured (default true).
    pub enabled: bool,
    /// Time between measurements, seconds (default 30, 1 to 3600).
    pub interval_s: u64,
    /// What of it leaves the host, and how much a second.
    pub policy: PolicyConfig,
}

impl Default for HostConfig {
    fn default() -> Self {
        Self { enabled: true, interval_s: 30, policy: PolicyConfig::default() }
    }
}
