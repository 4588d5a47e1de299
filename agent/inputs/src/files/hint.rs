//! Hints: looks at single files between two scans, where the kernel or the time says so.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::Follower;
use super::glob::Stat;
use super::source::Source;
use super::watch::Hints;
use crate::Count;

/// How long a file counts as lively after a change.
const LIVELY: Duration = Duration::from_secs(60);

/// Most lively files looked at between scans: about a millisecond each second.
const LIVELY_MAX: usize = 1_024;

impl Follower {
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
        let mut files = BTreeMap::new();
        self.globs.scan_some(hints.names.iter(), &mut |found| {
            files.insert(found.path.clone(), found);
        });
        let numbers: Vec<u64> =
            hints.names.iter().flat_map(|path| self.numbers_at(path).to_vec()).collect();
        let vanished = hints.created.iter().filter(|path| {
            !files.contains_key(*path)
                && !hints.moves.contains_key(*path)
                && self.numbers_at(path).is_empty()
                && self.globs.group_of(path).is_some()
                && !path.exists()
        });
        let vanished = vanished.count() as u64;
        self.moves = hints.moves;
        let unknown = files.into_values().filter_map(|found| self.meet_or_not(found)).collect();
        let unknown = self.recognise(unknown);
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
                && let Ok(metadata) = fs::metadata(source.real())
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
}
