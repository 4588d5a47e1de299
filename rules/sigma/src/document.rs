//! Documents: from a YAML tree to a rule or a correlation.

use std::str::FromStr;
use std::sync::Arc;

use rules_event::Level;

use crate::report::{Reporter, did_you_mean, nearest};
use crate::yaml::{Kind, Node, Source};
use crate::{Custom, Document, Logsource, Rule, Span, codes, correlation, detection};

/// The longest `title`, `name` or `id`, in characters.
const SHORT_TEXT_MAX: usize = 512;

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
    "version",
];

const STATUSES: &[&str] = &["stable", "test", "experimental", "deprecated", "unsupported"];

/// What rules and correlations have in common.
pub(crate) struct Meta {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) status: String,
    pub(crate) level: Level,
    pub(crate) tags: Vec<String>,
    pub(crate) falsepositives: Vec<String>,
    pub(crate) references: Vec<String>,
    pub(crate) author: String,
    pub(crate) custom: Custom,
    pub(crate) line: usize,
    pub(crate) source: Arc<str>,
}

/// Reads one document; `number` counts the documents of the file from 0.
pub(crate) fn read(
    source: &Source,
    number: usize,
    text: &Arc<str>,
    report: &mut Reporter<'_>,
) -> Option<Document> {
    let errors = report.errors();
    let root = &source.root;
    let Kind::Map(entries) = &root.kind else {
        let message = format!("a rule must be a map of keys, not {}", root.kind_name());
        report.error(codes::NOT_A_RULE, root.span, message);
        return None;
    };
    for (key, _) in entries {
        if !KEYS.contains(&key.text.as_str())
            && let Some(near) = nearest(&key.text, KEYS.iter().copied())
        {
            let message = format!("'{}' is not a key of Sigma", key.text);
            let help = format!("did you mean '{near}'?");
            report.warning(codes::MISSPELT_KEY, key.span, message, help);
        }
    }
    let start = entries.first().map_or(root.span, |(key, _)| key.span);
    if let Some((key, _)) =
        entries.iter().find(|(key, _)| matches!(key.text.as_str(), "filter" | "action"))
    {
        let message = format!("documents with '{}' are not supported yet", key.text);
        let help = match key.text.as_str() {
            "filter" => "exclude the harmless cases in the rule itself: 'selection and not filter'",
            _ => "write every rule out in full",
        };
        report.error_help(codes::DOCUMENT_UNSUPPORTED, key.span, message, help);
        return None;
    }
    let meta = read_meta(root, start, number, text, report);
    let document = if let Some(node) = root.get("correlation") {
        let body = correlation::read(node, report);
        meta.zip(body).map(|(meta, body)| Document::Correlation(body.with(meta, report.file())))
    } else {
        let logsource = read_logsource(root, start, report);
        let detection = match root.get("detection") {
            Some(node) => detection::read(node, report),
            None => {
                let help = "a rule needs 'detection', a correlation needs 'correlation'";
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
        custom: meta.custom,
        file: file.to_owned(),
        line: meta.line,
        source: meta.source,
    }
}

fn read_meta(
    root: &Node,
    start: Span,
    number: usize,
    source: &Arc<str>,
    report: &mut Reporter<'_>,
) -> Option<Meta> {
    let title = text(root, "title", report);
    if title.is_none() && root.get("title").is_none() {
        report.error(codes::MISSING_KEY, start, "the rule has no title");
    }
    let name = text(root, "name", report);
    let id = read_id(root, name.as_deref(), start, number, report);
    let level = match root.get("level") {
        Some(node) => read_level(node, report)?,
        None => {
            let message = "the rule has no level; it is taken as medium";
            report.warning(codes::NO_IDENTITY, start, message, "add 'level: medium'");
            Level::Medium
        }
    };
    let status = text(root, "status", report).unwrap_or_default();
    if let Some(node) = root.get("status")
        && !STATUSES.contains(&status.as_str())
    {
        let help = did_you_mean(&status, STATUSES.iter().copied(), || {
            format!("one of {}", STATUSES.join(", "))
        });
        let message = format!("unknown status '{status}'");
        report.warning(codes::UNKNOWN_STATUS, node.span, message, help);
    }
    if let Some(node) = root.get("taxonomy")
        && text(root, "taxonomy", report).is_some_and(|name| name != "sigma")
    {
        let message = "a taxonomy other than 'sigma' is not supported yet";
        let help = "leave it out: ECS field names are understood beside those of Sigma";
        report.error_help(codes::DOCUMENT_UNSUPPORTED, node.span, message, help);
    }
    Some(Meta {
        id,
        name,
        title: title?,
        description: text(root, "description", report).unwrap_or_default(),
        status,
        level,
        tags: read_tags(root, report),
        falsepositives: texts(root, "falsepositives", report),
        references: texts(root, "references", report),
        author: text(root, "author", report).unwrap_or_default(),
        custom: read_custom(root, report),
        line: start.line,
        source: Arc::clone(source),
    })
}

fn read_id(
    root: &Node,
    name: Option<&str>,
    start: Span,
    number: usize,
    report: &mut Reporter<'_>,
) -> String {
    if let Some(id) = text(root, "id", report) {
        if !is_uuid(&id) {
            let message = format!("the id '{id}' is not a UUID");
            let help = "make one with 'uuidgen'; it must never change afterwards";
            let span = root.get("id").map_or(start, |node| node.span);
            report.warning(codes::NO_IDENTITY, span, message, help);
        }
        return id;
    }
    if root.get("id").is_none() {
        let message = "the rule has no id";
        let help = "make one with 'uuidgen': alerts, incidents and correlations refer to it";
        report.warning(codes::NO_IDENTITY, start, message, help);
    }
    if let Some(name) = name {
        return name.to_owned();
    }
    let file = report.file().rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    if number == 0 { stem.to_owned() } else { format!("{stem}#{number}") }
}

fn is_uuid(id: &str) -> bool {
    let mut groups = id.split('-');
    [8, 4, 4, 4, 12].iter().all(|len| {
        groups.next().is_some_and(|group| {
            group.len() == *len && group.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
    }) && groups.next().is_none()
}

fn read_level(node: &Node, report: &mut Reporter<'_>) -> Option<Level> {
    let word = scalar_text(node, "level", report)?;
    if let Ok(level) = Level::from_str(&word) {
        return Some(level);
    }
    let words = Level::ALL.map(Level::as_str);
    let help = did_you_mean(&word, words, || format!("one of {}", words.join(", ")));
    report.error_help(codes::UNKNOWN_LEVEL, node.span, format!("unknown level '{word}'"), help);
    None
}

fn read_tags(root: &Node, report: &mut Reporter<'_>) -> Vec<String> {
    let tags = texts(root, "tags", report);
    let Some(Kind::List(nodes)) = root.get("tags").map(|node| &node.kind) else { return tags };
    for node in nodes {
        let Kind::Scalar(scalar) = &node.kind else { continue };
        if !scalar.text.split_once('.').is_some_and(|(space, name)| {
            !space.is_empty() && !name.is_empty() && !scalar.text.contains(char::is_whitespace)
        }) {
            let message = format!("the tag '{}' is not of the form namespace.name", scalar.text);
            let help = "for example attack.t1110.001 or cve.2024-3094";
            report.warning(codes::BAD_TAG, node.span, message, help);
        }
    }
    tags
}

fn read_logsource(root: &Node, start: Span, report: &mut Reporter<'_>) -> Option<Logsource> {
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
    for (key, _) in entries {
        if !PARTS.contains(&key.text.as_str())
            && let Some(near) = nearest(&key.text, PARTS)
        {
            let message = format!("'{}' is not a key of logsource", key.text);
            let help = format!("did you mean '{near}'?");
            report.warning(codes::MISSPELT_KEY, key.span, message, help);
        }
    }
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

/// Reads `custom.vonglau`; mistakes in it are warnings, as they do not change what is detected.
fn read_custom(root: &Node, report: &mut Reporter<'_>) -> Custom {
    const PARTS: [&str; 9] = [
        "title_vi",
        "description_vi",
        "runbook_vi",
        "runbook_en",
        "incident_type",
        "attack_version",
        "forward",
        "quarantine",
        "detection",
    ];
    let mut custom = Custom::default();
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
            other => {
                let help =
                    did_you_mean(other, PARTS, || format!("known keys: {}", PARTS.join(", ")));
                let message = format!("'{other}' is not a key of custom.vonglau");
                report.warning(codes::BAD_CUSTOM, key.span, message, help);
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
    if matches!(name, "title" | "id" | "name") && text.chars().count() > SHORT_TEXT_MAX {
        let message = format!("'{name}' has more than {SHORT_TEXT_MAX} characters");
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
            nodes.iter().filter_map(|node| scalar_text(node, name, report)).collect()
        }
        Some((Kind::Scalar(scalar), _)) if scalar.is_null() => Vec::new(),
        Some((_, node)) => scalar_text(node, name, report).into_iter().collect(),
    }
}
