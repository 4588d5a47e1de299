//! Configuration files: TOML into a checked type, with errors that name file, line, column and remedy.
//!
//! [`load`] reads a file alone. [`load_over`] also takes values from the environment and remembers
//! where each value came from.

mod environment;
mod origin;
mod suggest;

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

pub use environment::Environment;
pub use origin::{Origin, Origins, path_of};
pub use suggest::{for_message, nearest};

/// The largest configuration file read: 1 MiB. A larger one is some other file by mistake.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Why a configuration was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read configuration file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is too large to be ours.
    #[error("configuration file {} has {bytes} bytes; the bound is {FILE_BYTES_MAX}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// It is not TOML, or not of the expected shape. The source shows the line.
    #[error("{place}: {message}{help}")]
    Parse {
        /// The file, with line and column where they are known: `FILE:LINE:COLUMN`.
        place: String,
        /// What is wrong.
        message: String,
        /// What may have been meant, or nothing.
        help: String,
    },
    /// A variable of the environment does not hold what its key takes.
    #[error("environment variable {name}: {message}{help}")]
    Environment {
        /// The variable.
        name: String,
        /// What is wrong.
        message: String,
        /// What may have been meant, or nothing.
        help: String,
    },
}

/// Reads a TOML file into `T` (which should `deny_unknown_fields`).
///
/// # Errors
/// [`ConfigError`], each naming the file.
pub fn load<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    let text = read(path)?;
    parse(path, &text)
}

/// Reads a TOML file into `T`, puts the values of the environment over it, and returns also where
/// each value came from.
///
/// # Errors
/// As [`load`], and for a variable whose key is unknown or whose value does not fit.
pub fn load_over<T: DeserializeOwned>(
    path: &Path,
    environment: &Environment,
) -> Result<(T, Origins), ConfigError> {
    let text = read(path)?;
    // First alone, so that its own mistakes are told with their places.
    let value = parse(path, &text)?;
    let mut origins = Origins::of_file(path, &text);
    if environment.is_empty() {
        return Ok((value, origins));
    }
    let mut table: toml::Table = parse(path, &text)?;
    let value = environment.put_over(&mut table, &mut origins)?.unwrap_or(value);
    Ok((value, origins))
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let read = |source| ConfigError::Read { path: path.to_owned(), source };
    let bytes = std::fs::metadata(path).map_err(read)?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(ConfigError::TooLarge { path: path.to_owned(), bytes });
    }
    std::fs::read_to_string(path).map_err(read)
}

fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|error| {
        let mut place = path.display().to_string();
        if let Some(span) = error.span() {
            let (line, column) = origin::line_and_column(text, span.start);
            place = format!("{place}:{line}:{column}");
        }
        let message = error.message().trim().replace('\n', "; ");
        let help = suggest::help(&message);
        ConfigError::Parse { place, message, help }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[derive(serde::Deserialize, Debug, Default, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct Sample {
        port: u16,
        name: String,
        kind: Kind,
        section: Section,
    }

    #[derive(serde::Deserialize, Debug, Default, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct Section {
        interval_s: u64,
        paths: Vec<String>,
        properties: BTreeMap<String, String>,
    }

    #[derive(serde::Deserialize, Debug, Default, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        #[default]
        Nginx,
        Apache,
    }

    fn write(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    fn over(text: &str, variables: &[(&str, &str)]) -> Result<(Sample, Origins), ConfigError> {
        let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let environment = Environment::of("TEST", &["section.properties"], variables);
        load_over(write(text).path(), &environment)
    }

    #[test]
    fn mistakes_are_named_with_their_place_and_the_word_that_was_meant() {
        for (text, place, help) in [
            ("port = 1\nprot = 2\n", ":2:1: ", "did you mean 'port'?"),
            ("[section]\n  intervall_s = 3", ":2:3: ", "did you mean 'interval_s'?"),
            ("kind = \"ngnix\"", ":1:8: ", "did you mean 'nginx'?"),
            ("[sektion]", ":1:2: ", "did you mean 'section'?"),
            ("port = \"x\"", ":1:8: ", ""),
            ("port = ", ":1:", ""),
        ] {
            let file = write(text);
            let error = load::<Sample>(file.path()).unwrap_err().to_string();
            let start = format!("{}{place}", file.path().display());
            assert!(error.starts_with(&start) && error.contains(help), "{error}");
        }
    }

    #[test]
    fn the_environment_stands_over_the_file_and_every_value_knows_where_it_came_from() {
        let (value, origins) = over(
            "port = 1\nname = \"file\"\n[section]\npaths = [\"/a\"]\n",
            &[
                ("TEST__PORT", "9"),
                ("TEST__SECTION__INTERVAL_S", "5"),
                ("TEST__SECTION__PATHS", "[\"/b\", \"/c\"]"),
                ("TEST__SECTION__PROPERTIES__SASL_PASSWORD", "12"),
                ("OTHER__PORT", "7"),
            ],
        )
        .unwrap();
        assert_eq!((value.port, value.name.as_str()), (9, "file"));
        assert_eq!(value.section.paths, ["/b", "/c"]);
        assert_eq!(value.section.properties["sasl.password"], "12");
        let shown = |key: &str| origins.of(key).to_string();
        assert_eq!(shown("port"), "environment TEST__PORT");
        assert!(shown("name").ends_with(":2"), "{}", shown("name"));
        assert_eq!(shown("section.interval_s"), "environment TEST__SECTION__INTERVAL_S");
        assert_eq!(
            shown("section.properties.\"sasl.password\""),
            "environment TEST__SECTION__PROPERTIES__SASL_PASSWORD"
        );
        assert_eq!(shown("kind"), "default");
    }

    #[test]
    fn a_wrong_variable_is_named() {
        for (name, value, named) in [
            ("TEST__PROT", "1", "did you mean 'port'?"),
            ("TEST__PORT", "many", "TEST__PORT"),
            ("TEST__SECTION__INTERVALS_S", "1", "did you mean 'interval_s'?"),
            ("TEST__PORT__X", "1", "TEST__PORT__X"),
            ("TEST__KIND", "apach", "did you mean 'apache'?"),
        ] {
            let error = over("port = 1", &[(name, value)]).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains(named), "{error}");
        }
    }
}
