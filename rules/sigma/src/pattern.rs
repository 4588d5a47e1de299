//! Patterns: text with wildcards, and the case folding they are compared under.

use std::fmt;

/// A text with wildcards, matched against a whole value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Pattern {
    /// Parts in order; no two literals and no two `Many` stand next to each other.
    pub parts: Vec<Part>,
}

/// One part of a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Part {
    /// Exactly this text, never empty.
    Literal(String),
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
        let mut pattern = Self::default();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\\' => match chars.next_if(|next| matches!(next, '*' | '?' | '\\')) {
                    Some(escaped) => pattern.push_char(escaped),
                    None => pattern.push_char('\\'),
                },
                '*' => pattern.push(Part::Many),
                '?' => pattern.push(Part::One),
                c => pattern.push_char(c),
            }
        }
        pattern
    }

    /// Returns the pattern that matches exactly this text.
    #[must_use]
    pub fn literal(text: &str) -> Self {
        let mut pattern = Self::default();
        text.chars().for_each(|c| pattern.push_char(c));
        pattern
    }

    /// Returns the text it matches, if it has no wildcards.
    #[must_use]
    pub fn as_literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// Returns the pattern with `*` at the given ends.
    #[must_use]
    pub fn open(self, start: bool, end: bool) -> Self {
        let mut opened = Self::default();
        if start {
            opened.push(Part::Many);
        }
        self.parts.into_iter().for_each(|part| opened.push(part));
        if end {
            opened.push(Part::Many);
        }
        opened
    }

    /// Appends a part, keeping the promise about neighbours.
    pub fn push(&mut self, part: Part) {
        match (self.parts.last_mut(), part) {
            (Some(Part::Literal(text)), Part::Literal(more)) => text.push_str(&more),
            (Some(Part::Many), Part::Many) => {}
            (_, Part::Literal(text)) if text.is_empty() => {}
            (_, part) => self.parts.push(part),
        }
    }

    fn push_char(&mut self, c: char) {
        match self.parts.last_mut() {
            Some(Part::Literal(text)) => text.push(c),
            _ => self.parts.push(Part::Literal(c.to_string())),
        }
    }
}

/// Prints the pattern as Sigma spells it.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.parts.iter().enumerate() {
            match part {
                Part::Many => f.write_str("*")?,
                Part::One => f.write_str("?")?,
                Part::Literal(text) => {
                    let before_wildcard = index + 1 < self.parts.len();
                    let mut chars = text.chars().peekable();
                    while let Some(c) = chars.next() {
                        let ambiguous = match chars.peek() {
                            Some(next) => matches!(next, '*' | '?' | '\\'),
                            None => before_wildcard,
                        };
                        if matches!(c, '*' | '?') || (c == '\\' && ambiguous) {
                            f.write_str("\\")?;
                        }
                        write!(f, "{c}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Returns the representative of a character's case class: two characters are equal when case is
/// ignored exactly when their representatives are.
///
/// Spec: Unicode simple case folding (CaseFolding.txt, status C and S), up to the choice of the
/// representative. A test compares it with the tables of the regex engine.
#[must_use]
pub fn fold(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    match c {
        // Lower-case of I only in Turkish; the default folding leaves it alone.
        'ı' => return c,
        // Upper-cased by several characters, but with simple foldings of their own.
        'ẞ' => return 'ß',
        '\u{1fd3}' => return '\u{390}',
        '\u{1fe3}' => return '\u{3b0}',
        '\u{fb05}' => return '\u{fb06}',
        _ => {}
    }
    let upper = single(c.to_uppercase()).unwrap_or(c);
    single(upper.to_lowercase()).unwrap_or(upper)
}

fn single(mut chars: impl Iterator<Item = char>) -> Option<char> {
    let first = chars.next()?;
    chars.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lit(text: &str) -> Part {
        Part::Literal(text.into())
    }

    #[test]
    fn backslashes_follow_the_specification() {
        assert_eq!(
            Pattern::parse(r"a*b?c").parts,
            [lit("a"), Part::Many, lit("b"), Part::One, lit("c")]
        );
        assert_eq!(Pattern::parse(r"C:\Windows").parts, [lit(r"C:\Windows")]);
        assert_eq!(Pattern::parse(r"\*.exe").parts, [lit("*.exe")]);
        assert_eq!(Pattern::parse(r"\\*.exe").parts, [lit(r"\"), Part::Many, lit(".exe")]);
        assert_eq!(Pattern::parse(r"\\\*").parts, [lit(r"\*")]);
        assert_eq!(Pattern::parse(r"\\\\srv").parts, [lit(r"\\srv")]);
        assert_eq!(Pattern::parse(r"a\").parts, [lit(r"a\")]);
        assert_eq!(Pattern::parse("**").parts, [Part::Many]);
        assert_eq!(Pattern::parse("").parts, []);
    }

    #[test]
    fn folding_agrees_with_the_tables_of_the_regex_engine() {
        // Every character that has a case partner, by regex's own tables.
        for c in ('\u{80}'..=char::MAX).filter(|c| {
            fold(*c) != *c
                || c.is_uppercase()
                || c.is_lowercase()
                || c.is_alphabetic() && *c < '\u{2000}'
        }) {
            let class = regex_syntax::Parser::new().parse(&format!("(?i)[\\x{{{:x}}}]", c as u32));
            let hir = class.unwrap();
            let partners: Vec<char> = match hir.kind() {
                regex_syntax::hir::HirKind::Class(regex_syntax::hir::Class::Unicode(class)) => {
                    class.iter().flat_map(|range| range.start()..=range.end()).collect()
                }
                _ => vec![c],
            };
            for partner in partners {
                assert_eq!(fold(c), fold(partner), "{c:?} and {partner:?}");
            }
        }
        assert_ne!(fold('ı'), fold('i'));
        assert_ne!(fold('İ'), fold('i'));
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(text in "[a*?\\\\]{0,12}") {
            let pattern = Pattern::parse(&text);
            prop_assert_eq!(Pattern::parse(&pattern.to_string()), pattern);
        }

        /// The other half of the folding test: characters with one representative are partners.
        #[test]
        fn folding_joins_only_partners(a in any::<char>(), b in any::<char>()) {
            if a != b && fold(a) == fold(b) {
                let class = format!("(?i)^\\x{{{:x}}}$", a as u32);
                prop_assert!(regex::Regex::new(&class).unwrap().is_match(&b.to_string()));
            }
        }
    }
}
