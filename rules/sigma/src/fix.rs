//! Fixes: repairs of a rule file that are safe to make by machine.

use crate::Span;
use crate::lines::lines;

/// A repair: the text at a place becomes another. Everything else stays byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// What is replaced; with a length of 0 the replacement goes in before the column.
    pub span: Span,
    /// The new text.
    pub replacement: String,
}

/// Fixes applied to one file in one go.
const FIXES_MAX: usize = 10_000;

/// Returns the text with fixes applied. One that lies outside the text or touches one before it is
/// left out: reading the result anew finds it again.
#[must_use]
pub fn apply_fixes(text: &str, fixes: &[Fix]) -> String {
    let mut edits: Vec<(usize, usize, &str)> = fixes
        .iter()
        .take(FIXES_MAX)
        .filter_map(|fix| {
            let (start, end) = bytes(text, fix.span)?;
            Some((start, end, fix.replacement.as_str()))
        })
        .collect();
    edits.sort_by_key(|(start, end, _)| (*start, *end));
    let mut fixed = String::with_capacity(text.len() + 64);
    let mut done = 0;
    let mut free_from = 0;
    for (start, end, replacement) in edits {
        if start < free_from {
            continue;
        }
        fixed.push_str(text.get(done..start).unwrap_or_default());
        fixed.push_str(replacement);
        done = end;
        // Two changes never touch, so that each is seen whole.
        free_from = end + 1;
    }
    fixed.push_str(text.get(done..).unwrap_or_default());
    fixed
}

/// Returns the bytes of a place; `None` when it lies outside the text.
fn bytes(text: &str, span: Span) -> Option<(usize, usize)> {
    let mark = text.len() - text.trim_start_matches('\u{feff}').len();
    let body = text.get(mark..)?;
    let (start, line) = lines(body).nth(span.line.checked_sub(1)?)?;
    let at = |chars: usize| {
        let mut ends = line.char_indices().map(|(index, _)| index).chain([line.len()]);
        ends.nth(chars)
    };
    let from = span.column.checked_sub(1)?;
    Some((mark + start + at(from)?, mark + start + at(from.checked_add(span.len)?)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fix(line: usize, column: usize, len: usize, replacement: &str) -> Fix {
        Fix { span: Span { line, column, len }, replacement: replacement.to_owned() }
    }

    #[test]
    fn fixes_replace_insert_and_leave_the_rest() {
        let text = "\u{feff}tiêu: x\r\nlevle: low\r\nz";
        let fixes = [fix(2, 1, 5, "level"), fix(1, 7, 1, "y"), fix(3, 1, 0, "status: test\r\n")];
        let fixed = "\u{feff}tiêu: y\r\nlevel: low\r\nstatus: test\r\nz";
        assert_eq!(apply_fixes(text, &fixes), fixed);
        // Outside the text, over a line end, or over another: left out.
        for wrong in [fix(0, 1, 1, "a"), fix(9, 1, 1, "a"), fix(2, 5, 9, "a"), fix(1, 0, 1, "a")] {
            assert_eq!(apply_fixes(text, &[wrong]), text);
        }
        assert_eq!(apply_fixes("abc", &[fix(1, 1, 2, "x"), fix(1, 2, 2, "y")]), "xc");
    }

    proptest! {
        /// Whatever is asked, the characters outside the places named stay, in their order.
        #[test]
        fn what_is_not_named_stays(
            text in "[a-zé\r\n ]{0,60}",
            places in prop::collection::vec((0_usize..6, 0_usize..20, 0_usize..8), 0..8),
        ) {
            let fixes: Vec<Fix> =
                places.iter().map(|(line, column, len)| fix(*line, *column, *len, "⟨⟩")).collect();
            let fixed = apply_fixes(&text, &fixes);
            let mut rest = text.as_str();
            for (index, kept) in fixed.split("⟨⟩").enumerate() {
                let at = if index == 0 { rest.starts_with(kept).then_some(0) } else { rest.find(kept) };
                prop_assert!(at.is_some(), "{text:?} {fixed:?}");
                rest = &rest[at.unwrap_or_default() + kept.len()..];
            }
            prop_assert!(places.is_empty() || fixed.matches("⟨⟩").count() <= places.len());
            let deletions: usize = fixes.iter().filter(|fix| bytes(&text, fix.span).is_some()).map(|fix| fix.span.len).sum();
            prop_assert!(fixed.replace("⟨⟩", "").chars().count() + deletions >= text.chars().count());
        }
    }
}
