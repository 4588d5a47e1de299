//! Event ids: the same whenever the same bytes are read.

use sha2::{Digest, Sha256};

/// Digits of an id: half of the hash, more than enough against chance.
const DIGITS: usize = 32;

/// What the ids of all records of a source have in common, hashed once: a record then costs one round
/// of SHA-256 instead of two or three.
#[derive(Debug, Clone)]
pub struct SourceHash(Sha256);

impl SourceHash {
    /// Begins the ids of an agent's source, told by its key.
    #[must_use]
    pub fn new(agent: &[u8; 16], source: &str) -> Self {
        let hash = Sha256::new().chain_update(agent).chain_update([0]);
        Self(hash.chain_update(source).chain_update([0]))
    }

    /// Writes the id of the line at a byte offset: the first 32 hexadecimal digits of
    /// SHA-256(agent id ‖ 0 ‖ source ‖ 0 ‖ offset as u64 big-endian).
    pub fn of_offset(&self, offset: u64, id: &mut String) {
        self.of(&offset.to_be_bytes(), id);
    }

    /// Writes the id of a journal entry: as of an offset, with the cursor's text in its place.
    pub fn of_cursor(&self, cursor: &str, id: &mut String) {
        self.of(cursor.as_bytes(), id);
    }

    #[inline]
    fn of(&self, place: &[u8], id: &mut String) {
        let digest = self.0.clone().chain_update(place).finalize();
        let mut digits = [0; DIGITS];
        // Half of the digest has exactly so many digits.
        if hex::encode_to_slice(&digest[..DIGITS / 2], &mut digits).is_ok() {
            id.clear();
            id.push_str(std::str::from_utf8(&digits).unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_fixed() {
        // Computed with sha256sum over the same bytes; a change here breaks deduplication.
        let source = SourceHash::new(&[7; 16], "file:1:2:0:ab");
        let (mut line, mut entry) = (String::new(), "old".to_owned());
        source.of_offset(258, &mut line);
        source.of_cursor("\0\0\0\0\0\0\u{1}\u{2}", &mut entry);
        assert_eq!((line.as_str(), &line), ("f5cbf6edc4f203d4fb95fbed0c148662", &entry));
    }

    #[test]
    fn a_source_is_hashed_once() {
        // Names around the 64 bytes that SHA-256 takes at a time.
        for length in 30..200 {
            let name = "k".repeat(length);
            let (mut id, offset) = (String::new(), 1 << 40);
            SourceHash::new(&[1; 16], &name).of_offset(offset, &mut id);
            let bytes = [&[1; 16], &[0][..], name.as_bytes(), &[0], &offset.to_be_bytes()].concat();
            assert_eq!(id, hex::encode(Sha256::digest(bytes))[..DIGITS]);
        }
    }
}
