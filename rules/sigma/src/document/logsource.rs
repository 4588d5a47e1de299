//! The logsource: where a rule's events come from.

use super::text;
use crate::report::Reporter;
use crate::yaml::{Kind, Node};
use crate::{Logsource, Span, codes};

/// Reads `logsource`, which every rule and filter needs.
///
/// Spec: Sigma rules specification 2.1, "LogSource".
pub(super) fn read(root: &Node, start: Span, report: &mut Reporter<'_>) -> Option<Logsource> {
    let Some(node) = root.get("logsource") else {
        let help = "say where the events come from, for example 'product: linux', 'service: sshd'";
        report.error_help(codes::MISSING_KEY, start, "the rule has no logsource", help);
        return None;
    };
    let Kind::Map(entries) = &node.kind else {
        let message = format!("'logsource' must be a map, not {}", node.kind_name());
        report.error(codes::WRONG_TYPE, node.span, message);
        return None;
    };
    const PARTS: [&str; 4] = ["category", "product", "service", "definition"];
    super::check_keys("logsource", entries, &PARTS, report);
    let mut part = |name| text(node, name, report).map(|word: String| word.to_lowercase());
    let (category, product, service) = (part("category"), part("product"), part("service"));
    if category.is_none() && product.is_none() && service.is_none() {
        let message = "the logsource names no category, product or service";
        let help = "without one the rule would be tried on every event";
        report.error_help(codes::EMPTY_LOGSOURCE, node.span, message, help);
    }
    let span = entries.first().map_or(node.span, |(key, _)| key.span);
    Some(Logsource { category, product, service, span })
}
