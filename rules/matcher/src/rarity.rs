//! Rarity: how likely a literal is to stand in an ordinary value.
//!
//! Of the literals that a rule cannot do without, the index watches for those that ordinary events
//! hold least often. A wrong guess costs time, never a hit.

use rules_event::field;

use crate::compile::Slot;
use crate::glob::Anchor;
use crate::textset::{Kind, spread};

mod ordinary;

use ordinary::{ORDINARY, WEB};

/// A literal is never held to be rarer than this many bits.
const BITS_MAX: f32 = 40.0;
/// A text of up to three bytes is never held to be rarer than this.
const SHORT_CHANCE_MIN: f32 = 0.01;
/// A longer text that no ordinary value holds is never held to be more likely than this.
const UNSEEN_CHANCE_MAX: f32 = 0.01;
/// Bits lost because a literal may stand at any place of a value.
const ANYWHERE_BITS: f32 = 6.0;
/// The share of ordinary values, by weight, of one that weighs 1: fields hold far fewer kinds of values
/// than all fields together, so that a share among all is many times that among the field's own.
const SHARE: f32 = 1.0 / 160.0;

/// Counters of grams. Two grams that share one only seem more common than they are.
const COUNTERS_LOG2: u32 = 15;
/// What an ordinary value adds to a counter: more than the rules' own literals ever do.
const ORDINARY_WEIGHT: u32 = 1 << 20;

/// What is known of how often literals occur.
#[derive(Debug)]
pub(crate) struct Rarity {
    /// How often each gram stands in the ordinary values and in the rules' own literals.
    grams: Vec<u32>,
    /// By slot, what its field is like.
    likes: Vec<Like>,
}

impl Default for Rarity {
    fn default() -> Self {
        Self { grams: vec![0; 1 << COUNTERS_LOG2], likes: Vec::new() }
    }
}

fn counter(gram: [u8; 4]) -> usize {
    (spread(u32::from_le_bytes(gram)) >> (32 - COUNTERS_LOG2)) as usize
}

impl Rarity {
    /// Learns the ordinary values, for fields of these names.
    pub(crate) fn new<'n>(names: impl Iterator<Item = &'n str>) -> Self {
        let mut rarity = Self { likes: names.map(Like::of).collect(), ..Self::default() };
        for (_, text) in ORDINARY.iter().chain(WEB) {
            rarity.learn(text.as_bytes(), ORDINARY_WEIGHT);
        }
        rarity
    }

    /// Learns a literal of a rule: grams that many rules share cost a comparison for each.
    pub(crate) fn learn(&mut self, literal: &[u8], weight: u32) {
        for gram in literal.array_windows::<4>() {
            let seen = &mut self.grams[counter(*gram)];
            *seen = seen.saturating_add(weight);
        }
    }

    /// Returns the offset in a literal of the grams that are rarest, for a kind of search.
    pub(crate) fn window(&self, literal: &[u8], kind: Kind) -> usize {
        let cost = |gram: &[u8]| {
            let seen = gram.first_chunk::<4>().map_or(0, |gram| self.grams[counter(*gram)]);
            let plain = gram.iter().map(|byte| 16 - bits(*byte) as u32).sum::<u32>();
            u64::from(seen) * 32 + u64::from(plain)
        };
        let mut best = (u64::MAX, 0);
        for offset in 0..=literal.len().saturating_sub(kind.bytes() + kind.stride() - 1) {
            let grams = (offset..offset + kind.stride())
                .filter_map(|at| literal.get(at..at + kind.bytes()));
            best = best.min((grams.map(cost).sum(), offset));
        }
        best.1
    }

    /// Returns the chance that a value of a field holds a literal at a place, as guessed from its
    /// characters and from ordinary values.
    pub(crate) fn chance(&self, slot: Slot, anchor: Anchor, literal: &[u8]) -> f32 {
        if anchor == Anchor::Inside && Kind::of(literal.len()) == Kind::Single {
            // So short a text stands where nobody meant it: only ordinary values tell how often.
            let all: u32 = self.ordinary(slot).iter().map(|(weight, _)| *weight).sum();
            return (self.weight(slot, anchor, literal) / all as f32).max(SHORT_CHANCE_MIN);
        }
        let mut surprise: f32 = literal.iter().map(|byte| bits(*byte)).sum();
        if anchor == Anchor::Inside {
            surprise -= ANYWHERE_BITS;
        }
        let guess = (-surprise.clamp(0.5, BITS_MAX)).exp2().min(UNSEEN_CHANCE_MAX);
        guess.max(self.share(slot, anchor, literal)).min(1.0)
    }

    /// Returns the share of ordinary values that hold a literal.
    fn share(&self, slot: Slot, anchor: Anchor, literal: &[u8]) -> f32 {
        let known = |gram: &[u8; 4]| self.grams[counter(*gram)] >= ORDINARY_WEIGHT;
        if !literal.array_windows::<4>().all(known) {
            return 0.0;
        }
        self.weight(slot, anchor, literal) * SHARE
    }

    /// Returns the weight of the ordinary values that hold a literal.
    fn weight(&self, slot: Slot, anchor: Anchor, literal: &[u8]) -> f32 {
        let values = self.ordinary(slot).iter();
        let holding = values.filter(|(_, text)| anchor.holds(text.as_bytes(), literal));
        holding.map(|(weight, _)| *weight as f32).sum()
    }

    /// Returns the ordinary values of a field: a program's path says nothing of an address, nor the
    /// other way round.
    fn ordinary(&self, slot: Slot) -> &'static [(u32, &'static str)] {
        match self.likes.get(usize::from(slot)) {
            Some(Like::Web) => WEB,
            _ => ORDINARY,
        }
    }

    /// Says whether a field holds whole records, so that what must look at each byte is dear.
    pub(crate) fn is_long(&self, slot: Slot) -> bool {
        matches!(self.likes.get(usize::from(slot)), Some(Like::Record))
    }
}

/// What the values of a field are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Like {
    /// A part of a web request.
    Web,
    /// A whole record, or its message.
    Record,
    Other,
}

impl Like {
    /// Tells by the field's name, under ECS or Sigma names.
    fn of(name: &str) -> Self {
        const WEB: [&str; 8] =
            ["url.", "http.", "user_agent.", "cs-", "cs(", "c-uri", "c-useragent", "sc-"];
        if WEB.iter().any(|prefix| name.starts_with(prefix)) {
            Self::Web
        } else if [field::MESSAGE, field::EVENT_ORIGINAL].contains(&name) {
            Self::Record
        } else {
            Self::Other
        }
    }
}

/// Bits of surprise of a byte in an ordinary text.
fn bits(byte: u8) -> f32 {
    match byte {
        b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' => 2.5,
        b'a'..=b'z' => 3.5,
        b' ' | b'\\' | b'/' | b'.' | b'-' => 2.0,
        b'0'..=b'9' => 3.0,
        0x80.. => 4.0,
        b'_' | b'=' | b':' | b',' | b'(' | b')' | b'"' | b'\'' | b'&' | b'?' | b'%' | b'+' => 6.0,
        b';' | b'!' | b'*' | b'@' | b'#' | b'~' | b'[' | b']' => 9.0,
        b'$' | b'{' | b'}' | b'<' | b'>' => 10.0,
        b'|' | b'^' | b'`' => 12.0,
        _ => 14.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_log_holds_is_common() {
        let path = Rarity::new([].into_iter()).chance(0, Anchor::Start, b"/tmp/");
        assert!(path < Rarity::new([].into_iter()).chance(0, Anchor::Whole, b"syscall"), "{path}");
        let rarity = Rarity::new([].into_iter());
        let common = rarity.chance(0, Anchor::End, br"\powershell.exe");
        let rare = rarity.chance(0, Anchor::Inside, b"invoke-mimikatz");
        assert!(rare < common / 1000.0, "{rare} {common}");
        assert!(
            rarity.chance(0, Anchor::Inside, b"-s") > rarity.chance(0, Anchor::Inside, b"-seed")
        );
    }

    #[test]
    fn what_programs_are_called_is_rare_in_addresses() {
        let rarity = Rarity::new(["process.executable", "url.original"].into_iter());
        let chance = |slot| rarity.chance(slot, Anchor::Inside, b"/usr/bin/");
        assert!(chance(1) < chance(0) / 50.0, "{} {}", chance(1), chance(0));
    }

    #[test]
    fn grams_are_taken_where_they_are_rare() {
        let rarity = Rarity::new([].into_iter());
        let literal = br"c:\windows\system32\xyzzy~";
        assert!(rarity.window(literal, Kind::Four) >= literal.len() - 11);
        assert_eq!(rarity.window(b"abcdefg", Kind::Four), 0);
        assert_eq!(rarity.window(b"abcd", Kind::Three), 0);
    }
}
