//! Left: files that were rotated away, deleted or compressed, and checkpoints whose file is elsewhere.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::glob::Stat;
use super::sibling::{self, Sibling};
use super::{Follower, LEFT_MAX};

impl Follower {
    /// Deals with sources that no configured path leads to any more.
    pub(super) fn look_for_left(&mut self, absent: Vec<u64>) {
        for number in absent {
            let Some(source) = self.sources.get_mut(&number) else { continue };
            if !source.left {
                source.left = true;
                source.active = Instant::now();
                self.dirty.insert(number);
            }
            let opened = source.file.as_ref().and_then(|file| file.metadata().ok());
            let is_held = opened.is_some();
            let stat = opened.or_else(|| fs::metadata(source.real()).ok()).map(|m| Stat::of(&m));
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
        let (position, real) = (source.position(), source.real().to_path_buf());
        let path = source.path.clone();
        let is_free = |sibling: &Sibling| sibling.is_compressed() && self.is_free(sibling, number);
        let packed = sibling::locate(&position, &path, &real, false, is_free);
        match packed.ok().and_then(|(found, _)| found) {
            Some(packed) => self.move_to(number, &packed.path, packed.stat),
            None => self.remove(number),
        }
    }

    /// Keeps the number of rotated files that are remembered in its bound.
    pub(super) fn forget_left(&mut self) {
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
        let (mut position, real) = (source.position(), source.real().to_path_buf());
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
    pub(super) fn look_for_dormant(&mut self) {
        for (key, position) in self.dormant.take_all() {
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
                self.dormant.push(key, position);
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
}
