//! Reading: one chunk from each source that has something, in turn.

use std::fs::File;
use std::io;
use std::time::Instant;

use super::Follower;
use super::glob::{Life, Stat, explain};
use super::replace::Copy;
use super::source::{Source, Step};
use super::version::version;
use crate::{Chunk, Count, Item};

/// What became of a chunk.
pub(super) enum Sent {
    /// It was handed on.
    Taken,
    /// It is time to end.
    Ended,
    /// There was no room for a while; try again.
    Full(Chunk),
}

impl Follower {
    /// Asks the kernel about the files that are open: cheap, and enough between two scans.
    pub(super) fn look_at_open_files(&mut self) {
        let mut pending = Vec::new();
        self.open.retain(|number| {
            let Some(source) = self.sources.get_mut(number) else { return false };
            if let Some(Ok(metadata)) = source.file.as_ref().map(File::metadata) {
                source.look(Stat::of(&metadata));
            }
            if source.pending {
                pending.push(*number);
            }
            source.is_open()
        });
        self.ready.extend(pending);
    }

    /// Reads in turn until nothing is left or the next look is due. False when it is time to end.
    pub(super) fn read_until(&mut self, due: Instant, send: &mut dyn FnMut(Chunk) -> Sent) -> bool {
        let now = Instant::now();
        for (number, _) in self.assembling.iter().filter(|(_, due)| **due <= now) {
            if let Some(source) = self.sources.get_mut(number) {
                source.pending = true;
                self.ready.insert(*number);
            }
        }
        loop {
            let mut any = false;
            let sources = &self.sources;
            self.ready.retain(|number| sources.get(number).is_some_and(|source| source.pending));
            let turn = self.ready.iter().filter(|number| {
                self.sources.get(number).is_some_and(|source| !self.waits(source))
            });
            for number in turn.copied().collect::<Vec<u64>>() {
                let mut chunk = Chunk::default();
                any |= self.step(number, &mut chunk);
                // One that is done may be what another waits for.
                any |= self.sources.get(&number).is_none_or(|source| !source.pending);
                self.tell_positions(&mut chunk);
                if !chunk.is_empty() && !self.hand_on(chunk, send) {
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
        chunk.is_empty() || self.hand_on(chunk, send)
    }

    /// Hands a chunk on. While there is no room, files are still followed through their rotations and
    /// as many as may be are held open, so that what is deleted meanwhile can be read later.
    fn hand_on(&mut self, mut chunk: Chunk, send: &mut dyn FnMut(Chunk) -> Sent) -> bool {
        loop {
            match send(chunk) {
                Sent::Taken => return true,
                Sent::Ended => return false,
                Sent::Full(back) => chunk = back,
            }
            if Instant::now() >= self.scan_at {
                self.scan();
            }
            self.hold_unread();
        }
    }

    /// Opens files that are not read yet, within the bound of open files.
    fn hold_unread(&mut self) {
        for number in self.ready.clone() {
            if self.open.len() >= self.open_max {
                return;
            }
            let is_unread =
                self.sources.get(&number).is_some_and(|s| s.pending && s.packed.is_none());
            if is_unread && let Err(error) = self.open(number) {
                self.fail(number, &error);
            }
        }
    }

    /// Whether another source's lines come first. One that cannot be read holds nobody up.
    fn waits(&self, source: &Source) -> bool {
        let before = source.after.and_then(|number| self.sources.get(&number));
        before.is_some_and(|before| (before.pending || before.unread) && !before.failed)
    }

    /// Reads once from a source. Returns whether it is worth another turn.
    fn step(&mut self, number: u64, chunk: &mut Chunk) -> bool {
        if self.sources.get(&number).is_some_and(|source| source.packed.is_some()) {
            return self.step_packed(number, chunk);
        }
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
        let had_key = source.key.is_some();
        let groups = &self.groups;
        let step = source.read(&mut self.buffer, |key| Self::meta(groups, &path, group, key));
        match step {
            Ok(step) => self.took(number, step, had_key, chunk),
            Err(error) => {
                self.fail(number, &error);
                false
            }
        }
    }

    /// Reads once from a source whose file is compressed. Returns whether it is worth another turn.
    fn step_packed(&mut self, number: u64, chunk: &mut Chunk) -> bool {
        let Some(source) = self.sources.get(&number) else { return true };
        if !source.is_open() {
            self.close_one_if_full();
        }
        let Some(source) = self.sources.get_mut(&number) else { return true };
        source.after = None;
        let (path, group) = (source.path.clone(), source.group);
        let had_key = source.key.is_some();
        let groups = &self.groups;
        let step =
            source.read_packed(&mut self.buffer, |key| Self::meta(groups, &path, group, key));
        if source.is_open() {
            self.open.insert(number);
        }
        match step {
            Ok(Step::Replaced) => {
                source.rejected.push(source.id);
                source.pending = false;
                self.track(number);
                true
            }
            Ok(step) => self.took(number, step, had_key, chunk),
            // The scan finds out where it went.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                source.unread = true;
                source.pending = false;
                false
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                self.fail(number, &error);
                false
            }
            Err(error) => {
                // Kept, so that it is not taken for another; should it change, it is tried again.
                source.close();
                source.unread = false;
                source.pending = false;
                let size = source.packed.as_ref().and_then(|packed| packed.size);
                let unread = size.unwrap_or_default().saturating_sub(source.offset);
                let text = format!(
                    "its compressed copy {} cannot be read beyond its byte {}: {error}; if it is still \
                     being written it is read on when it changes",
                    source.real().display(),
                    source.offset
                );
                let subject = source.path.to_string_lossy().into_owned();
                if unread > 0 {
                    self.wiring.report.count(Count::LostBytes, unread);
                }
                self.wiring.report.notice(&subject, text);
                false
            }
        }
    }

    /// Takes in what a step brought. Returns whether the source is worth another turn.
    fn took(&mut self, number: u64, step: Step, had_key: bool, chunk: &mut Chunk) -> bool {
        let Some(source) = self.sources.get_mut(&number) else { return true };
        match step {
            Step::Skipped => true,
            Step::Nothing => {
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
            Step::Lines(lines, framed) => {
                self.dirty.insert(number);
                let path = source.path.to_string_lossy().into_owned();
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
                if !had_key && self.markers.remove(&path) {
                    self.gone.push(super::position::seen_key(&path));
                }
                let lines = lines.filter(|lines| !lines.lines.is_empty());
                chunk.items.extend(lines.map(Item::Lines));
                true
            }
            Step::Replaced => {
                self.replaced(number);
                true
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
        let (real, id) = (source.real().to_path_buf(), source.id);
        self.close_one_if_full();
        let file = match File::open(&real) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        // Opened by name: it counts only if it is the inode we mean, in the same use.
        let Some(source) = self.sources.get_mut(&number) else { return Ok(false) };
        let file = match file {
            Some(file) => {
                let stat = Stat::of(&file.metadata()?);
                let version = version(&file);
                let life = Life { born: stat.born, version };
                let is_another = stat.id == id && source.life.differs(life);
                source.reused |= is_another;
                source.life.version = source.life.version.or(version);
                Some(file).filter(|_| stat.id == id && !is_another)
            }
            None => None,
        };
        if file.is_none() {
            source.unread |= source.pending;
            source.pending = false;
            // What is known of its place is out of date.
            self.scan_at = self.scan_at.min(Instant::now() + self.interval);
        } else {
            self.open.insert(number);
        }
        source.file = file;
        Ok(source.file.is_some())
    }

    /// Keeps the number of open files in its bound: closes the one idle for longest, and one that is
    /// not read to its end only if there is no other; one that was rotated away, or perhaps deleted, last.
    pub(super) fn close_one_if_full(&mut self) {
        let sources = &self.sources;
        self.open.retain(|number| sources.get(number).is_some_and(|source| source.is_open()));
        if self.open.len() < self.open_max {
            return;
        }
        let open = self.open.iter().filter_map(|number| Some((number, sources.get(number)?)));
        let idle = open.min_by_key(|(_, source)| (!source.is_read(), source.left, source.active));
        let number = idle.map(|(number, _)| *number);
        if let Some(source) = number.and_then(|number| self.sources.get_mut(&number)) {
            source.close();
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
        source.close();
        let subject = source.path.to_string_lossy().into_owned();
        self.problem(subject, explain(error));
    }
}
