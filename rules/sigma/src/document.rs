//! Documents: from a YAML tree to a rule, a correlation or a filter.

use std::str::FromStr;

use rules_event::Level;

use crate::placeholders::Placeholders;
use crate::report::{Reporter, nearest};
use crate::yaml::{Key, Kind, Node, Source};
use crate::{Document, Logsource, Rule, Severity, codes, correlation, detection, filter};

mod custom;
mod dates;
mod logsource;
mod meta;
mod tags;
mod text;

pub(crate) use meta::{Meta, Place};
pub(crate) use text::{scalar_text, text, texts};

/// Keys of the specification, by which misspelt ones are found. Others are allowed.
const KEYS: &[&str] = &[
    "action",
    "author",
    "correlation",
    "custom",
    "date",
    "description",
    "detection",
    "falsepositives",
    "fields",
    "filter",
    "id",
    "level",
    "license",
    "logsource",
    "modified",
    "name",
    "references",
    "related",
    "scope",
    "status",
    "tags",
    "taxonomy",
    "title",
];

/// Reads one document; `number` counts the documents of the file from 0.
pub(crate) fn read(
    source: &Source,
    number: usize,
    text: &std::sync::Arc<str>,
    lists: &Placeholders,
    report: &mut Reporter<'_>,
) -> Option<Document> {
    let errors = report.errors();
    let root = &source.root;
    let Kind::Map(entries) = &root.kind else {
        let message = format!("a rule must be a map of keys, not {}", root.kind_name());
        report.error(codes::NOT_A_RULE, root.span, message);
        return None;
    };
    check_keys("Sigma", entries, KEYS, report);
    let start = entries.first().map_or(root.span, |(key, _)| key.span);
    let filter = root.get("filter").filter(|_| root.get("detection").is_none());
    let place = Place { number, text, start, filter: filter.is_some() };
    let meta = meta::read(root, &place, report);
    let document = if let Some(node) = root.get("correlation") {
        let body = correlation::read(node, report);
        meta.zip(body).map(|(meta, body)| Document::Correlation(body.with(meta, report.file())))
    } else if let Some(node) = filter {
        let logsource = logsource::read(root, start, report);
        let body = filter::read(node, lists, report);
        meta.zip(logsource)
            .zip(body)
            .map(|((meta, logsource), body)| body.with(meta, logsource, report.file()))
            .map(Document::Filter)
    } else {
        let logsource = logsource::read(root, start, report);
        let detection = match root.get("detection") {
            Some(node) => detection::read(node, false, lists, report),
            None => {
                let help =
                    "a rule needs 'detection', a correlation 'correlation', a filter 'filter'";
                let message = "the document has neither detection nor correlation";
                report.error_help(codes::MISSING_KEY, start, message, help);
                None
            }
        };
        meta.zip(logsource).zip(detection).map(|((meta, logsource), detection)| {
            Document::Rule(rule(meta, logsource, detection, report.file()))
        })
    };
    document.filter(|_| source.sound && report.errors() == errors)
}

/// Warns of keys that are none of the known ones, but nearly.
fn check_keys(of: &str, entries: &[(Key, Node)], known: &[&str], report: &mut Reporter<'_>) {
    for (key, node) in entries.iter().filter(|(key, _)| !known.contains(&key.text.as_str())) {
        let Some(near) = nearest(&key.text, known.iter().copied()) else { continue };
        let what = (Severity::Warning, codes::MISSPELT_KEY, key.span);
        let message = format!("'{}' is not a key of {of}", key.text);
        if fits(near, node, entries) {
            report.unknown_word(what, &key.text, message, known, String::new);
        } else {
            let help = format!("did you mean '{near}'?");
            report.warning(codes::MISSPELT_KEY, key.span, message, help);
        }
    }
}

/// Says whether a value may safely be put under a key: the key is not there yet, and the document is
/// not refused for it, nor becomes another kind of document.
fn fits(name: &str, node: &Node, entries: &[(Key, Node)]) -> bool {
    let there = |name: &str| entries.iter().any(|(key, _)| key.text == name);
    let scalar = match &node.kind {
        Kind::Scalar(scalar) if !scalar.is_null() => Some(scalar.text.as_str()),
        _ => None,
    };
    !there(name)
        && match name {
            "action" | "taxonomy" => false,
            "detection" | "correlation" | "filter" => {
                !there("detection") && !there("correlation") && !there("filter")
            }
            "level" => scalar.is_some_and(|word| Level::from_str(word).is_ok()),
            "custom" | "logsource" => matches!(node.kind, Kind::Map(_)),
            "related" => matches!(node.kind, Kind::List(_)),
            "falsepositives" | "fields" | "references" | "scope" | "tags" => match &node.kind {
                Kind::List(nodes) => nodes.iter().all(|it| matches!(it.kind, Kind::Scalar(_))),
                Kind::Scalar(_) => true,
                Kind::Map(_) => false,
            },
            _ => scalar.is_some(),
        }
}

fn rule(meta: Meta, logsource: Logsource, detection: crate::Detection, file: &str) -> Rule {
    Rule {
        id: meta.id,
        name: meta.name,
        title: meta.title,
        description: meta.description,
        status: meta.status,
        level: meta.level,
        logsource,
        detection,
        tags: meta.tags,
        falsepositives: meta.falsepositives,
        references: meta.references,
        author: meta.author,
        details: meta.details,
        filters: Vec::new(),
        custom: meta.custom,
        file: file.to_owned(),
        line: meta.line,
        source: meta.source,
    }
}
