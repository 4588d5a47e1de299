//! The memory of a rule set, as the kernel counts it: each engine in a fresh process of its own.

use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::corpus;
use crate::engine::Engine;
use crate::ours::Ours;
use crate::rsigma::Rsigma;

/// What an engine and its rules take, in MB (10^6 bytes), beyond what the process had with the rule
/// texts read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Footprint {
    /// Resident once loaded, having matched every event once.
    pub kept_mb: f64,
    /// The most that was resident up to then.
    pub peak_mb: f64,
}

/// Measures an engine (`ours`, `rsigma`) with a set of rules (`linux`, `all`) in a child process.
pub(crate) fn of(engine: &str, set: &str) -> Result<Footprint> {
    let output = Command::new(std::env::current_exe()?)
        .args(["--footprint", engine, set])
        .stderr(std::process::Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "measuring the memory of {engine} failed");
    let text = String::from_utf8(output.stdout)?;
    let mut numbers = text.split_whitespace().map(str::parse);
    let mut number = || numbers.next().context("a child said too little");
    Ok(Footprint { kept_mb: number()??, peak_mb: number()?? })
}

/// The child: prints what [`of`] reads.
pub(crate) fn child(mut words: impl Iterator<Item = String>) -> Result<()> {
    let mut word = || words.next().context("--footprint ENGINE SET");
    let (engine, set) = (word()?, word()?);
    match engine.as_str() {
        "ours" => load::<Ours>(&set),
        "rsigma" => load::<Rsigma>(&set),
        other => bail!("no engine is called '{other}'"),
    }
}

fn load<E: Engine>(set: &str) -> Result<()> {
    let mut texts = corpus::rules()?;
    if set == "linux" {
        texts = corpus::linux(&texts);
    }
    let lines = corpus::events("linmix.tsv")?;
    let before = resident("VmRSS")?;
    let mut engine = E::load(&texts)?;
    let mut hits = 0;
    for line in &lines {
        let event = engine.decode(line)?;
        hits += engine.hits(&event);
    }
    ensure!(hits > 0, "nothing was hit");
    println!("{} {}", resident("VmRSS")? - before, resident("VmHWM")? - before);
    Ok(())
}

/// Returns a figure of `/proc/self/status`, in MB.
fn resident(name: &str) -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kib: f64 = line
        .and_then(|line| line.split_whitespace().next())
        .with_context(|| format!("no {name}"))?
        .parse()?;
    Ok(kib * 1024.0 / 1e6)
}
