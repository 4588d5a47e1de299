//! One test per way in which a log is rotated.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

use super::Scene;
use crate::{Count, Start};

fn scene() -> Scene {
    Scene::new(&["x.log"], Start::Beginning)
}

#[test]
fn renamed_and_created() {
    let mut scene = scene();
    scene.append("x.log", "one\n");
    scene.cycle();
    scene.append("x.log", "two\n");
    scene.rename("x.log", "x.log.1");
    scene.append("x.log", "three\n");
    scene.append("x.log.1", "late\n");
    scene.cycle().check(&["one", "two", "late", "three"]);
    scene.append("x.log.1", "later\n");
    scene.cycle().check(&["one", "two", "late", "three", "later"]);
    assert_eq!(scene.keys().len(), 2);
    assert_eq!(scene.count(Count::Rotations), 1);
}

#[test]
fn renamed_while_closed() {
    let mut scene = scene();
    scene.append("x.log", "one\n");
    scene.cycle();
    for file in 0..20 {
        // Other files push it out of the bounded set of open files.
        scene.append(&format!("other{file}.log"), "x\n");
    }
    let others = scene.path("other*.log").display().to_string();
    scene.config.files[0].paths.push(others);
    scene.stop();
    scene.cycle();
    scene.append("x.log", "two\n");
    scene.rename("x.log", "x.log-20261121");
    scene.append("x.log", "three\n");
    scene.cycle();
    let texts: Vec<_> = scene.texts().into_iter().filter(|text| *text != "x").collect();
    assert_eq!(texts, ["one", "two", "three"]);
    scene.check_unique();
}

#[test]
fn renamed_several_times_between_two_looks() {
    for down in [false, true] {
        let mut scene = scene();
        scene.append("x.log.1", "older than the agent\n");
        scene.append("x.log", "one\n");
        scene.cycle();
        if down {
            scene.stop();
        }
        for (number, text) in ["two\n", "three\n", "four\n", "five\n"].into_iter().enumerate() {
            scene.append("x.log", text);
            for older in (1..=number + 1).rev() {
                scene.rename(&format!("x.log.{older}"), &format!("x.log.{}", older + 1));
            }
            scene.rename("x.log", "x.log.1");
        }
        scene.append("x.log", "six\n");
        scene.cycle().check(&["one", "two", "three", "four", "five", "six"]);
        assert_eq!(scene.keys().len(), 5);
    }
}

#[test]
fn copied_and_truncated_under_the_first_key() {
    for down in [false, true] {
        for glob in ["x.log", "x.log*", "*"] {
            let mut scene = Scene::new(&[glob], Start::Beginning);
            scene.append("x.log", "one\n");
            scene.cycle();
            if down {
                scene.stop();
            }
            scene.append("x.log", "two\nend without line end");
            scene.copy("x.log", "x.log.1");
            scene.truncate("x.log");
            scene.append("x.log", "three\n");
            scene.cycle().check(&["one", "two", "end without line end", "three"]);
            assert_eq!(scene.keys().len(), 2, "{glob}");
            assert_eq!(scene.lines[0].0, scene.lines[1].0);
            assert_eq!(scene.lines[1].1, 4);
            assert!(scene.lines[3].0.contains(":1:"), "a new generation: {}", scene.lines[3].0);
            scene.stop();
            scene.append("x.log", "four\n");
            scene.cycle();
            assert_eq!(scene.lines.len(), 5, "{glob}");
            scene.check_unique();
            assert!(scene.told().notices.is_empty());
        }
    }
}

#[test]
fn copied_and_truncated_and_grown_beyond_the_old_offset() {
    let mut scene = scene();
    scene.append("x.log", "one\n");
    scene.cycle();
    scene.append("x.log", "two\n");
    scene.copy("x.log", "x.log.1");
    scene.truncate("x.log");
    scene.append("x.log", "three is longer than what was there before\n");
    scene.cycle().check(&["one", "two", "three is longer than what was there before"]);
}

#[test]
fn a_copy_in_the_glob_is_not_read_twice_while_it_is_made() {
    let mut scene = Scene::new(&["x.log*"], Start::Beginning);
    scene.append("x.log", "one\ntwo\n");
    scene.cycle();
    scene.append("x.log.1", "one\n");
    scene.cycle();
    scene.append("x.log.1", "two\n");
    scene.cycle();
    scene.append("x.log", "three\n");
    scene.append("x.log.1", "three\n");
    scene.truncate("x.log");
    scene.cycle().check(&["one", "two", "three"]);
    assert_eq!(scene.keys().len(), 1);
}

#[test]
fn a_copy_that_goes_its_own_way_is_read_after_all() {
    let mut scene = Scene::new(&["x.log*"], Start::Beginning);
    scene.append("x.log", "one\n");
    scene.cycle();
    scene.copy("x.log", "x.log.1");
    scene.cycle().check(&["one"]);
    scene.append("x.log.1", "own\n");
    scene.append("x.log", "two\n");
    scene.cycle();
    assert_eq!(scene.lines.len(), 4);
}

#[test]
fn a_copy_shorter_than_what_was_read_brings_nothing_twice() {
    let mut scene = scene();
    scene.append("x.log", "one\n");
    scene.copy("x.log", "x.log.1");
    scene.append("x.log", "two\n");
    scene.cycle();
    scene.truncate("x.log");
    scene.append("x.log", "three\n");
    scene.cycle().check(&["one", "two", "three"]);
    scene.stop();
    scene.cycle().check(&["one", "two", "three"]);
}

#[test]
fn copied_over_the_copy_that_is_followed() {
    for between_scans in [true, false] {
        let mut scene = scene().without_grace();
        scene.append("x.log", "one\n");
        scene.cycle();
        scene.append("x.log", "two\n");
        scene.copy("x.log", "x.log.1");
        scene.truncate("x.log");
        scene.append("x.log", "three\n");
        // Read in the copy, and closed as nothing more comes.
        scene.cycle().cycle();
        scene.append("x.log", "four\n");
        // The same inode, as `cp` leaves it.
        scene.copy("x.log", "x.log.1");
        scene.truncate("x.log");
        scene.append("x.log", "five\n");
        if between_scans {
            scene.look();
        }
        scene.cycle().check(&["one", "two", "three", "four", "five"]);
    }
}

#[test]
fn copied_twice_while_down() {
    let mut scene = scene();
    scene.append("x.log", "one\n");
    scene.cycle().stop();
    scene.append("x.log", "two\n");
    scene.copy("x.log", "x.log.1");
    scene.truncate("x.log");
    scene.append("x.log", "three\n");
    scene.rename("x.log.1", "x.log.2");
    scene.copy("x.log", "x.log.1");
    scene.truncate("x.log");
    scene.append("x.log", "four\n");
    scene.cycle().check(&["one", "two", "three", "four"]);
}

#[test]
fn truncated_without_a_copy_is_told() {
    let mut scene = scene();
    scene.append("x.log", "one\ntwo\n");
    scene.cycle();
    scene.truncate("x.log");
    scene.append("x.log", "three\n");
    scene.cycle().check(&["one", "two", "three"]);
    assert_eq!(scene.keys().len(), 2);
    assert!(scene.told().notices[0].contains("no rotated copy was found"));
    assert_eq!(scene.durable.len(), 1, "the old position is given up");
    assert_eq!(scene.count(Count::Truncations), 1);
}

#[test]
fn a_writer_that_keeps_its_offset_leaves_nuls() {
    let mut scene = scene();
    scene.append("x.log", "one\n");
    scene.cycle();
    scene.truncate("x.log");
    scene.append("x.log", &format!("{}two\n", "\0".repeat(300_000)));
    scene.cycle().check(&["one", "two"]);
    assert_eq!(scene.lines[1].1, 300_000);
    assert_eq!(scene.count(Count::EmptyBytes), 300_000);
}

#[test]
fn a_symlink_switched() {
    let mut scene = Scene::new(&["current.log"], Start::Beginning);
    scene.append("app-1", "one\n");
    symlink(scene.path("app-1"), scene.path("current.log")).unwrap();
    scene.cycle();
    scene.append("app-1", "two\n");
    scene.delete("current.log");
    symlink(scene.path("app-2"), scene.path("current.log")).unwrap();
    scene.append("app-2", "three\n");
    scene.cycle().check(&["one", "two", "three"]);
    scene.append("app-1", "late\n");
    scene.cycle().check(&["one", "two", "three", "late"]);
    assert!(scene.lines[2].0 != scene.lines[1].0);
    scene.delete("current.log");
    symlink(scene.path("app-1"), scene.path("current.log")).unwrap();
    scene.cycle();
    scene.stop();
    scene.cycle().check(&["one", "two", "three", "late"]);
}

#[test]
fn deleted_while_open() {
    let mut scene = scene().without_grace();
    scene.append("x.log", "one\n");
    scene.cycle();
    scene.append("x.log", "two\nunfinished");
    scene.delete("x.log");
    scene.cycle();
    scene.cycle().check(&["one", "two", "unfinished"]);
    scene.cycle().cycle();
    assert!(scene.durable.is_empty(), "{:?}", scene.durable);
    assert_eq!(scene.open_files(), 0);
}

#[test]
fn an_inode_used_again() {
    for _ in 0..20 {
        let mut scene = scene();
        scene.append("x.log", "one\n");
        scene.cycle().stop();
        let inode = fs::metadata(scene.path("x.log")).unwrap().ino();
        scene.delete("x.log");
        scene.append("x.log", "another content\n");
        let same = fs::metadata(scene.path("x.log")).unwrap().ino() == inode;
        scene.cycle().check(&["one", "another content"]);
        assert_eq!(scene.keys().len(), 2);
        if same {
            return;
        }
    }
    eprintln!("skipped in part: this file system does not use inodes again");
}

#[test]
fn rotated_while_down() {
    let mut scene = scene();
    scene.append("x.log", "one\n");
    scene.cycle().stop();
    scene.append("x.log", "two\n");
    scene.rename("x.log", "x.log.1");
    scene.append("x.log", "three\n");
    scene.cycle().check(&["one", "two", "three"]);
    scene.stop();
    scene.rename("x.log.1", "x.log.2");
    scene.rename("x.log", "x.log.1");
    scene.cycle().check(&["one", "two", "three"]);
    scene.append("x.log", "four\n");
    scene.cycle().check(&["one", "two", "three", "four"]);
    assert!(scene.told().notices.is_empty());
}

#[test]
fn compressed_as_we_cannot_read_is_told() {
    let mut scene = scene();
    scene.append("x.log", "one\n");
    scene.cycle().stop();
    scene.append("x.log", "two\n");
    scene.rename("x.log", "x.log.1");
    scene.append("x.log.1.xz", "not really");
    scene.delete("x.log.1");
    scene.append("x.log", "three\n");
    scene.cycle().check(&["one", "three"]);
    let notices = scene.told().notices.join("\n");
    assert!(notices.contains("x.log.1.xz") && notices.contains("delaycompress"), "{notices}");
}

#[test]
fn written_anew_by_an_editor() {
    let mut scene = scene();
    scene.append("x.log", "one\n");
    scene.cycle();
    scene.copy("x.log", "new");
    scene.append("new", "two\n");
    scene.rename("new", "x.log");
    scene.cycle().check(&["one", "two"]);
    assert_eq!(scene.keys().len(), 1);
}

#[test]
fn rotated_files_are_forgotten_when_deleted() {
    let mut scene = scene().without_grace();
    scene.append("x.log", "one\n");
    scene.cycle();
    scene.rename("x.log", "x.log.1");
    scene.append("x.log", "two\n");
    scene.cycle().cycle();
    assert_eq!((scene.durable.len(), scene.open_files()), (2, 1));
    scene.delete("x.log.1");
    scene.cycle();
    assert_eq!(scene.durable.len(), 1);
    assert!(scene.told().notices.is_empty());
}

#[test]
fn generations_that_begin_alike() {
    for copies in [false, true] {
        let mut scene = scene();
        scene.append("x.log", "# log opened\none\n");
        scene.cycle();
        for text in ["two\n", "three\n", "four\n"] {
            for older in (1..=3).rev() {
                if scene.path(&format!("x.log.{older}")).exists() {
                    scene.rename(&format!("x.log.{older}"), &format!("x.log.{}", older + 1));
                }
            }
            if copies {
                scene.copy("x.log", "x.log.1");
                scene.truncate("x.log");
            } else {
                scene.rename("x.log", "x.log.1");
            }
            scene.append("x.log", "# log opened\n");
            scene.append("x.log", text);
        }
        scene.cycle();
        let texts: Vec<_> =
            scene.texts().into_iter().filter(|text| !text.starts_with('#')).collect();
        assert_eq!(texts, ["one", "two", "three", "four"], "copies: {copies}");
        assert_eq!(scene.lines.len(), 8);
        scene.check_unique();
    }
}
