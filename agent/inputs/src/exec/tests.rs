//! Commands, run as real processes.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use rules_event::Event;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{Lines, Report};

#[derive(Default)]
struct Told {
    problems: Mutex<Vec<String>>,
    counts: Mutex<BTreeMap<Count, u64>>,
}

impl Report for Told {
    fn problem(&self, subject: &str, text: String) {
        self.problems.lock().unwrap().push(format!("{subject}: {text}"));
    }
    fn resolved(&self, subject: &str) {
        self.problems.lock().unwrap().push(format!("{subject}: over"));
    }
    fn count(&self, what: Count, amount: u64) {
        *self.counts.lock().unwrap().entry(what).or_default() += amount;
    }
}

impl Told {
    fn counted(&self, what: Count) -> u64 {
        self.counts.lock().unwrap().get(&what).copied().unwrap_or(0)
    }
}

struct Running {
    chunks: mpsc::Receiver<Chunk>,
    told: Arc<Told>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

/// One run as it was handed on.
struct Run {
    lines: Option<Lines>,
    event: Option<Event>,
    state: State,
}

impl Run {
    fn texts(&self) -> Vec<String> {
        let lines = self.lines.iter().flat_map(|lines| lines.iter());
        lines.map(|line| String::from_utf8_lossy(line.bytes).into_owned()).collect()
    }

    fn said(&self, name: &str) -> &str {
        self.event.as_ref().and_then(|event| event.get_str(name)).unwrap_or_default()
    }
}

fn config(command: &[&str], change: impl FnOnce(&mut ExecConfig)) -> ExecConfig {
    let command = command.iter().map(|word| (*word).to_owned()).collect();
    let mut config =
        ExecConfig { name: "it".to_owned(), command, interval_s: 1, ..Default::default() };
    change(&mut config);
    config
}

fn shell(script: &str, change: impl FnOnce(&mut ExecConfig)) -> ExecConfig {
    config(&["/bin/sh", "-c", script], change)
}

impl Running {
    fn start(config: ExecConfig) -> Self {
        Self::resume(config, &HashMap::new())
    }

    fn resume(config: ExecConfig, checkpoints: &HashMap<String, String>) -> Self {
        let (out, chunks) = mpsc::channel(1);
        let (told, stop) = (Arc::new(Told::default()), CancellationToken::new());
        let wiring = Wiring { out, stop: stop.clone(), report: Arc::clone(&told) as _ };
        let mut tasks = JoinSet::new();
        let plans = plans(&[config], Duration::from_secs(1)).unwrap();
        start(plans, false, &checkpoints.clone().into(), &mut tasks, &wiring);
        Self { chunks, told, stop, tasks }
    }

    async fn next(&mut self) -> Run {
        let chunk = self.chunks.recv().await.expect("the command runs");
        let [(key, position)] = &chunk.positions[..] else { panic!("{chunk:?}") };
        assert_eq!(key, "exec:it");
        let mut run = Run { lines: None, event: None, state: State::parse(position) };
        for item in chunk.items {
            match item {
                Item::Lines(lines) => assert!(run.lines.replace(lines).is_none()),
                Item::Sample(sample) => {
                    assert_eq!(sample.event.time, clock::from_millis(run.state.run));
                    run.event = Some(sample.event);
                }
                Item::Entry(_) => panic!("an entry"),
            }
        }
        run
    }

    async fn end(self) -> Arc<Told> {
        self.stop.cancel();
        self.tasks.join_all().await;
        Arc::clone(&self.told)
    }
}

/// Waits until a process is gone, and not even a zombie.
async fn gone(pid: &str) {
    while Path::new("/proc").join(pid).exists() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn lines_are_known_by_run_and_place_and_nothing_is_inherited() {
    let script = "printf 'one\\n\\377two\\nlast'; read -r x; echo \"[$x]\"";
    let mut running = Running::start(shell(script, |config| config.system = "lgsp".to_owned()));
    let run = running.next().await;
    let lines = run.lines.as_ref().unwrap();
    assert_eq!(lines.source.key, "exec:it");
    assert_eq!(lines.source.command.as_deref(), Some("it"));
    assert_eq!(lines.source.system.as_deref(), Some("lgsp"));
    let got: Vec<_> = lines.iter().map(|line| (line.offset, line.bytes.to_vec())).collect();
    let at = |place| offset(run.state.run, place);
    // Standard input is empty.
    let wanted =
        [(at(0), b"one".to_vec()), (at(4), b"\xfftwo".to_vec()), (at(9), b"last[]".to_vec())];
    assert_eq!(got, wanted);
    assert!(run.event.is_none());
    let again = running.next().await;
    assert!(again.state.run > run.state.run);
    let told = running.end().await;
    assert_eq!((told.counted(Count::ExecFailures), told.counted(Count::LineBytes) % 16), (0, 0));

    let env = |config: &mut ExecConfig| {
        config.env = [("TOKEN".to_owned(), "a b".to_owned())].into();
        config.working_dir = "/proc".into();
    };
    let mut running = Running::start(config(&["/usr/bin/env"], env));
    let run = running.next().await;
    let texts = run.texts();
    let is_fine =
        |text: &String| ["PATH=", "LANG=", "TOKEN=a b"].iter().any(|it| text.starts_with(it));
    assert!(texts.iter().all(is_fine) && texts.contains(&"TOKEN=a b".to_owned()), "{texts:?}");
    running.end().await;
    // Of descriptors: what any child of this process has, and none that was opened here.
    let script = "cd /proc/$$/fd && echo *";
    let usual = std::process::Command::new("/bin/sh").args(["-c", script]).output().unwrap().stdout;
    let _ours = std::fs::File::open("/dev/null").unwrap();
    let mut running = Running::start(shell(script, |_| ()));
    assert_eq!(running.next().await.texts(), [String::from_utf8_lossy(&usual).trim()]);
    running.end().await;
}

#[tokio::test]
async fn what_takes_too_long_is_ended_with_all_it_started() {
    // Neither listens to SIGTERM.
    let script = "trap '' TERM; sleep 300 & echo $$ $!; wait; wait";
    let mut running = Running::start(shell(script, |config| config.timeout_ms = 1_500));
    let run = running.next().await;
    let texts = run.texts();
    for pid in texts[0].split(' ') {
        gone(pid).await;
    }
    assert_eq!(run.said("vonglau.exec.outcome"), "timed_out");
    assert!(run.said("event.reason").contains("1500 ms"), "{}", run.said("event.reason"));
    let told = running.end().await;
    assert!(told.problems.lock().unwrap()[0].contains("exec it: it took longer"));
    // Who listens is not killed.
    let script = "trap 'echo bye; exit 0' TERM; echo on; while :; do sleep 0.01; done";
    let mut running = Running::start(shell(script, |config| config.timeout_ms = 1_500));
    let run = running.next().await;
    assert_eq!(run.texts(), ["on", "bye"]);
    assert_eq!(run.said("vonglau.exec.outcome"), "timed_out");
    running.end().await;
}

#[tokio::test]
async fn a_flood_is_cut_at_a_whole_line() {
    let flood = config(&["/usr/bin/yes", "0123456789"], |config| config.output_bytes_max = 2_000);
    let mut running = Running::start(flood);
    let run = running.next().await;
    let texts = run.texts();
    assert!(texts.len() == 181 && texts.iter().all(|text| text == "0123456789"), "{}", texts.len());
    assert_eq!(run.said("vonglau.exec.outcome"), "output_limit");
    running.end().await;
}

#[tokio::test]
async fn a_grandchild_that_holds_the_output_holds_nobody_up() {
    // Within the group it is ended; what left the group is only let go.
    let mut running = Running::start(shell("sleep 300 & echo $!", |_| ()));
    let run = running.next().await;
    gone(&run.texts()[0]).await;
    assert!(run.event.is_none(), "the command itself ended well");
    running.end().await;
    let mut running = Running::start(shell("setsid sleep 300 & echo $!; exit 3", |_| ()));
    let run = running.next().await;
    assert_eq!(run.said("vonglau.exec.outcome"), "failed");
    let left = run.event.as_ref().and_then(|event| event.get("vonglau.exec.left_behind"));
    assert_eq!(left, Some(rules_event::ValueRef::Bool(true)));
    let pid = run.texts()[0].parse().ok().and_then(rustix::process::Pid::from_raw).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    running.end().await;
}

#[tokio::test]
async fn runs_never_overlap_and_what_was_due_meanwhile_is_counted() {
    let mut running = Running::start(shell("sleep 1.3; echo done", |_| ()));
    let (first, second) = (running.next().await, running.next().await);
    assert!(
        second.state.run - first.state.run >= 1_900,
        "{} {}",
        first.state.run,
        second.state.run
    );
    assert!(second.state.skipped >= 1);
    let told = running.end().await;
    assert!(told.counted(Count::ExecSkipped) >= 1);
}

#[tokio::test]
async fn only_what_changed_is_sent() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("facts");
    std::fs::write(&path, "a\n").unwrap();
    let script = format!("cat {}; test ! -e {}.slow || sleep 300", path.display(), path.display());
    let change = |config: &mut ExecConfig| {
        config.on_change = true;
        config.record = Record::Whole;
        config.timeout_ms = 3_000;
    };
    let mut running = Running::start(shell(&script, change));
    let first = running.next().await;
    assert_eq!(first.texts(), ["a"]);
    let second = running.next().await;
    assert!(second.lines.is_none() && second.state.digest == first.state.digest);
    let known = [("exec:it".to_owned(), second.state.json())].into();
    running.end().await;
    // Remembered over a restart.
    let mut running = Running::resume(shell(&script, change), &known);
    assert!(running.next().await.lines.is_none());
    std::fs::write(&path, "a\nb\n").unwrap();
    let run = loop {
        let run = running.next().await;
        if run.lines.is_some() {
            break run;
        }
    };
    assert_eq!(run.texts(), ["a\nb"]);
    // Half of it is no change.
    std::fs::write(path.with_extension("slow"), "").unwrap();
    let run = loop {
        let run = running.next().await;
        if run.event.is_some() {
            break run;
        }
    };
    assert!(run.lines.is_none() && run.said("vonglau.exec.outcome") == "timed_out");
    let told = running.end().await;
    assert!(told.counted(Count::ExecUnchanged) >= 2);
}

#[tokio::test]
async fn what_others_could_change_or_is_not_there_is_told_and_not_run() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tool");
    let mark = dir.path().join("ran");
    std::fs::write(&path, format!("#!/bin/sh\ntouch {}\n", mark.display())).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(&path, mode).unwrap();
    let tool = path.display().to_string();
    let mut running = Running::start(config(&[&tool], |_| ()));
    let run = running.next().await;
    assert_eq!(run.said("vonglau.exec.outcome"), "refused");
    assert!(run.said("event.reason").contains("chmod o-w") && !mark.exists());
    running.end().await;
    let mut running = Running::start(shell("exit 0", |config| config.working_dir = "/none".into()));
    let run = running.next().await;
    assert_eq!(run.said("vonglau.exec.outcome"), "not_started");
    assert!(run.said("event.reason").contains("No such file"), "{}", run.said("event.reason"));
    running.end().await;
}

#[tokio::test]
async fn a_failure_says_why_and_the_end_of_it_is_told() {
    let script = "for i in $(seq 900); do echo $i >&2; done; echo why >&2; exit 7";
    let mut running = Running::start(shell(script, |_| ()));
    let run = running.next().await;
    let event = run.event.as_ref().unwrap();
    assert_eq!(event.get("process.exit_code").and_then(rules_event::ValueRef::as_int), Some(7));
    let stderr = run.said("vonglau.exec.stderr");
    assert!(stderr.ends_with("899\n900\nwhy") && stderr.len() <= 2_048, "{stderr}");
    let again = running.next().await;
    assert!(again.event.is_none() && again.state.failures == 1);
    let told = running.end().await;
    assert!(told.problems.lock().unwrap().is_empty(), "an exit code is no problem of the agent's");
}

#[tokio::test]
async fn the_end_of_the_agent_ends_the_command() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pid");
    let script = format!("echo $$ > {0}.new; mv {0}.new {0}; sleep 300", path.display());
    let running = Running::start(shell(&script, |_| ()));
    let pid = loop {
        match std::fs::read_to_string(&path) {
            Ok(pid) => break pid,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let stop = running.stop.clone();
    stop.cancel();
    running.tasks.join_all().await;
    gone(pid.trim()).await;
}

#[test]
fn after_a_restart_it_runs_when_it_was_due() {
    let now = jiff::Timestamp::now();
    let runner = |config: ExecConfig, run: i64| Runner {
        plan: plans(&[config], Duration::ZERO).unwrap().remove(0),
        guarded: false,
        state: State::parse(&format!("{{\"run\":{run}}}")),
        trust: Trust::new(None),
        zone: TimeZone::UTC,
        problem: None,
        wiring: Wiring {
            out: mpsc::channel(1).0,
            stop: CancellationToken::new(),
            report: Arc::new(Told::default()),
        },
    };
    let hourly = |config: &mut ExecConfig| config.interval_s = 3_600;
    let left = |run: i64| {
        let due = runner(shell("", hourly), run).first().unwrap();
        due.at.saturating_duration_since(Instant::now()).as_secs()
    };
    let now_ms = now.as_millisecond();
    assert!((3_590..=3_600).contains(&left(now_ms)));
    assert!((1_790..=1_800).contains(&left(now_ms - 1_800_000)));
    assert_eq!((left(now_ms - 9_000_000), left(0)), (0, 0));
    assert!(left(now_ms + 86_400_000) <= 3_600, "a clock that was set back");
    let daily = |config: &mut ExecConfig| config.schedule = vec!["daily 02:30".to_owned()];
    let due = |run: i64| runner(shell("", daily), run).first().unwrap().time;
    assert!(due(now_ms - 2 * 86_400_000) <= now, "one was missed");
    assert!(due(now_ms) > now && due(0) > now);
}
