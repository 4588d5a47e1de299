//! Rarity: how likely a literal is to stand in an ordinary value.
//!
//! Of the literals that a rule cannot do without, the index watches for those that ordinary events
//! hold least often. A wrong guess costs time, never a hit.

use crate::glob::Anchor;
use crate::textset::{Kind, spread};

mod ordinary;

use ordinary::ORDINARY;

/// A literal is never held to be rarer than this many bits.
const BITS_MAX: f32 = 40.0;
/// A text of up to three bytes is never held to be rarer than this.
const SHORT_CHANCE_MIN: f32 = 0.01;
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
}

impl Default for Rarity {
    fn default() -> Self {
        Self { grams: vec![0; 1 << COUNTERS_LOG2] }
    }
}

fn counter(gram: [u8; 4]) -> usize {
    (spread(u32::from_le_bytes(gram)) >> (32 - COUNTERS_LOG2)) as usize
}

impl Rarity {
    /// Learns the ordinary values.
    pub(crate) fn new() -> Self {
        let mut rarity = Self::default();
        for (_, text) in ORDINARY {
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

    /// Returns the chance that a value holds a literal at a place, as guessed from its characters and
    /// from ordinary values.
    pub(crate) fn chance(&self, anchor: Anchor, literal: &[u8]) -> f32 {
        if anchor == Anchor::Inside && Kind::of(literal.len()) == Kind::Single {
            // So short a text stands where nobody meant it: only ordinary values tell how often.
            let all: u32 = ORDINARY.iter().map(|(weight, _)| *weight).sum();
            return (self.weight(anchor, literal) / all as f32).max(SHORT_CHANCE_MIN);
        }
        let mut surprise: f32 = literal.iter().map(|byte| bits(*byte)).sum();
        if anchor == Anchor::Inside {
            surprise -= ANYWHERE_BITS;
        }
        let guess = (-surprise.clamp(0.5, BITS_MAX)).exp2();
        guess.max(self.share(anchor, literal)).min(1.0)
    }

    /// Returns the share of ordinary values that hold a literal.
    fn share(&self, anchor: Anchor, literal: &[u8]) -> f32 {
        let known = |gram: &[u8; 4]| self.grams[counter(*gram)] >= ORDINARY_WEIGHT;
        if !literal.array_windows::<4>().all(known) {
            return 0.0;
        }
        self.weight(anchor, literal) * SHARE
    }

    /// Returns the weight of the ordinary values that hold a literal.
    fn weight(&self, anchor: Anchor, literal: &[u8]) -> f32 {
        let holding = ORDINARY.iter().filter(|(_, text)| anchor.holds(text.as_bytes(), literal));
        holding.map(|(weight, _)| *weight as f32).sum()
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
        let path = Rarity::new().chance(Anchor::Start, b"/tmp/");
        assert!(path < Rarity::new().chance(Anchor::Whole, b"syscall"), "{path}");
        let rarity = Rarity::new();
        let common = rarity.chance(Anchor::End, br"\powershell.exe");
        let rare = rarity.chance(Anchor::Inside, b"invoke-mimikatz");
        assert!(rare < common / 1000.0, "{rare} {common}");
        assert!(rarity.chance(Anchor::Inside, b"-s") > rarity.chance(Anchor::Inside, b"-seed"));
    }

    #[test]
    fn grams_are_taken_where_they_are_rare() {
        let rarity = Rarity::new();
        let literal = br"c:\windows\system32\xyzzy~";
        assert!(rarity.window(literal, Kind::Four) >= literal.len() - 11);
        assert_eq!(rarity.window(b"abcdefg", Kind::Four), 0);
        assert_eq!(rarity.window(b"abcd", Kind::Three), 0);
    }
}
