//! Replacement: a file that was truncated, or that another one took the place of.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::Follower;
use super::glob::Stat;
use super::name::{Rotated, bases, rotated};
use super::packed::Packed;
use super::position::Position;
use super::print;
use super::scan::is_past;
use super::sibling::{self, LOOKS_MAX, Match, Relation, Sibling};
use super::source::{Place, Source};
use super::unpack::Kind;
use crate::{Count, Truncation};

/// Whether a file is a copy of one that is followed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Copy {
    /// It is not.
    No,
    /// It is, so far.
    Yes,
    /// What was followed has changed meanwhile: look again.
    Unsure,
}

impl Follower {
    /// A source's file no longer holds its content: copied away and truncated, or replaced in place.
    /// Goes on in the rotated copy if there is one, and begins a new generation in the file.
    pub(super) fn replaced(&mut self, number: u64) {
        // The copy may have been written over an older one that is still followed. Only when that one
        // is known to be gone is its file free to be gone on in.
        for other in self.overwritten(number) {
            self.replace(other);
        }
        self.replace(number);
    }

    /// Returns the rotated files of a source's log that hold something else by now.
    fn overwritten(&self, number: u64) -> Vec<u64> {
        let Some(source) = self.sources.get(&number) else { return Vec::new() };
        let is_gone = |other: &Source| {
            let is_earlier = other.left && other.key.is_some() && other.path == source.path;
            let file = is_earlier.then(|| other.opened()).flatten();
            file.is_some_and(|file| !other.holds(&file).unwrap_or(true))
        };
        let others = self.sources.iter().filter(|(other, _)| **other != number);
        others.filter(|(_, other)| is_gone(other)).map(|(other, _)| *other).collect()
    }

    fn replace(&mut self, number: u64) {
        self.wiring.report.count(Count::Truncations, 1);
        let waiting = self.sources.iter().filter(|(_, source)| source.after == Some(number));
        let waiting: Vec<u64> = waiting.map(|(waiting, _)| *waiting).collect();
        let Some(source) = self.sources.get_mut(&number) else { return };
        let (position, id) = (source.position(), source.id);
        let metadata = source.file.as_ref().and_then(|file| file.metadata().ok());
        let mut next = Source::new(
            source.path.clone(),
            source.real().to_path_buf(),
            source.group,
            metadata.as_ref().map_or(
                Stat { id, size: 0, changed: source.seen.1, links: 1, born: None },
                Stat::of,
            ),
        );
        next.generation = source.generation.saturating_add(1);
        next.left = source.left;
        next.scan = source.scan;
        next.file = source.file.take();
        next.life = source.life;
        if let Some(metadata) = &metadata {
            next.life.born = Stat::of(metadata).born;
        }
        next.after = source.after;
        self.index.remove(&id);
        let is_free = |sibling: &Sibling| self.is_free(sibling, number);
        let located = sibling::locate(&position, &next.path, next.real(), true, is_free);
        let (copy, free) = located.unwrap_or_default();
        self.tell_truncated(number, &position, copy.is_some());
        let since = match copy {
            Some(copy) => {
                self.go_on_in(number, &position, &copy);
                next.after = Some(number);
                Some(copy.stat.changed)
            }
            None => {
                if !self.is_read_elsewhere(number, &position) {
                    self.lost(&position, &free, "it was truncated or replaced");
                }
                self.remove(number);
                Some(position.changed)
            }
        };
        // It follows on what we know, so nothing beside it is older than the agent.
        next.since = next.seen.1;
        let (until, place, before) = (next.missed_until(), next.place(), next.after);
        let next = self.add(next);
        let last = self.take_missed(&place, since, until, before);
        if let Some(source) = self.sources.get_mut(&next) {
            source.after = last;
        }
        // Who waited for the old content waits for the new one, which waits for the old one.
        for waiting in waiting {
            if let Some(source) = self.sources.get_mut(&waiting) {
                source.after = Some(next);
            }
        }
    }

    /// A rotated file that is written over is the business of whoever rotates, and not told.
    fn tell_truncated(&self, number: u64, position: &Position, has_copy: bool) {
        if !position.left {
            self.wiring.report.truncated(&Truncation {
                path: &position.path,
                rotated: has_copy || self.is_read_elsewhere(number, position),
                read: position.offset,
                unread: position.size.saturating_sub(position.offset),
            });
        }
    }

    /// Whether a content of which nothing was read here is read in its copy, found before this file was
    /// seen to have changed.
    fn is_read_elsewhere(&self, number: u64, position: &Position) -> bool {
        let is_unread = self.sources.get(&number).is_some_and(|source| source.key.is_none());
        let mut others = self.sources.values().filter(|source| source.key.is_some());
        is_unread
            && others.any(|source| {
                source.file.as_ref().is_some_and(|file| position.head.is_begun_by(file))
            })
    }

    /// Continues a content in its rotated copy.
    fn go_on_in(&mut self, number: u64, position: &Position, copy: &Sibling) {
        self.drop_unread_owner(copy.stat.id, number);
        self.move_to(number, &copy.path, copy.stat);
        let Some(source) = self.sources.get_mut(&number) else { return };
        source.left = true;
        source.frozen = true;
        let size = match &source.packed {
            Some(packed) => packed.size.unwrap_or(u64::MAX),
            None => copy.stat.size,
        };
        if size < position.offset {
            // The copy was taken before the last lines we read: there is nothing left in it for us.
            source.offset = size;
            source.skipping = false;
            source.tail = print::Print::of(b"");
            if let Some(file) = copy.open().filter(|_| source.packed.is_none()) {
                source.tail = print::tail(&file, source.offset).unwrap_or_default();
            }
        }
    }

    /// A file that changed between first sight and first line may have been rotated meanwhile. Returns
    /// whether something was found that comes first.
    ///
    /// The print is taken before the look around: what the file held before is beside it by then, and
    /// what it holds next fails the check behind the read.
    pub(super) fn is_preceded(&mut self, number: u64) -> bool {
        let Some(source) = self.sources.get_mut(&number) else { return false };
        if source.key.is_some() {
            return false;
        }
        let Some(file) = &source.file else { return false };
        let (Ok(head), Ok(metadata)) = (print::head(file), file.metadata()) else { return false };
        let changed = Stat::of(&metadata).changed;
        if changed < source.since || !source.head.is_begun_by(file) {
            return false;
        }
        source.head = head;
        source.seen.1 = changed;
        let (place, since, before) = (source.place(), source.since, source.after);
        let until = source.missed_until();
        let last = self.take_missed(&place, Some(since), until, before);
        let Some(source) = self.sources.get_mut(&number) else { return false };
        source.since = changed;
        source.after = last;
        last != before
    }

    /// Takes in files that were the log between the one we know and the one there is now: rotated
    /// twice or more while we were not looking. Returns the number of the last one, or `before`.
    ///
    /// They were last changed from `since` to `until`. A kernel's clock for files ticks every few
    /// milliseconds, so that two rotations may well share a tick.
    pub(super) fn take_missed(
        &mut self,
        current: &Place,
        since: Option<i64>,
        until: i64,
        before: Option<u64>,
    ) -> Option<u64> {
        let Some(since) = since else { return before };
        let mut missed = Vec::new();
        for _ in 0..LOOKS_MAX {
            missed.clear();
            let siblings = sibling::siblings(&current.path, &current.real, current.id.1);
            let mut moved = false;
            for sibling in siblings.unwrap_or_default() {
                let is_candidate =
                    matches!(sibling.relation, Relation::Rotated | Relation::Compressed)
                        && sibling.stat.id != current.id
                        && sibling.stat.size > 0
                        && !self.is_taken(&sibling, current)
                        && (since..=until).contains(&sibling.stat.changed)
                        && self.is_free(&sibling, u64::MAX);
                match sibling.open().filter(|_| is_candidate) {
                    Some(file) => missed.push((sibling, file)),
                    None => moved |= is_candidate,
                }
            }
            if !moved {
                break;
            }
        }
        let plain: Vec<PathBuf> = missed.iter().map(|(sibling, _)| sibling.path.clone()).collect();
        missed.retain(|(sibling, file)| {
            if sibling.relation == Relation::Compressed {
                // While a file is being compressed both are there.
                let is_packing = plain.contains(&sibling.path.with_extension(""));
                return !is_packing && self.is_unknown_packed(sibling, current, file);
            }
            let is_copy = File::open(&current.real).is_ok_and(|current| is_copy_of(&current, file));
            !is_copy && !self.is_copied_from_known(&sibling.path, file)
        });
        missed.sort_by_key(|(sibling, _)| sibling.stat.changed);
        let mut last = before;
        for (sibling, file) in missed {
            self.drop_unread_owner(sibling.stat.id, u64::MAX);
            let path = current.path.clone();
            let packed = Packed::of(&sibling.path);
            let mut source = Source::new(path, sibling.path, current.group, sibling.stat);
            source.left = true;
            source.scan = self.scans;
            source.after = last;
            // Names move on while files are rotated; what is open stays.
            if packed.is_none() {
                self.close_one_if_full();
                source.file = Some(file);
            }
            source.frozen = packed.is_some();
            source.packed = packed;
            last = Some(self.add(source));
            self.wiring.report.count(Count::Rotations, 1);
        }
        last
    }

    /// Whether a compressed file holds what no source of the log has read from, nor holds open.
    fn is_unknown_packed(&self, sibling: &Sibling, current: &Place, file: &File) -> bool {
        let Some(kind) = Kind::of(&sibling.path) else { return false };
        let (first, size) = (kind.first(file), kind.size(file));
        let base = current.path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        let is_family = |source: &Source| {
            let name = source.path.file_name().map(|name| name.to_string_lossy());
            source.path.parent() == current.path.parent()
                && name.is_some_and(|name| name == base || rotated(&base, &name).is_some())
        };
        let is_known = |source: &Source| {
            // First bytes that are not many say little; but then the whole has few, too.
            let is_said = source.head.len == print::HEAD_BYTES_MAX
                || size.is_none_or(|size| size == source.offset.max(source.known.0));
            let is_read = source.key.is_some() && source.head.len > 0;
            let held = source.file.as_ref();
            is_read && is_said && source.head.begins(&first)
                || held.is_some_and(|file| {
                    print::read_at(file, 0, print::HEAD_BYTES_MAX).is_ok_and(|held| held == first)
                })
        };
        !first.is_empty()
            && !self.sources.values().any(|source| is_family(source) && is_known(source))
    }

    /// Whether a file is already followed as an earlier one of a log.
    fn is_taken(&self, sibling: &Sibling, current: &Place) -> bool {
        let owner = self.index.get(&sibling.stat.id).and_then(|number| self.sources.get(number));
        owner.is_some_and(|owner| owner.path == current.path && !is_past(owner, sibling))
    }

    /// Whether a file is a copy of one we follow.
    fn is_copied_from_known(&self, path: &Path, file: &File) -> bool {
        let first = print::read_at(file, 0, print::HEAD_BYTES_MAX).unwrap_or_default();
        let name =
            |source: &Source| source.path.file_name().map(|n| n.to_string_lossy().into_owned());
        let file_name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        self.sources.values().any(|source| {
            source.key.is_some()
                && source.path.parent() == path.parent()
                && name(source).is_some_and(|base| rotated(&base, &file_name).is_some())
                && source.head.begins(&first)
                && match source.opened() {
                    Some(original) => is_copy_of(&original, file),
                    None => sibling::compare(&source.position(), file) == Match::Full,
                }
        })
    }

    /// Whether a source not read yet is a copy of one that is followed, as `copytruncate` makes just
    /// before it truncates. As long as both agree there is nothing in it that is not read already.
    pub(super) fn is_copy(&mut self, number: u64) -> Copy {
        let Some(source) = self.sources.get(&number) else { return Copy::No };
        let Some(file) = source.file.as_ref().filter(|_| source.key.is_none()) else {
            return Copy::No;
        };
        let name = source.real().file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        let Some(folder) = source.real().parent() else { return Copy::No };
        // Where the original may be, and those whose path does not say where they are.
        let places = bases(&name).into_iter().map(|base| folder.join(base));
        let mut originals: Vec<u64> =
            places.flat_map(|place| self.numbers_at(&place).to_vec()).collect();
        if originals.is_empty() && self.linked.is_empty() {
            return Copy::No;
        }
        originals.extend(&self.linked);
        originals.sort_unstable();
        originals.dedup();
        originals.retain(|original| {
            self.sources.get(original).is_some_and(|original| {
                let base = original.real().file_name().map(|name| name.to_string_lossy());
                original.key.is_some()
                    && original.real().parent() == Some(folder)
                    && base.is_some_and(|base| rotated(&base, &name) == Some(Rotated::Plain))
            })
        });
        let first = print::read_at(file, 0, print::HEAD_BYTES_MAX).unwrap_or_default();
        for original in originals {
            let Some(known) = self.sources.get(&original) else { continue };
            if first.len() >= known.head.len && !known.head.begins(&first) {
                continue;
            }
            let Some(opened) = known.opened() else { continue };
            if !known.holds(&opened).unwrap_or(true) {
                // Truncated meanwhile: this very file is where its tail is.
                self.replaced(original);
                return Copy::Unsure;
            }
            let Some(source) = self.sources.get(&number) else { return Copy::No };
            if source.file.as_ref().is_some_and(|file| is_copy_of(&opened, file)) {
                return Copy::Yes;
            }
        }
        Copy::No
    }

    /// Tells that a content could not be read to its end.
    pub(super) fn lost(&self, position: &Position, siblings: &[Sibling], what: &str) {
        let unread = position.size.saturating_sub(position.offset);
        let compressed = siblings
            .iter()
            .filter(|s| s.relation == Relation::Compressed && Kind::of(&s.path).is_none())
            .filter(|s| s.stat.changed >= position.changed)
            .map(|sibling| sibling.path.display().to_string())
            .next();
        if position.left && unread == 0 {
            return;
        }
        if unread > 0 {
            self.wiring.report.count(Count::LostBytes, unread);
        }
        let text = match compressed {
            Some(path) => format!(
                "{what} and then compressed in a way that cannot be read ({path}), so lines after byte \
                 {} may be missing; let logrotate use gzip or zstd, or add 'delaycompress'",
                position.offset
            ),
            None if unread > 0 => format!(
                "{what}, {unread} bytes after byte {} were not read and no rotated copy was found \
                 beside it; keep rotated files in the same folder",
                position.offset
            ),
            None => format!(
                "{what}; all {} bytes seen had been read, later lines may be missing as no rotated \
                 copy was found beside it",
                position.offset
            ),
        };
        self.wiring.report.notice(&position.path, text);
    }
}

/// Whether a file agrees with another as far as it goes: the copy that `copytruncate` is making. It is
/// never longer than what it is made from; and an empty one has nothing in it to miss.
fn is_copy_of(original: &File, copy: &File) -> bool {
    let compare = || -> std::io::Result<bool> {
        let len = copy.metadata()?.len();
        let fits = len > 0 && len <= original.metadata()?.len();
        Ok(fits && print::same_up_to(original, copy, len)?)
    };
    compare().unwrap_or(false)
}
