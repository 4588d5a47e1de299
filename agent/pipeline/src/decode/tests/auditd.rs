//! Ground truth of audit records: what others' parsers make of them, field by field.

mod envelopes;

use std::collections::BTreeMap;

use agent_inputs::Format;
use rules_event::Event;
use serde_json::Value as Json;

use super::decode;
use super::real::real;

/// Counts fields that are as expected.
#[derive(Default)]
struct Tally {
    right: u32,
    all: u32,
    wrong: BTreeMap<String, u32>,
}

impl Tally {
    fn count(&mut self, what: &str, is_right: bool, say: impl FnOnce() -> String) {
        self.all += 1;
        self.right += u32::from(is_right);
        if !is_right {
            *self.wrong.entry(what.to_owned()).or_default() += 1;
            if std::env::var_os("VONGLAU_SHOW_UNKNOWN").is_some() {
                eprintln!("{what}: {}", say());
            }
        }
    }

    /// Fails when fewer are right than `right` of `all`, which may only improve.
    fn end(&self, name: &str, right: u32, all: u32) {
        let share = f64::from(self.right) * 100.0 / f64::from(self.all.max(1));
        eprintln!("{name}: {} of {} ({share:.2} %); wrong: {:?}", self.right, self.all, self.wrong);
        assert_eq!(self.all, all, "{name}: the number of comparisons");
        assert!(self.right >= right, "{name}: {} right, {right} before", self.right);
    }
}

fn text(event: &Event, name: &str) -> Option<String> {
    match event.get(name)? {
        rules_event::ValueRef::List(values) => {
            Some(values.iter().map(|value| value.to_string()).collect::<Vec<_>>().join(","))
        }
        value => Some(value.to_string()),
    }
}

fn raw(event: &Event, key: &str) -> Option<String> {
    text(event, &format!("auditd.{key}"))
}

/// go-libaudit's name of a field and its value, found in our event.
fn agrees_with_libaudit(event: &Event, kind: &str, key: &str, value: &str) -> bool {
    let is = |found: Option<String>| found.as_deref() == Some(value);
    match (key, value) {
        ("result", _) => {
            let expected = if value == "success" { "success" } else { "failure" };
            text(event, "event.outcome").as_deref() == Some(expected)
        }
        ("arch", _) => is(raw(event, "ARCH")),
        ("syscall", _) => is(raw(event, "SYSCALL")),
        ("exit", error) if error.starts_with('E') => is(raw(event, "EXIT")),
        ("sig", _) => raw(event, "SIG").is_some_and(|name| format!("SIG{name}") == value),
        (_, "unset") => raw(event, key).as_deref() == Some("4294967295"),
        ("addr", _) if kind == "SOCKADDR" => is(raw(event, "laddr")),
        ("port", _) => is(raw(event, "lport")),
        ("family", _) if kind == "SOCKADDR" => {
            let ours = match value {
                "ipv4" => "inet",
                "ipv6" => "inet6",
                "unix" => "local",
                other => other,
            };
            raw(event, "saddr_fam").as_deref() == Some(ours)
        }
        _ if key.starts_with("subj_") || key.starts_with("obj_") => {
            // A label is kept in one piece: user:role:type:level:categories.
            let (whole, part) = key.split_once('_').unwrap();
            let place = ["user", "role", "domain", "level", "category"];
            let place = place.iter().position(|name| *name == part).unwrap();
            let label = raw(event, whole).unwrap_or_default();
            label.splitn(5, ':').nth(place) == Some(value)
        }
        _ => is(raw(event, key)),
    }
}

#[test]
fn records_as_libaudit_of_go_reads_them() {
    let mut tally = Tally::default();
    let mut records = 0;
    for name in [
        "audit-rhel6",
        "audit-rhel7",
        "audit-ubuntu14",
        "audit-ubuntu16",
        "audit-ubuntu17",
        "test2",
        "test3",
    ] {
        let folder = "auditd/go-libaudit-auparse";
        let Some(log) = real(&format!("{folder}/{name}.log")) else { return };
        let Some(golden) = real(&format!("{folder}/{name}.log.golden")) else { return };
        let golden: Vec<Json> = serde_json::from_str(&golden).unwrap();
        let lines = log.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let mut expected: Vec<&Json> = golden.iter().filter(|record| !record.is_null()).collect();
        for line in lines {
            // Records of one serial can differ: the raw text tells them apart.
            let at = expected.iter().position(|record| {
                let raw = record["raw_msg"].as_str().unwrap_or("-");
                line.split_once("msg=").is_some_and(|(_, message)| message == raw)
            });
            let Some(record) = at.map(|at| expected.remove(at)) else {
                eprintln!("not in the golden file: {}", line.get(..60).unwrap_or(line));
                continue;
            };
            records += 1;
            let event = decode(line, Some("/var/log/audit/audit.log"), Format::Auto);
            let kind = raw(&event, "type").unwrap_or_default();
            let time: jiff::Timestamp = record["@timestamp"].as_str().unwrap().parse().unwrap();
            tally.count(
                "@timestamp",
                i128::from(event.time.as_nanos()) == time.as_nanosecond(),
                || line.into(),
            );
            tally.count("record_type", record["record_type"] == kind.to_lowercase(), || {
                kind.clone()
            });
            let sequence = event.get("event.sequence").and_then(rules_event::ValueRef::as_int);
            tally.count("sequence", record["sequence"].as_i64() == sequence, || line.into());
            let Some(data) = record["data"].as_object() else { continue };
            for (key, value) in data {
                let value = value.as_str().unwrap();
                let right = agrees_with_libaudit(&event, &kind, key, value);
                tally
                    .count(key, right, || format!("{value:?} in {line} as {:?}", raw(&event, key)));
            }
        }
    }
    eprintln!("{records} records");
    tally.end("go-libaudit", LIBAUDIT.0, LIBAUDIT.1);
}

/// Fields as go-libaudit has them, of all.
const LIBAUDIT: (u32, u32) = (1_255, 1_255);

/// What auditd-parser (Rust) makes of a value, found in our event.
fn agrees_with_parser(event: &Event, key: &str, value: &Json) -> bool {
    let found = raw(event, key);
    let is = |expected: &str| found.as_deref() == Some(expected);
    match (key, value) {
        (_, Json::Null) => {
            found.as_deref().is_none_or(|text| matches!(text, "4294967295" | "(none)"))
        }
        ("success", Json::Bool(flag)) => is(if *flag { "yes" } else { "no" }),
        ("res", Json::String(word)) => {
            let expected = if word == "success" { "success" } else { "failure" };
            text(event, "event.outcome").as_deref() == Some(expected)
        }
        ("arch", Json::String(name)) => raw(event, "ARCH").as_deref() == Some(name),
        ("sig", Json::String(name)) => {
            raw(event, "SIG").is_some_and(|sig| format!("SIG{sig}") == *name)
        }
        ("grantors", Json::Array(names)) => {
            let names: Vec<&str> = names.iter().filter_map(Json::as_str).collect();
            is(&names.join(","))
        }
        ("list", Json::String(name)) => name == "exit" && is("4"),
        ("perm_mask", _) => is("1") && *value == serde_json::json!(["exec"]),
        ("cap_fp" | "cap_fi", Json::Array(names)) if names.is_empty() => {
            found.is_some_and(|mask| mask.bytes().all(|digit| digit == b'0'))
        }
        (
            "old_pp" | "old_pi" | "old_pe" | "new_pp" | "new_pi" | "new_pe" | "fp" | "fi",
            Json::Array(names),
        ) => {
            let mask =
                found.and_then(|mask| u64::from_str_radix(&mask, 16).ok()).unwrap_or(u64::MAX);
            mask.count_ones() as usize == names.len()
        }
        ("mode", Json::Object(mode)) => found.is_some_and(|octal| mode_agrees(&octal, mode)),
        ("subj" | "obj", Json::Object(label)) => {
            let part = |name: &str| label[name].as_str().unwrap_or_default().to_owned();
            let level = &label["level"];
            let mut whole = format!("{}:{}:{}", part("user"), part("role"), part("type"));
            for name in ["sensitivity", "category"] {
                if let Some(text) = level[name].as_str() {
                    whole.push(':');
                    whole.push_str(text);
                }
            }
            is(&whole)
        }
        ("saddr", Json::Object(address)) => saddr_agrees(event, address),
        // Names of root, which the records do not hold.
        (_, Json::String(name)) if name == "root" && is("0") => true,
        // Their hexadecimal of an argument stays hexadecimal.
        (_, Json::String(digits))
            if key.starts_with('a')
                && super::super::auditd::hex_text(digits) == found.clone().unwrap_or_default() =>
        {
            true
        }
        (_, Json::String(text)) => is(text),
        (_, Json::Number(number)) => is(&number.to_string()),
        _ => false,
    }
}

fn mode_agrees(octal: &str, mode: &serde_json::Map<String, Json>) -> bool {
    let bits = u32::from_str_radix(octal, 8).unwrap_or_default();
    let kind = match bits >> 12 {
        0o10 => "regular-file",
        0o4 => "directory",
        0o14 => "socket",
        0o2 => "character-device",
        0o12 => "symlink",
        _ => "?",
    };
    let names = |bits: u32| -> Vec<&str> {
        [(4, "read"), (2, "write"), (1, "exec")]
            .into_iter()
            .filter(|(bit, _)| bits & bit != 0)
            .map(|(_, name)| name)
            .collect()
    };
    mode["file_type"] == kind
        && mode["user"] == serde_json::json!(names(bits >> 6))
        && mode["group"] == serde_json::json!(names(bits >> 3))
        && mode["other"] == serde_json::json!(names(bits))
}

fn saddr_agrees(event: &Event, address: &serde_json::Map<String, Json>) -> bool {
    let part = |name: &str| address.get(name).and_then(Json::as_str).unwrap_or_default();
    match part("family") {
        "AF_INET" | "AF_INET6" => {
            let (ip, port) = (raw(event, "laddr"), raw(event, "lport"));
            let (ip, port) = (ip.unwrap_or_default(), port.unwrap_or_default());
            let expected =
                if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") };
            expected == part("address")
        }
        "AF_UNIX" | "AF_LOCAL" => raw(event, "path").as_deref() == Some(part("path")),
        family => raw(event, "saddr_fam")
            .is_some_and(|ours| family == format!("AF_{}", ours.to_uppercase())),
    }
}

#[test]
fn records_as_a_strict_parser_reads_them() {
    let Some(text) = real("auditd/auditd-parser-records.jsonl") else { return };
    let mut tally = Tally::default();
    let (mut refused, mut ours) = (0, 0);
    for line in text.lines() {
        let case: Json = serde_json::from_str(line).unwrap();
        let log = case["log"].as_str().unwrap();
        let event = decode(log, None, Format::Auto);
        let expected = &case["expected"];
        if expected.get("Err").is_some() {
            // They refuse it; we keep what can be understood.
            refused += 1;
            ours += u32::from(raw(&event, "type").is_some() && event.fields().len() > 8);
            continue;
        }
        tally.count(
            "record_type",
            raw(&event, "type").as_deref() == expected["record_type"].as_str(),
            || log.into(),
        );
        let millis = event.time.as_nanos() / 1_000_000;
        tally.count("timestamp", expected["timestamp"].as_i64() == Some(millis), || log.into());
        let serial = event.get("event.sequence").and_then(rules_event::ValueRef::as_int);
        tally.count("id", expected["id"].as_i64() == serial, || log.into());
        for (key, value) in expected["fields"].as_object().unwrap() {
            let nested = value.as_object().filter(|_| key == "msg").cloned();
            let pairs: Vec<(String, Json)> = match nested {
                Some(nested) => nested.into_iter().collect(),
                None => vec![(key.clone(), value.clone())],
            };
            for (key, value) in pairs {
                // A message that is a sentence for them: the pairs in it are ours.
                let right = if key == "msg" {
                    raw(&event, "exe").is_some()
                } else {
                    agrees_with_parser(&event, &key, &value)
                };
                tally.count(&key, right, || format!("{value} in {log} as {:?}", raw(&event, &key)));
            }
        }
    }
    eprintln!("of {refused} that they refuse we read {ours}");
    assert!(ours >= REFUSED_BUT_READ, "{ours}");
    tally.end("auditd-parser", PARSER.0, PARSER.1);
}

/// Fields as auditd-parser has them, of all.
const PARSER: (u32, u32) = (959, 959);

/// Records that auditd-parser refuses and we read.
const REFUSED_BUT_READ: u32 = 25;

/// What has to be equal for a document to be equal.
const DOCUMENT_FIELDS: [&str; 17] = [
    "source.ip",
    "source.port",
    "source.address",
    "destination.ip",
    "destination.port",
    "destination.address",
    "user.name",
    "user.id",
    "process.name",
    "process.pid",
    "process.parent.pid",
    "process.executable",
    "process.args",
    "process.working_directory",
    "event.outcome",
    "event.action",
    "event.category",
];

/// Their value of a field in our words; `None` where they have none or one of their own making.
fn expected_of(name: &str, value: &Json) -> Option<String> {
    let text = match value {
        Json::Array(values) => values
            .iter()
            .map(|value| value.as_str().unwrap_or_default())
            .collect::<Vec<_>>()
            .join(","),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    match (name, text.as_str()) {
        // Records without a verdict of theirs keep the log's own word.
        ("event.outcome", "1") => Some("success".to_owned()),
        ("event.outcome", "0") => Some("failure".to_owned()),
        // Their name for a record whose meaning they do not look up.
        ("event.action", action) if matches!(value, Json::String(_)) && !action.is_empty() => None,
        // A copy of source.ip.
        ("source.address" | "destination.address", address)
            if address.parse::<std::net::IpAddr>().is_ok() =>
        {
            None
        }
        _ => Some(text),
    }
}

#[test]
fn documents_as_filebeat_makes_them() {
    let mut tally = Tally::default();
    let (mut documents, mut equal) = (0_u32, 0_u32);
    for name in ["audit-rhel7", "audit-rhel7_2", "avc", "execve", "test"] {
        let folder = "beats_ecs/auditd/log";
        let Some(log) = real(&format!("{folder}/{name}.log")) else { return };
        let Some(expected) = real(&format!("{folder}/{name}.log-expected.json")) else { return };
        let expected: Vec<Json> = serde_json::from_str(&expected).unwrap();
        let mut lines = log.lines();
        for document in &expected {
            let original = document["event.original"].as_str().unwrap();
            assert!(lines.any(|line| line.trim() == original.trim()), "the log has it: {original}");
            let event = decode(original, Some("/var/log/audit/audit.log"), Format::Auto);
            let wrong_before = tally.all - tally.right;
            let time: jiff::Timestamp = document["@timestamp"].as_str().unwrap().parse().unwrap();
            tally.count(
                "@timestamp",
                i128::from(event.time.as_nanos()) == time.as_nanosecond(),
                || original.into(),
            );
            // They do not look which call it was; docs/spec/taxonomy.md does.
            let of_call = document["event.action"] == "syscall";
            // What they do not find must not be made up.
            for field in ["source.ip", "user.name"] {
                if document.get(field).is_none() {
                    let ours = text(&event, field);
                    tally.count(field, ours.is_none(), || format!("ours {ours:?}: {original}"));
                }
            }
            for field in DOCUMENT_FIELDS {
                if of_call && field == "event.category" {
                    continue;
                }
                let Some(value) = document.get(field) else { continue };
                let Some(value) = expected_of(field, value) else { continue };
                let ours = text(&event, field);
                tally.count(field, ours.as_ref() == Some(&value), || {
                    format!("{value:?}, ours {ours:?}: {original}")
                });
            }
            documents += 1;
            equal += u32::from(tally.all - tally.right == wrong_before);
        }
    }
    let share = f64::from(equal) * 100.0 / f64::from(documents.max(1));
    eprintln!("{equal} of {documents} documents are equal ({share:.2} %)");
    assert!(equal >= DOCUMENTS, "{equal}");
    tally.end("filebeat auditd", DOCUMENT_VALUES.0, DOCUMENT_VALUES.1);
}

/// Documents that are equal, of 210.
const DOCUMENTS: u32 = 210;

/// Fields of these documents that are equal, of all.
const DOCUMENT_VALUES: (u32, u32) = (1_344, 1_344);
