//! Dormant: checkpoints whose file has not been found again yet.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use smallvec::SmallVec;

use super::hash;
use super::position::Position;

/// Checkpoints by key and position, found by inode and by path: after a restart there may be tens of
/// thousands.
#[derive(Default)]
pub(super) struct Dormant {
    /// In the order of preference, the best last.
    all: BTreeMap<usize, (String, Position)>,
    by_id: HashMap<(u64, u64), SmallVec<[usize; 1]>>,
    by_path: HashMap<u64, SmallVec<[usize; 1]>>,
    next: usize,
}

impl Dormant {
    /// Adds one, better than those before.
    pub(super) fn push(&mut self, key: String, position: Position) {
        let number = self.next;
        self.next += 1;
        self.by_id.entry((position.dev, position.ino)).or_default().push(number);
        self.by_path.entry(hash(Path::new(&position.path))).or_default().push(number);
        self.all.insert(number, (key, position));
    }

    /// Takes out the best one of an inode that fits.
    pub(super) fn take_of(
        &mut self,
        id: (u64, u64),
        fits: impl Fn(&Position) -> bool,
    ) -> Option<(String, Position)> {
        let numbers = self.by_id.get(&id)?;
        self.take(&numbers.clone(), fits)
    }

    /// Takes out the best one of a path that fits.
    pub(super) fn take_at(
        &mut self,
        path: &Path,
        fits: impl Fn(&Position) -> bool,
    ) -> Option<(String, Position)> {
        let numbers = self.by_path.get(&hash(path))?;
        self.take(&numbers.clone(), |position| Path::new(&position.path) == path && fits(position))
    }

    fn take(
        &mut self,
        numbers: &[usize],
        fits: impl Fn(&Position) -> bool,
    ) -> Option<(String, Position)> {
        let all = &self.all;
        let fits = |number: &&usize| all.get(number).is_some_and(|(_, position)| fits(position));
        let number = numbers.iter().rev().find(fits)?;
        self.all.remove(number)
    }

    /// Takes out all, in order.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = (String, Position)> + use<> {
        std::mem::take(self).all.into_values()
    }
}
