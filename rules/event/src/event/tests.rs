//! What an event keeps and gives back.

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
    assert_eq!((event.piece(0), event.static_text(2)), (None, Some("word")));
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
