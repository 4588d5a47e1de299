//! The whole input with its thread, its hints and its channel.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::collections::{HashMap, HashSet};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use agent_inputs::{Chunk, Count, FilesConfig, HostConfig, InputsConfig, Item, Report, start};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

struct Ear;
impl Report for Ear {
    fn problem(&self, subject: &str, text: String) {
        panic!("{subject}: {text}");
    }
    fn resolved(&self, _: &str) {}
    fn notice(&self, subject: &str, text: String) {
        panic!("{subject}: {text}");
    }
    fn count(&self, _: Count, _: u64) {}
}

fn config(path: &Path) -> InputsConfig {
    InputsConfig {
        files: vec![FilesConfig {
            paths: vec![path.display().to_string()],
            ..FilesConfig::default()
        }],
        host: HostConfig { enabled: false, ..HostConfig::default() },
        scan_interval_ms: 100,
        ..InputsConfig::default()
    }
}

/// What the caller holds durable.
#[derive(Default)]
struct Durable {
    positions: HashMap<String, String>,
    lines: Vec<String>,
    places: HashSet<(String, u64)>,
}

impl Durable {
    fn take(&mut self, chunk: Chunk) {
        for item in chunk.items {
            let Item::Lines(lines) = item else { panic!("files send lines") };
            for line in lines.iter() {
                let place = (lines.source.key.clone(), line.offset);
                assert!(self.places.insert(place.clone()), "{place:?} twice");
                self.lines.push(String::from_utf8(line.bytes.to_vec()).unwrap());
            }
        }
        self.positions.extend(chunk.positions);
        for key in chunk.gone {
            self.positions.remove(&key);
        }
    }

    /// Runs the inputs until so many lines are durable.
    async fn run(&mut self, config: InputsConfig, lines: usize) {
        let (out, mut chunks) = mpsc::channel(1);
        let stop = CancellationToken::new();
        let task = start(config, self.positions.clone(), out, stop.clone(), Arc::new(Ear)).unwrap();
        let receive = async {
            while self.lines.len() < lines {
                self.take(chunks.recv().await.expect("runs until stopped"));
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(60), receive).await;
        assert!(in_time.is_ok(), "{} of {lines} lines", self.lines.len());
        // The channel is full or soon will be: stopping must not wait for room in it.
        stop.cancel();
        tokio::time::timeout(Duration::from_secs(60), task).await.expect("stops").unwrap();
    }
}

fn write(path: &Path, range: std::ops::Range<usize>) {
    let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
    for number in range {
        writeln!(file, "Nov 21 08:30:00 host app[1]: line {number}").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_come_once_through_rotations_and_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.log");
    let mut durable = Durable::default();
    write(&path, 0..10_000);
    // Stopped in the middle: what was not taken is read again, and only that.
    durable.run(config(&path), 3_000).await;
    write(&path, 10_000..10_100);
    fs::rename(&path, folder.path().join("x.log.1")).unwrap();
    write(&path, 10_100..10_200);
    durable.run(config(&path), 10_200).await;
    assert_eq!(durable.lines.len(), 10_200);
    let all: HashSet<&String> = durable.lines.iter().collect();
    assert_eq!(all.len(), 10_200);
}

fn shift(path: &Path, rotated: usize) {
    let name = |number: usize| path.with_file_name(format!("x.log.{number}"));
    for older in (1..=rotated).rev() {
        fs::rename(name(older), name(older + 1)).unwrap();
    }
}

/// A writer that rotates while it is read, through restarts of the inputs.
async fn race(rotate: fn(&Path, &Path)) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.log");
    write(&path, 0..1);
    let mut durable = Durable::default();
    durable.run(config(&path), 1).await;
    let writing = path.clone();
    let writer = std::thread::spawn(move || {
        for turn in 0..19 {
            write(&writing, turn * 1_000 + 1..(turn + 1) * 1_000 + 1);
            shift(&writing, turn);
            rotate(&writing, &writing.with_file_name("x.log.1"));
        }
        write(&writing, 19_001..19_002);
    });
    durable.run(config(&path), 500).await;
    durable.run(config(&path), 5_000).await;
    durable.run(config(&path), 19_002).await;
    writer.join().unwrap();
    let all: HashSet<&String> = durable.lines.iter().collect();
    assert_eq!((durable.lines.len(), all.len()), (19_002, 19_002));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_renames_while_it_is_read_loses_nothing() {
    race(|log, rotated| fs::rename(log, rotated).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_copies_and_truncates_while_it_is_read_loses_nothing() {
    race(|log, rotated| {
        fs::copy(log, rotated).unwrap();
        OpenOptions::new().write(true).open(log).unwrap().set_len(0).unwrap();
    })
    .await;
}

#[tokio::test]
async fn mistakes_are_told_at_the_start() {
    let (out, _chunks) = mpsc::channel(1);
    let mut config = config(Path::new("/var/log/x.log"));
    config.scan_interval_ms = 0;
    let stop = CancellationToken::new();
    let error = start(config, HashMap::new(), out, stop, Arc::new(Ear)).unwrap_err();
    assert_eq!(error.to_string(), "input.scan_interval_ms = 0 is out of bounds; give 50 to 60000");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_audit_event_is_one_also_when_the_agent_stops_within_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let record = |serial: u32, kind: &str, rest: &str| {
        format!("type={kind} msg=audit(1700000000.100:{serial}): {rest}\n")
    };
    // Two events, mixed; the second lacks its end when the agent stops.
    let mut text = record(1, "SYSCALL", "syscall=59 items=1");
    text.push_str(&record(2, "SYSCALL", "syscall=59 items=1"));
    text.push_str(&record(1, "PATH", "item=0 name=\"/a\""));
    text.push_str(&record(1, "PROCTITLE", "proctitle=\"a\""));
    fs::write(&path, &text).unwrap();
    let mut durable = Durable::default();
    durable.run(config(&path), 1).await;
    assert_eq!(durable.lines.len(), 1);
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    write!(file, "{}", record(2, "PATH", "item=0 name=\"/b\"")).unwrap();
    write!(file, "{}", record(2, "PROCTITLE", "proctitle=\"b\"")).unwrap();
    drop(file);
    durable.run(config(&path), 2).await;
    let counts: Vec<usize> = durable.lines.iter().map(|event| event.lines().count()).collect();
    assert_eq!(counts, [3, 3], "{:?}", durable.lines);
    assert!(durable.lines[1].lines().all(|line| line.contains(":2):")));
}
