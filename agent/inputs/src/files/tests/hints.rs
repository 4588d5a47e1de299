//! Hints, bounds and holding on: what is looked at between scans, and while nothing can be handed on.

use std::time::{Duration, Instant};

use super::Scene;
use crate::files::watch::Hints;
use crate::{Count, Start};

fn names(scene: &Scene, names: &[&str], created: &[&str], moves: &[(&str, &str)]) -> Hints {
    Hints {
        names: names.iter().map(|name| scene.path(name)).collect(),
        created: created.iter().map(|name| scene.path(name)).collect(),
        moves: moves.iter().map(|(from, to)| (scene.path(from), scene.path(to))).collect(),
        ..Hints::default()
    }
}

#[test]
fn a_write_is_read_without_a_scan() {
    let mut scene = Scene::new(&["*.log"], Start::Beginning);
    for file in 0..40 {
        scene.append(&format!("{file}.log"), "one\n");
    }
    scene.cycle();
    scene.append("7.log", "two\n");
    let written = [scene.path("7.log"), scene.path("never.log")].into();
    scene.hinted(Hints { written, ..Hints::default() });
    assert_eq!(scene.texts().last(), Some(&"two"));
    assert_eq!(scene.lines.len(), 41);
}

#[test]
fn a_rotation_is_followed_without_a_scan() {
    for told in [true, false] {
        let mut scene = Scene::new(&["x.log", "y*.log"], Start::Beginning);
        scene.append("x.log", "one\n");
        scene.cycle();
        // Pushed out of the set of open files.
        for file in 0..20 {
            scene.append(&format!("y{file}.log"), "y\n");
        }
        scene.cycle();
        scene.lines.retain(|(_, _, text)| text != "y");
        scene.append("x.log", "two\n");
        scene.rename("x.log", "x.log.1");
        scene.append("x.log", "three\n");
        let moves: &[(&str, &str)] = if told { &[("x.log", "x.log.1")] } else { &[] };
        let hints = names(&scene, &["x.log", "x.log.1"], &["x.log", "x.log.1"], moves);
        scene.hinted(hints).check(&["one", "two", "three"]);
        scene.append("x.log.1", "late\n");
        scene.cycle().check(&["one", "two", "three", "late"]);
        assert_eq!(scene.keys().len(), 2);
    }
}

#[test]
fn what_comes_and_goes_between_two_looks() {
    let mut scene = Scene::new(&["*.log"], Start::Beginning);
    scene.append("x.log", "one\n");
    scene.cycle();
    // Gone: only counted.
    let hints = names(&scene, &["gone.log", "other.txt"], &["gone.log", "other.txt"], &[]);
    scene.hinted(hints);
    assert_eq!(scene.count(Count::VanishedFiles), 1);
    // Renamed to a name that the globs do not mean: read all the same.
    scene.append("short.log.1", "short\n");
    let moves = [("short.log", "short.log.1")];
    let hints = names(&scene, &["short.log", "short.log.1"], &["short.log"], &moves);
    scene.hinted(hints).check(&["one", "short"]);
    scene.stop();
    scene.cycle().cycle().check(&["one", "short"]);
}

#[test]
fn a_rotation_and_its_successor_between_two_looks() {
    let mut scene = Scene::new(&["*.log"], Start::Beginning);
    scene.append("x.log", "one\n");
    scene.cycle();
    scene.append("new.log.1", "two\n");
    scene.append("new.log", "three\n");
    let moves = [("new.log", "new.log.1")];
    let both = ["new.log", "new.log.1"];
    let hints = names(&scene, &both, &both, &moves);
    scene.hinted(hints).check(&["one", "two", "three"]);
    scene.cycle().check(&["one", "two", "three"]);
}

#[test]
fn what_is_deleted_while_nothing_can_be_handed_on_is_kept_open() {
    let mut scene = Scene::new(&["*.log"], Start::Beginning);
    scene.append("a.log", "a\n");
    scene.append("x.log", "x\n");
    scene.append("y.log", "y\n");
    scene.cycle();
    scene.append("x.log", "two\n");
    scene.append("y.log", "rotated\n");
    let (mut calls, until) = (0, Instant::now() + Duration::from_secs(60));
    scene.held_back(|scene| {
        calls += 1;
        match calls {
            1 => scene.rename("y.log", "y.log.1"),
            2 => scene.delete("y.log.1"),
            _ => {}
        }
        assert!(Instant::now() < until);
        calls > 5
    });
    scene.cycle();
    let mut texts = scene.texts();
    texts.sort_unstable();
    assert_eq!(texts, ["a", "rotated", "two", "x", "y"]);
    scene.check_unique();
}

#[test]
fn a_restart_looks_at_nothing_that_is_as_it_was() {
    let mut scene = Scene::new(&["*.log"], Start::Beginning);
    for file in 0..40 {
        scene.append(&format!("{file}.log"), "one\n");
    }
    scene.cycle().stop();
    let before = scene.durable.clone();
    scene.append("7.log", "two\n");
    scene.cycle();
    assert_eq!(scene.lines.len(), 41);
    let born = std::fs::metadata(scene.path("7.log")).unwrap().created().is_ok();
    if born {
        assert_eq!(scene.open_files(), 1, "only what changed was opened");
    }
    let news = scene.durable.iter().filter(|(key, json)| before.get(*key) != Some(*json));
    assert_eq!(news.count(), 1, "only what changed is told");
}

#[test]
fn checkpoints_of_the_first_version_go_on() {
    let mut scene = Scene::new(&["x.log"], Start::Beginning);
    scene.append("x.log", "one\n");
    scene.cycle().stop();
    let (key, json) = scene.durable.iter().next().map(|(k, j)| (k.clone(), j.clone())).unwrap();
    let mut old: serde_json::Value = serde_json::from_str(&json).unwrap();
    let fields = old.as_object_mut().unwrap();
    for new in ["born", "version", "assembly"] {
        fields.remove(new);
    }
    fields.insert("real".to_owned(), fields["path"].clone());
    scene.durable.insert(key, old.to_string());
    scene.append("x.log", "two\n");
    scene.cycle().check(&["one", "two"]);
    assert_eq!(scene.keys().len(), 1);
}

#[test]
fn an_inode_in_another_use_is_another_file_whatever_it_holds() {
    for down in [false, true] {
        let mut scene = Scene::new(&["*.log"], Start::Beginning);
        scene.append("x.log", "one\n");
        scene.cycle().stop();
        if !down {
            scene.cycle();
        }
        // As if the file had been deleted and its inode were used anew: the kernel's word counts.
        for json in scene.durable.values_mut() {
            *json = json.replacen("\"born\":1", "\"born\":2", 1);
        }
        scene.stop();
        scene.delete("x.log");
        scene.append("y.log", "one\nother\n");
        scene.cycle();
        assert_eq!(scene.texts(), ["one", "one", "other"]);
        assert_eq!(scene.keys().len(), 2);
        scene.check_unique();
    }
}
