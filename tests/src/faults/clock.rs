//! Clocks: the wall clock of the agent's host jumps forth and back under load, over kills and stops.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use rand::Rng;

use super::outcome::{Outcome, Scale};
use super::rig::{Receiver, Rig, Setup};
use super::sink::Sink;
use super::writer::{Steady, Writer};

/// A jump goes this far at most, seconds: a year, as a board whose battery is empty does.
const JUMP_MAX: i64 = 365 * 86_400;

/// Compiles what bends an agent's clock; `None`, and a word about it, without a compiler.
fn bent_clock(dir: &Path) -> Result<Option<PathBuf>> {
    let library = dir.join("clock.so");
    let done = Command::new("cc")
        .args(["-shared", "-fPIC", "-O2", "-o"])
        .arg(&library)
        .arg(crate::root().join("tests/lib/clock.c"))
        .status();
    if !done.is_ok_and(|status| status.success()) {
        crate::skipped("a clock cannot be bent here (needs a C compiler, cc)");
        return Ok(None);
    }
    Ok(Some(library))
}

/// Sets how far the agent's clock is ahead. In place: the agent sees the file, not its name.
fn set(file: &Path, seconds: i64) -> Result<()> {
    use std::os::unix::fs::FileExt;
    let file = std::fs::File::options().create(true).truncate(false).write(true).open(file)?;
    Ok(file.write_all_at(&seconds.to_le_bytes(), 0)?)
}

/// Jumps of up to a year, each way; killed and stopped between them.
///
/// # Errors
/// If the run cannot be made; what it came to is in the outcome.
pub fn jumps(scale: &Scale) -> Result<Option<Outcome>> {
    let dir = tempfile::tempdir()?;
    let Some(library) = bent_clock(dir.path())? else { return Ok(None) };
    let clock = dir.path().join("ahead");
    set(&clock, 0)?;
    let mut rig = Rig::new(scale, Receiver::Sink(Sink::start()?), &Setup::default())?;
    rig.agent.environment = vec![
        ("LD_PRELOAD".to_owned(), library.display().to_string()),
        ("VONGLAU_TEST_CLOCK".to_owned(), clock.display().to_string()),
    ];
    rig.start()?;
    let steady = Steady::start(Writer::open(&rig.log, 0)?, scale.pick(5_000, 1_000));
    let jumps = scale.pick(60, 6);
    for number in 0..jumps {
        rig.pause(500);
        // Every third a small one, as a time server makes.
        let far = if number % 3 == 0 { 2 } else { JUMP_MAX };
        let ahead = rig.random.gen_range(-far..=far);
        set(&clock, ahead)?;
        rig.pause(500);
        match number % 4 {
            1 => {
                rig.kill()?;
                rig.start()?;
            }
            3 => {
                rig.stop()?;
                rig.start()?;
            }
            _ => {}
        }
        rig.arrive(steady.written())?;
    }
    let writer = steady.stop()?;
    let said = rig.agent.log();
    let days: std::collections::BTreeSet<&str> = said
        .lines()
        .filter_map(|line| line.get(..10))
        .filter(|word| word.starts_with("20"))
        .collect();
    anyhow::ensure!(days.len() > 1, "the agent's clock never jumped: its log knows only {days:?}");
    let outcome = rig
        .finish("clock-jumps", scale, writer.written(), &writer.destroyed)
        .context("the run ends")?;
    Ok(Some(outcome.with("jumps", f64::from(jumps))))
}
