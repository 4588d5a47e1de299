//! Filter: where in a text one of many words stands, in one pass that costs a line without any of them
//! some tens of nanoseconds.
//!
//! Each word is entered by two grams of three bytes, one at an even place of it, one at an odd one; the text
//! is looked at in grams at every second byte, so that one of the two meets it. A bitmap that fits the first-level
//! cache answers most look-ups; what passes it is looked up, then compared. ASCII case is folded on the
//! way by setting the bit that tells it. The idea is that of the sets in `rules/matcher`.

/// Bits of the bitmap: 8 KiB. With the grams of all words one look-up in two hundred passes by chance,
/// half a look at the table for each line; half the size would double that.
const BITS: usize = 1 << 16;
/// Fewest bytes of a word: a gram of three at an even place and one at an odd one.
pub(super) const WORD_BYTES_MIN: usize = 4;
/// Spreads the lower three bytes of a number over its upper bits; the fourth does not count.
const MIX: u32 = 0x9e37_79b1 << 8;
/// Sets the bit that tells lower from upper case.
const LOWER: u64 = 0x2020_2020_2020_2020;

/// Grams of our words that are common in logs of real servers (access logs, sshd, audit, Zeek), most
/// common first, folded; counted in the logs that the tests use. Only speed hangs on it.
const COMMON: &str = concat!(
    "serusee\":mationtimimelogent uscomed tioesser aututhogiconin ginssh inrescatesticaatiecttic",
    ".coseset tesntiprocceaddingcesgetassonnverrocexebinpasori piateodeordervctisswesplieiened\x7f",
    "ncoclia aocksionetssinneommacconemarindde=neckeypatquedenurep-1rdeonstp:strertoot kerooweb",
    "equounmodrequesappdesrtiphp wiom/ifificageattshaseclintif byicesslmesuniithope\":{ermdatied",
    "witmanmaprecredpreoct thcoricktatcurip cre/sete\x7f\x7fcoariptipenitymonnincouunthandis\x7fmaivegoo",
    ".siataackulteerxecscovicck.thoharrreikehorincooges/idekeroolacttiteramit darviiscsmbd bcct",
    "ckewd=tp te ecoedeapiecussaorronge\x7ftinin o --tian ispoignnitswdurl-set msagrin\x7fautasasknse",
    "\x7fpitletoosk=cmdwd nt\x7fcodial.ex\"meretensitlareth\x7fle=reetritp\x7fsigl hccosladap/apon-argst\x7feri",
    "ldaencbeaftpearrerthue\x7fc neon\x7fre\x7fantpinponkindinatu29.tokd witoth-ncr%2fct.udoturdocken\x7fid",
    "ssesudrgconie\x7fs-shgc=pririzsamradt u||n|nete-fieplirpccacedichphpariaxfr\x7fkemd=mysm/agit\x7fte",
    "okege\" cm1 ue\x7fkotpss\x7frmoerdtp\"atmketed-rojpi/et.asignaesu\x7flit1.\"nent-cryrypookyptmax/we-id",
    "n-indp-prs\x7firdp\x7fshhaueketmahubn\x7fcfrel \"me\x7fmecwd:stdd -lacop\x7f okc\x7ftnss%20\x7fpa26cng\x7fe-seshge-",
    "7z xffsulngo-stog-sqlypit.sakitpaokit1 t\x7fmkietopwrentkt.eod m/sscpetiwd\"asprivpwdhoognivca"
);

/// A set of words.
pub(super) struct Filter {
    bits: Box<[u64; BITS / 64]>,
    /// At least twice as many slots as there are grams, a power of two: so a chain is short, and ends.
    slots: Vec<Slot>,
    /// The entries of a gram lie together.
    entries: Vec<Entry>,
    words: Vec<Box<[u8]>>,
}

/// A gram with its entries; empty without any.
#[derive(Clone, Copy, Default)]
struct Slot {
    gram: u32,
    first: u16,
    count: u16,
}

/// Where a gram stands in a word.
struct Entry {
    gram: u32,
    word: u16,
    offset: u16,
    /// Whether the folded byte looked at first stands before the gram, else behind it.
    is_before: bool,
    byte: u8,
}

impl Entry {
    fn new(word: usize, text: &[u8], offset: usize) -> Option<Self> {
        let after = text.get(offset + 3).copied();
        let byte = after.or_else(|| text.get(offset.checked_sub(1)?).copied())?;
        Some(Self {
            gram: gram(text, offset)?,
            word: u16::try_from(word).ok()?,
            offset: u16::try_from(offset).ok()?,
            is_before: after.is_none(),
            byte: byte | 0x20,
        })
    }
}

impl Filter {
    /// Makes a set. Words shorter than [`WORD_BYTES_MIN`] are never found; there may be some thousand.
    pub(super) fn new<'w>(words: impl IntoIterator<Item = &'w [u8]>) -> Self {
        let words: Vec<Box<[u8]>> = words.into_iter().map(Box::from).collect();
        let mut entries = Vec::new();
        for (word, text) in words.iter().enumerate() {
            let offsets = rarest(text).into_iter().flatten();
            entries.extend(offsets.filter_map(|offset| Entry::new(word, text, offset)));
        }
        entries.sort_by_key(|entry| entry.gram);
        let mut slots = vec![Slot::default(); (entries.len() * 2).next_power_of_two()];
        let mut bits = Box::new([0; BITS / 64]);
        let mask = slots.len() - 1;
        let mut first = 0;
        for group in entries.chunk_by(|one, two| one.gram == two.gram) {
            let gram = group.first().map_or(0, |entry| entry.gram);
            let bit = hash(gram);
            bits[bit / 64] |= 1 << (bit % 64);
            let mut at = bit & mask;
            while slots[at].count != 0 {
                at = (at + 1) & mask;
            }
            slots[at] = Slot { gram, first, count: group.len() as u16 };
            first += group.len() as u16;
        }
        Self { bits, slots, entries, words }
    }

    /// Calls `found` with the number of each word and where it begins, from left to right (by the gram
    /// that was met), once for each place.
    #[inline]
    pub(super) fn search(&self, text: &[u8], mut found: impl FnMut(usize, usize)) {
        let mut at = 0;
        // Four grams of eight bytes, the last of which reaches over their end.
        while let Some(here) = text.get(at..).and_then(|rest| rest.first_chunk::<10>()) {
            self.block(text, here, at, at, &mut found);
            at += 8;
        }
        // The rest is part of a block that ends with the text, but for one gram.
        let last = text.len().saturating_sub(10) & !1;
        if let Some(here) = text.get(last..).and_then(|rest| rest.first_chunk::<10>()) {
            self.block(text, here, last, at, &mut found);
            at = last + 8;
        }
        while at + 2 < text.len() {
            self.look(text, at, &mut found);
            at += 2;
        }
    }

    /// Looks at the four grams of ten bytes, those from a place on.
    #[inline(always)]
    fn block(
        &self,
        text: &[u8],
        here: &[u8; 10],
        at: usize,
        from: usize,
        found: &mut impl FnMut(usize, usize),
    ) {
        let [even, odd] = [here.first_chunk::<8>(), here.last_chunk::<8>()]
            .map(|bytes| u64::from_le_bytes(*bytes.unwrap_or(&[0; 8])) | LOWER);
        let seen = self.probe(even as u32)
            | self.probe(odd as u32)
            | self.probe((even >> 32) as u32)
            | self.probe((odd >> 32) as u32);
        if seen & 1 != 0 {
            self.hit(text, at, from, found);
        }
    }

    /// Looks up the grams of a block of which the bitmap knows one: kept out of the loop.
    #[inline(never)]
    fn hit(&self, text: &[u8], at: usize, from: usize, found: &mut impl FnMut(usize, usize)) {
        for at in [at, at + 2, at + 4, at + 6] {
            if at >= from {
                self.look(text, at, found);
            }
        }
    }

    #[inline]
    fn probe(&self, gram: u32) -> u64 {
        let bit = hash(gram);
        self.bits[bit / 64] >> (bit % 64)
    }

    /// Compares the words that have the gram at a place with the text around it.
    #[inline(always)]
    fn look(&self, text: &[u8], at: usize, found: &mut impl FnMut(usize, usize)) {
        let Some(gram) = gram(text, at) else { return };
        if self.probe(gram) & 1 != 0 {
            self.compare(text, at, gram, found);
        }
    }

    #[inline(never)]
    fn compare(&self, text: &[u8], at: usize, gram: u32, found: &mut impl FnMut(usize, usize)) {
        let mask = self.slots.len() - 1;
        let mut slot = hash(gram) & mask;
        let (first, count) = loop {
            match self.slots[slot] {
                Slot { count: 0, .. } => return,
                Slot { gram: known, first, count } if known == gram => {
                    break (usize::from(first), usize::from(count));
                }
                _ => slot = (slot + 1) & mask,
            }
        };
        let before = at.checked_sub(1).and_then(|at| text.get(at)).map(|byte| byte | 0x20);
        let after = text.get(at + 3).map(|byte| byte | 0x20);
        for entry in self.entries.get(first..first + count).unwrap_or_default() {
            if Some(entry.byte) != if entry.is_before { before } else { after } {
                continue;
            }
            let number = usize::from(entry.word);
            let Some(start) = at.checked_sub(usize::from(entry.offset)) else { continue };
            let word = &self.words[number];
            let here = text.get(start..start + word.len());
            if here.is_some_and(|here| here.eq_ignore_ascii_case(word)) {
                found(number, start);
            }
        }
    }
}

/// Returns the three bytes at a place, folded.
#[inline(always)]
fn gram(text: &[u8], at: usize) -> Option<u32> {
    let [a, b, c] = *text.get(at..)?.first_chunk::<3>()?;
    Some(u32::from_le_bytes([a, b, c, 0]) | 0x0020_2020)
}

#[inline]
fn hash(gram: u32) -> usize {
    (gram.wrapping_mul(MIX) >> 16) as usize
}

/// Returns where the gram at an even place of a word, and that at an odd one, should be taken: where it is
/// least common.
fn rarest(word: &[u8]) -> Option<[usize; 2]> {
    let common = |at: &usize| {
        let here: Vec<u8> = word[*at..*at + 3].iter().map(|byte| byte | 0x20).collect();
        let place = COMMON.as_bytes().chunks_exact(3).position(|gram| gram == here);
        place.map_or(0, |place| COMMON.len() - place)
    };
    let last = word.len().checked_sub(WORD_BYTES_MIN)? + 1;
    let of = |first: usize| (first..=last).step_by(2).min_by_key(common);
    Some([of(0)?, of(1)?])
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
