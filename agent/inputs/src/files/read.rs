//! Reading: one chunk from each source that has something, in turn.

use std::fs::File;
use std::io;
use std::time::Instant;

use super::Follower;
use super::glob::{Stat, explain};
use super::replace::Copy;
use super::source::{Source, Step};
use crate::{Chunk, Count, Item};

impl Follower {
    /// Asks the kernel about the files that are open: cheap, and enough between two scans.
    pub(super) fn look_at_open_files(&mut self) {
        for source in self.sources.values_mut() {
            let metadata = source.file.as_ref().and_then(|file| file.metadata().ok());
            if let Some(metadata) = metadata {
                source.look(Stat::of(&metadata));
            }
        }
    }

    /// Reads in turn until nothing is left or the next scan is due. False when it is time to end.
    pub(super) fn read_until(&mut self, due: Instant, send: &mut dyn FnMut(Chunk) -> bool) -> bool {
        let now = Instant::now();
        for (number, _) in self.assembling.iter().filter(|(_, due)| **due <= now) {
            if let Some(source) = self.sources.get_mut(number) {
                source.pending = true;
            }
        }
        loop {
            let mut any = false;
            let numbers: Vec<u64> = self
                .sources
                .iter()
                .filter(|(_, source)| source.pending && !self.waits(source))
                .map(|(number, _)| *number)
                .collect();
            for number in numbers {
                let mut chunk = Chunk::default();
                any |= self.step(number, &mut chunk);
                // One that is done may be what another waits for.
                any |= self.sources.get(&number).is_none_or(|source| !source.pending);
                self.tell_positions(&mut chunk);
                if !chunk.is_empty() && !send(chunk) {
                    return false;
                }
                for (what, amount) in std::mem::take(&mut self.counts) {
                    self.wiring.report.count(what, amount);
                }
            }
            if !any || Instant::now() >= due {
                break;
            }
        }
        let mut chunk = Chunk::default();
        self.tell_positions(&mut chunk);
        chunk.is_empty() || send(chunk)
    }

    /// Whether another source's lines come first. One that cannot be read holds nobody up.
    fn waits(&self, source: &Source) -> bool {
        let before = source.after.and_then(|number| self.sources.get(&number));
        before.is_some_and(|before| (before.pending || before.unread) && !before.failed)
    }

    /// Reads once from a source. Returns whether it is worth another turn.
    fn step(&mut self, number: u64, chunk: &mut Chunk) -> bool {
        match self.open(number) {
            Ok(true) => {}
            Ok(false) => return false,
            Err(error) => {
                self.fail(number, &error);
                return false;
            }
        }
        match self.is_copy(number) {
            Copy::No => {}
            Copy::Unsure => return true,
            Copy::Yes => {
                if let Some(source) = self.sources.get_mut(&number) {
                    source.pending = false;
                    source.unread = false;
                }
                return false;
            }
        }
        if self.is_preceded(number) {
            return true;
        }
        let Some(source) = self.sources.get_mut(&number) else { return true };
        source.after = None;
        let (path, group) = (source.path.clone(), source.group);
        let had_key = source.meta.is_some();
        let groups = &self.groups;
        let step = source.read(&mut self.buffer, |key| Self::meta(groups, &path, group, key));
        match step {
            Ok(Step::Nothing) => {
                // Still pending when it grew behind the read.
                let more = source.pending;
                source.unread = more;
                let due = source.assembler.as_ref().and_then(|all| all.due());
                match due {
                    Some(due) => self.assembling.insert(number, due),
                    None => self.assembling.remove(&number),
                };
                self.read_well(number);
                more
            }
            Ok(Step::Lines(lines, framed)) => {
                self.dirty.insert(number);
                self.read_well(number);
                let counts = [
                    (Count::Lines, lines.as_ref().map_or(0, |lines| lines.lines.len() as u64)),
                    (Count::JoinedLines, framed.joined),
                    (Count::LineBytes, framed.line_bytes),
                    (Count::TruncatedLines, framed.truncated),
                    (Count::TruncatedBytes, framed.truncated_bytes),
                    (Count::EmptyBytes, framed.empty_bytes),
                ];
                self.counts.extend(counts.into_iter().filter(|(_, amount)| *amount > 0));
                if !had_key {
                    let path = path.to_string_lossy().into_owned();
                    if self.markers.remove(&path) {
                        self.gone.push(super::position::seen_key(&path));
                    }
                }
                chunk.items.extend(lines.filter(|lines| !lines.lines.is_empty()).map(Item::Lines));
                true
            }
            Ok(Step::Replaced) => {
                self.replaced(number);
                true
            }
            Err(error) => {
                self.fail(number, &error);
                false
            }
        }
    }

    /// Opens a source's file if it is not open. False when the file is not where it was: the next
    /// scan finds out where it went.
    fn open(&mut self, number: u64) -> io::Result<bool> {
        let Some(source) = self.sources.get(&number) else { return Ok(false) };
        if source.file.is_some() {
            return Ok(true);
        }
        let (real, id) = (source.real.clone(), source.id);
        self.close_one_if_full();
        let file = match File::open(&real) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        // Opened by name: it counts only if it is the inode we mean.
        let file = match file {
            Some(file) if Stat::of(&file.metadata()?).id == id => Some(file),
            _ => None,
        };
        let Some(source) = self.sources.get_mut(&number) else { return Ok(false) };
        if file.is_none() {
            source.unread |= source.pending;
            source.pending = false;
        }
        source.file = file;
        Ok(source.file.is_some())
    }

    /// Keeps the number of open files in its bound: closes the one idle for longest, and one that is
    /// not read to its end only if there is no other.
    pub(super) fn close_one_if_full(&mut self) {
        let open = || self.sources.iter().filter(|(_, source)| source.file.is_some());
        if open().count() < self.open_max {
            return;
        }
        let idle = open().min_by_key(|(_, source)| (!source.is_read(), source.active));
        let number = idle.map(|(number, _)| *number);
        if let Some(source) = number.and_then(|number| self.sources.get_mut(&number)) {
            source.file = None;
        }
    }

    fn read_well(&mut self, number: u64) {
        let Some(source) = self.sources.get_mut(&number) else { return };
        source.failed = false;
        let subject = source.path.to_string_lossy().into_owned();
        self.resolved(&subject);
    }

    fn fail(&mut self, number: u64, error: &io::Error) {
        let Some(source) = self.sources.get_mut(&number) else { return };
        source.failed = true;
        source.file = None;
        let subject = source.path.to_string_lossy().into_owned();
        self.problem(subject, explain(error));
    }
}
