//! Origins: where each value of a configuration came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody has set it.
    Default,
    /// A line of a file, from 1.
    File(PathBuf, usize),
    /// A variable of the environment.
    Environment(String),
    /// A flag of the command line.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// Origins by key, as [`path_of`] writes keys: `spool.bytes_max`, `input.files[0].paths`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins(BTreeMap<String, Origin>);

impl Origins {
    /// Returns the origins of all values in a file; of none if it is not TOML.
    pub(super) fn of_file(path: &Path, text: &str) -> Self {
        let mut origins = Self::default();
        if let Ok(table) = DeTable::parse(text) {
            let mut walk = Walk { path, text, found: &mut origins.0 };
            walk.table("", table.get_ref());
        }
        origins
    }

    /// Notes that a value was set.
    pub fn set(&mut self, key: impl Into<String>, origin: Origin) {
        self.0.insert(key.into(), origin);
    }

    /// Returns where the value of a key came from. What was set as a whole is the origin of its parts.
    #[must_use]
    pub fn of(&self, key: &str) -> &Origin {
        let mut key = key;
        loop {
            if let Some(origin) = self.0.get(key) {
                return origin;
            }
            match key.rfind(['.', '[']) {
                Some(end) if end > 0 => key = &key[..end],
                _ => return &Origin::Default,
            }
        }
    }
}

/// Returns the path of a part of a table: dots inside a name are hidden by quotes.
#[must_use]
pub fn path_of(base: &str, name: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let name = if !name.is_empty() && name.chars().all(is_bare) {
        name.to_owned()
    } else {
        format!("\"{name}\"")
    };
    if base.is_empty() { name } else { format!("{base}.{name}") }
}

/// Returns line and column, from 1, of a byte.
pub(super) fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    (before.matches('\n').count() + 1, before[start..].chars().count() + 1)
}

struct Walk<'a> {
    path: &'a Path,
    text: &'a str,
    found: &'a mut BTreeMap<String, Origin>,
}

impl Walk<'_> {
    fn table(&mut self, base: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let key = path_of(base, name.get_ref());
            self.value(&key, name.span().start, value.get_ref());
        }
    }

    fn value(&mut self, key: &str, at: usize, value: &DeValue<'_>) {
        match value {
            DeValue::Table(table) => self.table(key, table),
            DeValue::Array(items)
                if items.iter().any(|item| matches!(item.get_ref(), DeValue::Table(_))) =>
            {
                for (index, item) in items.iter().enumerate() {
                    self.value(&format!("{key}[{index}]"), item.span().start, item.get_ref());
                }
            }
            _ => {
                let (line, _) = line_and_column(self.text, at);
                self.found.insert(key.to_owned(), Origin::File(self.path.to_owned(), line));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_in_every_shape() {
        let text = "a = 1\n[b]\nc = 2\n\"d.e\" = 3\n[[f]]\ng = 1\n[[f]]\ng = 2\nh = { i = 1 }\n";
        let origins = Origins::of_file(Path::new("x"), text);
        for (key, line) in
            [("a", 1), ("b.c", 3), ("b.\"d.e\"", 4), ("f[0].g", 6), ("f[1].g", 8), ("f[1].h.i", 9)]
        {
            assert_eq!(origins.of(key), &Origin::File("x".into(), line), "{key}");
        }
        assert_eq!(origins.of("b.z"), &Origin::Default);
        assert_eq!(line_and_column("ä = 1\nöb", 9), (2, 2));
    }
}
