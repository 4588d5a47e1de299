//! Entry: what is remembered of one file.

use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::time::UNIX_EPOCH;

/// Version of the stored form; another one is not read.
const VERSION: u8 = 1;
const FIXED_BYTES: usize = 2 + 3 * 4 + 6 * 8;
const HASH_BYTES: usize = 32;

/// What kind of thing a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    File = b'f',
    Folder = b'd',
    Link = b'l',
    /// A device, a pipe or a socket.
    Special = b's',
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        [Self::File, Self::Folder, Self::Link, Self::Special]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }

    /// ECS `file.type`.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Folder => "dir",
            Self::Link => "symlink",
            Self::Special => "special",
        }
    }
}

/// What a file is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    /// Permission bits, with set-uid, set-gid and sticky.
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) size: u64,
    /// Nanoseconds since 1970.
    pub(super) mtime: i64,
    pub(super) ctime: i64,
    /// When the inode was made; 0 where the file system does not say. Tells a renamed file from a new
    /// one that got the same inode.
    pub(super) born: i64,
    pub(super) device: u64,
    pub(super) inode: u64,
    /// BLAKE3 of the content, or of a link's target; `None` when it was not read.
    pub(super) hash: Option<[u8; HASH_BYTES]>,
    /// The extended attribute `security.capability`.
    pub(super) capability: Option<Box<[u8]>>,
}

impl Entry {
    /// Takes what one `lstat` says.
    pub(super) fn of(facts: &Metadata) -> Self {
        let kind = match facts.file_type() {
            kind if kind.is_file() => Kind::File,
            kind if kind.is_dir() => Kind::Folder,
            kind if kind.is_symlink() => Kind::Link,
            kind => {
                debug_assert!(
                    kind.is_fifo()
                        || kind.is_socket()
                        || kind.is_block_device()
                        || kind.is_char_device()
                );
                Kind::Special
            }
        };
        let nanos =
            |seconds: i64, nanos: i64| seconds.saturating_mul(1_000_000_000).saturating_add(nanos);
        let born = facts.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        Self {
            kind,
            mode: facts.mode() & 0o7777,
            uid: facts.uid(),
            gid: facts.gid(),
            size: if kind == Kind::Folder { 0 } else { facts.size() },
            mtime: nanos(facts.mtime(), facts.mtime_nsec()),
            ctime: nanos(facts.ctime(), facts.ctime_nsec()),
            born: born.map_or(0, |born| i64::try_from(born.as_nanos()).unwrap_or(i64::MAX)),
            device: facts.dev(),
            inode: facts.ino(),
            hash: None,
            capability: None,
        }
    }

    /// Returns whether nothing happened to it: the kernel sets the time of change itself.
    pub(super) fn is_untouched(&self, now: &Self) -> bool {
        self.ctime == now.ctime
            && self.mtime == now.mtime
            && self.size == now.size
            && self.inode == now.inode
            && self.device == now.device
            && self.kind == now.kind
    }

    /// Returns whether both are the same inode, not only the same number.
    pub(super) fn is_same_inode(&self, other: &Self) -> bool {
        self.inode == other.inode
            && self.device == other.device
            && self.kind == other.kind
            && if self.born != 0 && other.born != 0 {
                self.born == other.born
            } else {
                self.mtime == other.mtime && self.size == other.size
            }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FIXED_BYTES + HASH_BYTES + 1);
        out.extend_from_slice(&[VERSION, self.kind as u8]);
        for number in [self.mode, self.uid, self.gid] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        for number in [self.size, self.device, self.inode] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        for number in [self.mtime, self.ctime, self.born] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.push(u8::from(self.hash.is_some()));
        out.extend_from_slice(self.hash.as_ref().map_or(&[][..], |hash| hash));
        out.extend_from_slice(self.capability.as_deref().unwrap_or_default());
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (fixed, rest) = bytes.split_at_checked(FIXED_BYTES)?;
        let u32_at = |at: usize| Some(u32::from_le_bytes(fixed.get(at..at + 4)?.try_into().ok()?));
        let u64_at = |at: usize| Some(u64::from_le_bytes(fixed.get(at..at + 8)?.try_into().ok()?));
        let i64_at = |at: usize| Some(i64::from_le_bytes(fixed.get(at..at + 8)?.try_into().ok()?));
        if fixed.first() != Some(&VERSION) {
            return None;
        }
        let (&hashed, rest) = rest.split_first()?;
        let (hash, rest) = if hashed == 0 {
            (None, rest)
        } else {
            let (hash, rest) = rest.split_first_chunk::<HASH_BYTES>()?;
            (Some(*hash), rest)
        };
        Some(Self {
            kind: Kind::from_byte(*fixed.get(1)?)?,
            mode: u32_at(2)?,
            uid: u32_at(6)?,
            gid: u32_at(10)?,
            size: u64_at(14)?,
            device: u64_at(22)?,
            inode: u64_at(30)?,
            mtime: i64_at(38)?,
            ctime: i64_at(46)?,
            born: i64_at(54)?,
            hash,
            capability: (!rest.is_empty()).then(|| rest.into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_comes_back_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let mut entry = Entry::of(&std::fs::symlink_metadata(dir.path()).unwrap());
        assert_eq!(entry.kind, Kind::Folder);
        for hash in [None, Some([7; 32])] {
            for capability in [None, Some(Box::from(&b"\x01\0\0\x02"[..]))] {
                entry.hash = hash;
                entry.capability = capability;
                assert_eq!(Entry::decode(&entry.encode()), Some(entry.clone()));
            }
        }
        assert_eq!(Entry::decode(b""), None);
        assert_eq!(Entry::decode(&[9; 100]), None);
    }
}
