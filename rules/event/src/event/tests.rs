//! What an event keeps and gives back.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;

#[test]
fn a_name_occurs_once() {
    let mut event = Event::new(Timestamp::from_seconds(1), "ab".into());
    event.set(field::MESSAGE, "one");
    event.set(field::MESSAGE, "two");
    assert_eq!(event.get_str(field::MESSAGE), Some("two"));
    assert_eq!(event.fields().len(), 1);
    assert_eq!(event.remove(field::MESSAGE), Some(Value::from("two")));
    assert_eq!(event.get(field::MESSAGE), None);
}

#[test]
fn one_event_serves_for_many_records() {
    let long = "x".repeat(100);
    let mut event = Event::new(Timestamp::from_seconds(1), "ab".into());
    event.set_text(field::AGENT_HOST, &long);
    event.keep();
    event.set_text(field::MESSAGE, &long);
    event.set(field::SOURCE_PORT, 22);
    event.reset(Timestamp::from_seconds(2));
    assert_eq!((event.id.as_str(), event.fields().len(), event.kept()), ("", 1, 1));
    assert_eq!(event.get(field::MESSAGE), None);
    event.set_text(field::MESSAGE, &long[..50]);
    let mut fresh = Event::new(Timestamp::from_seconds(2), String::new());
    fresh.set_text(field::AGENT_HOST, &long);
    fresh.set_text(field::MESSAGE, &long[..50]);
    assert_eq!((&event, &event.clone()), (&fresh, &fresh));
    // What is set anew is not true of all records.
    event.set_text(field::AGENT_HOST, "other");
    event.reset(Timestamp::from_seconds(3));
    assert_eq!((event.fields().len(), event.kept()), (0, 0));
}

#[test]
fn an_id_of_digits_is_sixteen_bytes() {
    let mut event = Event::default();
    for number in 0..256 {
        event.id = format!("{number:02x}").repeat(16);
        assert_eq!(event.binary_id(), Some([number as u8; 16]));
    }
    for byte in (0..=127).filter(|byte| !b"0123456789abcdef".contains(byte)) {
        event.id = format!("{}{}", "0".repeat(31), char::from(byte));
        assert_eq!(event.binary_id(), None, "{byte}");
    }
    for length in [0, 31, 33] {
        event.id = "0".repeat(length);
        assert_eq!(event.binary_id(), None);
    }
}

#[test]
fn pieces_of_the_text_are_known_and_go_with_it() {
    let mut event = Event::default();
    let text = "user root logs in";
    event.decoded_from(text, |event| {
        event.set_text(field::SOURCE_IP, "1");
        event.reset(Timestamp::from_seconds(3));
        event.set_text(field::USER_NAME, &text[5..9]);
        event.set_text(field::EVENT_ORIGINAL, text);
        event.set_text(field::EVENT_ACTION, "root");
    });
    assert_eq!((event.whole(), event.piece(0), event.piece(2)), (Some(text), Some(5), None));
    assert_eq!((event.is_covered(0), event.is_covered(1)), (true, false));
    let copy = event.clone();
    assert_eq!((&copy, copy.whole()), (&event, Some(text)));
    event.remove(field::EVENT_ORIGINAL);
    assert_eq!((event.whole(), event.is_covered(0)), (None, false));
    // Another text: what was a piece of the first is a text of its own.
    event.decoded_from("other", |event| event.set(field::MESSAGE, "word"));
    assert_eq!(event.get_str(field::USER_NAME), Some("root"));
    let word = event.told_from(2).next().map(|told| told.form);
    assert!(event.piece(0).is_none() && matches!(word, Some(Form::Word("word"))), "{word:?}");
    event.keep();
    event.reset(Timestamp::default());
    assert_eq!(event.get_str(field::USER_NAME), Some("root"));
}

#[test]
fn a_name_is_found_whatever_the_filter_says() {
    let mut event = Event::default();
    let names: Vec<String> = (0..1_000).map(|number| format!("name.{number}")).collect();
    for (number, name) in (0..).zip(&names) {
        assert_eq!(event.get(name), None);
        event.set(name.clone(), number);
    }
    for (number, name) in (0..).zip(&names) {
        assert_eq!(event.get(name).and_then(ValueRef::as_int), Some(number));
        event.set(name.clone(), number + 1);
    }
    assert_eq!(event.fields().len(), names.len());
}

#[test]
fn rule_ids_reads_one_or_many() {
    let mut event = Event::default();
    assert_eq!(event.rule_ids().count(), 0);
    event.set(field::RULE_ID, "a");
    assert_eq!(event.rule_ids().collect::<Vec<_>>(), ["a"]);
    event.set(field::RULE_ID, Value::List(vec!["a".into(), "b".into()]));
    assert_eq!(event.rule_ids().collect::<Vec<_>>(), ["a", "b"]);
}

/// Names enough that several share a place.
static MODEL_NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let name = |number| -> &'static str { format!("model.name{number}.{number}").leak() };
    (0..400).map(name).collect()
});

/// What can be done to an event.
#[derive(Debug, Clone)]
enum Step {
    Static(usize, i64),
    Piece(usize, usize, usize),
    Copy(usize, String),
    Owned(usize, i64),
    List(usize, i64),
    Remove(usize),
    Reset,
    Keep,
    KeepNone,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let name = 0usize..400;
    let step = prop_oneof![
        6 => (name.clone(), any::<i64>()).prop_map(|(name, number)| Step::Static(name, number)),
        6 => (name.clone(), 0usize..9, 0usize..9).prop_map(|(name, start, end)| Step::Piece(name, start, end)),
        3 => (name.clone(), "[a-z]{0,9}").prop_map(|(name, text)| Step::Copy(name, text)),
        2 => (name.clone(), any::<i64>()).prop_map(|(name, number)| Step::Owned(name, number)),
        2 => (name.clone(), any::<i64>()).prop_map(|(name, number)| Step::List(name, number)),
        2 => name.prop_map(Step::Remove),
        1 => Just(Step::Reset),
        1 => Just(Step::Keep),
        1 => Just(Step::KeepNone),
    ];
    prop::collection::vec(step, 0..600)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, failure_persistence: None, ..ProptestConfig::default() })]

    /// Fields written over others, found through places and chains, against a plain list.
    #[test]
    fn an_event_is_a_list_of_names_and_values(steps in steps()) {
        let names = &*MODEL_NAMES;
        let text = "abcdefgh";
        let mut event = Event::default();
        let mut model: Vec<(&str, Value)> = Vec::new();
        let mut kept = 0;
        event.decoded_from(text, |event| {
            for step in steps {
                let (name, value) = match step {
                    Step::Static(name, number) => {
                        event.set(names[name], number);
                        (name, Value::Int(number))
                    }
                    Step::Piece(name, start, end) => {
                        let piece = text.get(start..end).unwrap_or(text);
                        event.set_text(names[name], piece);
                        (name, Value::text(piece))
                    }
                    Step::Copy(name, text) => {
                        event.set_text(names[name], &text);
                        (name, Value::text(&text))
                    }
                    Step::Owned(name, number) => {
                        event.set(names[name].to_owned(), number);
                        (name, Value::Int(number))
                    }
                    Step::List(name, number) => {
                        let list = Value::List(vec![Value::Int(number)]);
                        event.set(names[name], list.clone());
                        (name, list)
                    }
                    Step::Remove(name) => {
                        let at = model.iter().position(|(known, _)| *known == names[name]);
                        let expected = at.map(|at| {
                            kept = kept.min(at);
                            model.remove(at).1
                        });
                        assert_eq!(event.remove(names[name]), expected);
                        continue;
                    }
                    Step::Reset => {
                        event.reset(Timestamp::default());
                        model.truncate(kept);
                        continue;
                    }
                    Step::Keep => {
                        event.keep();
                        kept = model.len();
                        continue;
                    }
                    Step::KeepNone => {
                        event.keep_none();
                        kept = 0;
                        continue;
                    }
                };
                match model.iter_mut().position(|(known, _)| *known == names[name]) {
                    Some(at) => {
                        kept = kept.min(at);
                        model[at].1 = value;
                    }
                    None => model.push((names[name], value)),
                }
            }
        });
        let found: Vec<_> = event.fields().map(|(name, value)| (name, value.to_value())).collect();
        prop_assert_eq!(&found, &model);
        for name in names.iter().copied() {
            let expected = model.iter().find(|(known, _)| *known == name).map(|(_, value)| value);
            let found = event.get(name).map(ValueRef::to_value);
            prop_assert_eq!(found.as_ref(), expected);
        }
    }
}
