//! Collecting diagnostics while a file is read.

use std::cell::OnceCell;

use crate::lines::lines;
use crate::{Diagnostic, Fix, Severity, Span};

/// Diagnostics kept per file: more than a person reads in one go. Further ones are dropped, and the
/// last one kept says how many.
const DIAGNOSTICS_MAX: usize = 200;

/// Longest source line kept in a diagnostic, in characters.
const SOURCE_LINE_CHARS_MAX: usize = 500;

/// Collects what is wrong with one file.
pub(crate) struct Reporter<'a> {
    file: &'a str,
    text: &'a str,
    /// Cut only when something is reported: most files are sound.
    lines: OnceCell<Vec<&'a str>>,
    diagnostics: Vec<Diagnostic>,
    dropped: usize,
    errors: usize,
    /// False when the last diagnostic was dropped.
    last_kept: bool,
}

impl<'a> Reporter<'a> {
    pub(crate) fn new(file: &'a str, text: &'a str) -> Self {
        // Places count without a byte order mark, as editors do.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let (lines, diagnostics) = (OnceCell::new(), Vec::new());
        Self { file, text, lines, diagnostics, dropped: 0, errors: 0, last_kept: false }
    }

    pub(crate) fn file(&self) -> &'a str {
        self.file
    }

    /// Returns the number of errors so far: a document is left out when this has grown over it.
    pub(crate) fn errors(&self) -> usize {
        self.errors
    }

    pub(crate) fn line(&self, number: usize) -> &'a str {
        let lines = self.lines.get_or_init(|| lines(self.text).map(|(_, line)| line).collect());
        number.checked_sub(1).and_then(|index| lines.get(index)).copied().unwrap_or_default()
    }

    /// Returns what ends the lines of this file.
    pub(crate) fn line_end(&self) -> &'static str {
        if self.text.contains("\r\n") { "\r\n" } else { "\n" }
    }

    pub(crate) fn error(&mut self, code: &'static str, span: Span, message: impl Into<String>) {
        self.push(Severity::Error, code, span, message.into(), None);
    }

    pub(crate) fn error_help(
        &mut self,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Severity::Error, code, span, message.into(), Some(help.into()));
    }

    pub(crate) fn warning(
        &mut self,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Severity::Warning, code, span, message.into(), Some(help.into()));
    }

    /// Reports a word that is none of the known ones. When exactly one of these is nearest, the help
    /// names it, and a fix replaces the word by it; otherwise the help is `fallback`.
    pub(crate) fn unknown_word(
        &mut self,
        (severity, code, span): (Severity, &'static str, Span),
        word: &str,
        message: impl Into<String>,
        known: &[&str],
        fallback: impl FnOnce() -> String,
    ) {
        let near = nearest(word, known.iter().copied());
        let help = near.map_or_else(fallback, |near| format!("did you mean '{near}'?"));
        self.push(severity, code, span, message.into(), Some(help));
        if let Some(near) = near
            && alone(word, near, known)
        {
            self.repair(span, word, near);
        }
    }

    /// Gives the diagnostic reported last a fix: `found` at the place becomes `replacement`. Left out
    /// where the text there is not plainly `found`, such as inside quotes with escapes.
    pub(crate) fn repair(&mut self, span: Span, found: &str, replacement: &str) {
        let line = self.line(span.line);
        let mut rest = line.chars().skip(span.column.saturating_sub(1));
        let quote = rest.clone().next().filter(|c| matches!(c, '\'' | '"'));
        let column = span.column + usize::from(quote.is_some() && !found.starts_with(['\'', '"']));
        if column > span.column {
            rest.next();
        }
        let there = !found.is_empty() && found.chars().all(|c| rest.next() == Some(c));
        if there {
            let span = Span { line: span.line, column, len: found.chars().count() };
            self.attach(Fix { span, replacement: replacement.to_owned() });
        }
    }

    /// Gives the diagnostic reported last a fix.
    pub(crate) fn attach(&mut self, fix: Fix) {
        if self.last_kept
            && let Some(last) = self.diagnostics.last_mut()
        {
            last.fix = Some(fix);
        }
    }

    fn push(
        &mut self,
        severity: Severity,
        code: &'static str,
        span: Span,
        message: String,
        help: Option<String>,
    ) {
        if severity == Severity::Error {
            self.errors += 1;
        }
        self.last_kept = self.diagnostics.len() < DIAGNOSTICS_MAX;
        if !self.last_kept {
            self.dropped += 1;
            return;
        }
        let source_line: String =
            self.line(span.line).chars().take(SOURCE_LINE_CHARS_MAX).collect();
        let span = span.within(&source_line);
        let file = self.file.to_owned();
        self.diagnostics.push(Diagnostic {
            code,
            severity,
            message,
            file,
            span,
            source_line,
            help,
            fix: None,
        });
    }

    /// Returns the diagnostics in file order.
    pub(crate) fn finish(mut self) -> Vec<Diagnostic> {
        self.diagnostics.sort_by_key(|diagnostic| diagnostic.span);
        if self.dropped > 0
            && let Some(last) = self.diagnostics.last_mut()
        {
            let more = format!("{} more findings about this file are not shown", self.dropped);
            last.help = Some(match last.help.take() {
                Some(help) => format!("{help}; {more}"),
                None => more,
            });
        }
        self.diagnostics
    }
}

/// Returns the candidate nearest to `word`, if one is near enough to be what was meant.
pub(crate) fn nearest<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    let chars = word.chars().count();
    let bound = (chars / 3).clamp(1, 3);
    candidates
        .into_iter()
        // Each change makes a word longer or shorter by one at most.
        .filter(|candidate| candidate.chars().count().abs_diff(chars) <= bound)
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= bound)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Says whether no other candidate is as near to `word` as `near` is, and they differ by more than
/// numbers: `sel_2` is not plainly a misspelt `sel_1`.
fn alone(word: &str, near: &str, candidates: &[&str]) -> bool {
    let least = distance(word, near);
    let letter = |c: &char| !c.is_numeric();
    let numbers_only = word.chars().filter(letter).eq(near.chars().filter(letter));
    !numbers_only && candidates.iter().all(|other| *other == near || distance(word, other) > least)
}

/// Returns `did you mean 'x'?`, or else `fallback`.
pub(crate) fn did_you_mean<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
    fallback: impl FnOnce() -> String,
) -> String {
    nearest(word, candidates).map_or_else(fallback, |near| format!("did you mean '{near}'?"))
}

/// Characters of a word by which its distance from others is measured.
const DISTANCE_CHARS_MAX: usize = 40;

/// Edit distance with swaps of neighbours (optimal string alignment), case ignored.
fn distance(a: &str, b: &str) -> usize {
    let folded = |text: &str| -> Vec<char> {
        text.chars().take(DISTANCE_CHARS_MAX).map(crate::fold).collect()
    };
    let (a, b) = (folded(a), folded(b));
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, &y) in b.iter().enumerate() {
            let at =
                |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX / 2);
            let mut best =
                (at(&last, j) + usize::from(x != y)).min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            if i > 0 && j > 0 && a.get(i - 1) == Some(&y) && b.get(j - 1) == Some(&x) {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        assert_eq!(nearest("contians", ["contains", "cased"]), Some("contains"));
        assert_eq!(nearest("hihg", ["high", "low"]), Some("high"));
        assert_eq!(nearest("severe", ["high", "low", "medium"]), None);
        assert_eq!(distance("", "abc"), 3);
        assert!(alone("levl", "level", &["level", "low"]));
        assert!(!alone("sel_2", "sel_1", &["sel_1"]));
        assert!(!alone("utf16xe", "utf16le", &["utf16le", "utf16be"]));
    }
}
