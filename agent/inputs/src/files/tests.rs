//! Following real files through every kind of rotation: each line exactly once, by text and by
//! (key, offset), and a restart goes on where the durable positions say.

mod encoding;
mod hints;
mod join;
mod model;
mod packed;
mod rotation;
mod start;

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, UNIX_EPOCH};

use tokio_util::sync::CancellationToken;

use super::Follower;
use super::read::Sent;
use super::watch::Hints;
use crate::run::Wiring;
use crate::{Chunk, Count, FilesConfig, InputsConfig, Item, Report, Start};

/// What the inputs told.
#[derive(Default)]
pub(super) struct Told {
    pub(super) problems: HashMap<String, String>,
    pub(super) resolved: Vec<String>,
    pub(super) notices: Vec<String>,
    pub(super) counts: HashMap<Count, u64>,
}

#[derive(Default)]
struct Ear(Mutex<Told>);

impl Report for Ear {
    fn problem(&self, subject: &str, text: String) {
        self.0.lock().unwrap().problems.insert(subject.to_owned(), text);
    }
    fn resolved(&self, subject: &str) {
        let mut told = self.0.lock().unwrap();
        assert!(told.problems.remove(subject).is_some(), "resolved without problem: {subject}");
        told.resolved.push(subject.to_owned());
    }
    fn notice(&self, _subject: &str, text: String) {
        self.0.lock().unwrap().notices.push(text);
    }
    fn count(&self, what: Count, amount: u64) {
        *self.0.lock().unwrap().counts.entry(what).or_default() += amount;
    }
}

/// A folder of logs and an agent that follows them, one cycle at a time.
pub(super) struct Scene {
    pub(super) folder: tempfile::TempDir,
    pub(super) config: InputsConfig,
    follower: Option<Follower>,
    ear: Arc<Ear>,
    /// What is durable: positions as the spool would hold them.
    pub(super) durable: HashMap<String, String>,
    /// Lines durably received, in order: key, offset, text.
    pub(super) lines: Vec<(String, u64, String)>,
    /// Their bytes.
    pub(super) raw: Vec<Vec<u8>>,
    /// A clock for modification times, so that no two changes share one.
    ticks: u64,
    grace: Duration,
}

impl Scene {
    pub(super) fn new(paths: &[&str], start: Start) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let paths =
            paths.iter().map(|path| format!("{}/{path}", folder.path().display())).collect();
        let files = vec![FilesConfig { paths, start, ..FilesConfig::default() }];
        Self {
            folder,
            config: InputsConfig { files, open_max: 8, ..InputsConfig::default() },
            follower: None,
            ear: Arc::default(),
            durable: HashMap::new(),
            lines: Vec::new(),
            raw: Vec::new(),
            ticks: 1_700_000_000,
            grace: Duration::from_secs(3_600),
        }
    }

    /// Rotated and deleted files are given up at the next scan.
    pub(super) fn without_grace(mut self) -> Self {
        self.grace = Duration::ZERO;
        self
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn tick(&mut self, file: &File) {
        self.ticks += 1;
        file.set_modified(UNIX_EPOCH + Duration::from_secs(self.ticks)).unwrap();
    }

    pub(super) fn append(&mut self, name: &str, text: &str) {
        self.append_bytes(name, text.as_bytes());
    }

    pub(super) fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    pub(super) fn copy(&mut self, from: &str, to: &str) {
        fs::copy(self.path(from), self.path(to)).unwrap();
        let file = OpenOptions::new().append(true).open(self.path(to)).unwrap();
        self.tick(&file);
    }

    pub(super) fn truncate(&mut self, name: &str) {
        let file = OpenOptions::new().write(true).open(self.path(name)).unwrap();
        file.set_len(0).unwrap();
        self.tick(&file);
    }

    /// As `gzip` and `zstd --rm` do: the time of the last change stays.
    pub(super) fn compress(&mut self, name: &str, ending: &str) {
        let text = fs::read(self.path(name)).unwrap();
        let at = fs::metadata(self.path(name)).unwrap().modified().unwrap();
        let mut file = File::create(self.path(&format!("{name}.{ending}"))).unwrap();
        match ending {
            "gz" => {
                let mut out = flate2::write::GzEncoder::new(&file, flate2::Compression::fast());
                out.write_all(&text).unwrap();
                out.finish().unwrap();
            }
            _ => file.write_all(&zstd::bulk::compress(&text, 1).unwrap()).unwrap(),
        }
        file.set_modified(at).unwrap();
        self.delete(name);
    }

    pub(super) fn append_bytes(&mut self, name: &str, bytes: &[u8]) {
        let mut options = OpenOptions::new();
        let mut file = options.append(true).create(true).open(self.path(name)).unwrap();
        file.write_all(bytes).unwrap();
        self.tick(&file);
    }

    pub(super) fn delete(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    pub(super) fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.ear.0.lock().unwrap()
    }

    pub(super) fn count(&self, what: Count) -> u64 {
        self.told().counts.get(&what).copied().unwrap_or_default()
    }

    pub(super) fn open_files(&self) -> usize {
        let follower = self.follower.as_ref().unwrap();
        follower.sources.values().filter(|source| source.is_open()).count()
    }

    /// Stops the agent; what was not durable is forgotten.
    pub(super) fn stop(&mut self) {
        self.follower = None;
    }

    /// One scan, and everything there is to read, durably.
    pub(super) fn cycle(&mut self) -> &mut Self {
        self.cycle_until(usize::MAX)
    }

    /// What the kernel tells, and everything there is to read, durably; no scan.
    pub(super) fn hinted(&mut self, hints: Hints) -> &mut Self {
        let mut follower = self.follower.take().expect("it runs");
        let scans = follower.scan_at;
        follower.scan_hinted(hints);
        assert_eq!(follower.scan_at, scans, "no scan of everything");
        self.read(follower, usize::MAX)
    }

    /// One scan and reading while there is no room at first; `act` is called until it says that there
    /// is, with the number of open files.
    pub(super) fn held_back(&mut self, mut act: impl FnMut(&Self) -> bool) -> &mut Self {
        let mut follower = self.follower.take().expect("it runs");
        follower.interval = Duration::ZERO;
        follower.scan();
        let mut send = |chunk: Chunk| {
            if !act(self) {
                return Sent::Full(chunk);
            }
            self.take(chunk);
            Sent::Taken
        };
        assert!(follower.read_until(Instant::now() + Duration::from_secs(600), &mut send));
        self.follower = Some(follower);
        self
    }

    /// A look at the files that are open, and everything there is to read, durably.
    pub(super) fn look(&mut self) -> &mut Self {
        let mut follower = self.follower.take().expect("it runs");
        follower.look_at_open_files();
        self.read(follower, usize::MAX)
    }

    /// One scan, and reading until `chunks` chunks are durable; then the agent is killed.
    pub(super) fn cycle_until(&mut self, chunks: usize) -> &mut Self {
        let mut follower = self.follower.take().unwrap_or_else(|| {
            let (out, _) = tokio::sync::mpsc::channel(1);
            let report: Arc<dyn Report> = Arc::<Ear>::clone(&self.ear);
            let wiring = Wiring { out, stop: CancellationToken::new(), report };
            let mut follower =
                Follower::new(&self.config, &Arc::new(self.durable.clone().into()), wiring)
                    .unwrap();
            follower.grace = self.grace;
            follower
        });
        follower.scan();
        self.read(follower, chunks)
    }

    fn read(&mut self, mut follower: Follower, chunks: usize) -> &mut Self {
        let mut left = chunks;
        let mut send = |chunk: Chunk| {
            if left == 0 {
                return Sent::Ended;
            }
            left -= 1;
            self.take(chunk);
            Sent::Taken
        };
        if follower.read_until(Instant::now() + Duration::from_secs(600), &mut send) {
            self.follower = Some(follower);
        }
        self
    }

    fn take(&mut self, chunk: Chunk) {
        for item in chunk.items {
            let Item::Lines(lines) = item else { panic!("files send lines") };
            for line in lines.iter() {
                self.raw.push(line.bytes.to_vec());
                let text = String::from_utf8_lossy(line.bytes).into_owned();
                self.lines.push((lines.source.key.clone(), line.offset, text));
            }
        }
        self.durable.extend(chunk.positions);
        for key in chunk.gone {
            self.durable.remove(&key);
        }
    }

    pub(super) fn texts(&self) -> Vec<&str> {
        self.lines.iter().map(|(_, _, text)| text.as_str()).collect()
    }

    /// Exactly these lines, in this order, and no (key, offset) twice.
    #[track_caller]
    pub(super) fn check(&self, expected: &[&str]) {
        assert_eq!(self.texts(), expected);
        self.check_unique();
    }

    #[track_caller]
    pub(super) fn check_unique(&self) {
        let mut places = HashSet::new();
        for (key, offset, text) in &self.lines {
            assert!(places.insert((key, offset)), "{key} {offset} twice, second time: {text}");
        }
    }

    pub(super) fn keys(&self) -> Vec<&str> {
        let mut keys: Vec<&str> = Vec::new();
        for (key, _, _) in &self.lines {
            if !keys.contains(&key.as_str()) {
                keys.push(key);
            }
        }
        keys
    }
}
