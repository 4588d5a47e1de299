//! What the agent costs a host on which nothing happens, with every input on; and what watching
//! 100,000 files costs.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use tests::agent::{Agent, AgentSetup};
use tests::wait_for;

use crate::{figure, usage};

/// How long the agent is left alone; `VONGLAU_BENCH_SECONDS` overrules.
const ALONE: u64 = 60;

/// Files watched by the second set, in folders of so many; `VONGLAU_BENCH_FILES` overrules.
const FILES: u64 = 100_000;
const FILES_A_FOLDER: u64 = 500;

/// The agent's counts.
const SAMPLES: &str = "vonglau_agent_events_spooled_total";

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// Returns an agent with further sections, and the host measured as by default.
fn agent(dir: &Path, extra: String) -> Result<Agent> {
    let setup = AgentSetup {
        paths: vec![dir.join("logs/*").display().to_string()],
        extra,
        correlation: true,
        ..AgentSetup::default()
    };
    let agent = Agent::new(&dir.join("agent"), &setup)?;
    let path = dir.join("agent/agent.toml");
    let text = std::fs::read_to_string(&path)?;
    // As shipped: measured every 30 s, sealed every half second, a heartbeat every 15 s.
    let text = text
        .replace("[input.host]\nenabled = false", "[input.host]\nenabled = true")
        .replace("seal_interval_ms = 100", "seal_interval_ms = 500")
        .replace("[heartbeat]\ninterval_s = 1", "[heartbeat]\ninterval_s = 15");
    std::fs::write(&path, text)?;
    Ok(agent)
}

/// Waits until something is spooled, and then nothing more for some seconds.
fn settle(agent: &Agent) -> Result<()> {
    let (mut before, mut since) = (-1.0, std::time::Instant::now());
    wait_for("the agent has come to rest", || {
        let now = agent.metric(SAMPLES)?;
        if (now - before).abs() > 20.0 {
            (before, since) = (now, std::time::Instant::now());
        }
        Ok((now > 0.0 && since.elapsed() > Duration::from_secs(8)).then_some(()))
    })
}

/// Measures a process left alone; returns its share of a processor, and its memory.
fn alone(agent: &Agent) -> Result<(f64, usage::Usage)> {
    let id = agent.process.as_ref().context("no agent")?.id();
    let span = number("VONGLAU_BENCH_SECONDS", ALONE);
    let before = usage::of(id)?;
    std::thread::sleep(Duration::from_secs(span));
    let after = usage::of(id)?;
    Ok(((after.cpu_seconds - before.cpu_seconds) / span as f64, after))
}

/// Every input on, as an operator would set it on a web server.
pub(crate) fn cost() -> Result<()> {
    let print = |what: &str, value: f64, unit: &str| {
        figure::print("idle-cost", what, value, unit, None);
    };
    for (what, sections) in [
        ("host metrics only", ""),
        (
            "every input on",
            "[input.integrity]\nenabled = true\n[input.process]\nenabled = true\n\
             [input.inventory]\nenabled = true\n[input.evtx]\npaths = [\"/srv/vonglau-evtx/*.evtx\"]\n",
        ),
    ] {
        let dir = tempfile::tempdir()?;
        std::fs::create_dir(dir.path().join("logs"))?;
        std::fs::write(dir.path().join("logs/quiet.log"), "")?;
        let mut agent = agent(dir.path(), sections.to_owned())?;
        agent.start()?;
        settle(&agent)?;
        let events = agent.metric(SAMPLES)?;
        let (share, used) = alone(&agent)?;
        print(&format!("{what}: processor"), share * 100.0, "% of one");
        print(&format!("{what}: memory"), used.now_mib, "MiB");
        print(&format!("{what}: peak memory"), used.peak_mib, "MiB");
        print(&format!("{what}: events meanwhile"), agent.metric(SAMPLES)? - events, "events");
    }
    Ok(())
}

/// 100,000 files of 1 KiB: the first look, then looks at a tree in which nothing changes.
pub(crate) fn integrity() -> Result<()> {
    let print = |what: &str, value: f64, unit: &str| {
        figure::print("integrity", what, value, unit, None);
    };
    let dir = tempfile::tempdir()?;
    std::fs::create_dir(dir.path().join("logs"))?;
    let top = dir.path().join("tree");
    let count = number("VONGLAU_BENCH_FILES", FILES);
    for file in 0..count {
        let folder = top.join((file / FILES_A_FOLDER).to_string());
        if file % FILES_A_FOLDER == 0 {
            std::fs::create_dir_all(&folder)?;
        }
        std::fs::write(folder.join(format!("{file}.html")), vec![b'a'; 1_024])?;
    }
    // A look every 10 s, so that some fall into the measured minute; the default is 300 s.
    let sections = format!(
        "[input.integrity]\nenabled = true\npaths = [{top:?}]\ninterval_s = 10\nhash_bytes_per_s = 1073741824\n"
    );
    let mut agent = agent(dir.path(), sections)?;
    let start = std::time::Instant::now();
    agent.start()?;
    let id = agent.process.as_ref().context("no agent")?.id();
    // The baseline is one event; three more are the host's.
    let state = dir.path().join("agent/state/inputs");
    wait_for("the tree is known", || {
        let known = std::fs::read_dir(&state).into_iter().flatten().filter_map(Result::ok);
        let bytes: u64 = known.filter_map(|entry| Some(entry.metadata().ok()?.len())).sum();
        // Every entry takes more than 100 bytes.
        Ok((bytes > count * 100).then_some(()))
    })?;
    settle(&agent)?;
    let used = usage::of(id)?;
    print("files", count as f64, "files");
    print("first look", start.elapsed().as_secs_f64(), "s");
    print("first look: CPU", used.cpu_seconds, "CPU-s");
    print("first look: peak memory", used.peak_mib, "MiB");
    let (share, used) = alone(&agent)?;
    print("a look every 10 s: processor", share * 100.0, "% of one");
    print("a look every 300 s: processor", share * 100.0 / 30.0, "% of one, by calculation");
    print("memory", used.now_mib, "MiB");
    let id = agent.metric(SAMPLES)?;
    std::fs::write(top.join("0/0.html"), "changed")?;
    let start = std::time::Instant::now();
    wait_for("the change is told", || Ok((agent.metric(SAMPLES)? > id).then_some(())))?;
    print("a change until it is spooled", start.elapsed().as_secs_f64(), "s");
    Ok(())
}
