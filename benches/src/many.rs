//! Many files: what 20,000 watched files cost while hardly any changes, and what a trickle costs.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rand::{Rng, SeedableRng};
use tests::agent::{Agent, AgentSetup};
use tests::wait_for;

use crate::{figure, usage};

const BENCH: &str = "many-files";

/// Files; `VONGLAU_BENCH_FILES` overrules.
const FILES: u64 = 20_000;

/// Seconds of each phase; `VONGLAU_BENCH_SECONDS` overrules.
const SECONDS: u64 = 60;

/// Lines a second of the trickle, each to a file drawn at random.
const TRICKLE: u64 = 20;

fn wanted(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// What a process used during a phase.
struct Phase {
    cpu_percent: f64,
    descriptors: usize,
    resident_mib: f64,
}

/// Watches a process for a while; `each` is called ten times a second.
fn watch(pid: u32, seconds: u64, mut each: impl FnMut() -> Result<()>) -> Result<Phase> {
    let (before, start) = (usage::of(pid)?, Instant::now());
    let (mut descriptors, mut resident_mib) = (0, 0.0_f64);
    let mut next = start;
    while start.elapsed() < Duration::from_secs(seconds) {
        each()?;
        descriptors = descriptors.max(fs::read_dir(format!("/proc/{pid}/fd"))?.count());
        resident_mib = resident_mib.max(resident(pid)?);
        next += Duration::from_millis(100);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    let used = usage::of(pid)?.cpu_seconds - before.cpu_seconds;
    let cpu_percent = used / start.elapsed().as_secs_f64() * 100.0;
    Ok(Phase { cpu_percent, descriptors, resident_mib })
}

fn resident(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: f64 = line.split_whitespace().next().context("no number")?.parse()?;
    Ok(kib / 1024.0)
}

fn print(phase: &str, seen: &Phase) {
    figure::print(BENCH, &format!("{phase}: CPU"), seen.cpu_percent, "% of one", None);
    let descriptors = seen.descriptors as f64;
    figure::print(BENCH, &format!("{phase}: descriptors"), descriptors, "", None);
    figure::print(BENCH, &format!("{phase}: resident memory"), seen.resident_mib, "MiB", None);
}

fn append(path: &Path, number: u64) -> Result<()> {
    let mut file = fs::OpenOptions::new().append(true).create(true).open(path)?;
    writeln!(file, "Nov 26 08:30:00 web1 app[77]: request {number} took {} ms", number % 97)?;
    Ok(())
}

/// Returns an agent without rules that is to read the files of a glob below a folder.
fn agent_on(dir: &Path, glob: &str) -> Result<Agent> {
    let setup = AgentSetup {
        paths: vec![dir.join(glob).display().to_string()],
        extra: "[rules]\nbuiltin = false".to_owned(),
        ..AgentSetup::default()
    };
    Agent::new(&dir.join("agent"), &setup)
}

/// Runs the set: files in folders of 1,000, as of sites of a web server.
pub(crate) fn run() -> Result<()> {
    let files = wanted("VONGLAU_BENCH_FILES", FILES);
    let seconds = wanted("VONGLAU_BENCH_SECONDS", SECONDS);
    let dir = tempfile::tempdir()?;
    let path = |file: u64| -> PathBuf {
        dir.path().join(format!("sites/{}/access-{file}.log", file / 1_000))
    };
    for file in 0..files {
        fs::create_dir_all(path(file).parent().context("no folder")?)?;
        append(&path(file), file)?;
    }
    let mut agent = agent_on(dir.path(), "sites/*/*.log")?;
    agent.start()?;
    let pid = agent.process.as_ref().context("no agent")?.id();
    let spooled = "vonglau_agent_events_spooled_total";
    let mut written = files;
    wait_for(
        "every file is read",
        || Ok((agent.metric(spooled)? >= written as f64).then_some(())),
    )?;
    figure::print(BENCH, "first sight: CPU", usage::of(pid)?.cpu_seconds, "CPU-s", None);

    // What happens in the first seconds after a start belongs to the start.
    watch(pid, 5, || Ok(()))?;
    print("at rest", &watch(pid, seconds, || Ok(()))?);

    let seed = rand::random::<u64>();
    eprintln!("seed {seed}");
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    let trickle = watch(pid, seconds, || {
        for _ in 0..TRICKLE / 10 {
            append(&path(random.gen_range(0..files)), written)?;
            written += 1;
        }
        Ok(())
    })?;
    let waited = Instant::now();
    wait_for("the trickle is read", || {
        Ok((agent.metric(spooled)? >= written as f64).then_some(()))
    })?;
    print("trickle", &trickle);
    let lag = waited.elapsed().as_secs_f64();
    figure::print(BENCH, "trickle: last line spooled after", lag, "s", None);

    agent.kill_and_restart()?;
    let pid = agent.process.as_ref().context("no agent")?.id();
    for file in 0..100 {
        append(&path(file * files / 100), written)?;
        written += 1;
    }
    wait_for("what came after the restart is read", || {
        Ok((agent.metric(spooled)? >= 100.0).then_some(()))
    })?;
    watch(pid, 5, || Ok(()))?;
    let read = agent.metric(spooled)?;
    ensure!(read <= 100.0, "{read} lines after the restart, 100 were written: some came twice");
    let used = usage::of(pid)?;
    figure::print(BENCH, "restart: CPU", used.cpu_seconds, "CPU-s", None);
    figure::print(BENCH, "restart: resident memory", used.now_mib, "MiB", None);
    figure::print(BENCH, "restart: peak memory", used.peak_mib, "MiB", None);
    drop(agent);
    rotate(files)
}

/// The same number of files in one folder, all renamed at once, with a new one in the place of each.
fn rotate(files: u64) -> Result<()> {
    let dir = tempfile::tempdir()?;
    fs::create_dir(dir.path().join("site"))?;
    let path = |file: u64| dir.path().join(format!("site/access-{file}.log"));
    for file in 0..files {
        append(&path(file), file)?;
    }
    let mut agent = agent_on(dir.path(), "site/*.log")?;
    agent.start()?;
    let pid = agent.process.as_ref().context("no agent")?.id();
    let spooled = "vonglau_agent_events_spooled_total";
    let until = |agent: &Agent, lines: u64| {
        wait_for(
            "every line is read",
            || Ok((agent.metric(spooled)? >= lines as f64).then_some(())),
        )
    };
    until(&agent, files)?;
    watch(pid, 5, || Ok(()))?;
    let (before, start) = (usage::of(pid)?, Instant::now());
    for file in 0..files {
        fs::rename(path(file), dir.path().join(format!("site/access-{file}.log.1")))?;
        append(&path(file), files + file)?;
    }
    until(&agent, 2 * files)?;
    let (used, seconds) = (usage::of(pid)?, start.elapsed().as_secs_f64());
    let print = |what: &str, value: f64, unit: &str| {
        figure::print(BENCH, &format!("one folder, all rotated: {what}"), value, unit, None);
    };
    print("until all is read", seconds, "s");
    print("CPU", used.cpu_seconds - before.cpu_seconds, "CPU-s");
    print("peak memory", used.peak_mib, "MiB");
    let read = agent.metric(spooled)?;
    ensure!(
        read <= (2 * files) as f64,
        "{read} lines, {} were written: some came twice",
        2 * files
    );
    Ok(())
}
