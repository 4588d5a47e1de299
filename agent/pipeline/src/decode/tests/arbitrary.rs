//! Whatever is in a log, decoding ends, and does not panic.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use agent_inputs::{Format, Line, SourceMeta};
use proptest::prelude::*;
use rules_event::{Timestamp, decode_lossless, field};

use crate::{AgentFacts, Pipeline, Scratch};

const FORMATS: [Format; 15] = [
    Format::Auto,
    Format::Syslog,
    Format::Nginx,
    Format::Apache,
    Format::Auditd,
    Format::Iis,
    Format::Zeek,
    Format::Suricata,
    Format::Wazuh,
    Format::Squid,
    Format::Mysql,
    Format::Postgresql,
    Format::Json,
    Format::Text,
    Format::Journal,
];

/// Decodes lines of one log, one after the other, in the memory of the one before.
fn check(lines: &[Vec<u8>], format: Format) {
    let agent = AgentFacts {
        agent_id: [1; 16],
        agent_id_text: "01".repeat(16),
        host: "h".to_owned(),
        organization: Some("o".to_owned()),
        system: None,
        timezone: crate::timezone("+07:00").unwrap(),
    };
    let source = Arc::new(SourceMeta {
        key: "k".to_owned(),
        path: Some("/var/log/auth.log".to_owned()),
        format,
        dataset: None,
        ..SourceMeta::default()
    });
    let read_at = Timestamp::from_seconds(1_800_000_000);
    let mut scratch = Scratch::default();
    let pipeline = Pipeline::new(agent, None);
    for bytes in lines {
        let line = Line { offset: 7, bytes, truncated: false };
        let event = pipeline.line(&source, read_at, line, &mut scratch).event;
        let original = event.get_str(field::EVENT_ORIGINAL).unwrap();
        let escaped =
            event.get(field::VONGLAU_ESCAPED).is_some() && std::str::from_utf8(bytes).is_err();
        let back =
            if escaped { decode_lossless(original).unwrap() } else { original.as_bytes().to_vec() };
        assert_eq!(&back, bytes, "the line is kept as it was");
        assert!(event.get(field::MESSAGE).is_some() && event.get(field::EVENT_DATASET).is_some());
        assert_eq!(event.get_str(field::AGENT_HOST), Some("h"));
        assert_eq!(event.id.len(), 32);
    }
}

/// The golden lines, with those of their logs' heads: every decoder meets a line that it understands.
fn golden() -> &'static [String] {
    static LINES: OnceLock<Vec<String>> = OnceLock::new();
    LINES.get_or_init(|| {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden");
        let mut files: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let texts = files.iter().map(|file| fs::read_to_string(file).unwrap());
        let row = |row: &str| {
            row.strip_prefix("> ").or_else(|| row.strip_prefix("head: ")).map(str::to_owned)
        };
        let lines: Vec<String> =
            texts.flat_map(|text| text.lines().filter_map(row).collect::<Vec<_>>()).collect();
        assert!(lines.len() > 200, "{} golden lines", lines.len());
        lines
    })
}

/// One change of a line.
#[derive(Debug, Clone)]
enum Change {
    /// Cuts it.
    Cut(prop::sample::Index),
    /// Goes on with the rest of another.
    Splice(prop::sample::Index, prop::sample::Index, prop::sample::Index),
    /// Puts bytes into it.
    Insert(prop::sample::Index, Vec<u8>),
    /// Takes a piece out.
    Remove(prop::sample::Index, prop::sample::Index),
    /// Repeats a piece.
    Repeat(prop::sample::Index, prop::sample::Index, usize),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let index = any::<prop::sample::Index>;
    // Bytes that decoders split at, and some that are no text.
    let bytes = prop::collection::vec(
        prop::sample::select(b" \t\"'[](){}<>=:;,.|/\\#%*@!-+0aZ\n\xff\xc4\x91".to_vec()),
        1..4,
    );
    let change = prop_oneof![
        index().prop_map(Change::Cut),
        (index(), index(), index()).prop_map(|(a, b, c)| Change::Splice(a, b, c)),
        (index(), bytes).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (index(), index()).prop_map(|(a, b)| Change::Remove(a, b)),
        (index(), index(), 2usize..40).prop_map(|(a, b, n)| Change::Repeat(a, b, n)),
    ];
    prop::collection::vec(change, 0..4)
}

fn changed(line: &str, changes: &[Change]) -> Vec<u8> {
    let mut bytes = line.as_bytes().to_vec();
    for change in changes {
        let place = |index: &prop::sample::Index, bytes: &[u8]| index.index(bytes.len() + 1);
        match change {
            Change::Cut(at) => bytes.truncate(place(at, &bytes)),
            Change::Splice(at, other, from) => {
                bytes.truncate(place(at, &bytes));
                let other = golden()[other.index(golden().len())].as_bytes();
                bytes.extend_from_slice(&other[place(from, other)..]);
            }
            Change::Insert(at, more) => {
                let at = place(at, &bytes);
                bytes.splice(at..at, more.iter().copied());
            }
            Change::Remove(from, to) => {
                let (from, to) = (place(from, &bytes), place(to, &bytes));
                bytes.drain(from.min(to)..from.max(to));
            }
            Change::Repeat(from, to, times) => {
                let (from, to) = (place(from, &bytes), place(to, &bytes));
                let piece = bytes[from.min(to)..from.max(to)].repeat(*times);
                bytes.splice(from..from, piece);
            }
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300), format in 0..FORMATS.len()) {
        check(&[bytes], FORMATS[format]);
    }

    #[test]
    fn any_change_of_a_line(
        lines in prop::collection::vec((any::<prop::sample::Index>(), changes()), 1..4),
        format in 0..FORMATS.len() * 2,
    ) {
        // Half of them by what they look like.
        let format = FORMATS.get(format).copied().unwrap_or_default();
        let lines: Vec<Vec<u8>> = lines
            .iter()
            .map(|(line, changes)| changed(&golden()[line.index(golden().len())], changes))
            .collect();
        check(&lines, format);
    }
}

/// How long this thread worked so far.
fn cpu() -> std::time::Duration {
    let text = fs::read_to_string("/proc/thread-self/stat").unwrap_or_default();
    // Fields 14 and 15, in ticks of 10 ms. Spec: proc(5).
    let ticks: Vec<u64> = text
        .rsplit_once(')')
        .map(|(_, rest)| rest.split(' ').skip(12).take(2).filter_map(|n| n.parse().ok()).collect())
        .unwrap_or_default();
    std::time::Duration::from_millis(ticks.iter().sum::<u64>() * 10)
}

/// Longest a line may take, unoptimised: 64 KiB take below 1 ms on the average, and what grows with
/// the square of its length would take seconds.
const LINE_MAX: std::time::Duration = std::time::Duration::from_millis(300);

#[test]
fn time_grows_straight() {
    // Every golden line up to each of some places, then 64 KiB (the longest line there is) of what its
    // decoder looks for.
    let units = [
        "a from ",
        "\\\"",
        "[x y=\"",
        "{\"a\":",
        "user= ",
        "'",
        " : ",
        "=",
        ", ",
        "[",
        "(",
        "1",
        "\t",
        "a=",
        "[203.0.113.5]",
        " port 22 ssh2 from ",
        "\"\"",
        "|",
        "/",
    ];
    let mut lines = 0;
    let start = cpu();
    for (number, line) in golden().iter().enumerate() {
        let places = line.char_indices().filter(|(_, c)| " =:[(\"".contains(*c)).map(|(at, _)| at);
        let places: Vec<usize> = places.collect();
        for turn in 0..4 {
            let at = places.get((number + turn * 7) % places.len().max(1)).copied().unwrap_or(0);
            let unit = units[(number + turn) % units.len()];
            let text = format!("{}{}", &line[..at], unit.repeat(65_536 / unit.len()));
            let before = cpu();
            check(&[text.into_bytes()], Format::Auto);
            let took = cpu() - before;
            assert!(took < LINE_MAX, "{took:?} for {:?} and many {unit:?}", &line[..at]);
            lines += 1;
        }
    }
    let each = (cpu() - start) / lines;
    eprintln!("measured: {lines} lines of 64 KiB, {each:?} each, unoptimised");
}
