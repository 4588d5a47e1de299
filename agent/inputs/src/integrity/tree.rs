//! Tree: everything remembered, by folder.

use std::collections::BTreeMap;

use super::entry::Entry;
use crate::state::{Table, Take};

/// Group of the stored roots; no folder has an empty path.
const ROOTS: &[u8] = b"";

/// One folder's names in order.
pub(super) type Names = Vec<(Box<[u8]>, Entry)>;

/// See the head of the file. Paths are bytes: names need not be text.
#[derive(Debug, Default)]
pub(super) struct Tree {
    folders: BTreeMap<Box<[u8]>, Names>,
    /// What has been looked at whole at least once: below others nothing is new, only unknown.
    roots: Vec<Box<[u8]>>,
    count: usize,
}

impl Tree {
    pub(super) fn get(&self, folder: &[u8], name: &[u8]) -> Option<&Entry> {
        let names = self.folders.get(folder)?;
        let at = names.binary_search_by(|(key, _)| (**key).cmp(name)).ok()?;
        names.get(at).map(|(_, entry)| entry)
    }

    /// Returns the names of a folder.
    pub(super) fn names(&self, folder: &[u8]) -> &[(Box<[u8]>, Entry)] {
        self.folders.get(folder).map_or(&[], Vec::as_slice)
    }

    /// Returns how many files and folders are remembered.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Returns every folder whose names are remembered.
    pub(super) fn folders(&self) -> impl Iterator<Item = &[u8]> {
        self.folders.keys().map(|folder| &**folder)
    }

    /// Returns whether everything below a root was looked at before.
    pub(super) fn knows_root(&self, root: &[u8]) -> bool {
        self.roots.iter().any(|known| **known == *root)
    }

    /// Returns the key under which a root is stored as known.
    pub(super) fn root_key(root: &[u8]) -> (&'static [u8], &[u8]) {
        (ROOTS, root)
    }

    /// Returns the roots that are known.
    pub(super) fn roots(&self) -> &[Box<[u8]>] {
        &self.roots
    }
}

impl Table for Tree {
    fn clear(&mut self) {
        *self = Self::default();
    }

    fn put(&mut self, group: &[u8], key: &[u8], value: &[u8]) {
        if group == ROOTS {
            if !self.knows_root(key) {
                self.roots.push(key.into());
            }
            return;
        }
        let Some(entry) = Entry::decode(value) else { return };
        if !self.folders.contains_key(group) {
            self.folders.insert(group.into(), Names::new());
        }
        let Some(names) = self.folders.get_mut(group) else { return };
        match names.binary_search_by(|(name, _)| (**name).cmp(key)) {
            Ok(at) => names[at].1 = entry,
            Err(at) => {
                names.insert(at, (key.into(), entry));
                self.count += 1;
            }
        }
    }

    fn remove(&mut self, group: &[u8], key: &[u8]) {
        if group == ROOTS {
            self.roots.retain(|root| **root != *key);
            return;
        }
        let Some(names) = self.folders.get_mut(group) else { return };
        if let Ok(at) = names.binary_search_by(|(name, _)| (**name).cmp(key)) {
            names.remove(at);
            self.count -= 1;
        }
        if names.is_empty() {
            self.folders.remove(group);
        }
    }

    fn each(&self, take: &mut Take<'_>) {
        for root in &self.roots {
            take(ROOTS, root, b"");
        }
        for (folder, names) in &self.folders {
            for (name, entry) in names {
                take(folder, name, &entry.encode());
            }
        }
    }
}
