//! String literals: any text as SQL that means this text and nothing else.

/// Returns a text as a string literal.
///
/// Escaped besides quote and backslash: control characters, so that a query is readable in a log, and
/// `?`, which the store's client takes for a parameter wherever it stands.
///
/// Source: ClickHouse documentation, "Syntax", string literals.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for c in text.chars() {
        match c {
            '\'' => quoted.push_str("\\'"),
            '\\' => quoted.push_str("\\\\"),
            '?' | '\0'..='\x1f' | '\x7f' => {
                quoted.push_str(&format!("\\x{:02X}", u32::from(c)));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('\'');
    quoted
}

/// Returns texts as the elements of an array or of a list after `IN`.
pub(super) fn quote_all<T: AsRef<str>>(texts: &[T]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| quote(text.as_ref())).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn literals_are_readable() {
        assert_eq!(quote("a'b\\c?\0\n đ"), r"'a\'b\\c\x3F\x00\x0A đ'");
        assert_eq!(quote_all(&["a", "b"]), "'a', 'b'");
    }

    /// Reads a literal as ClickHouse does; `None` unless the text is one literal and nothing else.
    pub(crate) fn read(sql: &str) -> Option<String> {
        let mut chars = sql.strip_prefix('\'')?.chars();
        let mut text = String::new();
        loop {
            match chars.next()? {
                '\'' => return chars.next().is_none().then_some(text),
                '\\' => match chars.next()? {
                    'x' => {
                        let digits: String = chars.by_ref().take(2).collect();
                        text.push(char::from(u8::from_str_radix(&digits, 16).ok()?));
                    }
                    c @ ('\'' | '\\') => text.push(c),
                    _ => return None,
                },
                c => text.push(c),
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_is_one_literal(text in any::<String>(), tricky in "['\\\\?{}`\"\\-/*;\n]{0,9}") {
            for text in [text.clone(), tricky.clone(), text + &tricky] {
                prop_assert_eq!(read(&quote(&text)), Some(text));
            }
        }
    }
}
