//! Hexadecimal: values with bytes that a record cannot hold as they are.

use std::borrow::Cow;

use rules_event::encode_lossless;

/// Returns the bytes of an even number of upper-case digits; `None` for anything else.
///
/// Spec: Linux `kernel/audit.c`, `audit_log_n_hex`: upper case, two digits a byte.
pub(super) fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if digits.is_empty() || !digits.len().is_multiple_of(2) || !digits.iter().all(is_digit) {
        return None;
    }
    let value = |digit: u8| if digit <= b'9' { digit - b'0' } else { digit - b'A' + 10 };
    Some(
        digits
            .chunks_exact(2)
            .filter_map(|pair| match pair {
                [high, low] => Some(value(*high) << 4 | value(*low)),
                _ => None,
            })
            .collect(),
    )
}

fn is_digit(byte: &u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'A'..=b'F')
}

/// Returns a value that may be hexadecimal as text.
pub(super) fn text(value: &str) -> Cow<'_, str> {
    match bytes(value) {
        Some(bytes) => Cow::Owned(encode_lossless(&bytes).0.into_owned()),
        None => Cow::Borrowed(value),
    }
}

/// Returns the title of a process: its arguments, with NUL between them, become words.
pub(super) fn title(value: &str) -> Cow<'_, str> {
    match bytes(value) {
        Some(mut bytes) => {
            while bytes.last() == Some(&0) {
                bytes.pop();
            }
            for byte in &mut bytes {
                if *byte == 0 {
                    *byte = b' ';
                }
            }
            Cow::Owned(encode_lossless(&bytes).0.into_owned())
        }
        None => Cow::Borrowed(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_what_the_kernel_writes_is_taken_for_hexadecimal() {
        assert_eq!(text("2F62696E"), "/bin");
        for plain in ["", "2F6", "2f62", "top", "/bin", "A G"] {
            assert_eq!(text(plain), plain);
        }
        assert_eq!(title("617270002D6100"), "arp -a");
        assert_eq!(text("FF5C"), "\\xff\\\\");
    }

    proptest! {
        #[test]
        fn nothing_is_lost(given in proptest::collection::vec(any::<u8>(), 1..200)) {
            let digits = hex::encode_upper(&given);
            prop_assert_eq!(bytes(&digits), Some(given.clone()));
            let decoded = text(&digits);
            let (expected, escaped) = encode_lossless(&given);
            prop_assert_eq!(&decoded, &expected);
            if escaped {
                prop_assert_eq!(rules_event::decode_lossless(&decoded), Some(given));
            }
        }
    }
}
