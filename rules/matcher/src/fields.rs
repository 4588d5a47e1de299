//! Fields: what the matcher asks of an event, whatever form the event has.

use rules_event::{Event, Value};

/// The value of one field, borrowed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ValueRef<'a> {
    /// Present and explicitly empty.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// Text.
    Str(&'a str),
    /// Several values of one field.
    List(&'a [Value]),
}

impl<'a> From<&'a Value> for ValueRef<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Bool(*flag),
            Value::Int(number) => Self::Int(*number),
            Value::Float(number) => Self::Float(*number),
            Value::Str(text) => Self::Str(text),
            Value::List(values) => Self::List(values),
        }
    }
}

/// An event as the matcher reads it: a short list of named values. Of two fields with one name the
/// first counts.
pub trait Fields {
    /// How many fields there are.
    fn len(&self) -> usize;

    /// Says whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Name and value of a field; `None` past the end.
    fn at(&self, index: usize) -> Option<(&str, ValueRef<'_>)>;

    /// Name of a field; `None` past the end.
    fn name(&self, index: usize) -> Option<&str> {
        self.at(index).map(|(name, _)| name)
    }

    /// Name of a field, if it lives as long as the program. Its address may then stand for it, so that
    /// its place among the fields that rules ask for is found without reading it.
    fn static_name(&self, _index: usize) -> Option<&'static str> {
        None
    }

    /// The value of a field by its name.
    fn value(&self, name: &str) -> Option<ValueRef<'_>> {
        (0..self.len())
            .filter_map(|index| self.at(index))
            .find_map(|(known, value)| (known == name).then_some(value))
    }
}

impl Fields for Event {
    #[inline]
    fn len(&self) -> usize {
        self.fields().len()
    }

    #[inline]
    fn at(&self, index: usize) -> Option<(&str, ValueRef<'_>)> {
        Self::at(self, index).map(|(name, value)| (name, value.into()))
    }

    #[inline]
    fn name(&self, index: usize) -> Option<&str> {
        Self::at(self, index).map(|(name, _)| name)
    }

    #[inline]
    fn static_name(&self, index: usize) -> Option<&'static str> {
        Self::static_name(self, index)
    }
}
