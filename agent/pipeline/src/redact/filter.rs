//! Filter: where in a text one of many words stands, in one pass that costs a line without any of them
//! some tens of nanoseconds.
//!
//! Each word is entered by two grams of three bytes that lie beside each other in it; the text is looked
//! at in grams at every second byte, so that one of the two meets it. A bitmap that fits the first-level
//! cache answers most look-ups; what passes it is looked up, then compared. ASCII case is folded on the
//! way by setting the bit that tells it. The idea is that of the sets in `rules/matcher`.

/// Bits of the bitmap: 8 KiB. With the grams of all words one look-up in two hundred passes by chance,
/// half a look at the table for each line; half the size would double that.
const BITS: usize = 1 << 16;
/// Slots of the table: several times the grams there are, so that a chain is short.
const SLOTS: usize = 1 << 12;
/// Fewest bytes of a word: two grams of three beside each other.
pub(super) const WORD_BYTES_MIN: usize = 4;
/// Spreads the lower three bytes of a number over its upper bits; the fourth does not count.
const MIX: u32 = 0x9e37_79b1 << 8;
/// Sets the bit that tells lower from upper case.
const LOWER: u64 = 0x2020_2020_2020_2020;

/// A set of words.
pub(super) struct Filter {
    bits: Box<[u64; BITS / 64]>,
    slots: Box<[Slot; SLOTS]>,
    words: Vec<Box<[u8]>>,
}

/// A gram with where it stands in which word; empty with the word 0.
#[derive(Clone, Copy, Default)]
struct Slot {
    gram: u32,
    offset: u16,
    /// Number of the word, from 1.
    word: u16,
}

impl Filter {
    /// Makes a set. Words shorter than [`WORD_BYTES_MIN`] are never found; there may be some thousand.
    pub(super) fn new<'w>(words: impl IntoIterator<Item = &'w [u8]>) -> Self {
        let mut filter = Self {
            bits: Box::new([0; BITS / 64]),
            slots: Box::new([Slot::default(); SLOTS]),
            words: words.into_iter().map(Box::from).collect(),
        };
        for (word, text) in (1..).zip(&filter.words) {
            let Some(offset) = rarest(text) else { continue };
            for offset in [offset, offset + 1] {
                let Some(gram) = gram(text, offset) else { continue };
                let bit = hash(gram);
                filter.bits[bit / 64] |= 1 << (bit % 64);
                let mut at = hash(gram) % SLOTS;
                // A quarter of the table stays empty, so that every search ends.
                while filter.slots[at].word != 0 {
                    at = (at + 1) % SLOTS;
                }
                filter.slots[at] = Slot { gram, offset: offset as u16, word };
            }
        }
        filter
    }

    /// Calls `found` with the number of each word and where it begins, from left to right (by the gram
    /// that was met), once for each place.
    #[inline]
    pub(super) fn search(&self, text: &[u8], mut found: impl FnMut(usize, usize)) {
        let mut at = 0;
        let mut rest = text;
        // Four grams of eight bytes, the last of which reaches over their end.
        while let Some((&[a, b, c, d, e, f, g, h, i, j], _)) = rest.split_first_chunk::<10>() {
            let even = u64::from_le_bytes([a, b, c, d, e, f, g, h]) | LOWER;
            let odd = u64::from_le_bytes([c, d, e, f, g, h, i, j]) | LOWER;
            let seen = self.probe(even as u32)
                | self.probe(odd as u32)
                | self.probe((even >> 32) as u32)
                | self.probe((odd >> 32) as u32);
            if seen & 1 != 0 {
                for at in [at, at + 2, at + 4, at + 6] {
                    self.look(text, at, &mut found);
                }
            }
            at += 8;
            rest = rest.get(8..).unwrap_or_default();
        }
        while at + 2 < text.len() {
            self.look(text, at, &mut found);
            at += 2;
        }
    }

    #[inline]
    fn probe(&self, gram: u32) -> u64 {
        let bit = hash(gram);
        self.bits[bit / 64] >> (bit % 64)
    }

    /// Compares the words that have the gram at a place with the text around it.
    fn look(&self, text: &[u8], at: usize, found: &mut impl FnMut(usize, usize)) {
        let Some(gram) = gram(text, at) else { return };
        if self.probe(gram) & 1 == 0 {
            return;
        }
        let mut slot = hash(gram) % SLOTS;
        while let Slot { gram: known, offset, word: word @ 1.. } = self.slots[slot] {
            slot = (slot + 1) % SLOTS;
            if known != gram {
                continue;
            }
            let number = usize::from(word) - 1;
            let Some(start) = at.checked_sub(usize::from(offset)) else { continue };
            let word = &self.words[number];
            let here = text.get(start..start + word.len());
            if here.is_some_and(|here| here.eq_ignore_ascii_case(word)) {
                found(number, start);
            }
        }
    }
}

/// Returns the three bytes at a place, folded.
fn gram(text: &[u8], at: usize) -> Option<u32> {
    let [a, b, c] = *text.get(at..)?.first_chunk::<3>()?;
    Some(u32::from_le_bytes([a, b, c, 0]) | 0x0020_2020)
}

#[inline]
fn hash(gram: u32) -> usize {
    (gram.wrapping_mul(MIX) >> 16) as usize
}

/// Returns where the two grams begin that are met least in other words: by how common their letters are
/// in logs, which are English and numbers. Only speed hangs on it.
fn rarest(word: &[u8]) -> Option<usize> {
    let common = |byte: &u8| match byte | 0x20 {
        b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' | b' ' => 9,
        b'0'..=b'9' | b'.' | b':' | b'/' | b'-' => 8,
        b'd' | b'l' | b'c' | b'u' | b'm' | b'p' | b'=' | b'"' => 6,
        b'h' | b'f' | b'g' | b'b' | b'y' | b'w' | b'[' | b'_' => 4,
        _ => 1,
    };
    let cost = |at: &usize| word[*at..*at + 4].iter().map(common).sum::<u32>();
    (0..=word.len().checked_sub(WORD_BYTES_MIN)?).min_by_key(cost)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn finds_what_a_plain_search_finds(
            words in prop::collection::vec("[abc=]{4,9}", 1..20),
            text in "[abcABC=]{0,80}",
        ) {
            let filter = Filter::new(words.iter().map(|word| word.as_bytes()));
            let mut found = Vec::new();
            filter.search(text.as_bytes(), |word, at| found.push((word, at)));
            let folded = text.to_ascii_lowercase();
            let mut expected = Vec::new();
            for (number, word) in words.iter().enumerate() {
                for at in 0..folded.len() {
                    if folded[at..].starts_with(word.as_str()) {
                        expected.push((number, at));
                    }
                }
            }
            found.sort_unstable();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn short_words_and_texts() {
        let filter = Filter::new([&b"abc"[..], b"abcd"]);
        for text in ["", "a", "abc", "xabc"] {
            filter.search(text.as_bytes(), |word, at| panic!("{word} at {at} in {text}"));
        }
        let mut found = Vec::new();
        filter.search(b"ABCDxabcd", |word, at| found.push((word, at)));
        assert_eq!(found, [(1, 0), (1, 5)]);
    }
}
