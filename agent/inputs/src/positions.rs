//! Positions: where every source stood, as the owner of the checkpoint holds it.
//!
//! After a restart there may be tens of thousands. They are the very texts that the owner goes on
//! with, so that they take no memory of their own.

use std::collections::HashMap;
use std::sync::Arc;

/// Positions (opaque JSON) by source key, as they were last made durable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Positions {
    /// In the order of the keys.
    all: Vec<(Arc<str>, Arc<str>)>,
}

impl Positions {
    /// Returns the position of a source.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let found = self.all.binary_search_by(|(own, _)| (**own).cmp(key)).ok()?;
        self.at(found).map(|(_, position)| position)
    }

    /// Returns keys and positions in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.all.iter().map(|(key, position)| (&**key, &**position))
    }

    /// Returns the one of this number in the order of the keys.
    pub(crate) fn at(&self, index: usize) -> Option<(&str, &str)> {
        self.all.get(index).map(|(key, position)| (&**key, &**position))
    }
}

impl<K: Into<Arc<str>>, V: Into<Arc<str>>> Extend<(K, V)> for Positions {
    fn extend<T: IntoIterator<Item = (K, V)>>(&mut self, positions: T) {
        let positions = positions.into_iter();
        self.all.reserve_exact(positions.size_hint().0);
        self.all.extend(positions.map(|(key, position)| (key.into(), position.into())));
        // Already in order where they come from a map that is.
        self.all.sort();
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
        let mut all = Positions::default();
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
