//! The memory of a rule set, as the kernel counts it: each engine in a fresh process of its own.

use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::corpus::{self, RuleText};
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
    let texts = || -> Result<Vec<RuleText>> {
        let all = corpus::rules()?;
        Ok(if set == "linux" { corpus::linux(&all) } else { all })
    };
    match engine.as_str() {
        "ours" => {
            let texts = texts()?;
            print(|| Ours::load(&texts))
        }
        "rsigma" => {
            let texts = texts()?;
            print(|| Rsigma::load(&texts))
        }
        // Made by another process, so that compiling leaves no trace in this one.
        "image" => {
            let file = std::env::temp_dir().join(format!("vonglau-rivals-{}", std::process::id()));
            let status = Command::new(std::env::current_exe()?)
                .args(["--footprint", "write-image", &set])
                .arg(&file)
                .status()?;
            ensure!(status.success(), "compiling the rules failed");
            let printed = print(|| Ours::from_image(std::fs::read(&file)?));
            std::fs::remove_file(&file)?;
            printed
        }
        "write-image" => Ok(std::fs::write(word()?, Ours::load(&texts()?)?.image())?),
        other => bail!("no engine is called '{other}'"),
    }
}

fn print<E: Engine>(load: impl FnOnce() -> Result<E>) -> Result<()> {
    let lines = corpus::events("linmix.tsv")?;
    // Let the peak begin here; where the kernel refuses, it is that of the whole process.
    let _refused = std::fs::write("/proc/self/clear_refs", "5");
    let before = resident("VmRSS")?;
    let mut engine = load()?;
    let mut hits = 0;
    for line in &lines {
        let source = engine.source(&line.source);
        hits += engine.hits_in_text(&source, &line.json)?;
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
