//! The scan: which files are there, and which source is which file.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::glob::{Found, Life, Stat};
use super::packed::Packed;
use super::position::{Position, seen_key};
use super::sibling::{self, Sibling};
use super::source::Source;
use super::watch::Hints;
use super::{Follower, IDLE_MAX, LEFT_MAX};
use crate::{Count, Start};

/// A scan may take one part in so many of the processor's time: with many files it is made rarely, and
/// hints and looks at lively files bridge the time.
const SCAN_SHARE: u32 = 400;

/// Longest time between two scans, however long they take: a rotation that nobody told of is found
/// by then.
const SCAN_PAUSE_MAX: Duration = Duration::from_secs(120);

/// How long a file counts as lively after a change.
const LIVELY: Duration = Duration::from_secs(60);

/// Most lively files looked at between scans: about a millisecond each second.
const LIVELY_MAX: usize = 1_024;

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
        let scan = self.globs.scan();
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
        let unknown = self.recognise(scan.files);
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

    /// Looks at what hints are about, and only there.
    pub(super) fn scan_hinted(&mut self, hints: Hints) {
        for path in &hints.written {
            let Ok(metadata) = fs::metadata(path) else { continue };
            let stat = Stat::of(&metadata);
            let Some(number) = self.index.get(&stat.id).copied() else { continue };
            if let Some(source) = self.sources.get_mut(&number).filter(|s| !s.is_not(stat)) {
                source.look(stat);
                self.note_change(number);
            }
        }
        if hints.names.is_empty() {
            return;
        }
        self.scans += 1;
        let scan = self.globs.scan_some(hints.names.iter());
        let numbers: Vec<u64> =
            hints.names.iter().flat_map(|path| self.numbers_at(path).to_vec()).collect();
        let vanished = hints.created.iter().filter(|path| {
            !scan.files.contains_key(*path)
                && !hints.moves.contains_key(*path)
                && self.numbers_at(path).is_empty()
                && self.globs.group_of(path).is_some()
                && !path.exists()
        });
        let vanished = vanished.count() as u64;
        self.moves = hints.moves;
        let unknown = self.recognise(scan.files);
        let scans = self.scans;
        let absent = numbers
            .iter()
            .filter(|number| self.sources.get(number).is_some_and(|source| source.scan != scans));
        self.look_for_left(absent.copied().collect());
        for found in unknown {
            self.begin(found);
        }
        self.begin_moved(&hints.created);
        self.forgotten.clear();
        self.moves.clear();
        for number in numbers {
            self.note_change(number);
        }
        if vanished > 0 {
            self.wiring.report.count(Count::VanishedFiles, vanished);
        }
    }

    /// Takes in files that came and were renamed away between two looks.
    fn begin_moved(&mut self, created: &HashSet<PathBuf>) {
        let came = self.moves.iter().filter(|(from, _)| created.contains(*from));
        let came: Vec<(PathBuf, PathBuf)> =
            came.map(|(from, to)| (from.clone(), to.clone())).collect();
        for (from, to) in came {
            let Some(group) = self.globs.group_of(&from) else { continue };
            let Ok(metadata) = fs::metadata(&to) else { continue };
            let stat = Stat::of(&metadata);
            if !metadata.is_file() || self.index.contains_key(&stat.id) {
                continue;
            }
            let mut source = Source::new(from.clone(), to, group, stat);
            source.left = true;
            source.scan = self.scans;
            source.after = self.predecessor(&from);
            let number = self.add(source);
            self.put_before(number, &from);
            self.wiring.report.count(Count::Rotations, 1);
        }
    }

    /// Looks at files that changed not long ago; there may be more than are open.
    pub(super) fn look_at_lively(&mut self) {
        let lively = std::mem::take(&mut self.lively);
        for number in lively {
            let Some(source) = self.sources.get_mut(&number) else { continue };
            if source.active.elapsed() >= LIVELY {
                continue;
            }
            if source.file.is_none()
                && let Ok(metadata) = fs::metadata(&source.real)
                && Stat::of(&metadata).id == source.id
            {
                source.look(Stat::of(&metadata));
            }
            self.note_change(number);
        }
    }

    /// Takes note that a source was looked at.
    fn note_change(&mut self, number: u64) {
        let Some(source) = self.sources.get(&number) else { return };
        if source.pending {
            self.ready.insert(number);
        }
        if self.lively.len() < LIVELY_MAX && source.active.elapsed() < LIVELY {
            self.lively.insert(number);
        }
    }

    /// Recognises files; returns those not known.
    fn recognise(&mut self, files: BTreeMap<PathBuf, Found>) -> Vec<Found> {
        let mut unknown = Vec::new();
        for (_, found) in files {
            if !self.meet(&found) {
                unknown.push(found);
            }
        }
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
        if source.real != found.path {
            source.real = fs::canonicalize(&found.path).unwrap_or_else(|_| found.path.clone());
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
            (position.dev, position.ino) == found.stat.id
                && !position.life.differs(Life { born: found.stat.born, version: None })
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
        let numbers = self.numbers_at(&found.path).to_vec();
        let absent = numbers.into_iter().find(|number| {
            self.sources.get(number).is_some_and(|source| {
                source.scan != scans
                    && source.meta.is_some()
                    && source.packed.is_none()
                    && source.path == found.path
                    && is_it(&source.position())
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
        source.real = fs::canonicalize(file).unwrap_or_else(|_| file.to_path_buf());
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

    /// Deals with sources that no configured path leads to any more.
    fn look_for_left(&mut self, absent: Vec<u64>) {
        for number in absent {
            let Some(source) = self.sources.get_mut(&number) else { continue };
            if !source.left {
                source.left = true;
                source.active = Instant::now();
                self.dirty.insert(number);
            }
            let opened = source.file.as_ref().and_then(|file| file.metadata().ok());
            let is_held = opened.is_some();
            let stat = opened.or_else(|| fs::metadata(&source.real).ok()).map(|m| Stat::of(&m));
            let same = |stat: &Stat| stat.id == source.id && (is_held || !source.is_not(*stat));
            match stat.filter(same) {
                Some(stat) => {
                    source.look(stat);
                    source.pending |= source.unread && !source.is_open();
                    let deleted = stat.links == 0;
                    if deleted && source.frozen && source.is_read() {
                        self.give_up(number);
                    } else if !source.pending && source.active.elapsed() >= self.grace {
                        if deleted {
                            source.frozen = true;
                            source.pending = true;
                        } else if source.is_read() {
                            source.close();
                        }
                    }
                }
                None => self.track(number),
            }
        }
    }

    /// Lets go of a file that was deleted, unless it goes on compressed.
    fn give_up(&mut self, number: u64) {
        let Some(source) = self.sources.get(&number) else { return };
        let (position, real) = (source.position(), source.real.clone());
        let path = source.path.clone();
        let is_free = |sibling: &Sibling| sibling.is_compressed() && self.is_free(sibling, number);
        let packed = sibling::locate(&position, &path, &real, false, is_free);
        match packed.ok().and_then(|(found, _)| found) {
            Some(packed) => self.move_to(number, &packed.path, packed.stat),
            None => self.remove(number),
        }
    }

    /// Keeps the number of rotated files that are remembered in its bound.
    fn forget_left(&mut self) {
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
    pub(super) fn track(&mut self, number: u64) {
        let Some(source) = self.sources.get(&number) else { return };
        let (mut position, real) = (source.position(), source.real.clone());
        if source.packed.is_none() {
            position.size = source.seen.0;
        }
        let path = source.path.clone();
        // Told by the kernel, and checked: the way back to the folder is spared.
        if let Some(to) = self.moves.get(&real).or_else(|| self.moves.get(&path)).cloned()
            && let Ok(metadata) = fs::metadata(&to)
            && Stat::of(&metadata).id == source.id
            && !source.is_not(Stat::of(&metadata))
        {
            self.drop_unread_owner(source.id, number);
            self.move_to(number, &to, Stat::of(&metadata));
            return;
        }
        let rejected = source.rejected.clone();
        let is_free = |sibling: &Sibling| {
            !rejected.contains(&sibling.stat.id) && self.is_free(sibling, number)
        };
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
            let real = Path::new(position.real());
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
        let all = self.numbers_at(path).iter();
        let all = all.filter_map(|number| Some((*number, self.sources.get(number)?)));
        let left = all.filter(|(_, source)| source.left && source.path == path);
        left.max_by_key(|(_, source)| source.seen.1).map(|(number, _)| number)
    }

    /// Makes the source that is at `path` now wait for `number`.
    fn put_before(&mut self, number: u64, path: &Path) {
        for other in self.numbers_at(path).to_vec() {
            let current = self.sources.get_mut(&other).filter(|other| !other.left);
            if let Some(current) = current.filter(|s| s.path == path && s.after.is_none()) {
                current.after = Some(number);
            }
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
