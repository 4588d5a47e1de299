//! Audit events: one for each serial, however their records are mixed and wherever reading stops.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use proptest::prelude::*;
use rules_event::Timestamp;

use super::*;
use crate::{Format, SourceMeta};

const WAIT: Duration = Duration::from_secs(10);

fn out() -> Lines {
    let meta = SourceMeta {
        key: "k".to_owned(),
        path: None,
        format: Format::Auditd,
        dataset: None,
        ..SourceMeta::default()
    };
    Lines::new(Arc::new(meta), Timestamp::from_seconds(0))
}

fn push(all: &mut Assembler, at: u64, line: &str, now: Instant, out: &mut Lines) {
    all.push(Line { offset: at, bytes: line.as_bytes(), truncated: false }, now, out);
}

fn texts(out: &Lines) -> Vec<String> {
    out.iter().map(|line| String::from_utf8_lossy(line.bytes).into_owned()).collect()
}

/// All events of some lines, whenever they are complete.
fn assemble<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let (mut all, mut out, now) = (Assembler::new(WAIT), out(), Instant::now());
    for (at, line) in lines.into_iter().enumerate() {
        push(&mut all, at as u64, line, now, &mut out);
    }
    all.finish(&mut out);
    assert_eq!((all.due(), all.state(), all.held), (None, None, 0));
    texts(&out)
}

/// Which records belong to which event, without regard to order.
fn as_sets(events: &[String]) -> BTreeSet<BTreeSet<String>> {
    let sets = events.iter().map(|event| event.split('\n').map(str::to_owned).collect());
    let sets: BTreeSet<BTreeSet<String>> = sets.collect();
    assert_eq!(sets.len(), events.len(), "no event twice");
    sets
}

/// The same by the serial numbers alone: what there should be.
fn by_serial<'a>(lines: impl IntoIterator<Item = &'a str>) -> BTreeSet<BTreeSet<String>> {
    let mut events: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in lines {
        let stamp = line.split_once("audit(").and_then(|(_, rest)| rest.split_once(')'));
        let stamp = stamp.map_or(line, |(stamp, _)| stamp).to_owned();
        events.entry(stamp).or_default().insert(line.to_owned());
    }
    events.into_values().collect()
}

fn real(name: &str) -> Option<String> {
    let folder = std::env::var_os("VONGLAU_TEST_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    match std::fs::read(folder.join(name)) {
        Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) => {
            eprintln!("skipped: {name}: {error}; set VONGLAU_TEST_DATA");
            None
        }
    }
}

/// Moves lines, none by more than `distance` places.
fn shuffled<'a>(lines: &[&'a str], distance: usize, seed: u64) -> Vec<&'a str> {
    let mut state = seed | 1;
    let mut keyed: Vec<(usize, usize)> = (0..lines.len())
        .map(|at| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (at + usize::try_from(state % (distance as u64 + 1)).unwrap(), at)
        })
        .collect();
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, at)| lines[at]).collect()
}

#[test]
fn real_logs_give_one_event_for_each_serial() {
    let names = [
        "auditd/go-libaudit-reassemble/normal.log",
        "auditd/go-libaudit-reassemble/out_of_order.log",
        "auditd/go-libaudit-reassemble/lost_messages.log",
        "auditd/go-libaudit-reassemble/rollover.log",
        "beats_ecs/auditd/log/audit-rhel7.log",
        "otrf/linux_atomic/sh_arp_cache_2020-11-10074812.log",
        "auditd/go-libaudit-auparse/test3.log",
    ];
    let (mut events, mut records) = (0, 0);
    for name in names {
        let Some(text) = real(name) else { return };
        // Some lines of one of them are torn: `type=UNKNOWN[1329] msg=?`. Those are handed on alone.
        let whole = |line: &&str| Header::parse(line.as_bytes()).is_some();
        let lines: Vec<&str> = text.lines().filter(whole).collect();
        let expected = by_serial(lines.iter().copied());
        assert_eq!(as_sets(&assemble(lines.iter().copied())), expected, "{name}");
        for seed in 1..=50 {
            let mixed = shuffled(&lines, 6, seed);
            assert_eq!(as_sets(&assemble(mixed)), expected, "{name}, shuffled with seed {seed}");
        }
        events += expected.len();
        records += lines.len();
    }
    eprintln!("{records} records are {events} events, also when shuffled in 50 ways");
}

/// The records of an event in the kernel's order.
fn event(serial: u64, paths: usize, eoe: bool, title: bool) -> Vec<String> {
    let record = |kind: &str, rest: &str| {
        format!("type={kind} msg=audit(1700000000.{:03}:{serial}): {rest}", serial % 1_000)
    };
    let mut records =
        vec![record("SYSCALL", &format!("syscall=59 success=yes a0=1 items={paths} pid=1"))];
    records.push(record("EXECVE", "argc=1 a0=\"x\""));
    if paths > 0 {
        records.push(record("CWD", "cwd=\"/\""));
    }
    for item in 0..paths {
        records.push(record("PATH", &format!("item={item} name=\"/{serial}/{item}\"")));
    }
    if title {
        records.push(record("PROCTITLE", "proctitle=\"x\""));
    }
    if eoe {
        records.push(record("EOE", ""));
    }
    records
}

#[test]
fn a_complete_event_waits_shortly_and_an_incomplete_one_long() {
    let (mut all, mut got, start) = (Assembler::new(WAIT), out(), Instant::now());
    for (at, line) in event(7, 2, false, true).iter().enumerate() {
        push(&mut all, at as u64, line, start, &mut got);
    }
    assert_eq!(all.due(), Some(start + WAIT_ENDED));
    all.expire(start + WAIT_ENDED / 2, &mut got);
    assert_eq!(got.lines.len(), 0);
    all.expire(start + WAIT_ENDED, &mut got);
    assert_eq!((got.lines.len(), all.due()), (1, None));
    // A file is missing: an old kernel under load.
    for (at, line) in event(8, 2, false, true).iter().enumerate().filter(|(at, _)| *at != 3) {
        push(&mut all, at as u64, line, start, &mut got);
    }
    assert_eq!(all.due(), Some(start + WAIT));
    all.expire(start + WAIT - Duration::from_millis(1), &mut got);
    assert_eq!(got.lines.len(), 1);
    push(&mut all, 9, &event(8, 2, false, true)[3], start + WAIT / 2, &mut got);
    all.expire(start + WAIT / 2 + WAIT_ENDED, &mut got);
    assert_eq!(got.lines.len(), 2);
    assert_eq!(texts(&got)[1].split('\n').count(), 6);
}

#[test]
fn types_of_user_space_and_what_is_no_record_do_not_wait() {
    let (mut all, mut got, now) = (Assembler::new(WAIT), out(), Instant::now());
    for (at, line) in
        ["type=USER_LOGIN msg=audit(1.000:5): pid=1", "no record", "type=x"].iter().enumerate()
    {
        push(&mut all, at as u64, line, now, &mut got);
        assert_eq!((got.lines.len(), got.lines[at].offset), (at + 1, at as u64));
    }
}

#[test]
fn nodes_are_told_apart() {
    let lines = [
        "node=a type=SYSCALL msg=audit(1.000:5): items=0",
        "node=b type=SYSCALL msg=audit(1.000:5): items=0",
    ];
    assert_eq!(assemble(lines).len(), 2);
}

#[test]
fn bounds_hold_and_lose_nothing() {
    let (mut all, mut got, now) = (Assembler::new(WAIT), out(), Instant::now());
    let long = "x".repeat(30_000);
    let mut bytes = 0;
    for at in 0..2_000_u64 {
        // Never complete: each names a file that does not come.
        let rest = if at % 50 == 0 { long.as_str() } else { "y" };
        let line = format!("type=SYSCALL msg=audit(1.000:{}): items=1 {rest}", at % 900);
        bytes += line.len();
        push(&mut all, at, &line, now, &mut got);
        assert!(all.open.len() <= OPEN_MAX && all.held <= HELD_BYTES_MAX);
        let state = all.state().map_or(0, |state| state.to_string().len());
        assert!(state <= STATE_BYTES_MAX, "{state}");
    }
    all.finish(&mut got);
    assert!(got.lines.iter().all(|span| span.len as usize <= LINE_BYTES_MAX));
    let joined: usize = texts(&got).iter().flat_map(|text| text.split('\n')).map(str::len).sum();
    assert_eq!(joined, bytes);
}

#[test]
fn a_state_that_is_not_ours_is_refused() {
    let now = Instant::now();
    for state in [
        json!({}),
        json!({ "audit": [{ "offset": 1 }] }),
        json!({ "audit": [{ "text": "type=SYSCALL msg=audit(1.0:1): " }] }),
        json!({ "offset": 3, "lines": 2, "text": "multiline" }),
        json!({ "audit": [{ "offset": 1, "text": "no record" }] }),
    ] {
        let mut all = Assembler::new(WAIT);
        assert!(!all.restore(&state, now), "{state}");
        assert!(all.open.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Records moved by a bounded distance, cut anywhere and gone on from the stored state: the same
    /// events, each once.
    #[test]
    fn the_same_events_however_they_come(
        shapes in proptest::collection::vec((0usize..5, any::<bool>(), any::<bool>()), 1..60),
        distance in 0usize..7,
        seed in any::<u64>(),
        stops in proptest::collection::vec(proptest::bool::weighted(0.1), 600),
    ) {
        let mut lines = Vec::new();
        for (at, (paths, eoe, title)) in shapes.iter().enumerate() {
            // Without EOE and PROCTITLE as before Linux 3.16.
            lines.extend(event(at as u64 + 1, *paths, *eoe, *title || *eoe));
        }
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let expected = by_serial(lines.iter().copied());
        let mixed = shuffled(&lines, distance, seed);
        let (mut all, mut got, now) = (Assembler::new(WAIT), out(), Instant::now());
        for (at, line) in mixed.iter().enumerate() {
            push(&mut all, at as u64, line, now, &mut got);
            if stops[at % stops.len()] {
                let state = all.state();
                let json = serde_json::to_string(&state).unwrap();
                prop_assert!(json.len() <= STATE_BYTES_MAX);
                all = Assembler::new(WAIT);
                if let Ok(Some(state)) = serde_json::from_str::<Option<Value>>(&json) {
                    prop_assert!(all.restore(&state, now));
                }
            }
        }
        all.finish(&mut got);
        prop_assert_eq!(as_sets(&texts(&got)), expected);
        // Each is known by the place of its first record.
        for line in got.iter() {
            let first = line.bytes.split(|byte| *byte == b'\n').next().unwrap();
            prop_assert_eq!(first, mixed[usize::try_from(line.offset).unwrap()].as_bytes());
        }
    }
}
