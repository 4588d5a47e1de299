//! Files that are not what they were: inodes that come again, truncation, deletion, generations and
//! compression while nobody looks.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use rand::Rng;

use super::disk::OwnDisk;
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

/// The log is deleted and made again with the same inode: while the agent is away, killed or stopped, and
/// under its eyes. On a file system that nobody else writes to, which gives a freed number at once.
///
/// # Errors
/// If the run cannot be made; what it came to is in the outcome.
pub fn inode_reuse(scale: &Scale) -> Result<Outcome> {
    reuse("inode-reuse", scale, 256)
}

/// The same on a file system without birth times, where other times are whole seconds.
///
/// # Errors
/// As [`inode_reuse`].
pub fn inode_reuse_old(scale: &Scale) -> Result<Outcome> {
    reuse("inode-reuse-old", scale, 128)
}

fn reuse(name: &str, scale: &Scale, inode_bytes: u32) -> Result<Outcome> {
    let disk = OwnDisk::ext4(inode_bytes)?;
    if disk.is_none() {
        crate::skipped(
            "an ext4 of its own cannot be made here (needs root, mkfs.ext4, loop devices): inodes may \
             come again seldom, or never",
        );
    }
    let logs = disk.as_ref().map(|disk| disk.path().join("logs"));
    let setup = Setup { logs, ..Setup::default() };
    let mut rig = Rig::new(scale, Receiver::Spool(Vec::new()), &setup)?;
    rig.start()?;
    // Made before a number is free, or the folder would take it.
    let spare = tempfile::tempdir_in(rig.log.parent().context("no folder")?)?;
    let mut writer = Writer::open(&rig.log, 0)?;
    let mut reused = 0;
    let rounds = scale.pick(100, 6);
    for round in 0..rounds {
        let count = some(&mut rig);
        writer.write(count)?;
        rig.arrive(writer.written())?;
        match round % 3 {
            0 => rig.kill()?,
            1 => rig.stop()?,
            _ => {}
        }
        let is_away = rig.agent.process.is_none();
        let inode = writer.inode()?;
        let next = writer.written();
        writer.delete()?;
        // Closed, or the inode would not be free.
        drop(writer);
        reused += u64::from(take_inode(&rig.log, spare.path(), inode)?);
        writer = Writer::open(&rig.log, next)?;
        let count = some(&mut rig);
        writer.write(count)?;
        if is_away {
            rig.start()?;
        }
        rig.arrive(writer.written())?;
    }
    if disk.is_some() {
        anyhow::ensure!(reused >= rounds / 2, "only {reused} of {rounds} inodes came again");
    }
    let outcome = rig.finish(name, scale, writer.written(), &writer.destroyed)?;
    Ok(outcome
        .with("rounds", rounds as f64)
        .with("reused", reused as f64)
        .with("own_disk", f64::from(u8::from(disk.is_some()))))
}

/// Creates files until one has the inode, and gives it the name; false if none gets it.
fn take_inode(path: &Path, spare: &Path, inode: u64) -> Result<bool> {
    use std::os::unix::fs::MetadataExt;
    // Not under the log's name: it may be watched, and what is there for a moment is not to be seen.
    let (mut kept, mut is_taken) = (Vec::new(), false);
    for number in 0..CREATE_MAX {
        let own = spare.join(format!("{number}"));
        let file = std::fs::File::create_new(&own)?;
        if file.metadata()?.ino() == inode {
            std::fs::rename(own, path)?;
            is_taken = true;
            break;
        }
        kept.push(own);
    }
    for file in kept {
        std::fs::remove_file(file)?;
    }
    Ok(is_taken)
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
