//! Host: what the host knows of the numbers in audit records: accounts, and programs by process.
//!
//! Audit records name a parent by its number only. Which program it runs, is learned from the records
//! themselves (each that has a call names the program that made it), and else asked of the host.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use rules_event::{Event, Timestamp, field};

/// Most processes remembered, in each of two generations; some 600 bytes each at most. A busy server
/// has some hundred at a time.
const PROCESSES_MAX: usize = 2_048;

/// Longest command line remembered, bytes: enough to recognise a parent by.
const COMMAND_BYTES_MAX: usize = 256;

/// Longest path of a program remembered, bytes; a longer one is not remembered.
const PROGRAM_BYTES_MAX: usize = 256;

/// How old an event may be for the host to be asked of its processes: numbers are used again.
const FRESH_S: i64 = 30;

/// Answers what only the host knows. Called for each audit event, so an answer should be quick and
/// come from memory where it can.
pub trait Host: Send + Sync {
    /// Hands the name of an account to `take`, if there is one.
    fn user(&self, id: u32, take: &mut dyn FnMut(&str));

    /// Returns the path of the program that a running process runs.
    fn program(&self, pid: u32) -> Option<String>;
}

/// What is known of a process.
#[derive(Debug, Clone)]
struct Process {
    program: Arc<str>,
    command: Option<Arc<str>>,
}

/// Processes by number, the latest ones.
#[derive(Debug, Default)]
struct Processes {
    young: ByPid,
    old: ByPid,
}

type ByPid = HashMap<i64, Process, BuildHasherDefault<PidHasher>>;

/// Spreads numbers of processes. Numbers chosen by somebody to meet each other could cost a look at all of
/// them, which are few.
#[derive(Default)]
struct PidHasher(u64);

impl Hasher for PidHasher {
    fn finish(&self) -> u64 {
        // The upper bits depend on all; the map uses both ends. Spec: Knuth, TAOCP 6.4.
        let hash = self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash ^ hash >> 32
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0 << 8 | u64::from(*byte);
        }
    }

    fn write_i64(&mut self, number: i64) {
        self.0 = number as u64;
    }
}

impl Processes {
    fn get(&self, pid: i64) -> Option<&Process> {
        self.young.get(&pid).or_else(|| self.old.get(&pid))
    }

    fn put(&mut self, pid: i64, process: Process) {
        if self.young.len() >= PROCESSES_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(pid, process);
    }
}

/// Completes audit events with what the host knows.
#[derive(Default)]
pub(crate) struct Hosts {
    host: Option<Arc<dyn Host>>,
    processes: Mutex<Processes>,
}

impl Hosts {
    /// Asks this host for what records do not say.
    pub(crate) fn new(host: Arc<dyn Host>) -> Self {
        Self { host: Some(host), processes: Mutex::default() }
    }

    /// Completes an audit event of the host called `name`; those of others are left as they are.
    pub(crate) fn complete(&self, event: &mut Event, read_at: Timestamp, name: &str) {
        let is_ours = event.get_str(field::HOST_NAME).is_none_or(|node| {
            // A node is written with or without its domain.
            let short =
                |name: &str| name.split('.').next().unwrap_or_default().to_ascii_lowercase();
            node == name || short(node) == short(name)
        });
        if !is_ours {
            return;
        }
        for (id, name) in [
            ("user.id", field::USER_NAME),
            ("user.effective.id", field::USER_EFFECTIVE_NAME),
            ("user.audit.id", "user.audit.name"),
        ] {
            self.name(id, name, event);
        }
        let age_s = read_at.as_seconds().saturating_sub(event.time.as_seconds());
        self.parent(event, (-FRESH_S..=FRESH_S).contains(&age_s));
        self.learn(event);
    }

    fn name(&self, id: &str, name: &'static str, event: &mut Event) {
        let Some(host) = &self.host else { return };
        if event.get(name).is_some() {
            return;
        }
        let Some(id) = event.get_str(id).and_then(|id| id.parse().ok()) else { return };
        host.user(id, &mut |text| event.set_text(name, text));
    }

    /// Sets the parent's program, if it is known or the event is fresh enough to ask.
    fn parent(&self, event: &mut Event, is_fresh: bool) {
        let Some(pid) = event.get("process.parent.pid").and_then(|pid| pid.as_int()) else {
            return;
        };
        // Only the start of a program is judged by what started it.
        if event.get_str("event.action") != Some("executed") {
            return;
        }
        let known = {
            let processes = self.processes.lock().unwrap_or_else(PoisonError::into_inner);
            processes.get(pid).cloned()
        };
        let parent = match (known, &self.host) {
            (Some(known), _) => known,
            (None, Some(host)) if is_fresh => {
                let program = u32::try_from(pid).ok().and_then(|pid| host.program(pid));
                let Some(program) = program.filter(|path| path.len() <= PROGRAM_BYTES_MAX) else {
                    return;
                };
                Process { program: program.into(), command: None }
            }
            _ => return,
        };
        event.set_text(field::PROCESS_PARENT_EXECUTABLE, &parent.program);
        let base = parent.program.rsplit('/').next().unwrap_or_default();
        event.set_text("process.parent.name", base);
        if let Some(command) = &parent.command {
            event.set_text("process.parent.command_line", command);
        }
    }

    /// Remembers which program the process of an event runs.
    fn learn(&self, event: &Event) {
        let Some(pid) = event.get(field::PROCESS_PID).and_then(|pid| pid.as_int()) else { return };
        let Some(program) = event.get_str(field::PROCESS_EXECUTABLE) else { return };
        // Records of user space speak of another process than their own now and then; a failed call of
        // execve names the program before it, which is right as well.
        if event.get("process.parent.pid").is_none() || program.len() > PROGRAM_BYTES_MAX {
            return;
        }
        let is_start = event.get_str("event.type") == Some("start");
        let command = event.get_str(field::PROCESS_COMMAND_LINE).filter(|_| is_start);
        let mut processes = self.processes.lock().unwrap_or_else(PoisonError::into_inner);
        let known = processes.get(pid).is_some_and(|known| *known.program == *program);
        if known && command.is_none() {
            return;
        }
        let command = command.map(|line| {
            let cut = (0..=COMMAND_BYTES_MAX.min(line.len())).rev();
            let end = cut.into_iter().find(|at| line.is_char_boundary(*at)).unwrap_or_default();
            Arc::from(line.get(..end).unwrap_or_default())
        });
        processes.put(pid, Process { program: program.into(), command });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Known;
    impl Host for Known {
        fn user(&self, id: u32, take: &mut dyn FnMut(&str)) {
            if id == 33 {
                take("www-data");
            }
        }
        fn program(&self, pid: u32) -> Option<String> {
            (pid == 7).then(|| "/usr/sbin/php-fpm8.2".to_owned())
        }
    }

    fn event(pid: i64, ppid: i64, exe: &str, age_s: i64) -> Event {
        let mut event = Event::new(Timestamp::from_seconds(1_000 - age_s), String::new());
        event.set(field::PROCESS_PID, pid);
        event.set("process.parent.pid", ppid);
        event.set(field::PROCESS_EXECUTABLE, exe.to_owned());
        event.set(field::PROCESS_COMMAND_LINE, format!("{exe} -x"));
        event.set("event.action", "executed");
        event.set("event.type", "start");
        event.set("user.id", "33");
        event
    }

    fn complete(hosts: &Hosts, mut event: Event) -> Event {
        hosts.complete(&mut event, Timestamp::from_seconds(1_000), "web01");
        event
    }

    fn parent(event: &Event) -> Option<&str> {
        event.get_str(field::PROCESS_PARENT_EXECUTABLE)
    }

    #[test]
    fn parents_are_learned_and_else_asked_for() {
        let hosts = Hosts::new(Arc::new(Known));
        let shell = complete(&hosts, event(100, 7, "/usr/bin/dash", 0));
        assert_eq!(parent(&shell), Some("/usr/sbin/php-fpm8.2"));
        assert_eq!(shell.get_str(field::USER_NAME), Some("www-data"));
        let child = complete(&hosts, event(101, 100, "/usr/bin/id", 0));
        assert_eq!(parent(&child), Some("/usr/bin/dash"));
        assert_eq!(child.get_str("process.parent.command_line"), Some("/usr/bin/dash -x"));
        // Too old to ask: the number may be another process by now.
        assert_eq!(parent(&complete(&hosts, event(102, 7, "/usr/bin/id", 60))), None);
        // Without a host, what was learned.
        let hosts = Hosts::default();
        assert_eq!(parent(&complete(&hosts, event(1, 7, "/a", 0))), None);
        assert_eq!(parent(&complete(&hosts, event(2, 1, "/b", 0))), Some("/a"));
    }

    #[test]
    fn what_another_host_wrote_is_left_alone() {
        let hosts = Hosts::new(Arc::new(Known));
        let mut other = event(100, 7, "/usr/bin/dash", 0);
        other.set(field::HOST_NAME, "db01");
        assert_eq!(complete(&hosts, other).get_str(field::USER_NAME), None);
        let mut ours = event(100, 7, "/usr/bin/dash", 0);
        ours.set(field::HOST_NAME, "WEB01.tinh.gov.vn");
        assert_eq!(complete(&hosts, ours).get_str(field::USER_NAME), Some("www-data"));
    }

    #[test]
    fn only_so_many_are_remembered() {
        let hosts = Hosts::default();
        for pid in 0..10_000 {
            complete(&hosts, event(pid, 1, "/usr/bin/x", 0));
        }
        let processes = hosts.processes.lock().unwrap();
        assert!(processes.young.len() + processes.old.len() <= 2 * PROCESSES_MAX);
        assert!(processes.get(9_999).is_some() && processes.get(0).is_none());
    }
}
