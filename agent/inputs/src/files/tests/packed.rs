//! Rotated files that were compressed: what is unread in them comes once, what was read does not come.

use std::fs::{self, OpenOptions};

use super::Scene;
use crate::{Count, Start};

const ENDINGS: [&str; 2] = ["gz", "zst"];

fn scene() -> Scene {
    Scene::new(&["x.log"], Start::Beginning)
}

#[test]
fn the_unread_rest_is_read_once() {
    for ending in ENDINGS {
        let mut scene = scene();
        scene.append("x.log", "one\n");
        scene.cycle().stop();
        scene.append("x.log", "two\nend without line end");
        scene.rename("x.log", "x.log.1");
        scene.compress("x.log.1", ending);
        scene.append("x.log", "three\n");
        let expected = ["one", "two", "end without line end", "three"];
        scene.cycle().check(&expected);
        assert_eq!(scene.keys().len(), 2);
        assert_eq!((&scene.lines[0].0, scene.lines[1].1), (&scene.lines[1].0, 4));
        scene.cycle().check(&expected);
        scene.stop();
        scene.cycle().check(&expected);
        // It goes on to be known under its next name, also to an agent that did not see the change.
        scene.stop();
        scene.rename(&format!("x.log.1.{ending}"), &format!("x.log.2.{ending}"));
        scene.rename("x.log", "x.log.1");
        scene.append("x.log", "four\n");
        scene.cycle();
        assert_eq!(scene.texts().last(), Some(&"four"));
        assert_eq!(scene.lines.len(), 5);
        assert!(scene.told().notices.is_empty(), "{:?}", scene.told().notices);
        assert_eq!(scene.count(Count::LostBytes), 0);
    }
}

#[test]
fn compressed_at_once_while_the_agent_runs() {
    for ending in ENDINGS {
        for copies in [false, true] {
            let mut scene = scene().without_grace();
            scene.append("x.log", "one\n");
            scene.cycle();
            for (number, text) in ["two\n", "three\n", "four\n"].into_iter().enumerate() {
                for older in (1..=number).rev() {
                    let name = |number: usize| format!("x.log.{number}.{ending}");
                    scene.rename(&name(older), &name(older + 1));
                }
                scene.append("x.log", text);
                if copies {
                    scene.copy("x.log", "x.log.1");
                    scene.truncate("x.log");
                } else {
                    scene.rename("x.log", "x.log.1");
                }
                scene.compress("x.log.1", ending);
                scene.append("x.log", &format!("after {text}"));
                scene.cycle();
            }
            scene.cycle().cycle();
            let expected =
                ["one", "two", "after two", "three", "after three", "four", "after four"];
            scene.check(&expected);
            scene.stop();
            scene.cycle().cycle().check(&expected);
            assert!(scene.told().notices.is_empty(), "{:?}", scene.told().notices);
        }
    }
}

#[test]
fn several_generations_rotated_and_compressed_while_down() {
    for ending in ENDINGS {
        let mut scene = scene();
        scene.append("x.log", "one\n");
        scene.cycle().stop();
        for (number, text) in ["two\n", "three\n", "four\n", "five\n"].into_iter().enumerate() {
            scene.append("x.log", text);
            for older in (1..=number).rev() {
                let (from, to) = (format!("x.log.{older}"), format!("x.log.{}", older + 1));
                if older == 1 {
                    // As with delaycompress.
                    scene.rename(&from, &to);
                    scene.compress(&to, ending);
                } else {
                    scene.rename(&format!("{from}.{ending}"), &format!("{to}.{ending}"));
                }
            }
            scene.rename("x.log", "x.log.1");
        }
        scene.append("x.log", "six\n");
        let expected = ["one", "two", "three", "four", "five", "six"];
        scene.cycle().check(&expected);
        assert_eq!(scene.keys().len(), 5);
        scene.stop();
        scene.cycle().check(&expected);
    }
}

#[test]
fn history_older_than_the_agent_is_not_read() {
    let mut scene = scene();
    for number in [3, 2] {
        scene.append(&format!("x.log.{number}"), &format!("history {number}\n"));
        scene.compress(&format!("x.log.{number}"), "gz");
    }
    scene.append("x.log", "one\n");
    scene.cycle().check(&["one"]);
    scene.rename("x.log", "x.log.1");
    scene.append("x.log", "two\n");
    scene.cycle().check(&["one", "two"]);
    scene.stop();
    scene.cycle().check(&["one", "two"]);
}

#[test]
fn a_long_rest_comes_in_chunks_over_kills() {
    for ending in ENDINGS {
        let mut scene = scene();
        let line = |n: usize| format!("line {n} {}", "x".repeat(n % 300));
        let text =
            |range: std::ops::Range<usize>| -> String { range.map(|n| line(n) + "\n").collect() };
        scene.append("x.log", &text(0..1_500));
        scene.cycle().stop();
        scene.append("x.log", &text(1_500..20_000));
        scene.rename("x.log", "x.log.1");
        scene.compress("x.log.1", ending);
        scene.append("x.log", "last\n");
        for _ in 0..4 {
            scene.cycle_until(3).stop();
        }
        scene.cycle();
        let mut expected: Vec<String> = (0..20_000).map(line).collect();
        expected.push("last".to_owned());
        assert_eq!(scene.texts(), expected);
        scene.check_unique();
        assert_eq!(scene.keys().len(), 2);
    }
}

#[test]
fn a_damaged_file_is_read_up_to_the_damage_and_told() {
    let mut scene = scene().without_grace();
    scene.append("x.log", "one\n");
    scene.cycle().stop();
    // What does not compress: the damage is behind the first lines.
    let mut seed = 1_u64;
    let noise: String = (0..4_000)
        .map(|n| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(n);
            format!("{n} {seed:x}\n")
        })
        .collect();
    scene.append("x.log", &noise);
    scene.rename("x.log", "x.log.1");
    scene.compress("x.log.1", "gz");
    let path = scene.path("x.log.1.gz");
    let len = fs::metadata(&path).unwrap().len();
    OpenOptions::new().write(true).open(&path).unwrap().set_len(len / 2).unwrap();
    scene.append("x.log", "two\n");
    scene.cycle().cycle().cycle();
    assert_eq!(scene.texts().last(), Some(&"two"));
    assert!(scene.lines.len() > 1_000, "{}", scene.lines.len());
    let notices = scene.told().notices.join("\n");
    assert!(notices.contains("x.log.1.gz cannot be read beyond"), "{notices}");
    scene.check_unique();
}

#[test]
fn a_compressed_file_of_another_content_is_passed_over() {
    let mut scene = scene();
    scene.append("x.log", "# log opened\none\n");
    scene.cycle().stop();
    scene.append("x.log", "two\n");
    scene.rename("x.log", "x.log.1");
    // It begins alike and is as long, but is no continuation of what was read.
    scene.append("x.log.2", "# log opened\nother\nmore\n");
    scene.compress("x.log.2", "gz");
    scene.compress("x.log.1", "gz");
    scene.append("x.log", "three\n");
    scene.cycle();
    let texts: Vec<_> = scene.texts().into_iter().filter(|t| !t.starts_with('#')).collect();
    assert!(["one", "two", "three"].iter().all(|text| texts.contains(text)), "{texts:?}");
    scene.check_unique();
}
