//! Rows: events as bytes, each name and each word of the program once, pieces of a text as their places in it.
//!
//! An event as JSON is six times the line it was decoded from: it repeats the names of its fields, and
//! most of its values are pieces of the line that it also holds whole. Writing and compressing that
//! cost an agent more than finding it out. As rows an event is twice its line.
//!
//! `docs/spec/wire.md` is the public form. In short: a value is one section after the other; a section
//! numbers the names and the shapes of events it uses as they come, and may set fields that all its
//! events share.
//!
//! ```text
//! section  = 0x01
//! shared   = 0x02 count field*
//! source   = 0x03 text
//! event    = 0x40..0x5f time id [text] (shape content* | count field*)
//! shape    = number [count tag*]
//! field    = tag content
//! tag      = number<<3|kind [name] [word]
//! ```

mod names;
mod read;
mod shapes;
#[cfg(test)]
mod tests;
mod write;

use rules_event::{Form, Told, ValueRef, field};

pub(crate) use read::read;
pub(crate) use write::Rows;

/// Forgets the names, the shapes, the shared fields, the source, and the time: what follows may have been
/// written by another.
const SECTION: u8 = 0x01;
/// Sets what the events that say so have in common.
const SHARED: u8 = 0x02;
/// Sets the source of the events that say where in it they begin.
const SOURCE: u8 = 0x03;
/// An event; the bits below say more of it.
const EVENT: u8 = 0x40;
/// It has the shared fields, before its own.
const HAS_SHARED: u8 = 1;
/// Its id is 16 bytes, for 32 hexadecimal digits; else it is a text, or follows from its origin.
const HAS_BINARY_ID: u8 = 2;
/// It was decoded from a text that follows; some of its values are pieces of it.
const HAS_TEXT: u8 = 4;
/// It has a shape; else it tells its fields itself.
const HAS_SHAPE: u8 = 8;
/// In place of its id it says where in its source it begins.
const HAS_ORIGIN: u8 = 16;
/// All of these.
const FLAGS: u8 = 31;

/// Bits that the kind of a value takes, below the number of its name.
const KIND_BITS: u32 = 3;
/// A length, and so many bytes of UTF-8.
const TEXT: u8 = 0;
/// Where in the event's text it begins, and how many bytes it has.
const PIECE: u8 = 1;
const INT: u8 = 2;
/// A byte: 0 null, 1 false, 2 true.
const SIMPLE: u8 = 3;
/// A text that is numbered as names are, and among them.
const WORD: u8 = 4;
/// Eight bytes, IEEE 754 binary64, little-endian.
const FLOAT: u8 = 5;
/// A count, and so many times a kind and a value.
const LIST: u8 = 6;
/// Where in its source the event begins.
const OFFSET: u8 = 7;
/// How many there are.
const KINDS: u8 = 8;

#[inline(always)]
fn kind(value: ValueRef<'_>) -> u8 {
    match value {
        ValueRef::Str(_) => TEXT,
        ValueRef::Int(_) => INT,
        ValueRef::Null | ValueRef::Bool(_) => SIMPLE,
        ValueRef::Float(_) => FLOAT,
        ValueRef::List(_) => LIST,
    }
}

/// Returns the byte of a value that is [`SIMPLE`].
#[inline(always)]
fn simple(value: ValueRef<'_>) -> u8 {
    match value {
        ValueRef::Bool(flag) => 1 + u8::from(flag),
        _ => 0,
    }
}

/// Returns as what a field of an event is written that begins at an offset of its source.
#[inline(always)]
fn kind_of(told: &Told<'_>, offset: Option<u64>) -> u8 {
    match told.form {
        Form::Word(_) => WORD,
        Form::Piece { .. } => PIECE,
        Form::Value(ValueRef::Int(number))
            if offset.is_some_and(|offset| u64::try_from(number) == Ok(offset))
                && told.name == field::LOG_OFFSET =>
        {
            OFFSET
        }
        Form::Value(value) => kind(value),
    }
}
