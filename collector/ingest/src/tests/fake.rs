//! Fakes: a log that can be read again, a store that deduplicates by token and fails on command,
//! and an observer that counts in SQLite.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use agent_wire::{
    AgentId, BatchBuilder, ChainHead, Hash, Heartbeat, Identity, Lane, PublicKey, Record,
};
use collector_store::{
    BatchRow, EventRow, HeartbeatRow, QuarantineCursor, QuarantineRow, database,
};
use prometheus::Registry;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rules_event::{Event, Timestamp};
use rules_service::meter::Health;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqlitePool;
use tokio_util::sync::CancellationToken;

use super::Fail;
use crate::source::{Arrival, Delivery, Partition, Position, Replayed, Source, Span};
use crate::{
    BoxError, EventStore, FindingKind, Ingest, IngestConfig, Metrics, Observer, Range, Result,
    Undecodable, agents,
};

/// What arrived, in order of arrival; survives every crash.
#[derive(Clone, Default)]
pub(crate) struct Log(pub(crate) Arc<Mutex<Vec<Delivery>>>);

impl Log {
    pub(crate) fn push(&self, topic: &str, record: std::result::Result<Record, Undecodable>) {
        let mut log = self.0.lock().unwrap();
        let offset = log.iter().filter(|delivery| delivery.partition.topic == topic).count();
        log.push(Delivery {
            partition: partition(topic),
            offset: offset as i64,
            received: agents::now(),
            record,
        });
    }

    pub(crate) fn batch(&self, record: &Record) {
        self.push(record.header.lane.topic(), Ok(record.clone()));
    }

    fn ends(&self) -> BTreeMap<Partition, i64> {
        let mut ends = BTreeMap::new();
        for delivery in self.0.lock().unwrap().iter() {
            ends.insert(delivery.partition.clone(), delivery.offset + 1);
        }
        ends
    }
}

fn partition(topic: &str) -> Partition {
    Partition { topic: topic.to_owned(), topic_id: format!("cluster/{topic}"), number: 0 }
}

/// Reads a log; says stop once all of it is committed.
pub(crate) struct FakeSource {
    pub(crate) log: Log,
    pub(crate) stop: CancellationToken,
    next: usize,
    done: BTreeMap<Partition, i64>,
}

impl FakeSource {
    pub(crate) fn new(log: Log, stop: CancellationToken) -> Self {
        Self { log, stop, next: 0, done: BTreeMap::new() }
    }

    fn note(&mut self, positions: &[Position]) {
        for position in positions {
            self.done.insert(position.partition.clone(), position.next_offset);
        }
        if self.log.ends().iter().all(|(partition, end)| self.done.get(partition) == Some(end)) {
            self.stop.cancel();
        }
    }
}

impl Source for FakeSource {
    async fn replay(&mut self, spans: &[Span]) -> Result<Replayed> {
        let mut deliveries: Vec<Delivery> = self.log.0.lock().unwrap().clone();
        deliveries.retain(|delivery| {
            spans.iter().any(|span| {
                span.partition == delivery.partition
                    && (span.from..span.next).contains(&delivery.offset)
            })
        });
        Ok(Replayed { deliveries, lost: Vec::new() })
    }

    async fn start(&mut self, positions: &[Position]) -> Result<()> {
        self.note(positions);
        Ok(())
    }

    async fn next(&mut self) -> Result<Arrival> {
        loop {
            let delivery = self.log.0.lock().unwrap().get(self.next).cloned();
            let Some(delivery) = delivery else { return std::future::pending().await };
            self.next += 1;
            if delivery.offset >= self.done.get(&delivery.partition).copied().unwrap_or(0) {
                return Ok(Arrival::Delivery(delivery));
            }
        }
    }

    async fn committed(&mut self, positions: &[Position]) {
        self.note(positions);
    }
}

#[derive(Default)]
pub(crate) struct Tables {
    /// Content by table and token.
    tokens: HashMap<(&'static str, String), String>,
    /// How often each event is there, by lane, batch and place in it.
    pub(crate) events: BTreeMap<(String, String, u64, u64, u32), u32>,
    pub(crate) batches: Vec<BatchRow>,
    pub(crate) heartbeats: Vec<HeartbeatRow>,
    pub(crate) quarantine: Vec<QuarantineRow>,
    /// Chance of failing before, and of failing after the deed.
    pub(crate) trouble: Option<(StdRng, f64)>,
}

/// A store that deduplicates by token, as ClickHouse does, and may fail before or after the deed.
#[derive(Clone, Default)]
pub(crate) struct FakeStore(Arc<Mutex<Tables>>);

impl FakeStore {
    pub(crate) fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap()
    }

    pub(crate) fn with_trouble(self, seed: u64, chance: f64) -> Self {
        self.tables().trouble = Some((StdRng::seed_from_u64(seed), chance));
        self
    }

    fn insert(
        &self,
        table: &'static str,
        token: &str,
        content: String,
        apply: impl FnOnce(&mut Tables),
    ) -> std::result::Result<(), BoxError> {
        if content == "[]" {
            return Ok(());
        }
        let mut tables = self.tables();
        let mut dice = || match &mut tables.trouble {
            Some((rng, chance)) => rng.gen_bool(*chance),
            None => false,
        };
        let (before, after) = (dice(), dice());
        if before {
            return Err("the server is away".into());
        }
        let key = (table, token.to_owned());
        match tables.tokens.get(&key) {
            Some(known) => assert_eq!(*known, content, "one token, two contents: {token}"),
            None => {
                apply(&mut tables);
                tables.tokens.insert(key, content);
            }
        }
        if after { Err("the answer was lost".into()) } else { Ok(()) }
    }
}

impl EventStore for FakeStore {
    async fn insert_events(
        &self,
        token: &str,
        rows: &[EventRow<'_>],
    ) -> std::result::Result<(), BoxError> {
        self.insert("events", token, format!("{rows:?}"), |tables| {
            for row in rows {
                let (agent, lane) = (row.agent_id.to_string(), row.lane.to_string());
                *tables.events.entry((agent, lane, row.epoch, row.seq, row.idx)).or_default() += 1;
            }
        })
    }

    async fn insert_batches(
        &self,
        token: &str,
        rows: &[BatchRow],
    ) -> std::result::Result<(), BoxError> {
        self.insert("batches", token, format!("{rows:?}"), |t| t.batches.extend(rows.to_vec()))
    }

    async fn insert_heartbeats(
        &self,
        token: &str,
        rows: &[HeartbeatRow],
    ) -> std::result::Result<(), BoxError> {
        self.insert("beats", token, format!("{rows:?}"), |t| t.heartbeats.extend(rows.to_vec()))
    }

    async fn insert_quarantine(
        &self,
        token: &str,
        rows: &[QuarantineRow],
    ) -> std::result::Result<(), BoxError> {
        self.insert("held", token, format!("{rows:?}"), |t| t.quarantine.extend(rows.to_vec()))
    }

    async fn batch_hashes(
        &self,
        agent: AgentId,
        lane: Lane,
        epoch: u64,
        from: u64,
        to: u64,
    ) -> std::result::Result<Vec<(u64, Hash)>, BoxError> {
        let tables = self.tables();
        let rows = tables.batches.iter().filter(|row| {
            row.agent_id == agent.to_string()
                && row.lane == lane.as_str()
                && row.epoch == epoch
                && (from..=to).contains(&row.seq)
        });
        Ok(rows
            .map(|row| {
                let mut hash = Hash::default();
                hex::decode_to_slice(&row.hash, &mut hash).unwrap();
                (row.seq, hash)
            })
            .collect())
    }

    async fn chain_heads(&self) -> std::result::Result<Vec<(AgentId, Lane, u64, u64)>, BoxError> {
        let heads = self.tables().batches.iter().fold(BTreeMap::new(), |mut heads, row| {
            let id = (row.agent_id.clone(), row.lane.clone(), row.epoch);
            let head = heads.entry(id).or_insert(0);
            *head = row.seq.max(*head);
            heads
        });
        Ok(heads
            .into_iter()
            .map(|((agent, lane, epoch), seq)| {
                (agent.parse().unwrap(), lane.parse().unwrap(), epoch, seq)
            })
            .collect())
    }

    async fn quarantined(
        &self,
        key: &PublicKey,
        reasons: &[&str],
        after: Option<&QuarantineCursor>,
        limit: u32,
    ) -> std::result::Result<Vec<QuarantineRow>, BoxError> {
        let mut rows = self.tables().quarantine.clone();
        rows.retain(|row| {
            row.key == key.to_string()
                && reasons.contains(&row.reason.as_str())
                && after.is_none_or(|after| row.cursor() > *after)
        });
        rows.sort_by_key(QuarantineRow::cursor);
        rows.dedup_by_key(|row| row.cursor());
        // Small pages, so that a release takes several ranges.
        rows.truncate(limit.min(3) as usize);
        Ok(rows)
    }
}

/// Counts what it sees in SQLite, so that a transaction that fails is not counted.
pub(crate) struct Counter;

impl Observer for Counter {
    async fn observe(
        &mut self,
        tx: &mut SqliteConnection,
        range: &Range,
    ) -> std::result::Result<(), BoxError> {
        for (event, _) in &range.events {
            sqlx::query("INSERT INTO seen_event VALUES (?)")
                .bind(&event.id)
                .execute(&mut *tx)
                .await?;
        }
        for finding in &range.findings {
            sqlx::query("INSERT INTO seen_finding VALUES (?, ?)")
                .bind(finding.kind.as_str())
                .bind(&finding.detail)
                .execute(&mut *tx)
                .await?;
        }
        for seen in &range.heartbeats {
            sqlx::query("INSERT INTO seen_beat VALUES (?)")
                .bind(seen.heartbeat.read as i64)
                .execute(&mut *tx)
                .await?;
        }
        Ok(())
    }
}

/// What survives a crash, and what runs on it.
pub(crate) struct World {
    pub(crate) log: Log,
    pub(crate) store: FakeStore,
    pub(crate) db: SqlitePool,
    pub(crate) trusted: Vec<PublicKey>,
    dir: tempfile::TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let db = database::open(&dir.path().join("v.db")).await.unwrap();
        crate::migrate(&db).await.unwrap();
        for sql in [
            "CREATE TABLE seen_event (id TEXT)",
            "CREATE TABLE seen_finding (kind TEXT, detail TEXT)",
            "CREATE TABLE seen_beat (n BIGINT)",
        ] {
            sqlx::query(sql).execute(&db).await.unwrap();
        }
        Self { log: Log::default(), store: FakeStore::default(), db, trusted: Vec::new(), dir }
    }

    /// Copies the database as it is now.
    pub(crate) async fn backup(&self) -> std::path::PathBuf {
        let path = self.dir.path().join("backup.db");
        let sql = format!("VACUUM INTO '{}'", path.display());
        sqlx::query(&sql).execute(&self.db).await.unwrap();
        path
    }

    /// Goes on with a copy.
    pub(crate) async fn restore(&mut self, backup: &std::path::Path) {
        self.db = database::open(backup).await.unwrap();
    }

    pub(crate) fn ingest(
        &self,
        fail: Fail,
    ) -> (Ingest<FakeSource, FakeStore, Counter>, CancellationToken) {
        let stop = CancellationToken::new();
        let source = FakeSource::new(self.log.clone(), stop.clone());
        let metrics = Metrics::register(&Registry::new()).unwrap();
        let config = IngestConfig { auto_trust: self.trusted.clone() };
        let (store, db) = (self.store.clone(), self.db.clone());
        let mut ingest =
            Ingest::new(source, store, db, Counter, config, metrics, Health::default());
        ingest.desk.fail = fail;
        (ingest, stop)
    }

    /// Runs until everything is committed (true) or killed (false).
    pub(crate) async fn run(&self, fail: Fail) -> bool {
        let (ingest, stop) = self.ingest(fail);
        let run = tokio::time::timeout(std::time::Duration::from_secs(60), ingest.run(stop));
        match run.await.expect("ingestion hangs") {
            Ok(()) => true,
            Err(crate::Error::Killed(_)) => false,
            Err(error) => panic!("{error:?}"),
        }
    }

    pub(crate) async fn findings(&self, kind: FindingKind) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM seen_finding WHERE kind = ?")
            .bind(kind.as_str())
            .fetch_one(&self.db)
            .await
            .unwrap()
    }

    /// Asserts that exactly the events of these batches are stored, and were seen, once each.
    pub(crate) async fn assert_exactly_once(&self, batches: &[&Record]) {
        let mut wanted = BTreeMap::new();
        let mut ids = Vec::new();
        for record in batches {
            let header = &record.header;
            for (index, event) in record.events().unwrap().into_iter().enumerate() {
                let (agent, lane) = (header.agent.to_string(), header.lane.to_string());
                wanted.insert((agent, lane, header.epoch, header.seq, index as u32), 1);
                ids.push(event.id);
            }
        }
        assert_eq!(self.store.tables().events, wanted);
        ids.sort();
        let seen: Vec<String> = sqlx::query_scalar("SELECT id FROM seen_event ORDER BY id")
            .fetch_all(&self.db)
            .await
            .unwrap();
        assert_eq!(seen, ids);
        let mut rows: Vec<_> = self
            .store
            .tables()
            .batches
            .iter()
            .map(|row| (row.agent_id.clone(), row.lane.clone(), row.epoch, row.seq))
            .collect();
        rows.sort();
        let mut wanted: Vec<_> = batches
            .iter()
            .map(|r| &r.header)
            .map(|h| (h.agent.to_string(), h.lane.to_string(), h.epoch, h.seq))
            .collect();
        wanted.sort();
        assert_eq!(rows, wanted);
    }
}

/// A chain of batches, three events each.
pub(crate) fn chain(identity: &Identity, lane: Lane, epoch: u64, count: u64) -> Vec<Record> {
    chain_from(identity, lane, epoch, ChainHead::default(), count)
}

pub(crate) fn chain_from(
    identity: &Identity,
    lane: Lane,
    epoch: u64,
    mut head: ChainHead,
    count: u64,
) -> Vec<Record> {
    (0..count)
        .map(|_| {
            let mut batch = BatchBuilder::default();
            for index in 0..3 {
                let id = format!("{}-{lane}-{epoch}-{}-{index}", identity.agent_id(), head.seq + 1);
                let mut event = Event::new(Timestamp::from_seconds(1_780_000_000 + index), id);
                event.set("message", "m");
                batch.push(&event).unwrap();
            }
            let sealed = Timestamp::from_seconds(1_780_000_100);
            let record = batch.seal(identity, lane, epoch, &head, sealed).unwrap();
            head = record.head();
            record
        })
        .collect()
}

pub(crate) fn beat(identity: &Identity, number: u64) -> Record {
    let heartbeat = Heartbeat { host: "web".into(), read: number, ..Heartbeat::default() };
    heartbeat.seal(identity, 1, number, agents::now()).unwrap()
}

pub(crate) fn identity(seed: u8) -> Identity {
    Identity::from_seed(&[seed; 32])
}
