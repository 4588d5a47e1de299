//! Disks: full for the spool, full for everything, a last sector that was never written whole.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use rand::Rng;

use super::outcome::{Outcome, Scale};
use super::rig::{Receiver, Rig, Setup};
use super::sink::Sink;
use super::writer::{Steady, Writer};

/// Size of the small disk: less than any spool would like.
const DISK: &str = "size=6m";
/// What a disk writes at once (the least that any does).
const SECTOR_BYTES: u64 = 512;
/// What the agent says when its spool has no room.
const HELD_BACK: &str = "inputs are held back";

/// Size of a disk that only logs are on.
const LOG_DISK_BYTES: u64 = 64 * 1024 * 1024;

/// A file system of its own; gone when dropped.
#[derive(Debug)]
pub struct OwnDisk {
    path: PathBuf,
    _dir: tempfile::TempDir,
}

impl OwnDisk {
    /// Mounts a small one in memory; `None`, and a word about it, where that is not permitted.
    fn small() -> Result<Option<Self>> {
        let disk = Self::mount(|path| {
            let mut mount = Command::new("mount");
            mount.args(["-t", "tmpfs", "-o", DISK, "tmpfs"]).arg(path);
            Ok(vec![mount])
        })?;
        if disk.is_none() {
            crate::skipped("a small file system cannot be mounted here (needs root)");
        }
        Ok(disk)
    }

    /// Makes and mounts an ext4 that nobody else writes to, so that a freed inode is the next one given.
    /// With inodes of 128 bytes it keeps no birth times, and other times in whole seconds, as file
    /// systems did that are still in use. `None` where it is not permitted.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn ext4(inode_bytes: u32) -> Result<Option<Self>> {
        Self::mount(|path| {
            let image = path.with_extension("img");
            File::create(&image)?.set_len(LOG_DISK_BYTES)?;
            let mut make = Command::new("mkfs.ext4");
            make.args(["-q", "-F", "-I", &inode_bytes.to_string()]).arg(&image);
            let mut mount = Command::new("mount");
            mount.args(["-o", "loop"]).arg(&image).arg(path);
            Ok(vec![make, mount])
        })
    }

    /// Runs the commands that bring a file system to a folder; `None` if one of them cannot.
    fn mount(commands: impl Fn(&Path) -> Result<Vec<Command>>) -> Result<Option<Self>> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("disk");
        std::fs::create_dir_all(&path)?;
        for mut command in commands(&path)? {
            let done = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
            if !done.is_ok_and(|status| status.success()) {
                return Ok(None);
            }
        }
        Ok(Some(Self { path, _dir: dir }))
    }

    /// Returns where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes all the room that is left but `spare` bytes.
    fn fill(&self, spare: u64) -> Result<()> {
        let mut file = File::create(self.path.join("ballast"))?;
        let mut bytes = 0;
        for size in [64 * 1024, 4096, 1] {
            let piece = vec![1; size];
            while file.write_all(&piece).is_ok() {
                bytes += size as u64;
            }
        }
        Ok(file.set_len(bytes.saturating_sub(spare))?)
    }

    fn free(&self) -> Result<()> {
        Ok(std::fs::remove_file(self.path.join("ballast"))?)
    }
}

impl Drop for OwnDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

fn held_back(rig: &mut Rig, from: usize) -> Result<()> {
    rig.wait("the agent says that its spool is full", |rig| {
        Ok(rig.agent.log().get(from..).is_some_and(|news| news.contains(HELD_BACK)))
    })
}

fn small_rig(scale: &Scale, disk: &OwnDisk) -> Result<Rig> {
    let setup = Setup {
        spool: "segment_bytes_max = 1048576\nfree_bytes_min = 0".to_owned(),
        state: Some(disk.path.join("agent")),
        ..Setup::default()
    };
    Rig::new(scale, Receiver::Sink(Sink::start()?), &setup)
}

/// The other end is away until the spool has filled its disk; killed there, and started there.
///
/// # Errors
/// If the run cannot be made; what it came to is in the outcome.
pub fn full_of_spool(scale: &Scale) -> Result<Option<Outcome>> {
    let Some(disk) = OwnDisk::small()? else { return Ok(None) };
    let mut rig = small_rig(scale, &disk)?;
    let rounds = scale.pick(10, 1);
    rig.start()?;
    let mut writer = Writer::open(&rig.log, 0)?;
    writer.write(1)?;
    rig.arrive(writer.written())?;
    for _ in 0..rounds {
        // Room for some segments: the one that is written to is not freed.
        disk.fill(scale.pick(4096, 2304) * 1024)?;
        let said = rig.agent.log().len();
        sink(&mut rig)?.down();
        // In large pieces: what is wanted is the full disk, not the way there.
        while !rig.agent.log().get(said..).is_some_and(|news| news.contains(HELD_BACK)) {
            writer.write(2_000)?;
            rig.pause(100);
        }
        for _ in 0..3 {
            rig.kill()?;
            writer.write(500)?;
            rig.start()?;
            rig.pause(300);
        }
        sink(&mut rig)?.up()?;
        rig.arrive(writer.written())?;
        disk.free()?;
    }
    let outcome = rig.finish("disk-full-spool", scale, writer.written(), &writer.destroyed)?;
    Ok(Some(outcome.with("rounds", f64::from(rounds))))
}

/// Another program fills the disk while batches flow: neither spool nor cursor nor anything else can
/// be written; killed there, and started there.
///
/// # Errors
/// As [`full_of_spool`].
pub fn full_of_others(scale: &Scale) -> Result<Option<Outcome>> {
    let Some(disk) = OwnDisk::small()? else { return Ok(None) };
    let mut rig = small_rig(scale, &disk)?;
    let rounds = scale.pick(30, 2);
    rig.start()?;
    let steady = Steady::start(Writer::open(&rig.log, 0)?, scale.pick(5_000, 1_000));
    for round in 0..rounds {
        // A spool that never had room for anything has nothing to go on from.
        rig.arrive(1)?;
        rig.pause(1_000);
        let said = rig.agent.log().len();
        disk.fill(0)?;
        held_back(&mut rig, said)?;
        if round % 3 != 2 {
            rig.kill()?;
            rig.start()?;
            rig.pause(500);
        }
        disk.free()?;
        rig.arrive(steady.written())?;
    }
    let writer = steady.stop()?;
    let outcome = rig.finish("disk-full-others", scale, writer.written(), &writer.destroyed)?;
    Ok(Some(outcome.with("rounds", f64::from(rounds))))
}

/// The machine dies in the middle of a write: the last sector of the spool is cut off, or is there
/// and holds something else. What was not synced was not sent, so the other end is away meanwhile.
///
/// # Errors
/// As [`full_of_spool`].
pub fn torn_sector(scale: &Scale) -> Result<Outcome> {
    let mut rig = Rig::new(scale, Receiver::Sink(Sink::start()?), &Setup::default())?;
    let rounds = scale.pick(100, 6);
    rig.start()?;
    let mut writer = Writer::open(&rig.log, 0)?;
    writer.write(1)?;
    rig.arrive(writer.written())?;
    for _ in 0..rounds {
        sink(&mut rig)?.down();
        let spool = rig.agent.spool();
        for _ in 0..rig.random.gen_range(1..4) {
            let before = newest(&spool)?;
            let count = rig.random.gen_range(50..800);
            writer.write(count)?;
            crate::wait_for("the spool grows by a sector and more", || {
                let now = newest(&spool)?;
                Ok((now.0 != before.0 || now.1 > before.1 + 2 * SECTOR_BYTES).then_some(()))
            })?;
        }
        rig.kill()?;
        tear(&mut rig, &spool)?;
        rig.start()?;
        sink(&mut rig)?.up()?;
        rig.arrive(writer.written())?;
    }
    let outcome = rig.finish("torn-sector", scale, writer.written(), &writer.destroyed)?;
    Ok(outcome.with("rounds", f64::from(rounds)))
}

/// Cuts the last sector of the spool off, or puts something else into it: all of it or its end.
fn tear(rig: &mut Rig, spool: &Path) -> Result<()> {
    let (path, bytes) = newest(spool)?;
    let file = File::options().write(true).open(path)?;
    let cut = rig.random.gen_range(1..=SECTOR_BYTES);
    if rig.random.gen_bool(0.5) {
        file.set_len(bytes - cut)?;
    } else {
        let garbage: Vec<u8> = (0..cut).map(|_| rig.random.r#gen()).collect();
        file.write_all_at(&garbage, bytes - cut)?;
    }
    Ok(())
}

/// The disk lies: it lost the last sector although it had said that it was written, and what was in
/// it has been sent. Nobody can know what it was: its lines are read again, under a new epoch.
///
/// # Errors
/// As [`full_of_spool`].
pub fn torn_after_sent(scale: &Scale) -> Result<Outcome> {
    let mut rig = Rig::new(scale, Receiver::Sink(Sink::start()?), &Setup::default())?;
    let rounds = scale.pick(30, 3);
    rig.start()?;
    let mut writer = Writer::open(&rig.log, 0)?;
    for _ in 0..rounds {
        let count = rig.random.gen_range(50..800);
        writer.write(count)?;
        rig.arrive(writer.written())?;
        // Long enough that the cursor is on the disk too, which did keep that.
        rig.pause(1_500);
        rig.kill()?;
        let spool = rig.agent.spool();
        tear(&mut rig, &spool)?;
        rig.start()?;
    }
    let outcome = rig.finish("torn-after-sent", scale, writer.written(), &writer.destroyed)?;
    Ok(outcome.with("rounds", f64::from(rounds)))
}

fn sink(rig: &mut Rig) -> Result<&mut Sink> {
    match &mut rig.receiver {
        Receiver::Sink(sink) => Ok(sink),
        other => anyhow::bail!("not a sink: {other:?}"),
    }
}

/// Returns the segment that is written to, and its size.
fn newest(spool: &Path) -> Result<(PathBuf, u64)> {
    let mut newest = None;
    for entry in std::fs::read_dir(spool)? {
        let path = entry?.path();
        let is_segment = path.extension().is_some_and(|end| end == "seg");
        if is_segment && newest.as_ref().is_none_or(|known| path > *known) {
            newest = Some(path);
        }
    }
    let path = newest.context("the spool has no segment")?;
    let bytes = std::fs::metadata(&path)?.len();
    Ok((path, bytes))
}
