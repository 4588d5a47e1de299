//! Text sets: which of many literals stand in a text, at a cost that hardly grows with their number.
//!
//! Literals bound to the whole text, its start or its end are found by hashing that end of it.
//! Literals that may stand anywhere are found by grams, a few bytes of each: those of 7 bytes and more
//! by grams of four, looked up at every fourth byte of the text (they are entered at four offsets, so
//! that one of them meets every alignment); those of 4 to 6 bytes by grams of three at every second
//! byte; the shortest by their first byte. A bitmap that fits the first-level cache answers most
//! look-ups; what passes is compared in full.
//!
//! ASCII case is ignored on the way: hashes and grams are made of bytes with the bit set that tells
//! lower from upper case (which joins a few signs too), and the comparison decides. So a text in ASCII
//! need not be folded first; others must be.

mod build;
mod hash;

pub(crate) use build::{Kind, SetBuilder, Use, write_slots};
pub(crate) use hash::{hash_name, spread};

use hash::{LOWER, MIX, hash};

use crate::glob::Anchor;

/// Texts shorter than this are gone through byte by byte: a search for bytes takes longer to begin.
const FEW_BYTES_MIN: usize = 16;
/// Words of a set's head.
const HEAD: usize = 8;
/// Bytes in ASCII by which encodings escape others: of percent-encoding, of JSON.
const RARE: [u8; 2] = *b"%\\";
/// Sizes of bitmaps in words; each has a loop of its own, so that nothing is checked in it.
const BITMAPS: [usize; 4] = [32, 256, 2_048, 8_192];

/// A set in an image.
#[derive(Clone, Copy)]
pub(crate) struct TextSet<'i> {
    pub(crate) words: &'i [u32],
    pub(crate) pool: &'i [u8],
    pub(crate) at: u32,
}

impl<'i> TextSet<'i> {
    fn word(self, at: u32) -> u32 {
        self.words[at as usize]
    }

    fn slice(self, at: u32, len: u32) -> &'i [u32] {
        &self.words[at as usize..][..len as usize]
    }

    fn literal(self, record: u32) -> &'i [u8] {
        let [at, len, ..] = *self.slice(record, 3) else { return &[] };
        &self.pool[at as usize..][..len as usize]
    }

    fn payloads(self, record: u32) -> &'i [u32] {
        self.slice(record + 3, self.word(record + 2))
    }

    /// Calls `each` with the payloads of every literal that stands in the text (the same may come
    /// more than once) until it returns true; says whether it did.
    #[inline]
    pub(crate) fn search(self, text: &[u8], each: &mut impl FnMut(&'i [u32]) -> bool) -> bool {
        self.search_bound(text, each) || self.search_inside(text, each)
    }

    /// As [`Self::search`], but only for literals bound to the whole text, its start or its end.
    #[inline]
    pub(crate) fn search_bound(
        self,
        text: &[u8],
        each: &mut impl FnMut(&'i [u32]) -> bool,
    ) -> bool {
        let &[whole, whole_max, starts, ends, ..] = self.slice(self.at, HEAD as u32) else {
            return false;
        };
        (whole != 0
            && text.len() <= whole_max as usize
            && self.look_up(whole, hash(text), text, Anchor::Whole, each))
            || (starts != 0 && self.search_ends(starts, text, Anchor::Start, each))
            || (ends != 0 && self.search_ends(ends, text, Anchor::End, each))
    }

    /// As [`Self::search`], but only for literals that may stand anywhere.
    #[inline]
    pub(crate) fn search_inside(
        self,
        text: &[u8],
        each: &mut impl FnMut(&'i [u32]) -> bool,
    ) -> bool {
        let &[.., singles, scan, _] = self.slice(self.at, HEAD as u32) else { return false };
        if scan != 0 {
            let &[bitmap, size, threes, fours] = self.slice(scan, 4) else { return false };
            let scan = Scan { set: self, bitmap, threes, fours };
            let found = match size {
                0 => scan.run::<{ BITMAPS[0] }>(text, each),
                1 => scan.run::<{ BITMAPS[1] }>(text, each),
                2 => scan.run::<{ BITMAPS[2] }>(text, each),
                _ => scan.run::<{ BITMAPS[3] }>(text, each),
            };
            if found {
                return true;
            }
        }
        singles != 0 && self.search_singles(singles, text, each)
    }

    fn search_singles(
        self,
        singles: u32,
        text: &[u8],
        each: &mut impl FnMut(&'i [u32]) -> bool,
    ) -> bool {
        let Some((seconds, [table, few, ..])) = self.slice(singles, 258).split_first_chunk::<256>()
        else {
            return false;
        };
        let [count, bytes @ ..] = few.to_le_bytes();
        if count > 0 && text.len() >= FEW_BYTES_MIN {
            let mut at = |index: usize| match *text.get(index..).unwrap_or_default() {
                [byte, next, ..] => {
                    let byte = byte | 0x20;
                    seconds[usize::from(byte)] >> (next & 31) & 1 != 0
                        && self.verify(*table, u32::from(byte), text, index, each)
                }
                [byte] => self.verify(*table, u32::from(byte | 0x20), text, index, each),
                [] => false,
            };
            return match bytes {
                [a, b, c] if count == 3 => memchr::memchr3_iter(a, b, c, text).any(&mut at),
                [a, b, _] if count == 2 => memchr::memchr2_iter(a, b, text).any(&mut at),
                [a, ..] => memchr::memchr_iter(a, text).any(&mut at),
            };
        }
        let Some((last, _)) = text.split_last() else { return false };
        let last = last | 0x20;
        text.array_windows::<2>().enumerate().any(|(index, [byte, next])| {
            let byte = byte | 0x20;
            seconds[usize::from(byte)] >> (next & 31) & 1 != 0
                && self.verify(*table, u32::from(byte), text, index, each)
        }) || seconds[usize::from(last)] != 0
            && self.verify(*table, u32::from(last), text, text.len() - 1, each)
    }

    /// Says of literals that may stand anywhere: the fewest bytes of one, and whether one may stand in
    /// the text of a number or a Boolean.
    #[inline]
    pub(crate) fn inside(self) -> (usize, bool) {
        let word = self.word(self.at + 4);
        ((word >> 1) as usize, word & 1 != 0)
    }

    /// Says whether no literal that may stand anywhere can stand in a text. Most texts hold no byte of
    /// the kinds that some literals cannot do without, and one pass tells.
    #[inline]
    pub(crate) fn passes_over(self, text: &[u8]) -> bool {
        self.word(self.at + 7) != 0 && is_plain(text)
    }

    #[inline]
    fn find(self, table: u32, key: u32) -> Option<u32> {
        let (mask, slots) = self.words.get(table as usize..)?.split_first()?;
        let slots = slots.as_chunks::<2>().0.get(..=*mask as usize)?;
        let mut at = spread(key);
        loop {
            let [known, list] = *slots.get((at & mask) as usize)?;
            if list == 0 {
                return None;
            }
            if known == key {
                return Some(list);
            }
            at = at.wrapping_add(1);
        }
    }

    fn look_up(
        self,
        table: u32,
        key: u32,
        text: &[u8],
        anchor: Anchor,
        each: &mut impl FnMut(&'i [u32]) -> bool,
    ) -> bool {
        let Some(list) = self.find(table, key) else { return false };
        self.slice(list + 1, self.word(list)).iter().any(|record| {
            anchor.holds_any_case(text, self.literal(*record)) && each(self.payloads(*record))
        })
    }

    fn search_ends(
        self,
        list: u32,
        text: &[u8],
        anchor: Anchor,
        each: &mut impl FnMut(&'i [u32]) -> bool,
    ) -> bool {
        for pair in self.slice(list + 1, self.word(list) * 2).chunks_exact(2) {
            let len = pair[0] as usize;
            if len > text.len() {
                // Longer ones follow.
                break;
            }
            let end = match anchor {
                Anchor::Start => &text[..len],
                _ => &text[text.len() - len..],
            };
            if self.look_up(pair[1], hash(end), text, anchor, each) {
                return true;
            }
        }
        false
    }

    /// Compares the literals that have this gram with the text around it.
    #[cold]
    fn verify(
        self,
        table: u32,
        gram: u32,
        text: &[u8],
        position: usize,
        each: &mut impl FnMut(&'i [u32]) -> bool,
    ) -> bool {
        let Some(list) = self.find(table, gram) else { return false };
        self.slice(list + 1, self.word(list) * 2).chunks_exact(2).any(|pair| {
            let literal = self.literal(pair[0]);
            let start = position.checked_sub(pair[1] as usize);
            start
                .and_then(|start| text.get(start..)?.get(..literal.len()))
                .is_some_and(|found| found.eq_ignore_ascii_case(literal))
                && each(self.payloads(pair[0]))
        })
    }
}

/// Says whether a text is in ASCII and without a byte of [`RARE`]: of all bytes the bits seen, and how
/// near one came. A fold and no search, as it becomes a loop of sixteen bytes at a time.
fn is_plain(text: &[u8]) -> bool {
    let look = |(seen, near): (u8, u8), byte: &u8| {
        (seen | byte, near.min(byte ^ RARE[0]).min(byte ^ RARE[1]))
    };
    let (seen, near) = text.iter().fold((0, u8::MAX), look);
    seen.is_ascii() && near > 0
}

/// One pass over a text for the grams of three and of four, four bytes at a time.
struct Scan<'i> {
    set: TextSet<'i>,
    bitmap: u32,
    threes: u32,
    fours: u32,
}

impl<'i> Scan<'i> {
    #[inline]
    fn run<const N: usize>(&self, text: &[u8], each: &mut impl FnMut(&'i [u32]) -> bool) -> bool {
        let bitmap = self.set.words.get(self.bitmap as usize..).and_then(|it| it.first_chunk());
        let Some(bitmap) = bitmap else { return false };
        match (self.threes, self.fours) {
            (0, _) => self.fours_only::<N>(bitmap, text, each),
            _ => self.both::<N>(bitmap, text, each),
        }
    }

    #[inline]
    fn fours_only<const N: usize>(
        &self,
        bitmap: &[u32; N],
        text: &[u8],
        each: &mut impl FnMut(&'i [u32]) -> bool,
    ) -> bool {
        let (chunks, _) = text.as_chunks::<4>();
        chunks.iter().enumerate().any(|(index, chunk)| {
            let gram = u32::from_le_bytes(*chunk) | LOWER as u32;
            probe(bitmap, gram) & 1 != 0 && self.set.verify(self.fours, gram, text, index * 4, each)
        })
    }

    #[inline]
    fn both<const N: usize>(
        &self,
        bitmap: &[u32; N],
        text: &[u8],
        each: &mut impl FnMut(&'i [u32]) -> bool,
    ) -> bool {
        let mut at = 0;
        let mut rest = text;
        while let Some((&[a, b, c, d, e], _)) = rest.split_first_chunk::<5>() {
            let gram = u32::from_le_bytes([a, b, c, d]) | LOWER as u32;
            let (first, second) = (gram & THREE, gram >> 16 | (u32::from(e) | 0x20) << 16);
            let seen = [probe(bitmap, gram), probe(bitmap, first), probe(bitmap, second)];
            if (seen[0] | seen[1] | seen[2]) & 1 != 0
                && (seen[0] & 1 != 0 && self.four(gram, text, at, each)
                    || seen[1] & 1 != 0 && self.set.verify(self.threes, first, text, at, each)
                    || seen[2] & 1 != 0 && self.set.verify(self.threes, second, text, at + 2, each))
            {
                return true;
            }
            at += 4;
            rest = rest.get(4..).unwrap_or_default();
        }
        // Four bytes at most are left: one gram of each kind.
        let tail = match *rest {
            [a, b, c, d] => {
                let gram = u32::from_le_bytes([a, b, c, d]) | LOWER as u32;
                if self.four(gram, text, at, each) {
                    return true;
                }
                gram & THREE
            }
            [a, b, c] => (u32::from_le_bytes([a, b, c, 0]) | LOWER as u32) & THREE,
            _ => return false,
        };
        probe(bitmap, tail) & 1 != 0 && self.set.verify(self.threes, tail, text, at, each)
    }

    #[inline]
    fn four(
        &self,
        gram: u32,
        text: &[u8],
        at: usize,
        each: &mut impl FnMut(&'i [u32]) -> bool,
    ) -> bool {
        self.fours != 0 && self.set.verify(self.fours, gram, text, at, each)
    }
}

/// The bytes of a gram of three.
const THREE: u32 = 0x00ff_ffff;

/// Returns, in the lowest bit, whether a bitmap knows a gram.
#[inline]
fn probe<const N: usize>(bitmap: &[u32; N], gram: u32) -> u32 {
    let bit = gram.wrapping_mul(MIX) >> (32 - (N * 32).ilog2());
    bitmap[(bit >> 5) as usize] >> (bit & 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Writer, word};
    use crate::rarity::Rarity;
    use proptest::prelude::*;

    fn anchor() -> impl Strategy<Value = Anchor> {
        prop_oneof![
            1 => Just(Anchor::Whole),
            1 => Just(Anchor::Start),
            1 => Just(Anchor::End),
            3 => Just(Anchor::Inside)
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        #[test]
        fn passes_over_no_text_that_holds_a_literal(
            literals in prop::collection::vec("[a-c%\\\\ệĐ]{1,9}", 1..8),
            text in "[a-c%\\\\]{0,40}",
        ) {
            let mut builder = SetBuilder::default();
            for (literal, payload) in literals.iter().zip(0..) {
                builder.add(Anchor::Inside, literal.to_lowercase().as_bytes(), payload);
            }
            let mut writer = Writer::default();
            writer.put(&[0]);
            let at = builder.write(&mut writer, &Rarity::default(), Use::Index);
            let image = writer.finish();
            let set = TextSet { words: image.words(), pool: image.pool(), at };
            let is_rare = literals.iter().all(|it| it.contains(['%', '\\', 'ệ', 'Đ']));
            let is_plain = !text.contains(['%', '\\']);
            prop_assert_eq!(set.passes_over(text.as_bytes()), is_rare && is_plain);
            if set.passes_over(text.as_bytes()) {
                prop_assert!(!set.search_inside(text.as_bytes(), &mut |_| true));
            }
        }

        #[test]
        fn finds_what_a_plain_search_finds(
            literals in prop::collection::vec((anchor(), "[abc]{0,20}"), 1..40),
            texts in prop::collection::vec("[abcABC]{0,60}", 1..6),
        ) {
            let mut builder = SetBuilder::default();
            let mut kept = Vec::new();
            for (anchor, literal) in literals {
                if anchor == Anchor::Whole || !literal.is_empty() {
                    builder.add(anchor, literal.as_bytes(), word(kept.len()));
                    kept.push((anchor, literal));
                }
            }
            let mut writer = Writer::default();
            writer.put(&[0]);
            let at = builder.write(&mut writer, &Rarity::default(), Use::Leaf);
            let image = writer.finish();
            let set = TextSet { words: image.words(), pool: image.pool(), at };
            for text in texts {
                let mut found = Vec::new();
                set.search(text.as_bytes(), &mut |payloads| {
                    found.extend_from_slice(payloads);
                    false
                });
                found.sort_unstable();
                found.dedup();
                let folded = text.to_ascii_lowercase();
                let expected: Vec<u32> = (0_u32..)
                    .zip(&kept)
                    .filter(|(_, (anchor, it))| anchor.holds(folded.as_bytes(), it.as_bytes()))
                    .map(|(index, _)| index)
                    .collect();
                prop_assert_eq!(found, expected, "{} in {:?}", text, kept);
            }
        }
    }
}
