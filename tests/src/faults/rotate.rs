//! Rotations under load: rename with late lines, copy and truncate, both at a steady rate.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;

use super::outcome::{Outcome, Scale};
use super::rig::{Receiver, Rig, Setup};
use super::sink::Sink;
use super::writer::{LATE_LINES, Steady, Writer};

/// How it is rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Rename,
    /// The program holds still between copy and truncation: every line stays readable in the log or
    /// in its copy until the next rotation.
    CopyTruncate,
    /// The program writes on: what it writes between copy and truncation is on no disk any more.
    CopyTruncateWriting,
}

/// Lines written between copy and truncation, by a program that does not hold still.
const BETWEEN_LINES: u64 = 40;
/// Generations kept: the one before the log. The older one is deleted, so that inodes come again.
const KEEP: u32 = 1;

fn run(name: &str, scale: &Scale, way: Way) -> Result<Outcome> {
    let (rotations, rate) = scale.pick((200, 20_000), (8, 2_000));
    let period = scale.pick(rate, rate / 2);
    let mut rig = Rig::new(scale, Receiver::Sink(Sink::start()?), &Setup::default())?;
    rig.start()?;
    let done = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&done);
    let mut due = period;
    let steady = Steady::rotating(Writer::open(&rig.log, 0)?, rate, move |writer| {
        if writer.written() < due || count.load(Ordering::Acquire) == rotations {
            return Ok(());
        }
        due += period;
        match way {
            Way::Rename => writer.rotate(KEEP, LATE_LINES)?,
            Way::CopyTruncate => writer.copy_truncate(KEEP, |_| Ok(()))?,
            Way::CopyTruncateWriting => {
                writer.copy_truncate(KEEP, |writer| writer.write(BETWEEN_LINES))?;
            }
        }
        count.fetch_add(1, Ordering::AcqRel);
        Ok(())
    });
    rig.wait("all rotations", |_| Ok(done.load(Ordering::Acquire) == rotations))?;
    let enough = steady.written() + period / 2;
    rig.wait("lines behind the last rotation", |_| Ok(steady.written() >= enough))?;
    let writer = steady.stop()?;
    let between = writer.destroyed.len() as f64;
    let outcome = rig.finish(name, scale, writer.written(), &writer.destroyed)?;
    Ok(outcome
        .with("rotations", rotations as f64)
        .with("rate", rate as f64)
        .with("between", between))
}

/// Rename and create.
///
/// # Errors
/// If the run cannot be made; what it came to is in the outcome.
pub fn rename(scale: &Scale) -> Result<Outcome> {
    run("rotate-rename", scale, Way::Rename)
}

/// Copy and truncate, nothing written in between.
///
/// # Errors
/// As [`rename`].
pub fn copy_truncate(scale: &Scale) -> Result<Outcome> {
    run("rotate-copytruncate", scale, Way::CopyTruncate)
}

/// Copy and truncate under a program that writes on.
///
/// # Errors
/// As [`rename`].
pub fn copy_truncate_writing(scale: &Scale) -> Result<Outcome> {
    run("rotate-copytruncate-writing", scale, Way::CopyTruncateWriting)
}
