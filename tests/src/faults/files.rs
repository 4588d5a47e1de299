//! Files that are not what they were: inodes that come again, truncation, deletion, generations and
//! compression while nobody looks.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use rand::Rng;

use super::outcome::{Outcome, Scale};
use super::rig::{Receiver, Rig, Setup};
use super::writer::Writer;

/// Files created, at most, until one has the inode wanted.
const CREATE_MAX: u32 = 2_000;
/// Generations kept where the agent is away for several.
const KEEP: u32 = 9;

fn rig(scale: &Scale, paths: &[&str]) -> Result<Rig> {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    let mut rig =
        Rig::new(scale, Receiver::Spool(Vec::new()), &Setup { paths, ..Setup::default() })?;
    rig.start()?;
    Ok(rig)
}

/// Some lines, so many that a file is longer or shorter than the one before at random.
fn some(rig: &mut Rig) -> u64 {
    rig.random.gen_range(1..400)
}

/// The log is deleted and made again while the agent is away, until the inode is the same.
///
/// # Errors
/// If the run cannot be made; what it came to is in the outcome.
pub fn inode_reuse(scale: &Scale) -> Result<Outcome> {
    let mut rig = rig(scale, &[])?;
    let mut writer = Writer::open(&rig.log, 0)?;
    let mut reused = 0;
    let rounds = scale.pick(100, 5);
    for round in 0..rounds {
        let count = some(&mut rig);
        writer.write(count)?;
        rig.arrive(writer.written())?;
        if round % 2 == 0 {
            rig.kill()?;
        } else {
            rig.stop()?;
        }
        let inode = writer.inode()?;
        let next = writer.written();
        writer.delete()?;
        // Closed, or the inode would not be free.
        drop(writer);
        reused += u64::from(take_inode(&rig.log, inode)?);
        writer = Writer::open(&rig.log, next)?;
        let count = some(&mut rig);
        writer.write(count)?;
        rig.start()?;
        rig.arrive(writer.written())?;
    }
    if reused == 0 {
        crate::skipped("this file system does not give an inode twice");
    }
    let outcome = rig.finish("inode-reuse", scale, writer.written(), &writer.destroyed)?;
    Ok(outcome.with("rounds", f64::from(rounds)).with("reused", reused as f64))
}

/// Creates files until one has the inode, and gives it the name; false if none gets it.
fn take_inode(path: &Path, inode: u64) -> Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let dir = tempfile::tempdir_in(path.parent().context("no folder")?)?;
    // Not under the log's name: it may be watched, and what is there for a moment is not to be seen.
    let mut kept = Vec::new();
    for number in 0..CREATE_MAX {
        let own = dir.path().join(format!("{number}"));
        let file = std::fs::File::create_new(&own)?;
        if file.metadata()?.ino() == inode {
            std::fs::rename(own, path)?;
            return Ok(true);
        }
        kept.push(file);
    }
    Ok(false)
}

/// The log is deleted and made again under the agent's eyes, with lines in it that were not read yet.
///
/// # Errors
/// As [`inode_reuse`].
pub fn deleted_unread(scale: &Scale) -> Result<Outcome> {
    let mut rig = rig(scale, &[])?;
    let mut writer = Writer::open(&rig.log, 0)?;
    let rounds = scale.pick(200, 8);
    for _ in 0..rounds {
        // Seen once, so that the agent has it; what follows is deleted at once.
        let count = some(&mut rig);
        writer.write(count)?;
        rig.arrive(writer.written())?;
        let count = some(&mut rig);
        writer.write(count)?;
        writer.delete()?;
        writer = Writer::open(&rig.log, writer.written())?;
    }
    let outcome = rig.finish("deleted-unread", scale, writer.written(), &writer.destroyed)?;
    Ok(outcome.with("rounds", f64::from(rounds)))
}

/// The log is emptied in place and written to again at once, shorter or longer than before.
///
/// # Errors
/// As [`inode_reuse`].
pub fn truncation(scale: &Scale) -> Result<Outcome> {
    let mut rig = rig(scale, &[])?;
    let mut writer = Writer::open(&rig.log, 0)?;
    let rounds = scale.pick(200, 8);
    for _ in 0..rounds {
        let count = some(&mut rig);
        writer.write(count)?;
        rig.arrive(writer.written())?;
        writer.truncate()?;
        let count = some(&mut rig);
        writer.write(count)?;
        rig.arrive(writer.written())?;
    }
    let outcome = rig.finish("truncation", scale, writer.written(), &writer.destroyed)?;
    Ok(outcome.with("rounds", f64::from(rounds)))
}

/// The log is rotated several times, both ways, while the agent is away.
///
/// # Errors
/// As [`inode_reuse`].
pub fn rotated_while_stopped(scale: &Scale) -> Result<Outcome> {
    let mut rig = rig(scale, &[])?;
    let mut writer = Writer::open(&rig.log, 0)?;
    let rounds = scale.pick(50, 4);
    let mut rotations = 0;
    // A log that was never seen has no past to be found again.
    writer.write(1)?;
    rig.arrive(writer.written())?;
    for round in 0..rounds {
        let count = some(&mut rig);
        writer.write(count)?;
        if round % 2 == 0 {
            rig.kill()?;
        } else {
            rig.arrive(writer.written())?;
            rig.stop()?;
        }
        for _ in 0..rig.random.gen_range(1..4) {
            let (count, copies) = (some(&mut rig), rig.random.gen_bool(0.5));
            writer.write(count)?;
            if copies {
                writer.copy_truncate(KEEP, |_| Ok(()))?;
            } else {
                writer.rotate(KEEP, 3)?;
            }
            rotations += 1;
        }
        let count = some(&mut rig);
        writer.write(count)?;
        rig.start()?;
        rig.arrive(writer.written())?;
    }
    let outcome =
        rig.finish("rotated-while-stopped", scale, writer.written(), &writer.destroyed)?;
    Ok(outcome.with("rounds", f64::from(rounds)).with("rotations", f64::from(rotations)))
}

/// Rotated logs are compressed, some of them before they were read, and are watched by a glob too.
///
/// # Errors
/// As [`inode_reuse`].
pub fn compressed(scale: &Scale) -> Result<Outcome> {
    let mut rig = rig(scale, &["app.log", "app.log.*"])?;
    let mut writer = Writer::open(&rig.log, 0)?;
    let rounds = scale.pick(50, 4);
    writer.write(1)?;
    rig.arrive(writer.written())?;
    for round in 0..rounds {
        let count = some(&mut rig);
        writer.write(count)?;
        let is_away = round % 2 == 0;
        if is_away {
            rig.stop()?;
            let count = some(&mut rig);
            writer.write(count)?;
        } else {
            rig.arrive(writer.written())?;
        }
        writer.rotate(1, 0)?;
        let old = writer.generation(1);
        let name = format!("app.log.{round}.gz");
        let done = Command::new("gzip").arg("-f").arg(&old).status().context("run gzip")?;
        anyhow::ensure!(done.success(), "gzip fails");
        let mut compressed = old.into_os_string();
        compressed.push(".gz");
        std::fs::rename(compressed, rig.log.with_file_name(name))?;
        let count = some(&mut rig);
        writer.write(count)?;
        if is_away {
            rig.start()?;
        }
        rig.arrive(writer.written())?;
    }
    let outcome = rig.finish("compressed", scale, writer.written(), &writer.destroyed)?;
    Ok(outcome.with("rounds", f64::from(rounds)))
}
