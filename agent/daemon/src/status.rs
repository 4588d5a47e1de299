//! `status`: the sums of a running agent, or what a stopped one has left, and whether they close.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use agent_shipper::Wait;
use agent_spool::{Cursor, LANE_ALERTS, LANE_EVENTS};
use agent_wire::Lane;
use rules_service::exit::Exit;
use serde::Serialize;

use crate::config::Config;
use crate::error::{Result, file};
use crate::identity;
use crate::ledger::Ledger;

const ADDRESS_FILE: &str = "metrics.addr";
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(3);
/// A metrics page of ours has some ten KiB.
const ANSWER_BYTES_MAX: u64 = 1024 * 1024;

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
    shipped: u64,
    hits: u64,
    rules: u64,
    spool_bytes: u64,
    lanes: BTreeMap<&'static str, LaneStatus>,
    problems: Vec<String>,
}

#[derive(Debug, Default, Serialize)]
struct LaneStatus {
    sealed_seq: u64,
    acked_seq: u64,
    waiting_batches: u64,
    /// Why it sends nothing, if it has to wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits: Option<&'static str>,
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
    if let Some(mut status) = address.and_then(|address| running(address).ok()) {
        status.agent = agent;
        return Ok(status);
    }
    stopped(config, agent)
}

fn running(address: SocketAddr) -> io::Result<Status> {
    let samples = parse(&get(address, "/metrics")?.1);
    if !samples.contains_key("vonglau_agent_records_read_total") {
        return Err(io::Error::other("not an agent of ours"));
    }
    let (health_code, health) = get(address, "/healthz")?;
    let one = |name: &str| samples.get(&format!("vonglau_agent_{name}")).copied().unwrap_or(0);
    let sum = |name: &str| {
        let prefix = format!("vonglau_agent_{name}{{");
        samples.iter().filter(|(key, _)| key.starts_with(&prefix)).map(|(_, value)| value).sum()
    };
    let mut status = Status {
        running: true,
        metrics: Some(address.to_string()),
        read: one("records_read_total"),
        spooled: one("events_spooled_total"),
        dropped: sum("events_dropped_total"),
        pending: one("events_pending"),
        shipped: sum("events_shipped_total"),
        hits: one("hits_total"),
        rules: one("rules"),
        spool_bytes: one("spool_bytes"),
        ..Status::default()
    };
    status.unaccounted =
        status.read as i64 - status.spooled as i64 - status.dropped as i64 - status.pending as i64;
    if health_code != 200 {
        status.problems = health.lines().map(str::to_owned).collect();
    }
    for lane in Lane::SPOOLED.map(Lane::as_str) {
        let sealed_seq = one(&format!("sealed_seq{{lane=\"{lane}\"}}"));
        let acked_seq = one(&format!("acked_seq{{lane=\"{lane}\"}}"));
        let waiting_batches = sealed_seq.saturating_sub(acked_seq);
        let waits = Wait::ALL
            .into_iter()
            .find(|wait| {
                let reason = wait.as_str();
                one(&format!("lane_waits{{lane=\"{lane}\",reason=\"{reason}\"}}")) > 0
            })
            .map(Wait::text);
        status.lanes.insert(lane, LaneStatus { sealed_seq, acked_seq, waiting_batches, waits });
    }
    Ok(status)
}

/// What a stopped agent has left in its spool.
fn stopped(config: &Config, agent: Option<String>) -> Result<Status> {
    let dir = config.spool_dir();
    let ledger = Ledger::of_spool(&dir)?;
    let mut status = Status { agent, ..Status::default() };
    for (lane, number) in [(Lane::Alerts, LANE_ALERTS), (Lane::Events, LANE_EVENTS)] {
        let acked_seq = Cursor::load(&dir, number)?;
        let (waiting_batches, events) = ledger.waiting(number);
        status.pending += events;
        let sealed_seq = acked_seq + waiting_batches;
        let lane_status = LaneStatus { sealed_seq, acked_seq, waiting_batches, waits: None };
        status.lanes.insert(lane.as_str(), lane_status);
    }
    Ok(status)
}

impl Status {
    /// Returns how a script learns the result.
    pub(crate) fn exit(&self) -> Exit {
        if !self.running {
            Exit::Unavailable
        } else if self.unaccounted != 0 || !self.problems.is_empty() {
            Exit::Problems
        } else {
            Exit::Done
        }
    }

    /// Returns the status for people.
    pub(crate) fn to_text(&self) -> String {
        let mut text = String::new();
        let agent = self.agent.as_deref().unwrap_or("(no key yet)");
        // Writing into a String cannot fail.
        let _ = match &self.metrics {
            Some(address) => writeln!(text, "agent    {agent}, running, metrics at {address}"),
            None => writeln!(text, "agent    {agent}, not running"),
        };
        if self.running {
            let _ = writeln!(
                text,
                "events   read {} = spooled {} + dropped {} + in memory {}{}",
                self.read,
                self.spooled,
                self.dropped,
                self.pending,
                match self.unaccounted {
                    0 => ": closes".to_owned(),
                    missing => format!(": DOES NOT CLOSE, {missing} unaccounted for"),
                }
            );
            let _ = writeln!(
                text,
                "shipped  {} events acknowledged; {} rule hits by {} rules",
                self.shipped, self.hits, self.rules
            );
            let _ = writeln!(text, "spool    {} bytes", self.spool_bytes);
        } else {
            let _ = writeln!(text, "spool    {} events wait to be sent", self.pending);
        }
        for (lane, progress) in &self.lanes {
            let _ = writeln!(
                text,
                "lane     {lane}: sealed {}, acknowledged {}, {} batches wait{}",
                progress.sealed_seq,
                progress.acked_seq,
                progress.waiting_batches,
                progress.waits.map(|why| format!(": {why}")).unwrap_or_default()
            );
        }
        for problem in &self.problems {
            let _ = writeln!(text, "problem  {problem}");
        }
        text
    }
}

/// Fetches a page of our own meter: one request, one connection.
fn get(address: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_WAIT_MAX)?;
    stream.set_read_timeout(Some(ANSWER_WAIT_MAX))?;
    stream.set_write_timeout(Some(ANSWER_WAIT_MAX))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer)?;
    let code = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
    match (code, answer.split_once("\r\n\r\n")) {
        (Some(code), Some((_, body))) => Ok((code, body.to_owned())),
        _ => Err(io::Error::other("not an HTTP answer")),
    }
}

/// Reads whole numbers of the Prometheus text format, by name and labels as printed.
fn parse(page: &str) -> BTreeMap<String, u64> {
    page.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        })
        .collect()
}
