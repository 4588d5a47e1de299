//! Rotations under load: rename with late lines, copy and truncate, both at a steady rate.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

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

/// What the writer and the counting thread tell each other.
#[derive(Debug, Default)]
struct Shared {
    /// Rotations made.
    done: AtomicU64,
    /// Lines that have arrived without a gap.
    arrived: AtomicU64,
    /// Rotations that were due and had to wait.
    late: AtomicU64,
    /// Lines that are on no disk any more.
    destroyed: Mutex<BTreeSet<u64>>,
}

fn run(name: &str, scale: &Scale, way: Way) -> Result<Outcome> {
    let (rotations, rate) = scale.pick((200, 20_000), (8, 2_000));
    let period = scale.pick(rate, rate / 2);
    let mut rig = Rig::new(scale, Receiver::Sink(Sink::start()?), &Setup::default())?;
    rig.start()?;
    let shared = Arc::new(Shared::default());
    let told = Arc::clone(&shared);
    let (mut due, mut is_late) = (period, false);
    // Where the generation begins that is the log now, and so where the one before it ends, which the
    // next rotation makes unreadable. An agent that gets no processor for that long is not what is
    // measured: the rotation waits for it, and that is counted.
    let mut begun = 0;
    let steady = Steady::rotating(Writer::open(&rig.log, 0)?, rate, move |writer| {
        if writer.written() < due || told.done.load(Ordering::Acquire) == rotations {
            return Ok(());
        }
        if told.arrived.load(Ordering::Acquire) < begun {
            told.late.fetch_add(u64::from(!is_late), Ordering::AcqRel);
            is_late = true;
            return Ok(());
        }
        is_late = false;
        due = writer.written() + period;
        begun = writer.written();
        match way {
            Way::Rename => writer.rotate(KEEP, LATE_LINES)?,
            Way::CopyTruncate => writer.copy_truncate(KEEP, |_| Ok(()))?,
            Way::CopyTruncateWriting => {
                writer.copy_truncate(KEEP, |writer| writer.write(BETWEEN_LINES))?;
                let mut destroyed = told.destroyed.lock().unwrap_or_else(PoisonError::into_inner);
                destroyed.extend(&writer.destroyed);
            }
        }
        told.done.fetch_add(1, Ordering::AcqRel);
        Ok(())
    });
    rig.wait("all rotations", |rig| {
        rig.tally.excuse(&shared.destroyed.lock().unwrap_or_else(PoisonError::into_inner));
        shared.arrived.store(rig.tally.prefix(), Ordering::Release);
        Ok(shared.done.load(Ordering::Acquire) == rotations)
    })?;
    let enough = steady.written() + period / 2;
    rig.wait("lines behind the last rotation", |_| Ok(steady.written() >= enough))?;
    let writer = steady.stop()?;
    let between = writer.destroyed.len() as f64;
    let outcome = rig.finish(name, scale, writer.written(), &writer.destroyed)?;
    Ok(outcome
        .with("rotations", rotations as f64)
        .with("late_rotations", shared.late.load(Ordering::Acquire) as f64)
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
