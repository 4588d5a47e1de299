//! Event: the one type that flows through the house.

use std::borrow::Cow;

use crate::{Timestamp, Value, field};

/// A decoded record: its time, its identity and its ECS fields.
///
/// Fields are a short list (10 to 40 in practice), so that look-up is a scan over one cache-friendly
/// vector and the order of decoding is kept. A name occurs at most once.
///
/// `Event` is not serialisable on purpose: wire form, table row and API body are forms of their own,
/// each owned by its crate.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Event {
    /// When it happened (`@timestamp`).
    pub time: Timestamp,
    /// Who it is (`event.id`): 32 hexadecimal digits, the same whenever the same bytes are read.
    pub id: String,
    fields: Vec<(Cow<'static, str>, Value)>,
}

impl Event {
    /// Returns an event without fields.
    #[must_use]
    pub fn new(time: Timestamp, id: String) -> Self {
        Self { time, id, fields: Vec::with_capacity(24) }
    }

    /// Returns the value of a field by its dotted ECS name.
    ///
    /// `@timestamp` and `event.id` are not found here: they are [`Event::time`] and [`Event::id`].
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.fields.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Returns the text of a field, if it is there and holds text.
    #[must_use]
    pub fn get_str(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }

    /// Sets a field, replacing what it held.
    pub fn set(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Value>) {
        let (name, value) = (name.into(), value.into());
        match self.fields.iter_mut().find(|(key, _)| *key == name) {
            Some((_, old)) => *old = value,
            None => self.fields.push((name, value)),
        }
    }

    /// Removes a field and returns what it held.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let index = self.fields.iter().position(|(key, _)| key == name)?;
        Some(self.fields.remove(index).1)
    }

    /// Returns the fields in the order they were set.
    #[inline]
    pub fn fields(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.fields.iter().map(|(name, value)| (name.as_ref(), value))
    }

    /// Returns the name and value of the field at a place in that order.
    #[must_use]
    #[inline]
    pub fn at(&self, index: usize) -> Option<(&str, &Value)> {
        self.fields.get(index).map(|(name, value)| (name.as_ref(), value))
    }

    /// Returns the name of the field at a place in that order, if it is one that lives as long as the
    /// program: its address then tells it from every other.
    #[must_use]
    #[inline]
    pub fn static_name(&self, index: usize) -> Option<&'static str> {
        match self.fields.get(index)?.0 {
            Cow::Borrowed(name) => Some(name),
            Cow::Owned(_) => None,
        }
    }

    /// Returns the ids of the rules that hit this event, as attached at the edge.
    pub fn rule_ids(&self) -> impl Iterator<Item = &str> {
        self.get(field::RULE_ID).map_or(&[][..], Value::as_slice).iter().filter_map(Value::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_occurs_once() {
        let mut event = Event::new(Timestamp::from_seconds(1), "ab".into());
        event.set(field::MESSAGE, "one");
        event.set(field::MESSAGE, "two");
        assert_eq!(event.get_str(field::MESSAGE), Some("two"));
        assert_eq!(event.fields().len(), 1);
        assert_eq!(event.remove(field::MESSAGE), Some(Value::from("two")));
        assert_eq!(event.get(field::MESSAGE), None);
    }

    #[test]
    fn rule_ids_reads_one_or_many() {
        let mut event = Event::default();
        assert_eq!(event.rule_ids().count(), 0);
        event.set(field::RULE_ID, "a");
        assert_eq!(event.rule_ids().collect::<Vec<_>>(), ["a"]);
        event.set(field::RULE_ID, Value::List(vec!["a".into(), "b".into()]));
        assert_eq!(event.rule_ids().collect::<Vec<_>>(), ["a", "b"]);
    }
}
