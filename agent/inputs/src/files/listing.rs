//! Listing: the names of one large folder, kept for as long as the folder stays as it is.
//!
//! Who looks for a rotated file lists its folder, several times. With twenty thousand logs in one folder
//! that all rotate at midnight this is quadratic. A folder that was quiet when it was listed, and is
//! still as it was then, need not be listed again: each name that comes, goes or changes moves the
//! times of the folder (POSIX.1-2017, XBD 4.9). That holds where the kernel of this host sets the
//! times; on network file systems they are another host's and seen late, so nothing is kept there.

use std::cell::RefCell;
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{Mode, OFlags, RawDir};

/// Bytes of names that the kernel hands over at once: some thousand of them.
const LISTING_BYTES: usize = 64 * 1024;

/// Folders with fewer names are listed whenever one asks: that is cheap, and always the truth.
const NAMES_MIN: usize = 512;

/// Names kept at most: some 4 MB.
const NAMES_MAX: usize = 100_000;

/// A folder must have been as it is for so long before it was listed. The kernel's clock for files ticks
/// every 10 ms at most: a change within the tick of the listing would not be told from none.
const QUIET: Duration = Duration::from_millis(50);

/// File systems of this host's own disks and memory (`linux/magic.h`, and OpenZFS' own): ext2 to ext4,
/// XFS, Btrfs, tmpfs, overlayfs, F2FS, ZFS.
const LOCAL: [u32; 7] =
    [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994, 0x794c_7630, 0xf2f5_2010, 0x2fc1_2fc1];

/// What moves when a name comes, goes or changes: device, inode, times of change.
type Stamp = (u64, u64, [i64; 4]);

/// The names of a folder.
struct Listing {
    folder: PathBuf,
    stamp: Stamp,
    names: Vec<u8>,
    /// In the order of the names.
    entries: Vec<Entry>,
    /// Places in `entries`, in the order of the inodes.
    by_inode: Vec<u32>,
}

/// One name.
#[derive(Clone, Copy)]
struct Entry {
    ino: u64,
    at: u32,
    len: u32,
}

thread_local! {
    /// Files are followed by one thread, and folders are gone through one by one.
    static KEPT: RefCell<Option<Listing>> = const { RefCell::new(None) };
}

/// Hands each name of a folder that begins like this, or has this inode, to `each`. Returns whether the
/// names are surely those of one moment; if not, a rename meanwhile may have hidden one.
///
/// # Errors
///
/// When the folder cannot be listed; `NotFound` when it is not there.
pub(super) fn names(
    folder: &Path,
    begins: &[u8],
    ino: u64,
    each: &mut dyn FnMut(&[u8], u64),
) -> io::Result<bool> {
    let is_kept = KEPT.with_borrow(|kept| {
        let kept = kept.as_ref().filter(|kept| kept.folder == folder);
        let Some(kept) = kept.filter(|kept| stamp(folder).is_some_and(|now| now == kept.stamp))
        else {
            return false;
        };
        kept.each(begins, ino, each);
        true
    });
    if is_kept {
        return Ok(true);
    }
    let begun = SystemTime::now();
    let before = stamp(folder);
    let mut listing = Listing {
        folder: folder.to_path_buf(),
        stamp: before.unwrap_or_default(),
        names: Vec::new(),
        entries: Vec::new(),
        by_inode: Vec::new(),
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let file = rustix::fs::open(folder, flags, Mode::empty())?;
    let is_local = rustix::fs::fstatfs(&file)
        .is_ok_and(|facts| u32::try_from(facts.f_type).is_ok_and(|kind| LOCAL.contains(&kind)));
    let was_quiet = before.is_some_and(|(.., times)| is_older(times, begun));
    let mut is_keepable = is_local && was_quiet;
    // Without an allocation for each name.
    let mut buffer = vec![MaybeUninit::uninit(); LISTING_BYTES];
    let mut entries = RawDir::new(file, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = match entry {
            Ok(entry) => entry,
            // Deleted while it was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            Err(error) => return Err(error.into()),
        };
        let name = entry.file_name().to_bytes();
        is_keepable &= listing.entries.len() < NAMES_MAX;
        if is_keepable {
            listing.push(name, entry.ino());
        }
        if name.starts_with(begins) || entry.ino() == ino {
            each(name, entry.ino());
        }
    }
    let is_sure = is_keepable && stamp(folder) == before;
    if is_sure && listing.entries.len() >= NAMES_MIN {
        listing.sort();
        KEPT.set(Some(listing));
    }
    // Small folders are looked at twice, as ever.
    Ok(is_sure && KEPT.with_borrow(|kept| kept.as_ref().is_some_and(|it| it.folder == folder)))
}

/// Gives the memory back.
pub(super) fn forget() {
    KEPT.set(None);
}

impl Listing {
    fn push(&mut self, name: &[u8], ino: u64) {
        let place = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        self.entries.push(Entry { ino, at: place(self.names.len()), len: place(name.len()) });
        self.names.extend_from_slice(name);
    }

    fn sort(&mut self) {
        let names = &self.names;
        self.entries.sort_unstable_by(|one, other| one.name(names).cmp(other.name(names)));
        self.by_inode = (0..).take(self.entries.len()).collect();
        let entries = &self.entries;
        self.by_inode
            .sort_unstable_by_key(|place| entries.get(*place as usize).map(|entry| entry.ino));
    }

    fn each(&self, begins: &[u8], ino: u64, each: &mut dyn FnMut(&[u8], u64)) {
        let names = &self.names;
        let first = self.entries.partition_point(|entry| entry.name(names) < begins);
        let like = self.entries.iter().skip(first).map(|entry| (entry.name(names), entry.ino));
        for (name, ino) in like.take_while(|(name, _)| name.starts_with(begins)) {
            each(name, ino);
        }
        let entry = |place: &u32| self.entries.get(*place as usize);
        let first = self
            .by_inode
            .partition_point(|place| entry(place).is_some_and(|entry| entry.ino < ino));
        let same = self.by_inode.iter().skip(first).filter_map(entry);
        for entry in same.take_while(|entry| entry.ino == ino) {
            let name = entry.name(names);
            if !name.starts_with(begins) {
                each(name, ino);
            }
        }
    }
}

impl Entry {
    fn name(self, names: &[u8]) -> &[u8] {
        names.get(self.at as usize..(self.at + self.len) as usize).unwrap_or_default()
    }
}

fn stamp(folder: &Path) -> Option<Stamp> {
    let facts = fs::metadata(folder).ok()?;
    let times = [facts.mtime(), facts.mtime_nsec(), facts.ctime(), facts.ctime_nsec()];
    Some((facts.dev(), facts.ino(), times))
}

/// Whether both times of change lie well before a moment.
fn is_older([mtime, mtime_nsec, ctime, ctime_nsec]: [i64; 4], moment: SystemTime) -> bool {
    let since = |seconds: i64, nanos: i64| {
        let seconds = u64::try_from(seconds).ok()?;
        UNIX_EPOCH.checked_add(Duration::new(seconds, u32::try_from(nanos).ok()?))
    };
    [(mtime, mtime_nsec), (ctime, ctime_nsec)].into_iter().all(|(seconds, nanos)| {
        since(seconds, nanos)
            .is_some_and(|at| moment.duration_since(at).is_ok_and(|age| age >= QUIET))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::time::Instant;

    fn ask(folder: &Path, begins: &str, ino: u64) -> (BTreeSet<String>, bool) {
        let mut found = BTreeSet::new();
        let is_sure = names(folder, begins.as_bytes(), ino, &mut |name, _| {
            assert!(found.insert(String::from_utf8(name.to_vec()).unwrap()), "told twice");
        });
        (found, is_sure.unwrap())
    }

    #[test]
    fn a_quiet_folder_is_listed_once_and_a_changed_one_anew() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        for number in 0..NAMES_MIN {
            fs::write(folder.join(format!("{number}.log")), "").unwrap();
        }
        let is_kept = || KEPT.with_borrow(Option::is_some);
        // It changed just now: whatever is found, it is not sure.
        let (found, is_sure) = ask(folder, "51", 0);
        assert_eq!((found.len(), is_sure, is_kept()), (3, false, false));
        let begun = Instant::now();
        while !ask(folder, "51", 0).1 {
            if begun.elapsed() > Duration::from_secs(20) {
                eprintln!("skipped: the file system of {} is none that is kept", folder.display());
                return;
            }
        }
        assert!(is_kept());
        let expected: BTreeSet<String> = ["51.log", "510.log", "511.log"].map(String::from).into();
        assert_eq!(ask(folder, "51", 0), (expected.clone(), true));
        // By its inode, whatever it is called; told once if it begins so as well.
        let inode = |name: &str| fs::metadata(folder.join(name)).unwrap().ino();
        let mut with = expected.clone();
        with.insert("7.log".to_owned());
        assert_eq!(ask(folder, "51", inode("7.log")), (with, true));
        assert_eq!(ask(folder, "51", inode("51.log")), (expected, true));
        assert!(ask(folder, "52", 0).0.contains("52.log"));
        // Each of these is seen at once.
        fs::rename(folder.join("51.log"), folder.join("51.log.1")).unwrap();
        assert!(ask(folder, "51", 0).0.contains("51.log.1"));
        fs::write(folder.join("51.log"), "").unwrap();
        assert!(ask(folder, "51", 0).0.contains("51.log"));
        fs::remove_file(folder.join("510.log")).unwrap();
        let (found, is_sure) = ask(folder, "51", 0);
        assert!(!found.contains("510.log") && !is_sure, "{found:?}");
        fs::rename(folder.join("511.log"), folder.join("51.log")).unwrap();
        assert!(!ask(folder, "51", 0).0.contains("511.log"));
        forget();
        assert!(!is_kept());
        assert!(names(&folder.join("gone"), b"", 0, &mut |_, _| {}).is_err());
    }

    #[test]
    fn a_small_folder_is_never_kept() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.log"), "").unwrap();
        for _ in 0..3 {
            assert!(!ask(folder.path(), "a", 0).1);
        }
        assert!(KEPT.with_borrow(Option::is_none));
    }
}
