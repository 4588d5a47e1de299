//! The key file: made once, readable by the agent alone.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use agent_wire::Identity;

use crate::error::{Error, Result, file};

const KEY_FILE: &str = "agent.key";

/// Returns the identity kept in a state folder, made if there is none.
pub(crate) fn load_or_create(state_dir: &Path) -> Result<Identity> {
    if let Some(identity) = load(state_dir)? {
        return Ok(identity);
    }
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o750)
        .create(state_dir)
        .map_err(file("create", state_dir))?;
    let path = state_dir.join(KEY_FILE);
    let identity = Identity::generate();
    // Whole or not at all, and never over a key that another process has made meanwhile.
    let temporary = state_dir.join(format!("{KEY_FILE}.{}.tmp", std::process::id()));
    let attempt = || -> io::Result<()> {
        let mut key =
            File::options().create(true).truncate(true).write(true).mode(0o600).open(&temporary)?;
        writeln!(key, "{}", hex::encode(identity.seed()))?;
        key.sync_all()?;
        let linked = fs::hard_link(&temporary, &path);
        fs::remove_file(&temporary)?;
        linked?;
        File::open(state_dir)?.sync_all()
    };
    match attempt() {
        Ok(()) => Ok(identity),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            load(state_dir)?.ok_or(Error::Key { path })
        }
        Err(error) => Err(file("write key file", &path)(error)),
    }
}

/// Returns the identity kept in a state folder, or `None` if there is none yet.
pub(crate) fn load(state_dir: &Path) -> Result<Option<Identity>> {
    let path = state_dir.join(KEY_FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(Error::Key { path });
        }
        Err(error) => return Err(file("read key file", &path)(error)),
    };
    let mut seed = [0; 32];
    hex::decode_to_slice(text.trim(), &mut seed).map_err(|_| Error::Key { path })?;
    Ok(Some(Identity::from_seed(&seed)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_is_made_once_and_for_the_agent_alone() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("state");
        assert!(load(&home).unwrap().is_none());
        let first = load_or_create(&home).unwrap();
        let second = load_or_create(&home).unwrap();
        assert_eq!(first.agent_id(), second.agent_id());
        let mode = fs::metadata(home.join(KEY_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(&home).unwrap().count(), 1);
        fs::write(home.join(KEY_FILE), "nonsense").unwrap();
        let error = load_or_create(&home).unwrap_err();
        assert!(error.to_string().contains("agent.key"), "{error}");
    }
}
