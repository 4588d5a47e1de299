//! Globs: which files the configuration means, found anew at every scan.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher, GlobSet, GlobSetBuilder};
use serde::{Deserialize, Serialize};

use super::hash;
use super::name::is_compressed;
use super::position::Position;
use super::sibling::{self, Match, Relation, Sibling};
use crate::{Error, FilesConfig};

/// Deepest folder below the fixed part of a glob with `**`.
const DEPTH_MAX: usize = 16;

/// Most folder entries looked at in one scan; the rest waits for a narrower glob and is reported.
const ENTRIES_MAX: usize = 200_000;

/// A file there is, and what the kernel says of it.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// Where.
    pub(crate) path: PathBuf,
    /// Index of the group of the configuration it belongs to.
    pub(crate) group: usize,
    /// Its state.
    pub(crate) stat: Stat,
}

/// What the kernel says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    /// Device and inode.
    pub(crate) id: (u64, u64),
    /// Bytes.
    pub(crate) size: u64,
    /// Last change of content, ns since 1970.
    pub(crate) changed: i64,
    /// Names it has; 0 after deletion.
    pub(crate) links: u64,
    /// When the inode was taken into use, ns since 1970, where the file system tells: it cannot be
    /// set, and so tells one use of an inode from the next.
    pub(crate) born: Option<i64>,
}

/// What tells one use of an inode from the next, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Life {
    /// See [`Stat::born`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) born: Option<i64>,
    /// See [`super::version::version`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<u32>,
}

impl Life {
    /// Returns whether a file that has the same inode is known to be another.
    pub(crate) fn differs(self, other: Self) -> bool {
        let differ = |one: Option<i64>, other: Option<i64>| {
            one.zip(other).is_some_and(|(one, other)| one != other)
        };
        differ(self.born, other.born)
            || differ(self.version.map(i64::from), other.version.map(i64::from))
    }
}

impl Stat {
    /// Takes what matters from metadata.
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self {
            id: (metadata.dev(), metadata.ino()),
            size: metadata.len(),
            changed: metadata
                .mtime()
                .saturating_mul(1_000_000_000)
                .saturating_add(metadata.mtime_nsec()),
            links: metadata.nlink(),
            born: metadata
                .created()
                .ok()
                .and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok())
                .and_then(|since| i64::try_from(since.as_nanos()).ok()),
        }
    }
}

impl Found {
    /// Whether the file, if it is still there under its name, holds a content.
    pub(crate) fn holds(&self, position: &Position) -> bool {
        let sibling =
            Sibling { path: self.path.clone(), stat: self.stat, relation: Relation::Itself };
        sibling.open().is_some_and(|file| sibling::compare(position, &file) == Match::Full)
    }
}

/// Takes a file that was found.
pub(crate) type Each<'a> = dyn FnMut(Found) + 'a;

/// The result of one scan.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// Hashes of the paths of the files found. A file belongs to the first group that matches it.
    files: HashSet<u64>,
    /// Folders whose changes are of interest.
    pub(crate) folders: HashSet<PathBuf>,
    /// What could not be looked at, and why.
    pub(crate) problems: Vec<(String, String)>,
}

/// The compiled groups of the configuration.
pub(crate) struct Globs {
    groups: Vec<Group>,
    files_max: usize,
}

struct Group {
    places: Vec<Place>,
    exclude: GlobSet,
}

/// One path or glob.
enum Place {
    Literal(PathBuf),
    Glob { base: PathBuf, depth_max: usize, matcher: GlobMatcher },
}

impl Globs {
    /// Compiles the groups.
    pub(crate) fn new(groups: &[FilesConfig], files_max: usize) -> Result<Self, Error> {
        let groups = groups.iter().map(Group::new).collect::<Result<_, _>>()?;
        Ok(Self { groups, files_max })
    }

    /// Returns whether a path is one that the configuration means, whether or not it exists.
    pub(crate) fn group_of(&self, path: &Path) -> Option<usize> {
        self.groups.iter().position(|group| group.matches(path))
    }

    /// Looks at the disk, and hands on each file there is, once, in the order of groups and paths: with
    /// tens of thousands a list of them would be the largest thing there is.
    pub(crate) fn scan(&self, each: &mut Each<'_>) -> Scan {
        let mut scan = Scan::default();
        let mut entries = 0;
        for (index, group) in self.groups.iter().enumerate() {
            for place in &group.places {
                match place {
                    Place::Literal(path) => {
                        scan.folders.extend(path.parent().map(Path::to_path_buf));
                        self.look(path, index, &mut scan, each);
                    }
                    Place::Glob { base, depth_max, matcher } => {
                        let mut walk = Walk { matcher, group: index, entries: &mut entries, each };
                        walk.folder(self, base, *depth_max, &mut scan);
                    }
                }
            }
        }
        if entries > ENTRIES_MAX {
            let text = format!(
                "the globs of input.files lead through more than {ENTRIES_MAX} entries; the rest is \
                 not read; use narrower globs"
            );
            scan.problems.push(("input.files".to_owned(), text));
        }
        scan
    }

    /// Looks at some paths only.
    pub(crate) fn scan_some<'a>(
        &self,
        paths: impl Iterator<Item = &'a PathBuf>,
        each: &mut Each<'_>,
    ) {
        let mut scan = Scan::default();
        for path in paths {
            if let Some(group) = self.group_of(path) {
                self.look(path, group, &mut scan, each);
            }
        }
    }

    /// Hands on a file that was matched, if it is one.
    fn look(&self, path: &Path, group: usize, scan: &mut Scan, each: &mut Each<'_>) {
        let excluded = self.groups.get(group).is_none_or(|group| group.excludes(path));
        if excluded || scan.files.contains(&hash(path)) {
            return;
        }
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => {
                if scan.files.len() >= self.files_max {
                    let text = format!(
                        "more than {} files match; the rest is not read; raise input.files_max or \
                         use narrower globs",
                        self.files_max
                    );
                    scan.problems.push(("input.files".to_owned(), text));
                    return;
                }
                scan.files.insert(hash(path));
                each(Found { path: path.to_path_buf(), group, stat: Stat::of(&metadata) });
            }
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => {
                let text = "not a regular file, so it is not read; leave it out with exclude";
                scan.problems.push((path.display().to_string(), text.to_owned()));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => scan.problems.push((path.display().to_string(), explain(&error))),
        }
    }
}

impl Group {
    fn new(config: &FilesConfig) -> Result<Self, Error> {
        let mut exclude = GlobSetBuilder::new();
        for glob in &config.exclude {
            exclude.add(parse(glob)?);
        }
        let exclude = exclude
            .build()
            .map_err(|source| Error::Glob { glob: config.exclude.join(", "), source })?;
        let places = config.paths.iter().map(|text| Place::new(text)).collect::<Result<_, _>>()?;
        Ok(Self { places, exclude })
    }

    fn excludes(&self, path: &Path) -> bool {
        self.exclude.is_match(path)
            || path.file_name().and_then(|name| name.to_str()).is_some_and(is_compressed)
    }

    fn matches(&self, path: &Path) -> bool {
        !self.excludes(path)
            && self.places.iter().any(|place| match place {
                Place::Literal(literal) => literal == path,
                Place::Glob { matcher, .. } => matcher.is_match(path),
            })
    }
}

impl Place {
    fn new(text: &str) -> Result<Self, Error> {
        let path = Path::new(text);
        if !path.is_absolute() {
            return Err(Error::Relative(text.to_owned()));
        }
        if !text.contains(['*', '?', '[', '{', '\\']) {
            return Ok(Self::Literal(path.components().collect()));
        }
        let matcher = parse(text)?.compile_matcher();
        let is_fixed = |part: &Component<'_>| {
            !part.as_os_str().to_string_lossy().contains(['*', '?', '[', '{', '\\'])
        };
        let base: PathBuf = path.components().take_while(is_fixed).collect();
        let below = path.components().count() - base.components().count();
        // A group such as {a,b/c} may hold separators, so the components do not bound the depth.
        let open = text.contains("**") || text.contains('{');
        let depth_max = if open { DEPTH_MAX } else { below - 1 };
        Ok(Self::Glob { base, depth_max, matcher })
    }
}

/// One walk below the fixed part of a glob. Links to folders are not followed: they may form loops.
struct Walk<'a, 'e> {
    matcher: &'a GlobMatcher,
    group: usize,
    entries: &'a mut usize,
    each: &'a mut Each<'e>,
}

impl Walk<'_, '_> {
    fn folder(&mut self, globs: &Globs, folder: &Path, depth_left: usize, scan: &mut Scan) {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => {
                scan.problems.push((folder.display().to_string(), explain(&error)));
                return;
            }
        };
        scan.folders.insert(folder.to_path_buf());
        let is_folder = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
        let entries = entries.flatten();
        let mut entries: Vec<_> =
            entries.map(|entry| (entry.file_name(), is_folder(&entry))).collect();
        // In order, so that a bound cuts off the same files at every scan.
        entries.sort_unstable();
        for (name, is_folder) in entries {
            *self.entries += 1;
            if *self.entries > ENTRIES_MAX {
                return;
            }
            let path = folder.join(name);
            if is_folder && depth_left > 0 {
                self.folder(globs, &path, depth_left - 1, scan);
            } else if !is_folder && self.matcher.is_match(&path) {
                globs.look(&path, self.group, scan, self.each);
            }
        }
    }
}

fn parse(glob: &str) -> Result<globset::Glob, Error> {
    let built = GlobBuilder::new(glob).literal_separator(true).backslash_escape(true).build();
    built.map_err(|source| Error::Glob { glob: glob.to_owned(), source })
}

/// Says what stands in the way, and the remedy when we know one.
pub(crate) fn explain(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::PermissionDenied {
        return "permission denied; let the agent's user read it, on Debian and Ubuntu with \
                'usermod -aG adm USER', elsewhere with 'setfacl -m u:USER:r FILE' (folders: rx), \
                and restart the agent"
            .to_owned();
    }
    format!("cannot be read: {error}; tried again at every scan")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the names of the files found, and how much was wrong.
    fn names(globs: &Globs) -> (Vec<String>, usize) {
        let mut names = Vec::new();
        let scan = globs.scan(&mut |found| {
            names.push(found.path.file_name().unwrap().to_string_lossy().into_owned());
        });
        (names, scan.problems.len())
    }

    #[test]
    fn globs_find_what_they_mean() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("deep/er")).unwrap();
        for name in ["a.log", "b.log", "b.log.1", "c.log.gz", "deep/d.log", "deep/er/e.log"] {
            fs::write(root.join(name), "x").unwrap();
        }
        let find = |glob: &str, exclude: &[&str]| {
            let config = FilesConfig {
                paths: vec![format!("{}/{glob}", root.display())],
                exclude: exclude.iter().map(|name| format!("{}/{name}", root.display())).collect(),
                ..FilesConfig::default()
            };
            names(&Globs::new(&[config], 100).unwrap()).0
        };
        assert_eq!(find("a.log", &[]), ["a.log"]);
        assert_eq!(find("absent.log", &[]), [""; 0]);
        assert_eq!(find("*.log", &[]), ["a.log", "b.log"]);
        assert_eq!(find("*.log*", &["a*"]), ["b.log", "b.log.1"]);
        assert_eq!(find("**/*.log", &[]), ["a.log", "b.log", "d.log", "e.log"]);
        assert_eq!(find("*/?.log", &[]), ["d.log"]);
    }

    #[test]
    fn mistakes_are_named() {
        let make = |path: &str| {
            let config = FilesConfig { paths: vec![path.to_owned()], ..FilesConfig::default() };
            Globs::new(&[config], 100).err().map(|error| error.to_string()).unwrap()
        };
        assert!(make("var/log").contains("'var/log' is not an absolute path"));
        assert!(make("/var/[").contains("'/var/[' is not a valid glob"));
    }

    #[test]
    fn too_many_files_are_reported() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c"] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        let paths = vec![format!("{}/*", folder.path().display())];
        let globs = Globs::new(&[FilesConfig { paths, ..FilesConfig::default() }], 2).unwrap();
        assert_eq!(names(&globs), (vec!["a".to_owned(), "b".to_owned()], 1));
    }
}
