//! Rows: reading them. What is read may come from anyone who has a key.

use std::borrow::Cow;

use rules_event::{Event, Timestamp, Value, ValueRef, field, intern};

use super::{
    EVENT, FLOAT, HAS_BINARY_ID, HAS_SHARED, HAS_TEXT, INT, KIND_BITS, LIST, PIECE, SECTION,
    SHARED, SIMPLE, TEXT, WORD,
};

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

/// Reads the events of a value.
///
/// # Errors
/// A [`Fault`].
pub(crate) fn read(raw: &[u8]) -> Result<Vec<Event>, Fault> {
    let mut reader = Reader { rest: raw, left: READ_BYTES_MAX, names: Vec::new() };
    let mut events = Vec::new();
    let (mut shared, mut time, mut is_open) = (None::<Event>, 0i64, false);
    while let Some((kind, rest)) = reader.rest.split_first() {
        reader.rest = rest;
        let place = |reason| (events.len() + 1, reason);
        match *kind {
            SECTION => {
                reader.names.clear();
                (shared, time, is_open) = (None, 0, true);
            }
            _ if !is_open => return Err(place("it is before any section")),
            SHARED => {
                let mut fields = Event::default();
                reader.fields(&mut fields, None).map_err(place)?;
                fields.keep();
                shared = Some(fields);
            }
            kind if kind & !(HAS_SHARED | HAS_BINARY_ID | HAS_TEXT) == EVENT => {
                let common = match (kind & HAS_SHARED != 0, &shared) {
                    (false, _) => None,
                    (true, Some(shared)) => Some(shared),
                    (true, None) => return Err(place("it has shared fields, and there are none")),
                };
                let event = reader.event(kind, common, &mut time).map_err(place)?;
                events.push(event);
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
    names: Vec<Cow<'static, str>>,
}

type Read<T> = Result<T, &'static str>;

impl<'a> Reader<'a> {
    fn event(&mut self, kind: u8, shared: Option<&Event>, time: &mut i64) -> Read<Event> {
        self.spend(EVENT_BYTES)?;
        let mut event = match shared {
            Some(shared) => {
                for (_, value) in shared.fields() {
                    self.spend(FIELD_BYTES + weight(value))?;
                }
                shared.clone()
            }
            None => Event::default(),
        };
        *time = time.wrapping_add(self.zigzag()?);
        event.time = Timestamp::from_nanos(*time);
        event.id = if kind & HAS_BINARY_ID != 0 {
            hex::encode(self.take(16)?)
        } else {
            self.text()?.to_owned()
        };
        let text = if kind & HAS_TEXT != 0 { Some(self.text()?) } else { None };
        match text {
            // Set to pieces of the text again, so that it can be written as it was read.
            Some(text) => event.decoded_from(text, |event| self.fields(event, Some(text)))?,
            None => self.fields(&mut event, None)?,
        }
        Ok(event)
    }

    fn fields(&mut self, event: &mut Event, whole: Option<&str>) -> Read<()> {
        for _ in 0..self.varint()? {
            let tag = self.varint()?;
            let (number, kind) = (tag >> KIND_BITS, (tag & ((1 << KIND_BITS) - 1)) as u8);
            let name = self.name(number)?;
            if name == field::TIMESTAMP || name == field::EVENT_ID {
                return Err("a field has the name of the time or of the id");
            }
            if let Cow::Owned(name) = &name {
                self.spend(name.len())?;
            }
            self.spend(FIELD_BYTES)?;
            match kind {
                WORD => {
                    let number = self.varint()?;
                    match self.name(number)? {
                        // Written again it is a word again.
                        Cow::Borrowed(word) => event.set(name, word),
                        Cow::Owned(word) => {
                            self.spend(word.len())?;
                            event.set_text(name, &word);
                        }
                    }
                }
                TEXT => event.set_text(name, self.text()?),
                PIECE => {
                    let whole = whole.ok_or("a value is a piece of a text, and there is none")?;
                    let (at, bytes) = (self.length()?, self.length()?);
                    let end = at.checked_add(bytes).ok_or("a piece is not in its text")?;
                    self.spend(bytes)?;
                    event.set_text(name, whole.get(at..end).ok_or("a piece is not in its text")?);
                }
                _ => event.set(name, self.value(kind, DEPTH_MAX)?),
            }
        }
        Ok(())
    }

    fn value(&mut self, kind: u8, depth: usize) -> Read<Value> {
        Ok(match kind {
            TEXT => Value::text(self.text()?),
            INT => Value::Int(self.zigzag()?),
            SIMPLE => match self.take(1)?[0] {
                0 => Value::Null,
                1 => Value::Bool(false),
                2 => Value::Bool(true),
                _ => return Err("a value is of an unknown kind"),
            },
            WORD => {
                let number = self.varint()?;
                let place = self.place(number)?;
                let word = self.names.get(place).ok_or("a name is not known")?;
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
        let name = self.names.get_mut(place).ok_or("a name is not known")?;
        if let Cow::Owned(text) = name {
            *name = intern(text);
        }
        Ok(name.clone())
    }

    /// Returns where the name or word with a number is; a new one follows. There is room for few texts that
    /// live as long as the program, so it is not made one before it is needed.
    fn place(&mut self, number: u64) -> Read<usize> {
        let number = usize::try_from(number).map_err(|_| "a name is not known")?;
        if number == self.names.len() {
            let name = self.text()?;
            self.spend(FIELD_BYTES + name.len())?;
            self.names.push(Cow::Owned(name.to_owned()));
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

/// What a value takes, beside the field.
fn weight(value: ValueRef<'_>) -> usize {
    match value {
        ValueRef::Str(text) => text.len(),
        ValueRef::List(items) => items.iter().map(|item| FIELD_BYTES + weight(item.into())).sum(),
        _ => 0,
    }
}
