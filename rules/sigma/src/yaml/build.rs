//! Building the tree of one document from the events of the YAML parser.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::{Key, Kind, Node, Scalar};
use crate::report::Reporter;
use crate::{Span, codes};

/// How deep maps and lists may nest. Sigma needs 6.
const NESTING_MAX: usize = 24;
/// Keys in one map; keeps the search for duplicates cheap.
const KEYS_MAX: usize = 2_000;
/// Nodes in one document after aliases are expanded. SigmaHQ's largest has under 2,000.
const NODES_MAX: usize = 50_000;

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

/// Reads the text of one document, which begins at a line of its file; `None` when it is broken.
pub(super) fn document(text: &str, first_line: usize, report: &mut Reporter<'_>) -> Option<Node> {
    Builder { report, first_line, nodes: 0 }.document(text)
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
        // Places are cut at the end of their line when they are shown.
        let len = if span.end.line() == span.start.line() {
            span.end.col().saturating_sub(span.start.col()).max(1)
        } else {
            usize::MAX
        };
        Span { line, column, len }
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
                        *key =
                            Some(Key { text: scalar.text, span: node.span, quoted: !scalar.plain });
                    }
                    Kind::List(_) | Kind::Map(_) => {
                        self.report.error(codes::WRONG_TYPE, node.span, "a key must be text");
                        *key = Some(Key { text: String::new(), span: node.span, quoted: false });
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
