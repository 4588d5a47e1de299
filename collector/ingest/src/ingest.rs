//! Ingest: the loop that carries one range after another through every step.

use std::collections::HashMap;

use collector_store::database;
use rules_service::backoff::Backoff;
use rules_service::meter::Health;
use sqlx::sqlite::SqlitePool;
use tokio::time::timeout_at;
use tokio_util::sync::CancellationToken;

use crate::config::{
    IDLE_TICK, IngestConfig, RANGE_WAIT, RETRY_DELAY_MAX, RETRY_DELAY_MIN, UNKNOWN_KEYS_MAX,
};
use crate::desk::Desk;
use crate::error::database as failed;
use crate::gather::{Gathered, sorted};
use crate::intent::{Intent, Kind};
use crate::judge::{Judged, judge};
use crate::rows::check_all;
use crate::source::{Delivery, Lost, Position, Source};
use crate::{Error, EventStore, Metrics, Observer, Result, agents, book};

/// Ingestion of one source into the stores.
#[derive(Debug)]
pub struct Ingest<S, E, O> {
    source: S,
    observer: O,
    config: IngestConfig,
    pub(crate) desk: Desk<E>,
}

/// Where a test may kill ingestion: after the step of this name.
#[cfg(test)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Gathered,
    Intended,
    EventsIn,
    BatchesIn,
    HeartbeatsIn,
    QuarantineIn,
    Observed,
    Committed,
    Told,
    Released,
}

macro_rules! step {
    ($self:ident, $step:ident) => {
        #[cfg(test)]
        $self.desk.fail.at(Step::$step)?;
    };
}

impl<S: Source, E: EventStore, O: Observer> Ingest<S, E, O> {
    /// Returns ingestion that is ready to run. [`crate::migrate`] and `Store::migrate` come first.
    #[must_use]
    pub fn new(
        source: S,
        store: E,
        db: SqlitePool,
        observer: O,
        config: IngestConfig,
        metrics: Metrics,
        health: Health,
    ) -> Self {
        Self {
            source,
            observer,
            config,
            desk: Desk {
                store,
                db,
                metrics,
                health,
                stop: CancellationToken::new(),
                ahead: HashMap::new(),
                #[cfg(test)]
                fail: crate::tests::Fail::default(),
            },
        }
    }

    /// Ingests until the token is cancelled. Stores that are away are waited for without end, and
    /// health says so meanwhile.
    ///
    /// # Errors
    /// What waiting does not cure: a source that is configured wrongly, or a database that holds
    /// what this build does not understand.
    pub async fn run(mut self, stop: CancellationToken) -> Result<()> {
        self.desk.stop = stop.clone();
        tokio::select! {
            () = stop.cancelled() => Ok(()),
            done = self.work() => match done {
                Err(Error::Stopped) => Ok(()),
                other => other,
            },
        }
    }

    async fn work(&mut self) -> Result<()> {
        for key in self.config.auto_trust.clone() {
            self.desk.auto_trust(&key).await?;
        }
        self.desk.look_ahead().await?;
        self.recover().await?;
        self.apply_decisions().await?;
        let positions = book::positions(&self.desk.db).await?;
        self.source.start(&positions).await?;
        loop {
            self.apply_decisions().await?;
            let gathered = self.gather().await?;
            if gathered.is_empty() {
                continue;
            }
            step!(self, Gathered);
            let (deliveries, spans, lost) = gathered.finish();
            let intent = Intent::live(spans, lost, &deliveries, agents::now());
            self.desk.intend(&intent).await?;
            self.carry_out(&intent, deliveries, Vec::new()).await?;
        }
    }

    /// Does again what was intended when the process ended.
    async fn recover(&mut self) -> Result<()> {
        let Some(intent) = book::intent(&self.desk.db).await? else { return Ok(()) };
        tracing::info!(token = %intent.token, "finishing the range that was under way");
        let (deliveries, lost) = match &intent.kind {
            Kind::Live => {
                let replayed = self.source.replay(&intent.spans).await?;
                (sorted(replayed.deliveries), replayed.lost)
            }
            Kind::Release { key, after, upto } => {
                (self.desk.held_between(key, after.as_ref(), upto).await?, Vec::new())
            }
        };
        self.carry_out(&intent, deliveries, lost).await
    }

    /// Waits for records, then takes what comes until the range is full or its time is up.
    async fn gather(&mut self) -> Result<Gathered> {
        let mut gathered = Gathered::default();
        let mut deadline = tokio::time::Instant::now() + IDLE_TICK;
        while !gathered.is_full() {
            let Ok(arrival) = timeout_at(deadline, self.source.next()).await else { break };
            if gathered.is_empty() {
                deadline = tokio::time::Instant::now() + RANGE_WAIT;
            }
            gathered.push(arrival?);
        }
        Ok(gathered)
    }

    /// Carries a range through every step behind its intent.
    pub(crate) async fn carry_out(
        &mut self,
        intent: &Intent,
        deliveries: Vec<Delivery>,
        lost: Vec<Lost>,
    ) -> Result<()> {
        let statuses = self.desk.statuses(intent, &deliveries).await?;
        let (deliveries, statuses, checked) = tokio::task::spawn_blocking(move || {
            let checked = check_all(&deliveries, &statuses);
            (deliveries, statuses, checked)
        })
        .await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        let known = self.desk.knowledge(intent, &deliveries, &checked, statuses).await?;
        let lost: Vec<Lost> = intent.lost.iter().cloned().chain(lost).collect();
        let judged = judge(&deliveries, checked, &lost, known);
        self.desk.insert(&intent.token, &judged).await?;
        let positions = self.commit(intent, &judged).await?;
        step!(self, Committed);
        self.desk.count(&judged, &deliveries);
        if intent.kind == Kind::Live {
            self.source.committed(&positions).await;
        }
        step!(self, Told);
        Ok(())
    }

    /// Commits everything that SQLite holds of a range, in one transaction.
    async fn commit(&mut self, intent: &Intent, judged: &Judged) -> Result<Vec<Position>> {
        let mut backoff = Backoff::new(RETRY_DELAY_MIN, RETRY_DELAY_MAX);
        loop {
            let error = match self.try_commit(intent, judged).await {
                Ok(positions) => {
                    self.desk.health.resolved("commit");
                    return Ok(positions);
                }
                #[cfg(test)]
                Err(error @ Error::Killed(_)) => return Err(error),
                Err(error) => error,
            };
            self.desk.wait("commit", "commit the range", &error, &mut backoff).await?;
        }
    }

    async fn try_commit(&mut self, intent: &Intent, judged: &Judged) -> Result<Vec<Position>> {
        let refused = failed("commit a range");
        let now = agents::now();
        self.observer.prepare(&judged.range).await.map_err(Error::Observer)?;
        let mut tx = database::begin(&self.desk.db).await.map_err(&refused)?;
        self.observer.observe(&mut tx, &judged.range).await.map_err(Error::Observer)?;
        step!(self, Observed);
        for (id, change) in &judged.changes {
            if change.accepted == 0 {
                continue;
            }
            book::set_chain(&mut tx, id, &change.chain, now).await.map_err(&refused)?;
            if !change.opened.is_empty() || !change.filled.is_empty() {
                book::set_gaps(&mut tx, id, &change.chain, &change.opened, &change.filled, now)
                    .await
                    .map_err(&refused)?;
            }
        }
        for (key, sighting) in &judged.sightings {
            book::sight(&mut tx, key, sighting, UNKNOWN_KEYS_MAX).await.map_err(&refused)?;
        }
        let mut positions = Vec::new();
        match &intent.kind {
            Kind::Live => {
                for span in &intent.spans {
                    let partition = span.partition.clone();
                    let position = Position { partition, next_offset: span.next };
                    book::set_position(&mut tx, &position, now).await.map_err(&refused)?;
                    positions.push(position);
                }
            }
            Kind::Release { key, upto, .. } => {
                book::set_release_cursor(&mut tx, key, upto).await.map_err(&refused)?;
            }
        }
        book::clear_intent(&mut tx).await.map_err(&refused)?;
        tx.commit().await.map_err(&refused)?;
        Ok(positions)
    }
}
