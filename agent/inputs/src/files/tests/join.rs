//! Lines joined to records: over reads, kills, rotations and ends.

use proptest::prelude::*;

use super::Scene;
use crate::{Count, MultilineConfig, Start};

fn scene(timeout_ms: u64) -> Scene {
    let mut scene = Scene::new(&["x.log"], Start::Beginning);
    scene.config.files[0].multiline =
        MultilineConfig { continuation: "^ ".to_owned(), timeout_ms, ..MultilineConfig::default() };
    scene
}

/// Longer than any test takes.
const LONG_MS: u64 = 600_000;

#[test]
fn a_record_ends_when_the_next_begins() {
    let mut scene = scene(LONG_MS);
    scene.append("x.log", "one\n at a\n");
    scene.cycle().check(&[]);
    scene.append("x.log", " at b\ntwo\n");
    scene.cycle().check(&["one\n at a\n at b"]);
    scene.append("x.log", "three\n");
    scene.cycle().check(&["one\n at a\n at b", "two"]);
    assert_eq!((scene.lines[0].1, scene.lines[1].1), (0, 16), "offsets of first lines");
    assert_eq!((scene.count(Count::Lines), scene.count(Count::JoinedLines)), (2, 5));
}

#[test]
fn a_record_waits_only_so_long_and_only_at_the_end_of_the_log() {
    let mut scene = scene(10);
    scene.append("x.log", "one\n at a\n");
    scene.cycle();
    // Time passes on the clock of the reader; only a log read to its end lets it count.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while scene.lines.is_empty() && std::time::Instant::now() < until {
        scene.cycle();
    }
    scene.check(&["one\n at a"]);
    assert_eq!(scene.durable.values().filter(|json| json.contains("assembly")).count(), 0);
    scene.stop();
    scene.cycle().check(&["one\n at a"]);
}

#[test]
fn an_unfinished_record_outlives_a_kill() {
    let mut scene = scene(LONG_MS);
    scene.append("x.log", "one\n at a\n");
    scene.cycle().stop();
    assert!(scene.durable.values().any(|json| json.contains("one\\n at a")));
    scene.append("x.log", " at b\ntwo\n");
    scene.cycle().check(&["one\n at a\n at b"]);
}

#[test]
fn the_end_of_a_log_ends_its_records() {
    for copies in [false, true] {
        let mut scene = scene(LONG_MS).without_grace();
        scene.append("x.log", "one\n at a\n");
        scene.cycle();
        scene.append("x.log", " at b\n");
        if copies {
            scene.copy("x.log", "x.log.1");
            scene.truncate("x.log");
        } else {
            scene.delete("x.log");
        }
        scene.append("x.log", "two\nthree\n");
        scene.cycle().cycle().cycle();
        // A deleted file is waited for, and nobody waits for it.
        scene.lines.sort_by_key(|(_, _, text)| text.starts_with("two"));
        scene.check(&["one\n at a\n at b", "two"]);
    }
}

#[test]
fn settings_that_changed_leave_a_notice() {
    let mut scene = scene(LONG_MS);
    scene.append("x.log", "one\n");
    scene.cycle().stop();
    scene.config.files[0].multiline = MultilineConfig::default();
    scene.append("x.log", "two\n");
    scene.cycle().check(&["two"]);
    assert!(scene.told().notices[0].contains("'multiline'"), "{:?}", scene.told().notices);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is written between looks and whenever the agent is killed: the same records, once.
    #[test]
    fn kills_change_no_record(
        pieces in proptest::collection::vec((0usize..40, 0u8..4, 0usize..3), 1..30),
    ) {
        let mut text = String::new();
        for number in 0..300 {
            let lead = if number % 7 < 4 && number > 0 { " at" } else { "line" };
            text += &format!("{lead} {number}\n");
        }
        let mut expected: Vec<String> = Vec::new();
        for line in text.lines() {
            match expected.last_mut().filter(|_| line.starts_with(' ')) {
                Some(last) => *last += &format!("\n{line}"),
                None => expected.push(line.to_owned()),
            }
        }
        let mut scene = scene(LONG_MS);
        let mut rest = text.as_str();
        for (bytes, act, chunks) in pieces {
            let (piece, after) = rest.split_at((bytes * 3).min(rest.len()));
            rest = after;
            scene.append("x.log", piece);
            match act {
                0 => scene.stop(),
                1 => { scene.cycle_until(chunks).stop(); }
                _ => { scene.cycle(); }
            }
        }
        scene.append("x.log", rest);
        scene.append("x.log", "end\n");
        scene.cycle().cycle();
        prop_assert_eq!(scene.texts(), expected);
        scene.check_unique();
    }
}
