//! Credentials: the token of the last login, in a file that only its owner may read.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Result};

/// What is kept of a login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Credentials {
    /// Where it is good. It is sent nowhere else.
    pub(crate) server: String,
    /// The bearer token.
    pub(crate) token: String,
    /// Whose it is.
    pub(crate) name: String,
    /// RFC 3339: until when.
    pub(crate) expires_at: String,
}

/// Returns where the file lies: `$XDG_CONFIG_HOME/vonglau` or `~/.config/vonglau`.
pub(crate) fn path() -> Result<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")));
    Ok(config.ok_or(Failure::NoHome)?.join("vonglau").join("credentials.toml"))
}

/// Returns what is kept, if anything.
pub(crate) fn load(path: &Path) -> Result<Option<Credentials>> {
    let failed = |source| Failure::File { doing: "read", path: path.to_owned(), source };
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mode = fs::metadata(path).map_err(failed)?.permissions().mode();
    if mode & 0o077 != 0 {
        eprintln!("vonglau: others may read {}; run: chmod 600 {0}", path.display());
    }
    toml::from_str(&text).map(Some).map_err(|_| Failure::BadCredentials(path.to_owned()))
}

/// Keeps a login: written beside the old file and then put in its place.
pub(crate) fn store(path: &Path, credentials: &Credentials) -> Result<()> {
    let failed = |source| Failure::File { doing: "write", path: path.to_owned(), source };
    let text = toml::to_string(credentials).expect("credentials are four texts");
    if let Some(dir) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
    }
    let beside = path.with_extension(format!("{}.tmp", std::process::id()));
    let write = || -> std::io::Result<()> {
        let options = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).clone();
        let mut file = options.open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().map_err(|error| {
        let _ = fs::remove_file(&beside);
        failed(error)
    })
}

/// Forgets the login.
pub(crate) fn forget(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::File { doing: "remove", path: path.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_owner_may_read_what_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vonglau/credentials.toml");
        assert_eq!(load(&path).unwrap(), None);
        let kept = Credentials {
            server: "http://127.0.0.1:1".into(),
            token: "vlt_x".into(),
            name: "lan".into(),
            expires_at: "2026-11-21T08:30:00Z".into(),
        };
        store(&path, &kept).unwrap();
        store(&path, &kept).unwrap();
        assert_eq!(load(&path).unwrap(), Some(kept));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, "nonsense").unwrap();
        assert!(load(&path).unwrap_err().to_string().contains("run 'vonglau login' again"));
        forget(&path).unwrap();
        forget(&path).unwrap();
    }
}
