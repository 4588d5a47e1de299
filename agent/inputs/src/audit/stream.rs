//! Stream: audit records that come without a file, from auditd's plugin socket or from the kernel.
//!
//! What was read and is not durable yet is lost when the agent is killed: nobody can be asked for it
//! again. Where that matters, read auditd's file. Records of unfinished events are part of the
//! position, as with files.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::unix::AsyncFd;

use super::assemble::Assembler;
use super::kernel::Kernel;
use super::socket::Socket;
use crate::attend::Attendant;
use crate::files::assemble::Assemble;
use crate::{
    AuditConfig, Chunk, Count, Enabled, Format, InputsConfig, Item, Line, Lines, SourceMeta, clock,
};

/// Most events of one chunk.
const CHUNK_EVENTS_MAX: usize = 1_000;

/// Most bytes of one chunk: as for files.
const CHUNK_BYTES_MAX: usize = 4 * crate::LINE_BYTES_MAX;

/// How long events are gathered for one chunk.
const GATHER: Duration = Duration::from_millis(50);

/// Longest wait for records: how soon a stop is noticed at the latest is not decided by it.
const IDLE: Duration = Duration::from_secs(60);

/// Most reads before waiting events are looked at again.
const READS_MAX: usize = 256;

/// Waits between two tries to open the source.
const RETRY_DELAYS_S: [u64; 5] = [1, 5, 15, 60, 300];

/// What a read brought.
pub(crate) enum Got {
    /// Some bytes.
    Records,
    /// Nothing for now.
    Nothing,
    /// Records were dropped before us, nobody knows how many: the queue was full.
    Overrun,
}

/// Where records come from.
pub(crate) trait Feed: Send {
    /// Key of its position, and what its problems are told under.
    fn key(&self) -> &'static str;

    /// Opens the source; the descriptor does not block.
    fn open(&mut self) -> io::Result<OwnedFd>;

    /// Reads once, and hands each record to `take`; an error ends the connection.
    fn read(&mut self, from: &OwnedFd, take: &mut dyn FnMut(&[u8], bool)) -> io::Result<Got>;

    /// What to do when it cannot be opened.
    fn remedy(&self) -> &'static str;
}

/// Returns the sources the configuration asks for.
pub(crate) fn wanted(config: &InputsConfig) -> Vec<Box<dyn Feed>> {
    let mut feeds: Vec<Box<dyn Feed>> = Vec::new();
    let AuditConfig { socket, kernel, .. } = &config.audit;
    if !socket.is_empty() {
        feeds.push(Box::new(Socket::new(Path::new(socket))));
    }
    let from_kernel = match kernel {
        Enabled::Yes => true,
        Enabled::No => false,
        Enabled::Auto => socket.is_empty() && !in_files(config) && super::kernel::is_allowed(),
    };
    if from_kernel {
        feeds.push(Box::new(Kernel::default()));
    }
    feeds
}

/// Whether auditd's file is among the files.
fn in_files(config: &InputsConfig) -> bool {
    let is_audit =
        |path: &String| path.rsplit('/').next().is_some_and(|name| name.starts_with("audit.log"));
    let mut groups = config.files.iter();
    groups.any(|group| group.format == Format::Auditd || group.paths.iter().any(is_audit))
}

/// Returns whether audit records are read from a file, or by [`wanted`].
pub(crate) fn is_read_elsewhere(config: &InputsConfig) -> bool {
    in_files(config) || !wanted(config).is_empty()
}

/// Reads a source until stopped.
pub(crate) fn run(
    mut feed: Box<dyn Feed>,
    wait: Duration,
    policy: u16,
    position: Option<&str>,
    on: &Attendant,
) {
    let mut stream = Stream::new(feed.key(), wait, policy, position, on);
    let report = Arc::clone(&on.wiring.report);
    let mut failures = 0;
    while !on.is_stopped() {
        let opened = feed.open().and_then(|descriptor| on.adopt(descriptor));
        let why = match opened {
            Ok(source) => {
                report.resolved(feed.key());
                let (why, any) = stream.pump(feed.as_mut(), &source);
                if any {
                    failures = 0;
                }
                why
            }
            Err(error) => error.to_string(),
        };
        if on.is_stopped() {
            break;
        }
        let delay_s = RETRY_DELAYS_S.get(failures).copied().unwrap_or(300);
        failures = (failures + 1).min(RETRY_DELAYS_S.len() - 1);
        let text = format!("{why}; tried again in {delay_s} s. {}", feed.remedy());
        report.problem(feed.key(), text);
        if !stream.rest(Duration::from_secs(delay_s)) {
            break;
        }
    }
    stream.leave();
}

/// Records on their way to events.
struct Stream<'a> {
    on: &'a Attendant,
    key: &'static str,
    /// Number of the next record: what stands for an offset. It goes on where it was durable, so that
    /// no two events ever have one number.
    next: u64,
    assembler: Assembler,
    ready: Lines,
    since: Option<Instant>,
    records: u64,
}

impl<'a> Stream<'a> {
    fn new(
        key: &'static str,
        wait: Duration,
        policy: u16,
        position: Option<&str>,
        on: &'a Attendant,
    ) -> Self {
        let position: Value =
            position.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
        let next = position.get("next").and_then(Value::as_u64).unwrap_or(0);
        let mut assembler = Assembler::new(wait);
        if let Some(state) = position.get("assembly")
            && !assembler.restore(state, Instant::now())
        {
            let text =
                "records of unfinished events of an earlier run are not understood and left out";
            on.wiring.report.notice(key, text.to_owned());
        }
        let meta = SourceMeta {
            key: key.to_owned(),
            path: None,
            format: Format::Auditd,
            dataset: None,
            policy,
            ..SourceMeta::default()
        };
        let ready = Lines::new(Arc::new(meta), clock::now());
        Self { on, key, next, assembler, ready, since: None, records: 0 }
    }

    /// Hands on what comes until it ends; returns why, and whether anything came.
    fn pump(&mut self, feed: &mut dyn Feed, source: &AsyncFd<OwnedFd>) -> (String, bool) {
        let mut any = false;
        loop {
            match self.on.wait_readable(source, self.patience()) {
                None => return (String::new(), any),
                Some(false) => {}
                Some(true) => match self.read(feed, source.get_ref()) {
                    Ok(read) => any |= read,
                    Err(error) => {
                        self.send();
                        return (error.to_string(), any);
                    }
                },
            }
            if !self.look() {
                return (String::new(), any);
            }
        }
    }

    /// Reads until there is nothing more, or enough.
    fn read(&mut self, feed: &mut dyn Feed, source: &OwnedFd) -> io::Result<bool> {
        let mut any = false;
        for _ in 0..READS_MAX {
            let got = feed.read(source, &mut |record, truncated| {
                let line = Line { offset: self.next, bytes: record, truncated };
                self.next += 1;
                self.records += 1;
                self.assembler.push(line, Instant::now(), &mut self.ready);
            })?;
            match got {
                Got::Records => any = true,
                Got::Nothing => return Ok(any),
                Got::Overrun => {
                    self.on.wiring.report.count(Count::AuditOverruns, 1);
                    let text = "audit records were dropped: the queue before the agent was full. Fewer \
                                audit rules, or a higher net.core.rmem_max, prevent it";
                    self.on.wiring.report.notice(self.key, text.to_owned());
                }
            }
            if self.ready.lines.len() >= CHUNK_EVENTS_MAX
                || self.ready.buffer.len() >= CHUNK_BYTES_MAX
            {
                break;
            }
        }
        Ok(any)
    }

    /// How long nothing has to be done.
    fn patience(&self) -> Duration {
        let now = Instant::now();
        let send = self.since.map(|since| since + GATHER);
        let due = [send, self.assembler.due()].into_iter().flatten().min();
        due.map_or(IDLE, |due| due.saturating_duration_since(now).min(IDLE))
    }

    /// Hands out what is due; false when it is time to end.
    fn look(&mut self) -> bool {
        let now = Instant::now();
        self.assembler.expire(now, &mut self.ready);
        if self.ready.lines.is_empty() {
            return true;
        }
        let since = *self.since.get_or_insert(now);
        let is_full = self.ready.lines.len() >= CHUNK_EVENTS_MAX
            || self.ready.buffer.len() >= CHUNK_BYTES_MAX;
        if is_full || now >= since + GATHER { self.send() } else { true }
    }

    /// Waits without a source, handing out what is due; false when it is time to end.
    fn rest(&mut self, span: Duration) -> bool {
        let until = Instant::now() + span;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            if !self.on.wait(left.min(self.patience())) || !self.look() {
                return false;
            }
        }
    }

    fn chunk(&mut self) -> Chunk {
        let meta = Arc::clone(&self.ready.source);
        let mut lines = std::mem::replace(&mut self.ready, Lines::new(meta, clock::now()));
        lines.read_at = clock::now();
        self.since = None;
        let mut position = json!({ "next": self.next });
        if let Some(state) = self.assembler.state() {
            position["assembly"] = state;
        }
        Chunk {
            items: if lines.lines.is_empty() { Vec::new() } else { vec![Item::Lines(lines)] },
            positions: vec![(self.key.to_owned(), position.to_string())],
            gone: Vec::new(),
        }
    }

    /// Hands a chunk on; false when it is time to end.
    fn send(&mut self) -> bool {
        let (events, bytes) = (self.ready.lines.len() as u64, self.ready.buffer.len() as u64);
        let chunk = self.chunk();
        let sent = self.on.send(chunk);
        if sent {
            self.count(events, bytes);
        }
        sent
    }

    fn count(&mut self, events: u64, bytes: u64) {
        let report = &self.on.wiring.report;
        report.count(Count::Lines, events);
        report.count(Count::LineBytes, bytes);
        report.count(Count::JoinedLines, std::mem::take(&mut self.records));
    }

    /// At the end: what is ready goes if there is room, and says what is not.
    fn leave(&mut self) {
        if self.records == 0 && self.ready.lines.is_empty() {
            return;
        }
        let (events, bytes) = (self.ready.lines.len() as u64, self.ready.buffer.len() as u64);
        let chunk = self.chunk();
        if self.on.wiring.out.try_send(chunk).is_ok() {
            self.count(events, bytes);
        } else if events > 0 {
            self.on.wiring.report.count(Count::AuditOverruns, 1);
            let text =
                format!("{events} audit events were read and not handed on when the agent ended");
            self.on.wiring.report.notice(self.key, text);
        }
    }
}

#[cfg(test)]
mod tests;
