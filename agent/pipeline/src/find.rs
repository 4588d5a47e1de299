//! Find: words of a message within a line, without the preparation that searching a long text pays for.
//!
//! `str::find` makes a plan for every search; the texts here have a hundred bytes, and looking for one
//! byte of the word and then at the rest is several times cheaper. The results are those of `str`. The
//! worst case, a line full of that byte, costs its length times the word's, a few bytes.
//!
//! What ends a word of a log is mostly a few bytes away, nearer than the preparation of `memchr` pays for:
//! [`byte`] and its kin look at the first bytes themselves.

/// Bytes looked at eight at a time before `memchr` takes over: most words end within.
const NEAR: usize = 32;
const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The top bit of each byte that is zero; of those behind the first one, it may be set wrongly.
///
/// Spec: Warren, Hacker's Delight, 6-1 "Find First 0-Byte".
#[inline(always)]
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGHS
}

/// Where the first byte stands that `is_it` marks, eight at a time, and else what `far` finds.
#[inline(always)]
fn near(
    bytes: &[u8],
    marks: impl Fn(u64) -> u64,
    is_it: impl Fn(u8) -> bool,
    far: impl Fn(&[u8]) -> Option<usize>,
) -> Option<usize> {
    let mut at = 0;
    while at < NEAR {
        let rest = bytes.get(at..)?;
        let Some(chunk) = rest.first_chunk::<8>() else {
            return rest.iter().position(|byte| is_it(*byte)).map(|found| at + found);
        };
        let found = marks(u64::from_le_bytes(*chunk));
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    far(bytes.get(at..)?).map(|found| at + found)
}

/// Where a byte stands first.
#[inline]
pub(crate) fn byte(bytes: &[u8], one: u8) -> Option<usize> {
    let pattern = u64::from(one) * ONES;
    near(bytes, |word| zeros(word ^ pattern), |byte| byte == one, |rest| memchr::memchr(one, rest))
}

/// Where one of two bytes stands first.
#[inline]
pub(crate) fn byte2(bytes: &[u8], one: u8, two: u8) -> Option<usize> {
    let patterns = (u64::from(one) * ONES, u64::from(two) * ONES);
    near(
        bytes,
        |word| zeros(word ^ patterns.0) | zeros(word ^ patterns.1),
        |byte| byte == one || byte == two,
        |rest| memchr::memchr2(one, two, rest),
    )
}

/// Where one of three bytes stands first.
#[inline]
pub(crate) fn byte3(bytes: &[u8], [one, two, three]: [u8; 3]) -> Option<usize> {
    let [a, b, c] = [one, two, three].map(|byte| u64::from(byte) * ONES);
    near(
        bytes,
        |word| zeros(word ^ a) | zeros(word ^ b) | zeros(word ^ c),
        |byte| byte == one || byte == two || byte == three,
        |rest| memchr::memchr3(one, two, three, rest),
    )
}

/// As [`str::split_once`], for an ASCII character.
#[inline]
pub(crate) fn split_byte(text: &str, one: u8) -> Option<(&str, &str)> {
    let at = byte(text.as_bytes(), one)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// The text up to an ASCII character, or all of it: the first item of [`str::split`].
#[inline]
pub(crate) fn before_byte(text: &str, one: u8) -> &str {
    byte(text.as_bytes(), one).and_then(|at| text.get(..at)).unwrap_or(text)
}

/// The pieces of a text between an ASCII character, as [`str::split`] gives them.
#[derive(Clone)]
pub(crate) struct Pieces<'a> {
    rest: Option<&'a str>,
    sign: u8,
}

/// As [`str::split`], for an ASCII character.
#[inline]
pub(crate) fn pieces(text: &str, sign: u8) -> Pieces<'_> {
    Pieces { rest: Some(text), sign }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a str;

    #[inline]
    fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest?;
        match split_byte(rest, self.sign) {
            Some((piece, rest)) => {
                self.rest = Some(rest);
                Some(piece)
            }
            None => {
                self.rest = None;
                Some(rest)
            }
        }
    }
}

/// The byte of a word to look for: not a blank, if it can be helped, since lines are full of them.
#[inline(always)]
fn key(word: &[u8]) -> Option<(usize, u8)> {
    match word {
        [b' ', second, ..] => Some((1, *second)),
        [first, ..] => Some((0, *first)),
        [] => None,
    }
}

/// As [`str::find`], for a word that is not empty.
#[inline]
pub(crate) fn find(text: &str, word: &str) -> Option<usize> {
    let (bytes, word) = (text.as_bytes(), word.as_bytes());
    let (before, byte) = key(word)?;
    let mut from = before;
    loop {
        let at = memchr::memchr(byte, bytes.get(from..)?)? + from;
        if bytes.get(at - before..)?.starts_with(word) {
            return Some(at - before);
        }
        from = at + 1;
    }
}

/// As [`str::rfind`], for a word that is not empty.
#[inline]
pub(crate) fn rfind(text: &str, word: &str) -> Option<usize> {
    let (bytes, word) = (text.as_bytes(), word.as_bytes());
    let (before, byte) = key(word)?;
    let mut end = bytes.len();
    loop {
        let at = memchr::memrchr(byte, bytes.get(..end)?)?;
        if at >= before && bytes.get(at - before..)?.starts_with(word) {
            return Some(at - before);
        }
        end = at;
    }
}

/// As [`str::split_once`], for a word that is not empty.
#[inline]
pub(crate) fn split<'a>(text: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let at = find(text, word)?;
    Some((text.get(..at)?, text.get(at + word.len()..)?))
}

/// As [`str::rsplit_once`], for a word that is not empty.
#[inline]
pub(crate) fn rsplit<'a>(text: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let at = rfind(text, word)?;
    Some((text.get(..at)?, text.get(at + word.len()..)?))
}

/// Most digits of a number that is read without looking for an overflow.
const DIGITS_MAX: usize = 18;

/// A whole number as [`str::parse`] reads it; most are a few digits and nothing else.
#[inline]
pub(crate) fn number(text: &str) -> Option<i64> {
    let mut value = 0;
    for byte in text.bytes() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 || text.len() > DIGITS_MAX {
            return text.parse().ok();
        }
        value = value * 10 + i64::from(digit);
    }
    if text.is_empty() { None } else { Some(value) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn as_the_standard_library_does(text in "[ abđ:]{0,40}", word in "[ abđ:]{1,4}") {
            prop_assert_eq!(find(&text, &word), text.find(&word));
            prop_assert_eq!(rfind(&text, &word), text.rfind(&word));
            prop_assert_eq!(split(&text, &word), text.split_once(word.as_str()));
            prop_assert_eq!(rsplit(&text, &word), text.rsplit_once(word.as_str()));
        }

        #[test]
        fn numbers_are_those_of_the_standard_library(text in "[-+]?[0-9]{0,20}[a ]?") {
            prop_assert_eq!(number(&text), text.parse::<i64>().ok());
        }

        #[test]
        fn near_and_far_bytes_are_found(text in "[ab\\x00\\x01\\x7fđ]{0,6}[ab]{0,50}[ab:;\\x00\\x01\\x7fđ]{0,12}") {
            for (one, two) in [(b':', b';'), (b'\0', b':'), (1, 0), (0x7f, 1), (b'a', b'b')] {
                let bytes = text.as_bytes();
                prop_assert_eq!(byte(bytes, one), memchr::memchr(one, bytes));
                prop_assert_eq!(byte2(bytes, one, two), memchr::memchr2(one, two, bytes));
                let three = memchr::memchr3(one, two, b'b', bytes);
                prop_assert_eq!(byte3(bytes, [one, two, b'b']), three);
                let sign = char::from(one);
                prop_assert_eq!(split_byte(&text, one), text.split_once(sign));
                prop_assert_eq!(Some(before_byte(&text, one)), text.split(sign).next());
                prop_assert!(pieces(&text, one).eq(text.split(sign)));
            }
        }
    }
}
