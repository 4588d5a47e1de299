//! Rows as they are read back, by us and from anyone.

use proptest::prelude::*;
use rules_event::{Event, Timestamp, Value, intern};

use std::sync::Arc;

use super::shapes::SHAPES_MAX;
use super::write::Rows;
use super::{
    EVENT, FLOAT, HAS_ORIGIN, HAS_SHAPE, HAS_SHARED, INT, LIST, OFFSET, PIECE, SECTION, SHARED,
    SOURCE, TEXT,
};
use crate::SourceHash;

const AGENT: [u8; 16] = [7; 16];

fn read(raw: &[u8]) -> Result<Vec<Event>, super::read::Fault> {
    super::read(raw, &AGENT)
}

fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-70i64..70).prop_map(Value::Int),
        proptest::num::f64::NORMAL.prop_map(Value::Float),
        "\\PC{0,40}".prop_map(Value::from),
    ];
    scalar.prop_recursive(3, 12, 4, |inner| {
        proptest::collection::vec(inner, 0..4).prop_map(Value::List)
    })
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[a-e]\\.[a-c]", 1 => "\\PC{0,140}"]
}

/// What is done to an event; numbers choose a piece of its text.
#[derive(Debug, Clone)]
enum Act {
    Set(String, Value),
    Piece(String, prop::sample::Index, prop::sample::Index),
    Whole(String),
    Remove(String),
    Word(String, &'static str),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let index = any::<prop::sample::Index>;
    let act = prop_oneof![
        3 => (name(), value()).prop_map(|(name, value)| Act::Set(name, value)),
        3 => (name(), index(), index()).prop_map(|(name, a, b)| Act::Piece(name, a, b)),
        1 => name().prop_map(Act::Whole),
        1 => name().prop_map(Act::Remove),
        2 => (name(), prop::sample::select(vec!["", "success", "a.a", "failure"]))
            .prop_map(|(name, word)| Act::Word(name, word)),
    ];
    proptest::collection::vec(act, 0..12)
}

fn run(event: &mut Event, text: &str, acts: &[Act]) {
    let bounds: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    for act in acts {
        match act {
            Act::Set(name, value) => event.set(intern(name), value.clone()),
            Act::Whole(name) => event.set_text(intern(name), text),
            Act::Remove(name) => drop(event.remove(name)),
            Act::Word(name, word) => event.set(intern(name), *word),
            Act::Piece(name, a, b) => {
                let (a, b) = (*a.get(&bounds), *b.get(&bounds));
                event.set_text(intern(name), &text[a.min(b)..a.max(b)]);
            }
        }
    }
}

/// What an event is known by.
#[derive(Debug, Clone)]
enum Id {
    Text(String),
    /// A source and an offset; whether the event bears the id that follows, and says where it begins.
    Origin(&'static str, u64, bool, bool),
}

/// One record: whether what is kept changes before it, its id, time, text, and what is decoded from it.
type Story = (Option<Vec<Act>>, Id, i64, String, Vec<Act>, Vec<Act>, bool);

fn story() -> impl Strategy<Value = Story> {
    let text = prop_oneof![4 => "[0-9a-f]{32}", 1 => "[0-9a-fA-F]{30,34}", 1 => "\\PC{0,9}"];
    let source = prop::sample::select(vec!["", "file:1", "file:2"]);
    let offset = prop_oneof![Just(0), 0..500_u64, Just(u64::MAX), any::<u64>()];
    let id = prop_oneof![
        text.prop_map(Id::Text),
        (source, offset, any::<bool>(), any::<bool>())
            .prop_map(|(source, offset, bears, says)| Id::Origin(source, offset, bears, says)),
    ];
    let kept = proptest::option::weighted(0.2, acts());
    (kept, id, any::<i64>(), "\\PC{0,60}", acts(), acts(), any::<bool>())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn events_come_back_as_they_were(stories in proptest::collection::vec(story(), 0..12)) {
        let (mut rows, mut raw, mut at) = (Rows::default(), Vec::new(), 0);
        let (mut event, mut expected) = (Event::default(), Vec::new());
        for (kept, id, nanos, text, within, after, closes) in stories {
            if let Some(kept) = kept {
                event.keep_none();
                event.reset(Timestamp::default());
                run(&mut event, "kept", &kept);
                event.keep();
            }
            event.reset(Timestamp::from_nanos(nanos));
            event.set_source(None);
            event.decoded_from(&text, |event| run(event, &text, &within));
            // Texts that lie where the decoded one lay are no pieces of it.
            run(&mut event, &text, &after);
            let mut follows = String::new();
            match id {
                Id::Text(id) => event.id = id,
                Id::Origin(source, offset, bears, says) => {
                    SourceHash::new(&AGENT, source).of_offset(offset, &mut follows);
                    event.set_source(Some(source.into()));
                    event.set_offset(offset);
                    if bears {
                        event.id.clone_from(&follows);
                    }
                    if says {
                        event.set("log.offset", offset as i64);
                    }
                }
            }
            if closes {
                rows.close();
            }
            at = rows.write(&mut raw, at, &event);
            let mut told = event.clone();
            if !follows.is_empty() {
                told.id = follows;
            }
            expected.push(told);
        }
        let found = read(&raw[..at]).expect("what was written can be read");
        prop_assert_eq!(&found, &expected);
        // And what was read can be written.
        let (mut rows, mut again, mut at) = (Rows::default(), Vec::new(), 0);
        for event in &found {
            at = rows.write(&mut again, at, event);
        }
        prop_assert_eq!(read(&again[..at]).expect("once more"), expected);
    }

    #[test]
    fn any_bytes_are_events_or_a_fault(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
        let _ = read(&[&[SECTION, EVENT, 0, 0][..], &bytes].concat());
    }

    #[test]
    fn damage_is_an_event_or_a_fault(at in any::<prop::sample::Index>(), bit in 0u32..8, cut in any::<bool>()) {
        let mut raw = sample();
        let at = at.index(raw.len());
        if cut {
            raw.truncate(at);
        } else {
            raw[at] ^= 1 << bit;
        }
        let _ = read(&raw);
    }
}

fn sample() -> Vec<u8> {
    let (mut rows, mut raw, mut at) = (Rows::default(), Vec::new(), 0);
    let mut event = Event::default();
    event.set("host.name", "portal01");
    event.keep();
    for (number, text) in ["Accepted password for root", "Đăng nhập thất bại"].iter().enumerate()
    {
        event.reset(Timestamp::from_seconds(1_795_600_000 + number as i64));
        event.id = format!("{number:032x}");
        event.decoded_from(text, |event| {
            event.set_text("user.name", &text[text.len() - 4..]);
            event.set_text("event.original", text);
        });
        event.set("rule.id", Value::List(vec!["a".into(), Value::Int(-3), Value::Float(0.5)]));
        at = rows.write(&mut raw, at, &event);
    }
    raw.truncate(at);
    raw
}

#[test]
fn records_of_a_file_need_no_id_and_no_offset() {
    let (mut rows, mut raw, mut at) = (Rows::default(), Vec::new(), 0);
    let (mut event, mut ends) = (Event::default(), Vec::new());
    event.set_source(Some("file:1".into()));
    let text = "sshd: session opened";
    for number in 0..3_u64 {
        event.reset(Timestamp::from_seconds(1_795_600_000));
        event.decoded_from(text, |event| event.set_text("event.original", text));
        event.set_offset(100 + number * 21);
        event.set("log.offset", 100 + number as i64 * 21);
        event.set("event.outcome", "success");
        at = rows.write(&mut raw, at, &event);
        ends.push(at);
    }
    // Its kind, time, place and shape, one byte each; where its text is a piece of itself, two; its text.
    assert_eq!(ends[2] - ends[1], 6 + 1 + text.len());
    let events = read(&raw[..at]).unwrap();
    let mut id = String::new();
    SourceHash::new(&AGENT, "file:1").of_offset(142, &mut id);
    assert_eq!((&events[2].id, events[2].get("log.offset").unwrap().as_int()), (&id, Some(142)));
    assert_eq!(events[2].origin(), Some((&Arc::from("file:1"), 142)));
    assert_eq!(events[2].get_str("event.outcome"), Some("success"));
}

#[test]
fn there_may_be_more_shapes_than_are_numbered() {
    let (mut rows, mut raw, mut at) = (Rows::default(), Vec::new(), 0);
    let mut expected = Vec::new();
    let names: Vec<_> = (0..SHAPES_MAX + 50).map(|number| intern(&format!("n{number}"))).collect();
    for round in 0..2 {
        for name in &names {
            let mut event = Event::default();
            event.set(name.clone(), round);
            at = rows.write(&mut raw, at, &event);
            expected.push(event);
        }
    }
    assert_eq!(read(&raw[..at]).unwrap(), expected);
    let shaped = |round: &[Event]| {
        let mut again = Vec::new();
        let mut rows = Rows::default();
        round.iter().fold(0, |at, event| rows.write(&mut again, at, event))
    };
    // And a section that begins anew has room again.
    assert_eq!(shaped(&expected[..10]), shaped(&expected[names.len()..][..10]));
}

#[test]
fn a_piece_costs_its_place_and_shared_fields_nothing() {
    let raw = sample();
    let count = |text: &str| raw.windows(text.len()).filter(|at| *at == text.as_bytes()).count();
    for once in ["host.name", "portal01", "user.name", "event.original", "rule.id", "root"] {
        assert_eq!(count(once), 1, "{once}");
    }
    assert_eq!(count("Accepted password for "), 1);
    let mut events = read(&raw).unwrap();
    assert_eq!(events[0].get_str("user.name"), Some("root"));
    assert_eq!(events[1].get_str("host.name"), Some("portal01"));
    // What is taken out is gone, though a piece is left.
    events[0].remove("event.original");
    let mut raw = Vec::new();
    let end = Rows::default().write(&mut raw, 0, &events[0]);
    assert!(!raw[..end].windows(8).any(|at| at == b"Accepted"));
    assert_eq!(read(&raw[..end]).unwrap(), events[..1]);
}

#[test]
fn faults_name_the_event() {
    let fault = |bytes: &[u8]| read(bytes).unwrap_err();
    let field = |kind: u8| kind; // of the first name
    assert_eq!(fault(&[EVENT]), (1, "it is before any section"));
    assert_eq!(fault(&[SECTION, 0x22]), (1, "it is of an unknown kind"));
    let good = [SECTION, EVENT, 0, 0, 0];
    assert_eq!(read(&good).unwrap().len(), 1);
    let second = |rest: &[u8]| fault(&[&good, rest].concat());
    assert_eq!(
        second(&[EVENT | HAS_SHARED, 0, 0, 0]),
        (2, "it has shared fields, and there are none")
    );
    assert_eq!(second(&[EVENT, 0, 0]), (2, "it ends early"));
    assert_eq!(second(&[EVENT, 0, 0, 1, 1 << 3, 0]), (2, "a name is not known"));
    assert_eq!(
        second(&[EVENT, 0, 0, 1, field(PIECE), 1, b'a', 0, 0]),
        (2, "a value is a piece of a text, and there is none")
    );
    assert_eq!(second(&[EVENT, 0, 0, 1, field(TEXT), 1, 0xff, 0]), (2, "a text is not UTF-8"));
    let not_finite = [&[EVENT, 0, 0, 1, FLOAT, 1, b'a'][..], &f64::NAN.to_le_bytes()].concat();
    assert_eq!(second(&not_finite), (2, "a number is not finite"));
    let deep = [&[EVENT, 0, 0, 1, LIST, 1, b'a'][..], &[1, LIST].repeat(1_000)].concat();
    assert_eq!(second(&deep), (2, "lists lie in lists too deep"));
    assert_eq!(second(&[EVENT | HAS_ORIGIN, 0, 0, 0]), (2, "it has no source"));
    let place = [EVENT, 0, 0, 1, OFFSET, 1, b'a'];
    assert_eq!(second(&place), (2, "a value is where the event begins, unknown"));
    let far = [SOURCE, 1, b's', EVENT | HAS_ORIGIN, 0, 1, 1, OFFSET, 1, b'a'];
    assert_eq!(second(&far), (2, "it begins too far"));
    assert_eq!(second(&[EVENT | HAS_SHAPE, 0, 0, 1]), (2, "a shape is not known"));
    let shape = [EVENT | HAS_SHAPE, 0, 0, 0, 1, INT, 1, b'a'];
    assert_eq!(second(&shape), (2, "it ends early"));
    assert_eq!(second(&[[0x80; 10].as_slice(), &[1]].concat()).0, 2);
}

#[test]
fn few_bytes_do_not_become_many() {
    // One text of 64 KiB that each of many events shares.
    let mut raw = vec![SECTION, SHARED, 1, TEXT, 1, b'a', 0x80, 0x80, 0x04];
    raw.resize(raw.len() + 65_536, b'x');
    raw.extend([EVENT | HAS_SHARED, 0, 0, 0].repeat(100_000));
    let (event, reason) = read(&raw).unwrap_err();
    assert_eq!(reason, "with it the batch is too large once read");
    assert!((1_000..3_000).contains(&event), "{event}");
}
