//! From a real Kafka into a real ClickHouse, with crashes and with a broker that forgets.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "../../store/tests/support/engine.rs"]
mod support;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use agent_wire::{AgentId, BatchBuilder, ChainHead, Heartbeat, Identity, Lane, Record};
use collector_ingest::{
    BoxError, FindingKind, Ingest, IngestConfig, KafkaConfig, KafkaSource, Metrics, Observer, Range,
};
use collector_store::{LedgerQuery, Store, database};
use prometheus::Registry;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rules_event::{Event, Timestamp};
use rules_service::meter::Health;
use sqlx::SqliteConnection;
use tokio_util::sync::CancellationToken;

type Note = (FindingKind, Option<AgentId>);

#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<Note>>>);

impl Observer for Notes {
    async fn observe(&mut self, _tx: &mut SqliteConnection, range: &Range) -> Result<(), BoxError> {
        let found = range.findings.iter().map(|finding| (finding.kind, finding.agent));
        self.0.lock().unwrap().extend(found);
        Ok(())
    }
}

struct Site {
    bootstrap: String,
    store: Store,
    identity: Identity,
    notes: Notes,
    dir: tempfile::TempDir,
}

impl Site {
    /// Begins to ingest; dropping the guard without waiting is the crash.
    async fn start(&self) -> (tokio::task::JoinHandle<()>, CancellationToken) {
        let db = database::open(&self.dir.path().join("v.db")).await.unwrap();
        collector_ingest::migrate(&db).await.unwrap();
        let (metrics, health) = (Metrics::register(&Registry::new()).unwrap(), Health::default());
        let config = KafkaConfig {
            bootstrap: self.bootstrap.clone(),
            properties: [("metadata.max.age.ms".to_owned(), "1000".to_owned())].into(),
            partitions: 3,
            replication: 1,
        };
        let source = KafkaSource::new(config, metrics.clone(), health.clone()).unwrap();
        let config = IngestConfig { auto_trust: vec![self.identity.public_key()] };
        let (store, notes) = (self.store.clone(), self.notes.clone());
        let ingest = Ingest::new(source, store, db, notes, config, metrics, health);
        let stop = CancellationToken::new();
        let token = stop.clone();
        let task = tokio::spawn(async move { ingest.run(token).await.unwrap() });
        (task, stop)
    }

    async fn wait_for(&self, what: &str, done: impl AsyncFn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !done().await {
            assert!(Instant::now() < deadline, "{what}: {:?}", self.sums().await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Batches, events claimed, stored and distinct of our agent.
    async fn sums(&self) -> (u64, u64, u64, u64) {
        let ledger = self.store.ledger(&LedgerQuery::default()).await.unwrap();
        let id = self.identity.agent_id().to_string();
        ledger.lines.iter().filter(|line| line.agent == id).fold((0, 0, 0, 0), |sum, line| {
            (
                sum.0 + line.batches + line.repeated_batches,
                sum.1 + line.events_claimed,
                sum.2 + line.events_stored,
                sum.3 + line.events_distinct,
            )
        })
    }

    fn found(&self, kind: FindingKind) -> usize {
        let id = self.identity.agent_id();
        let notes = self.notes.0.lock().unwrap();
        notes.iter().filter(|(k, agent)| *k == kind && agent.is_none_or(|a| a == id)).count()
    }
}

fn seal(identity: &Identity, lane: Lane, head: &mut ChainHead, events: usize) -> Record {
    let mut batch = BatchBuilder::default();
    for index in 0..events {
        let id =
            format!("{}{lane}{:08}{index:06}", &identity.agent_id().to_string()[..8], head.seq);
        let mut event = Event::new(Timestamp::from_seconds(1_790_000_000), id);
        event.set("message", "Failed password for root from 10.0.0.1 port 22 ssh2");
        batch.push(&event).unwrap();
    }
    let record =
        batch.seal(identity, lane, 1, head, Timestamp::from_seconds(1_790_000_001)).unwrap();
    *head = record.head();
    record
}

async fn produce(producer: &FutureProducer, record: &Record) -> (i32, i64) {
    let mut headers = OwnedHeaders::new();
    let pairs = record.kafka_headers();
    for (key, value) in &pairs {
        headers = headers.insert(Header { key, value: Some(value) });
    }
    let key = record.header.agent.to_string();
    let message = FutureRecord::to(record.header.lane.topic())
        .key(&key)
        .headers(headers)
        .payload(&record.value);
    let delivery = producer.send(message, Duration::from_secs(30)).await.unwrap();
    (delivery.partition, delivery.offset)
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_to_clickhouse_exactly_once() {
    let Ok(bootstrap) = std::env::var("KAFKA_BOOTSTRAP") else {
        eprintln!("skipped: KAFKA_BOOTSTRAP is not set");
        return;
    };
    let Some(mut engine) = support::engine("end_to_end").await else { return };
    let site = Site {
        bootstrap: bootstrap.clone(),
        store: engine.store.clone(),
        identity: Identity::generate(),
        notes: Notes::default(),
        dir: tempfile::tempdir().unwrap(),
    };
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", &bootstrap)
        .set("enable.idempotence", "true")
        .create()
        .unwrap();
    // The collector makes the topics, so it comes first.
    let (mut task, mut stop) = site.start().await;
    site.wait_for("topics", async || {
        let beat = Heartbeat { host: "web".into(), ..Heartbeat::default() };
        let now = Timestamp::from_seconds(1_790_000_000);
        produce(&producer, &beat.seal(&site.identity, 1, 1, now).unwrap()).await;
        !site.store.agents_seen().await.unwrap().is_empty()
    })
    .await;
    let (mut alerts, mut events) = (ChainHead::default(), ChainHead::default());
    let mut kept = Vec::new();
    for round in 0..8 {
        for index in 0..12 {
            let record = seal(&site.identity, Lane::Events, &mut events, 400);
            produce(&producer, &record).await;
            if index == 3 {
                // A shipper that lost its acknowledgement sends again.
                produce(&producer, &record).await;
            }
            if index % 4 == 0 {
                let alert = seal(&site.identity, Lane::Alerts, &mut alerts, 2);
                kept.push(produce(&producer, &alert).await);
            }
        }
        // A crash at whatever step it is in.
        tokio::time::sleep(Duration::from_millis(90 * round)).await;
        task.abort();
        drop(task.await);
        (task, stop) = site.start().await;
        if round % 3 == 2 {
            tokio::time::sleep(Duration::from_millis(60)).await;
            engine.kill_and_restart();
        }
    }
    let wanted = (8 * 15, 8 * (12 * 400 + 6), 8 * (12 * 400 + 6), 8 * (12 * 400 + 6));
    site.wait_for("exactly once", async || site.sums().await == wanted).await;
    assert_eq!((site.found(FindingKind::ChainGap), site.found(FindingKind::Fork)), (0, 0));

    // The broker forgets alerts that were never read: said aloud, and the rest goes on.
    stop.cancel();
    task.await.unwrap();
    let mut forgotten = Vec::new();
    for _ in 0..4 {
        forgotten
            .push(produce(&producer, &seal(&site.identity, Lane::Alerts, &mut alerts, 2)).await);
    }
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &bootstrap).create().unwrap();
    let mut list = TopicPartitionList::new();
    let (partition, offset) = forgotten[1];
    list.add_partition_offset(Lane::Alerts.topic(), partition, Offset::Offset(offset + 1)).unwrap();
    admin.delete_records(&list, &AdminOptions::new()).await.unwrap();
    let (task, stop) = site.start().await;
    site.wait_for("what is left", async || site.sums().await.0 == wanted.0 + 2).await;
    assert_eq!(site.found(FindingKind::LostByRetention), 1);
    assert_eq!(site.found(FindingKind::ChainGap), 1);
    stop.cancel();
    task.await.unwrap();
    assert_group_follows(&bootstrap, site.dir.path()).await;
}

/// The group's offsets follow, for lag tools.
async fn assert_group_follows(bootstrap: &str, dir: &Path) {
    use rdkafka::consumer::{BaseConsumer, Consumer};
    let db = database::open(&dir.join("v.db")).await.unwrap();
    let rows: Vec<(String, i32, i64)> =
        sqlx::query_as("SELECT topic, number, next_offset FROM ingest_position")
            .fetch_all(&db)
            .await
            .unwrap();
    let bootstrap = bootstrap.to_owned();
    let committed = tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .set("group.id", "vonglau-collector")
            .create()
            .unwrap();
        let mut list = TopicPartitionList::new();
        for (topic, number, _) in &rows {
            list.add_partition(topic, *number);
        }
        let offsets = consumer.committed_offsets(list, Duration::from_secs(10)).unwrap();
        rows.iter()
            .filter(|(topic, number, next)| {
                offsets.find_partition(topic, *number).unwrap().offset() == Offset::Offset(*next)
            })
            .count()
    });
    assert!(committed.await.unwrap() >= 1);
}

/// While no broker answers, ingestion waits and says so.
#[tokio::test(flavor = "multi_thread")]
async fn no_broker_is_a_health_problem_and_no_error() {
    let dir = tempfile::tempdir().unwrap();
    let db = database::open(&dir.path().join("v.db")).await.unwrap();
    collector_ingest::migrate(&db).await.unwrap();
    let (metrics, health) = (Metrics::register(&Registry::new()).unwrap(), Health::default());
    let config = KafkaConfig {
        bootstrap: "127.0.0.1:1".into(),
        properties: Default::default(),
        partitions: 1,
        replication: 1,
    };
    let mut source = KafkaSource::new(config, metrics, health.clone()).unwrap();
    let starting =
        tokio::spawn(async move { collector_ingest::Source::start(&mut source, &[]).await });
    let deadline = Instant::now() + Duration::from_secs(60);
    while health.problems().is_empty() {
        assert!(Instant::now() < deadline && !starting.is_finished());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(health.problems()[0].contains("kafka"), "{:?}", health.problems());
    starting.abort();
}
