//! Seals: files that nobody should change unseen, looked at while the agent runs.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rules_event::Value;
use sha2::{Digest, Sha256};

use crate::evidence::hashes;
use crate::witness::{Action, REASON, Witness, count};

/// So many rule files are watched by folder; more are a folder that was named by mistake.
const RULE_FILES_MAX: usize = 20_000;
/// Folders in folders are followed this far.
const DEPTH_MAX: usize = 8;
/// So many changed files are named in one event.
const NAMED_MAX: usize = 10;

/// What tells that a file may have changed: its content is read only then. The time of change
/// (`ctime`) cannot be set by `touch`.
type Stat = (u64, u64, u64, i64, i64);

/// A file as it was last seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileSeal {
    path: PathBuf,
    stat: Option<Stat>,
    /// SHA-256 in hexadecimal; empty where it cannot be read.
    pub(crate) hash: String,
}

impl FileSeal {
    pub(crate) fn of(path: &Path) -> Self {
        let stat = stat(path);
        Self { path: path.to_owned(), stat, hash: hash(path).unwrap_or_default() }
    }

    /// The same, taking the hash from `known` if the file is still as it was then.
    fn of_known(path: &Path, known: (&str, &str)) -> Self {
        let stat = stat(path);
        let sealed = Self { path: path.to_owned(), stat, hash: known.1.to_owned() };
        if !known.1.is_empty() && sealed.stat_text() == known.0 { sealed } else { Self::of(path) }
    }

    /// Returns what tells without reading it that a file is still the same; empty if it is not there.
    pub(crate) fn stat_text(&self) -> String {
        self.stat.map_or_else(String::new, |stat| format!("{stat:?}"))
    }

    /// Returns the hash before if the content is another one now.
    fn look(&mut self) -> Option<String> {
        if stat(&self.path) == self.stat {
            return None;
        }
        let before = std::mem::replace(self, Self::of(&self.path)).hash;
        (before != self.hash).then_some(before)
    }
}

fn stat(path: &Path) -> Option<Stat> {
    let facts = fs::metadata(path).ok()?;
    Some((facts.dev(), facts.ino(), facts.size(), facts.ctime(), facts.ctime_nsec()))
}

fn hash(path: &Path) -> std::io::Result<String> {
    let mut file = fs::File::open(path)?;
    let mut hasher = Sha256::new();
    // In pieces: the program itself is larger than what we want to hold.
    let mut piece = vec![0; 64 * 1024];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hex::encode(hasher.finalize())),
            read => hasher.update(&piece[..read]),
        }
    }
}

/// Everything that is watched.
pub(crate) struct Seals {
    pub(crate) config: FileSeal,
    pub(crate) binary: FileSeal,
    dirs: Vec<PathBuf>,
    rules: BTreeMap<PathBuf, Stat>,
}

impl Seals {
    /// Seals the configuration file, the program that runs, and the folders of rules. `known` is what
    /// the run before has noted of the program: hashing it at every start would cost more than the
    /// rest of the start.
    pub(crate) fn new(config: &Path, dirs: &[PathBuf], known: (&str, &str)) -> Self {
        Self {
            config: FileSeal::of(config),
            // By its path: a replaced program is to be seen, not the one that still runs.
            binary: FileSeal::of_known(&std::env::current_exe().unwrap_or_default(), known),
            dirs: dirs.to_vec(),
            rules: rule_files(dirs),
        }
    }

    /// Watches other folders from now on.
    pub(crate) fn watch_rules(&mut self, dirs: &[PathBuf]) {
        self.dirs = dirs.to_vec();
        self.rules = rule_files(dirs);
    }

    /// Says what has changed since the last look.
    pub(crate) fn look(&mut self, witness: &Witness) {
        for (seal, action, what) in [
            (&mut self.config, Action::ConfigChanged, "configuration file"),
            (&mut self.binary, Action::BinaryChanged, "program"),
        ] {
            let Some(before) = seal.look() else { continue };
            let path = seal.path.display().to_string();
            let text = match seal.hash.as_str() {
                "" => format!("the {what} {path} is gone or cannot be read any more"),
                _ => format!("the {what} {path} was changed; what runs is still the old one"),
            };
            let mut fields = vec![("file.path", Value::from(path))];
            fields.extend(hashes(&before, &seal.hash));
            witness.say(action, text, fields);
        }
        let rules = rule_files(&self.dirs);
        if rules != self.rules {
            let before = std::mem::replace(&mut self.rules, rules);
            self.say_rules(&before, witness);
        }
    }

    fn say_rules(&self, before: &BTreeMap<PathBuf, Stat>, witness: &Witness) {
        let changed = self.rules.iter().filter(|(path, stat)| before.get(*path) != Some(stat));
        let gone = before.keys().filter(|path| !self.rules.contains_key(*path));
        let paths: Vec<String> = changed
            .map(|(path, _)| path)
            .chain(gone)
            .map(|path| path.display().to_string())
            .collect();
        let named = paths[..paths.len().min(NAMED_MAX)].join(", ");
        let more = match paths.len().saturating_sub(NAMED_MAX) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        witness.say(
            Action::RulesChanged,
            format!("files of rules were changed: {named}{more}; SIGHUP puts them in force"),
            [
                ("file.path", Value::from(paths.first().cloned().unwrap_or_default())),
                (REASON, Value::from(named)),
                ("vonglau.agent.files_changed", count(paths.len() as u64)),
            ],
        );
    }
}

fn rule_files(dirs: &[PathBuf]) -> BTreeMap<PathBuf, Stat> {
    fn walk(dir: &Path, depth: usize, found: &mut BTreeMap<PathBuf, Stat>) {
        let Ok(list) = fs::read_dir(dir) else { return };
        for entry in list.filter_map(Result::ok) {
            if found.len() >= RULE_FILES_MAX {
                return;
            }
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => {
                    if depth < DEPTH_MAX {
                        walk(&path, depth + 1, found);
                    }
                }
                _ => found.extend(stat(&path).map(|stat| (path, stat))),
            }
        }
    }
    let mut found = BTreeMap::new();
    for dir in dirs {
        walk(dir, 0, &mut found);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;
    use rules_event::field;

    #[test]
    fn a_known_file_is_not_read_again_until_it_changes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("program");
        fs::write(&path, "1").unwrap();
        let stat = FileSeal::of(&path).stat_text();
        assert_eq!(FileSeal::of_known(&path, (&stat, "noted")).hash, "noted");
        fs::write(&path, "22").unwrap();
        assert_eq!(FileSeal::of_known(&path, (&stat, "noted")).hash.len(), 64);
    }

    #[test]
    fn changed_files_are_said_once_and_with_their_hashes() {
        let dir = tempfile::tempdir().unwrap();
        let (config, rules) = (dir.path().join("agent.toml"), dir.path().join("rules"));
        fs::create_dir_all(rules.join("web")).unwrap();
        fs::write(&config, "a = 1").unwrap();
        fs::write(rules.join("web/one.yml"), "title: x").unwrap();
        let (witness, mut said) = Witness::new(Metrics::new(), true);
        let mut seals = Seals::new(&config, std::slice::from_ref(&rules), ("", ""));
        let first = seals.config.hash.clone();
        assert_eq!(first.len(), 64);
        seals.look(&witness);
        // Written again with the same content: nobody is interested.
        fs::write(&config, "a = 1").unwrap();
        seals.look(&witness);
        assert!(said.try_recv().is_err());
        fs::write(&config, "a = 2").unwrap();
        fs::write(rules.join("web/two.yml"), "title: y").unwrap();
        fs::remove_file(rules.join("web/one.yml")).unwrap();
        seals.look(&witness);
        seals.look(&witness);
        let event = said.try_recv().unwrap().event;
        assert_eq!(event.get_str(field::EVENT_ACTION), Some("config_changed"));
        assert_eq!(event.get_str("vonglau.agent.sha256_before"), Some(first.as_str()));
        let event = said.try_recv().unwrap().event;
        assert_eq!(event.get_str(field::EVENT_ACTION), Some("rules_changed"));
        let named = event.get_str(REASON).unwrap();
        assert!(named.contains("one.yml") && named.contains("two.yml"), "{named}");
        assert!(said.try_recv().is_err());
        fs::remove_file(&config).unwrap();
        seals.look(&witness);
        assert!(said.try_recv().unwrap().event.get_str(field::MESSAGE).unwrap().contains("gone"));
    }
}
