//! `batches`: what is in the spool, as JSON, while the agent runs and after; forged and damaged batches.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use agent_wire::Record;
use serde_json::Value;

use crate::agent::{Site, until};

/// The lines that are batches, and those that are events.
fn read(output: &Output) -> (Vec<Value>, Vec<Value>) {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect(line));
    let (batches, events): (Vec<Value>, Vec<Value>) =
        lines.partition(|line| line.get("batch").is_some());
    (batches.into_iter().map(|line| line["batch"].clone()).collect(), events)
}

/// A site whose spool holds some batches of both lanes.
fn site() -> Site {
    let mut site = Site::new();
    site.configure("");
    let agent = site.start();
    for _ in 0..3 {
        let before = site.events().len();
        site.append(70);
        until("spooling", || site.events().len() == before + 70);
    }
    let shown = site.ask("batches", &[]);
    assert_eq!(shown.status.code(), Some(0), "while the agent runs: {shown:?}");
    assert_eq!(agent.stop(), 0);
    site
}

#[test]
fn every_batch_is_shown_with_its_events_as_json() {
    let site = site();
    let output = site.ask("batches", &["--events"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let (batches, events) = read(&output);
    let records: Vec<Record> = [0, 1].into_iter().flat_map(|lane| site.records(lane)).collect();
    assert_eq!(batches.len(), records.len());
    let identity = site.ask("identity", &["--json"]).stdout;
    let identity: Value = serde_json::from_slice(&identity).unwrap();
    for (batch, record) in batches.iter().zip(&records) {
        let header = &record.header;
        assert_eq!(batch["lane"], header.lane.as_str());
        assert_eq!(batch["seq"], header.seq);
        assert_eq!(batch["version"], 2);
        assert_eq!(batch["count"], header.count);
        assert_eq!(batch["hash"], hex::encode(record.hash()));
        assert_eq!((&batch["agent"], &batch["key"]), (&identity["agent"], &identity["public_key"]));
        assert_eq!(batch["verified"], true);
        assert_eq!(batch["chain"], if header.seq == 1 { "first" } else { "follows" });
        assert_eq!(batch.get("problem"), None);
    }
    let mut texts: Vec<&str> =
        events.iter().filter_map(|it| it["event.original"].as_str()).collect();
    let mut expected: Vec<String> = site.events().into_iter().map(|(_, text)| text).collect();
    texts.sort_unstable();
    expected.sort_unstable();
    assert_eq!(texts, expected);
    assert!(events.iter().all(|it| it["@timestamp"].is_string() && it["event.id"].is_string()));

    // Without events, of one lane, one number; and one that is not there.
    let one = site.ask("batches", &["--lane", "events", "--seq", "2-3"]);
    let (batches, events) = read(&one);
    assert_eq!((one.status.code(), events.len()), (Some(0), 0));
    let numbers: Vec<_> =
        batches.iter().map(|it| (it["lane"].as_str(), it["seq"].as_u64())).collect();
    assert_eq!(numbers, [(Some("events"), Some(2)), (Some("events"), Some(3))]);
    assert_eq!(batches[0]["chain"], "follows", "compared with number 1, which is not shown");
    let none = site.ask("batches", &["--seq", "4000"]);
    assert_eq!((none.status.code(), none.stdout.len()), (Some(1), 0));
    assert!(String::from_utf8_lossy(&none.stderr).contains("no such batch"));
    assert_eq!(site.ask("batches", &["--seq", "0"]).status.code(), Some(2));
    let elsewhere = site.ask("batches", &["--spool", "/no/such/folder"]);
    assert_eq!(elsewhere.status.code(), Some(4));
}

#[test]
fn a_kafka_record_is_shown_and_one_changed_byte_is_seen() {
    let site = site();
    let dir = site.dir.path();
    let record = site.records(1).remove(1);
    let (headers, value) = (dir.join("headers.txt"), dir.join("value.bin"));
    let text = |record: &Record| {
        let pairs = record.kafka_headers().into_iter();
        pairs.map(|(name, value)| format!("{name}={value}\n")).collect::<String>()
    };
    let ask = |record: &Record| {
        std::fs::write(&headers, text(record)).unwrap();
        std::fs::write(&value, &record.value).unwrap();
        let (headers, value) = (headers.to_str().unwrap(), value.to_str().unwrap());
        site.ask("batches", &["--events", "--headers", headers, "--value", value])
    };
    let good = ask(&record);
    let (batches, events) = read(&good);
    assert_eq!(good.status.code(), Some(0));
    assert_eq!(batches[0]["verified"], true);
    assert_eq!(batches[0]["chain"], "unknown", "what came before is not at hand");
    assert_eq!(events.len(), record.header.count as usize);

    let mut forged = record.clone();
    forged.header.count += 1;
    let shown = ask(&forged);
    let (batches, _) = read(&shown);
    assert_eq!((shown.status.code(), &batches[0]["verified"]), (Some(1), &Value::Bool(false)));
    assert!(batches[0]["problem"].as_str().unwrap().contains("does not verify"), "{batches:?}");
    let mut forged = record.clone();
    *forged.value.last_mut().unwrap() ^= 1;
    assert_eq!(ask(&forged).status.code(), Some(1));
    std::fs::write(&headers, text(&record).replace("vl.version=2", "vl.version=3")).unwrap();
    let (headers, value) = (headers.to_str().unwrap(), value.to_str().unwrap());
    let unknown = site.ask("batches", &["--headers", headers, "--value", value]);
    assert_eq!(unknown.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("version 3"), "{unknown:?}");
}

/// The manual promises that no program of ours is needed: its own reader of rows says the same.
#[test]
fn the_reader_in_the_auditors_manual_reads_the_same_events() {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/auditor.md");
    let manual = std::fs::read_to_string(manual).unwrap();
    let (_, behind) = manual.split_once("`rows.py` reads").expect("the manual has a reader");
    let script = behind.split("```").nth(1).unwrap().strip_prefix("python\n").unwrap();
    let site = site();
    for lane in [0, 1] {
        for record in site.records(lane) {
            let mut python = Command::new("python3");
            let agent = record.header.agent.to_string();
            let python =
                python.args(["-c", script, &agent]).stdin(Stdio::piped()).stdout(Stdio::piped());
            let Ok(mut child) = python.spawn() else {
                eprintln!("skipped: no python3");
                return;
            };
            child.stdin.take().unwrap().write_all(&record.raw().unwrap()).unwrap();
            let (_, read) = read(&child.wait_with_output().unwrap());
            let events = record.events().unwrap();
            let expected = events.iter().map(|event| {
                let mut json = Vec::new();
                agent_wire::write_event(&mut json, event);
                serde_json::from_slice::<Value>(&json).unwrap()
            });
            assert_eq!(read, expected.collect::<Vec<_>>());
        }
    }
}

/// A batch taken out of the middle, by damage to its frame: the others are shown, and the gap is seen.
#[test]
fn a_missing_batch_is_a_gap_and_the_exit_code_says_so() {
    let site = site();
    let segment = site.spool().join("00000000000000000001.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    let missing = site.records(1)[1].clone();
    let inside = missing.encode();
    let at = bytes.windows(inside.len()).position(|window| window == inside).unwrap();
    bytes[at + inside.len() / 2] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let output = site.ask("batches", &["--lane", "events"]);
    assert_eq!(output.status.code(), Some(1));
    let (batches, _) = read(&output);
    let chain = |seq: u64| batches.iter().find(|it| it["seq"] == seq).map(|it| &it["chain"]);
    assert_eq!(chain(2), None);
    assert_eq!(chain(3), Some(&Value::from("gap")));
    assert!(String::from_utf8_lossy(&output.stderr).contains("bytes of the spool are damaged"));
}
