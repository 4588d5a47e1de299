//! Desk: what every step works with (stores, metrics, health, stop), and the steps that change
//! nothing in SQLite.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::time::Instant;

use agent_wire::PublicKey;
use collector_store::EventRow;
use rules_event::Timestamp;
use rules_service::backoff::Backoff;
use rules_service::logs::chain as causes;
use rules_service::meter::Health;
use sqlx::sqlite::SqlitePool;
use tokio_util::sync::CancellationToken;

use crate::agents::{self, Status};
use crate::chain::ChainId;
use crate::config::{RETRY_DELAY_MAX, RETRY_DELAY_MIN};
#[cfg(test)]
use crate::ingest::Step;
use crate::intent::{Intent, Kind};
use crate::judge::{Judged, Knowledge};
use crate::rows::Checked;
use crate::source::Delivery;
use crate::{BoxError, Error, EventStore, Metrics, Result, book};

/// What every step works with.
#[derive(Debug)]
pub(crate) struct Desk<E> {
    pub(crate) store: E,
    pub(crate) db: SqlitePool,
    pub(crate) metrics: Metrics,
    pub(crate) health: Health,
    pub(crate) stop: CancellationToken,
    /// Chains of which ClickHouse holds more than SQLite knows, and up to which batch.
    pub(crate) ahead: HashMap<ChainId, u64>,
    #[cfg(test)]
    pub(crate) fail: crate::tests::Fail,
}

macro_rules! step {
    ($self:ident, $step:ident) => {
        #[cfg(test)]
        $self.fail.at(Step::$step)?;
    };
}

impl<E: EventStore> Desk<E> {
    pub(crate) async fn intend(&self, intent: &Intent) -> Result<()> {
        self.retry("database", "write the intent", || async {
            Ok(book::set_intent(&self.db, intent).await?)
        })
        .await?;
        step!(self, Intended);
        Ok(())
    }

    pub(crate) async fn statuses(
        &self,
        intent: &Intent,
        deliveries: &[Delivery],
    ) -> Result<HashMap<PublicKey, Status>> {
        let mut statuses = HashMap::new();
        let keys: HashSet<PublicKey> = deliveries
            .iter()
            .filter_map(|d| d.record.as_ref().ok())
            .map(|r| r.header.key)
            .collect();
        let released = match &intent.kind {
            Kind::Release { key, .. } => Some(key),
            Kind::Live => None,
        };
        for key in keys {
            let hex = key.to_string();
            let status = if released == Some(&hex) {
                Some(Status::Trusted)
            } else {
                book::status(&self.db, &hex).await?
            };
            statuses.extend(status.map(|status| (key, status)));
        }
        Ok(statuses)
    }

    /// Reads the chains of a range, and the hashes of batches that came before.
    pub(crate) async fn knowledge(
        &self,
        intent: &Intent,
        deliveries: &[Delivery],
        checked: &[Checked],
        statuses: HashMap<PublicKey, Status>,
    ) -> Result<Knowledge> {
        let mut known = Knowledge {
            at: intent.at(),
            statuses,
            chains: HashMap::new(),
            previous_epochs: HashMap::new(),
            hashes: HashMap::new(),
        };
        let mut before: HashMap<ChainId, Vec<u64>> = HashMap::new();
        for (delivery, checked) in deliveries.iter().zip(checked) {
            let (Checked::Batch { .. }, Ok(record)) = (checked, &delivery.record) else { continue };
            let (id, seq) = (ChainId::of(&record.header), record.header.seq);
            if !known.chains.contains_key(&id) && !known.previous_epochs.contains_key(&id) {
                match book::chain(&self.db, &id).await? {
                    Some(chain) => drop(known.chains.insert(id, chain)),
                    None => {
                        let epoch = book::latest_epoch(&self.db, id.agent, id.lane).await?;
                        known.previous_epochs.insert(id, epoch);
                    }
                }
            }
            let is_known = known.chains.get(&id).is_some_and(|chain| chain.knows(seq));
            if is_known || self.ahead.get(&id).is_some_and(|head| seq <= *head) {
                before.entry(id).or_default().push(seq);
            }
        }
        for (id, seqs) in before {
            for (from, to) in runs(seqs) {
                let hashes = self
                    .retry("clickhouse", "look up batches", || {
                        self.store.batch_hashes(id.agent, id.lane, id.epoch, from, to)
                    })
                    .await?;
                known.hashes.extend(hashes.into_iter().map(|(seq, hash)| ((id, seq), hash)));
            }
        }
        Ok(known)
    }

    /// Finds out which chains ClickHouse holds more of than SQLite knows: those of a range that was
    /// under way, or many, if the database was put back from a backup. Their batches are shown to
    /// the observer and not stored again.
    pub(crate) async fn look_ahead(&mut self) -> Result<()> {
        let heads = self
            .retry("clickhouse", "read the heads of chains", || self.store.chain_heads())
            .await?;
        for (agent, lane, epoch, seq) in heads {
            let id = ChainId { agent, lane, epoch };
            let known = book::chain(&self.db, &id).await?.map_or(0, |chain| chain.seq);
            if seq > known {
                self.ahead.insert(id, seq);
            }
        }
        if !self.ahead.is_empty() {
            tracing::info!(
                chains = self.ahead.len(),
                "ClickHouse is ahead of the database; what it holds will not be stored twice"
            );
        }
        Ok(())
    }

    pub(crate) async fn insert(&self, token: &str, judged: &Judged) -> Result<()> {
        let rows: Vec<EventRow<'_>> = judged
            .range
            .events
            .iter()
            .filter(|(_, place)| !judged.is_stored(place))
            .map(|(event, place)| EventRow::new(event, place))
            .collect();
        let store = &self.store;
        self.timed("events", || store.insert_events(token, &rows)).await?;
        step!(self, EventsIn);
        self.timed("batches", || store.insert_batches(token, &judged.batches)).await?;
        step!(self, BatchesIn);
        self.timed("heartbeats", || store.insert_heartbeats(token, &judged.heartbeats)).await?;
        step!(self, HeartbeatsIn);
        self.timed("quarantine", || store.insert_quarantine(token, &judged.quarantine)).await?;
        step!(self, QuarantineIn);
        Ok(())
    }

    async fn timed<F>(&self, table: &'static str, insert: impl Fn() -> F) -> Result<()>
    where
        F: Future<Output = std::result::Result<(), BoxError>>,
    {
        let began = Instant::now();
        self.retry("clickhouse", table, insert).await?;
        self.metrics
            .insert_seconds
            .with_label_values(&[table])
            .observe(began.elapsed().as_secs_f64());
        Ok(())
    }

    pub(crate) fn count(&self, judged: &Judged, deliveries: &[Delivery]) {
        let metrics = &self.metrics;
        for (id, change) in &judged.changes {
            metrics.batches.with_label_values(&[id.lane.as_str()]).inc_by(change.accepted);
            metrics.gaps.inc_by(change.opened.len() as u64);
        }
        for (_, place) in &judged.range.events {
            metrics.events.with_label_values(&[place.lane.as_str()]).inc();
        }
        metrics.heartbeats.inc_by(judged.heartbeats.len() as u64);
        metrics.duplicates.inc_by(judged.duplicates);
        for row in &judged.quarantine {
            metrics.quarantined.with_label_values(&[&row.reason]).inc();
        }
        for (reason, count) in &judged.dropped {
            metrics.dropped.with_label_values(&[reason]).inc_by(*count);
        }
        for finding in &judged.range.findings {
            metrics.findings.with_label_values(&[finding.kind.as_str()]).inc();
            tracing::warn!(
                kind = %finding.kind,
                agent = finding.agent.map(|agent| agent.to_string()),
                lane = finding.lane.map(|lane| lane.as_str()),
                epoch = finding.epoch,
                detail = %finding.detail,
                "finding"
            );
        }
        if judged.unsaid > 0 {
            metrics.findings.with_label_values(&["unsaid"]).inc_by(judged.unsaid);
        }
        let now = agents::now();
        let mut newest: HashMap<&str, Timestamp> = HashMap::new();
        for delivery in deliveries {
            let time = newest.entry(&delivery.partition.topic).or_default();
            *time = (*time).max(delivery.received);
        }
        for (topic, time) in newest {
            let age = i64::try_from(now.since(time).as_secs()).unwrap_or(i64::MAX);
            metrics.lag_seconds.with_label_values(&[topic]).set(age);
        }
        tracing::debug!(
            events = judged.range.events.len(),
            batches = judged.batches.len(),
            duplicates = judged.duplicates,
            quarantined = judged.quarantine.len(),
            "range stored"
        );
    }

    /// Tries until it is done or we are told to stop; `subject` is what health speaks of.
    pub(crate) async fn retry<T, F>(
        &self,
        subject: &'static str,
        step: &'static str,
        work: impl Fn() -> F,
    ) -> Result<T>
    where
        F: Future<Output = std::result::Result<T, BoxError>>,
    {
        let mut backoff = Backoff::new(RETRY_DELAY_MIN, RETRY_DELAY_MAX);
        loop {
            match work().await {
                Ok(done) => {
                    if backoff.failures() > 0 {
                        tracing::info!(step, "done after {} failures", backoff.failures());
                        self.health.resolved(subject);
                    }
                    return Ok(done);
                }
                Err(error) => self.wait(subject, step, error.as_ref(), &mut backoff).await?,
            }
        }
    }

    pub(crate) async fn wait(
        &self,
        subject: &str,
        step: &str,
        error: &(dyn std::error::Error + Send + Sync + 'static),
        backoff: &mut Backoff,
    ) -> Result<()> {
        let delay = backoff.next_delay();
        let text = causes(error);
        // The first failure and then every tenth: an outage of a night is not a log of a gigabyte.
        if backoff.failures() % 10 == 1 {
            tracing::warn!(step, error = %text, failures = backoff.failures(), "will be tried again");
        }
        self.health.problem(subject, format!("{step}: {text}"));
        self.metrics.retries.with_label_values(&[step]).inc();
        tokio::select! {
            () = self.stop.cancelled() => Err(Error::Stopped),
            () = tokio::time::sleep(delay) => Ok(()),
        }
    }
}

/// Groups batch numbers into runs, so that a redelivered stretch is looked up at once.
fn runs(mut seqs: Vec<u64>) -> Vec<(u64, u64)> {
    /// Longest stretch looked up at once; one look-up returns at most 100,000 hashes.
    const RUN_MAX: u64 = 50_000;
    /// Numbers left out of a run that are cheaper to read along than to ask twice for.
    const SKIP_MAX: u64 = 64;
    seqs.sort_unstable();
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for seq in seqs {
        match runs.last_mut() {
            Some((from, to)) if seq - *to <= SKIP_MAX && seq - *from < RUN_MAX => *to = seq,
            _ => runs.push((seq, seq)),
        }
    }
    runs
}
