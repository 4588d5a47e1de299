//! What documents have in common: names, level, status, tags and the like.

use std::str::FromStr;
use std::sync::Arc;

use rules_event::Level;

use super::{custom, dates, scalar_text, tags, text, texts};
use crate::report::{Reporter, nearest};
use crate::yaml::Node;
use crate::{Custom, Details, Fix, Severity, Span, codes};

const STATUSES: [&str; 5] = ["stable", "test", "experimental", "deprecated", "unsupported"];

/// Field names that rules may speak in: those of Sigma, and ECS.
///
/// Spec: Sigma appendix "custom taxonomy" 1.0 defines `ecs`.
const TAXONOMIES: [&str; 2] = ["sigma", "ecs"];

/// What rules, correlations and filters have in common.
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
    pub(crate) details: Box<Details>,
    pub(crate) custom: Custom,
    pub(crate) line: usize,
    pub(crate) source: Arc<str>,
}

/// Which document of which text is read.
pub(crate) struct Place<'p> {
    /// Counts the documents of the file from 0.
    pub(crate) number: usize,
    /// The text of the whole file.
    pub(crate) text: &'p Arc<str>,
    /// Where the document starts.
    pub(crate) start: Span,
    /// Filters have no level, and need no id.
    pub(crate) filter: bool,
}

pub(super) fn read(root: &Node, place: &Place<'_>, report: &mut Reporter<'_>) -> Option<Meta> {
    let title = text(root, "title", report);
    if title.is_none() && root.get("title").is_none() {
        report.error(codes::MISSING_KEY, place.start, "the rule has no title");
    }
    let name = text(root, "name", report);
    let id = read_id(root, name.as_deref(), place, report);
    let level = match root.get("level") {
        Some(node) => read_level(node, report)?,
        None if place.filter => Level::Medium,
        None => missing_level(root, place.start, report),
    };
    let status = text(root, "status", report).unwrap_or_default();
    if let Some(node) = root.get("status")
        && !STATUSES.contains(&status.as_str())
    {
        let what = (Severity::Warning, codes::UNKNOWN_STATUS, node.span);
        let message = format!("unknown status '{status}'");
        let fallback = || format!("one of {}", STATUSES.join(", "));
        report.unknown_word(what, &status, message, &STATUSES, fallback);
    }
    check_taxonomy(root, report);
    Some(Meta {
        id,
        name,
        title: title?,
        description: text(root, "description", report).unwrap_or_default(),
        status,
        level,
        tags: tags::read(root, report),
        falsepositives: texts(root, "falsepositives", report),
        references: texts(root, "references", report),
        author: text(root, "author", report).unwrap_or_default(),
        details: Box::new(Details {
            license: text(root, "license", report).unwrap_or_default(),
            date: dates::read(root, "date", report),
            modified: dates::read(root, "modified", report),
            related: dates::read_related(root, report),
            fields: texts(root, "fields", report),
            scope: texts(root, "scope", report),
        }),
        custom: custom::read(root, report),
        line: place.start.line,
        source: Arc::clone(place.text),
    })
}

fn check_taxonomy(root: &Node, report: &mut Reporter<'_>) {
    let Some(node) = root.get("taxonomy") else { return };
    let Some(name) = text(root, "taxonomy", report) else { return };
    if TAXONOMIES.contains(&name.as_str()) {
        return;
    }
    let what = (Severity::Error, codes::TAXONOMY_UNSUPPORTED, node.span);
    let message = format!("the taxonomy '{name}' is not known");
    let help = || "known are 'sigma' and 'ecs': rewrite the fields, and leave it out".to_owned();
    report.unknown_word(what, &name, message, &TAXONOMIES, help);
}

fn missing_level(root: &Node, start: Span, report: &mut Reporter<'_>) -> Level {
    let message = "the rule has no level; it is taken as medium";
    report.warning(codes::NO_IDENTITY, start, message, "add 'level: medium'");
    // A misspelt one is there: correcting it is another fix.
    if root.keys().any(|key| nearest(&key.text, super::KEYS.iter().copied()) == Some("level")) {
        return Level::Medium;
    }
    let before = ["detection", "correlation"].into_iter().find_map(|name| root.key(name));
    if let Some(key) = before {
        let line = report.line(key.span.line);
        let indent: String = line.chars().take(key.span.column.saturating_sub(1)).collect();
        if indent.chars().all(|c| c == ' ') {
            let replacement = format!("level: medium{}{indent}", report.line_end());
            report.attach(Fix { span: Span { len: 0, ..key.span }, replacement });
        }
    }
    Level::Medium
}

fn read_id(
    root: &Node,
    name: Option<&str>,
    place: &Place<'_>,
    report: &mut Reporter<'_>,
) -> String {
    if let Some(id) = text(root, "id", report) {
        // A collection whose rules share an id tells them apart by '#2'.
        if !is_uuid(id.split('#').next().unwrap_or_default()) {
            let message = format!("the id '{id}' is not a UUID");
            let help = "make one with 'uuidgen'; it must never change afterwards";
            let span = root.get("id").map_or(place.start, |node| node.span);
            report.warning(codes::NO_IDENTITY, span, message, help);
        }
        return id;
    }
    if root.get("id").is_none() && !place.filter {
        let message = "the rule has no id";
        let help = "make one with 'uuidgen': alerts, incidents and correlations refer to it";
        report.warning(codes::NO_IDENTITY, place.start, message, help);
    }
    if let Some(name) = name {
        return name.to_owned();
    }
    let file = report.file().rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    if place.number == 0 { stem.to_owned() } else { format!("{stem}#{}", place.number) }
}

pub(super) fn is_uuid(id: &str) -> bool {
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
    let what = (Severity::Error, codes::UNKNOWN_LEVEL, node.span);
    let fallback = || format!("one of {}", words.join(", "));
    report.unknown_word(what, &word, format!("unknown level '{word}'"), &words, fallback);
    None
}
