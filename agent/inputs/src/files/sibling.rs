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

/// Most looks at a folder while its files are being renamed.
pub(crate) const LOOKS_MAX: usize = 5;

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
/// While a rotation renames files a listing may miss some, so it counts when two agree.
///
/// # Errors
///
/// When a folder is there but cannot be listed: then nothing can be said about the content.
pub(crate) fn siblings(path: &Path, real: &Path) -> io::Result<Vec<Sibling>> {
    let look = || -> io::Result<Vec<Sibling>> {
        let mut found = list(path)?;
        if real.parent() != path.parent() {
            found.extend(list(real)?);
        }
        found.sort_by_key(|sibling| sibling.stat.id);
        found.dedup_by_key(|sibling| sibling.stat.id);
        Ok(found)
    };
    let ids = |found: &[Sibling]| found.iter().map(|s| s.stat.id).collect::<Vec<_>>();
    let mut found = look()?;
    for _ in 1..LOOKS_MAX {
        let again = look()?;
        let agree = ids(&again) == ids(&found);
        found = again;
        if agree {
            break;
        }
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

impl Sibling {
    /// Opens the file. `None` when another one has the name by now.
    pub(crate) fn open(&self) -> Option<File> {
        let file = File::open(&self.path).ok()?;
        let id = Stat::of(&file.metadata().ok()?).id;
        (id == self.stat.id).then_some(file)
    }
}

/// Compares an open file with what is known of a content; one that cannot be read is no match.
pub(crate) fn compare(position: &Position, file: &File) -> Match {
    let compare = || -> io::Result<Match> {
        if !position.head.begins(&print::read_at(file, 0, HEAD_BYTES_MAX)?) {
            return Ok(Match::No);
        }
        if file.metadata()?.len() < position.offset {
            return Ok(Match::Shorter);
        }
        let holds = print::tail_holds(file, position.offset, &position.tail)?;
        Ok(if holds { Match::Full } else { Match::No })
    };
    compare().unwrap_or(Match::No)
}

/// Finds the file that holds a content beside `path`, and what else is free there: the same inode,
/// else a file whose name is related and whose bytes agree.
///
/// `replaced`: the inode is known to hold something else by now, and a copy may be shorter than what
/// was read. `free` tells which files nobody else has read from.
pub(crate) fn locate(
    position: &Position,
    path: &Path,
    real: &Path,
    replaced: bool,
    free: impl Fn(&Sibling) -> bool,
) -> io::Result<(Option<Sibling>, Vec<Sibling>)> {
    let id = (position.dev, position.ino);
    let mut looks = 0;
    loop {
        let mut siblings = siblings(path, real)?;
        siblings.retain(&free);
        let mut best: Option<(Match, &Sibling)> = None;
        let mut moved = false;
        for sibling in &siblings {
            let is_same = sibling.stat.id == id;
            let is_related = matches!(sibling.relation, Relation::Itself | Relation::Rotated);
            if is_same && replaced || !is_same && !is_related {
                continue;
            }
            let Some(file) = sibling.open() else {
                moved = true;
                continue;
            };
            let found = compare(position, &file);
            let is_better = best.is_none_or(|(best, known)| {
                (found, is_same, sibling.stat.changed)
                    > (best, known.stat.id == id, known.stat.changed)
            });
            if is_better && (found == Match::Full || replaced && found == Match::Shorter) {
                best = Some((found, sibling));
            }
        }
        looks += 1;
        let is_sure = !moved || best.is_some_and(|(found, _)| found == Match::Full);
        if is_sure || looks >= LOOKS_MAX {
            let best = best.map(|(_, sibling)| sibling.clone());
            return Ok((best, siblings));
        }
    }
}
