//! `status`: what a running agent does, or what a stopped one has left, and whether the sums close.

mod page;
mod text;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use agent_shipper::Wait;
use agent_spool::{Cursor, LANE_ALERTS, LANE_EVENTS, Reader};
use agent_wire::{Lane, Record};
use rules_service::exit::Exit;
use serde::Serialize;

use crate::config::Config;
use crate::error::{Result, file};
use crate::evidence::Before;
use crate::identity;
use crate::ledger::Ledger;
use crate::sealer::now;
use page::Page;

const ADDRESS_FILE: &str = "metrics.addr";

/// What `status` shows; also its JSON form.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Status {
    agent: Option<String>,
    running: bool,
    metrics: Option<String>,
    read: u64,
    spooled: u64,
    dropped: u64,
    pending: u64,
    /// `read - spooled - dropped - pending`; anything but 0 is a bug.
    unaccounted: i64,
    /// Whether every sum adds up: that of all, those by input, by reason and by lane.
    closes: bool,
    read_by_input: BTreeMap<String, u64>,
    dropped_by_reason: BTreeMap<String, u64>,
    shipped: u64,
    hits: u64,
    rules: u64,
    /// Records with the mark of a state secret, of which only a stub went out.
    quarantined: u64,
    /// Repeats of alerts that went out as events.
    suppressed: u64,
    /// By input that is over its limit: one in how many is kept, of what no rule hit.
    sampling: BTreeMap<String, u64>,
    correlation: Correlation,
    spool_bytes: u64,
    spool_bytes_max: u64,
    lanes: BTreeMap<&'static str, LaneStatus>,
    broker: Broker,
    limits: Limits,
    /// What the agent said of itself, by `event.action`.
    own_events: BTreeMap<String, u64>,
    /// Records in which a secret was hidden, by kind.
    redacted_by_kind: BTreeMap<String, u64>,
    /// How the run ended, of an agent that does not run.
    ended: Option<String>,
    problems: Vec<String>,
}

#[derive(Debug, Default, Serialize)]
struct LaneStatus {
    /// Events of this process: put into the spool, and acknowledged.
    spooled: u64,
    shipped: u64,
    sealed_seq: u64,
    acked_seq: u64,
    waiting_batches: u64,
    /// How long the oldest batch that waits has been sealed.
    oldest_waiting_seconds: Option<u64>,
    /// Why it sends nothing, if it has to wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits: Option<&'static str>,
}

/// Who receives.
#[derive(Debug, Default, Serialize)]
struct Broker {
    /// Empty: a collector on this machine reads the spool.
    bootstrap: String,
    /// `well`, `failing`, `unknown` (not running), or `none`.
    state: &'static str,
    problem: Option<String>,
}

/// What the correlations of this host do.
#[derive(Debug, Default, Serialize)]
struct Correlation {
    /// How many run.
    rules: u64,
    /// Events they counted.
    counted: u64,
    /// What they hold now: groups, and their bytes.
    groups: u64,
    bytes: u64,
    /// Alerts made.
    alerts: u64,
    /// Groups given up for want of memory.
    evicted: u64,
    /// Firings not told, since too many were told at the time.
    withheld: u64,
}

/// What the agent takes, and what it may take.
#[derive(Debug, Default, Serialize)]
struct Limits {
    memory_bytes: u64,
    memory_bytes_max: u64,
    open_files: u64,
    open_files_max: u64,
    cpu_seconds: f64,
    cpu_pct_max: u64,
    state_bytes: u64,
    disk_free_bytes: u64,
    disk_free_bytes_min: u64,
    /// By resource: `near` or `over` its bound.
    shedding: BTreeMap<String, &'static str>,
    /// Seconds inputs were held back, by reason.
    held_seconds: BTreeMap<String, f64>,
}

pub(crate) fn address_path(state_dir: &Path) -> PathBuf {
    state_dir.join(ADDRESS_FILE)
}

/// Leaves the address for `status`.
pub(crate) fn write_address(state_dir: &Path, address: SocketAddr) -> Result<()> {
    let path = address_path(state_dir);
    std::fs::write(&path, format!("{address}\n")).map_err(file("write", &path))
}

/// Looks at the agent of a configuration.
pub(crate) fn look(config: &Config) -> Result<Status> {
    let agent = identity::load(&config.state_dir)?.map(|key| key.agent_id().to_string());
    let address = std::fs::read_to_string(address_path(&config.state_dir))
        .ok()
        .and_then(|text| text.trim().parse().ok());
    // A file left by a killed agent leads nowhere, or to a stranger that does not answer like us.
    let mut status = match address.and_then(|address| running(address).ok()) {
        Some(status) => status,
        None => stopped(config)?,
    };
    status.agent = agent;
    status.spool_bytes_max = config.spool.bytes_max;
    status.limits.cpu_pct_max = config.limits.cpu_pct_max;
    status.limits.disk_free_bytes_min = config.spool.free_bytes_min;
    status.broker = broker(config, &status);
    for (lane, number) in lanes() {
        let Some(progress) = status.lanes.get_mut(lane.as_str()) else { continue };
        if progress.waiting_batches > 0 {
            progress.oldest_waiting_seconds = oldest(config, number, progress.acked_seq);
        }
    }
    Ok(status)
}

fn lanes() -> [(Lane, u8); 2] {
    [(Lane::Alerts, LANE_ALERTS), (Lane::Events, LANE_EVENTS)]
}

fn running(address: SocketAddr) -> io::Result<Status> {
    let page = Page::fetch(address)?;
    let mut status = Status {
        running: true,
        metrics: Some(address.to_string()),
        read: page.one("records_read_total"),
        spooled: page.one("events_spooled_total"),
        dropped: page.sum("events_dropped_total"),
        pending: page.one("events_pending"),
        read_by_input: page.by_label("input_records_total"),
        dropped_by_reason: page.by_label("events_dropped_total"),
        shipped: page.sum("events_shipped_total"),
        hits: page.one("hits_total"),
        rules: page.one("rules"),
        quarantined: page.one("quarantined_total"),
        suppressed: page.one("suppressed_total"),
        sampling: page.by_label("rate_limit_sampling"),
        correlation: correlation(&page),
        spool_bytes: page.one("spool_bytes"),
        limits: limits(&page),
        own_events: page.by_label("own_events_total"),
        redacted_by_kind: page.by_label("redactions_total"),
        ..Status::default()
    };
    status.sampling.retain(|_, rate| *rate > 1);
    status.unaccounted =
        status.read as i64 - status.spooled as i64 - status.dropped as i64 - status.pending as i64;
    status.problems = page.problems.clone();
    for (lane, _) in lanes() {
        let lane = lane.as_str();
        let one = |name: &str| page.one(&format!("{name}{{lane=\"{lane}\"}}"));
        let (sealed_seq, acked_seq) = (one("sealed_seq"), one("acked_seq"));
        let waits = Wait::ALL.into_iter().find(|wait| {
            let reason = wait.as_str();
            page.one(&format!("lane_waits{{lane=\"{lane}\",reason=\"{reason}\"}}")) > 0
        });
        let progress = LaneStatus {
            spooled: one("lane_events_spooled_total"),
            shipped: one("events_shipped_total"),
            sealed_seq,
            acked_seq,
            waiting_batches: sealed_seq.saturating_sub(acked_seq),
            oldest_waiting_seconds: None,
            waits: waits.map(Wait::text),
        };
        status.lanes.insert(lane, progress);
    }
    status.closes = status.unaccounted == 0
        && page.sum("input_records_total") == status.read
        && status.lanes.values().map(|lane| lane.spooled).sum::<u64>() == status.spooled;
    Ok(status)
}

fn correlation(page: &Page) -> Correlation {
    Correlation {
        rules: page.one("correlations"),
        counted: page.one("correlated_hits_total"),
        groups: page.one("correlation_groups"),
        bytes: page.one("correlation_bytes"),
        alerts: page.one("correlation_alerts_total"),
        evicted: page.one("correlation_evicted_total"),
        withheld: page.one("correlation_withheld_total"),
    }
}

fn limits(page: &Page) -> Limits {
    let shedding = page.by_label("shedding").into_iter().filter_map(|(resource, level)| {
        let level = match level {
            0 => return None,
            1 => "near",
            _ => "over",
        };
        Some((resource, level))
    });
    Limits {
        memory_bytes: page.one("memory_bytes"),
        memory_bytes_max: page.one("memory_bytes_max"),
        open_files: page.one("open_files"),
        open_files_max: page.one("open_files_max"),
        cpu_seconds: page.number("cpu_seconds_total"),
        state_bytes: page.one("state_bytes"),
        disk_free_bytes: page.one("disk_free_bytes"),
        shedding: shedding.collect(),
        held_seconds: page.numbers_by_label("held_seconds_total"),
        ..Limits::default()
    }
}

/// What a stopped agent has left in its spool.
fn stopped(config: &Config) -> Result<Status> {
    let dir = config.spool_dir();
    let ledger = Ledger::of_spool(&dir)?;
    // Nothing was counted, so nothing can be missing.
    let mut status = Status { closes: true, ..Status::default() };
    for (lane, number) in lanes() {
        let acked_seq = Cursor::load(&dir, number)?;
        let (waiting_batches, events) = ledger.waiting(number);
        status.pending += events;
        let sealed_seq = acked_seq + waiting_batches;
        let progress =
            LaneStatus { sealed_seq, acked_seq, waiting_batches, ..LaneStatus::default() };
        status.lanes.insert(lane.as_str(), progress);
    }
    status.ended = Before::read(&config.state_dir)?.how_it_ended();
    Ok(status)
}

fn broker(config: &Config, status: &Status) -> Broker {
    let problem = status.problems.iter().find(|problem| problem.starts_with("kafka")).cloned();
    let state = match (config.has_kafka(), status.running, &problem) {
        (false, ..) => "none",
        (true, false, _) => "unknown",
        (true, true, Some(_)) => "failing",
        (true, true, None) => "well",
    };
    Broker { bootstrap: config.kafka.bootstrap.clone(), state, problem }
}

/// Returns the age of the first batch beyond a number. While the agent runs it may be gone meanwhile.
fn oldest(config: &Config, lane: u8, acked_seq: u64) -> Option<u64> {
    let mut reader = Reader::open(&config.spool_dir(), lane, acked_seq).ok()?;
    let record = Record::decode(&reader.next().ok()??.bytes).ok()?;
    let age = now().as_nanos().saturating_sub(record.header.sealed.as_nanos());
    Some(u64::try_from(age).unwrap_or(0) / 1_000_000_000)
}

impl Status {
    /// Returns how a script learns the result.
    pub(crate) fn exit(&self) -> Exit {
        if !self.running {
            Exit::Unavailable
        } else if !self.closes || !self.problems.is_empty() {
            Exit::Problems
        } else {
            Exit::Done
        }
    }
}
