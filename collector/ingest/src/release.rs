//! Release: putting decisions about keys in force, and storing what waited for them.

use agent_wire::PublicKey;
use collector_store::{QuarantineCursor, QuarantineRow};
use rules_event::Timestamp;

use crate::agents::{self, Status};
use crate::config::{RANGE_BYTES_MAX, RANGE_EVENTS_MAX};
use crate::desk::Desk;
use crate::ingest::Ingest;
#[cfg(test)]
use crate::ingest::Step;
use crate::intent::Intent;
use crate::judge::HELD_REASONS;
use crate::source::{Delivery, Partition};
use crate::{Error, EventStore, Observer, Result, Source, book};

/// Quarantined batches taken at once.
const ROWS_MAX: u32 = 200;

impl<S: Source, E: EventStore, O: Observer> Ingest<S, E, O> {
    /// Puts every decision in force. Trust takes effect once what waited for it is stored, so that
    /// old batches come before new ones.
    pub(crate) async fn apply_decisions(&mut self) -> Result<()> {
        for agent in agents::undecided(&self.desk.db).await? {
            if agent.wanted == Status::Trusted {
                self.release(&agent.key).await?;
            }
            book::set_status(&self.desk.db, &agent.key.to_string(), agent.wanted).await?;
            tracing::info!(agent = %agent.id, by = %agent.decided_by, "key is now {}", agent.wanted);
        }
        Ok(())
    }

    async fn release(&mut self, key: &PublicKey) -> Result<()> {
        let mut released = 0;
        loop {
            let after = book::release_cursor(&self.desk.db, &key.to_string()).await?;
            let mut rows = self.desk.held(key, after.as_ref()).await?;
            bound(&mut rows);
            let Some(last) = rows.last() else { break };
            let upto = last.cursor();
            let deliveries: Vec<Delivery> = rows.into_iter().map(to_delivery).collect();
            released += deliveries.len();
            let intent = Intent::release(key, after, upto, &deliveries, agents::now());
            self.desk.intend(&intent).await?;
            self.carry_out(&intent, deliveries, Vec::new()).await?;
            #[cfg(test)]
            self.desk.fail.at(Step::Released)?;
        }
        if released > 0 {
            tracing::info!(agent = %key.agent_id(), batches = released, "quarantine released");
        }
        Ok(())
    }
}

impl<E: EventStore> Desk<E> {
    /// Notes that the configuration trusts a key, unless somebody decided otherwise since.
    pub(crate) async fn auto_trust(&self, key: &PublicKey) -> Result<()> {
        let known = agents::find(&self.db, key.agent_id()).await?;
        if known.is_none_or(|agent| agent.wanted == Status::Unknown) {
            agents::trust(&self.db, key, "", "configuration").await?;
        }
        Ok(())
    }

    async fn held(
        &self,
        key: &PublicKey,
        after: Option<&QuarantineCursor>,
    ) -> Result<Vec<QuarantineRow>> {
        self.retry("clickhouse", "read the quarantine", || {
            self.store.quarantined(key, &HELD_REASONS, after, ROWS_MAX)
        })
        .await
    }

    /// Returns the quarantined records of an interrupted release.
    pub(crate) async fn held_between(
        &self,
        key: &str,
        after: Option<&QuarantineCursor>,
        upto: &QuarantineCursor,
    ) -> Result<Vec<Delivery>> {
        let key: PublicKey = key
            .parse()
            .map_err(|_| Error::BadState { what: "the key of a release", value: key.to_owned() })?;
        let rows = self.held(&key, after).await?;
        Ok(rows.into_iter().filter(|row| row.cursor() <= *upto).map(to_delivery).collect())
    }
}

/// Keeps as many rows as a range may hold; at least one.
fn bound(rows: &mut Vec<QuarantineRow>) {
    let (mut events, mut bytes) = (0usize, 0u64);
    let kept = rows
        .iter()
        .take_while(|row| {
            let is_full = events >= RANGE_EVENTS_MAX || bytes >= RANGE_BYTES_MAX;
            if let Ok(record) = row.record() {
                events = events.saturating_add(record.header.count as usize);
                bytes += u64::from(record.header.raw_bytes) + record.value.len() as u64;
            }
            !is_full
        })
        .count();
    rows.truncate(kept);
}

/// Returns a quarantined record as it once came.
fn to_delivery(row: QuarantineRow) -> Delivery {
    let partition = Partition {
        topic: row.topic.clone(),
        topic_id: "quarantine".to_owned(),
        number: row.kafka_partition,
    };
    Delivery {
        partition,
        offset: row.kafka_offset,
        received: Timestamp::from_nanos(row.received_at),
        record: row.record().map_err(|error| crate::Undecodable {
            reason: error.to_string(),
            headers: Vec::new(),
            value: row.value().to_vec(),
        }),
    }
}
