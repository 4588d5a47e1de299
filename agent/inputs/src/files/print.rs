//! Print: is this the same content as before? Hashes of a file's first bytes and of those just read.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Most first bytes that are hashed. A kilobyte of log holds several time stamps, so that no two
/// generations share it.
pub(crate) const HEAD_BYTES_MAX: usize = 1_024;

/// Most bytes before the offset that are hashed.
pub(crate) const TAIL_BYTES_MAX: usize = 256;

/// Hash of some bytes together with their number: files grow, so a print only speaks of the bytes
/// that were there when it was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub(crate) struct Print {
    /// How many bytes.
    pub(crate) len: usize,
    /// The first eight bytes of their SHA-256, written as 16 hexadecimal digits.
    #[serde(with = "hex")]
    hash: [u8; 8],
}

impl Print {
    /// Returns the print of these bytes.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let digest = Sha256::digest(bytes);
        let mut hash = [0; 8];
        hash.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        Self { len: bytes.len(), hash }
    }

    /// Returns the hash as text.
    pub(crate) fn hash(&self) -> String {
        hex::encode(self.hash)
    }

    /// Returns whether `bytes` begin with what this is the print of.
    pub(crate) fn begins(&self, bytes: &[u8]) -> bool {
        bytes.get(..self.len).is_some_and(|first| Self::of(first) == *self)
    }
}

impl Print {
    /// Returns whether a file begins with what this is the print of; false also if it cannot be read.
    pub(crate) fn is_begun_by(&self, file: &File) -> bool {
        read_at(file, 0, HEAD_BYTES_MAX).is_ok_and(|first| self.begins(&first))
    }
}

/// Reads up to `len` bytes at `offset`; fewer only at the end of the file.
pub(crate) fn read_at(file: &File, offset: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    let read = fill_at(file, offset, &mut bytes)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// Fills `buffer` from `offset` and returns how much there was.
pub(crate) fn fill_at(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Returns the print of the file's first bytes.
pub(crate) fn head(file: &File) -> io::Result<Print> {
    Ok(Print::of(&read_at(file, 0, HEAD_BYTES_MAX)?))
}

/// Returns the print of the bytes just before `offset`.
pub(crate) fn tail(file: &File, offset: u64) -> io::Result<Print> {
    let len = offset.min(TAIL_BYTES_MAX as u64);
    let bytes = read_at(file, offset - len, usize::try_from(len).unwrap_or(TAIL_BYTES_MAX))?;
    Ok(Print::of(&bytes))
}

/// Returns whether the bytes just before `offset` are still those of `tail`.
pub(crate) fn tail_holds(file: &File, offset: u64, print: &Print) -> io::Result<bool> {
    Ok(tail(file, offset)? == *print)
}

/// Returns whether both files hold the same around their first bytes and before `len`, which both
/// reach. Not every byte is compared: logs carry times, and 1.25 KiB of them do not repeat.
pub(crate) fn same_up_to(one: &File, other: &File, len: u64) -> io::Result<bool> {
    let first = usize::try_from(len).unwrap_or(usize::MAX).min(HEAD_BYTES_MAX);
    Ok(read_at(one, 0, first)? == read_at(other, 0, first)? && tail(one, len)? == tail(other, len)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_print_stays_while_the_file_grows() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"one\n").unwrap();
        let (first, end) = (head(&file).unwrap(), tail(&file, 4).unwrap());
        file.write_all(&[b'x'; 4_000]).unwrap();
        assert!(first.begins(&read_at(&file, 0, HEAD_BYTES_MAX).unwrap()));
        assert!(tail_holds(&file, 4, &end).unwrap());
        assert!(!tail_holds(&file, 5, &end).unwrap());
        assert_eq!(head(&file).unwrap().len, HEAD_BYTES_MAX);
    }
}
