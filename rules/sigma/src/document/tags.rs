//! Tags: their form, and spellings of older rules.

use super::texts;
use crate::codes;
use crate::report::Reporter;
use crate::yaml::{Kind, Node};

/// Reads `tags`.
///
/// Spec: Sigma rules specification 2.1, "Tags", and appendix "tags" 2.1.
pub(super) fn read(root: &Node, report: &mut Reporter<'_>) -> Vec<String> {
    let tags = texts(root, "tags", report);
    let Some(Kind::List(nodes)) = root.get("tags").map(|node| &node.kind) else { return tags };
    for node in nodes {
        let Kind::Scalar(scalar) = &node.kind else { continue };
        let tag = scalar.text.as_str();
        if is_tag(tag) {
            if let Some(newer) = newer(tag) {
                let message = format!("the tag '{tag}' is spelt as before Sigma 2.0");
                let help = format!("write '{newer}'");
                report.warning(codes::BAD_TAG, node.span, message, help);
                report.repair(node.span, tag, &newer);
            }
            continue;
        }
        let message = format!("the tag '{tag}' is not of the form namespace.name");
        let lower = tag.to_lowercase();
        let help = match is_tag(&lower) {
            true => "write it in lower case",
            false => "for example attack.t1110.001 or cve.2024-3094",
        };
        report.warning(codes::BAD_TAG, node.span, message, help);
        if is_tag(&lower) {
            report.repair(node.span, tag, &lower);
        }
    }
    tags
}

/// Says whether a tag has the form of the schema: `^[a-z0-9_-]+\.[a-z0-9._-]+$`.
fn is_tag(tag: &str) -> bool {
    let fits = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    tag.split_once('.').is_some_and(|(space, name)| {
        !space.is_empty()
            && !name.is_empty()
            && space.bytes().all(fits)
            && name.bytes().all(|byte| fits(byte) || byte == b'.')
    })
}

/// Returns the spelling of a tag since Sigma 2.0, where it is another: dashes, no underscores, and in
/// `cve` no further dots.
///
/// Spec: changes of version 2.0, "Tags Field".
fn newer(tag: &str) -> Option<String> {
    let (space, name) = tag.split_once('.')?;
    let newer = match space {
        "attack" | "detection" => name.replace('_', "-"),
        "cve" => name.replace(['_', '.'], "-"),
        _ => return None,
    };
    (newer != name).then(|| format!("{space}.{newer}"))
}
