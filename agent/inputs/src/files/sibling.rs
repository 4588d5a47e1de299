//! Siblings: finds a content again beside the place where it was.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::glob::{Life, Stat};
use super::listing;
use super::name::{Rotated, is_compressed, root, rotated};
use super::position::Position;
use super::print::{self, HEAD_BYTES_MAX};
use super::unpack::Kind;

/// Most related files of a folder that are looked at: eleven years of daily rotation.
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
    /// Of the log that its own path is an earlier file of (`x.log.2` of `x.log.1`): the same content may
    /// be there, but no earlier one.
    Cousin,
    /// Something else.
    Other,
}

/// Lists the regular files beside `path`, and beside `real` when that is another folder: those whose
/// name is related, and the one with the inode number `ino`.
///
/// While a rotation renames files a listing may miss some, so it counts when two agree, or when the
/// folder was surely quiet.
///
/// # Errors
///
/// When a folder is there but cannot be listed: then nothing can be said about the content.
pub(crate) fn siblings(path: &Path, real: &Path, ino: u64) -> io::Result<Vec<Sibling>> {
    let look = || -> io::Result<(Vec<Sibling>, bool)> {
        let (mut found, mut is_sure) = list(path, ino)?;
        if real.parent() != path.parent() {
            let (others, is_too) = list(real, ino)?;
            found.extend(others);
            is_sure &= is_too;
        }
        found.sort_by_key(|sibling| sibling.stat.id);
        found.dedup_by_key(|sibling| sibling.stat.id);
        Ok((found, is_sure))
    };
    let ids = |found: &[Sibling]| found.iter().map(|s| s.stat.id).collect::<Vec<_>>();
    let (mut found, mut is_sure) = look()?;
    for _ in 1..LOOKS_MAX {
        if is_sure {
            break;
        }
        let again = look()?;
        let agree = ids(&again.0) == ids(&found);
        (found, is_sure) = again;
        if agree {
            break;
        }
    }
    Ok(found)
}

/// Lists one folder; says also whether what was found is surely of one moment.
fn list(path: &Path, ino: u64) -> io::Result<(Vec<Sibling>, bool)> {
    let (Some(folder), Some(base)) = (path.parent(), path.file_name()) else {
        return Ok((Vec::new(), false));
    };
    let base = base.to_string_lossy();
    let root = root(&base);
    // Whatever is related begins like it, up to the ending of the shorter of the two.
    let shortest = root.unwrap_or(&base);
    let begins = shortest.rsplit_once('.').map_or(shortest, |(stem, _)| stem);
    // What is no UTF-8 has another sign in its place here.
    let begins = begins.split(char::REPLACEMENT_CHARACTER).next().unwrap_or_default().as_bytes();
    let mut found = Vec::new();
    let listed = listing::names(folder, begins, ino, &mut |name, name_ino| {
        if found.len() >= SIBLINGS_MAX {
            return;
        }
        let os_name = OsStr::from_bytes(name);
        let name = os_name.to_string_lossy();
        let relation = match rotated(&base, &name) {
            _ if name == base => Relation::Itself,
            Some(Rotated::Plain) => Relation::Rotated,
            Some(Rotated::Compressed) => Relation::Compressed,
            None if root.is_some_and(|root| rotated(root, &name).is_some()) => Relation::Cousin,
            None => Relation::Other,
        };
        // Only what may matter is asked for: there may be thousands of others.
        if relation == Relation::Other && name_ino != ino {
            return;
        }
        let path = folder.join(os_name);
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => {
                found.push(Sibling { path, stat: Stat::of(&metadata), relation });
            }
            _ => {}
        }
    });
    match listed {
        Ok(is_sure) => Ok((found, is_sure)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((Vec::new(), false)),
        Err(error) => Err(error),
    }
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
    /// Whether its name says that it is compressed.
    pub(crate) fn is_compressed(&self) -> bool {
        matches!(self.relation, Relation::Compressed | Relation::Cousin)
            && self.path.file_name().and_then(|name| name.to_str()).is_some_and(is_compressed)
    }

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

/// Compares a compressed file with what is known of a content, as far as that is cheap: by its first
/// bytes and by the size it states. The rest shows when it is read.
fn compare_packed(position: &Position, sibling: &Sibling) -> Match {
    let Some((kind, file)) = Kind::of(&sibling.path).zip(sibling.open()) else { return Match::No };
    if position.head.len == 0 || !position.head.begins(&kind.first(&file)) {
        return Match::No;
    }
    match kind.size(&file) {
        Some(size) if size < position.offset => Match::Shorter,
        _ => Match::Full,
    }
}

/// Finds the file that holds a content beside `path`, and what else is free there: the same inode,
/// else a file whose name is related and whose bytes agree; a compressed one only if there is no other.
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
        let mut siblings = siblings(path, real, position.ino)?;
        siblings.retain(&free);
        let mut best: Option<(Match, &Sibling)> = None;
        let mut moved = false;
        let plain = siblings.iter().filter(|sibling| !sibling.is_compressed());
        for sibling in plain {
            let life = Life { born: sibling.stat.born, version: None };
            let is_same = sibling.stat.id == id && !position.life.differs(life);
            let is_related = sibling.relation != Relation::Other;
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
        if best.is_none_or(|(found, _)| found != Match::Full) {
            let packed = siblings.iter().filter(|sibling| sibling.is_compressed());
            // Compressing keeps the time of the last change: the likeliest first.
            let mut packed: Vec<&Sibling> = packed.collect();
            packed.sort_by_key(|sibling| {
                (sibling.stat.id != id, sibling.stat.changed.abs_diff(position.changed))
            });
            for sibling in packed {
                let found = compare_packed(position, sibling);
                if found == Match::Full || replaced && found == Match::Shorter && best.is_none() {
                    best = Some((found, sibling));
                }
                if found == Match::Full {
                    break;
                }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_related_is_listed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let names: [&[u8]; 10] = [
            b"a.log",
            b"a.log.1",
            b"a.log-20261121.gz",
            b"a-20261121.log",
            b"ab.log",
            b"b.log.1",
            b"\xff.log",
            b"\xff.log.1",
            b".hidden",
            b"z",
        ];
        for name in names {
            fs::write(folder.path().join(OsStr::from_bytes(name)), name).unwrap();
        }
        fs::create_dir(folder.path().join("a.log.2")).unwrap();
        let list_of = |name: &[u8], ino: u64| {
            let path = folder.path().join(OsStr::from_bytes(name));
            let mut found: Vec<(Vec<u8>, Relation)> = list(&path, ino)
                .unwrap()
                .0
                .into_iter()
                .map(|it| (it.path.file_name().unwrap().as_bytes().to_vec(), it.relation))
                .collect();
            found.sort_by(|one, other| one.0.cmp(&other.0));
            found
        };
        let of = |name: &[u8], relation| (name.to_vec(), relation);
        let expected = [
            of(b"a-20261121.log", Relation::Rotated),
            of(b"a.log", Relation::Itself),
            of(b"a.log-20261121.gz", Relation::Compressed),
            of(b"a.log.1", Relation::Rotated),
        ];
        assert_eq!(list_of(b"a.log", 0), expected);
        // An earlier file of the log: its own name, and the log's other files.
        let cousins = list_of(b"a.log.1", 0);
        assert!(cousins.contains(&of(b"a.log.1", Relation::Itself)), "{cousins:?}");
        assert!(cousins.contains(&of(b"a-20261121.log", Relation::Cousin)), "{cousins:?}");
        // Whatever it is called: the same inode.
        let z = Stat::of(&fs::metadata(folder.path().join("z")).unwrap()).id.1;
        assert!(list_of(b"a.log", z).contains(&of(b"z", Relation::Other)));
        let odd = list_of(b"\xff.log", 0);
        assert!(odd.contains(&of(b"\xff.log.1", Relation::Rotated)), "{odd:?}");
        assert_eq!(list(&folder.path().join("gone/x.log"), 0).unwrap().0.len(), 0);
    }
}
