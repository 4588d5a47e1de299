//! Bytes to text and back without loss, also when the bytes are not UTF-8.

use std::borrow::Cow;

use crate::field;

/// The field that is `true` on an event whose `event.original` holds escapes; see
/// [`encode_lossless`].
pub const ESCAPED_FLAG: &str = field::VONGLAU_ESCAPED;

/// Returns the bytes as text, and whether escapes were needed.
///
/// Valid UTF-8 comes back unchanged and unflagged. Otherwise every invalid byte becomes `\xNN` and,
/// so that the text can be turned back, every backslash becomes `\\`.
#[must_use]
pub fn encode_lossless(bytes: &[u8]) -> (Cow<'_, str>, bool) {
    if let Ok(text) = simdutf8::basic::from_utf8(bytes) {
        return (Cow::Borrowed(text), false);
    }
    let mut text = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character == '\\' {
                text.push('\\');
            }
            text.push(character);
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    (Cow::Owned(text), true)
}

/// Returns the bytes that [`encode_lossless`] turned into flagged `text`, or `None` if the text is
/// not something it could have made.
#[must_use]
pub fn decode_lossless(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first != b'\\' {
            bytes.push(first);
            rest = tail;
            continue;
        }
        match tail {
            [b'\\', tail @ ..] => {
                bytes.push(b'\\');
                rest = tail;
            }
            [b'x', high, low, tail @ ..] => {
                let digits = [*high, *low];
                let digits = std::str::from_utf8(&digits).ok()?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = tail;
            }
            _ => return None,
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn valid_text_is_left_alone() {
        assert_eq!(encode_lossless("a\\xff đ".as_bytes()), (Cow::Borrowed("a\\xff đ"), false));
    }

    #[test]
    fn invalid_bytes_are_escaped() {
        let (text, escaped) = encode_lossless(b"a\\b\xff\xc3");
        assert_eq!((text.as_ref(), escaped), ("a\\\\b\\xff\\xc3", true));
    }

    proptest! {
        #[test]
        fn nothing_is_lost(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let (text, escaped) = encode_lossless(&bytes);
            let back = if escaped { decode_lossless(&text).unwrap() } else { text.as_bytes().to_vec() };
            prop_assert_eq!(back, bytes);
        }
    }
}
