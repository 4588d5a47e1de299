//! The wire form of an event: writing it.
//!
//! Written by hand, since every line of every log passes here: a text is looked at for characters to
//! escape and copied in one pass, sixteen bytes at a time, into memory that is there already. The bytes
//! are those that `serde_json` would write.

use rules_event::{Event, Timestamp, ValueRef};

use crate::out::{LANE, Out};

/// Writes an event as one JSON object without a line end.
///
/// `@timestamp` and `event.id` come first; the other fields keep their order.
pub fn write_event(out: &mut Vec<u8>, event: &Event) {
    let at = out.len();
    let end = write_event_at(out, at, event);
    out.truncate(end);
}

/// Writes an event into a buffer from a place on; returns where it ends. What is behind that place is
/// overwritten, so that a buffer that is used again need not be cleared.
fn write_event_at(buffer: &mut Vec<u8>, at: usize, event: &Event) -> usize {
    let mut out = Writer(Out::new(buffer, at));
    out.bytes(b"{\"@timestamp\":\"");
    out.time(event.time);
    out.bytes(b"\",\"event.id\":");
    out.text(&event.id);
    for (name, value) in event.fields() {
        out.bytes(b",");
        out.text(name);
        out.bytes(b":");
        out.value(value);
    }
    out.bytes(b"}");
    out.0.at()
}

/// Most bytes that one byte of text becomes: `\u001f`.
const ESCAPE_BYTES_MAX: usize = 6;

/// How a byte is written behind a backslash: `u` as a number; 0: as it is, without one.
///
/// Spec: RFC 8259, 7.
const ESCAPES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = b'u';
        byte += 1;
    }
    table[0x08] = b'b';
    table[b'\t' as usize] = b't';
    table[b'\n' as usize] = b'n';
    table[0x0c] = b'f';
    table[b'\r' as usize] = b'r';
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table
};

/// Says whether one of the bytes must be escaped. Without a way out of the loop, so that the compiler
/// makes one comparison of it.
#[inline(always)]
fn any_odd<const N: usize>(bytes: &[u8; N]) -> bool {
    let odd = |byte: u8| (byte < 0x20) | (byte == b'"') | (byte == b'\\');
    bytes.iter().fold(false, |any, byte| any | odd(*byte))
}

/// Copies the bytes to the start of `out`, which is at least a lane longer. Says whether one of them
/// must be escaped; what was copied is then of no use.
#[inline(always)]
fn copy(bytes: &[u8], out: &mut [u8]) -> bool {
    let mut odd = false;
    let (lanes, rest) = bytes.as_chunks::<LANE>();
    let (places, _) = out.as_chunks_mut::<LANE>();
    for (lane, place) in lanes.iter().zip(places) {
        *place = *lane;
        odd |= any_odd(lane);
    }
    // Pieces that overlap are looked at twice: cheaper than byte by byte.
    if let Some(last) = bytes.last_chunk::<LANE>() {
        if let Some(place) = out.get_mut(bytes.len() - LANE..bytes.len()) {
            place.copy_from_slice(last);
        }
        return odd | any_odd(last);
    }
    odd | copy_short::<8>(rest, out).or_else(|| copy_short::<4>(rest, out)).unwrap_or_else(|| {
        for (byte, place) in rest.iter().zip(out) {
            *place = *byte;
            odd |= any_odd(&[*byte]);
        }
        odd
    })
}

/// Copies between `N` and twice as many bytes; `None` if there are fewer.
#[inline(always)]
fn copy_short<const N: usize>(bytes: &[u8], out: &mut [u8]) -> Option<bool> {
    let (first, last) = (bytes.first_chunk::<N>()?, bytes.last_chunk::<N>()?);
    out.get_mut(..N)?.copy_from_slice(first);
    out.get_mut(bytes.len() - N..bytes.len())?.copy_from_slice(last);
    Some(any_odd(first) | any_odd(last))
}

/// Writes JSON.
struct Writer<'a>(Out<'a>);

impl Writer<'_> {
    #[inline(always)]
    fn bytes(&mut self, bytes: &[u8]) {
        self.0.bytes(bytes);
    }

    #[inline]
    fn text(&mut self, text: &str) {
        let bytes = text.as_bytes();
        let out = self.0.room(bytes.len() + 2 + LANE);
        out[0] = b'"';
        if copy(bytes, &mut out[1..]) {
            self.odd_text(bytes);
            return;
        }
        out[bytes.len() + 1] = b'"';
        self.0.wrote(bytes.len() + 2);
    }

    /// Writes a text that holds something to escape: every line of an access log does.
    fn odd_text(&mut self, bytes: &[u8]) {
        self.bytes(b"\"");
        let (lanes, rest) = bytes.as_chunks::<LANE>();
        for lane in lanes {
            if any_odd(lane) {
                self.escaped(lane);
            } else {
                self.bytes(lane);
            }
        }
        self.escaped(rest);
        self.bytes(b"\"");
    }

    fn escaped(&mut self, bytes: &[u8]) {
        let out = self.0.room(bytes.len() * ESCAPE_BYTES_MAX);
        let mut at = 0;
        for byte in bytes {
            let escape = ESCAPES[usize::from(*byte)];
            if escape == 0 {
                out[at] = *byte;
                at += 1;
                continue;
            }
            out[at] = b'\\';
            out[at + 1] = escape;
            at += 2;
            if escape == b'u' {
                let digits = [b'0', b'0', digit(byte >> 4), digit(byte & 0xf)];
                out[at..at + 4].copy_from_slice(&digits);
                at += 4;
            }
        }
        self.0.wrote(at);
    }

    fn value(&mut self, value: ValueRef<'_>) {
        match value {
            ValueRef::Str(text) => self.text(text),
            ValueRef::Int(number) => self.bytes(itoa::Buffer::new().format(number).as_bytes()),
            ValueRef::Null => self.bytes(b"null"),
            ValueRef::Bool(true) => self.bytes(b"true"),
            ValueRef::Bool(false) => self.bytes(b"false"),
            ValueRef::Float(number) => {
                let text = serde_json::to_string(&number).expect("a number is no error");
                self.bytes(text.as_bytes());
            }
            ValueRef::List(items) => {
                self.bytes(b"[");
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        self.bytes(b",");
                    }
                    self.value(item.into());
                }
                self.bytes(b"]");
            }
        }
    }

    /// Writes a time as [`Timestamp`] prints itself.
    fn time(&mut self, time: Timestamp) {
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
        self.bytes(&text);
        if nanos > 0 {
            let mut fraction = *b".000000000";
            let mut left = nanos;
            for digit in fraction[1..].iter_mut().rev() {
                *digit = b'0' + (left % 10) as u8;
                left /= 10;
            }
            let zeros = fraction.iter().rev().take_while(|digit| **digit == b'0').count();
            self.bytes(&fraction[..fraction.len() - zeros]);
        }
        self.bytes(b"Z");
    }
}

/// A hexadecimal digit.
fn digit(number: u8) -> u8 {
    if number < 10 { b'0' + number } else { b'a' + number - 10 }
}

const NANOS_A_SECOND: i64 = 1_000_000_000;
const SECONDS_A_DAY: i64 = 86_400;

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
    use rules_event::Value;
    use serde_json::json;

    use super::*;

    fn written(event: &Event) -> String {
        // Behind what is there, over what is left.
        let mut out = b"before".to_vec();
        write_event(&mut out, event);
        let mut again = vec![b'\\'; 3_000];
        let end = write_event_at(&mut again, 7, event);
        assert_eq!(again[7..end], out[6..]);
        String::from_utf8(out).unwrap()["before".len()..].to_owned()
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
            let expected = format!("{{\"@timestamp\":\"{time}\",\"event.id\":\"\"}}");
            prop_assert_eq!(written(&Event::new(time, String::new())), expected);
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
                    let expected = serde_json::to_string(&text).unwrap();
                    let event = Event::new(Timestamp::default(), text);
                    assert!(written(&event).ends_with(&format!(":{expected}}}")));
                }
            }
        }
    }
}
