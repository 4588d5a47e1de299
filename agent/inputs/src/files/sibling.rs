//! Siblings: finds a content again beside the place where it was.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::glob::Stat;
use super::name::{Rotated, rotated};
use super::position::Position;
use super::print::{self, HEAD_BYTES_MAX};

/// Most entries of a folder that are looked at.
const SIBLINGS_MAX: usize = 4_096;

/// A file in the folder of a log.
#[derive(Debug, Clone)]
pub(crate) struct Sibling {
    /// Where.
    pub(crate) path: PathBuf,
    /// Its state.
    pub(crate) stat: Stat,
    /// Whether its name says that it is an earlier one of the log, or the log itself.
    pub(crate) relation: Relation,
}

/// What a name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relation {
    /// The log's own path.
    Itself,
    /// An earlier one.
    Rotated,
    /// An earlier one, compressed.
    Compressed,
    /// Something else.
    Other,
}

/// Lists the regular files beside `path`, and beside `real` when that is another folder.
///
/// # Errors
///
/// When a folder is there but cannot be listed: then nothing can be said about the content.
pub(crate) fn siblings(path: &Path, real: &Path) -> io::Result<Vec<Sibling>> {
    let mut found = list(path)?;
    if real.parent() != path.parent() {
        found.extend(list(real)?);
    }
    Ok(found)
}

fn list(path: &Path) -> io::Result<Vec<Sibling>> {
    let (Some(folder), Some(base)) = (path.parent(), path.file_name()) else {
        return Ok(Vec::new());
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let base = base.to_string_lossy();
    let mut found = Vec::new();
    for entry in entries.flatten().take(SIBLINGS_MAX) {
        let Ok(metadata) = fs::metadata(entry.path()) else { continue };
        if !metadata.is_file() {
            continue;
        }
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let relation = match rotated(&base, &name) {
            _ if name == base => Relation::Itself,
            Some(Rotated::Plain) => Relation::Rotated,
            Some(Rotated::Compressed) => Relation::Compressed,
            None => Relation::Other,
        };
        found.push(Sibling { path: entry.path(), stat: Stat::of(&metadata), relation });
    }
    Ok(found)
}

/// How much of a content a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Match {
    /// Another content.
    No,
    /// It begins alike and is shorter than what was read: a copy taken before the last lines.
    Shorter,
    /// It begins alike, and alike where reading stopped.
    Full,
}

/// Compares a file with what is known of a content; a file that cannot be read is no match.
pub(crate) fn compare(position: &Position, file: &Path) -> Match {
    let compare = || -> io::Result<Match> {
        let file = File::open(file)?;
        if !position.head.begins(&print::read_at(&file, 0, HEAD_BYTES_MAX)?) {
            return Ok(Match::No);
        }
        if file.metadata()?.len() < position.offset {
            return Ok(Match::Shorter);
        }
        let holds = print::tail_holds(&file, position.offset, &position.tail)?;
        Ok(if holds { Match::Full } else { Match::No })
    };
    compare().unwrap_or(Match::No)
}

/// Finds the file that holds a content among `siblings`: the same inode, else a file whose name is
/// related and whose bytes agree. `replaced`: the inode is known to hold something else by now, and a
/// copy may be shorter than what was read.
pub(crate) fn find<'a>(
    position: &Position,
    siblings: &'a [Sibling],
    replaced: bool,
) -> Option<&'a Sibling> {
    let id = (position.dev, position.ino);
    let same = siblings.iter().find(|sibling| sibling.stat.id == id);
    if let Some(same) = same.filter(|_| !replaced) {
        if compare(position, &same.path) == Match::Full {
            return Some(same);
        }
    }
    let related = siblings.iter().filter(|sibling| {
        matches!(sibling.relation, Relation::Itself | Relation::Rotated) && sibling.stat.id != id
    });
    let matches = related.map(|sibling| (compare(position, &sibling.path), sibling));
    let least = if replaced { Match::Shorter } else { Match::Full };
    matches
        .filter(|(matches, _)| *matches >= least)
        .max_by_key(|(matches, sibling)| (*matches, sibling.stat.changed))
        .map(|(_, sibling)| sibling)
}
