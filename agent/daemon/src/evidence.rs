//! Evidence: what the run before left behind, compared with what is found now.
//!
//! `STATE/run.json` is written when a run begins and when it ends in order; its time of change is
//! moved on while the agent lives. So the next run knows whether the one before was told to stop, was
//! killed, or went down with the host, when that was, and what was changed meanwhile.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rules_event::{Timestamp, Value};
use serde::{Deserialize, Serialize};

use crate::error::{Result, file};
use crate::sealer::now;
use crate::usage;
use crate::witness::{Action, REASON, Witness, count, text};

const RUN_FILE: &str = "run.json";
/// How often the sign of life in the file is renewed: how exactly the end of a killed run is known.
pub(crate) const ALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// The clock of a host may be this wrong before it is told: TCVN 11930:2017, 5.8, asks for 1 s.
pub(crate) const CLOCK_STEP_MIN: Duration = Duration::from_secs(1);

/// What a run leaves for the next. A field that an older version did not write is empty, and is not
/// compared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct RunRecord {
    pub(crate) agent: String,
    pub(crate) version: String,
    pub(crate) pid: u32,
    /// `/proc/sys/kernel/random/boot_id`: another one after every start of the host.
    pub(crate) boot: String,
    pub(crate) started: String,
    /// SHA-256 of the configuration file and of the program.
    pub(crate) config: String,
    pub(crate) binary: String,
    /// What tells without reading it that the program is still the same; see `seals.rs`.
    pub(crate) binary_stat: String,
    /// Identity of the rule set.
    pub(crate) ruleset: String,
    /// Epoch of the spool.
    pub(crate) epoch: u64,
    /// Both clocks when this was written, nanoseconds: their difference shows a clock that was set.
    pub(crate) wall_ns: u64,
    pub(crate) boot_ns: u64,
    /// Why and when the run ended in order; empty while it runs.
    pub(crate) ended: Option<Ended>,
    /// Runs that ended without being told to, since the state folder was made.
    pub(crate) unclean_ends: u64,
}

/// An orderly end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Ended {
    pub(crate) at: String,
    pub(crate) reason: String,
}

/// The record of the run under way.
pub(crate) struct Evidence {
    path: PathBuf,
    record: RunRecord,
    /// The disk has the record as it is here.
    is_written: bool,
}

/// What the run before left, if there was one that can be understood.
#[derive(Debug, Default)]
pub(crate) struct Before {
    pub(crate) record: Option<RunRecord>,
    /// Its last sign of life.
    alive: Option<SystemTime>,
}

impl Before {
    /// Reads it. Call it with the lock of the spool held: else the run may still be under way.
    pub(crate) fn read(state_dir: &Path) -> Result<Self> {
        let path = state_dir.join(RUN_FILE);
        match fs::read(&path) {
            Ok(bytes) => Ok(Self {
                record: serde_json::from_slice(&bytes)
                    .inspect_err(
                        |error| tracing::warn!(%error, path = %path.display(), "not understood"),
                    )
                    .ok(),
                alive: fs::metadata(&path).and_then(|facts| facts.modified()).ok(),
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(file("read", &path)(error)),
        }
    }
}

impl Before {
    /// Returns for people how the run ended, if there was one.
    pub(crate) fn how_it_ended(&self) -> Option<String> {
        let record = self.record.as_ref()?;
        Some(match &record.ended {
            Some(ended) => format!("stopped at {}: {}", ended.at, ended.reason),
            None if record.boot == boot_id() => "killed or crashed".to_owned(),
            None => "went down with the host".to_owned(),
        })
    }
}

impl Evidence {
    /// Compares with the run before, says what differs, and writes down that this one began: at the
    /// next sign of life if the disk is full now. That is no reason not to read logs.
    pub(crate) fn begin(
        state_dir: &Path,
        before: &Before,
        mut record: RunRecord,
        witness: &Witness,
    ) -> Self {
        (record.wall_ns, record.boot_ns) = (nanos(usage::wall()), nanos(usage::since_boot()));
        if let Some(run) = &before.record {
            record.unclean_ends = run.unclean_ends;
            compare(run, &mut record, before.alive, witness);
        }
        let mut evidence = Self { path: state_dir.join(RUN_FILE), record, is_written: false };
        evidence.note(|_| {});
        evidence.say_started(witness);
        evidence
    }

    fn say_started(&self, witness: &Witness) {
        let record = &self.record;
        witness.say(
            Action::Started,
            format!("the agent {} runs", record.version),
            [
                ("process.pid", count(u64::from(record.pid))),
                ("vonglau.agent.version", text(&record.version)),
                ("vonglau.agent.config_sha256", text(&record.config)),
                ("vonglau.agent.binary_sha256", text(&record.binary)),
                ("rule.ruleset", text(&record.ruleset)),
                ("vonglau.spool.epoch", count(record.epoch)),
            ],
        );
    }

    /// Renews the sign of life. It is not synced: after a power cut the time is a little too old.
    pub(crate) fn alive(&mut self) {
        if !self.is_written {
            self.note(|_| {});
        }
        let touched = File::options()
            .append(true)
            .open(&self.path)
            .and_then(|file| file.set_modified(SystemTime::now()));
        if let Err(error) = touched {
            tracing::debug!(%error, path = %self.path.display(), "cannot renew the sign of life");
        }
    }

    /// Notes what is in force after a change.
    pub(crate) fn note(&mut self, change: impl FnOnce(&mut RunRecord)) {
        change(&mut self.record);
        let written = self.write();
        self.is_written = written.is_ok();
        if let Err(error) = written {
            tracing::warn!(error = %rules_service::logs::chain(&error), "cannot note the change");
        }
    }

    /// Writes down that the run ends in order.
    pub(crate) fn end(&mut self, reason: &str) {
        let ended = Ended { at: now().to_string(), reason: reason.to_owned() };
        self.note(|record| {
            (record.wall_ns, record.boot_ns) = (nanos(usage::wall()), nanos(usage::since_boot()));
            record.ended = Some(ended);
        });
    }

    /// Whole or not at all, and on the platter: a power cut must not look like something else.
    fn write(&self) -> Result<()> {
        let temporary = self.path.with_extension("json.tmp");
        let text = serde_json::to_string_pretty(&self.record).unwrap_or_default();
        let attempt = || -> io::Result<()> {
            let mut file = File::create(&temporary)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&temporary, &self.path)
        };
        attempt().map_err(file("write", &self.path))
    }
}

fn compare(
    before: &RunRecord,
    record: &mut RunRecord,
    alive: Option<SystemTime>,
    witness: &Witness,
) {
    if before.ended.is_none() {
        record.unclean_ends += 1;
        say_unclean(before, record, alive, witness);
    }
    let differ = |old: &str, new: &str| !old.is_empty() && old != new;
    if differ(&before.agent, &record.agent) {
        witness.say(
            Action::KeyChanged,
            format!("the agent has another key; before it was {}", before.agent),
            [("vonglau.agent.id_before", text(&before.agent))],
        );
    }
    for (action, what, old, new) in [
        (Action::ConfigChanged, "configuration file", &before.config, &record.config),
        (Action::BinaryChanged, "program", &before.binary, &record.binary),
    ] {
        if differ(old, new) {
            let text = format!("the {what} is another one than when the agent last ran");
            witness.say(action, text, hashes(old, new));
        }
    }
    if differ(&before.ruleset, &record.ruleset) {
        witness.say(
            Action::RulesChanged,
            "the rule set is another one than when the agent last ran",
            [
                ("rule.ruleset", text(&record.ruleset)),
                ("vonglau.agent.ruleset_before", text(&before.ruleset)),
            ],
        );
    }
    if before.epoch != 0 && before.epoch != record.epoch {
        witness.say(
            Action::EpochChanged,
            "the spool began anew: batches are numbered from 1 again",
            [
                ("vonglau.spool.epoch", count(record.epoch)),
                ("vonglau.spool.epoch_before", count(before.epoch)),
            ],
        );
    }
    if before.boot == record.boot && before.boot_ns > 0 {
        let wall = signed(before.wall_ns, record.wall_ns);
        let boot = signed(before.boot_ns, record.boot_ns);
        say_jump(wall - boot, "while the agent did not run", witness);
    } else if before.wall_ns > record.wall_ns {
        let back = signed(before.wall_ns, record.wall_ns);
        say_jump(back, "since the agent last ran", witness);
    }
}

fn say_unclean(
    before: &RunRecord,
    record: &RunRecord,
    alive: Option<SystemTime>,
    witness: &Witness,
) {
    let (reason, why) = if before.boot == record.boot {
        ("killed_or_crashed", "it was killed or crashed")
    } else {
        ("host_down", "the host went down with it, without telling it to stop")
    };
    let mut fields = vec![
        (REASON, text(reason)),
        ("process.pid", count(u64::from(before.pid))),
        ("vonglau.agent.unclean_ends", count(record.unclean_ends)),
    ];
    let mut text = format!("the run before this one did not end in order: {why}");
    if let Some(since) = alive.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok()) {
        let last = Timestamp::from_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX));
        let gap = usage::wall().saturating_sub(since).as_secs();
        text.push_str(&format!("; last sign of life {last}, {gap} s ago"));
        fields.push(("vonglau.agent.last_alive", Value::from(last.to_string())));
        fields.push(("vonglau.agent.gap_seconds", count(gap)));
    }
    witness.say(Action::EndedUnclean, text, fields);
}

/// The fields of a file that changed.
pub(crate) fn hashes(old: &str, new: &str) -> [(&'static str, Value); 2] {
    [("file.hash.sha256", text(new)), ("vonglau.agent.sha256_before", text(old))]
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn signed(from: u64, to: u64) -> f64 {
    (i128::from(to) - i128::from(from)) as f64 / 1e9
}

fn say_jump(seconds: f64, when: &str, witness: &Witness) {
    if seconds.abs() < CLOCK_STEP_MIN.as_secs_f64() {
        return;
    }
    let seconds = (seconds * 1_000.0).round() / 1_000.0;
    let way = if seconds > 0.0 { "ahead" } else { "back" };
    witness.say(
        Action::ClockJumped,
        format!("the clock was set {way} by {} s {when}", seconds.abs()),
        [("vonglau.clock.offset_seconds", Value::Float(seconds))],
    );
}

/// Watches the clock people read against the one nobody can set.
pub(crate) struct Clocks {
    wall: Duration,
    boot: Duration,
}

impl Clocks {
    pub(crate) fn new() -> Self {
        Self { wall: usage::wall(), boot: usage::since_boot() }
    }

    /// Says if the clock was set since the last look.
    pub(crate) fn look(&mut self, witness: &Witness) {
        let now = Self::new();
        say_jump(self.jump_to(&now), "", witness);
        *self = now;
    }

    fn jump_to(&self, now: &Self) -> f64 {
        signed(nanos(self.wall), nanos(now.wall)) - signed(nanos(self.boot), nanos(now.boot))
    }
}

/// Returns what tells one start of the host from another; empty where the kernel does not say.
pub(crate) fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;
    use rules_event::field;

    fn record(boot: &str) -> RunRecord {
        RunRecord {
            agent: "a".to_owned(),
            boot: boot.to_owned(),
            config: "c1".to_owned(),
            binary: "b1".to_owned(),
            ruleset: "r1".to_owned(),
            epoch: 1,
            ..RunRecord::default()
        }
    }

    /// Begins a run and returns what it says, without `started`.
    fn begin(dir: &Path, record: RunRecord) -> (Evidence, Vec<rules_event::Event>) {
        let (witness, mut said) = Witness::new(Metrics::new(), true);
        let before = Before::read(dir).unwrap();
        let evidence = Evidence::begin(dir, &before, record, &witness);
        let mut events = Vec::new();
        while let Ok(sample) = said.try_recv() {
            events.push(sample.event);
        }
        assert_eq!(events.pop().unwrap().get_str(field::EVENT_ACTION), Some("started"));
        (evidence, events)
    }

    fn actions(events: &[rules_event::Event]) -> Vec<&str> {
        events.iter().filter_map(|event| event.get_str(field::EVENT_ACTION)).collect()
    }

    #[test]
    fn what_a_full_disk_refused_is_written_with_the_next_sign_of_life() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let (mut evidence, _) = begin(&state, record("boot-1"));
        evidence.alive();
        fs::create_dir(&state).unwrap();
        evidence.alive();
        assert_eq!(Before::read(&state).unwrap().record.unwrap().boot, "boot-1");
    }

    #[test]
    fn an_end_nobody_ordered_is_found_by_the_next_run() {
        let dir = tempfile::tempdir().unwrap();
        let (mut evidence, said) = begin(dir.path(), record("boot-1"));
        assert!(said.is_empty(), "nothing was before");
        evidence.end("SIGTERM");
        let (mut evidence, said) = begin(dir.path(), record("boot-1"));
        assert!(said.is_empty(), "it had ended in order");
        evidence.alive();
        let (_, said) = begin(dir.path(), record("boot-1"));
        assert_eq!(actions(&said), ["ended_unclean"]);
        assert_eq!(said[0].get_str(REASON), Some("killed_or_crashed"));
        assert!(said[0].get("vonglau.agent.gap_seconds").is_some());
        let (_, said) = begin(dir.path(), record("boot-2"));
        assert_eq!(said[0].get_str(REASON), Some("host_down"));
        assert_eq!(said[0].get("vonglau.agent.unclean_ends"), Some(rules_event::ValueRef::Int(2)));
    }

    #[test]
    fn what_was_changed_between_two_runs_is_said() {
        let dir = tempfile::tempdir().unwrap();
        begin(dir.path(), record("boot")).0.end("SIGTERM");
        let mut other = record("boot");
        other.agent = "z".to_owned();
        other.config = "c2".to_owned();
        other.binary = "b2".to_owned();
        other.ruleset = "r2".to_owned();
        other.epoch = 2;
        let (_, said) = begin(dir.path(), other);
        assert_eq!(
            actions(&said),
            ["key_changed", "config_changed", "binary_changed", "rules_changed", "epoch_changed"]
        );
        // A file nobody understands is no reason not to start.
        fs::write(dir.path().join(RUN_FILE), "{").unwrap();
        assert!(begin(dir.path(), record("boot")).1.is_empty());
    }

    #[test]
    fn a_clock_that_was_set_is_seen_in_both_directions() {
        let at = |wall, boot| Clocks {
            wall: Duration::from_millis(wall),
            boot: Duration::from_millis(boot),
        };
        let jump = |now: Clocks| at(100_000, 5_000).jump_to(&now);
        assert!(jump(at(101_000, 6_000)).abs() < 1e-6);
        assert!((jump(at(191_000, 6_000)) - 90.0).abs() < 1e-6);
        assert!((jump(at(41_000, 6_000)) + 60.0).abs() < 1e-6);
        // While the agent was stopped, in one boot.
        let dir = tempfile::tempdir().unwrap();
        begin(dir.path(), record("boot")).0.end("SIGTERM");
        let path = dir.path().join(RUN_FILE);
        let mut kept: RunRecord = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        kept.wall_ns += 3_600_000_000_000;
        fs::write(&path, serde_json::to_vec(&kept).unwrap()).unwrap();
        let (_, said) = begin(dir.path(), record("boot"));
        assert_eq!(actions(&said), ["clock_jumped"]);
        let Some(rules_event::ValueRef::Float(offset)) =
            said[0].get("vonglau.clock.offset_seconds")
        else {
            unreachable!("a number with a fraction")
        };
        assert!((offset + 3_600.0).abs() < 5.0, "{offset}");
    }
}
