//! YAML to a tree with places, within bounds.
//!
//! A file is first cut at its document markers. YAML forbids a line `---` inside any scalar
//! (YAML 1.2.2, 9.1.2 `c-forbidden`), so the cut is exact, and a document that is not YAML does not
//! take the following ones with it.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle};

use crate::report::Reporter;
use crate::{Span, codes};

/// The largest rule file read: 1 MiB. SigmaHQ's largest has 40 kB.
pub(crate) const FILE_BYTES_MAX: usize = 1024 * 1024;
/// How deep maps and lists may nest. Sigma needs 6.
const NESTING_MAX: usize = 24;
/// Keys in one map; keeps the search for duplicates cheap.
const KEYS_MAX: usize = 2_000;
/// Nodes in one document after aliases are expanded. SigmaHQ's largest has under 2,000.
const NODES_MAX: usize = 50_000;

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
}

#[derive(Debug, Clone)]
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
        let blank = text.lines().all(|line| {
            let line = line.trim();
            line.is_empty() || line.starts_with('#') || line == "---" || line == "..."
        });
        if blank {
            continue;
        }
        let errors = report.errors();
        if let Some(root) = (Builder { report, first_line, nodes: 0 }).document(text) {
            sources.push(Source { root, sound: report.errors() == errors });
        }
    }
    sources
}

/// Cuts a text before every document marker. Yields the line number of each part and the part.
fn split(text: &str) -> Vec<(usize, &str)> {
    let is_marker = |line: &str| {
        let rest = line.strip_prefix("---");
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
    };
    let mut parts = Vec::new();
    let (mut start, mut start_line, mut offset) = (0, 1, 0);
    for (index, line) in text.split_inclusive('\n').enumerate() {
        if is_marker(line) && offset > start {
            parts.push((start_line, text.get(start..offset).unwrap_or_default()));
            (start, start_line) = (offset, index + 1);
        }
        offset += line.len();
    }
    parts.push((start_line, text.get(start..).unwrap_or_default()));
    parts
}

/// An open list or map.
struct Open {
    span: Span,
    anchor: usize,
    /// Value of the node counter when it was opened.
    nodes_before: usize,
    /// How deep its children nest.
    height: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map { entries: Vec<(Key, Node)>, key: Option<Key> },
}

/// An anchored node, with what an alias to it costs.
struct Anchored {
    node: Node,
    nodes: usize,
    height: usize,
}

struct Builder<'b, 'a> {
    report: &'b mut Reporter<'a>,
    first_line: usize,
    nodes: usize,
}

impl Builder<'_, '_> {
    fn span(&self, span: &saphyr_parser::Span) -> Span {
        let line = span.start.line() + self.first_line - 1;
        let column = span.start.col() + 1;
        let len = if span.end.line() == span.start.line() {
            span.end.col().saturating_sub(span.start.col())
        } else {
            let chars = self.report.line(line).trim_end().chars().count();
            chars.saturating_sub(span.start.col())
        };
        Span { line, column, len: len.max(1) }
    }

    /// Reads one document. Iterative, so that no nesting can exhaust the stack.
    fn document(&mut self, text: &str) -> Option<Node> {
        let mut parser = Parser::new_from_str(text);
        let mut open: Vec<Open> = Vec::new();
        let mut anchors: HashMap<usize, Anchored> = HashMap::new();
        let mut root = None;
        while let Some(event) = parser.next_event() {
            let (event, span) = match event {
                Ok(found) => found,
                Err(error) => {
                    self.syntax_error(&error);
                    return None;
                }
            };
            let span = self.span(&span);
            let (node, anchor, nodes, height) = match event {
                Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag)
                    if tag.is_some() =>
                {
                    let _ = anchor;
                    self.tag_error(span);
                    return None;
                }
                Event::SequenceStart(anchor, _) => {
                    open.push(self.opened(span, anchor, Content::List(Vec::new())));
                    self.check_depth(&open, 0, span)?;
                    continue;
                }
                Event::MappingStart(anchor, _) => {
                    let content = Content::Map { entries: Vec::new(), key: None };
                    open.push(self.opened(span, anchor, content));
                    self.check_depth(&open, 0, span)?;
                    continue;
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    let closed = open.pop()?;
                    let kind = match closed.content {
                        Content::List(nodes) => Kind::List(nodes),
                        Content::Map { entries, .. } => Kind::Map(entries),
                    };
                    let nodes = self.nodes - closed.nodes_before;
                    (Node { kind, span: closed.span }, closed.anchor, nodes, closed.height + 1)
                }
                Event::Scalar(text, style, anchor, tag) => {
                    let string_tag = tag
                        .as_ref()
                        .is_some_and(|tag| tag.is_yaml_core_schema() && tag.suffix == "str");
                    if tag.is_some() && !string_tag {
                        self.tag_error(span);
                        return None;
                    }
                    let plain = style == ScalarStyle::Plain && !string_tag;
                    let scalar = Scalar { text: text.into_owned(), plain };
                    self.count(1, span)?;
                    (Node { kind: Kind::Scalar(scalar), span }, anchor, 1, 0)
                }
                Event::Alias(anchor) => {
                    let Some(found) = anchors.get(&anchor) else {
                        let message = "the alias stands inside the node it refers to";
                        self.report.error(codes::YAML_BOUNDS, span, message);
                        return None;
                    };
                    let (nodes, height) = (found.nodes, found.height);
                    self.count(nodes, span)?;
                    self.check_depth(&open, height, span)?;
                    (Node { kind: found.node.kind.clone(), span }, 0, nodes, height)
                }
                Event::DocumentEnd | Event::StreamEnd if root.is_some() => break,
                _ => continue,
            };
            if anchor != 0 {
                anchors.insert(anchor, Anchored { node: node.clone(), nodes, height });
                self.count(nodes, span)?;
            }
            match open.last_mut() {
                None => root = Some(node),
                Some(parent) => {
                    parent.height = parent.height.max(height);
                    self.place(parent, node);
                }
            }
        }
        root
    }

    fn opened(&mut self, span: Span, anchor: usize, content: Content) -> Open {
        let nodes_before = self.nodes;
        self.nodes += 1;
        Open { span, anchor, nodes_before, height: 0, content }
    }

    /// Puts a finished node into its list or map.
    fn place(&mut self, parent: &mut Open, node: Node) {
        match &mut parent.content {
            Content::List(nodes) => nodes.push(node),
            Content::Map { entries, key } => match key.take() {
                Some(key) if key.text == "<<" => {}
                Some(key) => {
                    if entries.len() >= KEYS_MAX {
                        let message = format!("the map has more than {KEYS_MAX} keys");
                        self.report.error(codes::YAML_BOUNDS, key.span, message);
                    } else if let Some((first, _)) =
                        entries.iter().find(|(old, _)| old.text == key.text)
                    {
                        let message = format!("the key '{}' stands twice in this map", key.text);
                        let help = format!("it stands first in line {}", first.span.line);
                        self.report.error_help(codes::DUPLICATE_KEY, key.span, message, help);
                    } else {
                        entries.push((key, node));
                    }
                }
                None => match node.kind {
                    Kind::Scalar(scalar) => {
                        if scalar.text == "<<" {
                            let message = "merge keys ('<<') are not supported";
                            let help = "write the keys out";
                            self.report.error_help(codes::TAG_OR_MERGE, node.span, message, help);
                        }
                        *key = Some(Key { text: scalar.text, span: node.span });
                    }
                    Kind::List(_) | Kind::Map(_) => {
                        self.report.error(codes::WRONG_TYPE, node.span, "a key must be text");
                        *key = Some(Key { text: String::new(), span: node.span });
                    }
                },
            },
        }
    }

    fn count(&mut self, nodes: usize, span: Span) -> Option<()> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes <= NODES_MAX {
            return Some(());
        }
        let message = format!("the document holds more than {NODES_MAX} nodes");
        let help = "aliases count as what they stand for; cut the document into several";
        self.report.error_help(codes::YAML_BOUNDS, span, message, help);
        None
    }

    fn check_depth(&mut self, open: &[Open], height: usize, span: Span) -> Option<()> {
        if open.len() + height <= NESTING_MAX {
            return Some(());
        }
        let message = format!("the document nests more than {NESTING_MAX} deep");
        self.report.error(codes::YAML_BOUNDS, span, message);
        None
    }

    fn tag_error(&mut self, span: Span) {
        let help = "leave the tag out; quotes make a value text";
        self.report.error_help(codes::TAG_OR_MERGE, span, "YAML tags are not supported", help);
    }

    fn syntax_error(&mut self, error: &saphyr_parser::ScanError) {
        let mark = error.marker();
        // The scanner counts a line more when the text ends early.
        let line = mark.line() + self.first_line - 1;
        let span = Span { line, column: mark.col() + 1, len: 1 };
        let source = self.report.line(line);
        let help = if source.chars().take_while(|c| c.is_whitespace()).any(|c| c == '\t') {
            "YAML indents with spaces, never with tabs"
        } else if source.contains('\'') || source.contains('"') {
            "check quotes and indentation here and just above; inside single quotes write '' for '"
        } else {
            "check indentation and quotes here and just above; text with ': ' or starting with \
             one of * & % @ ` { [ needs quotes"
        };
        self.report.error_help(codes::YAML_SYNTAX, span, error.info(), help);
    }
}
