//! Random lives of a log against what was written: every line exactly once.

use proptest::prelude::*;

use super::Scene;
use crate::Start;

#[derive(Debug, Clone)]
enum Act {
    /// Writes lines.
    Write(u8),
    /// Writes part of a line; the next write ends it.
    Part,
    /// Renames the log away and lets the writer begin a new one.
    Rename,
    /// Copies the log away and truncates it.
    CopyTruncate,
    /// Compresses a rotated file: the last one, or the one before it (`delaycompress`).
    Compress(usize),
    /// A writer that still holds the renamed file writes to it.
    Late,
    /// The agent looks and reads.
    Cycle,
    /// The agent is killed after some chunks.
    Kill(u8),
    /// The agent stops and starts.
    Restart,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        5 => (1u8..60).prop_map(Act::Write),
        1 => Just(Act::Part),
        2 => Just(Act::Rename),
        2 => Just(Act::CopyTruncate),
        1 => Just(Act::Late),
        1 => (1usize..3).prop_map(Act::Compress),
        4 => Just(Act::Cycle),
        1 => (0u8..4).prop_map(Act::Kill),
        1 => Just(Act::Restart),
    ]
}

struct Writer {
    written: Vec<String>,
    rotated: usize,
    renamed: bool,
    partial: bool,
}

impl Writer {
    fn line(&mut self) -> String {
        let number = self.written.len();
        let text = format!(
            "Nov 21 08:30:{number:05} host app[{number}]: {}",
            "x".repeat(number * 37 % 91)
        );
        self.written.push(text.clone());
        text
    }

    /// Moves x.log.N to x.log.N+1 to make room.
    fn shift(&mut self, scene: &Scene) {
        for older in (1..=self.rotated).rev() {
            for ending in ["", ".gz", ".zst"] {
                let from = format!("x.log.{older}{ending}");
                if scene.path(&from).exists() {
                    scene.rename(&from, &format!("x.log.{}{ending}", older + 1));
                }
            }
        }
        self.rotated += 1;
    }

    fn act(&mut self, act: &Act, scene: &mut Scene) {
        match act {
            Act::Write(lines) => {
                let text: String = (0..*lines).map(|_| self.line() + "\n").collect();
                self.partial = false;
                scene.append("x.log", &text);
            }
            Act::Part if !self.partial => {
                // What is written next ends this line, so it is one line with that one.
                let number = self.written.len();
                scene.append("x.log", &format!("part {number} "));
                let rest = self.line();
                let whole = format!("part {number} {rest}");
                *self.written.last_mut().unwrap() = whole;
                scene.append("x.log", &rest);
                scene.cycle();
                scene.append("x.log", "\n");
            }
            Act::Rename if scene.path("x.log").exists() => {
                self.shift(scene);
                scene.rename("x.log", "x.log.1");
                self.renamed = true;
            }
            Act::CopyTruncate if scene.path("x.log").exists() => {
                self.shift(scene);
                scene.copy("x.log", "x.log.1");
                scene.truncate("x.log");
                self.renamed = false;
            }
            Act::Compress(number) if scene.path(&format!("x.log.{number}")).exists() => {
                let ending = if self.written.len().is_multiple_of(2) { "gz" } else { "zst" };
                scene.compress(&format!("x.log.{number}"), ending);
                self.renamed &= *number != 1;
            }
            Act::Late if self.renamed && !scene.path("x.log").exists() => {
                let text = self.line() + "\n";
                scene.append("x.log.1", &text);
            }
            Act::Cycle => {
                scene.cycle();
            }
            Act::Kill(chunks) => {
                scene.cycle_until(usize::from(*chunks));
                scene.stop();
            }
            Act::Restart => scene.stop(),
            Act::Part | Act::Rename | Act::CopyTruncate | Act::Late | Act::Compress(_) => {}
        }
    }
}

fn live(acts: &[Act], glob: &str) {
    let mut scene = Scene::new(&[glob], Start::Beginning);
    let mut writer = Writer { written: Vec::new(), rotated: 0, renamed: false, partial: false };
    // A log the agent has met: before that, rotated files are older than the agent.
    writer.act(&Act::Write(1), &mut scene);
    scene.cycle();
    for act in acts {
        writer.act(act, &mut scene);
    }
    // What was rotated away unseen is found when there is a successor.
    writer.act(&Act::Write(1), &mut scene);
    for _ in 0..3 {
        scene.cycle();
    }
    scene.check_unique();
    let got = scene.texts();
    let missing: Vec<_> =
        writer.written.iter().filter(|line| !got.contains(&line.as_str())).take(3).collect();
    assert!(missing.is_empty(), "missing {missing:?}, notices: {:?}", scene.told().notices);
    let twice: Vec<_> = scene
        .lines
        .iter()
        .filter(|(_, _, text)| got.iter().filter(|other| *other == text).count() > 1)
        .take(3)
        .collect();
    assert!(twice.is_empty(), "twice {twice:?}");
}

/// `VONGLAU_CASES` asks for more lives than a test run has time for.
fn cases() -> u32 {
    std::env::var("VONGLAU_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(200)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_line_once(acts in proptest::collection::vec(act(), 0..40)) {
        live(&acts, "x.log");
    }

    #[test]
    fn every_line_once_with_rotated_files_in_the_glob(acts in proptest::collection::vec(act(), 0..40)) {
        live(&acts, "x.log*");
    }
}

#[test]
fn more_rotations_than_open_files() {
    let mut acts = vec![Act::Write(2), Act::Rename];
    for _ in 0..6 {
        acts.extend([Act::Write(1), Act::Rename]);
    }
    acts.extend([Act::Part, Act::CopyTruncate]);
    live(&acts, "x.log");
}

#[test]
fn late_lines_after_a_kill() {
    use Act::{CopyTruncate, Cycle, Kill, Late, Rename, Write};
    let mut acts = vec![Rename, Write(1), Rename, Write(1)];
    acts.extend(std::iter::repeat_n(CopyTruncate, 5));
    acts.extend([Rename, Write(1), Cycle, Rename, Kill(0), Cycle, Late, Write(1), Rename]);
    live(&acts, "x.log*");
}

#[test]
fn compressed_under_a_name_of_its_own() {
    use Act::{Compress, Cycle, Kill, Rename, Write};
    live(&[Rename, Write(1), Kill(1), Rename, Cycle, Compress(2), Compress(1)], "x.log*");
}

#[test]
fn two_compressed_at_once() {
    use Act::{Compress, CopyTruncate, Cycle, Kill, Rename, Write};
    let mut acts = vec![Rename, Write(27), Kill(3), Cycle, Rename, Compress(2), Compress(1)];
    acts.extend([Cycle, Cycle, CopyTruncate, CopyTruncate, Write(22), Cycle, Write(58), Write(19)]);
    acts.push(Write(40));
    live(&acts, "x.log");
}
