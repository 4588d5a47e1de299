//! Golden cases: a line and every field it becomes, in text files that people can read and add to.
//!
//! A case is a block: `path: …` and `format: …` if they matter, `head: …` for lines that stand before it
//! in its log, the line behind `> `, then the fields.
//! `VONGLAU_UPDATE_GOLDEN=1 cargo test -p agent-pipeline golden` writes what is decoded now; read the
//! difference before it is committed.

mod arbitrary;
mod auditd;
mod real;
mod spec;
mod truth;

use std::fs;
use std::path::PathBuf;

use agent_inputs::Format;
use rules_event::{Event, Timestamp};

use super::{Clock, Context, Headers, LogFacts, line};

/// When every golden line was read.
const READ_AT: &str = "2026-11-21T08:30:00Z";

pub(super) fn decode(text: &str, path: Option<&str>, format: Format) -> Event {
    decode_behind(&[], text, path, format)
}

/// Decodes a line of a log that begins with this head.
fn decode_behind(head: &[&str], text: &str, path: Option<&str>, format: Format) -> Event {
    let zone = crate::timezone("+07:00").unwrap();
    let read_at: Timestamp = READ_AT.parse().unwrap();
    let mut event = Event::new(read_at, String::new());
    let clock = Clock::default();
    let headers = Headers::default();
    let source = path.unwrap_or_default();
    let log = &LogFacts::of(format, path);
    let (zone, clock, headers) = (&zone, &clock, &headers);
    let context = Context { read_at, zone, clock, format, path, log, source, headers };
    for one in head {
        line(one, &context, &mut Event::default());
    }
    line(text, &context, &mut event);
    event
}

fn format_of(word: &str) -> Format {
    match word {
        "syslog" => Format::Syslog,
        "nginx" => Format::Nginx,
        "apache" => Format::Apache,
        "json" => Format::Json,
        "text" => Format::Text,
        "journal" => Format::Journal,
        "auditd" => Format::Auditd,
        "mysql" => Format::Mysql,
        other => panic!("format: {other}"),
    }
}

/// One block as it is decoded now.
fn render(block: &str) -> String {
    let (mut path, mut format, mut text) = (None, Format::Auto, None);
    let mut head = Vec::new();
    let mut kept = String::new();
    for row in block.lines() {
        if let Some(line) = row.strip_prefix("> ") {
            text = Some(line);
        } else if let Some(given) = row.strip_prefix("path: ").filter(|_| text.is_none()) {
            path = Some(given);
        } else if let Some(word) = row.strip_prefix("format: ").filter(|_| text.is_none()) {
            format = format_of(word);
        } else if let Some(line) = row.strip_prefix("head: ").filter(|_| text.is_none()) {
            head.push(line);
        } else if !row.starts_with('#') {
            continue;
        }
        kept.push_str(row);
        kept.push('\n');
    }
    let Some(text) = text else { return kept };
    let event = decode_behind(&head, text, path, format);
    kept.push_str(&format!("@timestamp: {}\n", event.time));
    let mut fields: Vec<String> =
        event.fields().map(|(name, value)| format!("{name}: {value}")).collect();
    for field in &mut fields {
        // A line end within a value would end the row, and two of them the case.
        *field = field.replace('\n', "\\n") + "\n";
    }
    fields.sort();
    kept + &fields.concat()
}

#[test]
fn golden() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden");
    let update = std::env::var_os("VONGLAU_UPDATE_GOLDEN").is_some();
    let (mut cases, mut wrong) = (0, Vec::new());
    for entry in fs::read_dir(&folder).unwrap() {
        let file = entry.unwrap().path();
        let text = fs::read_to_string(&file).unwrap();
        let blocks: Vec<&str> = text.trim_end().split("\n\n").collect();
        let rendered: Vec<String> =
            blocks.iter().map(|block| render(block).trim_end().to_owned()).collect();
        cases += blocks.iter().filter(|block| block.contains("> ")).count();
        if update {
            fs::write(&file, rendered.join("\n\n") + "\n").unwrap();
            continue;
        }
        for (block, now) in blocks.iter().zip(&rendered) {
            if block != now {
                wrong.push(format!("{}\nexpected\n{block}\ndecoded\n{now}\n", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cases >= 100, "{cases} golden cases");
}
