//! Dormant: checkpoints whose file has not been found again yet.

use std::path::Path;
use std::sync::Arc;

use super::hash;
use super::position::Position;
use crate::positions::Positions;

/// Checkpoints by key and position, found by inode and by path: after a restart there may be tens of
/// thousands, so they stay as they were stored until one is taken out.
#[derive(Default)]
pub(super) struct Dormant {
    stored: Arc<Positions>,
    /// In the order of preference, the best last.
    all: Vec<Kept>,
    /// Device, inode, and place in `all`; sorted when asked.
    by_id: Vec<((u64, u64), usize)>,
    /// Hash of the path, and place in `all`; sorted when asked.
    by_path: Vec<(u64, usize)>,
    is_sorted: bool,
}

/// One of them.
enum Kept {
    /// Of this number among those stored.
    Stored(usize),
    /// Put back.
    Own(Box<(String, Position)>),
    /// Taken out.
    Nothing,
}

impl Dormant {
    /// Takes over those stored positions that are of files. What is no position of this version is
    /// told to `unknown`, by key.
    pub(super) fn of(
        stored: &Arc<Positions>,
        mut known: impl FnMut(&Path),
        mut unknown: impl FnMut(&str),
    ) -> Self {
        let mut found = Vec::new();
        for (index, (key, json)) in stored.iter().enumerate() {
            if !key.starts_with("file:") {
                continue;
            }
            let Some(position) = Position::parse(json) else {
                unknown(key);
                continue;
            };
            let path = Path::new(&position.path);
            known(path);
            let id = (position.dev, position.ino);
            found.push(((position.generation, position.changed), index, id, hash(path)));
        }
        // Oldest generation first, so that an inode's last one is met last and wins.
        found.sort_unstable();
        let mut dormant = Self { stored: Arc::clone(stored), ..Self::default() };
        for (_, index, id, path) in found {
            dormant.put(Kept::Stored(index), id, path);
        }
        dormant
    }

    /// Adds one, better than those before.
    pub(super) fn push(&mut self, key: String, position: Position) {
        let (id, path) = ((position.dev, position.ino), hash(Path::new(&position.path)));
        self.put(Kept::Own(Box::new((key, position))), id, path);
    }

    fn put(&mut self, kept: Kept, id: (u64, u64), path: u64) {
        let place = self.all.len();
        self.all.push(kept);
        self.by_id.push((id, place));
        self.by_path.push((path, place));
        self.is_sorted = false;
    }

    /// Takes out the best one of an inode that fits.
    pub(super) fn take_of(
        &mut self,
        id: (u64, u64),
        fits: impl Fn(&Position) -> bool,
    ) -> Option<(String, Position)> {
        self.sort();
        let from = self.by_id.partition_point(|(other, _)| *other < id);
        let places = self.by_id.get(from..)?.iter().take_while(|(other, _)| *other == id);
        let places: Vec<usize> = places.map(|(_, place)| *place).collect();
        self.take(&places, fits)
    }

    /// Takes out the best one of a path that fits.
    pub(super) fn take_at(
        &mut self,
        path: &Path,
        fits: impl Fn(&Position) -> bool,
    ) -> Option<(String, Position)> {
        self.sort();
        let wanted = hash(path);
        let from = self.by_path.partition_point(|(other, _)| *other < wanted);
        let places = self.by_path.get(from..)?.iter().take_while(|(other, _)| *other == wanted);
        let places: Vec<usize> = places.map(|(_, place)| *place).collect();
        self.take(&places, |position| Path::new(&position.path) == path && fits(position))
    }

    fn sort(&mut self) {
        if !std::mem::replace(&mut self.is_sorted, true) {
            self.by_id.sort_unstable();
            self.by_path.sort_unstable();
        }
    }

    fn take(
        &mut self,
        places: &[usize],
        fits: impl Fn(&Position) -> bool,
    ) -> Option<(String, Position)> {
        for place in places.iter().rev() {
            let kept = self.all.get_mut(*place)?;
            let taken = Self::open(&self.stored, std::mem::replace(kept, Kept::Nothing));
            let Some((key, position)) = taken else { continue };
            if fits(&position) {
                return Some((key, position));
            }
            *kept = Kept::Own(Box::new((key, position)));
        }
        None
    }

    fn open(stored: &Positions, kept: Kept) -> Option<(String, Position)> {
        match kept {
            Kept::Nothing => None,
            Kept::Own(own) => Some(*own),
            Kept::Stored(index) => {
                let (key, json) = stored.at(index)?;
                Some((key.to_owned(), Position::parse(json)?))
            }
        }
    }

    /// Takes out all, in order.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = (String, Position)> + use<> {
        let Self { stored, all, .. } = std::mem::take(self);
        all.into_iter().filter_map(move |kept| Self::open(&stored, kept))
    }
}
