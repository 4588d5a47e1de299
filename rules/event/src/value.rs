//! Value: what a field may hold.

use std::borrow::Cow;
use std::fmt;

use compact_str::CompactString;

/// The value of one field of an event.
///
/// Mirrors what JSON can say, except that objects are flattened into dotted field names before they
/// get here (`{"source":{"ip":"…"}}` becomes the field `source.ip`).
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// The field is present and explicitly empty. An absent field is no `Value` at all.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction. Never NaN or infinite: JSON cannot carry those.
    Float(f64),
    /// Text, always valid UTF-8 (see [`crate::encode_lossless`] for bytes that were not). Short
    /// ones, that is most, lie in the value itself: an event is read in one go.
    Str(CompactString),
    /// Several values of one field, such as `rule.id`.
    List(Vec<Self>),
}

impl Value {
    /// Returns a text as a value.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Str(CompactString::new(text))
    }

    /// Returns the text, if this value is text.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the whole number, if this value is one.
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// Returns the values of a list, or the single value as a list of one.
    #[must_use]
    pub fn as_slice(&self) -> &[Self] {
        match self {
            Self::List(values) => values,
            single => std::slice::from_ref(single),
        }
    }

    /// Returns the value as a rule sees it: text for every scalar, `None` for null and lists.
    #[must_use]
    pub fn to_text(&self) -> Option<Cow<'_, str>> {
        ValueRef::from(self).to_text()
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ValueRef::from(self).fmt(f)
    }
}

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

impl<'a> ValueRef<'a> {
    /// Returns the text, if this value is text.
    #[must_use]
    pub fn as_str(self) -> Option<&'a str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the whole number, if this value is one.
    #[must_use]
    pub fn as_int(self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(number),
            _ => None,
        }
    }

    /// Returns the values of a list, or the single value.
    pub fn items(self) -> impl Iterator<Item = Self> {
        let (list, single) = match self {
            Self::List(values) => (values, None),
            single => (&[][..], Some(single)),
        };
        list.iter().map(Self::from).chain(single)
    }

    /// Returns the value as a rule sees it: text for every scalar, `None` for null and lists.
    #[must_use]
    pub fn to_text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Str(text) => Some(Cow::Borrowed(text)),
            Self::Int(number) => Some(Cow::Owned(number.to_string())),
            Self::Float(number) => Some(Cow::Owned(number.to_string())),
            Self::Bool(flag) => Some(Cow::Borrowed(if flag { "true" } else { "false" })),
            Self::Null | Self::List(_) => None,
        }
    }

    /// Returns it as a value that stands alone.
    #[must_use]
    pub fn to_value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(flag) => Value::Bool(flag),
            Self::Int(number) => Value::Int(number),
            Self::Float(number) => Value::Float(number),
            Self::Str(text) => Value::text(text),
            Self::List(values) => Value::List(values.to_vec()),
        }
    }
}

impl<'a> From<&'a Value> for ValueRef<'a> {
    #[inline]
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

impl fmt::Display for ValueRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::List(values) => {
                for (index, value) in values.iter().enumerate() {
                    if index > 0 {
                        f.write_str(", ")?;
                    }
                    write!(f, "{value}")?;
                }
                Ok(())
            }
            scalar => f.write_str(&scalar.to_text().unwrap_or_default()),
        }
    }
}

impl PartialEq<Value> for ValueRef<'_> {
    fn eq(&self, other: &Value) -> bool {
        *self == ValueRef::from(other)
    }
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Str(CompactString::const_new(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Str(CompactString::from(text))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}
