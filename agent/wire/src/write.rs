//! The wire form of an event: writing it.
//!
//! Written by hand, since every line of every log passes here: a value costs one look for characters
//! to escape, many bytes at a time, and one copy. The bytes are those that `serde_json` would write.

use std::io::Write as _;

use rules_event::{Event, Timestamp, Value};

/// Writes an event as one JSON object without a line end.
///
/// `@timestamp` and `event.id` come first; the other fields keep their order.
pub fn write_event(out: &mut Vec<u8>, event: &Event) {
    out.extend_from_slice(b"{\"@timestamp\":\"");
    write_time(out, event.time);
    out.extend_from_slice(b"\",\"event.id\":");
    write_text(out, &event.id);
    for (name, value) in event.fields() {
        out.push(b',');
        write_text(out, name);
        out.push(b':');
        write_value(out, value);
    }
    out.push(b'}');
}

fn write_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Int(number) => {
            out.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes());
        }
        Value::Float(number) => {
            serde_json::to_writer(out, number).expect("writing into memory cannot fail");
        }
        Value::Str(text) => write_text(out, text),
        Value::List(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_value(out, item);
            }
            out.push(b']');
        }
    }
}

/// What must be escaped: control characters, the quote and the backslash. Spec: RFC 8259, 7.
const fn is_odd(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

/// Bytes looked at together: what a vector register of any x86-64 or ARM64 holds.
const LANE: usize = 16;

/// Says whether none of the bytes must be escaped.
#[inline]
fn is_plain(bytes: &[u8]) -> bool {
    // Without a way out of the loop, so that the compiler makes one vector comparison of it.
    let any_odd = |lane: &[u8; LANE]| lane.iter().fold(false, |any, byte| any | is_odd(*byte));
    let (lanes, rest) = bytes.as_chunks::<LANE>();
    if lanes.iter().any(any_odd) {
        return false;
    }
    match bytes.last_chunk::<LANE>() {
        // What overlaps is looked at twice: cheaper than byte by byte.
        Some(last) => !any_odd(last),
        None => !rest.iter().any(|byte| is_odd(*byte)),
    }
}

#[inline]
fn write_text(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    // Once for all that follows, if nothing is escaped.
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    if is_plain(bytes) {
        out.extend_from_slice(bytes);
    } else {
        write_odd(out, bytes);
    }
    out.push(b'"');
}

/// Writes a text that holds something to escape.
fn write_odd(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut rest = bytes;
    // Quotes are in every line of an access log, control characters in hardly any.
    if rest.iter().fold(true, |none, byte| none & (*byte >= 0x20)) {
        while let Some(at) = memchr::memchr2(b'"', b'\\', rest) {
            let (before, after) = rest.split_at(at);
            out.extend_from_slice(before);
            let Some((odd, after)) = after.split_first() else { break };
            out.extend_from_slice(&[b'\\', *odd]);
            rest = after;
        }
        out.extend_from_slice(rest);
        return;
    }
    while let Some(at) = rest.iter().position(|byte| is_odd(*byte)) {
        let (before, after) = rest.split_at(at);
        out.extend_from_slice(before);
        let Some((odd, after)) = after.split_first() else { break };
        let short = match odd {
            b'"' => b'"',
            b'\\' => b'\\',
            0x08 => b'b',
            0x0c => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            _ => 0,
        };
        if short == 0 {
            write!(out, "\\u{odd:04x}").expect("writing into memory cannot fail");
        } else {
            out.extend_from_slice(&[b'\\', short]);
        }
        rest = after;
    }
    out.extend_from_slice(rest);
}

const NANOS_A_SECOND: i64 = 1_000_000_000;
const SECONDS_A_DAY: i64 = 86_400;

/// Writes a time as [`Timestamp`] prints itself.
fn write_time(out: &mut Vec<u8>, time: Timestamp) {
    let (seconds, nanos) = (time.as_seconds(), time.as_nanos().rem_euclid(NANOS_A_SECOND));
    let (days, second) = (seconds.div_euclid(SECONDS_A_DAY), seconds.rem_euclid(SECONDS_A_DAY));
    let (year, month, day) = civil(days);
    let mut text = *b"0000-00-00T00:00:00";
    let mut put = |at: usize, number: i64| {
        let digits = [b'0' + (number / 10 % 10) as u8, b'0' + (number % 10) as u8];
        text[at..at + 2].copy_from_slice(&digits);
    };
    put(0, year / 100);
    put(2, year % 100);
    put(5, month);
    put(8, day);
    put(11, second / 3_600);
    put(14, second / 60 % 60);
    put(17, second % 60);
    out.extend_from_slice(&text);
    if nanos > 0 {
        let mut fraction = *b".000000000";
        let mut left = nanos;
        for digit in fraction[1..].iter_mut().rev() {
            *digit = b'0' + (left % 10) as u8;
            left /= 10;
        }
        let zeros = fraction.iter().rev().take_while(|digit| **digit == b'0').count();
        out.extend_from_slice(&fraction[..fraction.len() - zeros]);
    }
    out.push(b'Z');
}

/// Returns year, month and day of a day counted from 1970-01-01, for the years of [`Timestamp`].
///
/// Spec: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn civil(days: i64) -> (i64, i64, i64) {
    // Years that begin in March, so that the leap day is the last of its year.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn written(event: &Event) -> String {
        let mut out = Vec::new();
        write_event(&mut out, event);
        String::from_utf8(out).unwrap()
    }

    /// What `serde_json` makes of a value.
    fn reference(value: &Value) -> serde_json::Value {
        match value {
            Value::Null => json!(null),
            Value::Bool(flag) => json!(flag),
            Value::Int(number) => json!(number),
            Value::Float(number) => json!(number),
            Value::Str(text) => json!(text.as_str()),
            Value::List(items) => items.iter().map(reference).collect(),
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            "[ -~]{0,70}",
            "(\\PC|[\\x00-\\x1f\"\\\\\u{7f}đ]){0,40}",
            proptest::collection::vec(any::<char>(), 0..40).prop_map(String::from_iter),
        ];
        let scalar = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            proptest::num::f64::NORMAL.prop_map(Value::Float),
            text.prop_map(Value::from),
        ];
        prop_oneof![
            4 => scalar.clone(),
            1 => proptest::collection::vec(scalar, 0..4).prop_map(Value::List),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_bytes_are_those_of_serde_json(
            nanos in any::<i64>(),
            name in "[a-z.\"\\\\\n]{1,40}",
            value in value(),
        ) {
            let mut event = Event::new(Timestamp::from_nanos(nanos), "ab\"c".to_owned());
            event.set(name.clone(), value.clone());
            let time = Timestamp::from_nanos(nanos).to_string();
            let expected = format!(
                "{{\"@timestamp\":\"{time}\",\"event.id\":\"ab\\\"c\",{}:{}}}",
                serde_json::to_string(&name).unwrap(),
                serde_json::to_string(&reference(&value)).unwrap()
            );
            prop_assert_eq!(written(&event), expected);
        }

        #[test]
        fn times_of_all_sizes(seconds in -9_223_372_036i64..9_223_372_036, nanos in 0i64..NANOS_A_SECOND, digits in 0u32..10) {
            // Fractions that end in zeros are cut.
            let nanos = nanos / 10i64.pow(digits) * 10i64.pow(digits);
            let time = Timestamp::from_nanos(seconds.saturating_mul(NANOS_A_SECOND).saturating_add(nanos));
            let mut out = Vec::new();
            write_time(&mut out, time);
            prop_assert_eq!(String::from_utf8(out).unwrap(), time.to_string());
        }
    }

    #[test]
    fn escapes_at_every_place() {
        for length in 0..70 {
            for at in 0..length {
                for odd in ['"', '\\', '\n', '\u{1}', '\u{7f}'] {
                    let mut text: Vec<char> = vec!['x'; length];
                    text[at] = odd;
                    let text = String::from_iter(text);
                    let mut out = Vec::new();
                    write_text(&mut out, &text);
                    assert_eq!(out, serde_json::to_vec(&text).unwrap());
                }
            }
        }
    }
}
