//! Rows: writing them.

use rules_event::{Event, Value, ValueRef, field};

use super::names::Names;
use super::{
    EVENT, FLOAT, HAS_BINARY_ID, HAS_SHARED, HAS_TEXT, INT, KIND_BITS, LIST, PIECE, SECTION,
    SHARED, SIMPLE, TEXT, WORD,
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
        let id = event.binary_id();
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
            let word = event.static_text(index);
            let kind = match (piece, word) {
                (Some(_), _) => PIECE,
                (_, Some(_)) => WORD,
                _ => kind(value),
            };
            out.varint(u64::from(number) << KIND_BITS | u64::from(kind));
            if is_new {
                out.text(name);
            }
            match (piece, word, value) {
                (Some(at), _, ValueRef::Str(text)) => {
                    out.varint(at as u64);
                    out.varint(text.len() as u64);
                }
                (_, Some(word), _) => {
                    let number = self.names.of_static(word);
                    self.word(out, number, word);
                }
                (_, _, ValueRef::List(items)) => self.list(out, items, name == field::RULE_ID),
                _ => scalar(out, value),
            }
        }
    }

    /// `repeats` says that the items stand in many events: ids of rules are few, long, and in every second.
    fn list(&mut self, out: &mut Out<'_>, items: &[Value], repeats: bool) {
        out.varint(items.len() as u64);
        for item in items {
            match item {
                Value::Str(text) if repeats && self.names.has_room() => {
                    out.bytes(&[WORD]);
                    let number = self.names.of_text(text);
                    self.word(out, number, text);
                }
                Value::List(items) => {
                    out.bytes(&[LIST]);
                    self.list(out, items, repeats);
                }
                item => {
                    out.bytes(&[kind(item.into())]);
                    scalar(out, item.into());
                }
            }
        }
    }

    #[inline(always)]
    fn word(&mut self, out: &mut Out<'_>, (number, is_new): (u32, bool), word: &str) {
        out.varint(u64::from(number));
        if is_new {
            out.text(word);
        }
    }
}

fn kind(value: ValueRef<'_>) -> u8 {
    match value {
        ValueRef::Str(_) => TEXT,
        ValueRef::Int(_) => INT,
        ValueRef::Null | ValueRef::Bool(_) => SIMPLE,
        ValueRef::Float(_) => FLOAT,
        ValueRef::List(_) => LIST,
    }
}

#[inline(always)]
fn scalar(out: &mut Out<'_>, value: ValueRef<'_>) {
    match value {
        ValueRef::Str(text) => out.text(text),
        ValueRef::Int(number) => out.zigzag(number),
        ValueRef::Null => out.bytes(&[0]),
        ValueRef::Bool(flag) => out.bytes(&[1 + u8::from(flag)]),
        ValueRef::Float(number) => out.bytes(&number.to_le_bytes()),
        ValueRef::List(_) => {}
    }
}
