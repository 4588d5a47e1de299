//! Ground truth: what others' parsers make of real logs, held against what ours make of them.
//!
//! `ground-truth-tally.txt` holds what was reached; it may only improve.
//! `VONGLAU_UPDATE_GOLDEN=1 cargo test -p agent-pipeline ground_truth` writes what is reached now,
//! `VONGLAU_SHOW_UNKNOWN=1 … -- --nocapture` shows what differs.

mod beats;
mod crowdsec;
mod devices;
mod fail2ban;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use agent_inputs::Format;
use jiff::tz::TimeZone;
use rules_event::{Event, Timestamp, field};

use super::super::{Clock, Context, Headers, LogFacts, line};

/// A score: how many of how many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Score {
    pub(super) right: usize,
    pub(super) all: usize,
}

impl Score {
    pub(super) fn add(&mut self, right: bool) {
        self.right += usize::from(right);
        self.all += 1;
    }
}

/// Scores of one set of logs, by what is counted.
#[derive(Debug, Default)]
pub(super) struct Scores(BTreeMap<String, Score>);

impl Scores {
    pub(super) fn add(&mut self, what: &str, right: bool) {
        self.0.entry(what.to_owned()).or_default().add(right);
    }

    pub(super) fn set(&mut self, what: &str, score: Score) {
        self.0.insert(what.to_owned(), score);
    }

    fn render(&self) -> String {
        let parts =
            self.0.iter().map(|(what, score)| format!("{what} {}/{}", score.right, score.all));
        parts.collect::<Vec<_>>().join(", ")
    }

    fn parse(text: &str) -> Self {
        let mut scores = Self::default();
        for part in text.split(", ") {
            let Some((what, score)) = part.rsplit_once(' ') else { continue };
            let Some((right, all)) = score.split_once('/') else { continue };
            let (right, all) = (right.parse().unwrap(), all.parse().unwrap());
            scores.set(what, Score { right, all });
        }
        scores
    }
}

/// Holds scores against the tally file: worse fails, and so does better that is not written down.
pub(super) fn hold(name: &str, scores: &Scores) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("ground-truth-tally.txt");
    // Tests of several data sets share the file.
    static LOCK: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _one = LOCK.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let kept = fs::read_to_string(&file).unwrap();
    let line = scores.render();
    eprintln!("{name}: {line}");
    let start = format!("{name}: ");
    let old = kept.lines().find_map(|line| line.strip_prefix(&start));
    if std::env::var_os("VONGLAU_UPDATE_GOLDEN").is_some() {
        let mut lines: Vec<String> =
            kept.lines().filter(|line| !line.starts_with(&start)).map(str::to_owned).collect();
        lines.push(format!("{start}{line}"));
        lines.sort();
        fs::write(&file, lines.join("\n") + "\n").unwrap();
        return;
    }
    let old = old.unwrap_or_else(|| panic!("{name} is not in {}", file.display()));
    for (what, score) in &Scores::parse(old).0 {
        let now = scores.0.get(what).copied().unwrap_or_default();
        assert!(
            now.right * score.all.max(1) >= score.right * now.all.max(1) && now.all > 0,
            "{name}: {what} is worse than {}/{}: {}/{}",
            score.right,
            score.all,
            now.right,
            now.all
        );
    }
    assert_eq!(line, old, "{name} is better than the tally: write it into {}", file.display());
}

/// The folder of real logs, if it is there.
pub(super) fn data(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("VONGLAU_TEST_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let folder = folder.join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no {}; set VONGLAU_TEST_DATA", folder.display());
    None
}

/// A log that is read from its beginning.
pub(super) struct Log {
    pub(super) path: String,
    pub(super) format: Format,
    pub(super) zone: TimeZone,
    pub(super) read_at: Timestamp,
    headers: Headers,
    clock: Clock,
}

impl Log {
    pub(super) fn new(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            format: Format::Auto,
            zone: TimeZone::UTC,
            read_at: "2026-11-21T08:30:00Z".parse().unwrap(),
            headers: Headers::default(),
            clock: Clock::default(),
        }
    }

    pub(super) fn decode(&self, text: &str) -> Event {
        let mut event = Event::new(self.read_at, String::new());
        let context = Context {
            read_at: self.read_at,
            zone: &self.zone,
            clock: &self.clock,
            format: self.format,
            path: Some(&self.path),
            log: &LogFacts::of(self.format, Some(&self.path)),
            source: &self.path,
            headers: &self.headers,
        };
        line(text, &context, &mut event);
        event
    }
}

/// Text of a field, whatever its kind.
pub(super) fn text(event: &Event, name: &str) -> Option<String> {
    event
        .get(name)
        .filter(|value| *value != rules_event::ValueRef::Null)
        .map(|value| value.to_string())
}

/// Where it came from, as an address or as written.
pub(super) fn place(event: &Event) -> Option<String> {
    text(event, field::SOURCE_IP).or_else(|| text(event, field::SOURCE_ADDRESS))
}

/// Whether to show what differs.
pub(super) fn shown() -> bool {
    std::env::var_os("VONGLAU_SHOW_UNKNOWN").is_some()
}

/// Undoes `%HH`, for expectations that others decoded.
pub(super) fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let pair = tail.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
