//! Decoded copies: what a value looks like with its disguises taken off.
//!
//! Attackers write `%2e%2e%2f` for `../`, and Vietnamese words with or without their marks. A text
//! test or regular expression holds on a value when it holds on the text as written or on one of its
//! copies. The text as written stays the evidence. [`crate::taxonomy`] says which fields have copies.

use std::sync::LazyLock;

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

/// Memory for copies, reused from value to value.
#[derive(Debug, Default)]
pub struct CopyBuffers {
    bytes: Vec<u8>,
    last: String,
    next: String,
}

impl Copies {
    /// Calls `each` for every copy that differs from what it was made of.
    pub fn of(self, text: &str, each: impl FnMut(&str)) {
        self.of_in(&mut CopyBuffers::default(), text, each);
    }

    /// As [`Copies::of`], without allocating once the buffers have grown.
    pub fn of_in(self, buffers: &mut CopyBuffers, text: &str, mut each: impl FnMut(&str)) {
        if self.has_none(text) {
            return;
        }
        let mut decodings = 0;
        while decodings < DECODINGS_MAX {
            let source = if decodings == 0 { text } else { &buffers.last };
            if !self.decode_into(source, &mut buffers.bytes) {
                break;
            }
            buffers.next.clear();
            make_valid(&buffers.bytes, &mut buffers.next);
            std::mem::swap(&mut buffers.last, &mut buffers.next);
            decodings += 1;
            each(&buffers.last);
        }
        let source = if decodings == 0 { text } else { &buffers.last };
        buffers.next.clear();
        if strip_into(source, &mut buffers.next) {
            each(&buffers.next);
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

    /// Decodes `%HH` once; returns false when nothing changes.
    fn decode_into(self, text: &str, decoded: &mut Vec<u8>) -> bool {
        decoded.clear();
        let mut rest = text.as_bytes();
        let mut changed = false;
        loop {
            let found = match self {
                Self::Url => memchr::memchr2(b'%', b'+', rest),
                Self::None | Self::Text => memchr::memchr(b'%', rest),
            };
            let Some((before, after)) = found.and_then(|at| rest.split_at_checked(at)) else {
                decoded.extend_from_slice(rest);
                return changed;
            };
            decoded.extend_from_slice(before);
            let (byte, len) = match *after {
                [b'+', ..] => (Some(b' '), 1),
                [_, high, low, ..] => match (digit(high), digit(low)) {
                    (Some(high), Some(low)) => (Some((high << 4) | low), 3),
                    _ => (None, 1),
                },
                _ => (None, 1),
            };
            changed |= byte.is_some();
            decoded.push(byte.unwrap_or(b'%'));
            rest = after.get(len..).unwrap_or_default();
        }
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
fn make_valid(bytes: &[u8], text: &mut String) {
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

/// What the characters from [`FIRST`] on become: themselves, but for the letters of the table.
static PLAIN: LazyLock<Vec<char>> = LazyLock::new(|| {
    let mut plain: Vec<char> = (FIRST..=LAST).collect();
    for (marked, letter) in VIETNAMESE {
        for c in marked.chars() {
            if let Some(place) = place(c).and_then(|place| plain.get_mut(place)) {
                *place = *letter;
            }
        }
    }
    plain
});

/// The table's first and last letter.
const FIRST: char = 'À';
const LAST: char = 'ỹ';

fn place(c: char) -> Option<usize> {
    (c as usize).checked_sub(FIRST as usize)
}

/// Returns the text without Vietnamese marks; `None` when it has none.
#[must_use]
pub fn strip_vietnamese(text: &str) -> Option<String> {
    let mut plain = String::new();
    strip_into(text, &mut plain).then_some(plain)
}

/// Appends the text without Vietnamese marks; returns false when it has none.
fn strip_into(text: &str, plain: &mut String) -> bool {
    if text.is_ascii() {
        return false;
    }
    let mut changed = false;
    for c in text.chars() {
        if c.is_ascii() {
            plain.push(c);
        } else if MARKS.contains(&c) {
            changed = true;
        } else {
            let letter = place(c).and_then(|place| PLAIN.get(place)).copied().unwrap_or(c);
            changed |= letter != c;
            plain.push(letter);
        }
    }
    changed
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
