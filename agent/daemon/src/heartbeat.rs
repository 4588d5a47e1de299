//! Heartbeats: what the agent says of itself, signed, to Kafka or into a file.

use std::io;
use std::path::Path;

use agent_spool::HEARTBEAT_FILE;
use agent_wire::{Heartbeat, Identity, Lane, LaneProgress, Record};
use rules_event::Timestamp;
use rules_service::meter::Health;

use crate::error::Result;
use crate::metrics::Metrics;
use crate::sealer::now;

/// Makes heartbeats, numbered from 1.
pub(crate) struct Pulse {
    pub(crate) identity: Identity,
    pub(crate) host: String,
    pub(crate) organization: String,
    pub(crate) epoch: u64,
    pub(crate) started: Timestamp,
    pub(crate) ruleset: String,
    pub(crate) metrics: Metrics,
    pub(crate) health: Health,
    pub(crate) count: u64,
}

impl Pulse {
    /// Makes the next heartbeat from what the metrics say now.
    pub(crate) fn beat(&mut self) -> Result<Record> {
        self.count += 1;
        let sent = now();
        let count = |value: i64| u64::try_from(value).unwrap_or(0);
        let metrics = &self.metrics;
        let lanes = Lane::SPOOLED.map(|lane| {
            let label = [lane.as_str()];
            let progress = LaneProgress {
                epoch: self.epoch,
                sealed_seq: count(metrics.sealed_seq.with_label_values(&label).get()),
                acked_seq: count(metrics.acked_seq.with_label_values(&label).get()),
            };
            (lane.to_string(), progress)
        });
        let mut totals = metrics.sums.totals();
        totals.dropped.retain(|_, count| *count > 0);
        let heartbeat = Heartbeat {
            host: self.host.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            organization: self.organization.clone(),
            started: self.started.to_string(),
            sent: sent.to_string(),
            ruleset: self.ruleset.clone(),
            rules: count(metrics.rules.get()),
            // What is still in memory is counted as read once it is settled: the sum closes.
            read: totals.read.saturating_sub(totals.pending),
            spooled: totals.spooled,
            shipped: Lane::SPOOLED
                .iter()
                .map(|lane| metrics.shipped.with_label_values(&[lane.as_str()]).get())
                .sum(),
            dropped: totals.dropped,
            spool_bytes: count(metrics.spool_bytes.get()),
            lanes: lanes.into_iter().collect(),
            problems: self.health.problems(),
        };
        Ok(heartbeat.seal(&self.identity, self.epoch, self.count, sent)?)
    }
}

/// Puts a heartbeat where the collector of the same machine looks for it, whole or not at all. It is
/// not synced: after a power cut there soon is a newer one.
pub(crate) fn write_file(spool_dir: &Path, record: &Record) -> io::Result<()> {
    let path = spool_dir.join(HEARTBEAT_FILE);
    let temporary = path.with_extension("rec.tmp");
    std::fs::write(&temporary, record.encode())?;
    std::fs::rename(&temporary, &path)
}
