//! Source: where the fields of a hit are read: an event, what a host wrote down of one, or a firing.

use std::borrow::Cow;

use rules_event::{Event, Timestamp, ValueRef};

use crate::definition::{Definition, Field};
use crate::fired::shortened;
use crate::group::{NewEnd, constant};
use crate::hit::{Carried, EventId};
use crate::wanted::text_of;

/// A group value longer than this is cut, and a digest of the whole put in place of the rest.
pub(crate) const GROUP_VALUE_BYTES_MAX: usize = 256;

/// A hit as a host writes it down: what correlations read in the event, and no more.
#[derive(Debug, Clone, Copy)]
pub struct Noted<'a> {
    /// Of the event.
    pub time: Timestamp,
    /// Of the event.
    pub id: EventId,
    /// For how many events it stands; see [`crate::REPEAT_COUNT`].
    pub repeats: i64,
    /// Names and texts of the fields: see [`crate::Correlator::wanted`] and [`text_of`].
    pub fields: &'a [(&'a str, &'a str)],
}

/// Where the fields of a hit are read.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) what: What<'a>,
    /// What all events have in common.
    pub(crate) constants: &'a [(String, String)],
}

#[derive(Clone, Copy)]
pub(crate) enum What<'a> {
    Event(&'a Event),
    Noted(&'a Noted<'a>),
    /// A nested correlation that fired: its group, and what its hit carried along.
    Nested(&'a NewEnd),
}

impl<'a> Source<'a> {
    /// Reads a field by its name.
    pub(crate) fn read(self, name: &str) -> Option<Cow<'a, str>> {
        let own = match self.what {
            What::Event(event) => return text_of(event, name),
            What::Noted(noted) => {
                noted.fields.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
            }
            What::Nested(end) => match end.group.iter().find(|(known, _)| known == name) {
                Some((_, value)) => Some(value.as_str()),
                None => end.carried.as_ref().and_then(|carried| carried.get(&end.names, name)),
            },
        };
        own.or_else(|| constant(self.constants, name)).map(Cow::Borrowed)
    }

    /// Reads a field of a correlation. The group of a nested one goes by the correlation's names.
    pub(crate) fn text(self, field: &Field, place: usize) -> Option<Cow<'a, str>> {
        self.read(field.of_rule(place))
    }

    pub(crate) fn number(self, field: &Field, place: usize) -> Option<f64> {
        let number = match self.what {
            What::Event(event) => match event.get(field.of_rule(place))? {
                #[expect(clippy::cast_precision_loss, reason = "sums are rounded to f64 anyway")]
                ValueRef::Int(number) => Some(number as f64),
                ValueRef::Float(number) => Some(number),
                ValueRef::Str(text) => text.trim().parse().ok(),
                _ => None,
            },
            _ => self.text(field, place)?.trim().parse().ok(),
        };
        number.filter(|number: &f64| number.is_finite())
    }

    /// Writes what a hit is to carry. What all events have in common is known without.
    pub(crate) fn carry(self, definition: &Definition, out: &mut Vec<u8>) {
        out.clear();
        for name in definition.carried.iter() {
            match self.read(name) {
                Some(text) if constant(self.constants, name) != Some(&*text) => {
                    Carried::write(out, Some(&shortened(&text, GROUP_VALUE_BYTES_MAX)));
                }
                _ => Carried::write(out, None),
            }
        }
    }
}
