//! Told: the fields of an event in the form that whoever writes them down can make most of.

use super::slots::Field;
use super::stored::Stored;
use super::{Event, Texts};
use crate::ValueRef;

/// A field.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// Its name.
    pub name: &'a str,
    /// The name again, if it lives as long as the program: its address tells it from every other.
    pub lasting: Option<&'static str>,
    /// Its value.
    pub form: Form<'a>,
}

/// What a value is to whoever writes it down.
#[derive(Debug, Clone, Copy)]
pub enum Form<'a> {
    /// A text that lives as long as the program.
    Word(&'static str),
    /// The piece of [`Event::whole`] that begins at `at` and has `bytes` bytes.
    Piece {
        /// In bytes.
        at: usize,
        /// How many.
        bytes: usize,
    },
    /// Any other.
    Value(ValueRef<'a>),
}

/// See [`Event::told_from`].
#[derive(Debug, Clone)]
pub struct ToldFrom<'a> {
    fields: std::slice::Iter<'a, Field>,
    texts: &'a Texts,
    has_whole: bool,
}

impl Event {
    /// Returns the fields from a place on, in the order they were set.
    #[must_use]
    #[inline(always)]
    pub fn told_from(&self, first: usize) -> ToldFrom<'_> {
        let fields = self.fields.get(first..).unwrap_or_default().iter();
        ToldFrom { fields, texts: &self.texts, has_whole: self.whole.is_some() }
    }
}

impl Event {
    /// Returns the value of the field at a place in the order they were set.
    #[must_use]
    #[inline(always)]
    pub fn value_at(&self, index: usize) -> Option<ValueRef<'_>> {
        self.fields.get(index).map(|field| field.stored.value(&self.texts))
    }

    /// Returns the place of the field that holds [`Event::whole`].
    #[must_use]
    #[inline(always)]
    pub fn whole_at(&self) -> Option<usize> {
        self.whole
    }
}

impl<'a> Iterator for ToldFrom<'a> {
    type Item = Told<'a>;

    // Into the loop of whoever writes: it asks for the form, and knows what to do with it.
    #[inline(always)]
    fn next(&mut self) -> Option<Told<'a>> {
        let field = self.fields.next()?;
        let (name, lasting) = match field.own {
            0 => (field.name, Some(field.name)),
            _ => (field.name(self.texts), None),
        };
        let form = match &field.stored {
            Stored::Static(text) => Form::Word(text),
            Stored::Piece(span) if self.has_whole => {
                Form::Piece { at: span.start as usize, bytes: span.bytes as usize }
            }
            other => Form::Value(other.value(self.texts)),
        };
        Some(Told { name, lasting, form })
    }

    #[inline(always)]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.fields.size_hint()
    }
}

impl ExactSizeIterator for ToldFrom<'_> {}
