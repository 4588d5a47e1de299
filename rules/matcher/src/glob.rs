//! Globs: Sigma text patterns sorted by what decides them.

use rules_sigma::{Part, Pattern, fold};

/// Where a literal must stand in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Anchor {
    /// It is the whole text.
    Whole,
    /// At the start.
    Start,
    /// At the end.
    End,
    /// Anywhere.
    Inside,
}

impl Anchor {
    /// As [`Self::holds`] with ASCII case ignored, for literals bound to an end or both.
    pub(crate) fn holds_any_case(self, text: &[u8], literal: &[u8]) -> bool {
        let there = match self {
            Self::Whole => Some(text),
            Self::Start => text.get(..literal.len()),
            Self::End => text.len().checked_sub(literal.len()).and_then(|at| text.get(at..)),
            Self::Inside => None,
        };
        there.is_some_and(|there| there.eq_ignore_ascii_case(literal))
    }

    pub(crate) fn holds(self, text: &[u8], literal: &[u8]) -> bool {
        match self {
            Self::Whole => text == literal,
            Self::Start => text.starts_with(literal),
            Self::End => text.ends_with(literal),
            Self::Inside => memchr::memmem::find(text, literal).is_some(),
        }
    }
}

/// A pattern over folded text (or text as written, when the rule is case-sensitive).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Glob {
    /// Any text at all.
    Anything,
    /// One literal at a place.
    Literal(Anchor, String),
    /// Anything else.
    Pieces(Pieces),
}

/// Runs of parts between `*`: the first is bound to the start unless `open_start`, the last to the
/// end unless `open_end`, those between are found one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Pieces {
    pub(crate) pieces: Vec<Piece>,
    pub(crate) open_start: bool,
    pub(crate) open_end: bool,
}

/// A run without `*`; `None` stands for `?`, one character.
pub(crate) type Piece = Vec<Option<String>>;

impl Glob {
    pub(crate) fn new(pattern: &Pattern, cased: bool) -> Self {
        let written = |text: &str| match cased {
            true => text.to_owned(),
            false => text.chars().map(fold).collect(),
        };
        match pattern.parts().as_slice() {
            [] => Self::Literal(Anchor::Whole, String::new()),
            [Part::Many] => Self::Anything,
            [Part::Literal(text)] => Self::Literal(Anchor::Whole, written(text)),
            [Part::Literal(text), Part::Many] => Self::Literal(Anchor::Start, written(text)),
            [Part::Many, Part::Literal(text)] => Self::Literal(Anchor::End, written(text)),
            [Part::Many, Part::Literal(text), Part::Many] => {
                Self::Literal(Anchor::Inside, written(text))
            }
            parts => {
                let pieces = parts
                    .split(|part| *part == Part::Many)
                    .filter(|run| !run.is_empty())
                    .map(|run| {
                        run.iter()
                            .map(|part| match part {
                                Part::Literal(text) => Some(written(text)),
                                Part::One | Part::Many => None,
                            })
                            .collect()
                    })
                    .collect();
                Self::Pieces(Pieces {
                    pieces,
                    open_start: matches!(parts.first(), Some(Part::Many)),
                    open_end: matches!(parts.last(), Some(Part::Many)),
                })
            }
        }
    }

    /// Returns a rough cost, by which cheap tests go first.
    pub(crate) fn cost(&self) -> u32 {
        match self {
            Self::Anything => 0,
            Self::Literal(Anchor::Inside, _) => 4,
            Self::Literal(..) => 1,
            Self::Pieces(_) => 8,
        }
    }

    /// Returns the literals that must all be there for the pattern to match, with their places.
    pub(crate) fn literals(&self) -> Vec<(Anchor, &str)> {
        match self {
            Self::Anything => Vec::new(),
            Self::Literal(anchor, text) => vec![(*anchor, text)],
            Self::Pieces(pieces) => pieces.literals(),
        }
    }
}

impl Pieces {
    fn literals(&self) -> Vec<(Anchor, &str)> {
        let mut found = Vec::new();
        let last_piece = self.pieces.len().saturating_sub(1);
        for (number, piece) in self.pieces.iter().enumerate() {
            let last_part = piece.len().saturating_sub(1);
            for (index, part) in piece.iter().enumerate() {
                let Some(text) = part else { continue };
                let anchor = if number == 0 && index == 0 && !self.open_start {
                    Anchor::Start
                } else if number == last_piece && index == last_part && !self.open_end {
                    Anchor::End
                } else {
                    Anchor::Inside
                };
                found.push((anchor, text.as_str()));
            }
        }
        found
    }
}

/// A glob read back from somewhere: its pieces, each a list of parts.
pub(crate) trait Parts {
    /// Number of parts of a piece.
    fn len(&self, piece: usize) -> usize;
    /// A part: a literal, or `None` for one character.
    fn part(&self, piece: usize, part: usize) -> Option<&[u8]>;
    /// Number of pieces.
    fn pieces(&self) -> usize;
    fn open_start(&self) -> bool;
    fn open_end(&self) -> bool;
}

/// Matches pieces against valid UTF-8.
pub(crate) fn match_pieces(glob: &impl Parts, text: &[u8]) -> bool {
    let mut rest = text;
    let (mut first, mut end) = (0, glob.pieces());
    if !glob.open_start() && first < end {
        let Some(after) = strip(glob, first, rest) else { return false };
        first += 1;
        if first == end && !glob.open_end() {
            return after.is_empty();
        }
        rest = after;
    }
    // The last piece is taken from the end first: what lies before is free for the others.
    if !glob.open_end() && first < end {
        end -= 1;
        let Some((before, tail)) = split_back(rest, width(glob, end)) else { return false };
        if !strip(glob, end, tail).is_some_and(<[u8]>::is_empty) {
            return false;
        }
        rest = before;
    }
    // Taking each piece at its first place leaves the most room for the following ones.
    (first..end).all(|piece| match find(glob, piece, rest) {
        Some(after) => {
            rest = after;
            true
        }
        None => false,
    })
}

/// Characters a piece takes up.
fn width(glob: &impl Parts, piece: usize) -> usize {
    (0..glob.len(piece)).map(|part| glob.part(piece, part).map_or(1, chars)).sum()
}

fn chars(text: &[u8]) -> usize {
    text.iter().filter(|byte| starts_char(**byte)).count()
}

fn starts_char(byte: u8) -> bool {
    byte & 0xc0 != 0x80
}

/// Matches a piece at the start; returns what follows.
fn strip<'t>(glob: &impl Parts, piece: usize, text: &'t [u8]) -> Option<&'t [u8]> {
    let mut rest = text;
    for part in 0..glob.len(piece) {
        rest = match glob.part(piece, part) {
            Some(literal) => rest.strip_prefix(literal)?,
            None => after_char(rest)?,
        };
    }
    Some(rest)
}

/// Finds the first match of a piece; returns what follows it.
fn find<'t>(glob: &impl Parts, piece: usize, text: &'t [u8]) -> Option<&'t [u8]> {
    // Skips ahead to the first literal, so that long texts are not tried byte by byte.
    let lead = (0..glob.len(piece)).find_map(|part| glob.part(piece, part));
    let before = (0..glob.len(piece)).take_while(|part| glob.part(piece, *part).is_none()).count();
    let Some(lead) = lead else { return strip(glob, piece, text) };
    let mut rest = text;
    let mut from = rest;
    for _ in 0..before {
        from = after_char(from)?;
    }
    loop {
        let at = memchr::memmem::find(from, lead)?;
        // As far ahead as the literal lies, the piece's start lies.
        let skipped = chars(from.get(..at)?);
        for _ in 0..skipped {
            rest = after_char(rest)?;
        }
        if let Some(after) = strip(glob, piece, rest) {
            return Some(after);
        }
        rest = after_char(rest)?;
        from = after_char(from.get(at..)?)?;
    }
}

fn after_char(text: &[u8]) -> Option<&[u8]> {
    let (_, rest) = text.split_first()?;
    let more = rest.iter().take_while(|byte| !starts_char(**byte)).count();
    rest.get(more..)
}

/// Splits off so many characters from the end.
fn split_back(text: &[u8], chars: usize) -> Option<(&[u8], &[u8])> {
    let mut at = text.len();
    for _ in 0..chars {
        at = text.get(..at)?.iter().rposition(|byte| starts_char(*byte))?;
    }
    text.split_at_checked(at)
}

impl Parts for Pieces {
    fn len(&self, piece: usize) -> usize {
        self.pieces.get(piece).map_or(0, Vec::len)
    }

    fn part(&self, piece: usize, part: usize) -> Option<&[u8]> {
        self.pieces.get(piece)?.get(part)?.as_deref().map(str::as_bytes)
    }

    fn pieces(&self) -> usize {
        self.pieces.len()
    }

    fn open_start(&self) -> bool {
        self.open_start
    }

    fn open_end(&self) -> bool {
        self.open_end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::naive;
    use proptest::prelude::*;

    fn matches(glob: &Glob, text: &str) -> bool {
        match glob {
            Glob::Anything => true,
            Glob::Literal(anchor, literal) => anchor.holds(text.as_bytes(), literal.as_bytes()),
            Glob::Pieces(pieces) => match_pieces(pieces, text.as_bytes()),
        }
    }

    #[track_caller]
    fn check(pattern: &str, text: &str, expected: bool) {
        let glob = Glob::new(&Pattern::parse(pattern), true);
        assert_eq!(matches(&glob, text), expected, "{pattern} on {text}");
    }

    #[test]
    fn wildcards() {
        check("a*b", "ab", true);
        check("a*b", "a", false);
        check("a*a", "a", false);
        check("*a?c*", "xxabcxx", true);
        check("*?a*", "aaa", true);
        check("?", "đ", true);
        check("??", "đ", false);
        check("a*b*c", "a-b-b-c", true);
        check("*?", "", false);
        check("ab*bc", "abc", false);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn agrees_with_plain_backtracking(pattern in "[abđ*?]{0,8}", text in "[abđ]{0,10}") {
            let pattern = Pattern::parse(&pattern);
            let glob = Glob::new(&pattern, true);
            let expected = naive::pattern_matches(&pattern, &text, true);
            prop_assert_eq!(matches(&glob, &text), expected);
            if expected {
                for (anchor, literal) in glob.literals() {
                    prop_assert!(anchor.holds(text.as_bytes(), literal.as_bytes()));
                }
            }
        }
    }
}
