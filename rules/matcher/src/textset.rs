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

use std::collections::{BTreeMap, HashMap};

use crate::glob::Anchor;
use crate::image::{Writer, word};
use crate::rarity::Rarity;

/// Lengths by which the starts of texts are hashed; a literal is entered under the longest that fits.
/// Starts are longer, since many paths start alike.
const START_LENGTHS: [usize; 6] = [1, 2, 4, 8, 16, 32];
/// The same for ends.
const END_LENGTHS: [usize; 4] = [1, 2, 4, 8];
/// What a set is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Asked for every event: its bitmap is large, so that one look-up in 64 passes by chance.
    Index,
    /// Asked for candidates only: its bitmap is small.
    Leaf,
}

impl Use {
    /// Bits of a bitmap for each gram in it, at least, as far as the largest size goes.
    fn bits_per_gram(self) -> usize {
        match self {
            Self::Index => 64,
            Self::Leaf => 16,
        }
    }
}

/// Words of a set's head.
const HEAD: usize = 7;
/// The bit that tells lower from upper case, in each byte of a word.
const LOWER: u64 = 0x2020_2020_2020_2020;

/// Literals in the making of a set.
#[derive(Debug, Default)]
pub(crate) struct SetBuilder {
    literals: BTreeMap<(Anchor, Vec<u8>), Vec<u32>>,
}

impl SetBuilder {
    /// Adds a literal; `payload` is reported when it is found.
    pub(crate) fn add(&mut self, anchor: Anchor, literal: &[u8], payload: u32) {
        let payloads = self.literals.entry((anchor, literal.to_vec())).or_default();
        if payloads.last() != Some(&payload) {
            payloads.push(payload);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.literals.is_empty()
    }

    /// Writes the set and returns where it begins.
    pub(crate) fn write(self, writer: &mut Writer, rarity: &Rarity, purpose: Use) -> u32 {
        let mut whole = Vec::new();
        let mut ends: [BTreeMap<usize, Vec<(u32, u32)>>; 2] = Default::default();
        let mut grams: BTreeMap<Kind, Vec<(u32, u32, u32)>> = BTreeMap::new();
        let mut whole_max = 0;
        let mut inside = Inside::default();
        for ((anchor, literal), payloads) in &self.literals {
            let text = writer.text(literal);
            let record = writer.put(&[text.at, text.len, word(payloads.len())]);
            writer.extend(payloads.iter().copied());
            match anchor {
                Anchor::Whole => {
                    whole_max = whole_max.max(literal.len());
                    whole.push((hash(literal), record));
                }
                Anchor::Start | Anchor::End => {
                    let fits = |len: &&usize| **len <= literal.len();
                    let (side, lengths) = match anchor {
                        Anchor::Start => (0, START_LENGTHS.as_slice()),
                        _ => (1, END_LENGTHS.as_slice()),
                    };
                    let len = *lengths.iter().rev().find(fits).unwrap_or(&1);
                    let end = match anchor {
                        Anchor::Start => literal.get(..len),
                        _ => literal.get(literal.len().saturating_sub(len)..),
                    };
                    let entry = (hash(end.unwrap_or_default()), record);
                    ends[side].entry(len).or_default().push(entry);
                }
                Anchor::Inside => {
                    inside.note(literal);
                    let kind = Kind::of(literal.len());
                    let offset = rarity.window(literal, kind);
                    let list = grams.entry(kind).or_default();
                    for at in offset..offset + kind.stride() {
                        if let Some(gram) = kind.gram(literal, at) {
                            list.push((gram, record, word(at)));
                        }
                    }
                }
            }
        }
        let whole_table = if whole.is_empty() { 0 } else { write_table(writer, &whole) };
        let [starts, ends] = ends.map(|by_len| {
            let tables: Vec<u32> = by_len
                .iter()
                .flat_map(|(len, entries)| [word(*len), write_table(writer, entries)])
                .collect();
            write_list(writer, tables.len() / 2, &tables)
        });
        let (bitmap, size) = write_bitmap(writer, &grams, purpose);
        let [singles, threes, fours] = Kind::ALL.map(|kind| match grams.get(&kind) {
            Some(entries) => write_gram_table(writer, entries),
            None => 0,
        });
        let singles = match singles {
            0 => 0,
            table => write_singles(writer, &grams[&Kind::Single], table),
        };
        let scan = match threes | fours {
            0 => 0,
            _ => writer.put(&[bitmap, size, threes, fours]),
        };
        let head: [u32; HEAD] =
            [whole_table, word(whole_max), starts, ends, inside.word(), singles, scan];
        writer.put(&head)
    }
}

/// What texts can hold one of the literals that may stand anywhere.
#[derive(Debug, Default)]
struct Inside {
    shortest: Option<usize>,
    /// One of them may stand in the text of a number or of `true` and `false`.
    in_other_kinds: bool,
}

impl Inside {
    fn note(&mut self, literal: &[u8]) {
        self.shortest = Some(self.shortest.map_or(literal.len(), |len| len.min(literal.len())));
        let numeric = literal.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-'));
        let boolean = [b"true".as_slice(), b"false"];
        self.in_other_kinds |=
            numeric || boolean.iter().any(|text| Anchor::Inside.holds(text, literal));
    }

    fn word(&self) -> u32 {
        word(self.shortest.unwrap_or(usize::MAX >> 33)) << 1 | u32::from(self.in_other_kinds)
    }
}

/// How literals of a length are found inside texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// By the first byte, at every byte.
    Single,
    /// By grams of three, at every second byte.
    Three,
    /// By grams of four, at every fourth byte.
    Four,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Single, Self::Three, Self::Four];

    pub(crate) fn of(len: usize) -> Self {
        match len {
            7.. => Self::Four,
            4..=6 => Self::Three,
            _ => Self::Single,
        }
    }

    /// Every how many bytes of a text a gram is looked up.
    pub(crate) fn stride(self) -> usize {
        match self {
            Self::Single => 1,
            Self::Three => 2,
            Self::Four => 4,
        }
    }

    /// The bits that tell lower from upper case in a gram.
    fn lower(self) -> u32 {
        LOWER as u32 >> (8 * (4 - self.bytes()))
    }

    /// Bytes of a gram.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::Single => 1,
            Self::Three => 3,
            Self::Four => 4,
        }
    }

    fn gram(self, text: &[u8], at: usize) -> Option<u32> {
        let bytes = text.get(at..at + self.bytes())?;
        let gram = bytes.iter().rev().fold(0, |gram, byte| gram << 8 | u32::from(*byte));
        Some(gram | self.lower())
    }
}

fn write_list(writer: &mut Writer, count: usize, items: &[u32]) -> u32 {
    if count == 0 {
        return 0;
    }
    let at = writer.put(&[word(count)]);
    writer.extend(items.iter().copied());
    at
}

/// Writes a hash table from hash to the records under it.
fn write_table(writer: &mut Writer, entries: &[(u32, u32)]) -> u32 {
    let mut by_hash: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (hash, record) in entries {
        by_hash.entry(*hash).or_default().push(*record);
    }
    let lists: Vec<(u32, u32)> = by_hash
        .into_iter()
        .map(|(hash, records)| (hash, write_list(writer, records.len(), &records)))
        .collect();
    write_slots(writer, &lists)
}

/// Writes a hash table from gram to the records and the gram's offset in each.
fn write_gram_table(writer: &mut Writer, entries: &[(u32, u32, u32)]) -> u32 {
    let mut by_gram: HashMap<u32, Vec<u32>> = HashMap::new();
    for (gram, record, at) in entries {
        by_gram.entry(*gram).or_default().extend([*record, *at]);
    }
    let mut by_gram: Vec<(u32, Vec<u32>)> = by_gram.into_iter().collect();
    by_gram.sort_unstable();
    let lists: Vec<(u32, u32)> = by_gram
        .into_iter()
        .map(|(gram, records)| (gram, write_list(writer, records.len() / 2, &records)))
        .collect();
    write_slots(writer, &lists)
}

/// Open addressing, at most three quarters full: a mask, then pairs of key and list; list 0 is a free slot.
pub(crate) fn write_slots(writer: &mut Writer, lists: &[(u32, u32)]) -> u32 {
    let size = (lists.len() * 4 / 3 + 1).next_power_of_two();
    let mut slots = vec![[0_u32; 2]; size];
    for (key, list) in lists {
        let mut at = spread(*key) as usize & (size - 1);
        while slots[at][1] != 0 {
            at = (at + 1) & (size - 1);
        }
        slots[at] = [*key, *list];
    }
    let at = writer.put(&[word(size - 1)]);
    writer.extend(slots.into_iter().flatten());
    at
}

/// Sizes of bitmaps in words; each has a loop of its own, so that nothing is checked in it.
const BITMAPS: [usize; 4] = [32, 256, 2_048, 8_192];

/// Writes one bitmap for the grams of three and of four; returns where it is and which size it has.
fn write_bitmap(
    writer: &mut Writer,
    grams: &BTreeMap<Kind, Vec<(u32, u32, u32)>>,
    purpose: Use,
) -> (u32, u32) {
    let kinds = [Kind::Three, Kind::Four];
    let all: Vec<u32> =
        kinds.iter().filter_map(|kind| grams.get(kind)).flatten().map(|(gram, ..)| *gram).collect();
    if all.is_empty() {
        return (0, 0);
    }
    let wanted = all.len() * purpose.bits_per_gram();
    let size = BITMAPS.iter().position(|words| words * 32 >= wanted).unwrap_or(BITMAPS.len() - 1);
    let words = BITMAPS[size];
    let mut map = vec![0_u32; words];
    for gram in all {
        let bit = gram.wrapping_mul(MIX) >> (32 - (words * 32).ilog2());
        map[(bit >> 5) as usize] |= 1 << (bit & 31);
    }
    (writer.put(&map), word(size))
}

/// Writes which bytes begin a short literal (8 words), and the table.
fn write_singles(writer: &mut Writer, entries: &[(u32, u32, u32)], table: u32) -> u32 {
    let mut map = [0_u32; 8];
    for (byte, ..) in entries {
        map[(byte >> 5) as usize] |= 1 << (byte & 31);
    }
    let at = writer.put(&map);
    writer.put(&[table]);
    at
}

/// Spreads the bits of a gram: 2^32 divided by the golden ratio.
const MIX: u32 = 0x9e37_79b1;

#[inline]
pub(crate) fn spread(key: u32) -> u32 {
    let mixed = key.wrapping_mul(MIX);
    mixed ^ (mixed >> 15)
}

/// Hashes a few bytes. Keys are the rules' own, so no event can make look-ups slow: a table half full
/// of known keys has short runs, and what is looked up is compared in full.
#[inline]
pub(crate) fn hash(text: &[u8]) -> u32 {
    (hash_from(0, text) >> 32) as u32
}

#[inline]
pub(crate) fn hash_from(seed: u64, text: &[u8]) -> u64 {
    let mut state = seed ^ (text.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut rest = text;
    while let Some((chunk, after)) = rest.split_first_chunk::<8>() {
        state = mix(state ^ (u64::from_le_bytes(*chunk) | LOWER));
        rest = after;
    }
    if !rest.is_empty() {
        let mut last = [0; 8];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        state = mix(state ^ (u64::from_le_bytes(last) | LOWER));
    }
    state
}

/// Hashes a field name by its ends: enough to tell apart the few hundred names that rules ask for.
#[inline]
pub(crate) fn hash_name(name: &[u8]) -> u32 {
    let (first, last) = match (name.first_chunk::<8>(), name.last_chunk::<8>()) {
        (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
        _ => match (name.first_chunk::<4>(), name.last_chunk::<4>()) {
            (Some(first), Some(last)) => {
                (u64::from(u32::from_le_bytes(*first)), u64::from(u32::from_le_bytes(*last)))
            }
            _ => match *name {
                [a] => (u64::from(a), 0),
                [a, b] => (u64::from(a), u64::from(b)),
                [a, b, c] => (u64::from(a) | u64::from(b) << 8, u64::from(c)),
                _ => (0, 0),
            },
        },
    };
    let mixed = mix(first ^ (name.len() as u64) << 56) ^ last;
    (mix(mixed) >> 32) as u32
}

#[inline]
fn mix(state: u64) -> u64 {
    let mixed = state.wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed ^ (mixed >> 32)
}

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
        let &[whole, whole_max, starts, ends, ..] = self.slice(self.at, HEAD as u32) else {
            return false;
        };
        (whole != 0
            && text.len() <= whole_max as usize
            && self.look_up(whole, hash(text), text, Anchor::Whole, each))
            || (starts != 0 && self.search_ends(starts, text, Anchor::Start, each))
            || (ends != 0 && self.search_ends(ends, text, Anchor::End, each))
            || self.search_inside(text, each)
    }

    /// As [`Self::search`], but only for literals that may stand anywhere.
    #[inline]
    pub(crate) fn search_inside(
        self,
        text: &[u8],
        each: &mut impl FnMut(&'i [u32]) -> bool,
    ) -> bool {
        let &[.., singles, scan] = self.slice(self.at, HEAD as u32) else { return false };
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
        let Some((map, [table, ..])) = self.slice(singles, 9).split_first_chunk::<8>() else {
            return false;
        };
        text.iter().enumerate().any(|(index, byte)| {
            let byte = byte | 0x20;
            map[usize::from(byte >> 5)] & (1 << (byte & 31)) != 0
                && self.verify(*table, u32::from(byte), text, index, each)
        })
    }

    /// Says of literals that may stand anywhere: the fewest bytes of one, and whether one may stand in
    /// the text of a number or a Boolean.
    #[inline]
    pub(crate) fn inside(self) -> (usize, bool) {
        let word = self.word(self.at + 4);
        ((word >> 1) as usize, word & 1 != 0)
    }

    fn find(self, table: u32, key: u32) -> Option<u32> {
        let mask = self.word(table);
        let slots = self.slice(table + 1, (mask + 1) * 2);
        let mut at = spread(key) & mask;
        loop {
            let slot = at as usize * 2;
            let (known, list) = (slots[slot], slots[slot + 1]);
            if list == 0 {
                return None;
            }
            if known == key {
                return Some(list);
            }
            at = (at + 1) & mask;
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
