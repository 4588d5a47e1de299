//! Stored: how an event holds a value, and what it can be given.

use std::sync::Arc;

use super::Texts;
use crate::{Value, ValueRef};

/// A value as an event holds it. Texts lie together in the event ([`Texts`]), so that none needs memory
/// of its own and all are read in one go; those that live as long as the program need not even be
/// copied.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stored {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Static(&'static str),
    /// A piece of the text being decoded.
    Piece(Span),
    /// In the event's own block.
    Own(Span),
    /// The number of one of the event's lists.
    List(u32),
}

/// A part of a text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) bytes: u32,
}

impl Span {
    #[inline(always)]
    fn of(self, text: &str) -> &str {
        let start = self.start as usize;
        // In bounds and on borders of characters: whoever made the span cut it out of this text.
        text.get(start..start + self.bytes as usize).unwrap_or_default()
    }
}

impl Stored {
    #[inline(always)]
    pub(super) fn value<'a>(&'a self, texts: &'a Texts) -> ValueRef<'a> {
        match self {
            Self::Null => ValueRef::Null,
            Self::Bool(flag) => ValueRef::Bool(*flag),
            Self::Int(number) => ValueRef::Int(*number),
            Self::Float(number) => ValueRef::Float(*number),
            Self::Static(text) => ValueRef::Str(text),
            Self::Piece(span) => ValueRef::Str(span.of(&texts.source)),
            Self::Own(span) => ValueRef::Str(span.of(&texts.block)),
            Self::List(number) => {
                let items = texts.lists.get(*number as usize).map(|list| &**list);
                ValueRef::List(items.unwrap_or_default())
            }
        }
    }
}

/// What a field can be set to: a [`Value`] or what becomes one. Text that lives as long as the program
/// is not copied.
pub trait FieldValue: sealed::Store {}

impl<T: sealed::Store> FieldValue for T {}

pub(super) mod sealed {
    //! What only this crate can say of a type.

    use super::*;

    /// Turns into what an event holds.
    pub trait Store {
        /// See the trait.
        #[expect(private_interfaces, reason = "the trait cannot be named outside of this crate")]
        fn store(self, texts: &mut Texts) -> Stored;
    }

    #[expect(private_interfaces, reason = "as of the trait")]
    impl Store for &'static str {
        #[inline(always)]
        fn store(self, _: &mut Texts) -> Stored {
            Stored::Static(self)
        }
    }

    #[expect(private_interfaces, reason = "as of the trait")]
    impl Store for String {
        #[inline]
        fn store(self, texts: &mut Texts) -> Stored {
            texts.own(&self)
        }
    }

    #[expect(private_interfaces, reason = "as of the trait")]
    impl Store for i64 {
        #[inline(always)]
        fn store(self, _: &mut Texts) -> Stored {
            Stored::Int(self)
        }
    }

    #[expect(private_interfaces, reason = "as of the trait")]
    impl Store for bool {
        #[inline(always)]
        fn store(self, _: &mut Texts) -> Stored {
            Stored::Bool(self)
        }
    }

    #[expect(private_interfaces, reason = "as of the trait")]
    impl Store for Arc<[Value]> {
        #[inline]
        fn store(self, texts: &mut Texts) -> Stored {
            texts.list(self)
        }
    }

    #[expect(private_interfaces, reason = "as of the trait")]
    impl Store for Value {
        fn store(self, texts: &mut Texts) -> Stored {
            match self {
                Self::Null => Stored::Null,
                Self::Bool(flag) => Stored::Bool(flag),
                Self::Int(number) => Stored::Int(number),
                Self::Float(number) => Stored::Float(number),
                Self::Str(text) => texts.own(&text),
                Self::List(items) => texts.list(items.into()),
            }
        }
    }

    #[expect(private_interfaces, reason = "as of the trait")]
    impl Store for ValueRef<'_> {
        fn store(self, texts: &mut Texts) -> Stored {
            match self {
                Self::Str(text) => texts.own(text),
                other => other.to_value().store(texts),
            }
        }
    }
}
