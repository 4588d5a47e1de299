//! Writing a text set into an image.

use std::collections::{BTreeMap, HashMap};

use super::hash::{LOWER, MIX, hash, spread};
use super::{BITMAPS, HEAD, RARE};
use crate::assemble::PROOF;
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

    /// Adds a payload to a literal if that is there.
    pub(crate) fn add_if_there(&mut self, anchor: Anchor, literal: &[u8], payload: u32) {
        if let Some(payloads) = self.literals.get_mut(&(anchor, literal.to_vec()))
            && !payloads.contains(&payload)
        {
            payloads.push(payload);
        }
    }

    /// Adds every literal of another set that may stand anywhere, with its payloads. Where one stands in
    /// a field of this set it need not stand in one of the other, so it proves nothing there.
    pub(crate) fn add_inside(&mut self, other: &Self) {
        for ((anchor, literal), payloads) in &other.literals {
            if *anchor == Anchor::Inside {
                let payloads = payloads.iter().filter(|payload| *payload & PROOF == 0);
                payloads.for_each(|payload| self.add(*anchor, literal, *payload));
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.literals.is_empty()
    }

    /// Writes the set and returns where it begins.
    pub(crate) fn write(&self, writer: &mut Writer, rarity: &Rarity, purpose: Use) -> u32 {
        let mut whole = Vec::new();
        let mut ends: [BTreeMap<usize, Vec<(u32, u32)>>; 2] = Default::default();
        let mut grams: BTreeMap<Kind, Vec<(u32, u32, u32)>> = BTreeMap::new();
        let mut whole_max = 0;
        let mut inside = Inside::default();
        // For each byte by which a short literal is found, which bytes may stand behind it: a bit each,
        // by their lowest five bits; all of them where nothing needs to.
        let mut seconds = [0_u32; 256];
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
                    let mut offset = rarity.window(literal, kind);
                    if kind == Kind::Single {
                        // With a byte behind it: the two together are what is looked for.
                        offset = offset.min(literal.len().saturating_sub(2));
                        if let Some(byte) = literal.get(offset) {
                            seconds[usize::from(byte | 0x20)] |=
                                literal.get(offset + 1).map_or(u32::MAX, |next| 1 << (next & 31));
                        }
                    }
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
            table => {
                let at = writer.put(&seconds);
                writer.put(&[table, few(&seconds)]);
                at
            }
        };
        let scan = match threes | fours {
            0 => 0,
            _ => writer.put(&[bitmap, size, threes, fours]),
        };
        let head: [u32; HEAD] = [
            whole_table,
            word(whole_max),
            starts,
            ends,
            inside.word(),
            singles,
            scan,
            u32::from(inside.is_rare()),
        ];
        writer.put(&head)
    }
}

/// Returns the bytes by which short literals are found, in both cases, if they are so few that a search
/// for bytes finds them: their number, and they themselves in the bytes above. 0 if they are not.
fn few(seconds: &[u32; 256]) -> u32 {
    let folded = (0..=u8::MAX).zip(seconds).filter(|(_, seconds)| **seconds != 0);
    // Those that only lower case is folded to have no other case.
    let both =
        folded.flat_map(|(byte, _)| [Some(byte & !0x20), Some(byte).filter(|_| byte & 0x20 != 0)]);
    let mut bytes: Vec<u8> =
        both.flatten().filter(|byte| seconds[usize::from(byte | 0x20)] != 0).collect();
    bytes.dedup();
    match *bytes.as_slice() {
        [a] => u32::from_le_bytes([1, a, a, a]),
        [a, b] => u32::from_le_bytes([2, a, b, b]),
        [a, b, c] => u32::from_le_bytes([3, a, b, c]),
        _ => 0,
    }
}

/// What texts can hold one of the literals that may stand anywhere.
#[derive(Debug, Default)]
struct Inside {
    shortest: Option<usize>,
    /// One of them may stand in the text of a number or of `true` and `false`.
    in_other_kinds: bool,
    /// One of them may stand in a text in ASCII without a byte of [`RARE`].
    in_plain: bool,
}

impl Inside {
    fn note(&mut self, literal: &[u8]) {
        self.shortest = Some(self.shortest.map_or(literal.len(), |len| len.min(literal.len())));
        self.in_plain |= !literal.iter().any(|byte| !byte.is_ascii() || RARE.contains(byte));
        let numeric = literal.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-'));
        let boolean = [b"true".as_slice(), b"false"];
        self.in_other_kinds |=
            numeric || boolean.iter().any(|text| Anchor::Inside.holds(text, literal));
    }

    /// Whether there are literals, and all need a byte that plain texts lack.
    fn is_rare(&self) -> bool {
        self.shortest.is_some() && !self.in_plain
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

/// Open addressing, at most half full: a mask, then pairs of key and list; list 0 is a free slot.
pub(crate) fn write_slots(writer: &mut Writer, lists: &[(u32, u32)]) -> u32 {
    let size = (lists.len() * 2).max(1).next_power_of_two();
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
