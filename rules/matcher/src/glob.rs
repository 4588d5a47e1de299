//! Prepared patterns: text with wildcards, compiled to the cheapest search that decides it.

use memchr::memmem::Finder;
use rules_sigma::{Part, Pattern, fold};

/// A pattern over text that is folded already (or not, when the rule is case-sensitive).
#[derive(Debug)]
pub(crate) enum Glob {
    /// The whole text.
    Whole(Box<str>),
    /// At its start.
    Start(Box<str>),
    /// At its end.
    End(Box<str>),
    /// Anywhere in it.
    Inside(Box<Finder<'static>>),
    /// Any text at all.
    Anything,
    /// Anything else.
    Pieces(Pieces),
}

/// Runs of parts between `*`: the first is bound to the start unless `open_start`, the last to the
/// end unless `open_end`, those between are found one after the other.
#[derive(Debug)]
pub(crate) struct Pieces {
    pieces: Vec<Piece>,
    open_start: bool,
    open_end: bool,
}

/// A run without `*`, so that it matches a fixed number of characters.
#[derive(Debug)]
struct Piece {
    /// `None` stands for `?`.
    parts: Vec<Option<Box<str>>>,
    chars: usize,
}

impl Glob {
    pub(crate) fn new(pattern: &Pattern, cased: bool) -> Self {
        let parts: Vec<Part> = pattern
            .parts
            .iter()
            .map(|part| match part {
                Part::Literal(text) if !cased => Part::Literal(text.chars().map(fold).collect()),
                part => part.clone(),
            })
            .collect();
        match parts.as_slice() {
            [] => Self::Whole("".into()),
            [Part::Many] => Self::Anything,
            [Part::Literal(text)] => Self::Whole(text.as_str().into()),
            [Part::Literal(text), Part::Many] => Self::Start(text.as_str().into()),
            [Part::Many, Part::Literal(text)] => Self::End(text.as_str().into()),
            [Part::Many, Part::Literal(text), Part::Many] => {
                Self::Inside(Box::new(Finder::new(text).into_owned()))
            }
            parts => Self::Pieces(Pieces::new(parts)),
        }
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Whole(whole) => **whole == *text,
            Self::Start(start) => text.starts_with(&**start),
            Self::End(end) => text.ends_with(&**end),
            Self::Inside(finder) => finder.find(text.as_bytes()).is_some(),
            Self::Anything => true,
            Self::Pieces(pieces) => pieces.match_all(text),
        }
    }

    /// Returns what a search for many texts at once may take over.
    pub(crate) fn inside(&self) -> Option<&[u8]> {
        match self {
            Self::Inside(finder) => Some(finder.needle()),
            _ => None,
        }
    }

    /// Returns a rough cost, by which cheap tests go first.
    pub(crate) fn cost(&self) -> u32 {
        match self {
            Self::Anything => 0,
            Self::Whole(_) | Self::Start(_) | Self::End(_) => 1,
            Self::Inside(_) => 4,
            Self::Pieces(_) => 8,
        }
    }
}

impl Pieces {
    fn new(parts: &[Part]) -> Self {
        let open_start = matches!(parts.first(), Some(Part::Many));
        let open_end = matches!(parts.last(), Some(Part::Many));
        let pieces = parts
            .split(|part| *part == Part::Many)
            .filter(|run| !run.is_empty())
            .map(|run| {
                let mut piece = Piece { parts: Vec::new(), chars: 0 };
                for part in run {
                    match part {
                        Part::Literal(text) => {
                            piece.chars += text.chars().count();
                            piece.parts.push(Some(text.as_str().into()));
                        }
                        Part::One | Part::Many => {
                            piece.chars += 1;
                            piece.parts.push(None);
                        }
                    }
                }
                piece
            })
            .collect();
        Self { pieces, open_start, open_end }
    }

    fn match_all(&self, text: &str) -> bool {
        let mut rest = text;
        let mut pieces = self.pieces.as_slice();
        if !self.open_start
            && let Some((first, others)) = pieces.split_first()
        {
            let Some(after) = first.strip(rest) else { return false };
            if others.is_empty() && !self.open_end {
                return after.is_empty();
            }
            (rest, pieces) = (after, others);
        }
        // The last piece is taken from the end first: what lies before is free for the others.
        if !self.open_end
            && let Some((last, others)) = pieces.split_last()
        {
            let Some(start) = back(rest, last.chars) else { return false };
            let (before, tail) = rest.split_at(start);
            if !last.strip(tail).is_some_and(str::is_empty) {
                return false;
            }
            (rest, pieces) = (before, others);
        }
        // Taking each piece at its first place leaves the most room for the following ones.
        pieces.iter().all(|piece| match piece.find(rest) {
            Some(after) => {
                rest = after;
                true
            }
            None => false,
        })
    }
}

impl Piece {
    /// Matches at the start; returns what follows.
    fn strip<'t>(&self, text: &'t str) -> Option<&'t str> {
        let mut rest = text;
        for part in &self.parts {
            rest = match part {
                Some(literal) => rest.strip_prefix(&**literal)?,
                None => {
                    let mut chars = rest.chars();
                    chars.next()?;
                    chars.as_str()
                }
            };
        }
        Some(rest)
    }

    /// Finds the first match; returns what follows it.
    fn find<'t>(&self, text: &'t str) -> Option<&'t str> {
        if let [Some(literal)] = self.parts.as_slice() {
            let at = memchr::memmem::find(text.as_bytes(), literal.as_bytes())?;
            return text.get(at + literal.len()..);
        }
        let mut rest = text;
        loop {
            if let Some(after) = self.strip(rest) {
                return Some(after);
            }
            let mut chars = rest.chars();
            chars.next()?;
            rest = chars.as_str();
        }
    }
}

/// Returns the byte index `chars` characters before the end.
fn back(text: &str, chars: usize) -> Option<usize> {
    match chars {
        0 => Some(text.len()),
        chars => text.char_indices().rev().nth(chars - 1).map(|(index, _)| index),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::naive;
    use proptest::prelude::*;

    #[track_caller]
    fn check(pattern: &str, text: &str, expected: bool) {
        let glob = Glob::new(&Pattern::parse(pattern), true);
        assert_eq!(glob.matches(text), expected, "{pattern} on {text}");
    }

    #[test]
    fn wildcards() {
        check("a*b", "ab", true);
        check("a*b", "a", false);
        check("a*a", "a", false);
        check("*a?c*", "xxabcxx", true);
        check("?", "đ", true);
        check("??", "đ", false);
        check("a*b*c", "a-b-b-c", true);
        check("*?", "", false);
        check("ab*bc", "abc", false);
    }

    proptest! {
        #[test]
        fn agrees_with_plain_backtracking(pattern in "[abđ*?]{0,8}", text in "[abđ]{0,10}") {
            let pattern = Pattern::parse(&pattern);
            let glob = Glob::new(&pattern, true);
            prop_assert_eq!(glob.matches(&text), naive::pattern_matches(&pattern, &text, true));
        }
    }
}
