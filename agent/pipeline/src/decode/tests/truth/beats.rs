//! Filebeat's modules: the documents that its pipelines make of the logs in its own tests.

use std::fs;
use std::path::Path;

use rules_event::{Event, Timestamp, field};
use serde_json::{Map, Value as Json};

use super::{Log, Score, Scores, data, hold, percent_decoded, shown, text};

/// Fields that are held against Filebeat's, beside all of `http.` and `url.`.
const FIELDS: [&str; 9] = [
    "@timestamp",
    "source.address",
    "source.ip",
    "source.port",
    "user.name",
    "process.name",
    "process.pid",
    "event.outcome",
    "user_agent.original",
];

/// Filesets whose documents should be equal: at least 95 of a hundred.
const AIMED: [(&str, &str); 7] = [
    ("system", "auth"),
    ("system", "syslog"),
    ("nginx", "access"),
    ("apache", "access"),
    ("apache", "error"),
    ("iis", "access"),
    ("iis", "error"),
];

/// Filesets that are only counted.
const COUNTED: [(&str, &str); 4] =
    [("haproxy", "log"), ("postgresql", "log"), ("traefik", "access"), ("mongodb", "log")];

#[test]
fn ground_truth_beats() {
    let Some(folder) = data("beats_ecs") else { return };
    for (module, fileset) in AIMED.iter().chain(&COUNTED) {
        let scores = fileset_scores(&folder.join(module).join(fileset), module, fileset);
        let documents = scores.0.get("documents").copied().unwrap_or_default();
        hold(&format!("beats_ecs {module}.{fileset}"), &scores);
        if AIMED.contains(&(module, fileset)) {
            let Score { right, all } = documents;
            assert!(right * 100 >= all * 95, "{module}.{fileset}: {right} of {all} documents");
        }
    }
}

fn fileset_scores(folder: &Path, module: &str, fileset: &str) -> Scores {
    let mut scores = Scores::default();
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    for file in files.iter().filter(|file| file.extension().is_some_and(|ext| ext == "log")) {
        let bytes = fs::read(file).unwrap();
        let expected = fs::read(format!("{}-expected.json", file.display())).unwrap();
        let documents: Vec<Map<String, Json>> = serde_json::from_slice(&expected).unwrap();
        let mut log = Log::new(&format!("/var/log/{module}/{fileset}.log"));
        let mut next = documents.iter().peekable();
        let mut offset = 0;
        while offset < bytes.len() {
            let document = next.next_if(|document| document["log.offset"] == offset);
            if let Some(zone) = document.and_then(|it| it.get("event.timezone")?.as_str()) {
                // CEST: a name that the line itself has.
                log.zone = crate::timezone(zone).unwrap_or(jiff::tz::TimeZone::UTC);
            }
            let mut end = line_end(&bytes, offset);
            // What Filebeat joined of several lines is one record for us, too.
            let limit = next.peek().and_then(|it| it["log.offset"].as_u64());
            let limit = limit.map_or(bytes.len(), |limit| usize::try_from(limit).unwrap());
            while document.is_some() && end < limit && bytes[end..limit].starts_with(b"\t") {
                end = line_end(&bytes, end);
            }
            let text = String::from_utf8_lossy(&bytes[offset..end]);
            let event = log.decode(text.trim_end_matches(['\n', '\r']));
            if let Some(document) = document {
                compare(document, &event, text.trim_end(), &mut scores);
            }
            offset = end;
        }
        assert!(next.next().is_none(), "a document of {} was not met", file.display());
    }
    scores
}

fn line_end(bytes: &[u8], start: usize) -> usize {
    let rest = &bytes[start..];
    start + rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1)
}

fn compare(document: &Map<String, Json>, event: &Event, line: &str, scores: &mut Scores) {
    let mut equal = true;
    for (name, expected) in document {
        let is_web = name.starts_with("http.") || name.starts_with("url.");
        if !FIELDS.contains(&name.as_str()) && !is_web {
            continue;
        }
        let expected = match expected {
            Json::String(text) => text.clone(),
            other => other.to_string(),
        };
        // A dash says that there is none: Filebeat's older pipelines keep it, ours leave it out.
        if expected == "-" {
            continue;
        }
        let right = is_equal(name, &expected, event);
        scores.add(name, right);
        if !right && shown() {
            let ours =
                if name == "@timestamp" { Some(event.time.to_string()) } else { text(event, name) };
            eprintln!("{name}: expected {expected}, ours {ours:?}: {line}");
        }
        equal &= right;
    }
    scores.add("documents", equal);
}

fn is_equal(name: &str, expected: &str, event: &Event) -> bool {
    match name {
        // Elasticsearch keeps milliseconds.
        "@timestamp" => {
            let expected: Timestamp = expected.parse().unwrap();
            event.time.as_nanos() / 1_000_000 == expected.as_nanos() / 1_000_000
        }
        // Ours is set only when it is no address.
        "source.address" => {
            super::place(event).as_deref() == Some(expected) || {
                text(event, field::SOURCE_ADDRESS).as_deref() == Some(expected)
            }
        }
        // Ours are kept as written, so that a rule sees what was sent; Filebeat's are decoded. Of IIS it
        // takes the stem alone for the whole, and turns the plus of a query into a blank.
        _ if name.starts_with("url.") => text(event, name).is_some_and(|ours| {
            let stem = ours.split('?').next() == Some(expected)
                && event.get_str(field::EVENT_MODULE) == Some("iis");
            ours == expected
                || percent_decoded(&ours) == expected
                || percent_decoded(&ours.replace('+', " ")) == expected
                || name == "url.original" && stem
        }),
        _ => text(event, name).as_deref() == Some(expected),
    }
}
