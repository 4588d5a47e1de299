//! A batch survives the trip, and a changed one is noticed.

use proptest::prelude::*;
use rules_event::{Event, Timestamp, Value, field};

use crate::header::WIRE_VERSION_NDJSON;
use crate::{
    BatchBuilder, ChainHead, Compressor, Error, Identity, Lane, Record, WIRE_VERSION, write_event,
};

fn event(number: i64) -> Event {
    let mut event =
        Event::new(Timestamp::from_seconds(1_700_000_000 + number), format!("{number:032x}"));
    event.set(field::MESSAGE, format!("line {number}"));
    event.set(field::SOURCE_PORT, number);
    event.set(field::RULE_ID, Value::List(vec!["r1".into(), "r2".into()]));
    event
}

fn sealed(identity: &Identity, head: &ChainHead, count: i64) -> Record {
    let mut builder = BatchBuilder::default();
    for number in 0..count {
        builder.push(&event(number)).unwrap();
    }
    builder.seal(identity, Lane::Events, 7, head, Timestamp::from_seconds(1_700_000_100)).unwrap()
}

#[test]
fn a_batch_survives_spool_and_kafka() {
    let identity = Identity::generate();
    let record = sealed(&identity, &ChainHead::default(), 3);
    assert_eq!(Record::decode(&record.encode()).unwrap(), record);
    let headers = record.kafka_headers();
    let borrowed = headers.iter().map(|(name, text)| (name.as_str(), text.as_bytes()));
    let back = Record::from_kafka(borrowed, record.value.clone()).unwrap();
    assert_eq!(back, record);
    back.verify().unwrap();
    assert_eq!(back.events().unwrap(), (0..3).map(event).collect::<Vec<_>>());
}

#[test]
fn batches_form_a_chain() {
    let identity = Identity::generate();
    let first = sealed(&identity, &ChainHead::default(), 1);
    let second = sealed(&identity, &first.head(), 2);
    assert_eq!((first.header.seq, second.header.seq), (1, 2));
    assert_eq!(second.header.prev, first.hash());
}

#[test]
fn what_was_packed_apart_is_sealed_the_same() {
    let identity = Identity::from_seed(&[7; 32]);
    let head = sealed(&identity, &ChainHead::default(), 1).head();
    let (mut first, mut second) = (BatchBuilder::default(), BatchBuilder::default());
    (0..3).for_each(|number| first.push(&event(number)).unwrap());
    (3..5).for_each(|number| second.push(&event(number)).unwrap());
    assert!(first.absorb(&mut second));
    assert_eq!((first.count(), second.count(), second.raw_bytes()), (5, 0, 0));
    let packed = first.pack(&mut Compressor::default()).unwrap();
    assert_eq!((packed.count(), first.count(), first.raw_bytes()), (5, 0, 0));
    let when = Timestamp::from_seconds(1_700_000_100);
    let (record, next) = packed.seal(&identity, Lane::Events, 7, &head, when);
    assert_eq!(record.events().unwrap(), sealed(&identity, &head, 5).events().unwrap());
    assert_eq!(next, record.head());
    record.verify().unwrap();
    // A bound is a bound, also for what is put together.
    let mut large = event(1);
    large.set_text(field::MESSAGE, &"x".repeat(5 << 20));
    first.push(&large).unwrap();
    second.push(&large).unwrap();
    assert!(!first.absorb(&mut second));
    assert_eq!((first.count(), second.count()), (1, 1));
}

/// A batch as agents of the version before sealed it.
fn sealed_as_ndjson(identity: &Identity, raw: &str, count: u32) -> Record {
    let mut header = sealed(identity, &ChainHead::default(), 1).header;
    header.version = WIRE_VERSION_NDJSON;
    header.count = count;
    header.raw_bytes = raw.len() as u32;
    let value = Compressor::default().compress(raw.as_bytes()).unwrap();
    Record::sign(identity, header, value)
}

#[test]
fn batches_of_the_version_before_are_read() {
    let identity = Identity::generate();
    let mut raw = Vec::new();
    for number in 0..3 {
        write_event(&mut raw, &event(number));
        raw.push(b'\n');
    }
    let record = sealed_as_ndjson(&identity, std::str::from_utf8(&raw).unwrap(), 3);
    let back = Record::decode(&record.encode()).unwrap();
    back.verify().unwrap();
    assert_eq!(back, record);
    assert!(back.kafka_headers().contains(&("vl.version".to_owned(), "1".to_owned())));
    assert_eq!(back.events().unwrap(), (0..3).map(event).collect::<Vec<_>>());
    let broken = sealed_as_ndjson(&identity, "{\"a\":1}\nno event\n", 2);
    assert!(matches!(broken.events(), Err(Error::BadEvent { event: 2, .. })));
    // A version is signed, too.
    let mut other = back;
    other.header.version = WIRE_VERSION;
    assert!(matches!(other.verify(), Err(Error::BadSignature { .. })));
}

#[test]
fn another_agents_id_is_refused() {
    let mut record = sealed(&Identity::generate(), &ChainHead::default(), 1);
    record.header.agent = Identity::generate().agent_id();
    assert!(matches!(record.verify(), Err(Error::AgentKeyMismatch { .. })));
}

#[test]
fn a_lie_about_the_size_is_refused() {
    let identity = Identity::generate();
    let mut record = sealed(&identity, &ChainHead::default(), 2);
    record.header.raw_bytes -= 1;
    assert!(matches!(record.raw(), Err(Error::Layout(_))));
    record.header.raw_bytes = u32::MAX;
    assert!(matches!(record.raw(), Err(Error::TooLarge { .. })));
}

#[test]
fn a_heartbeat_is_cut_to_its_bounds() {
    let identity = Identity::generate();
    let now = Timestamp::from_seconds(1_700_000_000);
    let mut beat = crate::Heartbeat { host: "đ".repeat(300), ..Default::default() };
    beat.problems = vec!["p".repeat(2_000); 20];
    let opened = crate::Heartbeat::open(&beat.seal(&identity, 1, 1, now).unwrap()).unwrap();
    assert_eq!(opened.host.chars().count(), 255);
    assert_eq!((opened.problems.len(), opened.problems[0].len()), (16, 1000));
    beat.host = "x".repeat(100_000);
    let record = beat.seal(&identity, 1, 2, now).unwrap();
    assert!(matches!(crate::Heartbeat::open(&record), Err(Error::TooLarge { .. })));
}

proptest! {
    /// Whatever single byte changes, the batch does not verify, or does not even decode.
    #[test]
    fn a_changed_byte_is_noticed(place in any::<prop::sample::Index>(), flip in 1u8..=255) {
        let identity = Identity::from_seed(&[7; 32]);
        let mut bytes = sealed(&identity, &ChainHead::default(), 2).encode();
        let place = place.index(bytes.len());
        bytes[place] ^= flip;
        let noticed = match Record::decode(&bytes) {
            Err(_) => true,
            Ok(record) => record.verify().is_err() || record == sealed(&identity, &ChainHead::default(), 2),
        };
        prop_assert!(noticed, "byte {} changed unnoticed", place);
    }

    #[test]
    fn decode_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Record::decode(&bytes);
    }
}
