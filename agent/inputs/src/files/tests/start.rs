//! Beginning, resuming, framing, bounds and problems.

use std::os::unix::fs::symlink;

use super::Scene;
use crate::{Count, LINE_BYTES_MAX, Start};

#[test]
fn an_unfinished_line_waits_for_its_end() {
    let mut scene = Scene::new(&["x.log"], Start::Beginning);
    scene.append("x.log", "one\r\ntw");
    scene.cycle().check(&["one"]);
    scene.append("x.log", "o\n\nthree\n");
    scene.cycle().check(&["one", "two", "three"]);
    let offsets: Vec<u64> = scene.lines.iter().map(|(_, offset, _)| *offset).collect();
    assert_eq!((offsets, scene.keys().len()), (vec![0, 5, 10], 1));
    assert_eq!(scene.count(Count::LineBytes) + scene.count(Count::EmptyBytes), 16);
}

#[test]
fn a_restart_goes_on_where_it_was_durable_under_the_same_names() {
    let mut scene = Scene::new(&["x.log"], Start::Beginning);
    let lines: Vec<String> = (0..2_500).map(|n| format!("line {n}")).collect();
    scene.append("x.log", &(lines.join("\n") + "\n"));
    scene.cycle_until(1);
    assert_eq!(scene.lines.len(), 1_000, "one chunk");
    scene.append("x.log", "last\n");
    scene.cycle().stop();
    scene.cycle();
    let mut expected: Vec<&str> = lines.iter().map(String::as_str).collect();
    expected.push("last");
    scene.check(&expected);
    assert_eq!(scene.keys().len(), 1);
}

#[test]
fn nothing_durable_means_the_same_ids_again() {
    let mut scene = Scene::new(&["x.log"], Start::Beginning);
    scene.append("x.log", &"a line that is long enough\n".repeat(100));
    scene.cycle();
    let first = std::mem::take(&mut scene.lines);
    scene.durable.clear();
    scene.stop();
    scene.cycle();
    assert_eq!(scene.lines, first);
}

#[test]
fn start_at_the_end_skips_only_what_was_there_first() {
    let mut scene = Scene::new(&["*.log"], Start::End);
    scene.append("old.log", "old\nunfini");
    scene.append("empty.log", "");
    scene.cycle().check(&[]);
    scene.append("old.log", "shed\nnew\n");
    scene.append("later.log", "later\n");
    scene.cycle();
    scene.stop();
    scene.append("empty.log", "while down\n");
    scene.append("old.log", "more\n");
    scene.cycle();
    let mut texts = scene.texts();
    texts.sort_unstable();
    assert_eq!(texts, ["later", "more", "new", "while down"]);
    scene.check_unique();
}

#[test]
fn long_lines_are_cut() {
    let mut scene = Scene::new(&["x.log"], Start::Beginning);
    scene.append("x.log", &format!("{}\nnext\n", "y".repeat(LINE_BYTES_MAX * 6)));
    scene.cycle_until(1);
    scene.cycle();
    assert_eq!(scene.lines.len(), 2);
    assert_eq!(scene.lines[0].2.len(), LINE_BYTES_MAX);
    assert_eq!(scene.lines[1].2, "next");
    scene.check_unique();
    let count = |what| scene.count(what);
    assert_eq!(count(Count::TruncatedLines), 1);
    assert_eq!(count(Count::TruncatedBytes) as usize, LINE_BYTES_MAX * 5 + 1);
}

#[test]
fn many_files_need_few_open() {
    let mut scene = Scene::new(&["*.log"], Start::Beginning);
    for round in 0..3 {
        for file in 0..40 {
            scene.append(&format!("{file}.log"), &format!("file {file} round {round}\n"));
        }
        scene.cycle();
        assert!(scene.open_files() <= 8);
    }
    assert_eq!(scene.lines.len(), 120);
    scene.check_unique();
}

#[test]
fn a_log_that_cannot_be_read_stops_nothing_else() {
    let mut scene = Scene::new(&["loop.log", "x.log"], Start::Beginning);
    symlink(scene.path("loop.log"), scene.path("loop.log")).unwrap();
    scene.append("x.log", "one\n");
    scene.cycle().check(&["one"]);
    let subject = scene.path("loop.log").display().to_string();
    assert!(scene.told().problems[&subject].contains("cannot be read"));
    scene.delete("loop.log");
    scene.append("loop.log", "two\n");
    scene.cycle().check(&["one", "two"]);
    assert!(scene.told().problems.is_empty());
}

#[test]
fn positions_of_logs_no_longer_configured_are_given_up() {
    let mut scene = Scene::new(&["x.log"], Start::Beginning);
    scene.append("x.log", "one\n");
    scene.cycle();
    assert_eq!(scene.durable.len(), 1);
    scene.stop();
    scene.config.files[0].paths = vec![scene.path("y.log").display().to_string()];
    scene.cycle();
    assert!(scene.durable.is_empty());
}
