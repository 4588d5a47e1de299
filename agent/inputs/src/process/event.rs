//! Event: what a process looks like to rules and people.

use rules_event::{Event, Timestamp, Value, encode_lossless, field};

use super::facts::{Facts, TICKS_PER_S};
use crate::Sample;
use crate::accounts::Accounts;

/// `event.dataset` of processes.
const DATASET: &str = "vonglau.process";

/// What is remembered of a running process: for its end, and for its children.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) start: u64,
    pub(super) parent: u32,
    pub(super) uid: u32,
    pub(super) name: String,
    pub(super) executable: String,
    /// Cut: it is only told again, not searched.
    pub(super) command_line: String,
}

/// Longest command line remembered, bytes.
const REMEMBERED_BYTES_MAX: usize = 2 << 10;

impl Known {
    pub(super) fn of(facts: &Facts) -> Self {
        let mut command_line = text(&facts.command_line());
        if command_line.len() > REMEMBERED_BYTES_MAX {
            let cut =
                (0..=REMEMBERED_BYTES_MAX).rev().find(|at| command_line.is_char_boundary(*at));
            command_line.truncate(cut.unwrap_or_default());
        }
        Self {
            start: facts.start,
            parent: facts.parent,
            uid: facts.uid,
            name: text(&facts.name),
            executable: text(facts.program()),
            command_line,
        }
    }
}

/// What is true of all events of this run.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    /// `netlink` or `poll`.
    pub(super) source: &'static str,
    pub(super) boot_id: String,
    /// Seconds since 1970.
    pub(super) boot_time: u64,
}

impl Origin {
    fn moment(&self, ticks: u64) -> Timestamp {
        let millis = self.boot_time * 1_000 + ticks * 1_000 / TICKS_PER_S;
        Timestamp::from_nanos(i64::try_from(millis.saturating_mul(1_000_000)).unwrap_or(i64::MAX))
    }

    /// ECS `process.entity_id`: the same for all events of one process, and for no other's.
    fn entity(&self, pid: u32, start: u64) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.boot_id.as_bytes());
        hasher.update(&pid.to_le_bytes());
        hasher.update(&start.to_le_bytes());
        hex::encode(&hasher.finalize().as_bytes()[..16])
    }

    fn base(&self, now: Timestamp, action: &'static str, kind: &'static str) -> Event {
        let mut event = Event::new(now, String::new());
        event.set(field::EVENT_KIND, "event");
        event.set(field::EVENT_MODULE, "vonglau");
        event.set(field::EVENT_DATASET, DATASET);
        event.set(field::EVENT_CATEGORY, "process");
        event.set("event.type", kind);
        event.set(field::EVENT_ACTION, action);
        event.set("vonglau.process.source", self.source);
        event
    }

    /// Returns the event of a program that began.
    pub(super) fn started(
        &self,
        facts: &Facts,
        parent: Option<&Known>,
        accounts: &mut Accounts,
        now: Timestamp,
    ) -> Sample {
        let mut event = self.base(now, "process_started", "start");
        self.describe(&mut event, facts, parent, accounts);
        let command_line = text(&facts.command_line());
        event.set(field::MESSAGE, format!("started: {command_line}"));
        self.sample(event, facts.pid, facts.start, "start")
    }

    /// Sets everything that is known of a process.
    fn describe(
        &self,
        event: &mut Event,
        facts: &Facts,
        parent: Option<&Known>,
        accounts: &mut Accounts,
    ) {
        event.set(field::PROCESS_PID, i64::from(facts.pid));
        event.set("process.entity_id", self.entity(facts.pid, facts.start));
        event.set(field::PROCESS_NAME, text(&facts.name));
        if !facts.program().is_empty() {
            event.set(field::PROCESS_EXECUTABLE, text(facts.program()));
        }
        if facts.is_deleted {
            event.set("vonglau.process.executable_deleted", true);
        }
        if !facts.arguments.is_empty() {
            event.set(field::PROCESS_COMMAND_LINE, text(&facts.command_line()));
            let list = facts.listed().iter().map(|argument| Value::from(text(argument)));
            event.set("process.args", Value::List(list.collect()));
            let count = i64::try_from(facts.arguments.len()).unwrap_or(i64::MAX);
            event.set("process.args_count", count);
        }
        if facts.is_cut {
            event.set(field::VONGLAU_TRUNCATED, true);
        }
        if !facts.working_directory.is_empty() {
            event.set(field::PROCESS_WORKING_DIRECTORY, text(&facts.working_directory));
        }
        event.set("process.start", self.moment(facts.start).to_string());
        event.set("process.parent.pid", i64::from(facts.parent));
        if let Some(parent) = parent {
            event.set("process.parent.entity_id", self.entity(facts.parent, parent.start));
            event.set("process.parent.name", parent.name.clone());
            if !parent.executable.is_empty() {
                event.set(field::PROCESS_PARENT_EXECUTABLE, parent.executable.clone());
            }
            if !parent.command_line.is_empty() {
                event.set("process.parent.command_line", parent.command_line.clone());
            }
            if let Some(name) = accounts.user(parent.uid) {
                event.set("process.parent.user.name", name.to_owned());
            }
        }
        account(event, "user.id", field::USER_NAME, facts.uid, accounts);
        if facts.euid != facts.uid {
            let name = field::USER_EFFECTIVE_NAME;
            account(event, "user.effective.id", name, facts.euid, accounts);
        }
        if let Some(login) = facts.login {
            // Who logged in, whatever he became since; Auditbeat's name.
            account(event, "user.audit.id", "user.audit.name", login, accounts);
        }
        event.set("user.group.id", facts.gid.to_string());
        if let Some(name) = accounts.group(facts.gid) {
            event.set("user.group.name", name.to_owned());
        }
    }

    /// Returns the event of a program that ended; the code is that of wait(2), where it is known.
    pub(super) fn ended(
        &self,
        pid: u32,
        known: &Known,
        code: Option<u32>,
        accounts: &mut Accounts,
        now: Timestamp,
    ) -> Sample {
        let mut event = self.base(now, "process_ended", "end");
        event.set(field::PROCESS_PID, i64::from(pid));
        event.set("process.entity_id", self.entity(pid, known.start));
        event.set(field::PROCESS_NAME, known.name.clone());
        if !known.executable.is_empty() {
            event.set(field::PROCESS_EXECUTABLE, known.executable.clone());
        }
        if !known.command_line.is_empty() {
            event.set(field::PROCESS_COMMAND_LINE, known.command_line.clone());
        }
        event.set("process.parent.pid", i64::from(known.parent));
        event.set("process.start", self.moment(known.start).to_string());
        event.set("process.end", now.to_string());
        account(&mut event, "user.id", field::USER_NAME, known.uid, accounts);
        if let Some(code) = code {
            let signal = code & 0x7f;
            // As a shell tells it: a signal is 128 more than its number.
            let status = if signal == 0 { code >> 8 & 0xff } else { 128 + signal };
            event.set("process.exit_code", i64::from(status));
            event.set(field::EVENT_OUTCOME, if status == 0 { "success" } else { "failure" });
        }
        event.set(field::MESSAGE, format!("ended: {}", known.command_line));
        self.sample(event, pid, known.start, "end")
    }

    /// Returns the event of a process that keeps a processor busy.
    pub(super) fn busy(
        &self,
        facts: &Facts,
        parent: Option<&Known>,
        share: f64,
        accounts: &mut Accounts,
        now: Timestamp,
    ) -> Sample {
        let mut event = self.base(now, "process_busy", "info");
        event.set(field::EVENT_KIND, "metric");
        self.describe(&mut event, facts, parent, accounts);
        // 1.0 is one processor.
        event.set("process.cpu.pct", Value::Float((share * 10_000.0).round() / 10_000.0));
        let program = text(facts.program());
        event
            .set(field::MESSAGE, format!("busy: {:.0} % of a processor: {program}", share * 100.0));
        self.sample(event, facts.pid, facts.start, "busy")
    }

    /// Returns the event that says how processes are watched.
    pub(super) fn watching(&self, now: Timestamp, message: String) -> Sample {
        let mut event = self.base(now, "process_watch", "info");
        event.set(field::EVENT_KIND, "state");
        event.set(field::MESSAGE, message);
        self.sample(event, 0, 0, "watch")
    }

    fn sample(&self, event: Event, pid: u32, start: u64, what: &str) -> Sample {
        let boot_id = &self.boot_id;
        Sample {
            event,
            instance: format!("\u{1}process\u{1}{boot_id}\u{1}{pid}\u{1}{start}\u{1}{what}"),
        }
    }
}

fn account(
    event: &mut Event,
    id_field: &'static str,
    name_field: &'static str,
    id: u32,
    accounts: &mut Accounts,
) {
    event.set(id_field, id.to_string());
    if let Some(name) = accounts.user(id) {
        event.set(name_field, name.to_owned());
    }
}

/// Returns bytes as text, losslessly.
pub(super) fn text(bytes: &[u8]) -> String {
    encode_lossless(bytes).0.into_owned()
}
