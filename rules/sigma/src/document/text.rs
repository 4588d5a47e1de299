//! Texts of a document: one value or a list of them.

use crate::codes;
use crate::report::Reporter;
use crate::yaml::{Kind, Node};

/// The longest `title`, `name` or `id`, in characters.
///
/// Spec: Sigma rules specification 2.1, "Title".
const SHORT_TEXT_MAX: usize = 256;
/// The longest other text, in characters.
///
/// Spec: Sigma rules specification 2.1, "Description".
const LONG_TEXT_MAX: usize = 65_535;

/// Returns the text of a key; `None` when it is absent or null, or reported as something else.
pub(crate) fn text(map: &Node, name: &str, report: &mut Reporter<'_>) -> Option<String> {
    let node = map.get(name)?;
    if matches!(&node.kind, Kind::Scalar(scalar) if scalar.is_null()) {
        if matches!(name, "title" | "id" | "level") {
            report.error(codes::WRONG_TYPE, node.span, format!("'{name}' is empty"));
        }
        return None;
    }
    let text = scalar_text(node, name, report)?;
    let bound = match name {
        "title" | "id" | "name" => SHORT_TEXT_MAX,
        _ => LONG_TEXT_MAX,
    };
    // Bytes are no fewer than characters, and quicker to count.
    if text.len() > bound && text.chars().count() > bound {
        let message = format!("'{name}' has more than {bound} characters");
        report.error(codes::WRONG_TYPE, node.span, message);
        return None;
    }
    Some(text)
}

pub(crate) fn scalar_text(node: &Node, name: &str, report: &mut Reporter<'_>) -> Option<String> {
    match &node.kind {
        Kind::Scalar(scalar) => Some(scalar.text.clone()),
        Kind::List(_) | Kind::Map(_) => {
            let message = format!("'{name}' must be text, not {}", node.kind_name());
            report.error(codes::WRONG_TYPE, node.span, message);
            None
        }
    }
}

/// Returns the texts of a key that may hold one or a list.
pub(crate) fn texts(map: &Node, name: &str, report: &mut Reporter<'_>) -> Vec<String> {
    match map.get(name).map(|node| (&node.kind, node)) {
        None => Vec::new(),
        Some((Kind::List(nodes), _)) => {
            let mut texts = Vec::with_capacity(nodes.len());
            texts.extend(nodes.iter().filter_map(|node| scalar_text(node, name, report)));
            texts
        }
        Some((Kind::Scalar(scalar), _)) if scalar.is_null() => Vec::new(),
        Some((_, node)) => scalar_text(node, name, report).into_iter().collect(),
    }
}
