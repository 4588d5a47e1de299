//! Multiline: a line and those that continue it are one record (stack traces, SQL, XML).

use std::sync::Arc;
use std::time::{Duration, Instant};

use regex::bytes::Regex;
use serde_json::{Value, json};

use super::assemble::{Assemble, STATE_BYTES_MAX};
use crate::{Error, LINE_BYTES_MAX, Line, Lines, MultilineConfig};

/// Most lines of one record: beyond any stack trace that a person reads.
pub(crate) const LINES_MAX: usize = 10_000;

// In a position a byte takes two at most, as hex; the rest of the state is a few numbers.
const _: () = assert!(2 * LINE_BYTES_MAX + 1_024 <= STATE_BYTES_MAX);

/// The compiled settings of a group.
#[derive(Debug)]
pub(crate) struct Rules {
    pattern: Regex,
    /// The pattern marks lines that begin a record; else those that continue one.
    begins: bool,
    lines_max: usize,
    bytes_max: usize,
    timeout: Duration,
}

impl Rules {
    /// Checks and compiles settings; `None` when nothing is joined.
    pub(crate) fn new(config: &MultilineConfig) -> Result<Option<Self>, Error> {
        let (text, begins) = match (config.start.as_str(), config.continuation.as_str()) {
            ("", "") => return Ok(None),
            (start, "") => (start, true),
            ("", continuation) => (continuation, false),
            _ => return Err(Error::MultilineBoth),
        };
        let pattern = Regex::new(text).map_err(|source| Error::Pattern {
            pattern: text.to_owned(),
            source: Box::new(source),
        })?;
        let bounds = [
            ("files.multiline.lines_max", config.lines_max as u64, 2, LINES_MAX as u64),
            ("files.multiline.bytes_max", config.bytes_max as u64, 256, LINE_BYTES_MAX as u64),
            ("files.multiline.timeout_ms", config.timeout_ms, 10, 600_000),
        ];
        for (name, value, min, max) in bounds {
            if value < min || value > max {
                return Err(Error::Bounds { name, value, min, max });
            }
        }
        Ok(Some(Self {
            pattern,
            begins,
            lines_max: config.lines_max,
            bytes_max: config.bytes_max,
            timeout: Duration::from_millis(config.timeout_ms),
        }))
    }

    fn continues(&self, line: &[u8]) -> bool {
        self.pattern.is_match(line) != self.begins
    }
}

/// Joins the lines of one log.
#[derive(Debug)]
pub(crate) struct Multiline {
    rules: Arc<Rules>,
    /// The record under way; none when `lines` is 0.
    text: Vec<u8>,
    lines: usize,
    offset: u64,
    truncated: bool,
    /// When its last line was read.
    touched: Instant,
}

impl Multiline {
    /// Returns one that has nothing yet.
    pub(crate) fn new(rules: Arc<Rules>) -> Self {
        let touched = Instant::now();
        Self { rules, text: Vec::new(), lines: 0, offset: 0, truncated: false, touched }
    }
}

impl Assemble for Multiline {
    /// A record that is full ends, and what continues it is a record of its own: nothing is left out.
    fn push(&mut self, line: Line<'_>, now: Instant, out: &mut Lines) {
        let fits = self.lines > 0
            && self.lines < self.rules.lines_max
            && self.text.len() + 1 + line.bytes.len() <= self.rules.bytes_max
            && self.rules.continues(line.bytes);
        if fits {
            self.text.push(b'\n');
        } else {
            self.finish(out);
            self.offset = line.offset;
        }
        self.text.extend_from_slice(line.bytes);
        self.truncated |= line.truncated;
        self.lines += 1;
        self.touched = now;
    }

    fn expire(&mut self, now: Instant, out: &mut Lines) {
        if self.due().is_some_and(|due| now >= due) {
            self.finish(out);
        }
    }

    fn finish(&mut self, out: &mut Lines) {
        if self.lines > 0 {
            out.push(Line { offset: self.offset, bytes: &self.text, truncated: self.truncated });
        }
        // The text of a log at rest takes no memory.
        self.text = Vec::new();
        self.lines = 0;
        self.truncated = false;
    }

    fn due(&self) -> Option<Instant> {
        (self.lines > 0).then(|| self.touched + self.rules.timeout)
    }

    fn state(&self) -> Option<Value> {
        if self.lines == 0 {
            return None;
        }
        let mut state = json!({ "offset": self.offset, "lines": self.lines });
        if self.truncated {
            state["truncated"] = true.into();
        }
        // JSON writes a control character as six bytes; hex never takes more than two.
        let controls = self.text.iter().filter(|&&byte| byte < b' ').count();
        match std::str::from_utf8(&self.text) {
            Ok(text) if controls <= text.len() / 6 => state["text"] = text.into(),
            _ => state["hex"] = hex::encode(&self.text).into(),
        }
        Some(state)
    }

    fn restore(&mut self, state: &Value, now: Instant) -> bool {
        let number = |name: &str| state.get(name).and_then(Value::as_u64);
        let text = |name: &str| state.get(name).and_then(Value::as_str);
        let bytes = match (text("text"), text("hex")) {
            (Some(text), _) => text.as_bytes().to_vec(),
            (None, Some(hex)) => hex::decode(hex).unwrap_or_default(),
            (None, None) => Vec::new(),
        };
        let (Some(offset), Some(lines)) = (number("offset"), number("lines")) else { return false };
        if bytes.is_empty() || bytes.len() > LINE_BYTES_MAX || lines == 0 {
            return false;
        }
        self.text = bytes;
        self.offset = offset;
        self.lines = usize::try_from(lines).unwrap_or(LINES_MAX);
        self.truncated = state.get("truncated").is_some_and(|value| value == true);
        self.touched = now;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, SourceMeta};
    use proptest::prelude::*;
    use rules_event::Timestamp;

    fn multiline(start: &str, continuation: &str, lines_max: usize) -> Multiline {
        let config = MultilineConfig {
            start: start.to_owned(),
            continuation: continuation.to_owned(),
            lines_max,
            bytes_max: 256,
            ..MultilineConfig::default()
        };
        Multiline::new(Arc::new(Rules::new(&config).unwrap().unwrap()))
    }

    fn out() -> Lines {
        let meta = SourceMeta {
            key: "k".to_owned(),
            path: None,
            format: Format::Text,
            dataset: None,
            ..SourceMeta::default()
        };
        Lines::new(Arc::new(meta), Timestamp::from_seconds(0))
    }

    fn texts(out: &Lines) -> Vec<(u64, String)> {
        out.iter().map(|l| (l.offset, String::from_utf8_lossy(l.bytes).into_owned())).collect()
    }

    fn join(mut multiline: Multiline, lines: &[&str]) -> Vec<(u64, String)> {
        let (mut out, now) = (out(), Instant::now());
        for (at, line) in lines.iter().enumerate() {
            let line = Line { offset: at as u64, bytes: line.as_bytes(), truncated: false };
            multiline.push(line, now, &mut out);
        }
        assert!(multiline.due().is_none_or(|due| due > now));
        multiline.expire(now, &mut out);
        multiline.finish(&mut out);
        assert_eq!((multiline.due(), multiline.state()), (None, None));
        texts(&out)
    }

    fn owned(expected: &[(u64, &str)]) -> Vec<(u64, String)> {
        expected.iter().map(|(at, text)| (*at, (*text).to_owned())).collect()
    }

    #[test]
    fn patterns_tell_where_records_begin_or_go_on() {
        let lines = ["2026 a", " at b", " at c", "2026 d", "2026 e", " at f"];
        let expected = owned(&[(0, "2026 a\n at b\n at c"), (3, "2026 d"), (4, "2026 e\n at f")]);
        assert_eq!(join(multiline(r"^\d{4} ", "", 100), &lines), expected);
        assert_eq!(join(multiline("", r"^\s", 100), &lines), expected);
    }

    #[test]
    fn what_is_too_much_for_a_record_begins_another() {
        let lines = [" a", " b", " c", " d", " e"];
        let expected = owned(&[(0, " a\n b"), (2, " c\n d"), (4, " e")]);
        assert_eq!(join(multiline("", r"^\s", 2), &lines), expected);
        let long = format!(" {}", "x".repeat(200));
        let got = join(multiline("", r"^\s", 100), &[" a", &long, &long]);
        assert_eq!(got, owned(&[(0, &format!(" a\n{long}")), (2, &long)]));
    }

    #[test]
    fn mistakes_are_named() {
        let mut config = MultilineConfig { start: "(".to_owned(), ..MultilineConfig::default() };
        let text = |config: &MultilineConfig| Rules::new(config).unwrap_err().to_string();
        assert!(text(&config).contains("'('"), "{}", text(&config));
        config.continuation = "^ ".to_owned();
        assert!(text(&config).contains("not both"));
        config.start = String::new();
        config.timeout_ms = 1;
        assert!(text(&config).contains("timeout_ms = 1"));
    }

    proptest! {
        /// Whenever it is stopped and taken up again from its state, the same records come out.
        #[test]
        fn a_restart_changes_nothing(
            lines in proptest::collection::vec((any::<bool>(), proptest::collection::vec(any::<u8>(), 1..40)), 0..40),
            stops in proptest::collection::vec(any::<bool>(), 40),
        ) {
            let now = Instant::now();
            let (mut whole, mut broken) = (multiline("", "^ ", 5), multiline("", "^ ", 5));
            let (mut expected, mut got) = (out(), out());
            for (at, (goes_on, text)) in lines.iter().enumerate() {
                let mut bytes = if *goes_on { b" ".to_vec() } else { b"-".to_vec() };
                bytes.extend(text);
                let line = Line { offset: at as u64, bytes: &bytes, truncated: at % 7 == 0 };
                whole.push(line, now, &mut expected);
                broken.push(line, now, &mut got);
                if stops[at] {
                    let state = broken.state();
                    let text = serde_json::to_string(&state).unwrap();
                    prop_assert!(text.len() <= super::super::assemble::STATE_BYTES_MAX);
                    broken = multiline("", "^ ", 5);
                    if let Some(state) = state {
                        prop_assert!(broken.restore(&state, now));
                    }
                }
            }
            whole.finish(&mut expected);
            broken.finish(&mut got);
            prop_assert_eq!(got, expected);
        }
    }
}
