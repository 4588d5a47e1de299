//! Rows: events as bytes, each name and each word of the program once, pieces of a text as their places in it.
//!
//! An event as JSON is six times the line it was decoded from: it repeats the names of its fields, and
//! most of its values are pieces of the line that it also holds whole. Writing and compressing that
//! cost an agent more than finding it out. As rows an event is twice its line.
//!
//! `docs/spec/wire.md` is the public form. In short: a value is one section after the other; a section
//! numbers the names it uses as they come, and may set fields that all its events share.
//!
//! ```text
//! section  = 0x01
//! shared   = 0x02 count field*
//! event    = 0x10..0x17 time id [text] count field*
//! field    = number<<3|kind [name] value
//! ```

mod names;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use read::read;
pub(crate) use write::Rows;

/// Forgets the names, the shared fields and the time: what follows may have been written by another.
const SECTION: u8 = 0x01;
/// Sets what the events that say so have in common.
const SHARED: u8 = 0x02;
/// An event; the bits below say more of it.
const EVENT: u8 = 0x10;
/// It has the shared fields, before its own.
const HAS_SHARED: u8 = 1;
/// Its id is 16 bytes, for 32 hexadecimal digits; else it is a text.
const HAS_BINARY_ID: u8 = 2;
/// It was decoded from a text that follows; some of its values are pieces of it.
const HAS_TEXT: u8 = 4;

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
