//! Journal: the systemd journal, as `journalctl` prints it.
//!
//! A child process instead of a library: libsystemd cannot be linked into a static agent, and the
//! binary format of the journal belongs to systemd.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::files::Follower;
use crate::run::Wiring;
use crate::{
    Chunk, Count, Enabled, Entry, Error, Format, InputsConfig, Item, JournalConfig, LINE_BYTES_MAX,
    Report, SourceMeta, Start, clock,
};

/// Checkpoint key and event identity of the system's own journal; the cursor tells entries apart.
const KEY: &str = "journal";

/// Longest name of a namespace. Spec: systemd, `log_namespace_name_valid`: that of a file.
const NAMESPACE_BYTES_MAX: usize = 255;

/// Longest entry, bytes of JSON; a longer one is skipped and counted. Twice a line, for its fields.
const ENTRY_BYTES_MAX: usize = 2 * LINE_BYTES_MAX;

/// Most entries of one chunk.
const CHUNK_ENTRIES_MAX: usize = 500;

/// How long entries are gathered for one chunk.
const GATHER: Duration = Duration::from_millis(50);

/// Waits between two starts of `journalctl`, which is not supposed to end.
const RESTART_DELAYS_S: [u64; 5] = [1, 5, 15, 60, 300];

/// The fields asked for; the rest of an entry can be large and is not decoded.
const FIELDS: &str = "MESSAGE,PRIORITY,SYSLOG_FACILITY,SYSLOG_IDENTIFIER,SYSLOG_PID,_PID,_UID,\
                      _COMM,_EXE,_CMDLINE,_HOSTNAME,_SYSTEMD_UNIT,_TRANSPORT,\
                      _SOURCE_REALTIME_TIMESTAMP,__REALTIME_TIMESTAMP,__CURSOR,_AUDIT_ID,\
                      _AUDIT_TYPE,_AUDIT_TYPE_NAME,_NAMESPACE";

/// How entries come into a journal, but for the kernel's audit records. Spec: systemd.journal-fields(7),
/// `_TRANSPORT`. Several matches of one field are alternatives.
const TRANSPORTS: [&str; 5] = [
    "_TRANSPORT=driver",
    "_TRANSPORT=syslog",
    "_TRANSPORT=journal",
    "_TRANSPORT=stdout",
    "_TRANSPORT=kernel",
];

/// Returns the key of what the configuration reads: each choice of namespaces has cursors of its own.
pub(crate) fn key(config: &JournalConfig) -> String {
    match config.namespace.as_str() {
        "" => KEY.to_owned(),
        namespace => format!("{KEY}:{namespace}"),
    }
}

/// Checks the part of the configuration that is text.
pub(crate) fn check(config: &JournalConfig) -> Result<(), Error> {
    let namespace = config.namespace.as_str();
    let name = namespace.strip_prefix('+').unwrap_or(namespace);
    let is_name = name.len() <= NAMESPACE_BYTES_MAX
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'@'))
        && (!name.is_empty() || namespace.is_empty());
    if is_name || namespace == "*" {
        return Ok(());
    }
    Err(Error::Text {
        name: "journal.namespace",
        text: namespace.to_owned(),
        remedy: "give a name, '+' and a name, or '*' for all",
    })
}

/// Returns whether to read the journal, and says why not.
pub(crate) fn wanted(config: &InputsConfig, files: &Follower, report: &dyn Report) -> bool {
    if config.journal.enabled == Enabled::No {
        return false;
    }
    let journalctl = std::process::Command::new(&config.journal.program)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match (journalctl, config.journal.enabled) {
        (Ok(_), Enabled::Auto) if files.has_syslog_files() => {
            tracing::info!("the journal is not read: the syslog files hold the same lines");
            false
        }
        (Ok(_), _) => true,
        (Err(error), Enabled::Yes) => {
            let text = format!(
                "'{}' cannot be run: {error}; install systemd or set input.journal.enabled = \"no\"",
                config.journal.program
            );
            report.problem(KEY, text);
            false
        }
        (Err(_), _) => {
            tracing::info!("the journal is not read: there is no journalctl on this host");
            false
        }
    }
}

/// Follows the journal until stopped, from `cursor` on.
///
/// `with_audit`: also the kernel's audit records, as nothing else reads them.
pub(crate) async fn run(
    config: JournalConfig,
    cursor: Option<String>,
    with_audit: bool,
    wiring: Wiring,
) {
    let meta = Arc::new(SourceMeta {
        key: key(&config),
        path: None,
        format: Format::Journal,
        dataset: None,
        policy: config.policy.number,
        ..SourceMeta::default()
    });
    let cursor = cursor.and_then(|json| parse_cursor(&json));
    let mut journal = Journal { config, cursor, meta, with_audit, in_trouble: false };
    let mut failures = 0;
    while !wiring.stop.is_cancelled() {
        if journal.cursor.is_none() && journal.config.start == Start::End {
            journal.cursor = tokio::select! {
                () = wiring.stop.cancelled() => return,
                cursor = journal.last_cursor() => cursor,
            };
            if let Some(cursor) = &journal.cursor {
                // Made durable at once: what comes while the agent is down is after it.
                let positions = vec![(journal.meta.key.clone(), cursor_json(cursor))];
                if !wiring.send(Chunk { positions, ..Chunk::default() }).await {
                    return;
                }
            }
        }
        let (entries, why) = match journal.spawn() {
            Ok(child) => journal.follow(child, &wiring).await,
            Err(error) => (0, error.to_string()),
        };
        if wiring.stop.is_cancelled() || wiring.out.is_closed() {
            return;
        }
        failures = if entries > 0 { 0 } else { failures + 1 };
        let delay_s = RESTART_DELAYS_S[failures.min(RESTART_DELAYS_S.len() - 1)];
        let text = format!(
            "journalctl ended: {why}; started again in {delay_s} s. The agent's user must be in the \
             group systemd-journal or adm"
        );
        journal.in_trouble = true;
        wiring.report.problem(&journal.meta.key, text);
        tokio::select! {
            () = wiring.stop.cancelled() => {}
            () = tokio::time::sleep(Duration::from_secs(delay_s)) => {}
        }
    }
}

struct Journal {
    config: JournalConfig,
    cursor: Option<String>,
    meta: Arc<SourceMeta>,
    with_audit: bool,
    /// A problem was told and is not resolved.
    in_trouble: bool,
}

impl Journal {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.config.program);
        command
            .args(["--output=json", "--all", "--quiet", "--no-pager"])
            .arg(format!("--output-fields={FIELDS}"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if !self.config.namespace.is_empty() {
            command.arg(format!("--namespace={}", self.config.namespace));
        }
        if !self.with_audit {
            command.args(TRANSPORTS);
        }
        command
    }

    fn spawn(&self) -> std::io::Result<Child> {
        let mut command = self.command();
        command.arg("--follow");
        match (&self.cursor, self.config.start) {
            (Some(cursor), _) => command.arg(format!("--after-cursor={cursor}")).arg("--lines=all"),
            (None, Start::Beginning) => command.arg("--lines=all"),
            (None, Start::End) => command.arg("--lines=0"),
        };
        command.spawn()
    }

    /// Returns the cursor of the last entry there is.
    async fn last_cursor(&self) -> Option<String> {
        let mut command = self.command();
        command.arg("--lines=1");
        let output = command.output().await.ok()?;
        let last = output.stdout.split(|&byte| byte == b'\n').find(|line| !line.is_empty())?;
        entry_cursor(last)
    }

    /// Hands on what the child prints until it ends; returns how many entries, and why it ended.
    async fn follow(&mut self, mut child: Child, wiring: &Wiring) -> (u64, String) {
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return (0, "its output is not there".to_owned());
        };
        let mut reader = BufReader::with_capacity(LINE_BYTES_MAX, stdout);
        let mut entries = 0;
        let mut chunk = Chunk::default();
        let mut line = Vec::new();
        let mut gather = None;
        loop {
            let due = async {
                match gather {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let more = tokio::select! {
                () = wiring.stop.cancelled() => break,
                () = due => None,
                // Cancel safe: what was read stays in `line`.
                read = read_entry(&mut reader, &mut line) => Some(read),
            };
            let full = match more {
                Some(Ok(Read::Entry)) => {
                    self.take(std::mem::take(&mut line), &mut chunk);
                    gather.get_or_insert_with(|| tokio::time::Instant::now() + GATHER);
                    chunk.items.len() >= CHUNK_ENTRIES_MAX
                }
                Some(Ok(Read::TooLong)) => {
                    wiring.report.count(Count::JournalSkipped, 1);
                    line.clear();
                    false
                }
                Some(Ok(Read::End) | Err(_)) => {
                    // Sent like any other: complete entries were read before the end.
                    entries += self.send(&mut chunk, wiring).await;
                    break;
                }
                None => true,
            };
            if full {
                gather = None;
                let sent = self.send(&mut chunk, wiring).await;
                if sent == 0 && wiring.out.is_closed() {
                    break;
                }
                if sent > 0 && std::mem::take(&mut self.in_trouble) {
                    wiring.report.resolved(&self.meta.key);
                }
                entries += sent;
            }
        }
        // Ends also a child that goes on printing.
        let _ = child.start_kill();
        let why = first_line(stderr).await;
        let status = child.wait().await.map_or_else(|error| error.to_string(), |s| s.to_string());
        (entries, if why.is_empty() { status } else { format!("{status}: {why}") })
    }

    fn take(&mut self, bytes: Vec<u8>, chunk: &mut Chunk) {
        let Some(cursor) = entry_cursor(&bytes) else {
            tracing::debug!("an entry of the journal has no cursor and is left out");
            return;
        };
        chunk.items.push(Item::Entry(Entry {
            source: Arc::clone(&self.meta),
            read_at: clock::now(),
            cursor: cursor.clone(),
            bytes,
        }));
        self.cursor = Some(cursor);
    }

    /// Hands a chunk on; returns how many entries that were.
    async fn send(&self, chunk: &mut Chunk, wiring: &Wiring) -> u64 {
        let mut full = std::mem::take(chunk);
        let entries = full.items.len() as u64;
        let Some(cursor) = self.cursor.as_ref().filter(|_| entries > 0) else { return 0 };
        full.positions.push((self.meta.key.clone(), cursor_json(cursor)));
        if !wiring.send(full).await {
            return 0;
        }
        wiring.report.count(Count::JournalEntries, entries);
        entries
    }
}

/// What one read from the child brought.
enum Read {
    /// A whole entry, without its line end.
    Entry,
    /// The end of an entry that was too long.
    TooLong,
    /// The child closed its output.
    End,
}

/// Reads up to a line end into `line`, which never grows beyond the limit.
async fn read_entry(
    reader: &mut (impl AsyncBufRead + Unpin),
    line: &mut Vec<u8>,
) -> std::io::Result<Read> {
    loop {
        let bytes = reader.fill_buf().await?;
        if bytes.is_empty() {
            return Ok(Read::End);
        }
        let end = memchr::memchr(b'\n', bytes);
        let text = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
        // One more than the limit marks an entry as too long until its end comes.
        let room = (ENTRY_BYTES_MAX + 1).saturating_sub(line.len());
        line.extend_from_slice(text.get(..room.min(text.len())).unwrap_or_default());
        let used = end.map_or(bytes.len(), |end| end + 1);
        reader.consume(used);
        if end.is_some() {
            return Ok(if line.len() > ENTRY_BYTES_MAX { Read::TooLong } else { Read::Entry });
        }
    }
}

/// Returns what the child complained of, bounded.
async fn first_line(stderr: tokio::process::ChildStderr) -> String {
    let mut line = Vec::new();
    let mut reader = BufReader::with_capacity(1_024, stderr);
    let _ = tokio::time::timeout(Duration::from_secs(1), read_entry(&mut reader, &mut line)).await;
    line.truncate(500);
    String::from_utf8_lossy(&line).trim().to_owned()
}

fn entry_cursor(entry: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Named {
        #[serde(rename = "__CURSOR")]
        cursor: String,
    }
    serde_json::from_slice::<Named>(entry).ok().map(|entry| entry.cursor)
}

fn cursor_json(cursor: &str) -> String {
    serde_json::json!({ "cursor": cursor }).to_string()
}

fn parse_cursor(json: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(json).ok()?;
    value.get("cursor")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests;
