//! Words, strings and brackets of ClickHouse SQL: enough to find clauses, never to judge syntax.
//!
//! Source: ClickHouse, `src/Parsers/Lexer.cpp`. What cannot be read ends the tokens; the engine's own
//! parser then reports it.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A bare name or keyword.
    Word,
    /// A name in backticks or double quotes.
    Quoted,
    /// A string in single quotes, or a heredoc.
    Text,
    /// A number.
    Number,
    /// One byte of punctuation.
    Mark(u8),
}

/// A token and its place, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    /// The bytes as written, with quotes.
    pub(super) bytes: &'a [u8],
    /// Where it ends in the statement.
    pub(super) end: usize,
}

impl Token<'_> {
    /// Whether it is this keyword (given in lower case).
    pub(super) fn is(&self, keyword: &str) -> bool {
        self.kind == Kind::Word && self.bytes.eq_ignore_ascii_case(keyword.as_bytes())
    }

    /// Returns the name that it is, lower-case, without quotes; `None` when it is no name.
    pub(super) fn name(&self) -> Option<String> {
        let bytes = match self.kind {
            Kind::Word => self.bytes,
            Kind::Quoted => self.bytes.get(1..self.bytes.len() - 1)?,
            _ => return None,
        };
        Some(String::from_utf8_lossy(bytes).to_ascii_lowercase())
    }
}

/// The tokens of a statement, without space and comments.
#[derive(Debug, Clone)]
pub(super) struct Lexer<'a> {
    sql: &'a [u8],
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(sql: &'a [u8]) -> Self {
        Self { sql, at: 0 }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.sql.get(self.at + ahead).copied()
    }

    /// Moves behind space and comments.
    fn skip_blank(&mut self) {
        while let Some(byte) = self.peek(0) {
            match (byte, self.peek(1)) {
                (b'-', Some(b'-')) | (b'#', Some(b' ' | b'!')) => self.skip_past(b"\n"),
                (b'/', Some(b'*')) => {
                    self.at += 2;
                    self.skip_past(b"*/");
                }
                (0 | b' ' | b'\t'..=b'\r', _) => self.at += 1,
                _ => return,
            }
        }
    }

    /// Moves behind the next occurrence, or to the end.
    fn skip_past(&mut self, mark: &[u8]) {
        let rest = self.sql.get(self.at..).unwrap_or_default();
        let found = rest.windows(mark.len()).position(|window| window == mark);
        self.at = found.map_or(self.sql.len(), |place| self.at + place + mark.len());
    }

    /// Moves behind the closing quote; false when there is none. A backslash hides the next byte; a
    /// doubled quote is a quote.
    fn skip_quoted(&mut self, quote: u8) -> bool {
        self.at += 1;
        while let Some(byte) = self.peek(0) {
            if byte == b'\\' || (byte == quote && self.peek(1) == Some(quote)) {
                self.at += 2;
            } else if byte == quote {
                self.at += 1;
                return true;
            } else {
                self.at += 1;
            }
        }
        self.at = self.sql.len();
        false
    }

    fn skip_while(&mut self, wanted: impl Fn(u8) -> bool) {
        while self.peek(0).is_some_and(&wanted) {
            self.at += 1;
        }
    }

    /// Moves behind `$tag$ … $tag$`; false when it is not one (then nothing moved).
    fn skip_heredoc(&mut self) -> bool {
        let rest = self.sql.get(self.at..).unwrap_or_default();
        let tag = rest.iter().skip(1).position(|&byte| byte == b'$').map(|place| place + 2);
        let Some(tag) = tag.and_then(|length| rest.get(..length)) else { return false };
        if !tag.get(1..tag.len() - 1).unwrap_or_default().iter().all(|&byte| is_name(byte)) {
            return false;
        }
        let body = rest.get(tag.len()..).unwrap_or_default();
        let Some(end) = body.windows(tag.len()).position(|window| window == tag) else {
            return false;
        };
        self.at += end + 2 * tag.len();
        true
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

impl<'a> Iterator for Lexer<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        self.skip_blank();
        let start = self.at;
        let kind = match self.peek(0)? {
            b'\'' => self.skip_quoted(b'\'').then_some(Kind::Text)?,
            quote @ (b'"' | b'`') => self.skip_quoted(quote).then_some(Kind::Quoted)?,
            b'$' if self.skip_heredoc() => Kind::Text,
            byte if byte.is_ascii_digit() => {
                self.skip_while(|byte| is_name(byte) || byte == b'.');
                Kind::Number
            }
            byte if is_name(byte) => {
                self.skip_while(|byte| is_name(byte) || byte == b'$');
                Kind::Word
            }
            byte => {
                self.at += 1;
                Kind::Mark(byte)
            }
        };
        Some(Token { kind, bytes: self.sql.get(start..self.at)?, end: self.at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(sql: &str) -> Vec<String> {
        Lexer::new(sql.as_bytes())
            .map(|token| String::from_utf8_lossy(token.bytes).into_owned())
            .collect()
    }

    #[test]
    fn space_comments_and_strings() {
        assert_eq!(
            words("SELECT 'a''b\\'; --' /* ; */, `x;y`, \"z\" -- end ;\n# more ;\n, $q$ ; $q$"),
            ["SELECT", "'a''b\\'; --'", ",", "`x;y`", ",", "\"z\"", ",", "$q$ ; $q$"]
        );
        assert_eq!(words("a.b(1.5e3)"), ["a", ".", "b", "(", "1.5e3", ")"]);
        assert_eq!(words("SELECT 'open"), ["SELECT"]);
    }

    proptest! {
        #[test]
        fn any_bytes_end_and_move_forward(sql in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut last = 0;
            for token in Lexer::new(&sql) {
                prop_assert!(token.end > last && !token.bytes.is_empty());
                last = token.end;
                let _ = token.name();
            }
        }
    }
}
