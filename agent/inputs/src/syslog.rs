//! Syslog: logs that other devices send over the network — firewalls, switches, hypervisors.
//!
//! What arrives is known by listener, sender and a running number; there is nothing to resume from,
//! since nobody sends anything twice. So what the process holds when it is killed is lost with it:
//! what came since the last seal, and of TCP what was acknowledged by the kernel and not read.
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
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

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
        listener.is_broken.store(true, Ordering::Relaxed);
        tokio::select! {
            () = listener.wiring.stop.cancelled() => return,
            () = tokio::time::sleep(REOPEN_DELAY) => {}
        }
    }
}

/// Refusals are told so often at most: whoever scans a network must not fill a log.
const REFUSAL_TOLD_INTERVAL: Duration = Duration::from_secs(60);
/// Without a refusal for so long, the problem is over.
const REFUSAL_OVER_AFTER: Duration = Duration::from_secs(600);
/// How often a listener looks after itself: what the kernel dropped, whether a problem is over.
const CARE_INTERVAL: Duration = Duration::from_secs(5);

/// When senders were refused.
#[derive(Debug, Clone, Copy)]
struct Refusals {
    told: Instant,
    last: Instant,
}

/// A listener and what its tasks share.
struct Listener {
    plan: Plan,
    wiring: Wiring,
    /// It could not be opened, or broke, and that is a problem.
    is_broken: AtomicBool,
    /// Set while a refusal is a problem.
    refusals: Mutex<Option<Refusals>>,
    /// Tells this run of the process from every other: numbers begin anew.
    session: i64,
    next: AtomicU64,
}

impl Listener {
    fn new(plan: Plan, wiring: Wiring) -> Self {
        let session = clock::now().as_nanos();
        Self {
            plan,
            wiring,
            is_broken: AtomicBool::new(false),
            refusals: Mutex::default(),
            session,
            next: AtomicU64::new(0),
        }
    }

    /// Tells that the listener works, and where.
    fn opened(&self, address: std::net::SocketAddr) {
        if self.is_broken.swap(false, Ordering::Relaxed) {
            self.wiring.report.resolved(&self.plan.subject());
        }
        tracing::info!(%address, transport = self.plan.config.transport.as_str(), "listening for syslog");
    }

    /// Counts what a sender that is not allowed sent, and says so.
    fn refuse_stranger(&self, from: IpAddr) {
        let from = from.to_canonical();
        self.refuse(|| {
            format!("{from} was refused: it is not in 'allow'; add it there if it should send")
        });
    }

    /// Counts what was refused, and says so now and then.
    fn refuse(&self, text: impl FnOnce() -> String) {
        self.wiring.report.count(Count::SyslogRefused, 1);
        let now = Instant::now();
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *refusals {
            Some(known) if now - known.told < REFUSAL_TOLD_INTERVAL => known.last = now,
            _ => {
                *refusals = Some(Refusals { told: now, last: now });
                self.wiring.report.problem(&self.senders(), text());
            }
        }
    }

    /// Ends the problem of refusals when there were none for long.
    fn care(&self) {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        if refusals.take_if(|known| known.last.elapsed() > REFUSAL_OVER_AFTER).is_some() {
            self.wiring.report.resolved(&self.senders());
        }
    }

    /// What its senders are called in problems.
    fn senders(&self) -> String {
        format!("{} senders", self.plan.subject())
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
            system: Some(config.system.clone()).filter(|id| !id.is_empty()),
            policy: config.policy.number,
            ..SourceMeta::default()
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
