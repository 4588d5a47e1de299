//! Patterns: text with wildcards.

use std::borrow::Cow;
use std::fmt;

/// A text with wildcards, matched against a whole value.
///
/// Kept as Sigma spells it, in one allocation: a rule set holds tens of thousands of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Pattern {
    /// The shortest spelling: no `**`, and a backslash only where it is needed.
    spelling: Box<str>,
}

/// One part of a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Part<'p> {
    /// Exactly this text, never empty.
    Literal(Cow<'p, str>),
    /// `*`: any text, also none.
    Many,
    /// `?`: exactly one character.
    One,
}

impl Pattern {
    /// Reads a Sigma text value: `*` and `?` are wildcards unless a backslash stands before them;
    /// `\\` is one backslash; a backslash before anything else is itself.
    ///
    /// Spec: Sigma rules specification 2.1, "Escaping".
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self::parse_open(text, false, false)
    }

    /// Reads a text value, with `*` at the given ends.
    #[must_use]
    pub fn parse_open(text: &str, start: bool, end: bool) -> Self {
        let mut writer = Writer::with_capacity(text.len() + usize::from(start) + usize::from(end));
        if start {
            writer.many();
        }
        let mut rest = text;
        while let Some(at) = rest.find(['\\', '*', '?']) {
            let (before, special) = rest.split_at_checked(at).unwrap_or((rest, ""));
            writer.literal(before);
            let mut bytes = special.bytes();
            let taken = match (bytes.next(), bytes.next()) {
                (Some(b'*'), _) => writer.many(),
                (Some(b'?'), _) => writer.one(),
                (_, Some(b'*' | b'?' | b'\\')) => {
                    writer.literal(special.get(1..2).unwrap_or_default());
                    2
                }
                _ => writer.literal("\\"),
            };
            rest = special.get(taken..).unwrap_or_default();
        }
        writer.literal(rest);
        if end {
            writer.many();
        }
        writer.finish()
    }

    /// Returns the pattern that matches exactly this text.
    #[must_use]
    pub fn literal(text: &str) -> Self {
        Self::literal_open(text, false, false)
    }

    /// Returns the pattern of a literal text, with `*` at the given ends.
    #[must_use]
    pub fn literal_open(text: &str, start: bool, end: bool) -> Self {
        let mut writer = Writer::with_capacity(text.len() + usize::from(start) + usize::from(end));
        if start {
            writer.many();
        }
        writer.literal(text);
        if end {
            writer.many();
        }
        writer.finish()
    }

    /// Returns its parts in order; no two literals and no two `Many` stand next to each other.
    #[must_use]
    pub fn parts(&self) -> Vec<Part<'_>> {
        let mut parts = Vec::new();
        let mut rest: &str = &self.spelling;
        while let Some(first) = rest.bytes().next() {
            let taken = match first {
                b'*' => {
                    parts.push(Part::Many);
                    1
                }
                b'?' => {
                    parts.push(Part::One);
                    1
                }
                _ => {
                    let end = literal_end(rest);
                    parts.push(Part::Literal(unescaped(rest.get(..end).unwrap_or_default())));
                    end
                }
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
        parts
    }

    /// Returns the text it matches, if it has no wildcards.
    #[must_use]
    pub fn as_literal(&self) -> Option<Cow<'_, str>> {
        (literal_end(&self.spelling) == self.spelling.len()).then(|| unescaped(&self.spelling))
    }

    /// Returns the pattern with `*` at the given ends.
    #[must_use]
    pub fn open(&self, start: bool, end: bool) -> Self {
        // Its own spelling reads back as itself.
        Self::parse_open(&self.spelling, start, end)
    }

    /// Returns the pattern as Sigma spells it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.spelling
    }
}

/// Prints the pattern as Sigma spells it.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.spelling)
    }
}

/// Returns where the literal at the start of a spelling ends.
fn literal_end(spelling: &str) -> usize {
    let mut escaped = false;
    for (index, byte) in spelling.bytes().enumerate() {
        match byte {
            b'*' | b'?' if !escaped => return index,
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    spelling.len()
}

/// Takes the escapes off a literal part of a spelling.
fn unescaped(spelling: &str) -> Cow<'_, str> {
    let escapes = |bytes: &[u8]| matches!(bytes, [b'\\', b'*' | b'?' | b'\\']);
    if !spelling.as_bytes().windows(2).any(escapes) {
        return Cow::Borrowed(spelling);
    }
    let mut text = String::with_capacity(spelling.len());
    let mut chars = spelling.chars().peekable();
    while let Some(c) = chars.next() {
        let next = chars.next_if(|next| c == '\\' && matches!(next, '*' | '?' | '\\'));
        text.push(next.unwrap_or(c));
    }
    Cow::Owned(text)
}

/// Writes the shortest spelling.
struct Writer {
    spelling: String,
    /// Backslashes at the end of the literal so far that stand for themselves: whether they need
    /// escapes shows only at what follows.
    slashes: usize,
    after_many: bool,
}

impl Writer {
    fn with_capacity(capacity: usize) -> Self {
        Self { spelling: String::with_capacity(capacity), slashes: 0, after_many: false }
    }

    /// Writes the backslashes held back: one that something special follows is doubled.
    fn settle(&mut self, special_follows: bool) {
        let Some(plain) = self.slashes.checked_sub(1) else { return };
        for _ in 0..plain {
            self.spelling.push_str(r"\\");
        }
        self.spelling.push_str(if special_follows { r"\\" } else { r"\" });
        self.slashes = 0;
    }

    fn literal(&mut self, text: &str) -> usize {
        let mut rest = text;
        while let Some(at) = rest.find(['\\', '*', '?']) {
            let (before, special) = rest.split_at_checked(at).unwrap_or((rest, ""));
            self.plain(before);
            let c = special.get(..1).unwrap_or_default();
            if c == "\\" {
                self.slashes += 1;
            } else {
                self.settle(true);
                self.spelling.push('\\');
                self.spelling.push_str(c);
            }
            self.after_many = false;
            rest = special.get(1..).unwrap_or_default();
        }
        self.plain(rest);
        text.len()
    }

    fn plain(&mut self, text: &str) {
        if !text.is_empty() {
            self.settle(false);
            self.spelling.push_str(text);
            self.after_many = false;
        }
    }

    fn many(&mut self) -> usize {
        self.settle(true);
        if !self.after_many {
            self.spelling.push('*');
        }
        self.after_many = true;
        1
    }

    fn one(&mut self) -> usize {
        self.settle(true);
        self.spelling.push('?');
        self.after_many = false;
        1
    }

    fn finish(mut self) -> Pattern {
        self.settle(false);
        Pattern { spelling: self.spelling.into_boxed_str() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lit(text: &str) -> Part<'_> {
        Part::Literal(text.into())
    }

    #[test]
    fn backslashes_follow_the_specification() {
        assert_eq!(
            Pattern::parse(r"a*b?c").parts(),
            [lit("a"), Part::Many, lit("b"), Part::One, lit("c")]
        );
        assert_eq!(Pattern::parse(r"C:\Windows").parts(), [lit(r"C:\Windows")]);
        assert_eq!(Pattern::parse(r"\*.exe").parts(), [lit("*.exe")]);
        assert_eq!(Pattern::parse(r"\\*.exe").parts(), [lit(r"\"), Part::Many, lit(".exe")]);
        assert_eq!(Pattern::parse(r"\\\*").parts(), [lit(r"\*")]);
        assert_eq!(Pattern::parse(r"\\\\srv").parts(), [lit(r"\\srv")]);
        assert_eq!(Pattern::parse(r"a\").parts(), [lit(r"a\")]);
        assert_eq!(Pattern::parse("**").parts(), [Part::Many]);
        assert_eq!(Pattern::parse("").parts(), []);
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(text in r"[a*?\\]{0,12}") {
            let pattern = Pattern::parse(&text);
            prop_assert_eq!(&Pattern::parse(pattern.as_str()), &pattern);
            // By the rules of the specification, character by character.
            let mut wanted: Vec<Part<'_>> = Vec::new();
            let mut chars = text.chars().peekable();
            let literal = |wanted: &mut Vec<Part<'_>>, c: char| match wanted.last_mut() {
                Some(Part::Literal(text)) => text.to_mut().push(c),
                _ => wanted.push(Part::Literal(c.to_string().into())),
            };
            while let Some(c) = chars.next() {
                match (c, chars.peek()) {
                    ('\\', Some('*' | '?' | '\\')) => literal(&mut wanted, chars.next().unwrap()),
                    ('*', _) if wanted.last() == Some(&Part::Many) => {}
                    ('*', _) => wanted.push(Part::Many),
                    ('?', _) => wanted.push(Part::One),
                    (c, _) => literal(&mut wanted, c),
                }
            }
            prop_assert_eq!(pattern.parts(), wanted);
        }

        #[test]
        fn literals_come_back(text in r"[a*?\\é]{0,12}", start: bool, end: bool) {
            let literal = Pattern::literal(&text);
            prop_assert!(literal.as_literal().is_some_and(|it| it == text.as_str()));
            let open = Pattern::literal_open(&text, start, end);
            prop_assert_eq!(&literal.open(start, end), &open);
            prop_assert_eq!(open.parts().len(), usize::from(start || (end && text.is_empty()))
                + usize::from(!text.is_empty()) + usize::from(end && !text.is_empty()));
        }
    }
}
