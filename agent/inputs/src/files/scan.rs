//! The scan: which files are there, and which source is which file.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::glob::{Found, Life, Stat};
use super::listing;
use super::packed::Packed;
use super::position::{Position, seen_key};
use super::sibling::Sibling;
use super::source::Source;
use super::{Follower, IDLE_MAX, hash};
use crate::{Count, Start};

/// A scan may take one part in so many of the processor's time: with many files it is made rarely, and
/// hints and looks at lively files bridge the time.
const SCAN_SHARE: u32 = 400;

/// Longest time between two scans, however long they take: a rotation that nobody told of is found
/// by then.
const SCAN_PAUSE_MAX: Duration = Duration::from_secs(120);

/// How long after a change it is asked where a file is behind links.
const ASK: Duration = Duration::from_secs(2);

/// Whether a source's inode is in another use by now, so that it does not own what is in it.
pub(super) fn is_past(owner: &Source, sibling: &Sibling) -> bool {
    owner.is_not(sibling.stat) || owner.packed.is_none() && sibling.is_compressed()
}

/// Returns the processor time of this thread.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

impl Follower {
    /// Looks at the disk and brings the sources in line with it.
    pub(super) fn scan(&mut self) {
        let begun = cpu_time();
        self.scans += 1;
        listing::forget();
        let globs = Arc::clone(&self.globs);
        let mut unknown = Vec::new();
        let scan = globs.scan(&mut |found| unknown.extend(self.meet_or_not(found)));
        self.folders = scan.folders;
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
        let unknown = self.recognise(unknown);
        let absent = self.sources.iter().filter(|(_, source)| source.scan != self.scans);
        self.look_for_left(absent.map(|(number, _)| *number).collect());
        self.forget_left();
        self.look_for_dormant();
        for found in unknown {
            self.begin(found);
        }
        self.forgotten.clear();
        if self.scans == 1 {
            self.drop_markers();
        }
        self.known_paths = HashSet::new();
        self.close_idle();
        // Whatever changed on the way; hints only add to it.
        let pending = self.sources.iter().filter(|(_, source)| source.pending);
        self.ready = pending.map(|(number, _)| *number).collect();
        let cost = cpu_time().saturating_sub(begun);
        let pause = (cost * SCAN_SHARE).min(SCAN_PAUSE_MAX).max(self.interval);
        self.scan_cost = cost;
        self.scan_at = Instant::now() + pause;
    }

    /// Recognises a file by its inode, or returns it.
    pub(super) fn meet_or_not(&mut self, found: Found) -> Option<Found> {
        (!self.meet(&found)).then_some(found)
    }

    /// Recognises files whose inode is not known; returns those not known at all, in the order of their
    /// paths.
    pub(super) fn recognise(&mut self, mut unknown: Vec<Found>) -> Vec<Found> {
        unknown.sort_by(|one, other| one.path.cmp(&other.path));
        let unknown: Vec<_> = unknown.into_iter().filter(|found| !self.wake(found)).collect();
        unknown.into_iter().filter(|found| !self.rehome(found)).collect()
    }

    /// Recognises a file by its inode.
    fn meet(&mut self, found: &Found) -> bool {
        let Some(number) = self.index.get(&found.stat.id) else { return false };
        let Some(source) = self.sources.get_mut(number) else { return false };
        if source.scan == self.scans {
            // Two paths lead to one file; the first counts.
            return true;
        }
        if source.is_not(found.stat) {
            // The inode is in another use: our file is gone.
            return false;
        }
        source.scan = self.scans;
        let is_home = source.path == found.path;
        if source.left == is_home {
            source.left = !is_home;
            source.active = Instant::now();
            self.dirty.insert(*number);
        }
        // Asked only when it may have changed: behind a link to a folder the two always differ.
        let may_have_moved = !is_home || source.unread || source.active.elapsed() < ASK;
        if source.real() != found.path && may_have_moved {
            source.set_real(fs::canonicalize(&found.path).unwrap_or_else(|_| found.path.clone()));
        }
        source.life.born = source.life.born.or(found.stat.born);
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
            !position.life.differs(Life { born: found.stat.born, version: None })
                && (Path::new(&position.path) == found.path || found.holds(position))
        };
        let Some((key, position)) = self.dormant.take_of(found.stat.id, is_it) else {
            return false;
        };
        let left = Path::new(&position.path) != found.path;
        self.resume(&key, &position, &found.path, found.group, found.stat, left);
        true
    }

    /// Recognises a file by its path and content: the device number changed over a reboot, or an
    /// editor wrote the file anew with what it held.
    fn rehome(&mut self, found: &Found) -> bool {
        let holds = |position: &Position| found.holds(position);
        if let Some((key, position)) = self.dormant.take_at(&found.path, holds) {
            self.resume(&key, &position, &found.path, found.group, found.stat, false);
            return true;
        }
        let scans = self.scans;
        let numbers = self.numbers_at(&found.path).to_vec();
        let absent = numbers.into_iter().find(|number| {
            self.sources.get(number).is_some_and(|source| {
                source.scan != scans
                    && source.key.is_some()
                    && source.packed.is_none()
                    && source.path == found.path
                    && found.holds(&source.position())
            })
        });
        let Some(number) = absent else { return false };
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
        source.set_packed(Packed::of(file), stat.changed);
        source.left = left;
        source.scan = self.scans;
        let is_news = source.position() != *position;
        let number = self.add(source);
        if is_news {
            self.dirty.insert(number);
        }
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
        source.life = Life { born: stat.born, version: None };
        source.reused = false;
        source.set_real(fs::canonicalize(file).unwrap_or_else(|_| file.to_path_buf()));
        source.file = None;
        source.look(stat);
        source.unread |= source.pending;
        source.pending |= source.unread;
        source.set_packed(Packed::of(file), stat.changed);
        if source.pending {
            self.ready.insert(number);
        }
        self.index.insert(stat.id, number);
        self.dirty.insert(number);
    }

    /// Begins a file not known before.
    pub(super) fn begin(&mut self, found: Found) {
        if self.index.contains_key(&found.stat.id) {
            return;
        }
        let real = fs::canonicalize(&found.path).unwrap_or_else(|_| found.path.clone());
        let mut source = Source::new(found.path.clone(), real, found.group, found.stat);
        source.scan = self.scans;
        let path = found.path.to_string_lossy().into_owned();
        let at_end = self.groups.get(found.group).is_some_and(|group| group.start == Start::End);
        if at_end && self.scans == 1 && !self.known_paths.contains(&hash(&found.path)) {
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
    pub(super) fn predecessor(&self, path: &Path) -> Option<u64> {
        let all = self.numbers_at(path).iter();
        let all = all.filter_map(|number| Some((*number, self.sources.get(number)?)));
        let left = all.filter(|(_, source)| source.left && source.path == path);
        left.max_by_key(|(_, source)| source.seen.1).map(|(number, _)| number)
    }

    /// Makes the source that is at `path` now wait for `number`.
    pub(super) fn put_before(&mut self, number: u64, path: &Path) {
        for other in self.numbers_at(path).to_vec() {
            let current = self.sources.get_mut(&other).filter(|other| !other.left);
            if let Some(current) = current.filter(|s| s.path == path && s.after.is_none()) {
                current.after = Some(number);
            }
        }
    }

    /// Whether no source other than `number` has read from a file.
    pub(super) fn is_free(&self, sibling: &Sibling, number: u64) -> bool {
        let owner = self.index.get(&sibling.stat.id).filter(|owner| **owner != number);
        let owner = owner.and_then(|owner| self.sources.get(owner));
        owner.is_none_or(|owner| owner.key.is_none() || is_past(owner, sibling))
    }

    /// Removes a source that has read nothing yet from a file which turns out to be another's.
    pub(super) fn drop_unread_owner(&mut self, id: (u64, u64), number: u64) {
        let owner = self.index.get(&id).copied().filter(|owner| *owner != number);
        let is_unread = |owner: &u64| self.sources.get(owner).is_some_and(|s| s.key.is_none());
        if let Some(owner) = owner.filter(is_unread) {
            self.remove(owner);
        }
    }

    /// Closes files that have not changed for long.
    fn close_idle(&mut self) {
        self.open.retain(|number| {
            let Some(source) = self.sources.get_mut(number) else { return false };
            if source.is_read() && source.active.elapsed() >= IDLE_MAX {
                source.close();
            }
            source.is_open()
        });
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
