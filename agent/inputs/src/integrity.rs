//! Integrity: files that must not change unnoticed.
//!
//! What every watched file is like is remembered ([`Tree`]), on disk in step with the checkpoint
//! ([`State`]). The kernel's hints say where to look at once; a full look every few minutes is the
//! truth. What comes and goes between two looks is not seen.

mod config;
mod content;
mod entry;
mod event;
mod hints;
mod look;
mod mass;
mod scope;
#[cfg(test)]
mod tests;
mod tree;
mod window;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;

pub use self::config::IntegrityConfig;
use self::content::Reader;
use self::entry::Entry;
use self::event::{Change, Context, notice, sample};
use self::hints::Hints;
use self::look::{GoOn, Look};
use self::mass::Mass;
use self::scope::{Root, Scope, split};
use self::tree::Tree;
use self::window::Window;
use crate::accounts::Accounts;
use crate::attend::Attendant;
use crate::state::{Delta, PACE, State, parse_position, position};
use crate::{Chunk, Error, Item, Sample, clock};

/// Key of its position in the checkpoint, and name of its state.
pub(crate) const KEY: &str = "integrity";

/// Events of one chunk: the round they belong to stays small.
const CHUNK_EVENTS_MAX: usize = 512;

/// Files learnt without an event in one generation.
const CHUNK_QUIET_MAX: usize = 4_096;

/// After a hint, so long until the look: both halves of a rename and the rest of a write are waited for.
const GATHER: Duration = Duration::from_millis(300);

/// A look is followed by a pause of so many times its length: a tree that never rests costs at most a
/// tenth of a processor.
const REST_FACTOR: u32 = 9;

/// Longest such pause.
const REST_MAX: Duration = Duration::from_secs(60);

/// A checked configuration.
pub(crate) struct Plan {
    config: IntegrityConfig,
    scope: Scope,
    windows: Vec<Window>,
}

impl Plan {
    /// Checks the configuration.
    pub(crate) fn new(config: &IntegrityConfig) -> Result<Self, Error> {
        let windows = config.check()?;
        Ok(Self { config: config.clone(), scope: Scope::new(config)?, windows })
    }
}

/// Watches until stopped.
pub(crate) fn run(plan: Plan, dir: &Path, known: Option<&str>, attendant: &Attendant) {
    let mut tree = Tree::default();
    let known = known.and_then(parse_position);
    let (state, notes) = match State::open(dir, KEY, known, &mut tree) {
        Ok(opened) => opened,
        Err(error) => {
            let text =
                format!("files are not watched: {error}: {:?}", std::error::Error::source(&error));
            attendant.wiring.report.problem(KEY, text);
            return;
        }
    };
    let Plan { config, scope, windows } = plan;
    let mut watcher = Watcher {
        hints: Hints::new(attendant, config.watches_max),
        reader: Reader::new(config.hash_bytes_max, config.hash_bytes_per_s),
        mass: Mass::new(config.mass_changes_per_min),
        config,
        scope,
        windows,
        tree,
        state,
        accounts: Accounts::new(),
        zone: TimeZone::system(),
        attendant,
        delta: Delta::default(),
        samples: Vec::new(),
        again: HashSet::new(),
        number: 0,
        in_trouble: false,
    };
    watcher.number = u64::try_from(clock::now().as_nanos()).unwrap_or_default();
    watcher.run(known.is_some() && !notes.is_empty(), &notes);
}

/// See the head of the file.
struct Watcher<'a> {
    config: IntegrityConfig,
    scope: Scope,
    windows: Vec<Window>,
    tree: Tree,
    state: State,
    hints: Hints,
    reader: Reader,
    mass: Mass,
    accounts: Accounts,
    zone: TimeZone,
    attendant: &'a Attendant,
    /// What was found and is not yet handed on; the tree does not know it either.
    delta: Delta,
    samples: Vec<Sample>,
    /// Folders to look at once more.
    again: HashSet<PathBuf>,
    /// Tells repeated changes of one path apart.
    number: u64,
    in_trouble: bool,
}

impl Watcher<'_> {
    fn run(&mut self, is_damaged: bool, notes: &[String]) {
        for note in notes {
            self.attendant
                .wiring
                .report
                .notice(KEY, format!("what was known of files is damaged: {note}"));
        }
        if is_damaged {
            let text = "what was known of the watched files is damaged; what changed until now may be unknown";
            self.samples.push(notice("baseline_lost", clock::now(), text.to_owned()));
        }
        if !self.forget_unwatched() {
            return;
        }
        loop {
            let next_full = Instant::now() + Duration::from_secs(self.config.interval_s);
            let roots = self.scope.roots();
            self.watch_above(&roots);
            let began = Instant::now();
            let (look, go_on) = self.look_at_all(&roots);
            if !go_on {
                return;
            }
            self.tell_trouble(&look);
            if !self.know_roots(&look, began) || !self.flush() {
                return;
            }
            if !self.rest(began) || !self.follow_hints(&roots, next_full) {
                return;
            }
        }
    }

    /// Looks where the kernel hints until it is time for a full look.
    fn follow_hints(&mut self, roots: &[Root], next_full: Instant) -> GoOn {
        loop {
            let left = next_full.saturating_duration_since(Instant::now());
            let mut changed = self.hints.take();
            if left.is_zero() || changed.everything {
                return true;
            }
            changed.folders.extend(self.again.drain());
            if changed.is_empty() {
                if !self.hints.wait(self.attendant, left) {
                    return false;
                }
                if !self.attendant.wait(GATHER) {
                    return false;
                }
                continue;
            }
            let began = Instant::now();
            let (_, go_on) = self.look_at_folders(changed.folders, roots);
            if !go_on || !self.flush() || !self.rest(began) {
                return false;
            }
        }
    }

    /// A root, or the folder a root may appear in, need not be below another root.
    fn watch_above(&mut self, roots: &[Root]) {
        for root in roots {
            if let Some(above) = root.path.parent().filter(|above| above.is_dir()) {
                self.hints.watch(above);
            }
        }
    }

    fn rest(&self, began: Instant) -> GoOn {
        self.attendant.wait((began.elapsed() * REST_FACTOR).clamp(GATHER, REST_MAX))
    }

    /// Drops what the configuration no longer names: it was not deleted.
    fn forget_unwatched(&mut self) -> GoOn {
        let roots = self.scope.roots();
        let mut delta = Delta::default();
        for folder in self.tree.folders() {
            for (name, _) in self.tree.names(folder) {
                let path = scope::join(folder, name);
                // A root that went while nobody looked is still below its pattern.
                let is_watched = roots.iter().any(|root| path.starts_with(&root.path))
                    || self
                        .tree
                        .roots()
                        .iter()
                        .any(|known| self.has_pattern(known) && is_below_pattern(&path, known));
                if !is_watched || self.scope.is_excluded(&path) {
                    delta.remove(folder, name);
                }
            }
        }
        for known in self.tree.roots() {
            if !self.has_pattern(known) {
                let (group, key) = Tree::root_key(known);
                delta.remove(group, key);
            }
        }
        self.delta = delta;
        self.flush()
    }

    fn has_pattern(&self, known: &[u8]) -> bool {
        (0..self.scope.patterns()).any(|index| self.scope.pattern(index).as_bytes() == known)
    }

    /// After the first look below a pattern, what is new there is told.
    fn know_roots(&mut self, look: &Look, began: Instant) -> GoOn {
        let mut learnt = Vec::new();
        for index in 0..self.scope.patterns() {
            let pattern = self.scope.pattern(index);
            if !self.tree.knows_root(pattern.as_bytes()) {
                let (group, key) = Tree::root_key(pattern.as_bytes());
                self.delta.put(group, key, b"");
                learnt.push(pattern.to_owned());
            }
        }
        if learnt.is_empty() {
            return true;
        }
        // In the tree first: what is counted is what will be watched.
        if !self.flush() {
            return false;
        }
        let text =
            format!("{} files are known from now on below {}", self.tree.len(), learnt.join(", "));
        let mut sample = notice("baseline", clock::now(), text);
        let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        sample.event.set("vonglau.file.baseline.count", count(self.tree.len() as u64));
        sample.event.set("vonglau.file.baseline.unread", count(look.unread));
        sample.event.set("vonglau.file.baseline.hashed_bytes", count(self.reader.read_bytes));
        tracing::info!(files = self.tree.len(), took = ?began.elapsed(), "files are watched");
        self.samples.push(sample);
        true
    }

    fn tell_trouble(&mut self, look: &Look) {
        let mut texts = Vec::new();
        if look.unkept > 0 {
            texts.push(format!(
                "{} files beyond input.integrity.files_max = {} are not watched; raise it or exclude folders",
                look.unkept, self.config.files_max
            ));
        }
        if look.unread > 0 {
            texts.push(format!(
                "{} files cannot be read and are compared by size and time only; give the agent CAP_DAC_READ_SEARCH",
                look.unread
            ));
        }
        let unwatched = std::mem::take(&mut self.hints.unwatched);
        if unwatched > 0 {
            texts.push(format!(
                "{unwatched} folders are looked at every {} s only; raise input.integrity.watches_max and fs.inotify.max_user_watches",
                self.config.interval_s
            ));
        }
        let report = &self.attendant.wiring.report;
        if !texts.is_empty() {
            report.problem(KEY, texts.join("; "));
            self.in_trouble = true;
        } else if std::mem::take(&mut self.in_trouble) {
            report.resolved(KEY);
        }
    }

    /// Takes a change in without an event.
    fn keep_quietly(&mut self, path: &Path, entry: &Entry) -> GoOn {
        let (folder, name) = split(path);
        self.delta.put(folder, name, &entry.encode());
        self.delta.len() < CHUNK_QUIET_MAX || self.flush()
    }

    /// Takes a change in, with its event.
    fn tell(&mut self, path: &Path, change: Change) -> GoOn {
        let (folder, name) = split(path);
        match &change {
            Change::Created(new, _) | Change::Changed { new, .. } => {
                self.delta.put(folder, name, &new.encode());
            }
            Change::Renamed { from, new, .. } => {
                let (old_folder, old_name) = split(from);
                self.delta.remove(old_folder, old_name);
                self.delta.put(folder, name, &new.encode());
            }
            Change::Deleted(_) => self.delta.remove(folder, name),
        }
        let now = clock::now();
        let moment =
            jiff::Timestamp::from_nanosecond(i128::from(now.as_nanos())).unwrap_or_default();
        let in_window = self.windows.iter().any(|window| window.holds(moment, &self.zone));
        let in_upload = self.scope.is_upload(path.parent().unwrap_or(path));
        self.number += 1;
        let context = Context { now, accounts: &mut self.accounts, in_window, in_upload };
        self.samples.push(sample(path, &change, self.number, context));
        if let Some(mut mass) = self.mass.count(path, &change, now) {
            if in_window {
                mass.event.set("vonglau.change_window", true);
            }
            self.samples.push(mass);
        }
        self.samples.len() < CHUNK_EVENTS_MAX || self.flush()
    }

    /// Makes what was found durable, then hands it on.
    fn flush(&mut self) -> GoOn {
        if self.delta.len() == 0 && self.samples.is_empty() {
            return true;
        }
        let delta = std::mem::take(&mut self.delta);
        let samples = std::mem::take(&mut self.samples);
        let generation = match self.state.append(&delta, !samples.is_empty()) {
            Ok(generation) => generation,
            Err(error) => {
                // Nothing is known yet, so the next look finds it again.
                let text =
                    format!("changes of files wait: {error}; free some room in the state folder");
                self.attendant.wiring.report.problem(KEY, text);
                self.in_trouble = true;
                return true;
            }
        };
        delta.apply(&mut self.tree);
        if let Err(error) = self.state.compact(&self.tree) {
            tracing::warn!(%error, "what is known of files cannot be written anew");
        }
        let chunk = Chunk {
            items: samples.into_iter().map(Item::Sample).collect(),
            positions: vec![(KEY.to_owned(), position(generation))],
            ..Chunk::default()
        };
        self.attendant.send(chunk) && self.attendant.wait(PACE)
    }
}

/// Returns whether a path could be what a pattern stands for, or below it.
fn is_below_pattern(path: &Path, pattern: &[u8]) -> bool {
    let Ok(pattern) = std::str::from_utf8(pattern) else { return false };
    let mut parts = path.components().skip(1);
    pattern.split('/').filter(|part| !part.is_empty()).all(|wanted| {
        parts.next().is_some_and(|part| {
            part.as_os_str() == wanted
                || globset::Glob::new(wanted)
                    .is_ok_and(|glob| glob.compile_matcher().is_match(Path::new(part.as_os_str())))
        })
    })
}
