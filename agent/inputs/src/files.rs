//! Files: follows log files through growth, rotation, truncation and restart.
//!
//! The truth is the periodic scan; the kernel's hints only make it prompt. Everything happens on one
//! thread in three steps that repeat: *scan* (which files are there, which source is which file),
//! *read* (one chunk from each source that has something), *hand on* (wait for room in the channel).
//!
//! What makes it exact:
//! 1. A source is a content, not a name: it is known by inode and by prints of its first and of its
//!    last-read bytes, and is found again under any name beside its old one.
//! 2. Bytes count only after the prints were checked *behind* the read.
//! 3. A truncated file is two sources. The unread tail of the first is read from the rotated copy,
//!    under the first one's name and offsets; the second waits for it.
//! 4. A position travels with the lines it follows, and never before them.

pub(crate) mod assemble;
mod body;
mod cycle;
mod dormant;
pub(crate) mod frame;
mod glob;
mod hint;
pub(crate) mod join;
mod left;
mod listing;
mod multiline;
mod name;
mod packed;
mod position;
mod print;
mod read;
mod replace;
mod scan;
mod sibling;
mod source;
#[cfg(test)]
mod tests;
mod unpack;
mod version;
mod watch;
mod wide;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use self::assemble::Assemble;
use self::dormant::Dormant;
use self::glob::Globs;
use self::source::Source;
use crate::config::check_system;
use crate::run::Wiring;
use crate::{
    AuditConfig, Chunk, Count, Encoding, Error, FilesConfig, Format, InputsConfig, Item, Lines,
    Positions, SourceMeta, Start,
};

/// How long a rotated file is watched for late lines of a writer that still holds it, and a deleted
/// one likewise, before its last unfinished line is taken as complete.
const GRACE: Duration = Duration::from_secs(60);

/// How long an unchanged file stays open.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// Most paths remembered as known although no file is followed there. The first in order are
/// forgotten first: among names that carry a date these are the oldest.
const MARKERS_MAX: usize = 32_768;

/// Most rotated files remembered after they were read; the oldest are forgotten first.
const LEFT_MAX: usize = 4_096;

/// Returns a short name of a path.
fn hash(path: &Path) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    path.hash(&mut hasher);
    hasher.finish()
}

/// What a group of files has in common.
struct Group {
    format: Format,
    start: Start,
    dataset: Option<String>,
    system: Option<String>,
    policy: u16,
    encoding: Encoding,
    multiline: Option<Arc<multiline::Rules>>,
    /// How long an incomplete audit event waits.
    audit_wait: Duration,
}

impl Group {
    fn new(config: &FilesConfig, audit: &AuditConfig) -> Result<Self, Error> {
        check_system("files.system", &config.system)?;
        Ok(Self {
            audit_wait: Duration::from_millis(audit.wait_ms),
            format: config.format,
            start: config.start,
            dataset: Some(config.dataset.clone()).filter(|dataset| !dataset.is_empty()),
            system: Some(config.system.clone()).filter(|system| !system.is_empty()),
            policy: config.policy.number,
            encoding: config.encoding,
            multiline: multiline::Rules::new(&config.multiline)?.map(Arc::new),
        })
    }
}

/// Follows all files of the configuration.
pub(crate) struct Follower {
    globs: Arc<Globs>,
    groups: Vec<Group>,
    interval: Duration,
    grace: Duration,
    open_max: usize,
    wiring: Wiring,
    /// By number, in the order they were met.
    sources: BTreeMap<u64, Box<Source>>,
    /// Which source is in which inode.
    index: HashMap<(u64, u64), u64>,
    /// Which sources belong to the log of a path, by the hash of the path: a path costs more than a
    /// number. Others of the same hash may be among them.
    by_path: HashMap<u64, SmallVec<[u64; 2]>>,
    /// Sources that were behind a link when they were taken in.
    linked: BTreeSet<u64>,
    next_number: u64,
    /// Checkpoints whose file has not been found again yet.
    dormant: Dormant,
    /// Paths that were known before this start, by their hashes.
    known_paths: HashSet<u64>,
    /// Paths whose `seen` checkpoint is in force.
    markers: BTreeSet<String>,
    /// Paths whose last source was lost in this scan, with the time of its last known change.
    forgotten: Vec<(PathBuf, i64)>,
    /// Marker checkpoints not yet told.
    new_markers: Vec<String>,
    /// Sources whose position changed without lines.
    dirty: BTreeSet<u64>,
    /// Keys no longer needed, not yet told.
    gone: Vec<String>,
    scans: u64,
    /// When the next scan is due.
    scan_at: Instant,
    /// Processor time of the last scan.
    scan_cost: Duration,
    /// Folders that the last scan looked into.
    folders: HashSet<PathBuf>,
    /// Where files were moved to, as the kernel told since the last look.
    moves: HashMap<PathBuf, PathBuf>,
    /// Sources that may have something to read.
    ready: BTreeSet<u64>,
    /// Sources whose file is open.
    open: BTreeSet<u64>,
    /// Sources that changed not long ago.
    lively: BTreeSet<u64>,
    /// Subjects the last scan told as problems.
    scan_problems: HashSet<String>,
    /// Subjects told as problems, with their text.
    problems: HashMap<String, String>,
    /// Counts of the chunk being made; told once it was handed on.
    counts: Vec<(Count, u64)>,
    /// Unfinished records of sources that ended; handed on with the end.
    leftovers: Vec<Lines>,
    /// When records of these sources will have waited too long.
    assembling: BTreeMap<u64, Instant>,
    buffer: Vec<u8>,
}

/// Checks what the configuration says of files.
pub(crate) fn check(config: &InputsConfig) -> Result<(), Error> {
    Globs::new(&config.files, config.files_max)?;
    config.files.iter().try_for_each(|group| Group::new(group, &config.audit).map(drop))
}

/// Returns what the configuration says of a log, whether or not it exists: that of its first group.
#[must_use]
pub fn settings_of<'a>(config: &'a InputsConfig, path: &str) -> Option<&'a FilesConfig> {
    let globs = Globs::new(&config.files, config.files_max).ok()?;
    config.files.get(globs.group_of(Path::new(path))?)
}

impl Follower {
    /// Checks the configuration and takes over the checkpoints.
    pub(crate) fn new(
        config: &InputsConfig,
        checkpoints: &Arc<Positions>,
        wiring: Wiring,
    ) -> Result<Self, Error> {
        let globs = Globs::new(&config.files, config.files_max)?;
        let group = |group| Group::new(group, &config.audit);
        let groups = config.files.iter().map(group).collect::<Result<_, _>>()?;
        let mut follower = Self {
            globs: Arc::new(globs),
            groups,
            interval: Duration::from_millis(config.scan_interval_ms),
            grace: GRACE,
            open_max: config.open_max,
            wiring,
            sources: BTreeMap::new(),
            index: HashMap::new(),
            by_path: HashMap::new(),
            linked: BTreeSet::new(),
            next_number: 0,
            dormant: Dormant::default(),
            known_paths: HashSet::new(),
            markers: BTreeSet::new(),
            forgotten: Vec::new(),
            new_markers: Vec::new(),
            dirty: BTreeSet::new(),
            gone: Vec::new(),
            scans: 0,
            scan_at: Instant::now(),
            scan_cost: Duration::ZERO,
            folders: HashSet::new(),
            moves: HashMap::new(),
            ready: BTreeSet::new(),
            open: BTreeSet::new(),
            lively: BTreeSet::new(),
            scan_problems: HashSet::new(),
            problems: HashMap::new(),
            counts: Vec::new(),
            leftovers: Vec::new(),
            assembling: BTreeMap::new(),
            buffer: vec![0; source::CHUNK_BYTES_MAX],
        };
        follower.take_over(checkpoints);
        Ok(follower)
    }

    fn take_over(&mut self, checkpoints: &Arc<Positions>) {
        for path in checkpoints.iter().filter_map(|(key, _)| position::seen_path(key)) {
            self.known_paths.insert(hash(Path::new(path)));
            self.markers.insert(path.to_owned());
        }
        let (known, report) = (&mut self.known_paths, &self.wiring.report);
        let known = |path: &Path| {
            known.insert(hash(path));
        };
        self.dormant = Dormant::of(checkpoints, known, |key| {
            let text = "its checkpoint is of another version and is not used; the file is read from \
                        its beginning";
            report.notice(key, text.to_owned());
        });
    }

    /// Returns whether one of the files there are now holds what the journal would repeat.
    pub(crate) fn has_syslog_files(&self) -> bool {
        const SYSLOG: [&str; 4] = ["auth.log", "secure", "syslog", "messages"];
        /// A file that nobody wrote to for a day is left over from a syslog that is gone.
        const ALIVE: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);
        let mut has_any = false;
        self.globs.scan(&mut |found| {
            let path = &found.path;
            let name = path.file_name().and_then(|name| name.to_str());
            let of_system = path.parent() == Some(std::path::Path::new("/var/log"))
                && name.is_some_and(|name| SYSLOG.contains(&name));
            // Opened, not only looked at: a file that may not be read holds nothing for us.
            let changed = || std::fs::File::open(path).and_then(|file| file.metadata()?.modified());
            has_any |=
                of_system && changed().is_ok_and(|at| at.elapsed().map_or(true, |age| age < ALIVE));
        });
        has_any
    }

    /// Names a content of a source.
    fn meta(groups: &[Group], path: &Path, group: usize, key: &str) -> SourceMeta {
        let group = groups.get(group);
        SourceMeta {
            key: key.to_owned(),
            path: Some(path.to_string_lossy().into_owned()),
            format: group.map_or(Format::Auto, |group| group.format),
            dataset: group.and_then(|group| group.dataset.clone()),
            system: group.and_then(|group| group.system.clone()),
            policy: group.map_or(0, |group| group.policy),
            ..SourceMeta::default()
        }
    }

    /// Takes in a source and returns its number.
    fn add(&mut self, mut source: Source) -> u64 {
        source.assembler = source.assembler.or_else(|| self.assembler(source.group, &source.path));
        source.encoding =
            self.groups.get(source.group).map_or(Encoding::Auto, |group| group.encoding);
        let number = self.next_number;
        self.next_number += 1;
        if source.pending {
            self.ready.insert(number);
        }
        if source.is_open() {
            self.open.insert(number);
        } else {
            source.rest_closed();
        }
        if !source.left && source.real() != source.path {
            self.linked.insert(number);
        }
        self.by_path.entry(hash(&source.path)).or_default().push(number);
        self.index.insert(source.id, number);
        self.sources.insert(number, Box::new(source));
        number
    }

    fn assembler(&self, group: usize, path: &Path) -> Option<Box<dyn Assemble>> {
        self.groups.get(group).and_then(|group| assemble::assembler(group, path))
    }

    /// Lets go of a source; its checkpoint is no longer needed.
    fn remove(&mut self, number: u64) {
        let Some(mut source) = self.sources.remove(&number) else { return };
        if self.index.get(&source.id) == Some(&number) {
            self.index.remove(&source.id);
        }
        if let Some(numbers) = self.by_path.get_mut(&hash(&source.path)) {
            numbers.retain(|other| *other != number);
            if numbers.is_empty() {
                self.by_path.remove(&hash(&source.path));
            }
        }
        self.dirty.remove(&number);
        self.linked.remove(&number);
        self.assembling.remove(&number);
        if let Some(lines) = source.finish() {
            self.counts.push((Count::Lines, lines.lines.len() as u64));
            self.leftovers.push(lines);
        }
        let Some(key) = source.key() else { return };
        self.gone.push(key.to_owned());
        let at_end = self.groups.get(source.group).is_some_and(|group| group.start == Start::End);
        if at_end && self.at_path(&source.path).next().is_none() {
            self.mark(source.path.to_string_lossy().into_owned());
        }
    }

    /// Returns the numbers of the sources that belong to the log of a path, perhaps among others.
    fn numbers_at(&self, path: &Path) -> &[u64] {
        self.by_path.get(&hash(path)).map(SmallVec::as_slice).unwrap_or_default()
    }

    /// Returns the sources that belong to the log of a path.
    fn at_path<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = &'a Source> {
        let numbers = self.numbers_at(path).iter();
        let sources = numbers.filter_map(|number| self.sources.get(number)).map(Box::as_ref);
        sources.filter(move |source| source.path == path)
    }

    /// Remembers that a path is known although there is no content to know it by.
    fn mark(&mut self, path: String) {
        if self.markers.insert(path.clone()) {
            self.new_markers.push(path);
        }
        while self.markers.len() > MARKERS_MAX {
            let Some(first) = self.markers.pop_first() else { return };
            self.gone.push(position::seen_key(&first));
        }
    }

    /// Tells a problem once per change of its text.
    fn problem(&mut self, subject: String, text: String) {
        if self.problems.get(&subject) != Some(&text) {
            self.wiring.report.problem(&subject, text.clone());
            self.problems.insert(subject, text);
        }
    }

    /// Tells that a problem is over, if it was told.
    fn resolved(&mut self, subject: &str) {
        if self.problems.remove(subject).is_some() {
            self.wiring.report.resolved(subject);
        }
    }

    /// Adds to `chunk` every position, marker and end that has not been told. Their lines, if any,
    /// are in earlier chunks.
    fn tell_positions(&mut self, chunk: &mut Chunk) {
        for number in std::mem::take(&mut self.dirty) {
            let Some(source) = self.sources.get(&number) else { continue };
            if let Some(key) = source.key() {
                chunk.positions.push((key.to_owned(), source.position().to_json()));
            }
        }
        for path in std::mem::take(&mut self.new_markers) {
            chunk.positions.push((position::seen_key(&path), position::SEEN_JSON.to_owned()));
        }
        chunk.items.extend(self.leftovers.drain(..).map(Item::Lines));
        chunk.gone.append(&mut self.gone);
    }
}
