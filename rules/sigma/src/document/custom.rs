//! Our additions: the map `vonglau` under the top-level key `custom`.

use std::time::Duration;

use super::{scalar_text, texts};
use crate::report::{Reporter, nearest};
use crate::yaml::{Kind, Node};
use crate::{Custom, Severity, Suppress, codes, timespan};

/// The keys of `custom.vonglau`.
const PARTS: [&str; 11] = [
    "attack_aliases",
    "attack_version",
    "description_vi",
    "detection",
    "forward",
    "incident_type",
    "quarantine",
    "runbook_en",
    "runbook_vi",
    "suppress",
    "title_vi",
];

/// The longest suppression: 7 days. What is quiet for longer is forgotten.
const SUPPRESS_MAX: Duration = Duration::from_secs(7 * 86_400);
/// Fields whose equal values make two alerts one.
const SUPPRESS_BY_MAX: usize = 5;
/// Old ATT&CK ids of one rule.
const ALIASES_MAX: usize = 20;

/// Reads `custom.vonglau`; mistakes in it are warnings, as they do not change what is detected.
pub(super) fn read(root: &Node, report: &mut Reporter<'_>) -> Custom {
    let mut custom = Custom::default();
    let theirs = root.get("custom").map(|node| &node.kind);
    if let Some(Kind::Map(entries)) = theirs
        && entries.iter().all(|(key, _)| key.text != "vonglau")
        && let Some((key, _)) =
            entries.iter().find(|(key, _)| nearest(&key.text, ["vonglau"]).is_some())
    {
        let what = (Severity::Warning, codes::BAD_CUSTOM, key.span);
        let message = format!("'{}' is not our part of custom", key.text);
        report.unknown_word(what, &key.text, message, &["vonglau"], String::new);
    }
    let Some(node) = root.get("custom").and_then(|custom| custom.get("vonglau")) else {
        return custom;
    };
    let Kind::Map(entries) = &node.kind else {
        report.error(codes::WRONG_TYPE, node.span, "'custom.vonglau' must be a map");
        return custom;
    };
    for (key, value) in entries {
        let slot = match key.text.as_str() {
            "title_vi" => &mut custom.title_vi,
            "description_vi" => &mut custom.description_vi,
            "runbook_vi" => &mut custom.runbook_vi,
            "runbook_en" => &mut custom.runbook_en,
            "incident_type" => &mut custom.incident_type,
            "attack_version" => &mut custom.attack_version,
            "forward" => &mut custom.forward,
            "quarantine" => {
                let word = scalar_text(value, "quarantine", report).unwrap_or_default();
                custom.quarantine = word == "true";
                if !matches!(word.as_str(), "true" | "false") {
                    let message = format!("'quarantine' must be true or false, not '{word}'");
                    report.warning(codes::BAD_CUSTOM, value.span, message, "write true or false");
                }
                continue;
            }
            "detection" => {
                custom.detection = read_numbers(node, report);
                continue;
            }
            "suppress" => {
                custom.suppress = read_suppress(value, report);
                continue;
            }
            "attack_aliases" => {
                custom.attack_aliases = read_aliases(value, node, report);
                continue;
            }
            other => {
                let what = (Severity::Warning, codes::BAD_CUSTOM, key.span);
                let message = format!("'{other}' is not a key of custom.vonglau");
                report.unknown_word(what, other, message, &PARTS, || {
                    format!("known keys: {}", PARTS.join(", "))
                });
                continue;
            }
        };
        *slot = scalar_text(value, &key.text, report).map(|text| text.trim().to_owned());
    }
    if let Some(kind) = &custom.incident_type
        && !matches!(kind.as_bytes(), [b'N', b'1'..=b'9'])
    {
        let span = node.get("incident_type").map_or(node.span, |node| node.span);
        let message = format!("'{kind}' is not an incident type of the national form");
        report.warning(codes::BAD_CUSTOM, span, message, "write N1 to N9");
        custom.incident_type = None;
    }
    if let Some(word) = &custom.forward
        && !matches!(word.as_str(), "approve" | "never")
    {
        let span = node.get("forward").map_or(node.span, |node| node.span);
        let message = format!("'{word}' is not a way of forwarding");
        report.warning(codes::BAD_CUSTOM, span, message, "write approve or never");
        custom.forward = None;
    }
    custom
}

/// Reads `detection`: one number or a list, each from 1.
fn read_numbers(node: &Node, report: &mut Reporter<'_>) -> Vec<u16> {
    let mut numbers = Vec::new();
    for word in texts(node, "detection", report) {
        match word.parse() {
            Ok(number) if number > 0 => numbers.push(number),
            _ => {
                let span = node.get("detection").map_or(node.span, |node| node.span);
                let message = format!("'{word}' is not the number of a detection");
                report.warning(codes::BAD_CUSTOM, span, message, "write a number such as 13");
            }
        }
    }
    numbers
}

/// Reads `suppress`: `{ for: 1h, by: [source.ip] }`.
fn read_suppress(node: &Node, report: &mut Reporter<'_>) -> Option<Suppress> {
    const HELP: &str = "for example 'suppress: { for: 1h, by: [source.ip] }', at most 7d";
    let Kind::Map(entries) = &node.kind else {
        let message = format!("'suppress' must be a map, not {}", node.kind_name());
        report.warning(codes::BAD_CUSTOM, node.span, message, HELP);
        return None;
    };
    for (key, _) in entries.iter().filter(|(key, _)| !matches!(key.text.as_str(), "for" | "by")) {
        let message = format!("'{}' is not a key of suppress", key.text);
        report.warning(codes::BAD_CUSTOM, key.span, message, HELP);
    }
    let by = texts(node, "by", report);
    if by.len() > SUPPRESS_BY_MAX {
        let message = format!("'by' names more than {SUPPRESS_BY_MAX} fields");
        report.warning(codes::BAD_CUSTOM, node.span, message, HELP);
        return None;
    }
    let Some(place) = node.get("for") else {
        report.warning(codes::BAD_CUSTOM, node.span, "'suppress' does not say for how long", HELP);
        return None;
    };
    let text = scalar_text(place, "for", report)?;
    let span = crate::correlation::parse_timespan(&text).filter(|span| *span <= SUPPRESS_MAX);
    if span.is_none() {
        let message = format!("'{text}' is not a timespan of at most 7d");
        report.warning(codes::BAD_CUSTOM, place.span, message, HELP);
        if let Some(spelt) = timespan::respelt(&text) {
            report.repair(place.span, &text, &spelt);
        }
    }
    Some(Suppress { span: span?, by })
}

/// Reads `attack_aliases`: ids that earlier versions of ATT&CK had for the techniques of the tags.
fn read_aliases(node: &Node, map: &Node, report: &mut Reporter<'_>) -> Vec<String> {
    let mut ids = texts(map, "attack_aliases", report);
    let known = |id: &String| {
        let id = id.to_ascii_uppercase();
        let mut parts = id.strip_prefix('T').unwrap_or_default().split('.');
        let digits = |part: Option<&str>, len: usize| {
            part.is_some_and(|part| part.len() == len && part.bytes().all(|b| b.is_ascii_digit()))
        };
        let sub = parts.clone().nth(1);
        digits(parts.next(), 4) && (sub.is_none() || digits(sub, 3)) && parts.nth(1).is_none()
    };
    if let Some(wrong) = ids.iter().find(|id| !known(id)) {
        let message = format!("'{wrong}' is not the id of a technique");
        report.warning(codes::BAD_CUSTOM, node.span, message, "write it as T1110 or T1110.001");
    }
    ids.retain(known);
    if ids.len() > ALIASES_MAX {
        let message = format!("more than {ALIASES_MAX} aliases; the rest is left out");
        report.warning(codes::BAD_CUSTOM, node.span, message, "keep those that reports still name");
    }
    ids.truncate(ALIASES_MAX);
    ids.iter_mut().for_each(|id| id.make_ascii_uppercase());
    ids
}
