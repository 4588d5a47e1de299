//! YAML to a tree with places, within bounds.
//!
//! A file is first cut at its document markers. YAML forbids lines `---` and `...` inside any scalar
//! (YAML 1.2.2, 9.1.2 `c-forbidden`), so the cut is exact, and a document that is not YAML does not
//! take the following ones with it.

use crate::lines::lines;
use crate::report::Reporter;
use crate::{Span, codes};

mod build;

/// The largest rule file read: 1 MiB. SigmaHQ's largest has 40 kB.
pub(crate) const FILE_BYTES_MAX: usize = 1024 * 1024;
/// Documents in one file.
const DOCUMENTS_MAX: usize = 5_000;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) span: Span,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key of a map.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) span: Span,
    /// True when it stands in quotes, which begin at `span`.
    pub(crate) quoted: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    /// True for an unquoted scalar, which may mean a number, a Boolean or null.
    pub(crate) plain: bool,
}

impl Scalar {
    pub(crate) fn is_null(&self) -> bool {
        self.plain && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }

    pub(crate) fn as_bool(&self) -> Option<bool> {
        match self.text.as_str() {
            "true" | "True" | "TRUE" if self.plain => Some(true),
            "false" | "False" | "FALSE" if self.plain => Some(false),
            _ => None,
        }
    }
}

impl Node {
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        let Kind::Map(entries) = &self.kind else { return None };
        entries.iter().find(|(key, _)| key.text == name).map(|(_, node)| node)
    }

    /// Returns the key of that name, for its place.
    pub(crate) fn key(&self, name: &str) -> Option<&Key> {
        let Kind::Map(entries) = &self.kind else { return None };
        entries.iter().find(|(key, _)| key.text == name).map(|(key, _)| key)
    }

    /// Returns the keys of a map.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Key> {
        let entries = match &self.kind {
            Kind::Map(entries) => entries.as_slice(),
            Kind::List(_) | Kind::Scalar(_) => &[],
        };
        entries.iter().map(|(key, _)| key)
    }

    /// Returns the elements of a list, or else the node itself.
    pub(crate) fn elements(&self) -> impl Iterator<Item = &Self> {
        match &self.kind {
            Kind::List(nodes) => nodes.iter(),
            _ => std::slice::from_ref(self).iter(),
        }
    }

    /// Returns what kind of value this is, for messages.
    pub(crate) fn kind_name(&self) -> &'static str {
        match &self.kind {
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
            Kind::Scalar(scalar) if scalar.is_null() => "nothing",
            Kind::Scalar(scalar) if scalar.as_bool().is_some() => "true or false",
            Kind::Scalar(_) => "text",
        }
    }

    /// Returns the place of `len` characters at character `offset` of this scalar, if it stands
    /// unescaped on one line; otherwise the place of the whole.
    pub(crate) fn within(&self, report: &Reporter<'_>, offset: usize, len: usize) -> Span {
        let Kind::Scalar(scalar) = &self.kind else { return self.span };
        let quote = usize::from(!scalar.plain);
        let start = self.span.column.saturating_sub(1) + quote;
        let mut source = report.line(self.span.line).chars().skip(start);
        if scalar.text.chars().all(|c| source.next() == Some(c)) {
            Span { line: self.span.line, column: start + 1 + offset, len: len.max(1) }
        } else {
            self.span
        }
    }
}

/// One document.
pub(crate) struct Source {
    pub(crate) root: Node,
    /// False when something was reported about the tree itself.
    pub(crate) sound: bool,
}

/// Reads every document of a file; a broken one is reported and left out.
pub(crate) fn documents(text: &str, report: &mut Reporter<'_>) -> Vec<Source> {
    if text.len() > FILE_BYTES_MAX {
        report.error_help(
            codes::FILE_TOO_LARGE,
            Span::default(),
            format!("the file has {} bytes; the bound is {FILE_BYTES_MAX}", text.len()),
            "cut it into several files",
        );
        return Vec::new();
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut sources = Vec::new();
    for (first_line, text) in split(text) {
        if lines(text).all(|(_, line)| is_blank(line)) {
            continue;
        }
        if sources.len() >= DOCUMENTS_MAX {
            let span = Span { line: first_line, column: 1, len: 1 };
            let message = format!("the file has more than {DOCUMENTS_MAX} documents");
            report.error_help(codes::YAML_BOUNDS, span, message, "cut it into several files");
            break;
        }
        let errors = report.errors();
        if let Some(root) = build::document(text, first_line, report) {
            sources.push(Source { root, sound: report.errors() == errors });
        }
    }
    sources
}

/// Cuts a text before every `---` and after every `...`. Yields the line number of each part and the
/// part.
fn split(text: &str) -> Vec<(usize, &str)> {
    // Nearly every file is one document.
    if !text.contains("---") && !text.contains("...") {
        return vec![(1, text)];
    }
    let is_marker = |line: &str, marker| {
        let rest: Option<&str> = line.strip_prefix(marker);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
    };
    let mut parts = Vec::new();
    let (mut start, mut start_line) = (0, 1);
    let mut ended = false;
    for (index, (offset, line)) in lines(text).enumerate() {
        if (ended || is_marker(line, "---")) && offset > start {
            parts.push((start_line, text.get(start..offset).unwrap_or_default()));
            (start, start_line) = (offset, index + 1);
        }
        ended = is_marker(line, "...");
    }
    parts.push((start_line, text.get(start..).unwrap_or_default()));
    parts
}

/// Says whether a line holds nothing of a document: it is empty, a comment, a marker or a directive.
fn is_blank(line: &str) -> bool {
    let text = line.trim();
    text.is_empty()
        || text.starts_with('#')
        || text == "---"
        || text == "..."
        || line.starts_with('%')
}
