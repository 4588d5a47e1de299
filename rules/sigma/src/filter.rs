//! Filters: exclusions kept apart from the rules they tune.
//!
//! [`apply_filters`] folds them into the rules, so that no later stage knows of them.
//!
//! Spec: Sigma filters specification 2.1; `rules: any` is of 2.2 and pySigma.

use std::collections::HashSet;
use std::sync::Arc;

use crate::document::{Meta, texts};
use crate::placeholders::Placeholders;
use crate::report::{Reporter, did_you_mean};
use crate::yaml::Node;
use crate::{
    Condition, Detection, Diagnostic, Document, Logsource, Rule, Search, Severity, Span, codes,
    detection,
};

/// Rules one filter may name.
const RULES_MAX: usize = 5_000;
/// Filters that may tune one rule.
const FILTERS_MAX: usize = 100;

/// An exclusion for several rules: each of them holds only where the filter's condition does too.
#[derive(Debug, Clone)]
pub struct Filter {
    /// The `id`; without one its `name`, or else the file name without the ending.
    pub id: String,
    /// The `title`.
    pub title: String,
    /// The `description`, empty when absent.
    pub description: String,
    /// Only rules of this logsource are tuned.
    pub logsource: Logsource,
    /// Which of them.
    pub targets: FilterTargets,
    /// Its searches and condition; mostly `not selection`.
    pub detection: Detection,
    /// The name its file was given.
    pub file: String,
    /// Line of the document's first key, from 1.
    pub line: usize,
    /// The text of the whole file, from which identities are computed.
    pub source: Arc<str>,
}

/// Which rules a filter tunes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilterTargets {
    /// All of its logsource (`rules: any`).
    Any,
    /// Those of these ids or names, with the place of each.
    Named(Vec<(String, Span)>),
}

/// The `filter` section.
pub(crate) struct Section {
    targets: FilterTargets,
    detection: Detection,
}

impl Section {
    pub(crate) fn with(self, meta: Meta, logsource: Logsource, file: &str) -> Filter {
        Filter {
            id: meta.id,
            title: meta.title,
            description: meta.description,
            logsource,
            targets: self.targets,
            detection: self.detection,
            file: file.to_owned(),
            line: meta.line,
            source: meta.source,
        }
    }
}

/// Reads the `filter` section; `None` when something was reported.
pub(crate) fn read(
    node: &Node,
    lists: &Placeholders,
    report: &mut Reporter<'_>,
) -> Option<Section> {
    let detection = detection::read(node, true, lists, report);
    const HELP: &str = "list ids or names of rules, or write 'rules: any'";
    let Some(place) = node.get("rules") else {
        let message = "the filter does not say which rules it tunes";
        report.error_help(codes::MISSING_KEY, node.span, message, HELP);
        return None;
    };
    let names = texts(node, "rules", report);
    let targets = match names.as_slice() {
        // `all` is what pySigma also takes.
        [word] if matches!(word.to_ascii_lowercase().as_str(), "any" | "all") => FilterTargets::Any,
        [] => {
            report.error_help(codes::MISSING_KEY, place.span, "the filter names no rule", HELP);
            return None;
        }
        names if names.len() > RULES_MAX => {
            let message = format!("the filter names more than {RULES_MAX} rules");
            report.error_help(codes::DETECTION_BOUNDS, place.span, message, "write 'rules: any'");
            return None;
        }
        names => {
            let spans = place.elements().map(|node| node.span);
            FilterTargets::Named(names.iter().cloned().zip(spans).collect())
        }
    };
    let detection = detection?;
    if !negates(&detection.condition) {
        let span = node.get("condition").map_or(node.span, |node| node.span);
        let message = "the filter keeps only what its condition holds for";
        let help =
            "a rule then needs both conditions; to leave something out write 'not selection'";
        report.warning(codes::FILTER_WITHOUT_NOT, span, message, help);
    }
    Some(Section { targets, detection })
}

fn negates(condition: &Condition) -> bool {
    match condition {
        Condition::Not(_) => true,
        Condition::And(parts) | Condition::Or(parts) => parts.iter().any(negates),
        Condition::Search(_) | Condition::Of { .. } => false,
    }
}

/// Folds filters into the rules they tune, and says which of them miss their rules.
///
/// A filter never takes a rule out: what goes wrong is a warning, and the rule stays as it was.
pub fn apply_filters(rules: &mut [Rule], filters: &[Filter]) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    for (number, filter) in filters.iter().enumerate() {
        let mut tuned: HashSet<&str> = HashSet::new();
        let mut elsewhere: HashSet<&str> = HashSet::new();
        for rule in rules.iter_mut() {
            let named = match &filter.targets {
                FilterTargets::Any => None,
                FilterTargets::Named(names) => {
                    let name = names.iter().find(|(name, _)| rule.is_called(name));
                    let Some((name, _)) = name else { continue };
                    Some(name.as_str())
                }
            };
            if filter.logsource.admits(&rule.logsource) {
                fold(rule, filter, number, &mut diagnostics);
                tuned.extend(named);
            } else {
                elsewhere.extend(named);
            }
        }
        let FilterTargets::Named(names) = &filter.targets else { continue };
        for (name, span) in names.iter().filter(|(name, _)| !tuned.contains(name.as_str())) {
            if elsewhere.contains(name.as_str()) {
                let message = format!("'{name}' is of another logsource than this filter");
                let help = "a filter tunes rules of its own logsource; leave out parts of it";
                diagnostics.push(filter.diagnose(codes::FILTER_LOGSOURCE, *span, message, help));
                continue;
            }
            let known = rules.iter().flat_map(|rule| rule.name.as_deref());
            let help = did_you_mean(name, known, || {
                "name the id or the 'name' of a rule that is loaded along with it".to_owned()
            });
            let message = format!("the filter names '{name}', which was not loaded");
            diagnostics.push(filter.diagnose(codes::UNKNOWN_FILTERED, *span, message, help));
        }
    }
    diagnostics
}

/// Joins the condition of a filter to that of a rule by `and`.
fn fold(rule: &mut Rule, filter: &Filter, number: usize, diagnostics: &mut Vec<Diagnostic>) {
    if rule.filters.len() >= FILTERS_MAX {
        let message = format!("more than {FILTERS_MAX} filters tune the rule '{}'", rule.title);
        let (span, help) = (filter.logsource.span, "write its exclusions into the rule");
        diagnostics.push(filter.diagnose(codes::DETECTION_BOUNDS, span, message, help));
        return;
    }
    let detection = &mut rule.detection;
    let before = detection.searches.len();
    detection.searches.extend(filter.detection.searches.iter().map(|search| Search {
        // An underscore keeps it out of `them` if the rule is ever printed and read again.
        name: format!("_filter_{number}_{}", search.name),
        body: search.body.clone(),
        // Its place is in another file than the rule's.
        span: Span::default(),
    }));
    let mut condition = filter.detection.condition.clone();
    shift(&mut condition, before);
    let own = std::mem::replace(&mut detection.condition, Condition::And(Vec::new()));
    detection.condition = Condition::And(vec![own, condition]);
    detection.tuning.push(Arc::clone(&filter.source));
    detection.tuning.extend(filter.detection.tuning.iter().cloned());
    rule.filters.push(filter.id.clone());
}

/// Makes a condition speak of the searches from `by` on.
fn shift(condition: &mut Condition, by: usize) {
    match condition {
        Condition::Search(index) => *index += by,
        Condition::And(parts) | Condition::Or(parts) => {
            parts.iter_mut().for_each(|part| shift(part, by));
        }
        Condition::Not(part) => shift(part, by),
        Condition::Of { searches, .. } => searches.iter_mut().for_each(|index| *index += by),
    }
}

impl Filter {
    fn diagnose(
        &self,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Diagnostic {
        Diagnostic::in_text(&self.file, &self.source, code, Severity::Warning, span)
            .saying(message, help)
    }
}

impl Document {
    /// Returns the rule, if it is one.
    #[must_use]
    pub fn into_rule(self) -> Option<Rule> {
        match self {
            Self::Rule(rule) => Some(rule),
            Self::Correlation(_) | Self::Filter(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
