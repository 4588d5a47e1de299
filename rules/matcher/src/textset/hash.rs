//! Hashes of texts and grams: the same when a set is written and when it is searched.

/// The bit that tells lower from upper case, in each byte of a word.
pub(super) const LOWER: u64 = 0x2020_2020_2020_2020;

/// Spreads the bits of a gram: 2^32 divided by the golden ratio.
pub(super) const MIX: u32 = 0x9e37_79b1;

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
