//! The scan: which files are there, and which source is which file.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::glob::{Found, Stat};
use super::position::{Position, seen_key};
use super::sibling::{self, Sibling};
use super::source::Source;
use super::{Follower, IDLE_MAX, LEFT_MAX};
use crate::{Count, Start};

impl Follower {
    /// Looks at the disk and brings the sources in line with it.
    pub(super) fn scan(&mut self) {
        self.scans += 1;
        let scan = self.globs.scan();
        let mut subjects = HashSet::new();
        for (subject, text) in scan.problems {
            subjects.insert(subject.clone());
            self.problem(subject, text);
        }
        for subject in std::mem::replace(&mut self.scan_problems, subjects.clone()) {
            if !subjects.contains(&subject) {
                self.resolved(&subject);
            }
        }
        let mut unknown = Vec::new();
        for (_, found) in scan.files {
            if !self.meet(&found) {
                unknown.push(found);
            }
        }
        let unknown: Vec<_> = unknown.into_iter().filter(|found| !self.wake(found)).collect();
        let unknown: Vec<_> = unknown.into_iter().filter(|found| !self.rehome(found)).collect();
        self.look_for_left();
        self.look_for_dormant();
        for found in unknown {
            self.begin(found);
        }
        self.forgotten.clear();
        if self.scans == 1 {
            self.drop_markers();
        }
        self.close_idle();
    }

    /// Recognises a file by its inode.
    fn meet(&mut self, found: &Found) -> bool {
        let Some(number) = self.index.get(&found.stat.id) else { return false };
        let Some(source) = self.sources.get_mut(number) else { return false };
        if source.scan == self.scans {
            // Two paths lead to one file; the first counts.
            return true;
        }
        source.scan = self.scans;
        let is_home = source.path == found.path;
        if source.left == is_home {
            source.left = !is_home;
            source.active = Instant::now();
            self.dirty.insert(*number);
        }
        if source.real != found.path {
            source.real = fs::canonicalize(&found.path).unwrap_or_else(|_| found.path.clone());
        }
        source.look(found.stat);
        // It was not where it had been when it was to be read.
        source.pending |= source.unread && source.file.is_none();
        true
    }

    /// Goes on in a file whose inode a checkpoint names. Whether it holds the same content shows when
    /// it is read.
    fn wake(&mut self, found: &Found) -> bool {
        // Under another name it must also hold the content: device numbers move over reboots.
        let is_it = |position: &Position| {
            (position.dev, position.ino) == found.stat.id
                && (Path::new(&position.path) == found.path || found.holds(position))
        };
        let Some(at) = self.dormant.iter().rposition(|(_, position)| is_it(position)) else {
            return false;
        };
        let (key, position) = self.dormant.remove(at);
        let left = Path::new(&position.path) != found.path;
        self.resume(&key, &position, &found.path, found.group, found.stat, left);
        true
    }

    /// Recognises a file by its path and content: the device number changed over a reboot, or an
    /// editor wrote the file anew with what it held.
    fn rehome(&mut self, found: &Found) -> bool {
        let path = found.path.to_string_lossy();
        let is_it = |position: &Position| position.path == path && found.holds(position);
        if let Some(at) = self.dormant.iter().rposition(|(_, position)| is_it(position)) {
            let (key, position) = self.dormant.remove(at);
            self.resume(&key, &position, &found.path, found.group, found.stat, false);
            return true;
        }
        let scans = self.scans;
        let mut absent = self.sources.iter().filter(|(_, source)| {
            source.scan != scans && source.meta.is_some() && source.path == found.path
        });
        let number =
            absent.find(|(_, source)| is_it(&source.position())).map(|(number, _)| *number);
        let Some(number) = number else { return false };
        self.move_to(number, &found.path, found.stat);
        if let Some(source) = self.sources.get_mut(&number) {
            source.scan = scans;
            source.left = false;
        }
        true
    }

    /// Goes on from a checkpoint.
    pub(super) fn resume(
        &mut self,
        key: &str,
        position: &Position,
        file: &Path,
        group: usize,
        stat: Stat,
        left: bool,
    ) -> u64 {
        let meta = Self::meta(&self.groups, Path::new(&position.path), group, key);
        let real = fs::canonicalize(file).unwrap_or_else(|_| file.to_path_buf());
        let mut source = Source::resume(meta, position, real, group, stat);
        if let Some(state) = &position.assembly {
            let mut assembler = self.assembler(group, Path::new(&position.path));
            let is_understood =
                assembler.as_mut().is_some_and(|all| all.restore(state, Instant::now()));
            if !is_understood {
                let text = "lines that were not joined to a record yet are left out: its settings of \
                            'multiline' or 'format' have changed since";
                self.wiring.report.notice(&position.path, text.to_owned());
            }
            source.assembler = assembler;
        }
        source.left = left;
        source.scan = self.scans;
        let number = self.add(source);
        self.dirty.insert(number);
        number
    }

    /// Moves a source into another file.
    pub(super) fn move_to(&mut self, number: u64, file: &Path, stat: Stat) {
        let Some(source) = self.sources.get_mut(&number) else { return };
        if self.index.get(&source.id) == Some(&number) {
            self.index.remove(&source.id);
        }
        if source.id != stat.id {
            source.id = stat.id;
            source.pending = true;
            source.active = Instant::now();
        }
        source.real = fs::canonicalize(file).unwrap_or_else(|_| file.to_path_buf());
        source.file = None;
        source.look(stat);
        source.unread |= source.pending;
        source.pending |= source.unread;
        self.index.insert(stat.id, number);
        self.dirty.insert(number);
    }

    /// Deals with sources that no configured path leads to any more.
    fn look_for_left(&mut self) {
        let absent = self.sources.iter().filter(|(_, source)| source.scan != self.scans);
        let absent: Vec<u64> = absent.map(|(number, _)| *number).collect();
        for number in absent {
            let Some(source) = self.sources.get_mut(&number) else { continue };
            if !source.left {
                source.left = true;
                source.active = Instant::now();
                self.dirty.insert(number);
            }
            let opened = source.file.as_ref().and_then(|file| file.metadata().ok());
            let stat = opened.or_else(|| fs::metadata(&source.real).ok()).map(|m| Stat::of(&m));
            match stat.filter(|stat| stat.id == source.id) {
                Some(stat) => {
                    source.look(stat);
                    source.pending |= source.unread && source.file.is_none();
                    let deleted = stat.links == 0;
                    if deleted && source.frozen && source.is_read() {
                        self.remove(number);
                    } else if !source.pending && source.active.elapsed() >= self.grace {
                        if deleted {
                            source.frozen = true;
                            source.pending = true;
                        } else if source.is_read() {
                            source.file = None;
                        }
                    }
                }
                None => self.track(number),
            }
        }
        let mut left: Vec<_> = self
            .sources
            .iter()
            .filter(|(_, s)| s.left && s.is_read())
            .map(|(n, s)| (s.active, *n))
            .collect();
        left.sort_unstable();
        let excess = left.len().saturating_sub(LEFT_MAX);
        for (_, number) in left.into_iter().take(excess) {
            self.remove(number);
        }
    }

    /// Looks for a closed file that is not where it was; gives it up if it is nowhere.
    fn track(&mut self, number: u64) {
        let Some(source) = self.sources.get(&number) else { return };
        let (mut position, real) = (source.position(), source.real.clone());
        position.size = source.seen.0;
        let path = source.path.clone();
        let is_free = |sibling: &Sibling| self.is_free(sibling, number);
        let located = sibling::locate(&position, &path, &real, false, is_free);
        // A folder that cannot be listed is told as a problem by the scan; tried again at the next.
        let Ok((found, free)) = located else { return };
        match found {
            Some(found) => {
                let (path, stat) = (found.path, found.stat);
                self.drop_unread_owner(stat.id, number);
                self.move_to(number, &path, stat);
            }
            None => {
                self.lost(&position, &free, "it was rotated away or deleted");
                self.remove(number);
            }
        }
    }

    /// Looks for the files of checkpoints that no configured path leads to: rotated while the agent
    /// was down.
    fn look_for_dormant(&mut self) {
        for (key, position) in std::mem::take(&mut self.dormant) {
            let path = PathBuf::from(&position.path);
            let Some(group) = self.globs.group_of(&path) else {
                tracing::info!(path = %position.path, "no longer configured; its position is dropped");
                self.gone.push(key);
                continue;
            };
            let real = Path::new(&position.real);
            let is_free = |sibling: &Sibling| self.is_free(sibling, u64::MAX);
            let Ok((found, free)) = sibling::locate(&position, &path, real, false, is_free) else {
                // Told as a problem of the folder by the scan; tried again at the next one.
                self.dormant.push((key, position));
                continue;
            };
            match found {
                Some(found) => {
                    let (file, stat) = (found.path, found.stat);
                    self.drop_unread_owner(stat.id, u64::MAX);
                    let number = self.resume(&key, &position, &file, group, stat, true);
                    self.put_before(number, &path);
                }
                None => {
                    self.lost(&position, &free, "it was rotated away while the agent was down");
                    self.forgotten.push((path, position.changed));
                    self.gone.push(key);
                }
            }
        }
    }

    /// Begins a file not known before.
    fn begin(&mut self, found: Found) {
        if self.index.contains_key(&found.stat.id) {
            return;
        }
        let real = fs::canonicalize(&found.path).unwrap_or_else(|_| found.path.clone());
        let mut source = Source::new(found.path.clone(), real, found.group, found.stat);
        source.scan = self.scans;
        let path = found.path.to_string_lossy().into_owned();
        let at_end = self.groups.get(found.group).is_some_and(|group| group.start == Start::End);
        if at_end && self.scans == 1 && !self.known_paths.contains(&path) {
            if found.stat.size > 0 {
                source.begin_at = Some(found.stat.size);
            } else {
                self.mark(path);
            }
        }
        let before = self.predecessor(&found.path);
        if before.is_some() || self.forgotten.iter().any(|(path, _)| *path == found.path) {
            self.wiring.report.count(Count::Rotations, 1);
            let newest = before.and_then(|number| self.sources.get(&number)).map(|s| s.seen.1);
            let forgotten = self.forgotten.iter().filter(|(path, _)| *path == found.path);
            let since = newest.into_iter().chain(forgotten.map(|(_, changed)| *changed)).max();
            source.since = found.stat.changed;
            let last = self.take_missed(&source.place(), since, i64::MAX, before);
            source.after = last;
        }
        self.add(source);
    }

    /// The source that was at a path last, and is elsewhere by now.
    fn predecessor(&self, path: &Path) -> Option<u64> {
        let left = self.sources.iter().filter(|(_, source)| source.left && source.path == path);
        left.max_by_key(|(_, source)| source.seen.1).map(|(number, _)| *number)
    }

    /// Makes the source that is at `path` now wait for `number`.
    fn put_before(&mut self, number: u64, path: &Path) {
        let current = self.sources.values_mut().find(|source| !source.left && source.path == path);
        if let Some(current) = current.filter(|current| current.after.is_none()) {
            current.after = Some(number);
        }
    }

    /// Whether no source other than `number` has read from a file.
    pub(super) fn is_free(&self, sibling: &Sibling, number: u64) -> bool {
        let owner = self.index.get(&sibling.stat.id);
        owner.is_none_or(|owner| {
            *owner == number || self.sources.get(owner).is_none_or(|s| s.meta.is_none())
        })
    }

    /// Removes a source that has read nothing yet from a file which turns out to be another's.
    pub(super) fn drop_unread_owner(&mut self, id: (u64, u64), number: u64) {
        if let Some(owner) = self.index.get(&id).copied().filter(|owner| *owner != number) {
            self.remove(owner);
        }
    }

    /// Closes files that have not changed for long.
    fn close_idle(&mut self) {
        for source in self.sources.values_mut() {
            if source.is_read() && source.active.elapsed() >= IDLE_MAX {
                source.file = None;
            }
        }
    }

    /// Drops markers of paths that are no longer configured.
    fn drop_markers(&mut self) {
        let globs = &self.globs;
        let (kept, dropped) = std::mem::take(&mut self.markers)
            .into_iter()
            .partition(|path| globs.group_of(Path::new(path)).is_some());
        self.markers = kept;
        let dropped: std::collections::BTreeSet<String> = dropped;
        self.gone.extend(dropped.iter().map(|path| seen_key(path)));
    }
}
