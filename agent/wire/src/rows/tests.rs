//! Rows as they are read back, by us and from anyone.

use proptest::prelude::*;
use rules_event::{Event, Timestamp, Value, intern};

use super::read::read;
use super::write::Rows;
use super::{EVENT, FLOAT, HAS_SHARED, LIST, PIECE, SECTION, SHARED, TEXT};

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

/// One record: whether what is kept changes before it, its id, time, text, and what is decoded from it.
type Story = (Option<Vec<Act>>, String, i64, String, Vec<Act>, Vec<Act>, bool);

fn story() -> impl Strategy<Value = Story> {
    let id = prop_oneof![4 => "[0-9a-f]{32}", 1 => "[0-9a-fA-F]{30,34}", 1 => "\\PC{0,9}"];
    let kept = proptest::option::weighted(0.2, acts());
    (kept, id, any::<i64>(), "\\PC{0,60}", acts(), acts(), any::<bool>())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

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
            event.id = id;
            event.decoded_from(&text, |event| run(event, &text, &within));
            // Texts that lie where the decoded one lay are no pieces of it.
            run(&mut event, &text, &after);
            if closes {
                rows.close();
            }
            at = rows.write(&mut raw, at, &event);
            expected.push(event.clone());
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
    assert_eq!(fault(&[SECTION, 0x42]), (1, "it is of an unknown kind"));
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
