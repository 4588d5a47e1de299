//! EVTX: exported logs of Windows, read once each.
//!
//! Beside the source of lines, not within it: such a file is binary, written in place chunk by chunk,
//! and its records have numbers of their own. So the position is the last number, and a log is known
//! by its oldest record: the same log exported again goes on where the first export ended.

mod config;
mod reader;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use self::config::EvtxConfig;
pub use self::reader::{EvtxChunk, EvtxReader, EvtxRecord};
use crate::attend::Attendant;
use crate::{Chunk, Count, Entry, Format, Item, Positions, SourceMeta, clock, expand};

/// What the keys of its positions begin with.
const PREFIX: &str = "evtx:";

/// Most logs whose position is kept; the longest unread is forgotten first.
const LOGS_MAX: usize = 1_024;

/// Most files looked at.
const FILES_MAX: usize = 10_000;

/// Returns the positions that are ours.
pub(crate) fn positions(checkpoints: &Positions) -> HashMap<String, String> {
    let ours = checkpoints.iter().filter(|(key, _)| key.starts_with(PREFIX));
    ours.map(|(key, position)| (key.to_owned(), position.to_owned())).collect()
}

/// Reads until stopped.
pub(crate) fn run(config: &EvtxConfig, known: &HashMap<String, String>, attendant: &Attendant) {
    let logs = known.iter().filter_map(|(key, json)| Some((key.clone(), Position::parse(json)?)));
    let system = Some(config.system.clone()).filter(|system| !system.is_empty());
    let mut follower = Follower {
        attendant,
        logs: logs.collect(),
        looked: HashMap::new(),
        source: None,
        system,
        policy: config.policy.number,
    };
    let interval = Duration::from_secs(config.interval_s);
    loop {
        let files = config.paths.iter().flat_map(|path| expand::expand(path)).take(FILES_MAX);
        let files: Vec<PathBuf> = files.collect();
        follower.looked.retain(|path, _| files.contains(path));
        for path in files {
            if !follower.look(&path) {
                return;
            }
        }
        if !attendant.wait(interval) {
            return;
        }
    }
}

/// How far a log was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Position {
    /// Number of the last record.
    last: u64,
    /// When, seconds since 1970.
    at: u64,
}

impl Position {
    fn parse(json: &str) -> Option<Self> {
        let value: serde_json::Value = serde_json::from_str(json).ok()?;
        Some(Self { last: value.get("last")?.as_u64()?, at: value.get("at")?.as_u64()? })
    }

    fn json(self) -> String {
        serde_json::json!({ "last": self.last, "at": self.at }).to_string()
    }
}

/// Size and time of the last change.
type State = (u64, i64, i64);

struct Follower<'a> {
    attendant: &'a Attendant,
    logs: HashMap<String, Position>,
    /// What files were like at the last look, and whether they were read like that.
    looked: HashMap<PathBuf, (State, bool)>,
    source: Option<Arc<SourceMeta>>,
    system: Option<String>,
    policy: u16,
}

impl Follower<'_> {
    /// Reads a file that has come to rest; false when it is time to end.
    fn look(&mut self, path: &Path) -> bool {
        let Ok(facts) = std::fs::metadata(path) else { return true };
        let state = (facts.size(), facts.mtime(), facts.mtime_nsec());
        match self.looked.get(path) {
            Some((before, is_read)) if *before == state => {
                if *is_read {
                    return true;
                }
            }
            // It may still be copied to here.
            _ => {
                self.looked.insert(path.to_owned(), (state, false));
                return true;
            }
        }
        let go_on = self.read(path);
        self.looked.insert(path.to_owned(), (state, true));
        go_on
    }

    fn read(&mut self, path: &Path) -> bool {
        let report = &self.attendant.wiring.report;
        let subject = path.display().to_string();
        let mut reader = match EvtxReader::open(path) {
            Ok(reader) => reader,
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                report.problem(&subject, format!("{error}: {}", cause.unwrap_or_default()));
                return true;
            }
        };
        report.resolved(&subject);
        let Some(key) = reader.print().map(|print| format!("{PREFIX}{print}")) else { return true };
        let mut last = self.logs.get(&key).map_or(0, |position| position.last);
        let (mut records, mut damaged) = (0, 0);
        while let Some(chunk) = reader.next(last) {
            damaged += chunk.damaged;
            records += chunk.records.len() as u64;
            last = chunk.records.iter().map(|record| record.number).fold(last, u64::max);
            if !self.send(path, &key, last, chunk) {
                return false;
            }
        }
        if damaged > 0 {
            let text = format!(
                "{damaged} records or chunks are damaged and left out, {records} were read; export the log again"
            );
            report.notice(&subject, text);
        }
        tracing::info!(file = subject, records, damaged, "read a Windows log");
        true
    }

    fn send(&mut self, path: &Path, key: &str, last: u64, chunk: EvtxChunk) -> bool {
        let report = &self.attendant.wiring.report;
        report.count(Count::EvtxDamaged, chunk.damaged);
        if chunk.records.is_empty() {
            return true;
        }
        report.count(Count::EvtxRecords, chunk.records.len() as u64);
        let now = clock::now();
        let at = u64::try_from(now.as_nanos()).unwrap_or_default() / 1_000_000_000;
        let position = Position { last, at };
        self.logs.insert(key.to_owned(), position);
        let source = self.source(path);
        let items = chunk.records.into_iter().map(|record| {
            let (source, cursor) = (Arc::clone(&source), record.name);
            Item::Entry(Entry { source, read_at: now, cursor, bytes: record.json })
        });
        let positions = vec![(key.to_owned(), position.json())];
        self.attendant.send(Chunk { items: items.collect(), positions, gone: self.forget() })
    }

    /// All logs are one source: a record has the same id whatever file it is found in.
    fn source(&mut self, path: &Path) -> Arc<SourceMeta> {
        let path = path.display().to_string();
        match &self.source {
            Some(source) if source.path.as_deref() == Some(&path) => Arc::clone(source),
            _ => {
                let source = Arc::new(SourceMeta {
                    key: "evtx".to_owned(),
                    path: Some(path),
                    format: Format::Evtx,
                    system: self.system.clone(),
                    dataset: None,
                    policy: self.policy,
                    ..SourceMeta::default()
                });
                self.source.insert(source).clone()
            }
        }
    }

    fn forget(&mut self) -> Vec<String> {
        let mut gone = Vec::new();
        while self.logs.len() > LOGS_MAX {
            let oldest = self.logs.iter().min_by_key(|(_, position)| position.at);
            let Some(key) = oldest.map(|(key, _)| key.clone()) else { break };
            self.logs.remove(&key);
            gone.push(key);
        }
        gone
    }
}
