//! Rows: writing them.

use rules_event::{Event, Value};

use super::names::Names;
use super::{
    EVENT, FALSE, FLOAT, HAS_BINARY_ID, HAS_SHARED, HAS_TEXT, INT, KIND_BITS, LIST, NULL, PIECE,
    SECTION, SHARED, TEXT, TRUE,
};
use crate::out::Out;

/// What a section has told so far, for what is written next to build upon.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    names: Names,
    /// The fields shared, see [`Event::kept_id`]; 0: none.
    shared: u64,
    /// Time of the event before, nanoseconds.
    time: i64,
    is_open: bool,
}

impl Rows {
    /// Lets the next event begin a section: what is before it may not be what was written last.
    pub(crate) fn close(&mut self) {
        self.is_open = false;
    }

    /// Writes an event into a buffer from a place on; returns where it ends. If that is not kept, the
    /// section must be closed: names it told are told for nothing.
    pub(crate) fn write(&mut self, buffer: &mut Vec<u8>, at: usize, event: &Event) -> usize {
        let mut out = Out::new(buffer, at);
        if !self.is_open {
            out.bytes(&[SECTION]);
            self.names.clear();
            (self.shared, self.time, self.is_open) = (0, 0, true);
        }
        let kept = if event.kept_id() == 0 { 0 } else { event.kept() };
        if kept > 0 && self.shared != event.kept_id() {
            self.shared = event.kept_id();
            out.bytes(&[SHARED]);
            self.fields(&mut out, event, 0..kept, None);
        }
        let id = binary(&event.id);
        let whole = event.whole();
        let flag = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
        let flags = flag(kept > 0, HAS_SHARED)
            | flag(id.is_some(), HAS_BINARY_ID)
            | flag(whole.is_some(), HAS_TEXT);
        out.bytes(&[EVENT | flags]);
        let time = event.time.as_nanos();
        out.zigzag(time.wrapping_sub(self.time));
        self.time = time;
        match &id {
            Some(id) => out.bytes(id),
            None => out.text(&event.id),
        }
        if let Some(whole) = whole {
            out.text(whole);
        }
        self.fields(&mut out, event, kept..event.fields().len(), whole);
        out.at()
    }

    fn fields(
        &mut self,
        out: &mut Out<'_>,
        event: &Event,
        range: std::ops::Range<usize>,
        whole: Option<&str>,
    ) {
        out.varint(range.len() as u64);
        for index in range {
            let Some((name, value)) = event.at(index) else { break };
            let (number, is_new) = match event.static_name(index) {
                Some(name) => self.names.of_static(name),
                None => self.names.of(name),
            };
            let piece = whole.and_then(|_| event.piece(index));
            let kind = if piece.is_some() { PIECE } else { kind(value) };
            out.varint(u64::from(number) << KIND_BITS | u64::from(kind));
            if is_new {
                out.text(name);
            }
            match (piece, value) {
                (Some(at), Value::Str(text)) => {
                    out.varint(at as u64);
                    out.varint(text.len() as u64);
                }
                _ => write_value(out, value),
            }
        }
    }
}

fn kind(value: &Value) -> u8 {
    match value {
        Value::Str(_) => TEXT,
        Value::Int(_) => INT,
        Value::Bool(false) => FALSE,
        Value::Bool(true) => TRUE,
        Value::Null => NULL,
        Value::Float(_) => FLOAT,
        Value::List(_) => LIST,
    }
}

#[inline(always)]
fn write_value(out: &mut Out<'_>, value: &Value) {
    match value {
        Value::Str(text) => out.text(text),
        Value::Int(number) => out.zigzag(*number),
        Value::Bool(_) | Value::Null => {}
        Value::Float(number) => out.bytes(&number.to_le_bytes()),
        Value::List(items) => write_list(out, items),
    }
}

fn write_list(out: &mut Out<'_>, items: &[Value]) {
    out.varint(items.len() as u64);
    for item in items {
        out.bytes(&[kind(item)]);
        write_value(out, item);
    }
}

/// Returns an id of 32 lower-case hexadecimal digits as the bytes it stands for.
#[inline(always)]
fn binary(id: &str) -> Option<[u8; 16]> {
    let digits: &[u8; 32] = id.as_bytes().try_into().ok()?;
    // Without a way out of the loop, so that the compiler makes a few wide operations of it.
    let mut is_hex = true;
    let mut numbers = [0; 32];
    for (number, digit) in numbers.iter_mut().zip(digits) {
        is_hex &= digit.is_ascii_digit() | (b'a'..=b'f').contains(digit);
        *number = (digit & 0xf) + 9 * (digit >> 6);
    }
    let mut bytes = [0; 16];
    for (byte, pair) in bytes.iter_mut().zip(numbers.as_chunks::<2>().0) {
        *byte = pair[0] << 4 | pair[1];
    }
    is_hex.then_some(bytes)
}
