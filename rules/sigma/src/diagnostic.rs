//! Diagnostics: what is wrong with a rule file, where, and what to do.

use std::fmt;

use crate::Fix;
use crate::lines::lines;

/// How bad a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; the rule works.
    Note,
    /// The rule works, but probably not as its author means.
    Warning,
    /// The document was left out.
    Error,
}

impl Severity {
    /// Returns the word printed before the code.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// A place within one line of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// Line, from 1; 0 when the diagnostic is about the file as a whole.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Length in characters, at least 1, within the line.
    pub len: usize,
}

impl Span {
    /// Returns the place cut at the end of its line, at least one character long.
    pub(crate) fn within(self, line: &str) -> Self {
        let rest = line.trim_end().chars().count().saturating_sub(self.column.saturating_sub(1));
        Self { len: self.len.min(rest).max(1), ..self }
    }
}

/// Carets printed under a line.
const CARETS_MAX: usize = 500;

/// One finding about a rule file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable code such as `R012`; `docs/rules/R012.md` explains it.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, one lower-case sentence without a full stop.
    pub message: String,
    /// The name the file was given.
    pub file: String,
    /// Where.
    pub span: Span,
    /// The text of that line, without its end.
    pub source_line: String,
    /// What to do about it.
    pub help: Option<String>,
    /// A repair that is safe to make by machine; [`crate::apply_fixes`] makes it.
    pub fix: Option<Fix>,
}

impl Diagnostic {
    /// Makes a diagnostic about a place in a text; [`Diagnostic::saying`] completes it.
    #[must_use]
    pub fn in_text(
        file: &str,
        text: &str,
        code: &'static str,
        severity: Severity,
        span: Span,
    ) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let line = span.line.checked_sub(1).and_then(|index| lines(text).nth(index));
        let source_line = line.map_or("", |(_, line)| line).to_owned();
        let span = span.within(&source_line);
        let (file, message) = (file.to_owned(), String::new());
        Self { code, severity, message, file, span, source_line, help: None, fix: None }
    }

    /// Returns the diagnostic with what is wrong and what to do about it.
    #[must_use]
    pub fn saying(mut self, message: impl Into<String>, help: impl Into<String>) -> Self {
        self.message = message.into();
        self.help = Some(help.into());
        self
    }

    /// Returns the place of the line that starts a top-level key, such as `id`, of the document
    /// that begins at `line` of a text.
    #[must_use]
    pub fn key_span(text: &str, line: usize, key: &str) -> Span {
        let lines = lines(text).map(|(_, line)| line);
        let found = lines.enumerate().skip(line.saturating_sub(1)).find(|(_, text)| {
            text.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with(':'))
        });
        let line = found.map_or(line, |(index, _)| index + 1);
        let chars = found.map_or(1, |(_, text)| text.trim_end().chars().count());
        Span { line, column: 1, len: chars.max(1) }
    }

    /// Returns the diagnostic as text without colour: what, where, the line with a caret, the help.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = format!("{}[{}]: {}\n", self.severity.as_str(), self.code, self.message);
        let Span { line, column, len } = self.span;
        if line == 0 {
            text.push_str(&format!("  --> {}\n", self.file));
        } else {
            let gutter = line.to_string().len();
            text.push_str(&format!("{:gutter$}--> {}:{line}:{column}\n", "", self.file));
            text.push_str(&format!("{:gutter$} |\n", ""));
            text.push_str(&format!("{line} | {}\n", self.source_line.trim_end()));
            // A tab before the caret stays a tab, so that the caret stands right at any tab width.
            let indent: String = self
                .source_line
                .chars()
                .chain(std::iter::repeat(' '))
                .take(column.saturating_sub(1))
                .map(|c| if c == '\t' { '\t' } else { ' ' })
                .collect();
            text.push_str(&format!(
                "{:gutter$} | {indent}{}\n",
                "",
                "^".repeat(len.clamp(1, CARETS_MAX))
            ));
        }
        if let Some(help) = &self.help {
            text.push_str(&format!("  = help: {help}\n"));
        }
        text
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render())
    }
}
