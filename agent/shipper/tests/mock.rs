//! The shipper against librdkafka's mock cluster: order, cursors, outages, refusals, restarts.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use agent_shipper::{Progress, Shipper, ShipperConfig};
use agent_spool::{Cursor, Entry, LANE_ALERTS, LANE_EVENTS, Options, Spool};
use agent_wire::{BatchBuilder, ChainHead, Heartbeat, Identity, Lane, Record};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use rules_event::{Event, Timestamp};
use rules_service::meter::Health;
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Delivered(Mutex<Vec<(Lane, u64)>>);

impl Progress for Delivered {
    fn delivered(&self, lane: Lane, seq: u64, events: u64) {
        assert_eq!(events, 1);
        self.0.lock().unwrap().push((lane, seq));
    }
}

impl Delivered {
    fn of(&self, wanted: Lane) -> Vec<u64> {
        let list = self.0.lock().unwrap();
        list.iter().filter(|(lane, _)| *lane == wanted).map(|(_, seq)| *seq).collect()
    }
}

struct Site {
    dir: tempfile::TempDir,
    spool: Spool,
    identity: Identity,
    heads: [ChainHead; 2],
    cluster: MockCluster<'static, DefaultProducerContext>,
    health: Health,
    delivered: Arc<Delivered>,
    stop: CancellationToken,
    shipper: Option<Shipper>,
}

impl Site {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            dir: dir.path().to_owned(),
            segment_bytes_max: 64 * 1024,
            bytes_max: 64 * 1024 * 1024,
            free_bytes_min: 0,
        };
        let (spool, _) = Spool::open(options).unwrap();
        let cluster = MockCluster::new(1).unwrap();
        for lane in [Lane::Alerts, Lane::Events, Lane::Heartbeats] {
            cluster.create_topic(lane.topic(), 1, 1).unwrap();
        }
        Self {
            dir,
            spool,
            identity: Identity::generate(),
            heads: Default::default(),
            cluster,
            health: Health::default(),
            delivered: Arc::default(),
            stop: CancellationToken::new(),
            shipper: None,
        }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn append(&mut self, lane: Lane, count: u64) {
        let number = if lane == Lane::Alerts { LANE_ALERTS } else { LANE_EVENTS };
        for _ in 0..count {
            let head = self.heads[number as usize];
            let mut batch = BatchBuilder::default();
            let mut event = Event::new(Timestamp::from_seconds(1), format!("{}", head.seq + 1));
            event.set("message", "x".repeat(200));
            batch.push(&event).unwrap();
            let epoch = self.spool.epoch();
            let record =
                batch.seal(&self.identity, lane, epoch, &head, Timestamp::from_seconds(2)).unwrap();
            let bytes = record.encode();
            let entry = Entry { lane: number, seq: head.seq + 1, bytes: &bytes };
            self.spool.append(&[entry], b"").unwrap();
            self.heads[number as usize] = record.head();
        }
        if let Some(shipper) = &self.shipper {
            shipper.wake();
        }
    }

    fn start(&mut self) {
        self.stop = CancellationToken::new();
        let config = ShipperConfig {
            bootstrap: self.cluster.bootstrap_servers(),
            properties: [("reconnect.backoff.max.ms".to_owned(), "200".to_owned())].into(),
        };
        let shipper = Shipper::start(
            config,
            self.path().to_owned(),
            self.stop.clone(),
            self.health.clone(),
            self.delivered.clone(),
        );
        self.shipper = Some(shipper.unwrap());
    }

    async fn end(&mut self) {
        self.stop.cancel();
        self.shipper.take().unwrap().join().await;
    }

    fn cursor(&self, lane: u8) -> u64 {
        Cursor::load(self.path(), lane).unwrap()
    }

    /// Everything in a topic, at least `count` records.
    fn consume(&self, lane: Lane, count: usize) -> Vec<Record> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.cluster.bootstrap_servers())
            .set("group.id", "test")
            .create()
            .unwrap();
        let mut partitions = TopicPartitionList::new();
        partitions.add_partition_offset(lane.topic(), 0, Offset::Beginning).unwrap();
        consumer.assign(&partitions).unwrap();
        let (mut records, deadline) = (Vec::new(), Instant::now() + DEADLINE);
        let (_, high) = consumer.fetch_watermarks(lane.topic(), 0, DEADLINE).unwrap();
        while (records.len() < count || (records.len() as i64) < high) && Instant::now() < deadline
        {
            let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) else { continue };
            let headers = message.headers().unwrap();
            let pairs = headers.iter().map(|header| (header.key, header.value.unwrap()));
            let value = message.payload().unwrap().to_vec();
            let record = Record::from_kafka(pairs, value).unwrap();
            record.verify().unwrap();
            assert_eq!(message.key().unwrap(), self.identity.agent_id().to_string().as_bytes());
            records.push(record);
        }
        records
    }
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !done() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn assert_chained(records: &[Record], count: u64) {
    assert_eq!(
        records.iter().map(|record| record.header.seq).collect::<Vec<_>>(),
        (1..=count).collect::<Vec<_>>()
    );
    for pair in records.windows(2) {
        assert_eq!(pair[1].header.prev, pair[0].hash());
    }
}

#[tokio::test]
async fn delivers_in_order_alerts_first_and_moves_the_cursor() {
    let mut site = Site::new();
    site.append(Lane::Events, 300);
    site.append(Lane::Alerts, 200);
    site.start();
    until("delivery", || site.cursor(LANE_EVENTS) == 300 && site.cursor(LANE_ALERTS) == 200).await;
    let order = site.delivered.0.lock().unwrap().clone();
    let alerts_before = order.iter().take_while(|(lane, _)| *lane == Lane::Alerts).count();
    // At most 64 alerts are with the client at once, so the others were delivered before.
    assert!(alerts_before >= 200 - 64, "{alerts_before} alerts before the first event");
    assert_eq!(site.delivered.of(Lane::Alerts), (1..=200).collect::<Vec<_>>());
    assert_eq!(site.delivered.of(Lane::Events), (1..=300).collect::<Vec<_>>());
    site.append(Lane::Events, 10);
    until("more", || site.cursor(LANE_EVENTS) == 310).await;
    assert_chained(&site.consume(Lane::Events, 310), 310);
    assert_chained(&site.consume(Lane::Alerts, 200), 200);
    assert!(site.spool.collect().unwrap() > 0);
    site.end().await;
}

#[tokio::test]
async fn an_outage_is_told_and_waited_out() {
    let mut site = Site::new();
    site.append(Lane::Events, 5);
    site.cluster.broker_down(1).unwrap();
    site.start();
    until("a problem", || !site.health.problems().is_empty()).await;
    let problem = site.health.problems().join("\n");
    assert!(problem.contains("no broker of 127.0.0.1"), "{problem}");
    assert!(problem.contains("firewall"), "{problem}");
    site.append(Lane::Events, 100);
    site.append(Lane::Alerts, 3);
    assert_eq!(site.cursor(LANE_EVENTS), 0);
    site.cluster.broker_up(1).unwrap();
    until("delivery", || site.cursor(LANE_EVENTS) == 105 && site.cursor(LANE_ALERTS) == 3).await;
    until("health", || site.health.problems().is_empty()).await;
    assert_chained(&site.consume(Lane::Events, 105), 105);
    // Again, while batches are under way.
    site.cluster.broker_down(1).unwrap();
    site.append(Lane::Events, 50);
    until("a problem", || !site.health.problems().is_empty()).await;
    assert_eq!(site.cursor(LANE_EVENTS), 105);
    site.cluster.broker_up(1).unwrap();
    until("delivery", || site.cursor(LANE_EVENTS) == 155).await;
    assert_chained(&site.consume(Lane::Events, 155), 155);
    site.end().await;
}

#[tokio::test]
async fn a_refusal_names_its_remedy_and_is_tried_again() {
    for (refusal, remedy) in [
        (RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, "IDEMPOTENT_WRITE"),
        (RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, "max.message.bytes=2097152"),
    ] {
        let mut site = Site::new();
        site.cluster.request_errors(RDKafkaApiKey::Produce, &[refusal; 2]);
        site.append(Lane::Events, 30);
        site.start();
        until("a problem", || site.health.problems().join("").contains(remedy)).await;
        until("delivery", || site.cursor(LANE_EVENTS) == 30).await;
        until("health", || site.health.problems().is_empty()).await;
        assert_eq!(site.delivered.of(Lane::Events), (1..=30).collect::<Vec<_>>());
        let mut seen: Vec<u64> =
            site.consume(Lane::Events, 30).iter().map(|record| record.header.seq).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, (1..=30).collect::<Vec<_>>());
        site.end().await;
    }
}

#[tokio::test]
async fn a_fatal_error_of_the_client_makes_a_new_one() {
    let mut site = Site::new();
    site.append(Lane::Events, 3);
    site.start();
    until("delivery", || site.cursor(LANE_EVENTS) == 3).await;
    // An idempotent producer that is told so can never send again.
    let refusal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    site.cluster.request_errors(RDKafkaApiKey::Produce, &[refusal; 3]);
    site.append(Lane::Events, 40);
    until("delivery", || site.cursor(LANE_EVENTS) == 43).await;
    assert_eq!(site.delivered.of(Lane::Events), (1..=43).collect::<Vec<_>>());
    site.end().await;
}

#[tokio::test]
async fn a_restart_sends_again_what_no_cursor_says_and_no_more() {
    let mut site = Site::new();
    site.append(Lane::Events, 40);
    site.start();
    until("delivery", || site.cursor(LANE_EVENTS) == 40).await;
    site.end().await;
    // As after a crash between the delivery reports of 31 to 40 and the cursor.
    Cursor::store(site.path(), LANE_EVENTS, 30).unwrap();
    site.append(Lane::Events, 2);
    site.start();
    until("delivery", || site.cursor(LANE_EVENTS) == 42).await;
    let seen: Vec<u64> =
        site.consume(Lane::Events, 52).iter().map(|record| record.header.seq).collect();
    assert_eq!(seen, (1..=40).chain(31..=42).collect::<Vec<_>>());
    site.end().await;
}

#[tokio::test]
async fn a_stop_stores_the_cursor_and_only_the_newest_heartbeat_waits() {
    let mut site = Site::new();
    site.cluster.broker_down(1).unwrap();
    site.start();
    for count in 1..=5 {
        let beat = Heartbeat { read: count, ..Heartbeat::default() };
        let now = Timestamp::from_seconds(count as i64);
        site.shipper.as_ref().unwrap().heartbeat(beat.seal(&site.identity, 1, count, now).unwrap());
    }
    site.cluster.broker_up(1).unwrap();
    // One may have been taken by the client before; the others replaced one another.
    let beats = site.consume(Lane::Heartbeats, 1);
    let reads: Vec<u64> =
        beats.iter().map(|record| Heartbeat::open(record).unwrap().read).collect();
    assert!(reads == [5] || (reads.len() <= 2 && reads[0] < 5), "{reads:?}");
    site.append(Lane::Events, 20);
    until("delivery", || site.delivered.of(Lane::Events).len() == 20).await;
    site.end().await;
    assert_eq!(site.cursor(LANE_EVENTS), 20);
}
