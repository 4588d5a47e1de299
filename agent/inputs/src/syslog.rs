//! Syslog: logs that other devices send over the network — firewalls, switches, hypervisors.
//!
//! What arrives is known by listener, sender and a running number; there is nothing to resume from,
//! since nobody sends anything twice. So what the process holds when it is killed is lost with it:
//! some milliseconds of a UDP listener, and of TCP what was acknowledged by the kernel and not read.
//! While the spool is full nothing is read: TCP holds the sender back, UDP overflows in the kernel,
//! which counts it, and so do we.
//!
//! Bounds: [`config::LISTENERS_MAX`] listeners, `connections_max` connections each, [`MESSAGES_MAX`]
//! messages or [`CHUNK_BYTES_MAX`] bytes a chunk, messages of `LINE_BYTES_MAX` bytes.

mod config;
mod frame;
mod stream;
mod tls;
mod udp;

pub use config::{SyslogConfig, Transport};

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;

use crate::run::Wiring;
use crate::{Chunk, Count, Error, Item, Line, Lines, SourceMeta, clock};
use config::{LISTENERS_MAX, Plan};

/// Messages handed on together at most.
const MESSAGES_MAX: usize = 512;
/// Bytes of messages after which they are handed on.
const CHUNK_BYTES_MAX: usize = 256 * 1024;
/// How long to wait before a listener that could not be opened, or broke, is opened again.
const REOPEN_DELAY: Duration = Duration::from_secs(5);

/// Checks every listener of a configuration.
pub(crate) fn plans(configs: &[SyslogConfig]) -> Result<Vec<Plan>, Error> {
    let count = configs.len() as u64;
    if configs.len() > LISTENERS_MAX {
        let (name, max) = ("syslog (listeners)", LISTENERS_MAX as u64);
        return Err(Error::Bounds { name, value: count, min: 0, max });
    }
    configs.iter().map(Plan::new).collect()
}

/// Runs the listeners until it is time to end.
pub(crate) fn start(plans: Vec<Plan>, inputs: &mut JoinSet<()>, wiring: &Wiring) {
    for plan in plans {
        inputs.spawn(run(plan, wiring.clone()));
    }
}

/// Runs one listener; opens it again when it breaks.
async fn run(plan: Plan, wiring: Wiring) {
    let listener = Arc::new(Listener::new(plan, wiring));
    let subject = listener.plan.subject();
    loop {
        let result = match listener.plan.config.transport {
            Transport::Udp => udp::run(&listener).await,
            Transport::Tcp | Transport::Tls => stream::run(&listener).await,
        };
        let Err(text) = result else { return };
        listener.wiring.report.problem(&subject, text);
        tokio::select! {
            () = listener.wiring.stop.cancelled() => return,
            () = tokio::time::sleep(REOPEN_DELAY) => {}
        }
    }
}

/// A listener and what its tasks share.
struct Listener {
    plan: Plan,
    wiring: Wiring,
    /// Tells this run of the process from every other: numbers begin anew.
    session: i64,
    next: AtomicU64,
}

impl Listener {
    fn new(plan: Plan, wiring: Wiring) -> Self {
        Self { plan, wiring, session: clock::now().as_nanos(), next: AtomicU64::new(0) }
    }

    /// Tells that the listener works, and where.
    fn opened(&self, address: std::net::SocketAddr) {
        let subject = self.plan.subject();
        self.wiring.report.resolved(&subject);
        tracing::info!(%address, transport = self.plan.config.transport.as_str(), "listening for syslog");
    }

    /// Counts what a sender that is not allowed sent, and says so.
    fn refuse(&self, from: IpAddr) {
        self.wiring.report.count(Count::SyslogRefused, 1);
        let text = format!(
            "something from {} was refused: it is not in 'allow'; add it there if it should send",
            from.to_canonical()
        );
        self.wiring.report.problem(&format!("{} sender", self.plan.subject()), text);
    }

    fn meta(&self, from: IpAddr) -> Arc<SourceMeta> {
        let (config, from) = (&self.plan.config, from.to_canonical());
        let transport = config.transport.as_str();
        Arc::new(SourceMeta {
            key: format!("syslog:{transport}:{}:{from}:{:x}", config.listen, self.session),
            path: None,
            format: config.format,
            dataset: Some(config.dataset.clone()).filter(|name| !name.is_empty()),
            address: Some(from.to_string()),
        })
    }

    /// Adds a message, under the next number.
    fn add(&self, lines: &mut Lines, bytes: &[u8], truncated: bool) {
        let offset = self.next.fetch_add(1, Ordering::Relaxed);
        lines.push(Line { offset, bytes, truncated });
    }

    /// Hands messages on; false when it is time to end.
    async fn hand_on(&self, all: Vec<Lines>) -> bool {
        let report = &self.wiring.report;
        for lines in &all {
            let count = lines.lines.len() as u64;
            report.count(Count::Lines, count);
            report.count(Count::SyslogMessages, count);
            report.count(Count::LineBytes, lines.buffer.len() as u64);
            let cut = lines.lines.iter().filter(|span| span.is_truncated()).count();
            report.count(Count::TruncatedLines, cut as u64);
        }
        let items = all.into_iter().map(Item::Lines).collect();
        self.wiring.send(Chunk { items, ..Chunk::default() }).await
    }
}

#[cfg(test)]
mod tests;
