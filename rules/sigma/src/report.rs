//! Collecting diagnostics while a file is read.

use crate::{Diagnostic, Severity, Span};

/// Diagnostics kept per file: more than a person reads in one go. Further ones are dropped, and the
/// last one kept says how many.
const DIAGNOSTICS_MAX: usize = 200;

/// Longest source line kept in a diagnostic, in characters.
const SOURCE_LINE_CHARS_MAX: usize = 500;

/// Collects what is wrong with one file.
pub(crate) struct Reporter<'a> {
    file: &'a str,
    lines: Vec<&'a str>,
    diagnostics: Vec<Diagnostic>,
    dropped: usize,
    errors: usize,
}

impl<'a> Reporter<'a> {
    pub(crate) fn new(file: &'a str, text: &'a str) -> Self {
        let lines = text.lines().collect();
        Self { file, lines, diagnostics: Vec::new(), dropped: 0, errors: 0 }
    }

    pub(crate) fn file(&self) -> &'a str {
        self.file
    }

    /// Returns the number of errors so far: a document is left out when this has grown over it.
    pub(crate) fn errors(&self) -> usize {
        self.errors
    }

    pub(crate) fn line(&self, number: usize) -> &'a str {
        number.checked_sub(1).and_then(|index| self.lines.get(index)).copied().unwrap_or_default()
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
        if self.diagnostics.len() >= DIAGNOSTICS_MAX {
            self.dropped += 1;
            return;
        }
        let source_line: String =
            self.line(span.line).chars().take(SOURCE_LINE_CHARS_MAX).collect();
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
    let word = word.to_lowercase();
    let bound = (word.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|candidate| (distance(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= bound)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Returns `did you mean 'x'?`, or else `fallback`.
pub(crate) fn did_you_mean<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
    fallback: impl FnOnce() -> String,
) -> String {
    nearest(word, candidates).map_or_else(fallback, |near| format!("did you mean '{near}'?"))
}

/// Edit distance with swaps of neighbours (optimal string alignment), over at most 40 characters.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().take(40).collect();
    let b: Vec<char> = b.chars().take(40).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
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
    }
}
