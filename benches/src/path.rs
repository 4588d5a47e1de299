//! The whole path: lines a second, CPU-seconds a million lines, memory.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tests::agent::{Agent, AgentSetup};
use tests::collector::{Collector, CollectorSetup};
use tests::wait_for;

use crate::{corpus, figure, rules, usage};

/// The agent's counts of events that are durable here, and of those that are there.
const SPOOLED: &str = "vonglau_agent_events_spooled_total";
const SHIPPED: &str = "vonglau_agent_events_shipped_total";

/// How long an agent is left alone before its idle memory is read.
const IDLE: Duration = Duration::from_secs(5);

/// Lines for the agent alone; `VONGLAU_BENCH_LINES` overrules.
const LINES: u64 = 1_000_000;

/// Returns how many lines are to be read.
pub(crate) fn lines() -> u64 {
    std::env::var("VONGLAU_BENCH_LINES").ok().and_then(|text| text.parse().ok()).unwrap_or(LINES)
}

/// What a program took for all lines.
pub(crate) struct Took {
    pub(crate) seconds: f64,
    pub(crate) used: usage::Usage,
}

/// Returns an agent that is to read the logs in a folder. One that ships everything leaves correlation to
/// the collector, unless it is told otherwise (`correlation.enabled`).
fn agent_in(dir: &Path, kafka: &str, correlation: bool) -> Result<Agent> {
    let setup = AgentSetup {
        paths: vec![dir.join("logs/*").display().to_string()],
        kafka: kafka.to_owned(),
        spool: "bytes_max = 4294967296".into(),
        extra: format!("[rules]\ndirs = {}", serde_json::to_string(&rules::dirs())?),
        correlation,
        ..AgentSetup::default()
    };
    Agent::new(&dir.join("agent"), &setup)
}

/// Lets the agent read the logs in a folder until it has counted every line.
fn agent_until(
    dir: &Path,
    kafka: &str,
    correlation: bool,
    counted: &str,
    count: u64,
) -> Result<Took> {
    let mut agent = agent_in(dir, kafka, correlation)?;
    let start = Instant::now();
    agent.start()?;
    wait_for("the agent has handled every line", || {
        Ok((agent.metric(counted)? >= count as f64).then_some(()))
    })?;
    let seconds = start.elapsed().as_secs_f64();
    Ok(Took { seconds, used: usage::of(agent.process.as_ref().context("no agent")?.id())? })
}

/// Lets the agent ship the logs in a folder until every event is acknowledged.
pub(crate) fn agent_over(dir: &Path, kafka: &str, count: u64) -> Result<Took> {
    agent_until(dir, kafka, false, SHIPPED, count)
}

fn agent(bench: &str, kafka: &str, counted: &str) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let count = lines();
    let bytes = corpus::write(&dir.path().join("logs"), count)?;
    let took = agent_until(dir.path(), kafka, false, counted, count)?;
    print_path(bench, count, bytes, took.seconds, &[("agent", took.used)]);
    if kafka.is_empty() {
        std::fs::remove_dir_all(dir.path().join("agent"))?;
        let took = agent_until(dir.path(), kafka, true, counted, count)?;
        let per_million = took.used.cpu_seconds / (count as f64 / 1e6);
        let what = "agent CPU a million lines, correlating";
        figure::print(bench, what, per_million, "CPU-s", None);
        figure::print(bench, "agent peak memory, correlating", took.used.peak_mib, "MiB", None);
    }
    Ok(())
}

/// Memory with nothing to read, and while a broker is away and the spool fills.
pub(crate) fn memory() -> Result<()> {
    let print = |what: &str, mib: f64| figure::print("agent-memory", what, mib, "MiB", None);
    let dir = tempfile::tempdir()?;
    std::fs::create_dir(dir.path().join("logs"))?;
    std::fs::write(dir.path().join("logs/mixed.log"), "")?;
    let mut agent = agent_in(dir.path(), "", true)?;
    agent.start()?;
    let id = agent.process.as_ref().context("no agent")?.id();
    // What it does when idle (scans, heartbeats) comes at least once a second here.
    std::thread::sleep(IDLE);
    let used = usage::of(id)?;
    print("idle, rules loaded", used.now_mib);
    print("idle, rules loaded, peak since the start", used.peak_mib);
    drop(agent);
    let dir = tempfile::tempdir()?;
    let count = lines();
    corpus::write(&dir.path().join("logs"), count)?;
    // Nothing listens there.
    let took = agent_until(dir.path(), "127.0.0.1:1", true, SPOOLED, count)?;
    print("broker away, spool filling, peak", took.used.peak_mib);
    print("broker away, spool filled", took.used.now_mib);
    Ok(())
}

fn print_path(bench: &str, count: u64, bytes: u64, seconds: f64, used: &[(&str, usage::Usage)]) {
    figure::print(bench, "lines a second", count as f64 / seconds, "lines/s", None);
    figure::print(bench, "input", bytes as f64 / seconds / 1e6, "MB/s", None);
    for (who, used) in used {
        let per_million = used.cpu_seconds / (count as f64 / 1e6);
        figure::print(bench, &format!("{who} CPU a million lines"), per_million, "CPU-s", None);
        figure::print(bench, &format!("{who} peak memory"), used.peak_mib, "MiB", None);
    }
}

/// File to spool, without a broker.
pub(crate) fn agent_to_spool() -> Result<()> {
    agent("agent-spool", "", SPOOLED)
}

/// File to Kafka, counted by delivery reports.
pub(crate) fn agent_to_kafka() -> Result<()> {
    let kafka = std::env::var("KAFKA_BOOTSTRAP").context("KAFKA_BOOTSTRAP is not set")?;
    agent("agent-kafka", &kafka, SHIPPED)
}

/// File to rows: agent, spool, collector and embedded engine together.
pub(crate) fn standalone() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let count = lines() / 4;
    let bytes = corpus::write(&dir.path().join("logs"), count)?;
    let setup = CollectorSetup {
        watch: vec![dir.path().join("logs/*").display().to_string()],
        ..CollectorSetup::default()
    };
    let mut collector = Collector::new(&dir.path().join("collector"), &setup)?;
    let start = Instant::now();
    collector.start()?;
    wait_for("every line is stored", || {
        let said = collector.vonglau(&["ledger"])?;
        let lines = said["lines"].as_array().context("no lines")?;
        let stored: u64 = lines.iter().filter_map(|line| line["events_stored"].as_u64()).sum();
        Ok((stored >= count).then_some(()))
    })?;
    let seconds = start.elapsed().as_secs_f64();
    let process = collector.process.as_ref().context("no collector")?;
    let of_child = |name: &str| -> Result<usage::Usage> {
        usage::of(process.child(name)?.with_context(|| format!("{name} is not running"))?)
    };
    let used = [
        ("collector", usage::of(process.id())?),
        ("agent", of_child("vonglau-agent")?),
        ("engine", of_child("vonglau-engine")?),
    ];
    print_path("standalone", count, bytes, seconds, &used);
    Ok(())
}
