//! After a kill: what the broker has is not sent again, whatever stands around it, and who cannot ask
//! sends again.

use agent_spool::{Cursor, LANE_EVENTS, Location};
use agent_wire::{Lane, Record};
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use crate::mock::Mock;
use crate::site::{DEADLINE, assert_chained, until};

/// Ships so many batches of events and ends; then the cursor says that only so many were acknowledged,
/// as after a kill in between.
async fn killed(site: &mut Mock, shipped: u64, noted: u64) {
    site.append(Lane::Events, shipped);
    site.start();
    until("delivery", || site.cursor(LANE_EVENTS) == shipped).await;
    site.end().await;
    note(site, noted);
}

fn note(site: &Mock, noted: u64) {
    // One partition, and nobody else before that: batch 1 stands at offset 0.
    let location = Location { partition: 0, offset: noted - 1 };
    let epoch = site.spool.epoch();
    Cursor::hold(site.path(), LANE_EVENTS, epoch, noted, Some(location)).unwrap();
}

/// Puts a message into the topic of events, past the shipper.
fn put(site: &Mock, headers: &[(String, String)], value: &[u8]) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", site.cluster.bootstrap_servers())
        .create()
        .unwrap();
    let mut all = OwnedHeaders::new();
    for (key, value) in headers {
        all = all.insert(Header { key, value: Some(value) });
    }
    let record = BaseRecord::<(), _>::to(Lane::Events.topic()).payload(value).headers(all);
    producer.send(record).map_err(|(error, _)| error).unwrap();
    producer.flush(DEADLINE).unwrap();
}

/// The numbers of our batches in the topic, in its order, of at least so many messages.
fn numbers(site: &Mock, messages: usize) -> Vec<u64> {
    let own = site.identity.agent_id();
    let all = site.consume_any(Lane::Events, messages);
    let own = all.iter().flatten().filter(|record| record.header.agent == own);
    own.map(|record| record.header.seq).collect()
}

#[tokio::test]
async fn what_the_broker_has_is_not_sent_again() {
    let mut site = Mock::new();
    killed(&mut site, 40, 30).await;
    // Killed again, with nothing sent: it is known all the same where the broker keeps the last one.
    site.start();
    until("the answer", || site.cursor(LANE_EVENTS) == 40).await;
    site.end().await;
    let place = |offset| Some(Location { partition: 0, offset });
    assert_eq!(Cursor::load_located(site.path(), LANE_EVENTS).unwrap(), (40, place(39)));
    site.append(Lane::Events, 2);
    site.start();
    until("delivery", || site.cursor(LANE_EVENTS) == 42).await;
    assert_chained(&site.consume(Lane::Events, 42), 42);
    // It was delivered, and is told so, though by a former life.
    let told: Vec<u64> = site.delivered.of(Lane::Events).split_off(40);
    assert_eq!(told, (31..=42).collect::<Vec<_>>());
    site.end().await;
    assert_eq!(Cursor::load_located(site.path(), LANE_EVENTS).unwrap(), (42, place(41)));
}

/// Killed before the first acknowledgement, or a cursor that names no place, as the version before wrote it.
#[tokio::test]
async fn without_a_place_the_end_of_the_partition_is_looked_at() {
    for (shipped, noted) in [(1, 0), (40, 30)] {
        let mut site = Mock::new();
        killed(&mut site, shipped, 1).await;
        Cursor::store(site.path(), LANE_EVENTS, noted).unwrap();
        site.append(Lane::Events, 2);
        site.start();
        let count = shipped + 2;
        until("delivery", || site.cursor(LANE_EVENTS) == count).await;
        assert_chained(&site.consume(Lane::Events, count as usize), count);
        site.end().await;
    }
}

/// Of eighty messages only the last are read, so what stood before them is sent again.
#[tokio::test]
async fn without_a_place_no_more_than_the_end_is_read() {
    let mut site = Mock::new();
    killed(&mut site, 80, 1).await;
    Cursor::store(site.path(), LANE_EVENTS, 0).unwrap();
    site.start();
    until("delivery", || site.cursor(LANE_EVENTS) == 80).await;
    site.end().await;
    let expected: Vec<u64> = (1..=80).chain(1..=16).collect();
    assert_eq!(numbers(&site, 96), expected);
}

#[tokio::test]
async fn others_in_the_partition_and_gaps_do_not_matter() {
    let mut site = Mock::new();
    killed(&mut site, 30, 30).await;
    // Another agent, and one who is no agent at all.
    let mut other = Mock::new();
    killed(&mut other, 1, 1).await;
    let stranger = other.consume(Lane::Events, 1).remove(0);
    put(&site, &stranger.kafka_headers(), &stranger.value);
    put(&site, &[], b"no batch");
    // Of three that were under way the broker has taken the second.
    site.append(Lane::Events, 3);
    let second = site.spooled(LANE_EVENTS, 32);
    put(&site, &second.kafka_headers(), &second.value);
    put(&site, &[("vl.version".to_owned(), "x".to_owned())], b"");
    site.start();
    until("delivery", || site.cursor(LANE_EVENTS) == 33).await;
    site.end().await;
    let expected: Vec<u64> = (1..=30).chain([32, 31, 33]).collect();
    assert_eq!(numbers(&site, 36), expected);
}

/// Whoever may write to the topic could say that he is us. Only what holds every byte of ours counts.
#[tokio::test]
async fn what_only_says_that_it_is_ours_does_not_count() {
    let mut site = Mock::new();
    killed(&mut site, 30, 30).await;
    site.append(Lane::Events, 2);
    let (first, second) = (site.spooled(LANE_EVENTS, 31), site.spooled(LANE_EVENTS, 32));
    put(&site, &first.kafka_headers(), b"something else");
    put(&site, &first.kafka_headers(), &second.value);
    let forged = Record { value: b"forged".to_vec(), ..second.clone() };
    put(&site, &forged.kafka_headers(), &forged.value);
    site.start();
    until("delivery", || site.cursor(LANE_EVENTS) == 32).await;
    site.end().await;
    let all: Vec<Record> = site.consume_any(Lane::Events, 35).into_iter().flatten().collect();
    for record in [first, second] {
        assert_eq!(all.iter().filter(|other| **other == record).count(), 1);
    }
}

#[tokio::test]
async fn a_broker_that_is_away_at_the_start_is_waited_for_and_asked() {
    let mut site = Mock::new();
    killed(&mut site, 40, 30).await;
    site.cluster.broker_down(1).unwrap();
    site.start();
    until("a problem", || !site.health.problems().is_empty()).await;
    assert_eq!(site.cursor(LANE_EVENTS), 30);
    site.append(Lane::Events, 2);
    site.cluster.broker_up(1).unwrap();
    until("delivery", || site.cursor(LANE_EVENTS) == 42).await;
    assert_chained(&site.consume(Lane::Events, 42), 42);
    until("health", || site.health.problems().is_empty()).await;
    site.end().await;
}

#[tokio::test]
async fn a_stop_does_not_wait_for_an_answer() {
    let mut site = Mock::new();
    killed(&mut site, 3, 2).await;
    site.cluster.broker_down(1).unwrap();
    site.start();
    until("a problem", || !site.health.problems().is_empty()).await;
    let began = std::time::Instant::now();
    site.end().await;
    assert!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn who_may_not_read_or_finds_another_topic_sends_again() {
    let denied = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    for refused in [RDKafkaApiKey::ListOffsets, RDKafkaApiKey::Fetch] {
        let mut site = Mock::new();
        killed(&mut site, 12, 10).await;
        site.cluster.request_errors(refused, &[denied; 20]);
        site.start();
        until("delivery", || site.cursor(LANE_EVENTS) == 12).await;
        site.cluster.clear_request_errors(refused);
        site.end().await;
        let twice: Vec<u64> = (1..=12).chain(11..=12).collect();
        assert_eq!(numbers(&site, 14), twice, "{refused:?}");
    }
    // The topic was deleted and made anew: it ends before the place that the cursor names.
    let mut site = Mock::new();
    killed(&mut site, 12, 10).await;
    let location = Some(Location { partition: 0, offset: 500 });
    Cursor::hold(site.path(), LANE_EVENTS, site.spool.epoch(), 10, location).unwrap();
    site.start();
    until("delivery", || site.cursor(LANE_EVENTS) == 12).await;
    site.end().await;
    assert_eq!(numbers(&site, 14).len(), 14);
}

/// The refusal itself must be told, not only that there is no answer.
#[tokio::test]
async fn a_topic_that_is_missing_or_closed_is_told_as_ever() {
    for (refusal, remedy) in [
        (RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, "start the collector"),
        (RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, "IDEMPOTENT_WRITE"),
    ] {
        let mut site = Mock::new();
        killed(&mut site, 12, 10).await;
        for lane in [Lane::Alerts, Lane::Events, Lane::Heartbeats] {
            site.cluster.topic_error(lane.topic(), refusal).unwrap();
        }
        site.start();
        until("a problem", || site.health.problems().join("\n").contains(remedy)).await;
        for lane in [Lane::Alerts, Lane::Events, Lane::Heartbeats] {
            let well = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;
            site.cluster.topic_error(lane.topic(), well).unwrap();
        }
        until("delivery", || site.cursor(LANE_EVENTS) == 12).await;
        until("health", || site.health.problems().is_empty()).await;
        site.end().await;
    }
}
