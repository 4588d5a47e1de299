//! Rows: reading them. What is read may come from anyone who has a key.

use std::borrow::Cow;
use std::sync::Arc;

use rules_event::{Event, Timestamp, Value, ValueRef, field, intern};

use super::{
    EVENT, FLAGS, FLOAT, HAS_BINARY_ID, HAS_ORIGIN, HAS_SHAPE, HAS_SHARED, HAS_TEXT, INT,
    KIND_BITS, LIST, OFFSET, PIECE, SECTION, SHARED, SIMPLE, SOURCE, TEXT, WORD,
};
use crate::SourceHash;

/// What the events of a batch may take once read: 128 MiB, twice what the largest batch of an agent
/// takes. A few bytes can name a large piece, or all shared fields, over and over.
const READ_BYTES_MAX: usize = 128 * 1024 * 1024;
/// What an event takes, beside its fields.
const EVENT_BYTES: usize = 256;
/// What a field takes, beside its text.
const FIELD_BYTES: usize = 64;
/// Lists in lists go so deep: as deep as `serde_json` reads them.
const DEPTH_MAX: usize = 128;

/// Why bytes are no rows: the number of the event, from 1, and what is wrong with it.
pub(crate) type Fault = (usize, &'static str);

/// Reads the events of a value that an agent wrote.
///
/// # Errors
/// A [`Fault`].
pub(crate) fn read(raw: &[u8], agent: &[u8; 16]) -> Result<Vec<Event>, Fault> {
    let mut reader = Reader { rest: raw, left: READ_BYTES_MAX, section: Section::default() };
    let mut events = Vec::new();
    let mut is_open = false;
    while let Some((kind, rest)) = reader.rest.split_first() {
        reader.rest = rest;
        let place = |reason| (events.len() + 1, reason);
        match *kind {
            SECTION => {
                reader.section = Section::default();
                is_open = true;
            }
            _ if !is_open => return Err(place("it is before any section")),
            SHARED => {
                let mut fields = Event::default();
                reader.fields(&mut fields, &Whole::default()).map_err(place)?;
                fields.keep();
                reader.section.shared = Some(fields);
            }
            SOURCE => {
                let key = reader.text().map_err(place)?;
                let hash = SourceHash::new(agent, key);
                reader.section.source = Some(Source { key: key.into(), hash, next: 0 });
            }
            kind if kind & !FLAGS == EVENT => {
                events.push(reader.event(kind).map_err(place)?);
            }
            _ => return Err(place("it is of an unknown kind")),
        }
    }
    Ok(events)
}

struct Reader<'a> {
    rest: &'a [u8],
    /// Of [`READ_BYTES_MAX`].
    left: usize,
    section: Section,
}

/// What the section being read has told so far.
#[derive(Default)]
struct Section {
    names: Vec<Cow<'static, str>>,
    shapes: Vec<Vec<Tag>>,
    shared: Option<Event>,
    source: Option<Source>,
    time: i64,
}

struct Source {
    key: Arc<str>,
    hash: SourceHash,
    /// Where the next record begins, if none is left out.
    next: u64,
}

/// What is known of a field before its content.
#[derive(Clone, Copy)]
struct Tag {
    /// Number of its name.
    name: u64,
    kind: u8,
    /// Number of its word, or its simple value.
    more: u64,
}

/// What the fields of an event may be parts of.
#[derive(Default)]
struct Whole<'a> {
    text: Option<&'a str>,
    offset: Option<u64>,
}

type Read<T> = Result<T, &'static str>;

impl<'a> Reader<'a> {
    fn event(&mut self, kind: u8) -> Read<Event> {
        self.spend(EVENT_BYTES)?;
        let mut event = match (kind & HAS_SHARED != 0, self.section.shared.take()) {
            (true, Some(shared)) => {
                let weights = shared.fields().map(|(_, value)| FIELD_BYTES + weight(value));
                let bytes = weights.sum();
                let event = shared.clone();
                self.section.shared = Some(shared);
                self.spend(bytes)?;
                event
            }
            (true, None) => return Err("it has shared fields, and there are none"),
            (false, shared) => {
                self.section.shared = shared;
                Event::default()
            }
        };
        self.section.time = self.section.time.wrapping_add(self.zigzag()?);
        event.time = Timestamp::from_nanos(self.section.time);
        let mut whole = Whole::default();
        if kind & HAS_ORIGIN != 0 {
            let step = self.zigzag()? as u64;
            let source = self.section.source.as_ref().ok_or("it has no source")?;
            let offset = source.next.wrapping_add(step);
            source.hash.of_offset(offset, &mut event.id);
            event.set_source(Some(Arc::clone(&source.key)));
            event.set_offset(offset);
            whole.offset = Some(offset);
        } else if kind & HAS_BINARY_ID != 0 {
            event.id = hex::encode(self.take(16)?);
        } else {
            event.id = self.text()?.to_owned();
        }
        if kind & HAS_TEXT != 0 {
            whole.text = Some(self.text()?);
        }
        if let (Some(offset), Some(source)) = (whole.offset, &mut self.section.source) {
            let bytes = whole.text.map_or(0, str::len) as u64;
            source.next = offset.wrapping_add(bytes).wrapping_add(1);
        }
        let fields = |reader: &mut Self, event: &mut Event| match kind & HAS_SHAPE {
            0 => reader.fields(event, &whole),
            _ => reader.shaped(event, &whole),
        };
        match whole.text {
            // Set to pieces of the text again, so that it can be written as it was read.
            Some(text) => event.decoded_from(text, |event| fields(self, event))?,
            None => fields(self, &mut event)?,
        }
        Ok(event)
    }

    fn fields(&mut self, event: &mut Event, whole: &Whole<'_>) -> Read<()> {
        for _ in 0..self.varint()? {
            let tag = self.tag()?;
            self.field(event, tag, whole)?;
        }
        Ok(())
    }

    /// Reads fields of a shape; a new one is told first.
    fn shaped(&mut self, event: &mut Event, whole: &Whole<'_>) -> Read<()> {
        let number = self.varint()?;
        let number = usize::try_from(number).map_err(|_| "a shape is not known")?;
        if number == self.section.shapes.len() {
            let mut shape = Vec::new();
            for _ in 0..self.varint()? {
                self.spend(FIELD_BYTES)?;
                shape.push(self.tag()?);
            }
            self.section.shapes.push(shape);
        }
        let fields = self.section.shapes.get(number).ok_or("a shape is not known")?.len();
        for index in 0..fields {
            let tag = self.section.shapes.get(number).and_then(|shape| shape.get(index));
            let tag = *tag.ok_or("a shape is not known")?;
            self.field(event, tag, whole)?;
        }
        Ok(())
    }

    fn tag(&mut self) -> Read<Tag> {
        let tag = self.varint()?;
        let (name, kind) = (tag >> KIND_BITS, (tag & ((1 << KIND_BITS) - 1)) as u8);
        self.place(name)?;
        let more = match kind {
            WORD => {
                let word = self.varint()?;
                self.place(word)?;
                word
            }
            SIMPLE => u64::from(self.take(1)?[0]),
            _ => 0,
        };
        Ok(Tag { name, kind, more })
    }

    fn field(&mut self, event: &mut Event, tag: Tag, whole: &Whole<'_>) -> Read<()> {
        let name = self.name(tag.name)?;
        if name == field::TIMESTAMP || name == field::EVENT_ID {
            return Err("a field has the name of the time or of the id");
        }
        if let Cow::Owned(name) = &name {
            self.spend(name.len())?;
        }
        self.spend(FIELD_BYTES)?;
        match tag.kind {
            WORD => match self.name(tag.more)? {
                // Written again it is a word again.
                Cow::Borrowed(word) => event.set(name, word),
                Cow::Owned(word) => {
                    self.spend(word.len())?;
                    event.set_text(name, &word);
                }
            },
            SIMPLE => event.set(name, simple(tag.more)?),
            TEXT => event.set_text(name, self.text()?),
            PIECE => {
                let whole = whole.text.ok_or("a value is a piece of a text, and there is none")?;
                let (at, bytes) = (self.length()?, self.length()?);
                let end = at.checked_add(bytes).ok_or("a piece is not in its text")?;
                self.spend(bytes)?;
                event.set_text(name, whole.get(at..end).ok_or("a piece is not in its text")?);
            }
            OFFSET => {
                let offset = whole.offset.ok_or("a value is where the event begins, unknown")?;
                event.set(name, i64::try_from(offset).map_err(|_| "it begins too far")?);
            }
            kind => event.set(name, self.value(kind, DEPTH_MAX)?),
        }
        Ok(())
    }

    fn value(&mut self, kind: u8, depth: usize) -> Read<Value> {
        Ok(match kind {
            TEXT => Value::text(self.text()?),
            INT => Value::Int(self.zigzag()?),
            SIMPLE => simple(u64::from(self.take(1)?[0]))?,
            WORD => {
                let number = self.varint()?;
                let place = self.place(number)?;
                let word = self.section.names.get(place).ok_or("a name is not known")?;
                let value = Value::text(word);
                self.spend(word.len())?;
                value
            }
            FLOAT => {
                let bytes = self.take(8)?.try_into().map_err(|_| "it ends early")?;
                let number = f64::from_le_bytes(bytes);
                if !number.is_finite() {
                    return Err("a number is not finite");
                }
                Value::Float(number)
            }
            LIST if depth > 0 => {
                let mut items = Vec::new();
                for _ in 0..self.varint()? {
                    self.spend(FIELD_BYTES)?;
                    let kind = self.take(1)?[0];
                    items.push(self.value(kind, depth - 1)?);
                }
                Value::List(items)
            }
            LIST => return Err("lists lie in lists too deep"),
            _ => return Err("a value is of an unknown kind"),
        })
    }

    /// Returns the name or word with a number, as one that lives as long as the program if it may.
    fn name(&mut self, number: u64) -> Read<Cow<'static, str>> {
        let place = self.place(number)?;
        let name = self.section.names.get_mut(place).ok_or("a name is not known")?;
        if let Cow::Owned(text) = name {
            *name = intern(text);
        }
        Ok(name.clone())
    }

    /// Returns where the name or word with a number is; a new one follows. There is room for few texts that
    /// live as long as the program, so it is not made one before it is needed.
    fn place(&mut self, number: u64) -> Read<usize> {
        let number = usize::try_from(number).map_err(|_| "a name is not known")?;
        if number == self.section.names.len() {
            let name = self.text()?;
            self.spend(FIELD_BYTES + name.len())?;
            self.section.names.push(Cow::Owned(name.to_owned()));
        }
        Ok(number)
    }

    fn text(&mut self) -> Read<&'a str> {
        let bytes = self.length()?;
        let text = std::str::from_utf8(self.take(bytes)?).map_err(|_| "a text is not UTF-8")?;
        self.spend(text.len())?;
        Ok(text)
    }

    fn length(&mut self) -> Read<usize> {
        usize::try_from(self.varint()?).map_err(|_| "it ends early")
    }

    fn take(&mut self, bytes: usize) -> Read<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(bytes).ok_or("it ends early")?;
        self.rest = rest;
        Ok(taken)
    }

    fn varint(&mut self) -> Read<u64> {
        let mut number = 0;
        for (index, byte) in self.rest.iter().enumerate() {
            let group = u64::from(byte & 0x7f);
            let shift = 7 * index as u32;
            if shift > 63 || group << shift >> shift != group {
                return Err("a number has more than 64 bits");
            }
            number |= group << shift;
            if byte & 0x80 == 0 {
                self.rest = &self.rest[index + 1..];
                return Ok(number);
            }
        }
        Err("it ends early")
    }

    fn zigzag(&mut self) -> Read<i64> {
        let number = self.varint()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    fn spend(&mut self, bytes: usize) -> Read<()> {
        self.left =
            self.left.checked_sub(bytes).ok_or("with it the batch is too large once read")?;
        Ok(())
    }
}

fn simple(number: u64) -> Read<Value> {
    match number {
        0 => Ok(Value::Null),
        1 => Ok(Value::Bool(false)),
        2 => Ok(Value::Bool(true)),
        _ => Err("a value is of an unknown kind"),
    }
}

/// What a value takes, beside the field.
fn weight(value: ValueRef<'_>) -> usize {
    match value {
        ValueRef::Str(text) => text.len(),
        ValueRef::List(items) => items.iter().map(|item| FIELD_BYTES + weight(item.into())).sum(),
        _ => 0,
    }
}
