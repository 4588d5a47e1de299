//! A host under test: its spool, what it appends, its shipper, and what comes out of the broker.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use agent_shipper::{Progress, Setup, Shipper, ShipperConfig, ShippingConfig, Wait};
use agent_spool::{Cursor, Entry, LANE_ALERTS, LANE_EVENTS, Options, Reader, Spool};
use agent_wire::{BatchBuilder, ChainHead, Identity, Lane, Record};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use rules_event::{Event, Timestamp};
use rules_service::meter::Health;
use tokio_util::sync::CancellationToken;

pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(crate) struct Delivered(
    pub(crate) Mutex<Vec<(Lane, u64)>>,
    Mutex<HashMap<Lane, Wait>>,
    Mutex<Vec<&'static str>>,
);

impl Progress for Delivered {
    fn delivered(&self, lane: Lane, seq: u64, events: u64) {
        assert_eq!(events, 1);
        self.0.lock().unwrap().push((lane, seq));
    }

    fn waits(&self, lane: Lane, why: Option<Wait>) {
        let mut waits = self.1.lock().unwrap();
        match why {
            Some(why) => drop(waits.insert(lane, why)),
            None => drop(waits.remove(&lane)),
        }
    }

    fn failed(&self, kind: &'static str) {
        self.2.lock().unwrap().push(kind);
    }
}

impl Delivered {
    pub(crate) fn of(&self, wanted: Lane) -> Vec<u64> {
        let list = self.0.lock().unwrap();
        list.iter().filter(|(lane, _)| *lane == wanted).map(|(_, seq)| *seq).collect()
    }

    pub(crate) fn wait(&self, lane: Lane) -> Option<Wait> {
        self.1.lock().unwrap().get(&lane).copied()
    }
}

pub(crate) struct Site {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) spool: Spool,
    pub(crate) identity: Identity,
    heads: [ChainHead; 2],
    pub(crate) health: Health,
    pub(crate) delivered: Arc<Delivered>,
    stop: CancellationToken,
    pub(crate) shipper: Option<Shipper>,
    pub(crate) shipping: ShippingConfig,
}

impl Site {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            dir: dir.path().to_owned(),
            segment_bytes_max: 64 * 1024,
            bytes_max: 64 * 1024 * 1024,
            free_bytes_min: 0,
        };
        let (spool, _) = Spool::open(options).unwrap();
        Self {
            dir,
            spool,
            identity: Identity::generate(),
            heads: Default::default(),
            health: Health::default(),
            delivered: Arc::default(),
            stop: CancellationToken::new(),
            shipper: None,
            shipping: ShippingConfig::default(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn append(&mut self, lane: Lane, count: u64) {
        self.append_of(lane, count, &"x".repeat(200));
    }

    /// Appends batches of one event with this text.
    pub(crate) fn append_of(&mut self, lane: Lane, count: u64, message: &str) {
        let number = if lane == Lane::Alerts { LANE_ALERTS } else { LANE_EVENTS };
        for _ in 0..count {
            let head = self.heads[number as usize];
            let mut batch = BatchBuilder::default();
            let mut event = Event::new(Timestamp::from_seconds(1), format!("{}", head.seq + 1));
            event.set("message", message.to_owned());
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

    /// Starts shipping to a broker.
    pub(crate) fn start(&mut self, kafka: ShipperConfig) {
        self.stop = CancellationToken::new();
        let shipper = Shipper::start(Setup {
            kafka,
            shipping: self.shipping.clone(),
            zone: jiff::tz::TimeZone::UTC,
            dir: self.path().to_owned(),
            agent: self.identity.agent_id(),
            newest: [LANE_ALERTS, LANE_EVENTS].map(|lane| self.spool.last_seq(lane)),
            durable: Some(self.spool.durable()),
            stop: self.stop.clone(),
            health: self.health.clone(),
            progress: self.delivered.clone(),
        });
        self.shipper = Some(shipper.unwrap());
    }

    pub(crate) async fn end(&mut self) {
        self.stop.cancel();
        self.shipper.take().unwrap().join().await;
    }

    pub(crate) fn cursor(&self, lane: u8) -> u64 {
        Cursor::load(self.path(), lane).unwrap()
    }

    /// Everything in a topic, at least `count` records, all of them ours.
    pub(crate) fn consume(&self, bootstrap: &str, lane: Lane, count: usize) -> Vec<Record> {
        let records = consume_any(bootstrap, lane, count).into_iter().map(Option::unwrap);
        records
            .inspect(|record| {
                record.verify().unwrap();
                assert_eq!(record.header.agent, self.identity.agent_id());
            })
            .collect()
    }

    /// A batch as it stands in the spool.
    pub(crate) fn spooled(&self, lane: u8, seq: u64) -> Record {
        let mut reader = Reader::open(self.path(), lane, seq - 1).unwrap();
        let entry = reader.next().unwrap().unwrap();
        assert_eq!(entry.seq, seq);
        Record::decode(&entry.bytes).unwrap()
    }
}

/// Everything in a topic, at least `count` messages; `None` for what is no batch.
pub(crate) fn consume_any(bootstrap: &str, lane: Lane, count: usize) -> Vec<Option<Record>> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "test")
        .create()
        .unwrap();
    let mut partitions = TopicPartitionList::new();
    partitions.add_partition_offset(lane.topic(), 0, Offset::Beginning).unwrap();
    consumer.assign(&partitions).unwrap();
    let (mut records, deadline) = (Vec::new(), Instant::now() + DEADLINE);
    let (_, high) = consumer.fetch_watermarks(lane.topic(), 0, DEADLINE).unwrap();
    while (records.len() < count || (records.len() as i64) < high) && Instant::now() < deadline {
        let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) else { continue };
        let value = message.payload().unwrap_or_default().to_vec();
        let headers = message.headers();
        let pairs = headers.iter().flat_map(|headers| headers.iter());
        let pairs = pairs.filter_map(|header| Some((header.key, header.value?)));
        let record = Record::from_kafka(pairs, value).ok();
        if let Some(record) = message.key().and(record.as_ref()) {
            assert_eq!(message.key().unwrap(), record.header.agent.to_string().as_bytes());
        }
        records.push(record);
    }
    records
}

pub(crate) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !done() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) fn assert_chained(records: &[Record], count: u64) {
    assert_eq!(
        records.iter().map(|record| record.header.seq).collect::<Vec<_>>(),
        (1..=count).collect::<Vec<_>>()
    );
    for pair in records.windows(2) {
        assert_eq!(pair[1].header.prev, pair[0].hash());
    }
}
