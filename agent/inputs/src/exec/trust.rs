//! Trust: who else could put another program in the place of a command.
//!
//! The configuration decides what runs with the agent's rights, and only who may write it should. So
//! the program, the links that lead to it and every folder above must belong to root or to the agent's
//! own user, and nobody else may write to them.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// Links followed at most. Spec: path_resolution(7), the kernel's own bound.
const LINKS_MAX: usize = 40;
const GROUP_WRITE: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;
const ANY_EXECUTE: u32 = 0o111;

/// What reads a program from a file named on its command line: that file is checked, too.
const INTERPRETERS: [&str; 12] = [
    "sh", "bash", "dash", "ksh", "zsh", "perl", "python", "python2", "python3", "ruby", "php",
    "node",
];

/// Whose files are trusted, root's aside.
#[derive(Debug, Clone)]
pub(super) struct Trust {
    users: Vec<u32>,
    group: u32,
}

impl Trust {
    /// Trusts the user this process runs as, and one more.
    pub(super) fn new(besides: Option<u32>) -> Self {
        let mut users = vec![0, rustix::process::geteuid().as_raw()];
        users.extend(besides);
        Self { users, group: rustix::process::getegid().as_raw() }
    }

    /// Checks a command; the error says what is wrong with which path, and what to do.
    pub(super) fn check(&self, command: &[String]) -> Result<(), String> {
        let Some((program, arguments)) = command.split_first() else { return Ok(()) };
        let real = self.check_path(Path::new(program))?;
        let facts = fs::metadata(&real).map_err(|error| unseen(&real, &error))?;
        if !facts.is_file() || facts.mode() & ANY_EXECUTE == 0 {
            return Err(format!("{program} is not a program that can be run"));
        }
        let names = [Path::new(program), &real].map(|path| {
            path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned()
        });
        if names.iter().any(|name| INTERPRETERS.contains(&name.as_str()))
            && let Some(script) = script(arguments)
        {
            self.check_path(Path::new(script))?;
        }
        Ok(())
    }

    /// Follows a path as the kernel does, looking at every folder, link and file on it; returns where
    /// it leads to.
    fn check_path(&self, path: &Path) -> Result<PathBuf, String> {
        let mut real = PathBuf::from("/");
        self.check_one(&real)?;
        // Parts still to be gone, the next one last.
        let mut parts: Vec<PathBuf> = parts(path);
        let mut links = 0;
        while let Some(part) = parts.pop() {
            if part == Path::new("..") {
                real.pop();
                continue;
            }
            real.push(part);
            let facts = self.check_one(&real)?;
            if facts.is_symlink() {
                links += 1;
                if links > LINKS_MAX {
                    return Err(format!("{} leads through too many links", path.display()));
                }
                let target = fs::read_link(&real).map_err(|error| unseen(&real, &error))?;
                real.pop();
                if target.is_absolute() {
                    real = PathBuf::from("/");
                }
                parts.extend(self::parts(&target));
            }
        }
        Ok(real)
    }

    fn check_one(&self, path: &Path) -> Result<Metadata, String> {
        let facts = fs::symlink_metadata(path).map_err(|error| unseen(path, &error))?;
        let shown = path.display();
        if !self.users.contains(&facts.uid()) {
            let owner = facts.uid();
            return Err(format!(
                "{shown} belongs to user {owner}, who could put another program there; give it to \
                 root: chown root {shown}"
            ));
        }
        // The mode of a link says nothing; it can be changed by who may write to its folder.
        let mode = if facts.is_symlink() { 0 } else { facts.mode() };
        if mode & OTHERS_WRITE != 0 {
            return Err(format!("everybody may write to {shown}; chmod o-w {shown}"));
        }
        if mode & GROUP_WRITE != 0 && facts.gid() != 0 && facts.gid() != self.group {
            let group = facts.gid();
            return Err(format!("group {group} may write to {shown}; chmod g-w {shown}"));
        }
        Ok(facts)
    }
}

/// The file an interpreter reads its program from, if its command line names one.
fn script(arguments: &[String]) -> Option<&str> {
    for argument in arguments {
        match argument.strip_prefix('-') {
            // The program itself follows. 'perl -e TEXT' does so, too; but 'sh -e FILE' does not, and
            // who writes such a TEXT does not begin it with a path.
            Some(option) if !option.starts_with('-') && option.ends_with(['c', 'r']) => {
                return None;
            }
            Some(_) => {}
            None => return argument.starts_with('/').then_some(argument),
        }
    }
    None
}

/// The parts of a path, the first one last.
fn parts(path: &Path) -> Vec<PathBuf> {
    let part = |part: Component<'_>| match part {
        Component::Normal(_) | Component::ParentDir => Some(PathBuf::from(part.as_os_str())),
        _ => None,
    };
    path.components().rev().filter_map(part).collect()
}

fn unseen(path: &Path, error: &io::Error) -> String {
    format!("{} cannot be looked at: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// A folder whose parents are trusted, if this host has one.
    fn folder() -> Option<tempfile::TempDir> {
        let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let is_trusted = Trust::new(None).check_path(dir.path()).is_ok();
        if !is_trusted {
            eprintln!("skipped: others may write to a folder above the checkout");
        }
        is_trusted.then_some(dir)
    }

    #[test]
    fn what_others_may_write_is_refused_wherever_it_is_on_the_path() {
        let Some(dir) = folder() else { return };
        let trust = Trust::new(None);
        let (open, program, link) =
            (dir.path().join("open"), dir.path().join("tool"), dir.path().join("open/link"));
        fs::create_dir(&open).unwrap();
        fs::write(&program, "#!/bin/sh\n").unwrap();
        symlink(&program, &link).unwrap();
        let check = |parts: &[&Path]| {
            let command: Vec<String> = parts.iter().map(|it| it.display().to_string()).collect();
            trust.check(&command)
        };
        set(&program, 0o644);
        assert!(check(&[&program]).unwrap_err().contains("not a program"));
        set(&program, 0o755);
        assert_eq!(check(&[&program]), Ok(()));
        assert_eq!(check(&[&link]), Ok(()));
        set(&program, 0o757);
        assert!(check(&[&program]).unwrap_err().contains("everybody may write"));
        assert!(check(&[&link]).unwrap_err().contains(&program.display().to_string()));
        // A script is what runs, whoever reads it.
        let shell = Path::new("/bin/sh");
        if check(&[shell]).is_ok() {
            assert!(check(&[shell, &program]).unwrap_err().contains("everybody"));
            assert!(check(&[shell, Path::new("-e"), &program]).unwrap_err().contains("everybody"));
        }
        set(&program, 0o755);
        set(&open, 0o1777);
        assert!(check(&[&link]).unwrap_err().contains("open"), "the link could be another");
        let round = format!("{}/../tool", open.display());
        assert!(check(&[Path::new(&round)]).is_err(), "a folder on the way could be another");
        assert_eq!(check(&[&program]), Ok(()));
        let gone = check(&[&dir.path().join("none")]).unwrap_err();
        assert!(gone.contains("cannot be looked at"), "{gone}");
        symlink("loop", dir.path().join("loop")).unwrap();
        assert!(check(&[&dir.path().join("loop")]).unwrap_err().contains("too many links"));
    }
}
