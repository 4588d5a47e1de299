//! Configuration files: TOML into a checked type, with errors that name file, line and remedy.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// The largest configuration file read: 1 MiB. A larger one is some other file by mistake.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Why a configuration file was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
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
    /// It is not TOML, or not of the expected shape. The source shows line and column.
    #[error("configuration file {} is not valid", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line, column and reason.
        #[source]
        source: Box<toml::de::Error>,
    },
}

/// Reads a TOML file into `T` (which should `deny_unknown_fields`).
///
/// # Errors
/// [`ConfigError`], each naming the file.
pub fn load<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    let read = |source| ConfigError::Read { path: path.to_owned(), source };
    let bytes = std::fs::metadata(path).map_err(read)?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(ConfigError::TooLarge { path: path.to_owned(), bytes });
    }
    let text = std::fs::read_to_string(path).map_err(read)?;
    toml::from_str(&text)
        .map_err(|source| ConfigError::Parse { path: path.to_owned(), source: Box::new(source) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error;

    #[derive(serde::Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[serde(rename = "port")]
        _port: u16,
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "port = 1\nprot = 2\n").unwrap();
        let error = load::<Sample>(file.path()).unwrap_err();
        let text = error.source().unwrap().to_string();
        assert!(text.contains("line 2") && text.contains("prot"), "{text}");
    }
}
