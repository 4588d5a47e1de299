//! Reading lists from YAML and TOML.

use std::collections::BTreeMap;

use super::{LISTS_MAX, NAME_MAX, Placeholders, VALUES_MAX, is_word};
use crate::report::Reporter;
use crate::yaml::{self, FILE_BYTES_MAX, Kind, Node, Scalar};
use crate::{Span, codes};

const HELP: &str = "write 'name: [value, value]', one list a line";

impl Placeholders {
    pub(super) fn read_yaml(&mut self, text: &str, report: &mut Reporter<'_>) {
        for source in yaml::documents(text, report) {
            let Kind::Map(entries) = &source.root.kind else {
                let message = format!("lists must be a map, not {}", source.root.kind_name());
                report.error_help(codes::BAD_PLACEHOLDERS, source.root.span, message, HELP);
                continue;
            };
            for (key, node) in entries {
                let nodes = match &node.kind {
                    Kind::List(nodes) => nodes.as_slice(),
                    _ => std::slice::from_ref(node),
                };
                let values = nodes.iter().map(|node| value(node, report)).collect::<Option<_>>();
                if let Some(values) = values {
                    self.add(&key.text, key.span, values, report);
                }
            }
        }
    }

    pub(super) fn read_toml(&mut self, text: &str, report: &mut Reporter<'_>) {
        if text.len() > FILE_BYTES_MAX {
            let message =
                format!("the file has {} bytes; the bound is {FILE_BYTES_MAX}", text.len());
            report.error(codes::FILE_TOO_LARGE, Span::default(), message);
            return;
        }
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let tables: BTreeMap<toml::Spanned<String>, toml::Spanned<toml::Value>> =
            match toml::from_str(text) {
                Ok(tables) => tables,
                Err(error) => {
                    let at = error.span().map_or(0, |span| span.start);
                    let message = error.message().replace('\n', "; ");
                    report.error_help(codes::BAD_PLACEHOLDERS, place(text, at), message, HELP);
                    return;
                }
            };
        for (key, value) in tables {
            let span = place(text, key.span().start);
            let values = match value.into_inner() {
                toml::Value::Array(values) => values,
                value => vec![value],
            };
            let values: Option<Vec<Scalar>> = values.into_iter().map(toml_value).collect();
            match values {
                Some(values) => self.add(key.get_ref(), span, values, report),
                None => {
                    let message = "a list holds texts, numbers, true and false";
                    report.error_help(codes::BAD_PLACEHOLDERS, span, message, HELP);
                }
            }
        }
    }

    fn add(&mut self, name: &str, span: Span, values: Vec<Scalar>, report: &mut Reporter<'_>) {
        let code = codes::BAD_PLACEHOLDERS;
        if name.is_empty() || !name.chars().all(is_word) || name.chars().count() > NAME_MAX {
            let message = format!("'{name:.40}' is no name of a placeholder");
            let help = "letters, digits and '_', without percent signs";
            report.error_help(code, span, message, help);
        } else if values.is_empty() {
            let message = format!("the list '{name}' is empty");
            let help = "rules that use it are refused; give it at least one value";
            report.warning(code, span, message, help);
        } else if values.len() > VALUES_MAX || self.lists.len() >= LISTS_MAX {
            let message = format!("more than {LISTS_MAX} lists, or {VALUES_MAX} values in one");
            report.error(code, span, message);
        } else {
            self.lists.entry(name.to_owned()).or_default().extend(values);
        }
    }
}

fn value(node: &Node, report: &mut Reporter<'_>) -> Option<Scalar> {
    match &node.kind {
        Kind::Scalar(scalar) if !scalar.is_null() => Some(scalar.clone()),
        _ => {
            let message = format!("a list holds texts and numbers, not {}", node.kind_name());
            report.error_help(codes::BAD_PLACEHOLDERS, node.span, message, HELP);
            None
        }
    }
}

fn toml_value(value: toml::Value) -> Option<Scalar> {
    let (text, plain) = match value {
        toml::Value::String(text) => (text, false),
        toml::Value::Integer(number) => (number.to_string(), true),
        toml::Value::Float(number) => (number.to_string(), true),
        toml::Value::Boolean(flag) => (flag.to_string(), true),
        _ => return None,
    };
    Some(Scalar { text, plain })
}

/// Returns the place of one character at a byte of a text.
fn place(text: &str, at: usize) -> Span {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |index| index + 1);
    let column = before.get(start..).unwrap_or_default().chars().count() + 1;
    Span { line, column, len: 1 }
}
