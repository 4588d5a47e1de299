//! Assemble: the records of one audit event put together, also when records of several are mixed.
//!
//! An event is complete when its last record is there; the kernel marks it (`EOE`, which auditd does
//! not write to its file), and since Linux 3.16 `PROCTITLE` comes last. Nothing is handed out at that
//! very record: a few lines more are looked at, as other processors write in between. Where nothing
//! marks the end, the number of files that the call says (`items=`) and time decide.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Header;
use super::kinds::is_single;
use crate::files::assemble::{Assemble, STATE_BYTES_MAX};
use crate::{LINE_BYTES_MAX, Line, Lines};

/// Lines of the log to wait for further records of an event whose last record is there: what few
/// processors write in between.
const LINES_ENDED: u64 = 16;

/// The same when nothing marked its end, but it holds all files the call named (kernels before 3.16).
const LINES_WHOLE: u64 = 64;

/// The same when something is missing: a process can be held up between two records of an event while
/// the kernel's queue is full. audit-userspace issue 148: two seconds were not enough.
const LINES_OPEN: u64 = 4_096;

/// How long an event whose last record is there waits for more in a log at rest.
const WAIT_ENDED: Duration = Duration::from_millis(200);

/// The same when nothing marked its end.
const WAIT_WHOLE: Duration = Duration::from_secs(1);

/// Most events put together at once; the oldest is handed out as it is when there are more.
const OPEN_MAX: usize = 512;

/// Most bytes held; as hexadecimal digits, with what is around them, they fit into a position.
const HELD_BYTES_MAX: usize = 96 * 1024;

// The texts as hex, and for each event its braces, names and numbers.
const _: () = assert!(2 * HELD_BYTES_MAX + 80 * OPEN_MAX <= STATE_BYTES_MAX);

/// Buffers kept for the next events.
const SPARES_MAX: usize = 32;

/// An event some of whose records are there.
#[derive(Debug)]
struct Open {
    node: Vec<u8>,
    time_ns: i64,
    serial: u64,
    /// Of its first record.
    offset: u64,
    text: Vec<u8>,
    truncated: bool,
    /// The call is there, and says how many files there are.
    items: Option<u32>,
    paths: u32,
    ended: bool,
    /// Number of the line that held its last record.
    line: u64,
    touched: Instant,
}

impl Open {
    /// Adds what a record says of the whole.
    fn note(&mut self, header: &Header<'_>, line: &[u8]) {
        match header.kind {
            b"SYSCALL" | b"URINGOP" => self.items = Some(items(line).unwrap_or(0)),
            b"PATH" => self.paths += 1,
            b"PROCTITLE" | b"EOE" => self.ended = true,
            _ => {}
        }
    }

    fn is_whole(&self) -> bool {
        self.items.is_some_and(|items| self.paths >= items)
    }

    /// How many lines and how long it waits.
    fn patience(&self, wait: Duration) -> (u64, Duration) {
        match (self.is_whole(), self.ended) {
            (true, true) => (LINES_ENDED, WAIT_ENDED.min(wait)),
            (true, false) => (LINES_WHOLE, WAIT_WHOLE.min(wait)),
            (false, _) => (LINES_OPEN, wait),
        }
    }
}

/// The number behind ` items=`.
fn items(line: &[u8]) -> Option<u32> {
    let at = memchr::memmem::find(line, b" items=")?;
    let digits = line.get(at + b" items=".len()..)?;
    let end = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(digits.get(..end)?).ok()?.parse().ok()
}

/// Puts the records of one log together.
#[derive(Debug)]
pub(crate) struct Assembler {
    /// How long an event waits that misses something.
    wait: Duration,
    /// In the order of their first records.
    open: VecDeque<Open>,
    held: usize,
    /// Lines seen.
    line: u64,
    spares: Vec<Vec<u8>>,
}

impl Assembler {
    /// Returns one that has nothing yet.
    pub(crate) fn new(wait: Duration) -> Self {
        Self { wait, open: VecDeque::new(), held: 0, line: 0, spares: Vec::new() }
    }

    /// Hands out events until no more are held than the bounds say.
    fn keep_bounds(&mut self, more: usize, out: &mut Lines) {
        while self.open.len() >= OPEN_MAX || (self.held + more > HELD_BYTES_MAX && self.held > 0) {
            self.hand_out(0, out);
        }
    }

    fn hand_out(&mut self, at: usize, out: &mut Lines) {
        let Some(mut open) = self.open.remove(at) else { return };
        out.push(Line { offset: open.offset, bytes: &open.text, truncated: open.truncated });
        self.held -= open.text.len();
        if self.spares.len() < SPARES_MAX {
            open.text.clear();
            self.spares.push(open.text);
        }
    }

    fn add(&mut self, header: &Header<'_>, line: Line<'_>, now: Instant, out: &mut Lines) {
        self.keep_bounds(line.bytes.len() + 1, out);
        let time_ns = header.time.as_nanos();
        // The latest first: most records belong to it.
        let found = self.open.iter().rposition(|open| {
            open.serial == header.serial && open.time_ns == time_ns && open.node == header.node
        });
        let fits = |at: &usize| {
            let held = self.open.get(*at).map_or(0, |open| open.text.len());
            held + 1 + line.bytes.len() <= LINE_BYTES_MAX
        };
        let at = match found {
            // An event may not be longer than a line: its rest is an event of its own.
            Some(at) if !fits(&at) => {
                self.hand_out(at, out);
                None
            }
            found => found,
        };
        if let Some(open) = at.and_then(|at| self.open.get_mut(at)) {
            open.text.push(b'\n');
            open.text.extend_from_slice(line.bytes);
            open.truncated |= line.truncated;
            (open.line, open.touched) = (self.line, now);
            open.note(header, line.bytes);
            self.held += line.bytes.len() + 1;
            return;
        }
        let mut text = self.spares.pop().unwrap_or_default();
        text.extend_from_slice(line.bytes);
        self.held += text.len();
        let mut open = Open {
            node: header.node.to_vec(),
            time_ns,
            serial: header.serial,
            offset: line.offset,
            text,
            truncated: line.truncated,
            items: None,
            paths: 0,
            ended: false,
            line: self.line,
            touched: now,
        };
        open.note(header, line.bytes);
        self.open.push_back(open);
    }

    /// Hands out the events of which `is_due` holds.
    fn sweep(&mut self, out: &mut Lines, is_due: impl Fn(&Open) -> bool) {
        let mut at = 0;
        while let Some(open) = self.open.get(at) {
            if is_due(open) { self.hand_out(at, out) } else { at += 1 }
        }
    }
}

impl Assemble for Assembler {
    /// A line that is no audit record, or whose type stands alone, is handed on as it is.
    fn push(&mut self, line: Line<'_>, now: Instant, out: &mut Lines) {
        self.line += 1;
        match Header::parse(line.bytes) {
            Some(header) if !is_single(header.kind) => self.add(&header, line, now, out),
            _ => out.push(line),
        }
        let (seen, wait) = (self.line, self.wait);
        self.sweep(out, |open| seen - open.line >= open.patience(wait).0);
    }

    fn expire(&mut self, now: Instant, out: &mut Lines) {
        let wait = self.wait;
        self.sweep(out, |open| now >= open.touched + open.patience(wait).1);
    }

    fn finish(&mut self, out: &mut Lines) {
        self.sweep(out, |_| true);
        // A log at rest takes no memory.
        (self.open, self.spares) = (VecDeque::new(), Vec::new());
    }

    fn due(&self) -> Option<Instant> {
        self.open.iter().map(|open| open.touched + open.patience(self.wait).1).min()
    }

    fn state(&self) -> Option<Value> {
        if self.open.is_empty() {
            return None;
        }
        let events = self.open.iter().map(|open| {
            let mut event = json!({ "offset": open.offset });
            if open.truncated {
                event["truncated"] = true.into();
            }
            // JSON writes a control character as six bytes; hex never takes more than two.
            let costly = |byte: &&u8| **byte < b' ' || matches!(**byte, b'"' | b'\\');
            let costly = open.text.iter().filter(costly).count();
            match std::str::from_utf8(&open.text) {
                Ok(text) if costly <= text.len() / 6 => event["text"] = text.into(),
                _ => event["hex"] = hex::encode(&open.text).into(),
            }
            event
        });
        Some(json!({ "audit": events.collect::<Vec<_>>() }))
    }

    fn restore(&mut self, state: &Value, now: Instant) -> bool {
        let Some(events) = state.get("audit").and_then(Value::as_array) else { return false };
        let mut open = Vec::new();
        for event in events {
            let text = |name: &str| event.get(name).and_then(Value::as_str);
            let bytes = match (text("text"), text("hex")) {
                (Some(text), _) => text.as_bytes().to_vec(),
                (None, Some(hex)) => hex::decode(hex).unwrap_or_default(),
                (None, None) => Vec::new(),
            };
            let Some(offset) = event.get("offset").and_then(Value::as_u64) else { return false };
            let Some(header) = Header::parse(&bytes) else { return false };
            let mut one = Open {
                node: header.node.to_vec(),
                time_ns: header.time.as_nanos(),
                serial: header.serial,
                offset,
                text: Vec::new(),
                truncated: event.get("truncated").is_some_and(|value| value == true),
                items: None,
                paths: 0,
                ended: false,
                line: self.line,
                touched: now,
            };
            for line in bytes.split(|byte| *byte == b'\n') {
                if let Some(header) = Header::parse(line) {
                    one.note(&header, line);
                }
            }
            one.text = bytes;
            open.push(one);
        }
        let held = open.iter().map(|open| open.text.len()).sum();
        if open.len() > OPEN_MAX || held > HELD_BYTES_MAX {
            return false;
        }
        (self.held, self.open) = (held, open.into());
        true
    }
}

#[cfg(test)]
mod tests;
