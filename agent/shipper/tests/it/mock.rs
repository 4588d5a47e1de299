//! The shipper against librdkafka's mock cluster: order, cursors, outages, refusals, restarts.

use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

use agent_shipper::{ShipperConfig, Wait};
use agent_spool::{LANE_ALERTS, LANE_EVENTS, Reader};
use agent_wire::{Heartbeat, Lane, Record};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rules_event::Timestamp;

use crate::site::{Site, assert_chained, consume_any, until};

/// A host and the mock cluster it ships to.
pub(crate) struct Mock {
    site: Site,
    pub(crate) cluster: MockCluster<'static, DefaultProducerContext>,
}

impl Deref for Mock {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

impl DerefMut for Mock {
    fn deref_mut(&mut self) -> &mut Site {
        &mut self.site
    }
}

impl Mock {
    pub(crate) fn new() -> Self {
        let cluster = MockCluster::new(1).unwrap();
        for lane in [Lane::Alerts, Lane::Events, Lane::Heartbeats] {
            cluster.create_topic(lane.topic(), 1, 1).unwrap();
        }
        Self { site: Site::new(), cluster }
    }

    pub(crate) fn start(&mut self) {
        let kafka = ShipperConfig {
            bootstrap: self.cluster.bootstrap_servers(),
            properties: [("reconnect.backoff.max.ms".to_owned(), "200".to_owned())].into(),
        };
        self.site.start(kafka);
    }

    pub(crate) fn consume(&self, lane: Lane, count: usize) -> Vec<Record> {
        self.site.consume(&self.cluster.bootstrap_servers(), lane, count)
    }

    /// Everything in a topic, at least so many messages, whoever wrote it.
    pub(crate) fn consume_any(&self, lane: Lane, count: usize) -> Vec<Option<Record>> {
        consume_any(&self.cluster.bootstrap_servers(), lane, count)
    }
}

#[tokio::test]
async fn delivers_in_order_alerts_first_and_moves_the_cursor() {
    let mut site = Mock::new();
    site.append(Lane::Events, 300);
    site.append(Lane::Alerts, 200);
    site.start();
    until("delivery", || site.cursor(LANE_EVENTS) == 300 && site.cursor(LANE_ALERTS) == 200).await;
    let order = site.delivered.0.lock().unwrap().clone();
    let alerts_before = order.iter().take_while(|(lane, _)| *lane == Lane::Alerts).count();
    assert_eq!(alerts_before, 200, "an event went before an alert");
    assert_eq!(site.delivered.of(Lane::Alerts), (1..=200).collect::<Vec<_>>());
    assert_eq!(site.delivered.of(Lane::Events), (1..=300).collect::<Vec<_>>());
    site.append(Lane::Events, 10);
    until("more", || site.cursor(LANE_EVENTS) == 310).await;
    assert_chained(&site.consume(Lane::Events, 310), 310);
    let alerts = site.consume(Lane::Alerts, 200);
    assert_chained(&alerts, 200);
    // Compressed once: what the spool holds is what is on the wire, byte by byte.
    let mut reader = Reader::open(site.path(), LANE_ALERTS, 0).unwrap();
    for record in &alerts {
        let spooled = Record::decode(&reader.next().unwrap().unwrap().bytes).unwrap();
        assert_eq!(spooled.value, record.value);
        assert_eq!(spooled.encode(), record.encode());
    }
    assert!(site.spool.collect().unwrap() > 0);
    site.end().await;
}

#[tokio::test]
async fn an_outage_is_told_and_waited_out() {
    let mut site = Mock::new();
    site.append(Lane::Events, 5);
    site.cluster.broker_down(1).unwrap();
    site.start();
    until("a problem", || !site.health.problems().is_empty()).await;
    let problem = site.health.problems().join("\n");
    assert!(problem.contains("no broker of 127.0.0.1"), "{problem}");
    assert!(problem.contains("firewall"), "{problem}");
    site.append(Lane::Events, 100);
    site.append(Lane::Alerts, 3);
    until("the wait is shown", || site.delivered.wait(Lane::Events) == Some(Wait::Broker)).await;
    // The client has some in its queue by now; that counts for nothing.
    assert_eq!(site.cursor(LANE_EVENTS), 0);
    assert!(site.delivered.0.lock().unwrap().is_empty());
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
    for (refusal, times, remedy) in [
        (RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, 2, "IDEMPOTENT_WRITE"),
        (RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, 2, "max.message.bytes=2097152"),
        (RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP, 2, "chronyc"),
        // The library tries these again by itself, eight times.
        (RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, 10, "min.insync.replicas"),
        (RDKafkaRespErr::RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR, 10, "server.log"),
    ] {
        let mut site = Mock::new();
        site.cluster.request_errors(RDKafkaApiKey::Produce, &vec![refusal; times]);
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
    let mut site = Mock::new();
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
async fn a_stop_stores_the_cursor_and_only_the_newest_heartbeat_waits() {
    let mut site = Mock::new();
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

#[tokio::test]
async fn a_refused_lane_waits_alone() {
    for (refusal, remedy) in [
        (RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, "start the collector"),
        (RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, "IDEMPOTENT_WRITE"),
    ] {
        for (blocked, number, free) in
            [(Lane::Events, LANE_EVENTS, Lane::Alerts), (Lane::Alerts, LANE_ALERTS, Lane::Events)]
        {
            let mut site = Mock::new();
            site.cluster.topic_error(blocked.topic(), refusal).unwrap();
            site.append(blocked, 5);
            site.start();
            let told = || site.health.problems().join("\n");
            until("a problem", || told().contains(remedy)).await;
            assert!(told().contains(blocked.topic()), "{}", told());
            until("the wait is shown", || site.delivered.wait(blocked) == Some(Wait::Refused))
                .await;
            site.append(free, 50);
            until("the other lane", || site.delivered.of(free).len() == 50).await;
            assert_eq!(site.cursor(number), 0);
            let well = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;
            site.cluster.topic_error(blocked.topic(), well).unwrap();
            until("delivery", || site.cursor(number) == 5).await;
            until("health", || site.health.problems().is_empty()).await;
            assert_chained(&site.consume(blocked, 5), 5);
            site.end().await;
        }
    }
}

#[tokio::test]
async fn outside_its_windows_the_bulk_lane_waits_and_alerts_do_not() {
    let mut site = Mock::new();
    // Twelve hours from now, for an hour.
    let hour = (jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).hour() + 12) % 24;
    site.shipping.events_windows = vec![format!("{hour:02}:00-{:02}:30", hour)];
    site.append(Lane::Events, 5);
    site.append(Lane::Alerts, 5);
    site.start();
    until("alerts", || site.delivered.of(Lane::Alerts).len() == 5).await;
    until("the wait is shown", || site.delivered.wait(Lane::Events) == Some(Wait::Window)).await;
    let beat = Heartbeat::default().seal(&site.identity, 1, 1, Timestamp::from_seconds(1)).unwrap();
    site.shipper.as_ref().unwrap().heartbeat(beat);
    assert_eq!(site.consume(Lane::Heartbeats, 1).len(), 1);
    assert_eq!(site.delivered.of(Lane::Events), [0; 0]);
    assert!(site.health.problems().is_empty(), "{:?}", site.health.problems());
    site.end().await;
    site.shipping.events_windows.push("00:00-24:00".to_owned());
    site.start();
    until("events", || site.cursor(LANE_EVENTS) == 5).await;
    site.end().await;
}

#[tokio::test]
async fn the_cap_holds_the_bulk_lane_and_not_the_alerts() {
    const CAP: u64 = 4_000;
    let mut site = Mock::new();
    site.shipping.events_bytes_per_s = CAP;
    site.append(Lane::Events, 200);
    let mut reader = Reader::open(site.path(), LANE_EVENTS, 0).unwrap();
    let mut bytes = 0;
    while let Some(entry) = reader.next().unwrap() {
        bytes += Record::decode(&entry.bytes).unwrap().value.len() as u64;
    }
    let began = Instant::now();
    site.start();
    until("the wait is shown", || site.delivered.wait(Lane::Events) == Some(Wait::Bandwidth)).await;
    site.append(Lane::Alerts, 5);
    until("alerts", || site.delivered.of(Lane::Alerts).len() == 5).await;
    assert!(site.delivered.of(Lane::Events).len() < 200, "events were not held");
    until("events", || site.delivered.of(Lane::Events).len() == 200).await;
    // A second's worth may go at once; the last batch may go into debt.
    let least = (bytes - CAP - 300) as f64 / CAP as f64;
    assert!(began.elapsed().as_secs_f64() >= least, "{bytes} bytes in {:?}", began.elapsed());
    site.end().await;
}

#[tokio::test]
async fn one_batch_is_under_way_on_a_near_broker_so_a_kill_repeats_no_more() {
    let mut site = Mock::new();
    site.append(Lane::Events, 400);
    site.start();
    // One at a time; a machine so busy that no acknowledgement comes within 20 ms counts as a line.
    const UNDER_WAY_MAX: u64 = 3;
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", site.cluster.bootstrap_servers())
        .set("group.id", "test")
        .create()
        .unwrap();
    let mut seen = Vec::new();
    until("all", || {
        // First what the broker has, then what the disk says: a kill between would repeat the rest.
        let topic = Lane::Events.topic();
        let (_, has) = consumer.fetch_watermarks(topic, 0, Duration::from_secs(5)).unwrap();
        let cursor = site.cursor(LANE_EVENTS);
        assert!(cursor + UNDER_WAY_MAX >= has as u64, "the broker has {has}, noted are {cursor}");
        seen.push(has);
        cursor == 400
    })
    .await;
    assert!(seen.iter().any(|has| (1..400).contains(has)), "never looked in the midst: {seen:?}");
    site.end().await;
}
