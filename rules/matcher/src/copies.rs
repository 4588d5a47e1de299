//! Decoded copies: what a value looks like with its disguises taken off.
//!
//! Attackers write `%2e%2e%2f` for `../`, and Vietnamese words with or without their marks. A text
//! test or regular expression holds on a value when it holds on the text as written or on one of its
//! copies. The text as written stays the evidence. [`crate::taxonomy`] says which fields have copies.

use std::borrow::Cow;

/// Which copies the values of a field have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Copies {
    /// None: the text as written is all there is.
    #[default]
    None,
    /// Percent-decoded once and twice, then without Vietnamese marks.
    Text,
    /// As `Text`, and `+` stands for a space (URL-encoded forms).
    Url,
}

/// How often a value is decoded: attackers encode twice to pass a filter that decodes once.
pub const DECODINGS_MAX: usize = 2;

/// What an invalid byte sequence is replaced by, as ClickHouse's `toValidUTF8` does.
const REPLACEMENT: char = '\u{fffd}';

impl Copies {
    /// Calls `each` for every copy that differs from what it was made of.
    pub fn of(self, text: &str, mut each: impl FnMut(&str)) {
        if self == Self::None {
            return;
        }
        let mut last = Cow::Borrowed(text);
        for _ in 0..DECODINGS_MAX {
            let Some(decoded) = self.decode(&last) else { break };
            each(&decoded);
            last = Cow::Owned(decoded);
        }
        if let Some(plain) = strip_vietnamese(&last) {
            each(&plain);
        }
    }

    /// Says quickly that a text has no copies; `false` means that it may have some.
    #[must_use]
    pub fn has_none(self, text: &str) -> bool {
        match self {
            Self::None => true,
            Self::Text => text.is_ascii() && !text.contains('%'),
            Self::Url => text.is_ascii() && memchr::memchr2(b'%', b'+', text.as_bytes()).is_none(),
        }
    }

    /// Decodes `%HH` once; `None` when nothing changes.
    #[must_use]
    pub fn decode(self, text: &str) -> Option<String> {
        let bytes = text.as_bytes();
        let mut decoded = Vec::new();
        let mut done = 0;
        let mut at = 0;
        while let Some(rest) = bytes.get(at..) {
            let found = match self {
                Self::Url => memchr::memchr2(b'%', b'+', rest),
                Self::None | Self::Text => memchr::memchr(b'%', rest),
            };
            let Some(found) = found else { break };
            at += found;
            let (byte, len) = match bytes.get(at..) {
                Some([b'+', ..]) => (Some(b' '), 1),
                Some([_, high, low, ..]) => match (digit(*high), digit(*low)) {
                    (Some(high), Some(low)) => (Some((high << 4) | low), 3),
                    _ => (None, 1),
                },
                _ => (None, 1),
            };
            if let Some(byte) = byte {
                decoded.extend_from_slice(bytes.get(done..at)?);
                decoded.push(byte);
                done = at + len;
            }
            at += len;
        }
        if done == 0 {
            return None;
        }
        decoded.extend_from_slice(bytes.get(done..)?);
        Some(valid(decoded))
    }
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// Makes bytes valid UTF-8: each run of invalid bytes becomes one replacement character.
fn valid(bytes: Vec<u8>) -> String {
    let bytes = match String::from_utf8(bytes) {
        Ok(text) => return text,
        Err(error) => error.into_bytes(),
    };
    let mut text = String::with_capacity(bytes.len());
    let mut in_run = false;
    for chunk in bytes.utf8_chunks() {
        if !chunk.valid().is_empty() {
            text.push_str(chunk.valid());
            in_run = false;
        }
        if !chunk.invalid().is_empty() && !in_run {
            text.push(REPLACEMENT);
            in_run = true;
        }
    }
    text
}

/// The letters of Vietnamese with marks, and the letter each becomes.
pub const VIETNAMESE: &[(&str, char)] = &[
    ("àáâãăạảấầẩẫậắằẳẵặ", 'a'),
    ("ÀÁÂÃĂẠẢẤẦẨẪẬẮẰẲẴẶ", 'A'),
    ("èéêẹẻẽếềểễệ", 'e'),
    ("ÈÉÊẸẺẼẾỀỂỄỆ", 'E'),
    ("ìíĩỉị", 'i'),
    ("ÌÍĨỈỊ", 'I'),
    ("òóôõơọỏốồổỗộớờởỡợ", 'o'),
    ("ÒÓÔÕƠỌỎỐỒỔỖỘỚỜỞỠỢ", 'O'),
    ("ùúũưụủứừửữự", 'u'),
    ("ÙÚŨƯỤỦỨỪỬỮỰ", 'U'),
    ("ỳýỵỷỹ", 'y'),
    ("ỲÝỴỶỸ", 'Y'),
    ("đ", 'd'),
    ("Đ", 'D'),
];

/// The combining marks of Vietnamese: grave, acute, circumflex, tilde, breve, hook above, horn, dot
/// below. Text in Unicode form NFD spells its letters with them.
pub const MARKS: [char; 8] =
    ['\u{300}', '\u{301}', '\u{302}', '\u{303}', '\u{306}', '\u{309}', '\u{31b}', '\u{323}'];

/// Returns the text without Vietnamese marks; `None` when it has none.
#[must_use]
pub fn strip_vietnamese(text: &str) -> Option<String> {
    if text.is_ascii() {
        return None;
    }
    let mut changed = false;
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match strip(c) {
            Some(letter) => {
                changed |= letter != c;
                plain.push(letter);
            }
            None => changed = true,
        }
    }
    changed.then_some(plain)
}

/// Returns what a character becomes; `None` when it is dropped.
fn strip(c: char) -> Option<char> {
    if c.is_ascii() {
        return Some(c);
    }
    if MARKS.contains(&c) {
        return None;
    }
    if !matches!(c, '\u{c0}'..='\u{1b0}' | '\u{1ea0}'..='\u{1ef9}') {
        return Some(c);
    }
    let found = VIETNAMESE.iter().find(|(marked, _)| marked.contains(c));
    Some(found.map_or(c, |(_, letter)| *letter))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn copies(kind: Copies, text: &str) -> Vec<String> {
        let mut found = Vec::new();
        kind.of(text, |copy| found.push(copy.to_owned()));
        found
    }

    #[test]
    fn encodings_come_off_one_by_one() {
        assert_eq!(copies(Copies::Url, "a%252e+b"), ["a%2e b", "a. b"]);
        assert_eq!(copies(Copies::Text, "a%252e+b"), ["a%2e+b", "a.+b"]);
        assert_eq!(copies(Copies::Url, "%25252e"), ["%252e", "%2e"]);
        assert_eq!(copies(Copies::Text, "100% %zz %4"), Vec::<String>::new());
        assert_eq!(copies(Copies::None, "%41"), Vec::<String>::new());
        assert_eq!(copies(Copies::Text, "%ff%feA%c3"), ["\u{fffd}A\u{fffd}"]);
    }

    #[test]
    fn vietnamese_marks_come_off_last() {
        assert_eq!(copies(Copies::Text, "Đánh bạc"), ["Danh bac"]);
        assert_eq!(copies(Copies::Url, "c%C3%A1+%C4%91%E1%BB%99"), ["cá độ", "ca do"]);
        assert_eq!(strip_vietnamese("a\u{323}\u{302}"), Some("a".into()));
        assert_eq!(strip_vietnamese("naïve ß"), None);
    }

    #[test]
    fn the_table_holds_every_letter_once() {
        let all: Vec<char> = VIETNAMESE.iter().flat_map(|(letters, _)| letters.chars()).collect();
        let mut once = all.clone();
        once.sort_unstable();
        once.dedup();
        // 12 vowels with 5 tones each and 5 marked vowels without a tone (a ă â …), đ; both cases.
        assert_eq!(all.len(), 2 * (12 * 5 + 6 + 1));
        assert_eq!(once.len(), all.len());
    }

    proptest! {
        #[test]
        fn has_none_never_lies(text in "[a%+đ2e5\\x{300}]{0,8}") {
            for kind in [Copies::None, Copies::Text, Copies::Url] {
                if kind.has_none(&text) {
                    prop_assert!(copies(kind, &text).is_empty());
                }
            }
        }
    }
}
