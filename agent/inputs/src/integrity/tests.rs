//! The watcher on real folders: what happens to files becomes events, once, also over restarts.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use rules_event::{Event, Value};

use super::*;
use crate::bench::Bench;

fn start(config: IntegrityConfig) -> Bench {
    Bench::new(|inputs| inputs.integrity = IntegrityConfig { enabled: true, ..config })
}

fn until_known(bench: &mut Bench) -> Vec<Event> {
    bench.until(|event| action(event) == "baseline")
}

fn action(event: &Event) -> &str {
    event.get_str("event.action").unwrap_or_default()
}

fn is(event: &Event, wanted: &str, path: &Path) -> bool {
    action(event) == wanted && event.get_str("file.path") == path.to_str()
}

fn config(dir: &Path) -> IntegrityConfig {
    IntegrityConfig {
        paths: vec![dir.display().to_string()],
        exclude: vec!["**/*.swp".to_owned()],
        upload_folders: vec![format!("{}/uploads", dir.display())],
        ..IntegrityConfig::default()
    }
}

#[test]
fn changes_are_told_with_old_and_new_values() {
    let dir = tempfile::tempdir().unwrap();
    let top = dir.path();
    std::fs::write(top.join("kept"), "one").unwrap();
    std::fs::create_dir(top.join("uploads")).unwrap();
    let mut bench = start(config(top));
    let first = until_known(&mut bench);
    assert_eq!(first.len(), 1, "what was there is no news: {first:#?}");
    // Two folders, a file and the root itself... and nothing that is excluded.
    assert_eq!(
        first[0].get("vonglau.file.baseline.count").and_then(rules_event::ValueRef::as_int),
        Some(3)
    );

    std::fs::write(top.join("kept"), "two!").unwrap();
    let events = bench.until(|event| is(event, "modified", &top.join("kept")));
    let event = events.last().unwrap();
    let hash = |text: &str| blake3::hash(text.as_bytes()).to_hex().to_string();
    assert_eq!(event.get_str("file.hash.blake3"), Some(hash("two!").as_str()));
    assert_eq!(event.get_str("vonglau.file.previous.hash.blake3"), Some(hash("one").as_str()));
    assert_eq!(
        event.get("vonglau.file.previous.size").and_then(rules_event::ValueRef::as_int),
        Some(3)
    );
    assert_eq!(event.get_str("event.type"), Some("change"));

    std::fs::set_permissions(top.join("kept"), std::fs::Permissions::from_mode(0o4755)).unwrap();
    let events = bench.until(|event| is(event, "attributes_modified", &top.join("kept")));
    let event = events.last().unwrap();
    assert_eq!(event.get_str("file.mode"), Some("4755"));
    assert_eq!(event.get_str("vonglau.file.previous.mode"), Some("0644"));
    assert_eq!(event.get("vonglau.file.changed"), Some((&Value::List(vec!["mode".into()])).into()));

    // A picture with a program in it, in a folder that was not there before.
    std::fs::create_dir_all(top.join("uploads/2026/11")).unwrap();
    let picture = top.join("uploads/2026/11/a.jpg");
    std::fs::write(&picture, b"\xFF\xD8\xFF junk <?php system($_GET['c']); ?> junk junk").unwrap();
    std::fs::write(top.join("uploads/x.swp"), "excluded").unwrap();
    let events = bench.until(|event| is(event, "created", &picture));
    let event = events.iter().find(|event| is(event, "created", &picture)).unwrap();
    assert_eq!(event.get_str("vonglau.file.content"), Some("script"));
    assert_eq!(event.get("vonglau.file.upload_folder"), Some(rules_event::ValueRef::Bool(true)));
    assert!(!events.iter().any(|event| is(event, "created", &top.join("uploads/x.swp"))));

    std::fs::rename(top.join("kept"), top.join("uploads/kept.locked")).unwrap();
    let moved = top.join("uploads/kept.locked");
    let events = bench.until(|event| is(event, "renamed", &moved));
    let event = events.iter().find(|event| is(event, "renamed", &moved)).unwrap();
    assert_eq!(event.get_str("vonglau.file.previous.path"), top.join("kept").to_str());
    assert_eq!(event.get_str("file.extension"), Some("locked"));
    assert!(!events.iter().any(|event| action(event) == "deleted"), "{events:#?}");

    std::fs::remove_dir_all(top.join("uploads/2026")).unwrap();
    let events = bench.until(|event| is(event, "deleted", &picture));
    assert!(events.iter().any(|event| is(event, "deleted", &top.join("uploads/2026"))));
    bench.stop();
}

#[test]
fn links_are_watched_and_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "x").unwrap();
    symlink(outside.path(), dir.path().join("link")).unwrap();
    let mut bench = start(config(dir.path()));
    let first = until_known(&mut bench);
    assert_eq!(
        first[0].get("vonglau.file.baseline.count").and_then(rules_event::ValueRef::as_int),
        Some(2)
    );
    std::fs::write(outside.path().join("secret"), "y").unwrap();
    std::fs::remove_file(dir.path().join("link")).unwrap();
    symlink("/elsewhere", dir.path().join("link")).unwrap();
    let link = dir.path().join("link");
    let events = bench.until(|event| is(event, "modified", &link));
    assert_eq!(events.last().unwrap().get_str("file.target_path"), Some("/elsewhere"));
    assert_eq!(events.len(), 1, "{events:#?}");
    bench.stop();
}

#[test]
fn what_happens_while_stopped_is_told_once() {
    let dir = tempfile::tempdir().unwrap();
    let top = dir.path();
    for name in ["a", "b", "c"] {
        std::fs::write(top.join(name), name).unwrap();
    }
    let mut bench = start(config(top));
    until_known(&mut bench);
    bench.stop();
    std::fs::write(top.join("a"), "changed").unwrap();
    std::fs::rename(top.join("b"), top.join("b2")).unwrap();
    // The events are taken, but the program dies before they are durable.
    bench.is_forgetful = true;
    bench.start();
    bench.until(|event| is(event, "modified", &top.join("a")));
    bench.stop();
    bench.is_forgetful = false;
    bench.start();
    std::fs::remove_file(top.join("c")).unwrap();
    let events = bench.until(|event| is(event, "deleted", &top.join("c")));
    let mut told: Vec<_> = events.iter().map(action).collect();
    told.sort_unstable();
    assert_eq!(told, ["deleted", "modified", "renamed"], "lost and told again: {events:#?}");
    bench.stop();
    bench.start();
    std::fs::write(top.join("d"), "").unwrap();
    let events = bench.until(|event| is(event, "created", &top.join("d")));
    assert_eq!(events.len(), 1, "nothing is told twice: {events:#?}");
    bench.stop();
}

#[test]
fn a_new_path_of_the_configuration_is_no_news_and_a_removed_one_no_deletion() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(one.path().join("x"), "x").unwrap();
    std::fs::write(two.path().join("y"), "y").unwrap();
    let mut bench = start(config(one.path()));
    until_known(&mut bench);
    bench.stop();
    bench.config.integrity = IntegrityConfig { enabled: true, ..config(two.path()) };
    bench.start();
    let events = until_known(&mut bench);
    assert_eq!(events.len(), 1, "{events:#?}");
    assert_eq!(
        events[0].get("vonglau.file.baseline.count").and_then(rules_event::ValueRef::as_int),
        Some(2)
    );
    bench.stop();
}

#[test]
fn many_changes_within_a_minute_are_told_as_such_and_windows_mark_them() {
    let dir = tempfile::tempdir().unwrap();
    for number in 0..40 {
        std::fs::write(dir.path().join(format!("{number}.docx")), "text").unwrap();
    }
    let mut bench = start(IntegrityConfig {
        mass_changes_per_min: 30,
        change_windows: vec!["2026-01-01T00:00Z/2099-01-01T00:00Z".to_owned()],
        ..config(dir.path())
    });
    until_known(&mut bench);
    for number in 0..40 {
        let path = dir.path().join(format!("{number}.docx"));
        std::fs::rename(&path, dir.path().join(format!("{number}.docx.locked"))).unwrap();
    }
    let events = bench.until(|event| action(event) == "mass_change");
    let mass = events.iter().find(|event| action(event) == "mass_change").unwrap();
    assert_eq!(mass.get_str("file.extension"), Some("locked"));
    assert_eq!(mass.get("vonglau.change_window"), Some(rules_event::ValueRef::Bool(true)));
    assert_eq!(
        mass.get("vonglau.file.mass.renamed").and_then(rules_event::ValueRef::as_int),
        Some(30)
    );
    bench.stop();
}

#[test]
fn a_bound_on_files_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    for number in 0..20 {
        std::fs::write(dir.path().join(number.to_string()), "").unwrap();
    }
    let mut bench = start(IntegrityConfig { files_max: 10, ..config(dir.path()) });
    let first = until_known(&mut bench);
    let count = first[0].get("vonglau.file.baseline.count").and_then(rules_event::ValueRef::as_int);
    assert!(count <= Some(10 + 1), "{count:?}");
    bench.stop();
    let problems = bench.told.problems.lock().unwrap().clone();
    assert!(problems.iter().any(|text| text.contains("files_max = 10")), "{problems:?}");
}
