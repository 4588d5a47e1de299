//! Find: words of a message within a line, without the preparation that searching a long text pays for.
//!
//! `str::find` makes a plan for every search; the texts here have a hundred bytes, and looking for one
//! byte of the word and then at the rest is several times cheaper. The results are those of `str`. The
//! worst case, a line full of that byte, costs its length times the word's, a few bytes.

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
    }
}
