//! Show: the configuration in force, each value with where it came from, secrets masked.

use std::fmt::Write as _;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rules_service::config::{Origins, path_of};
use toml::{Table, Value};

use crate::config::Config;

/// What stands in the place of a secret.
pub(crate) const MASK: &str = "********";
/// Origins stand in this column, or behind longer values.
const COLUMN: usize = 48;

/// A configuration to be shown.
pub(crate) struct Shown<'a> {
    table: Table,
    origins: &'a Origins,
}

impl<'a> Shown<'a> {
    pub(crate) fn new(config: &Config, origins: &'a Origins) -> Self {
        let mut table = Table::try_from(config).unwrap_or_default();
        let properties = table
            .get_mut("kafka")
            .and_then(|kafka| kafka.get_mut("properties"))
            .and_then(Value::as_table_mut);
        for (name, value) in properties.into_iter().flatten() {
            if agent_shipper::is_secret(name) {
                *value = Value::from(MASK);
            }
        }
        let commands = table
            .get_mut("input")
            .and_then(|input| input.get_mut("exec"))
            .and_then(Value::as_array_mut);
        for command in commands.into_iter().flatten() {
            let variables = command.get_mut("env").and_then(Value::as_table_mut);
            // Whatever their names are: that is what a secret is best given by.
            for (_, value) in variables.into_iter().flatten() {
                *value = Value::from(MASK);
            }
        }
        Self { table, origins }
    }

    /// Returns TOML that would be read as the same configuration, origins as comments.
    pub(crate) fn to_toml(&self) -> String {
        let mut out = String::new();
        self.section("", "", &self.table, &mut out);
        out
    }

    /// Returns one JSON object: by key, value and origin.
    pub(crate) fn to_json(&self) -> String {
        fn walk(
            shown: &Shown<'_>,
            key: &str,
            value: &Value,
            out: &mut serde_json::Map<String, serde_json::Value>,
        ) {
            match value {
                Value::Table(table) if !table.is_empty() => {
                    for (name, value) in table {
                        walk(shown, &path_of(key, name), value, out);
                    }
                }
                Value::Array(items) if is_tables(items) => {
                    for (index, item) in items.iter().enumerate() {
                        walk(shown, &format!("{key}[{index}]"), item, out);
                    }
                }
                value => {
                    let origin = shown.origins.of(key).to_string();
                    out.insert(
                        key.to_owned(),
                        serde_json::json!({"value": value, "origin": origin}),
                    );
                }
            }
        }
        let mut out = serde_json::Map::new();
        walk(self, "", &Value::Table(self.table.clone()), &mut out);
        format!("{:#}\n", serde_json::Value::Object(out))
    }

    /// `name` is how the section is called in TOML, `key` how it is called among the origins, where
    /// members of a list have numbers.
    fn section(&self, name: &str, key: &str, table: &Table, out: &mut String) {
        // What is no section of its own must stand before those that are.
        for (part, value) in table {
            match value {
                Value::Table(_) => {}
                Value::Array(items) if is_tables(items) => {}
                value => {
                    let line = format!("{} = {value}", path_of("", part));
                    let origin = self.origins.of(&path_of(key, part));
                    // Writing into a String cannot fail.
                    let _ = writeln!(out, "{line:<COLUMN$} # {origin}");
                }
            }
        }
        for (part, value) in table {
            let (name, key) = (path_of(name, part), path_of(key, part));
            match value {
                Value::Table(inner) => {
                    let _ = writeln!(out, "\n[{name}]");
                    self.section(&name, &key, inner, out);
                }
                Value::Array(items) if is_tables(items) => {
                    for (index, item) in items.iter().enumerate() {
                        let _ = writeln!(out, "\n[[{name}]]");
                        if let Value::Table(inner) = item {
                            self.section(&name, &format!("{key}[{index}]"), inner, out);
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

fn is_tables(items: &[Value]) -> bool {
    !items.is_empty() && items.iter().all(Value::is_table)
}

/// Returns of each command of `[[input.exec]]` that would not be run why not. Whoever checks may be
/// another user than the agent: that one is told by whom the state folder belongs to.
pub(crate) fn refused_commands(config: &Config) -> Vec<String> {
    let agent = std::fs::metadata(&config.state_dir).map(|facts| facts.uid()).ok();
    agent_inputs::distrusted(&config.input.exec, agent)
}

/// Returns what is allowed and probably not meant.
pub(crate) fn warnings(config: &Config, path: &Path) -> Vec<String> {
    let mut warnings = Vec::new();
    let has_secret = config.kafka.properties.keys().any(|name| agent_shipper::is_secret(name));
    let mode = std::fs::metadata(path).map_or(0, |facts| facts.permissions().mode());
    if has_secret && mode & 0o004 != 0 {
        warnings.push(format!(
            "{} holds a password and everybody may read it; chmod 0640, or use sasl.password.file",
            path.display()
        ));
    }
    if config.input.files.is_empty() {
        warnings.push("no [[input.files]]: no log file is read".to_owned());
    }
    if !config.evidence.events {
        warnings.push("evidence.events = false: nobody is told of tampering".to_owned());
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Source;

    #[test]
    fn what_is_shown_is_read_as_the_same_and_says_where_it_came_from() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.toml");
        let text = "state_dir = \"/x\"\n[[input.files]]\npaths = [\"/a\"]\n[[input.files]]\n\
                    paths = [\"/b\"]\nformat = \"nginx\"\n[kafka]\nbootstrap = \"k:1\"\n\
                    [kafka.properties]\n\"client.id\" = \"a\"\n\"sasl.password\" = \"s3cret\"\n";
        std::fs::write(&path, text).unwrap();
        let (config, origins) = Source::new(path.clone()).load().unwrap();
        let shown = Shown::new(&config, &origins);
        let printed = shown.to_toml();
        for (value, line) in [
            ("state_dir = \"/x\"", ":1"),
            ("paths = [\"/b\"]", ":5"),
            ("\"sasl.password\" = \"********\"", ":11"),
        ] {
            let found = printed.lines().find(|it| it.starts_with(value)).expect(value);
            assert!(found.ends_with(&format!("{}{line}", path.display())), "{found}");
        }
        assert!(
            printed.lines().any(|it| it.starts_with("interval_s") && it.ends_with("# default"))
        );
        assert!(!printed.contains("s3cret") && !shown.to_json().contains("s3cret"));
        let json: serde_json::Value = serde_json::from_str(&shown.to_json()).unwrap();
        assert_eq!(json["input.files[1].format"]["value"], "nginx");
        assert_eq!(json["kafka.properties.\"client.id\""]["value"], "a");
        assert_eq!(json["spool.bytes_max"]["origin"], "default");

        std::fs::write(&path, printed).unwrap();
        let (mut again, _) = Source::new(path).load().unwrap();
        again.kafka.properties.insert("sasl.password".to_owned(), "s3cret".to_owned());
        assert_eq!(again, config);
    }

    #[test]
    fn what_is_probably_not_meant_is_said() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut config = Config::default();
        config.kafka.properties.insert("sasl.password".to_owned(), "x".to_owned());
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
        let said = warnings(&config, file.path()).join("\n");
        assert!(said.contains("everybody may read it") && said.contains("input.files"), "{said}");
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(!warnings(&config, file.path()).join("\n").contains("everybody"));
    }
}
