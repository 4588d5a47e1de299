//! The store against a real engine: migrations, round trips, tokens, searches, the ledger.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "support/engine.rs"]
mod support;

use std::collections::BTreeMap;

use agent_wire::{BatchBuilder, ChainHead, Heartbeat, Identity, Lane, Record};
use collector_store::{
    AlertRow, BatchRow, Cursor, EventQuery, EventRow, Filter, HeartbeatRow, LedgerQuery, OpenSpan,
    Operator, Place, QuarantineRow, Store, StoredEvent, Verdict,
};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use rules_event::{Event, Timestamp, Value, field};

const START: i64 = 1_780_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(START + seconds)
}

fn place(index: u32) -> Place {
    Place {
        agent: "0123456789abcdef0123456789abcdef".parse().unwrap(),
        lane: Lane::Events,
        epoch: 1,
        seq: 1,
        index,
        topic: "vonglau.events.v1".into(),
        partition: 0,
        offset: 0,
        received: at(1000),
    }
}

fn event(seconds: i64, message: &str, fields: &[(&'static str, Value)]) -> Event {
    let mut event = Event::new(at(seconds), format!("{seconds:032x}"));
    event.set(field::MESSAGE, message.to_owned());
    for (name, value) in fields {
        event.set(*name, value.clone());
    }
    event
}

async fn insert(store: &Store, token: &str, events: &[Event]) {
    let places: Vec<Place> = (0..events.len()).map(|index| place(index as u32)).collect();
    let rows: Vec<EventRow<'_>> =
        events.iter().zip(&places).map(|(event, place)| EventRow::new(event, place)).collect();
    store.insert_events(token, &rows).await.unwrap();
}

fn all() -> EventQuery {
    EventQuery::window(at(-1_000_000), at(1_000_000))
}

async fn seconds(store: &Store, query: EventQuery) -> Vec<i64> {
    let found = store.search(&query).await.unwrap();
    found.iter().map(|stored| stored.event.time.as_seconds() - START).collect()
}

fn sorted(stored: &StoredEvent) -> BTreeMap<String, Value> {
    stored.event.fields().map(|(name, value)| (name.to_owned(), value.to_value())).collect()
}

/// What was confirmed survives `kill -9`, tokens included.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_loses_nothing_and_doubles_nothing() {
    let Some(mut engine) = support::engine("kill").await else { return };
    let events: Vec<Event> = (0..50).map(|seconds| event(seconds, "m", &[])).collect();
    insert(&engine.store, "one", &events).await;
    engine.kill_and_restart();
    insert(&engine.store, "one", &events).await;
    assert_eq!(engine.store.search(&all()).await.unwrap().len(), 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn migrations_apply_once() {
    let Some(engine) = support::engine("migrate").await else { return };
    assert!(engine.store.migrate().await.unwrap().is_empty());
    let again = Store::connect(&engine.config).await.unwrap();
    assert!(again.migrate().await.unwrap().is_empty());
    let wrong = collector_store::StoreConfig { password: "wrong".into(), ..engine.config.clone() };
    let error = Store::connect(&wrong).await.unwrap_err();
    assert!(!error.is_transient(), "{error:?}");
}

/// Events of any shape survive the table, and a repeated token changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn events_come_back_as_they_were() {
    let Some(engine) = support::engine("events").await else { return };
    let mut runner = TestRunner::deterministic();
    let text = prop_oneof![any::<String>(), "\u{1}?[-a-z0-9.:\"'\\\\\n\t]{0,9}"];
    let value = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<f64>().prop_filter("JSON has no NaN", |n| n.is_finite()).prop_map(Value::Float),
        text.prop_map(Value::from),
        any::<std::net::IpAddr>().prop_map(|ip| Value::from(ip.to_string())),
        proptest::collection::vec("[a-z]{0,3}".prop_map(Value::from), 0..3).prop_map(Value::List),
    ];
    let name = proptest::sample::select(vec![
        "user.name",
        "source.ip",
        "source.port",
        "rule.id",
        "log.offset",
        "vonglau.level",
        "event.original",
        "message",
        "agent.id",
        "x",
        "y.z",
        "đ '\"\\",
    ]);
    let fields = proptest::collection::vec((name, value), 0..10);
    let mut events = Vec::new();
    for number in 0..500i64 {
        // Also times that no DateTime of any ClickHouse covers well.
        let time = match number {
            0 => Timestamp::from_nanos(i64::MIN),
            1 => Timestamp::from_nanos(i64::MAX),
            _ => Timestamp::from_nanos(at(number).as_nanos() + number),
        };
        let mut event = Event::new(time, format!("{number:032x}"));
        for (name, value) in fields.new_tree(&mut runner).unwrap().current() {
            event.set(name, value);
        }
        events.push(event);
    }
    for _ in 0..2 {
        insert(&engine.store, "one", &events).await;
    }
    let ids: Vec<String> = events.iter().map(|event| event.id.clone()).collect();
    let stored = engine.store.events_by_id(&ids).await.unwrap();
    assert_eq!(stored.len(), events.len());
    for event in &events {
        let found = stored.iter().find(|stored| stored.event.id == event.id).unwrap();
        assert_eq!(found.event.time, event.time);
        let wanted: BTreeMap<String, Value> =
            event.fields().map(|(name, value)| (name.to_owned(), value.to_value())).collect();
        assert_eq!(sorted(found), wanted, "event {}", event.id);
        assert_eq!(found.place.received, at(1000));
    }
    // The same rows under another token are other rows.
    insert(&engine.store, "two", &events[2..3]).await;
    assert_eq!(engine.store.events_by_id(&ids[2..3]).await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_find_what_they_should() {
    let Some(engine) = support::engine("search").await else { return };
    let store = &engine.store;
    let rules = |ids: &[&'static str]| Value::List(ids.iter().map(|id| Value::from(*id)).collect());
    let events = [
        event(
            1,
            "Failed password for root from 10.1.2.3 port 22",
            &[
                ("source.ip", "10.1.2.3".into()),
                ("source.port", 22.into()),
                ("user.name", "root".into()),
                ("rule.id", rules(&["r1", "r2"])),
                ("vonglau.level", "high".into()),
                ("event.outcome", "failure".into()),
            ],
        ),
        event(
            2,
            "Đăng nhập thành công cho người dùng An",
            &[("source.ip", "2001:db8::1".into()), ("user.name", "An".into()), ("x.n", 5.into())],
        ),
        event(
            3,
            "GET /phpMyAdmin/index.php?id=1' OR '1'='1",
            &[
                ("event.original", "10.9.9.9 - - \"GET /phpMyAdmin\" 404".into()),
                ("source.ip", "10.9.9.9".into()),
                ("x.tags", rules(&["it's", "b\\c"])),
                ("x.flag", true.into()),
            ],
        ),
        event(4, "password of root changed", &[("x.n", "5".into()), ("user.name", "rooty".into())]),
    ];
    insert(store, "t", &events).await;
    let text = |text: &str| EventQuery { text: Some(text.into()), ..all() };
    let with = |filter: Filter| EventQuery { filters: vec![filter], ..all() };
    let filter = |name: &str, value: &str| with(Filter::is(name, value));
    let operator =
        |operator, name: &str, value: &str| with(Filter { operator, ..Filter::is(name, value) });
    for (what, query, wanted) in [
        ("everything, newest first", all(), vec![4, 3, 2, 1]),
        ("limit", EventQuery { limit: 2, ..all() }, vec![4, 3]),
        ("window", EventQuery::window(at(2), at(4)), vec![3, 2]),
        ("a word in any case", text("FAILED"), vec![1]),
        ("words in any order", text("root password"), vec![4, 1]),
        ("a phrase", text("\"password for root\""), vec![1]),
        ("no part of a word", text("passwor"), vec![]),
        ("part of a word", text("passwor*"), vec![4, 1]),
        ("an address is a phrase", text("10.1.2.3"), vec![1]),
        ("and no other order of its parts", text("3.2.1.10"), vec![]),
        ("original text counts", text("10.9.9.9"), vec![3]),
        ("Vietnamese in any case", text("ĐĂNG nhập"), vec![2]),
        ("quotes are text", text("id=1'"), vec![3]),
        ("nothing but marks", text("?' \\"), vec![]),
        ("user", filter("user.name", "root"), vec![1]),
        ("address", filter("source.ip", "10.1.2.3"), vec![1]),
        ("network", filter("source.ip", "10.0.0.0/8"), vec![3, 1]),
        ("IPv6 network", filter("source.ip", "2001:db8::/32"), vec![2]),
        ("port", filter("source.port", "22"), vec![1]),
        ("level", filter("vonglau.level", "high"), vec![1]),
        ("rule as field", filter("rule.id", "r2"), vec![1]),
        ("a number, typed or not", filter("x.n", "5"), vec![4, 2]),
        ("a flag", filter("x.flag", "true"), vec![3]),
        ("one of several", filter("x.tags", "it's"), vec![3]),
        ("one of several, escaped", filter("x.tags", "b\\c"), vec![3]),
        ("no such field", filter("x.none", ""), vec![]),
        ("not", operator(Operator::IsNot, "user.name", "root"), vec![4, 3, 2]),
        ("not in extra", operator(Operator::IsNot, "x.n", "5"), vec![3, 1]),
        ("contains", operator(Operator::Contains, "user.name", "ROO"), vec![4, 1]),
        ("contains in extra", operator(Operator::Contains, "x.tags", "T'S"), vec![3]),
        ("rule", EventQuery { rule_id: Some("r1".into()), ..all() }, vec![1]),
        ("hits", EventQuery { hits_only: true, ..all() }, vec![1]),
        ("agent", EventQuery { agent: Some(place(0).agent), ..all() }, vec![4, 3, 2, 1]),
        ("ids", EventQuery { ids: vec![format!("{:032x}", 2)], ..all() }, vec![2]),
    ] {
        assert_eq!(seconds(store, query).await, wanted, "{what}");
    }
    let (width, buckets) = store.histogram(&EventQuery::window(at(0), at(8)), 4).await.unwrap();
    assert_eq!(width.as_secs(), 2);
    let counts: Vec<_> = buckets.iter().map(|b| (b.bucket, b.events, b.hits)).collect();
    assert_eq!(counts, [(0, 1, 1), (1, 2, 0), (2, 1, 0)]);
    let top = store.top(&all(), "source.ip", 2).await.unwrap();
    let values: Vec<_> = top.iter().map(|facet| facet.value.as_str()).collect();
    assert_eq!(values, ["10.1.2.3", "10.9.9.9"]);
    assert_eq!(store.top(&all(), "rule.id", 9).await.unwrap().len(), 2);
}

/// Pages cover everything once, also where many events share one moment.
#[tokio::test(flavor = "multi_thread")]
async fn pages_cover_everything_once() {
    let Some(engine) = support::engine("pages").await else { return };
    let events: Vec<Event> = (0..250)
        .map(|number| Event::new(at(number / 50), format!("{:032x}", number * 7919 % 251)))
        .collect();
    insert(&engine.store, "t", &events).await;
    let (mut seen, mut cursor) = (Vec::new(), None::<Cursor>);
    loop {
        let page = EventQuery { limit: 33, cursor: cursor.clone(), ..all() };
        let found = engine.store.search(&page).await.unwrap();
        let Some(last) = found.last() else { break };
        cursor = Some(last.cursor().to_string().parse().unwrap());
        seen.extend(found.iter().map(|stored| (stored.event.time, stored.event.id.clone())));
    }
    let mut wanted: Vec<_> = events.into_iter().map(|event| (event.time, event.id)).collect();
    wanted.sort();
    wanted.reverse();
    assert_eq!(seen, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn hits_come_back_in_order_of_arrival() {
    let Some(engine) = support::engine("hits").await else { return };
    let hit = |seconds| event(seconds, "m", &[("rule.id", "r".into())]);
    let events = [hit(5), event(6, "m", &[]), hit(3), hit(9)];
    let places = [(1, 0), (1, 1), (2, 0), (3, 0)].map(|(offset, index)| Place {
        offset,
        received: at(20 + offset),
        ..place(index)
    });
    let rows: Vec<_> = events.iter().zip(&places).map(|(e, p)| EventRow::new(e, p)).collect();
    engine.store.insert_events("t", &rows).await.unwrap();
    let open = OpenSpan { topic: "vonglau.events.v1".into(), partition: 0, from: 3, next: 4 };
    let mut seen = Vec::new();
    let each = |stored: &StoredEvent| seen.push(stored.event.time.as_seconds() - START);
    assert_eq!(engine.store.hits_since(at(0), &[open], each).await.unwrap(), 2);
    assert_eq!(seen, [5, 3]);
    assert_eq!(engine.store.arrivals_reach().await.unwrap(), Some(at(23)));
    let mut count = 0;
    engine.store.hits_since(at(22), &[], |_| count += 1).await.unwrap();
    assert_eq!(count, 2);
}

fn records(identity: &Identity, count: u64) -> Vec<Record> {
    let mut head = ChainHead::default();
    (0..count)
        .map(|number| {
            let mut batch = BatchBuilder::default();
            for index in 0..3 {
                let id = format!("{:032x}", number * 10 + index);
                batch.push(&Event::new(at(0), id)).unwrap();
            }
            let record = batch.seal(identity, Lane::Events, 7, &head, at(1)).unwrap();
            head = record.head();
            record
        })
        .collect()
}

async fn accept(store: &Store, record: &Record) {
    let token = record.header.seq.to_string();
    let row = BatchRow::new(record, &record.hash(), "t", 0, 1, at(10));
    store.insert_batches(&token, &[row]).await.unwrap();
    let events = record.events().unwrap();
    let places: Vec<Place> = (0..events.len())
        .map(|index| Place {
            agent: record.header.agent,
            epoch: record.header.epoch,
            seq: record.header.seq,
            ..place(index as u32)
        })
        .collect();
    let rows: Vec<_> = events.iter().zip(&places).map(|(e, p)| EventRow::new(e, p)).collect();
    store.insert_events(&token, &rows).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_shows_what_is_missing() {
    let Some(engine) = support::engine("ledger").await else { return };
    let store = &engine.store;
    let identity = Identity::from_seed(&[7; 32]);
    let records = records(&identity, 8);
    for record in &records[..3] {
        accept(store, record).await;
    }
    let ledger = store.ledger(&LedgerQuery::default()).await.unwrap();
    assert_eq!(ledger.verdict, Verdict::Closed, "{ledger:?}");
    assert_eq!(ledger.lines[0].agent, identity.agent_id().to_string());
    accept(store, &records[5]).await;
    accept(store, &records[7]).await;
    let ledger = store.ledger(&LedgerQuery::default()).await.unwrap();
    assert_eq!(ledger.verdict, Verdict::Open);
    let line = &ledger.lines[0];
    assert_eq!((line.batches, line.seq_min, line.seq_max, line.missing_batches), (5, 1, 8, 3));
    assert_eq!(line.missing, [(4, 5), (7, 7)]);
    assert_eq!((line.events_claimed, line.events_stored, line.events_distinct), (15, 15, 15));
    for index in [3, 4, 6] {
        accept(store, &records[index]).await;
    }
    let window = LedgerQuery { since: Some(at(0)), until: Some(at(100_000)) };
    assert_eq!(store.ledger(&window).await.unwrap().verdict, Verdict::Closed);
    // An event that is there twice opens it again.
    let twice = Event::new(at(0), format!("{:032x}", 1));
    let place = Place { agent: identity.agent_id(), epoch: 7, ..place(9) };
    store.insert_events("twice", &[EventRow::new(&twice, &place)]).await.unwrap();
    let line = store.ledger(&LedgerQuery::default()).await.unwrap().lines.remove(0);
    assert_eq!((line.events_claimed, line.events_stored, line.events_distinct), (24, 25, 24));
    let hashes = store.batch_hashes(identity.agent_id(), Lane::Events, 7, 2, 3).await.unwrap();
    assert_eq!(hashes, [(2, records[1].hash()), (3, records[2].hash())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_heartbeats_and_quarantine_come_back() {
    let Some(engine) = support::engine("others").await else { return };
    let store = &engine.store;
    let alert = AlertRow {
        id: "a1".into(),
        version: 1,
        rule_id: "r".into(),
        title: "Brute force".into(),
        title_vi: "Dò mật khẩu".into(),
        level: 4,
        techniques: vec!["T1110".into()],
        source_ip: "10.0.0.1".into(),
        user_name: "root".into(),
        host: "web".into(),
        organization: String::new(),
        agents: vec!["x".into()],
        event_ids: vec!["e".into()],
        events: 5,
        first_at: at(0).as_nanos(),
        last_at: at(5).as_nanos(),
        raised_at: at(5).as_nanos(),
        incident: "i".into(),
        summary: "s".into(),
    };
    let newer = AlertRow { version: 2, events: 9, ..alert.clone() };
    store.insert_alerts("1", &[alert]).await.unwrap();
    store.insert_alerts("2", std::slice::from_ref(&newer)).await.unwrap();
    assert_eq!(store.alerts(at(0), at(9), 10).await.unwrap(), [newer]);

    let identity = Identity::from_seed(&[9; 32]);
    for number in 1..=3 {
        let heartbeat = Heartbeat { host: "web".into(), read: number, ..Heartbeat::default() };
        let record = heartbeat.seal(&identity, 1, number, at(number as i64)).unwrap();
        let row = HeartbeatRow::new(
            &heartbeat,
            &record.header,
            Timestamp::from_nanos(now().as_nanos() + number as i64),
        );
        store.insert_heartbeats(&number.to_string(), &[row]).await.unwrap();
    }
    let seen = store.agents_seen().await.unwrap();
    assert_eq!((seen.len(), seen[0].agent, seen[0].heartbeat.read), (1, identity.agent_id(), 3));
    assert_eq!(store.heartbeats_of(identity.agent_id(), 2).await.unwrap().len(), 2);

    let records = records(&identity, 5);
    let mut rows: Vec<QuarantineRow> = records
        .iter()
        .map(|r| QuarantineRow::of_record(r, "t", 0, r.header.seq as i64, at(1), "unknown_key", ""))
        .collect();
    rows.push(QuarantineRow::of_bytes(
        &[("h".into(), vec![0xff])],
        &[0, 159, 146, 150],
        "t",
        0,
        99,
        at(2),
        "undecodable",
        "no",
    ));
    rows.reverse();
    store.insert_quarantine("q", &rows).await.unwrap();
    let key = identity.public_key();
    let page = store.quarantined(&key, &["unknown_key"], None, 3).await.unwrap();
    let rest = store.quarantined(&key, &["unknown_key"], Some(&page[2].cursor()), 9).await.unwrap();
    let back: Vec<Record> = page.iter().chain(&rest).map(|row| row.record().unwrap()).collect();
    assert_eq!(back, records);
    assert!(store.quarantined(&key, &["revoked_key"], None, 3).await.unwrap().is_empty());
    let latest = store.quarantine_latest(1).await.unwrap();
    assert_eq!(latest[0].value(), [0, 159, 146, 150]);
    assert_eq!(latest[0].headers(), [("h".to_owned(), "\\xff".to_owned())]);
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_nanos(0).saturating_add(since)
}
