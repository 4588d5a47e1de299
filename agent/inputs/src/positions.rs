//! Positions: where every source stood, in two blocks of memory however many sources there are.
//!
//! After a restart there may be tens of thousands. As a text each they would leave as many holes in the
//! heap, for as long as the agent runs; two large blocks go back to the system whole.

use std::collections::HashMap;

/// Positions (opaque JSON) by source key, as they were last made durable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Positions {
    /// Key and position of each, one behind the other.
    text: String,
    /// In the order of the keys.
    places: Vec<Place>,
}

/// Where one lies in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    key: usize,
    position: usize,
    end: usize,
}

impl Positions {
    /// Returns none yet, with room for so many positions of so many bytes in all, keys included.
    #[must_use]
    pub fn with_room(count: usize, bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes), places: Vec::with_capacity(count) }
    }

    /// Returns the position of a source.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let found = self.places.binary_search_by(|place| self.key_of(place).cmp(key)).ok()?;
        self.at(found).map(|(_, position)| position)
    }

    /// Returns keys and positions in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        (0..self.places.len()).filter_map(|index| self.at(index))
    }

    /// Returns the one of this number in the order of the keys.
    pub(crate) fn at(&self, index: usize) -> Option<(&str, &str)> {
        let place = self.places.get(index)?;
        Some((self.key_of(place), self.text.get(place.position..place.end)?))
    }

    fn key_of(&self, place: &Place) -> &str {
        self.text.get(place.key..place.position).unwrap_or_default()
    }
}

impl<K: AsRef<str>, V: AsRef<str>> Extend<(K, V)> for Positions {
    fn extend<T: IntoIterator<Item = (K, V)>>(&mut self, positions: T) {
        for (key, position) in positions {
            let start = self.text.len();
            self.text.push_str(key.as_ref());
            let middle = self.text.len();
            self.text.push_str(position.as_ref());
            self.places.push(Place { key: start, position: middle, end: self.text.len() });
        }
        let text = &self.text;
        let key = |place: &Place| text.get(place.key..place.position).unwrap_or_default();
        // Already in order where they come from a map that is.
        self.places.sort_by(|one, other| key(one).cmp(key(other)));
    }
}

impl From<HashMap<String, String>> for Positions {
    fn from(positions: HashMap<String, String>) -> Self {
        let mut all = Self::default();
        all.extend(positions);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_is_found_by_its_key() {
        let mut all = Positions::with_room(2, 16);
        all.extend([("b", "{\"2\":2}"), ("", "empty"), ("ba", "")]);
        all.extend([("a", "ở")]);
        for (key, position) in [("a", "ở"), ("b", "{\"2\":2}"), ("ba", ""), ("", "empty")] {
            assert_eq!(all.get(key), Some(position), "{key}");
        }
        assert_eq!(all.get("c"), None);
        assert_eq!(all.iter().map(|(key, _)| key).collect::<Vec<_>>(), ["", "a", "b", "ba"]);
        assert_eq!(Positions::from(HashMap::new()).get(""), None);
    }
}
