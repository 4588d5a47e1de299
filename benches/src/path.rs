//! The whole path: lines a second, CPU-seconds a million lines, memory.

use std::time::Instant;

use anyhow::{Context, Result};
use tests::agent::{Agent, AgentSetup};
use tests::collector::{Collector, CollectorSetup};
use tests::wait_for;

use crate::{corpus, figure, rules, usage};

/// Lines for the agent alone; `VONGLAU_BENCH_LINES` overrules.
const LINES: u64 = 1_000_000;

fn lines() -> u64 {
    std::env::var("VONGLAU_BENCH_LINES").ok().and_then(|text| text.parse().ok()).unwrap_or(LINES)
}

fn agent(bench: &str, kafka: &str, counted: &str) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let count = lines();
    let bytes = corpus::write(&dir.path().join("logs"), count)?;
    let setup = AgentSetup {
        paths: vec![dir.path().join("logs/*").display().to_string()],
        kafka: kafka.to_owned(),
        spool: "bytes_max = 4294967296".into(),
        extra: format!("[rules]\ndirs = {}", serde_json::to_string(&rules::dirs())?),
    };
    let mut agent = Agent::new(&dir.path().join("agent"), &setup)?;
    let start = Instant::now();
    agent.start()?;
    wait_for("the agent has handled every line", || {
        Ok((agent.metric(counted)? >= count as f64).then_some(()))
    })?;
    let seconds = start.elapsed().as_secs_f64();
    let used = usage::of(agent.process.as_ref().context("no agent")?.id())?;
    print_path(bench, count, bytes, seconds, &[("agent", used)]);
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
    agent("agent-spool", "", "vonglau_agent_events_spooled_total")
}

/// File to Kafka, counted by delivery reports.
pub(crate) fn agent_to_kafka() -> Result<()> {
    let kafka = std::env::var("KAFKA_BOOTSTRAP").context("KAFKA_BOOTSTRAP is not set")?;
    agent("agent-kafka", &kafka, "vonglau_agent_events_shipped_total")
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
