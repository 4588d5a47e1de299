//! Starting the agent, and what it keeps: a start that compiles the rules, starts that take them over,
//! and the memory of an agent that was left alone, by kind and by what it is of.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tests::agent::{Agent, AgentSetup};

use crate::{figure, rules, usage};

/// Starts with rules that are kept; the median is printed.
const STARTS: usize = 11;

/// How long the agent is left alone before its memory is read; `VONGLAU_BENCH_SECONDS` overrules.
const ALONE: u64 = 60;

/// Returns an agent with the pack and SigmaHQ's rules for Linux, and one quiet log.
fn agent(dir: &Path) -> Result<Agent> {
    fs::create_dir(dir.join("logs"))?;
    fs::write(dir.join("logs/quiet.log"), "")?;
    let setup = AgentSetup {
        paths: vec![dir.join("logs/*").display().to_string()],
        extra: format!("[rules]\ndirs = {}", serde_json::to_string(&rules::dirs())?),
        correlation: true,
        ..AgentSetup::default()
    };
    Agent::new(&dir.join("agent"), &setup)
}

/// One start: until the agent says that it reads.
struct Start {
    seconds: f64,
    /// Of the agent and of the process that compiled for it.
    cpu_seconds: f64,
}

fn start(agent: &mut Agent) -> Result<Start> {
    let begin = Instant::now();
    agent.start()?;
    let seconds = begin.elapsed().as_secs_f64();
    let id = agent.process.as_ref().context("no agent")?.id();
    Ok(Start { seconds, cpu_seconds: usage::with_children(id)? })
}

/// Runs the set `agent-start`.
pub(crate) fn starts() -> Result<()> {
    let print = |what: &str, value: f64, unit: &str| {
        figure::print("agent-start", what, value, unit, None);
    };
    let dir = tempfile::tempdir()?;
    let mut agent = agent(dir.path())?;
    let first = start(&mut agent)?;
    print("rules compiled: until it reads", first.seconds * 1e3, "ms");
    print("rules compiled: CPU", first.cpu_seconds * 1e3, "CPU-ms");
    let mut kept = Vec::new();
    for _ in 0..STARTS {
        agent.process = None;
        kept.push(start(&mut agent)?);
    }
    let median = |of: fn(&Start) -> f64| {
        let mut values: Vec<f64> = kept.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[STARTS / 2]
    };
    print("rules kept: until it reads, median", median(|it| it.seconds) * 1e3, "ms");
    print("rules kept: CPU, median", median(|it| it.cpu_seconds) * 1e3, "CPU-ms");
    let bytes = fs::metadata(dir.path().join("agent/state/rules.compiled"))?.len();
    print("compiled rules on disk", bytes as f64 / 1024.0, "KiB");
    let program = fs::metadata(tests::program("vonglau-agent")?)?.len();
    print("program, with what debuggers read", program as f64 / 1048576.0, "MiB");
    Ok(())
}

/// Runs the set `agent-idle`.
pub(crate) fn idle() -> Result<()> {
    let seconds = std::env::var("VONGLAU_BENCH_SECONDS").ok().and_then(|text| text.parse().ok());
    for what in ["rules compiled", "rules kept"] {
        let print = |of: &str, mib: f64| {
            figure::print("agent-idle", &format!("{what}: {of}"), mib, "MiB", None);
        };
        let dir = tempfile::tempdir()?;
        let mut agent = agent(dir.path())?;
        agent.start()?;
        if what == "rules kept" {
            agent.process = None;
            agent.start()?;
        }
        let id = agent.process.as_ref().context("no agent")?.id();
        std::thread::sleep(Duration::from_secs(seconds.unwrap_or(ALONE)));
        let used = usage::of(id)?;
        print("resident", used.now_mib);
        print("peak", used.peak_mib);
        for (of, kib) in by_origin(id, &tests::program("vonglau-agent")?)? {
            print(of, kib / 1024.0);
        }
    }
    Ok(())
}

/// Returns the resident KiB of a process by what they are of (`proc_pid_smaps(5)`).
fn by_origin(id: u32, program: &Path) -> Result<BTreeMap<&'static str, f64>> {
    let program = program.canonicalize()?;
    let maps = fs::read_to_string(format!("/proc/{id}/smaps"))?;
    let mut origin = "its own";
    let mut sums = BTreeMap::new();
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (Some(first), Some(second)) = (words.next(), words.next()) else { continue };
        if !first.ends_with(':') {
            let path = PathBuf::from(words.nth(3).unwrap_or_default());
            origin = match () {
                () if path == program => "of the program",
                () if path.is_absolute() => "of libraries",
                () => "its own",
            };
            continue;
        }
        let kib: f64 = if first == "Rss:" || first == "Anonymous:" { second.parse()? } else { 0.0 };
        match first {
            "Rss:" => *sums.entry(origin).or_default() += kib,
            // What was written to in a mapped file, such as addresses put in at the start.
            "Anonymous:" if origin != "its own" => {
                *sums.entry(origin).or_default() -= kib;
                *sums.entry("its own, in mapped files").or_default() += kib;
            }
            _ => {}
        }
    }
    Ok(sums)
}
