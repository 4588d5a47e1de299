//! EVTX files made here, record by record, as Windows lays them out.

mod file;

use std::path::Path;

use serde_json::{Value as Json, json};

use self::file::{CHUNK_BYTES, HEADER_BYTES, write};
use super::*;
use crate::bench::Bench;

fn event(id: u64) -> Json {
    json!({ "Event": {
        "#attributes": { "xmlns": "http://schemas.microsoft.com/win/2004/08/events/event" },
        "System": {
            "Provider": { "#attributes": { "Name": "Microsoft-Windows-Security-Auditing" } },
            "EventID": "4625", "Channel": "Security", "Computer": "dc-1",
            "EventRecordID": id.to_string(),
            "TimeCreated": { "#attributes": { "SystemTime": format!("2026-11-26T01:00:{:02}Z", id % 60) } }
        },
        "EventData": { "TargetUserName": format!("lan{id}"), "LogonType": "10" }
    } })
}

fn read(path: &Path, after: u64) -> (Vec<EvtxRecord>, u64) {
    let mut reader = EvtxReader::open(path).unwrap();
    let (mut records, mut damaged) = (Vec::new(), 0);
    while let Some(chunk) = reader.next(after) {
        records.extend(chunk.records);
        damaged += chunk.damaged;
    }
    (records, damaged)
}

#[test]
fn records_are_read_and_a_damaged_chunk_is_skipped() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.evtx");
    let bytes = write((1..=200).map(|id| (id, event(id))));
    std::fs::write(&path, &bytes).unwrap();
    let chunks = (bytes.len() - HEADER_BYTES) / CHUNK_BYTES;
    assert!(chunks >= 3, "{chunks} chunks");
    let (records, damaged) = read(&path, 0);
    assert_eq!((records.len(), damaged), (200, 0));
    let first: Json = serde_json::from_slice(&records[0].json).unwrap();
    assert_eq!(first["Event"]["EventData"]["TargetUserName"], "lan1");
    assert_eq!(
        first["Event"]["System"]["Provider"]["#attributes"]["Name"],
        "Microsoft-Windows-Security-Auditing"
    );
    assert_eq!(records[0].name, "dc-1\u{1}Security\u{1}1\u{1}2026-11-26T01:00:01Z");
    let print = EvtxReader::open(&path).unwrap().print().map(str::to_owned);
    assert_eq!(read(&path, 150).0.first().map(|record| record.number), Some(151));

    let mut broken = bytes.clone();
    broken[HEADER_BYTES + CHUNK_BYTES + 700] ^= 0xff;
    std::fs::write(&path, &broken).unwrap();
    let (left, damaged) = read(&path, 0);
    assert_eq!(damaged, 1);
    assert!(left.len() > 100 && left.len() < 200, "{}", left.len());
    assert_eq!(EvtxReader::open(&path).unwrap().print().map(str::to_owned), print);
    // Cut anywhere, or no such file at all: an error or fewer records, never a panic.
    for cut in [0, 10, HEADER_BYTES - 1, HEADER_BYTES + 10, bytes.len() - 100] {
        std::fs::write(&path, &bytes[..cut]).unwrap();
        match EvtxReader::open(&path) {
            Ok(_) => assert!(read(&path, 0).0.len() < 200),
            Err(error) => assert!(error.to_string().contains("a.evtx"), "{error}"),
        }
    }
}

/// Names of the records until one is seen.
fn until(bench: &mut Bench, wanted: &str) -> Vec<String> {
    bench.entries_until(wanted)
}

#[test]
fn each_record_is_read_once_also_from_a_second_export() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.evtx"), write((1..=90).map(|id| (id, event(id))))).unwrap();
    let pattern = format!("{}/*.evtx", dir.path().display());
    let mut bench = Bench::new(|inputs| {
        inputs.evtx = EvtxConfig { paths: vec![pattern], interval_s: 1, ..EvtxConfig::default() };
    });
    let name = |id: u64| format!("dc-1\u{1}Security\u{1}{id}\u{1}2026-11-26T01:00:{:02}Z", id % 60);
    let first = until(&mut bench, &name(90));
    assert_eq!(first, (1..=90).map(name).collect::<Vec<_>>());
    bench.stop();
    // The same log, exported again under another name while we were away, with ten records more.
    std::fs::write(dir.path().join("b.evtx"), write((1..=100).map(|id| (id, event(id))))).unwrap();
    bench.start();
    let second = until(&mut bench, &name(100));
    assert_eq!(second, (91..=100).map(name).collect::<Vec<_>>());
    // A file that is none is told.
    std::fs::write(dir.path().join("c.evtx"), "not a log").unwrap();
    std::fs::write(dir.path().join("d.evtx"), write([(7, event(7))].into_iter())).unwrap();
    assert_eq!(until(&mut bench, &name(7)).len(), 1);
    bench.stop();
    let problems = bench.told.problems.lock().unwrap().clone();
    assert!(problems.iter().any(|text| text.contains("c.evtx")), "{problems:?}");
}
