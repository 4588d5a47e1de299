//! Quick hash: for tables whose keys nobody outside chooses.

use std::hash::{BuildHasherDefault, Hasher};

/// A table by keys that are the program's own, or its operator's: no event can make it slow, so that the
/// hash of the standard library, which guards against that, would be paid for nothing.
pub type QuickMap<K, V> = std::collections::HashMap<K, V, BuildHasherDefault<QuickHasher>>;

/// See [`QuickMap`].
#[derive(Debug, Clone, Default)]
pub struct QuickHasher(u64);

impl QuickHasher {
    #[inline(always)]
    fn mix(&mut self, word: u64) {
        // Spec: Knuth, TAOCP 6.4, multiplicative hashing; the shift brings the high bits down, by which
        // the next word and the table see them.
        let mixed = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ mixed >> 32;
    }
}

impl Hasher for QuickHasher {
    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            self.mix(
                rest.iter().fold(rest.len() as u64, |word, byte| word << 8 | u64::from(*byte)),
            );
        }
    }

    #[inline]
    fn write_u8(&mut self, number: u8) {
        self.mix(u64::from(number));
    }

    #[inline]
    fn write_u64(&mut self, number: u64) {
        self.mix(number);
    }

    #[inline]
    fn write_usize(&mut self, number: usize) {
        self.mix(number as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_whatever_their_length() {
        let keys: Vec<String> =
            (0..3_000).map(|number| "k".repeat(number % 40) + &number.to_string()).collect();
        let map: QuickMap<&str, usize> =
            keys.iter().enumerate().map(|(at, key)| (key.as_str(), at)).collect();
        assert_eq!(map.len(), keys.len());
        assert!(keys.iter().enumerate().all(|(at, key)| map[key.as_str()] == at));
        let list = |number: usize| (0..number % 7).map(|it| it * number).collect::<Box<[usize]>>();
        let lists: QuickMap<Box<[usize]>, usize> = (0..500).map(|it| (list(it), it)).collect();
        assert_eq!(lists.get(list(499).as_ref()), Some(&499));
        assert_eq!(lists.get([1, 2].as_slice()), None);
    }

    #[test]
    fn every_byte_counts() {
        let hash = |bytes: &[u8]| {
            let mut hasher = QuickHasher::default();
            hasher.write(bytes);
            hasher.finish()
        };
        for length in 1..40 {
            let bytes = vec![b'a'; length];
            for at in 0..length {
                let mut other = bytes.clone();
                other[at] = b'b';
                assert_ne!(hash(&bytes), hash(&other), "byte {at} of {length}");
            }
            assert_ne!(hash(&bytes), hash(&bytes[1..]), "{length}");
        }
    }
}
