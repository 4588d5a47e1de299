//! Site: a temporary host with a log file and the real agent on it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use agent_spool::{LANE_ALERTS, LANE_EVENTS, Reader};
use agent_wire::Record;
use rules_event::{Event, field};

/// Every wait of these tests ends after this long, as a failure.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) struct Site {
    pub(crate) dir: tempfile::TempDir,
    log: File,
    written: u64,
}

/// A running agent; killed when dropped.
pub(crate) struct Running {
    child: Child,
    pub(crate) metrics: String,
}

impl Site {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = File::create(dir.path().join("auth.log")).unwrap();
        Self { dir, log, written: 0 }
    }

    pub(crate) fn spool(&self) -> PathBuf {
        self.dir.path().join("state/spool")
    }

    /// Writes a configuration; `more` comes last and may hold further sections.
    pub(crate) fn configure(&self, more: &str) {
        let dir = self.dir.path().display();
        let free = if more.contains("[spool]") { "" } else { "[spool]\nfree_bytes_min = 0\n" };
        // Where lines are counted, what the agent says of itself would come on top.
        let silent = if more.contains("[evidence]") { "" } else { "[evidence]\nevents = false\n" };
        // So would alerts of its own.
        let alone =
            if more.contains("[correlation]") { "" } else { "[correlation]\nenabled = false\n" };
        let text = format!(
            "state_dir = \"{dir}/state\"\n[host]\nname = \"web-1\"\ntimezone = \"+07:00\"\n\
             [[input.files]]\npaths = [\"{dir}/auth.log\"]\n[input.journal]\nenabled = \"no\"\n\
             [input.host]\nenabled = false\n[metrics]\nlisten = \"127.0.0.1:0\"\n{free}{silent}{alone}{more}\n"
        );
        fs::write(self.dir.path().join("agent.toml"), text).unwrap();
    }

    /// Appends so many lines of sshd, each of its own text.
    pub(crate) fn append(&mut self, count: u64) {
        let mut text = String::new();
        for _ in 0..count {
            self.written += 1;
            text += &line(self.written);
            text.push('\n');
        }
        self.log.write_all(text.as_bytes()).unwrap();
    }

    /// Appends a text as it is.
    pub(crate) fn write(&mut self, text: &str) {
        self.log.write_all(text.as_bytes()).unwrap();
    }

    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vonglau-agent"));
        command.arg(name).arg("--config").arg(self.dir.path().join("agent.toml"));
        command.env("VONGLAU_LOG", "warn");
        command
    }

    pub(crate) fn ask(&self, name: &str, flags: &[&str]) -> Output {
        self.command(name).args(flags).output().unwrap()
    }

    pub(crate) fn start(&self) -> Running {
        Running::of(self.command("run"))
    }

    /// Every record in the spool, by lane.
    pub(crate) fn records(&self, lane: u8) -> Vec<Record> {
        let mut reader = Reader::open(&self.spool(), lane, 0).unwrap();
        std::iter::from_fn(|| reader.next().unwrap())
            .map(|entry| Record::decode(&entry.bytes).unwrap())
            .collect()
    }

    /// What the agent has said of itself so far: the events, oldest first.
    pub(crate) fn said(&self) -> Vec<Event> {
        let mut said: Vec<Event> = [LANE_ALERTS, LANE_EVENTS]
            .into_iter()
            .flat_map(|lane| self.records(lane))
            .flat_map(|record| record.events().unwrap())
            .filter(|event| event.get_str(field::EVENT_DATASET) == Some("vonglau.agent"))
            .collect();
        said.sort_by_key(|event| event.time);
        said
    }

    /// Waits until the agent has said something and returns it.
    pub(crate) fn await_said(&self, action: &str) -> Event {
        let mut found = None;
        until(action, || {
            let said = self.said();
            found = said.into_iter().rfind(|it| it.get_str(field::EVENT_ACTION) == Some(action));
            found.is_some()
        });
        found.unwrap()
    }

    /// Checks both chains and returns the id and text of every event in the spool.
    pub(crate) fn events(&self) -> Vec<(String, String)> {
        let mut events = Vec::new();
        for lane in [LANE_ALERTS, LANE_EVENTS] {
            let mut prev = [0; 32];
            for (index, record) in self.records(lane).iter().enumerate() {
                record.verify().unwrap();
                assert_eq!(record.header.seq, index as u64 + 1, "lane {lane} has a gap");
                assert_eq!(record.header.prev, prev, "lane {lane} is not a chain");
                prev = record.hash();
                for event in record.events().unwrap() {
                    let text = event.get_str(field::EVENT_ORIGINAL).unwrap().to_owned();
                    events.push((event.id, text));
                }
            }
        }
        events
    }
}

impl Running {
    /// Starts an agent and waits until it says that it runs.
    pub(crate) fn of(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: serde_json::Value = serde_json::from_str(&line).expect("the agent starts");
        Self { child, metrics: ready["metrics"].as_str().unwrap().to_owned() }
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Stops as systemd would and returns the exit code.
    pub(crate) fn stop(self) -> i32 {
        self.signal("TERM");
        self.wait()
    }

    /// Waits for its end and returns the exit code.
    pub(crate) fn wait(mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap()
    }

    pub(crate) fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.metrics).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already gone after kill() or stop().
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Line number `number` of the log.
pub(crate) fn line(number: u64) -> String {
    let (minute, second) = (number / 60 % 60, number % 60);
    if number.is_multiple_of(7) {
        format!(
            "Nov 21 08:{minute:02}:{second:02} web-1 sshd[{number}]: Failed password for root from 203.0.113.9 port 4022 ssh2"
        )
    } else {
        format!(
            "Nov 21 08:{minute:02}:{second:02} web-1 CRON[{number}]: pam_unix(cron:session): session opened for user root"
        )
    }
}

pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !done() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}
