//! Rows: writing them.

use std::sync::Arc;

use rules_event::{Event, Form, Told, Value, ValueRef, field};

use super::names::Names;
use super::shapes::Shapes;
use super::{
    EVENT, HAS_BINARY_ID, HAS_ORIGIN, HAS_SHAPE, HAS_SHARED, HAS_TEXT, KIND_BITS, LIST, OFFSET,
    SECTION, SHARED, SIMPLE, SOURCE, WORD, kind, kind_of, simple,
};
use crate::out::Out;

/// What a section has told so far, for what is written next to build upon.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    names: Names,
    shapes: Shapes,
    /// The fields shared, see [`Event::kept_id`]; 0: none.
    shared: u64,
    /// The source told last.
    source: Option<Arc<str>>,
    /// Time of the event before, nanoseconds.
    time: i64,
    /// Where the record after the one before begins, if nothing is left out.
    offset: u64,
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
            self.shapes.clear();
            (self.shared, self.source, self.time, self.offset) = (0, None, 0, 0);
            self.is_open = true;
        }
        let kept = if event.kept_id() == 0 { 0 } else { event.kept() };
        if kept > 0 && self.shared != event.kept_id() {
            self.shared = event.kept_id();
            out.bytes(&[SHARED]);
            out.varint(kept as u64);
            for told in event.told_from(0).take(kept) {
                self.field(&mut out, &told, None);
            }
        }
        let origin = event.origin();
        if let Some((source, _)) = origin
            && !self.source.as_ref().is_some_and(|it| Arc::ptr_eq(it, source) || it == source)
        {
            out.bytes(&[SOURCE]);
            out.text(source);
            self.source = Some(Arc::clone(source));
            self.offset = 0;
        }
        let offset = origin.map(|(_, offset)| offset);
        let id = if origin.is_some() { None } else { event.binary_id() };
        let whole = event.whole();
        let flag = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
        let flags = flag(kept > 0, HAS_SHARED)
            | flag(id.is_some(), HAS_BINARY_ID)
            | flag(origin.is_some(), HAS_ORIGIN)
            | flag(whole.is_some(), HAS_TEXT);
        let begin = out.at();
        out.bytes(&[EVENT | flags | HAS_SHAPE]);
        let time = event.time.as_nanos();
        out.zigzag(time.wrapping_sub(self.time));
        self.time = time;
        match (offset, &id) {
            (Some(offset), _) => {
                out.zigzag(offset.wrapping_sub(self.offset) as i64);
                // A line end is behind it.
                let bytes = whole.map_or(0, str::len) as u64;
                self.offset = offset.wrapping_add(bytes).wrapping_add(1);
            }
            (_, Some(id)) => out.bytes(id),
            _ => out.text(&event.id),
        }
        if let Some(whole) = whole {
            out.text(whole);
        }
        let told = out.at();
        let names = self.names.count();
        if self.known(&mut out, event, kept, offset).is_none() {
            // Names that were told meanwhile are not.
            out.back_to(told);
            if self.names.count() > names {
                self.names.forget_from(names);
            }
            if !self.tell(&mut out, event, kept, offset) {
                out.put(begin, EVENT | flags);
            }
        }
        out.at()
    }

    /// Writes what is not shared of an event whose shape is known. Otherwise nothing of what it wrote is
    /// of use.
    #[inline(always)]
    fn known(
        &mut self,
        out: &mut Out<'_>,
        event: &Event,
        kept: usize,
        offset: Option<u64>,
    ) -> Option<()> {
        let fields = event.told_from(kept);
        if !self.shapes.begin(fields.len()) {
            return None;
        }
        let number = out.at();
        out.bytes(&[0]);
        for told in fields {
            if !self.shapes.add(&told, offset) {
                return None;
            }
            self.content(out, &told, offset);
        }
        out.put(number, self.shapes.known()?);
        Some(())
    }

    /// Writes the same of any other: with its shape, which is known from now on, or with its fields where
    /// it may have none. Says whether it has one.
    #[cold]
    fn tell(&mut self, out: &mut Out<'_>, event: &Event, kept: usize, offset: Option<u64>) -> bool {
        let fields = event.told_from(kept);
        let is_one = self.shapes.begin(fields.len())
            && fields.clone().all(|told| self.shapes.add(&told, offset));
        let number = if is_one { self.shapes.learn() } else { None };
        match number {
            Some(number) => {
                out.bytes(&[number]);
                self.shape(out, event, kept, offset);
                fields.for_each(|told| self.content(out, &told, offset));
                true
            }
            None => {
                out.varint(fields.len() as u64);
                fields.for_each(|told| self.field(out, &told, offset));
                false
            }
        }
    }

    /// Tells a shape.
    fn shape(&mut self, out: &mut Out<'_>, event: &Event, kept: usize, offset: Option<u64>) {
        let fields = event.told_from(kept);
        out.varint(fields.len() as u64);
        for told in fields {
            self.tag(out, &told, offset);
            match told.form {
                Form::Word(word) => self.word(out, word),
                Form::Value(value @ (ValueRef::Null | ValueRef::Bool(_))) => scalar(out, value),
                _ => {}
            }
        }
    }

    /// Writes what a shape does not say of a field.
    #[inline(always)]
    fn content(&mut self, out: &mut Out<'_>, told: &Told<'_>, offset: Option<u64>) {
        match told.form {
            Form::Word(_) => {}
            Form::Piece { at, bytes } => {
                out.varints(at as u64, bytes as u64);
            }
            Form::Value(ValueRef::List(items)) => {
                self.list(out, items, told.name == field::RULE_ID);
            }
            Form::Value(value) => match kind_of(told, offset) {
                SIMPLE | OFFSET => {}
                _ => scalar(out, value),
            },
        }
    }

    /// Writes a field with its name and its kind.
    fn field(&mut self, out: &mut Out<'_>, told: &Told<'_>, offset: Option<u64>) {
        self.tag(out, told, offset);
        match told.form {
            Form::Word(word) => self.word(out, word),
            Form::Value(value @ (ValueRef::Null | ValueRef::Bool(_))) => scalar(out, value),
            _ => self.content(out, told, offset),
        }
    }

    fn tag(&mut self, out: &mut Out<'_>, told: &Told<'_>, offset: Option<u64>) {
        let (number, is_new) = match told.lasting {
            Some(name) => self.names.of_static(name),
            None => self.names.of(told.name),
        };
        out.varint(u64::from(number) << KIND_BITS | u64::from(kind_of(told, offset)));
        if is_new {
            out.text(told.name);
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
                    name(out, number, text);
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

    fn word(&mut self, out: &mut Out<'_>, word: &'static str) {
        let number = self.names.of_static(word);
        name(out, number, word);
    }
}

#[inline(always)]
fn name(out: &mut Out<'_>, (number, is_new): (u32, bool), text: &str) {
    out.varint(u64::from(number));
    if is_new {
        out.text(text);
    }
}

#[inline(always)]
fn scalar(out: &mut Out<'_>, value: ValueRef<'_>) {
    match value {
        ValueRef::Str(text) => out.text(text),
        ValueRef::Int(number) => out.zigzag(number),
        ValueRef::Null | ValueRef::Bool(_) => out.bytes(&[simple(value)]),
        ValueRef::Float(number) => out.bytes(&number.to_le_bytes()),
        ValueRef::List(_) => {}
    }
}
