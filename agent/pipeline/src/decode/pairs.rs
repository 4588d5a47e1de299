//! Pairs: `key=value key="value with blanks"`, the form of many devices and of the kernel.

use crate::find;

/// The pairs of a text, in order. What is no pair is passed over.
pub(super) struct Pairs<'a>(pub(super) &'a str);

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let text = self.0.trim_start_matches([' ', ',', ';']);
            let at = find::byte2(text.as_bytes(), b'=', b' ')?;
            let (word, rest) = text.split_at_checked(at)?;
            let Some(rest) = rest.strip_prefix('=') else {
                // A word without a value, such as SYN.
                self.0 = rest;
                continue;
            };
            if let Some(quoted) = rest.strip_prefix('"') {
                let end = quote_end(quoted);
                let (value, rest) = quoted.split_at_checked(end)?;
                self.0 = rest.get(1..).unwrap_or_default();
                return Some((word, value));
            }
            let end = find::byte(rest.as_bytes(), b' ').unwrap_or(rest.len());
            let (value, rest) = rest.split_at_checked(end)?;
            self.0 = rest;
            return Some((word, value.trim_end_matches([',', ';'])));
        }
    }
}

/// Where the quote is that no backslash escapes; the length without one.
pub(super) fn quote_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found;
        if bytes.get(at) == Some(&b'"') {
            return at;
        }
        at += 2;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read() {
        let text = r#"IN=eth0 OUT= SYN a="b c\"d" e=f, g=1"#;
        let pairs: Vec<_> = Pairs(text).collect();
        let expected = [("IN", "eth0"), ("OUT", ""), ("a", r#"b c\"d"#), ("e", "f"), ("g", "1")];
        assert_eq!(pairs, expected);
        assert_eq!(Pairs("a=\"b").collect::<Vec<_>>(), [("a", "b")]);
        assert_eq!(Pairs("=\"đ").count() + Pairs("").count(), 1);
    }
}
