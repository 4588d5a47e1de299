//! Environment: values that stand over those of the file, one variable a key.
//!
//! `VONGLAU_AGENT__SPOOL__BYTES_MAX=…` is `spool.bytes_max`: two underscores part the names. The text
//! is taken as TOML (a number, `true`, `["/a", "/b"]`, `[{ paths = ["/a"] }]`) where that fits the
//! key, and as plain text otherwise. In a table whose names hold dots, an underscore is a dot:
//! `…__KAFKA__PROPERTIES__SASL_USERNAME` is `kafka.properties."sasl.username"`.

use std::ffi::OsString;

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::origin::{Origin, Origins, path_of};
use super::{ConfigError, suggest};

/// What the environment says, in the order of the variables' names.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    dotted: Vec<String>,
    variables: Vec<(String, Vec<String>, String)>,
}

impl Environment {
    /// Takes the variables that begin with `PREFIX__`. `dotted` are the tables whose names hold dots.
    pub fn of(
        prefix: &str,
        dotted: &[&str],
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> Self {
        let start = format!("{prefix}__");
        let mut taken: Vec<_> = variables
            .filter_map(|(name, value)| {
                let name = name.into_string().ok()?;
                let path = name.strip_prefix(&start)?;
                let path = path.split("__").map(str::to_lowercase).collect();
                Some((name, path, value.to_string_lossy().into_owned()))
            })
            .collect();
        taken.sort();
        Self { dotted: dotted.iter().map(|&it| it.to_owned()).collect(), variables: taken }
    }

    /// The same of this process.
    #[must_use]
    pub fn of_process(prefix: &str, dotted: &[&str]) -> Self {
        Self::of(prefix, dotted, std::env::vars_os())
    }

    /// Returns whether nothing is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.variables.is_empty()
    }

    /// Puts all values over a table; `None` when there are none.
    pub(super) fn put_over<T: DeserializeOwned>(
        &self,
        table: &mut Table,
        origins: &mut Origins,
    ) -> Result<Option<T>, ConfigError> {
        let mut result = None;
        for (name, path, text) in &self.variables {
            let fault = |message: &str| ConfigError::Environment {
                name: name.clone(),
                message: message.trim().replace('\n', "; "),
                help: suggest::help(message),
            };
            let path = self.with_dots(path);
            let mut attempts = Vec::with_capacity(2);
            if let Ok(mut parsed) = format!("value = {text}").parse::<Table>() {
                attempts.extend(parsed.remove("value"));
            }
            attempts.push(Value::String(text.clone()));
            let mut failure = None;
            let mut taken = None;
            for value in attempts {
                let mut trial = table.clone();
                if !put(&mut trial, &path, value) {
                    return Err(fault("a part of its name is not a section"));
                }
                match trial.clone().try_into::<T>() {
                    Ok(value) => {
                        taken = Some((trial, value));
                        break;
                    }
                    // What is said of the value as TOML is nearer to what was meant.
                    Err(error) => failure = failure.or_else(|| Some(error.message().to_owned())),
                }
            }
            let Some((trial, value)) = taken else {
                return Err(fault(&failure.unwrap_or_default()));
            };
            *table = trial;
            result = Some(value);
            let key = path.iter().fold(String::new(), |base, part| path_of(&base, part));
            origins.set(key, Origin::Environment(name.clone()));
        }
        Ok(result)
    }

    /// Joins what stands behind a table of dotted names.
    fn with_dots(&self, path: &[String]) -> Vec<String> {
        for dotted in &self.dotted {
            let parts = dotted.split('.').count();
            if path.len() > parts && path[..parts].join(".") == *dotted {
                let mut joined = path[..parts].to_vec();
                joined.push(path[parts..].join(".").replace('_', "."));
                return joined;
            }
        }
        path.to_vec()
    }
}

/// Sets a value at a path, making tables on the way. False if something else is in the way.
fn put(table: &mut Table, path: &[String], value: Value) -> bool {
    match path {
        [] => false,
        [name] => {
            table.insert(name.clone(), value);
            true
        }
        [name, rest @ ..] => {
            let inner = table.entry(name.clone()).or_insert_with(|| Value::Table(Table::new()));
            inner.as_table_mut().is_some_and(|inner| put(inner, rest, value))
        }
    }
}
