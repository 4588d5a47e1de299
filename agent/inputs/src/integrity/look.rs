//! Look: compares what is there with what is remembered.

use std::collections::{HashMap, HashSet};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::Watcher;
use super::content::Finding;
use super::entry::{Entry, Kind};
use super::event::{Change, differences};
use super::scope::{Root, join, split};

/// Most files that came or went held back until the end of a look, where both halves of a rename are
/// known. Beyond that a rename is told as a deletion and a creation.
const HELD_MAX: usize = 50_000;

/// A path that came, with what it is.
type Came = (PathBuf, Entry, Finding);

/// One look at everything, or at some folders.
#[derive(Default)]
pub(super) struct Look {
    /// Folders still to be looked at; true: below a root not looked at before, so nothing is new.
    todo: Vec<(PathBuf, bool)>,
    seen: HashSet<PathBuf>,
    /// Whether folders below are looked at, too.
    is_deep: bool,
    came: Vec<Came>,
    gone: Vec<PathBuf>,
    /// Files that could not be read.
    pub(super) unread: u64,
    /// Files beyond the bound.
    pub(super) unkept: u64,
}

/// False: it is time to end.
pub(super) type GoOn = bool;

impl Watcher<'_> {
    /// Looks at every root.
    pub(super) fn look_at_all(&mut self, roots: &[Root]) -> (Look, GoOn) {
        let mut look = Look { is_deep: true, ..Look::default() };
        for root in roots {
            let pattern = self.scope.pattern(root.pattern).as_bytes();
            let is_quiet = !self.tree.knows_root(pattern);
            if !self.look_at(&mut look, &root.path, is_quiet) || !self.look_below(&mut look) {
                return (look, false);
            }
        }
        let go_on = self.settle(&mut look);
        (look, go_on)
    }

    /// Looks at some folders, and at new ones below them.
    pub(super) fn look_at_folders(
        &mut self,
        folders: HashSet<PathBuf>,
        roots: &[Root],
    ) -> (Look, GoOn) {
        let mut look = Look::default();
        let mut folders: Vec<_> = folders.into_iter().collect();
        folders.sort_unstable();
        for root in roots {
            let of_its_folder = root.path.parent().is_some_and(|above| {
                folders.binary_search_by(|folder| folder.as_path().cmp(above)).is_ok()
            });
            if of_its_folder && !self.look_at(&mut look, &root.path, false) {
                return (look, false);
            }
        }
        for folder in folders {
            if roots.iter().any(|root| folder.starts_with(&root.path)) {
                look.todo.push((folder, false));
            }
        }
        let go_on = self.look_below(&mut look) && self.settle(&mut look);
        (look, go_on)
    }

    fn look_below(&mut self, look: &mut Look) -> GoOn {
        while let Some((folder, is_quiet)) = look.todo.pop() {
            if !look.seen.insert(folder.clone()) {
                continue;
            }
            if self.attendant.is_stopped() || !self.look_into(look, &folder, is_quiet) {
                return false;
            }
        }
        true
    }

    /// Looks at the names of one folder.
    fn look_into(&mut self, look: &mut Look, folder: &Path, is_quiet: bool) -> GoOn {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            // It went meanwhile: the folder above tells.
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                return true;
            }
            Err(_) => {
                look.unread += 1;
                return true;
            }
        };
        self.hints.watch(folder);
        let mut names: Vec<Box<[u8]>> =
            entries.filter_map(|entry| Some(entry.ok()?.file_name().as_bytes().into())).collect();
        names.sort_unstable();
        let key = folder.as_os_str().as_bytes();
        let known = self.tree.names(key).iter().map(|(name, _)| name);
        let gone: Vec<_> = known.filter(|name| names.binary_search(name).is_err()).collect();
        // A single root in a folder that is not watched whole is no news when it stays away.
        let gone: Vec<PathBuf> = gone.into_iter().map(|name| join(key, name)).collect();
        for path in gone {
            self.went(look, path);
        }
        for name in names {
            let path = join(key, &name);
            if self.scope.is_excluded(&path) {
                continue;
            }
            if !self.look_at(look, &path, is_quiet) {
                return false;
            }
        }
        true
    }

    /// Looks at one path.
    fn look_at(&mut self, look: &mut Look, path: &Path, is_quiet: bool) -> GoOn {
        let (folder, name) = split(path);
        let known = self.tree.get(folder, name);
        let facts = match std::fs::symlink_metadata(path) {
            Ok(facts) => facts,
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                if known.is_some() {
                    self.went(look, path.to_owned());
                }
                return true;
            }
            Err(_) => {
                look.unread += 1;
                return true;
            }
        };
        let mut now = Entry::of(&facts);
        if now.kind == Kind::Folder && (look.is_deep || known.is_none()) {
            look.todo.push((path.to_owned(), is_quiet));
        }
        if known.is_some_and(|known| known.is_untouched(&now)) {
            return true;
        }
        if known.is_none()
            && self.tree.len() + self.delta.len() + look.came.len() >= self.config.files_max
        {
            look.unkept += 1;
            return true;
        }
        let old = known.cloned();
        let in_upload =
            now.kind == Kind::File && self.scope.is_upload(path.parent().unwrap_or(path));
        let attendant = self.attendant;
        let filled = self.reader.fill(path, &mut now, in_upload, &mut |span| attendant.wait(span));
        let finding = match filled {
            Ok(finding) => finding,
            Err(error) if error.kind() == ErrorKind::Interrupted => return false,
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                look.unread += 1;
                Finding::default()
            }
            // It changes under our hands; the next look tells what came of it.
            Err(_) => {
                self.again.insert(path.parent().unwrap_or(path).to_owned());
                return true;
            }
        };
        match old {
            None if is_quiet => self.keep_quietly(path, &now),
            None => {
                look.came.push((path.to_owned(), now, finding));
                look.came.len() + look.gone.len() < HELD_MAX || self.settle(look)
            }
            Some(old) => {
                let what = differences(&old, &now);
                if what.is_empty() {
                    self.keep_quietly(path, &now)
                } else {
                    self.tell(path, Change::Changed { what, old, new: now, finding })
                }
            }
        }
    }

    /// A path is no longer there; what was below it neither.
    fn went(&mut self, look: &mut Look, path: PathBuf) {
        let key = path.as_os_str().as_bytes();
        let below: Vec<PathBuf> =
            self.tree.names(key).iter().map(|(name, _)| join(key, name)).collect();
        for path in below {
            self.went(look, path);
        }
        look.gone.push(path);
    }

    /// Tells what came and went; what did both was renamed.
    fn settle(&mut self, look: &mut Look) -> GoOn {
        let mut gone: HashMap<(u64, u64), PathBuf> = HashMap::new();
        let mut alone = Vec::new();
        for path in std::mem::take(&mut look.gone) {
            let (folder, name) = split(&path);
            let Some(entry) = self.tree.get(folder, name) else { continue };
            // Two names of one inode that both went: one of them is the source of a rename.
            if let Some(other) = gone.insert((entry.device, entry.inode), path) {
                alone.push(other);
            }
        }
        for (path, new, finding) in std::mem::take(&mut look.came) {
            let key = (new.device, new.inode);
            let source = gone.get(&key).and_then(|from| {
                let (folder, name) = split(from);
                let old = self.tree.get(folder, name)?;
                old.is_same_inode(&new).then(|| (from.clone(), old.clone()))
            });
            let change = match source {
                Some((from, old)) => {
                    gone.remove(&key);
                    Change::Renamed { from, old, new, finding }
                }
                None => Change::Created(new, finding),
            };
            if !self.tell(&path, change) {
                return false;
            }
        }
        let mut gone: Vec<PathBuf> = gone.into_values().chain(alone).collect();
        gone.sort_unstable();
        for path in gone {
            let (folder, name) = split(&path);
            let Some(old) = self.tree.get(folder, name).cloned() else { continue };
            if !self.tell(&path, Change::Deleted(old)) {
                return false;
            }
        }
        true
    }
}
