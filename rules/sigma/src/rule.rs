//! Rules: a document with its metadata, where its events come from, and what it detects.

use std::sync::Arc;

use rules_event::Level;

use crate::{Correlation, Custom, Details, Detection, Diagnostic, Filter, Severity, Span};

/// What reading one file yields.
#[derive(Debug, Clone, Default)]
pub struct Parsed {
    /// The documents that were understood, in file order.
    pub documents: Vec<Document>,
    /// Everything that was found wrong, in file order.
    pub diagnostics: Vec<Diagnostic>,
}

/// One YAML document of a rule file.
#[derive(Debug, Clone)]
pub enum Document {
    /// A rule over single events.
    Rule(Rule),
    /// A rule over the hits of other rules.
    Correlation(Correlation),
    /// An exclusion for several rules.
    Filter(Filter),
}

/// A rule over single events.
///
/// Spec: Sigma rules specification 2.1.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The `id`; a rule without one gets its `name`, or else its file name without the ending.
    pub id: String,
    /// The `name` by which correlations may refer to it.
    pub name: Option<String>,
    /// The `title`.
    pub title: String,
    /// The `description`, empty when absent.
    pub description: String,
    /// The `status` word, empty when absent.
    pub status: String,
    /// The `level`; `medium` when absent.
    pub level: Level,
    /// Where its events come from.
    pub logsource: Logsource,
    /// What it looks for.
    pub detection: Detection,
    /// The `tags`, as written.
    pub tags: Vec<String>,
    /// Known harmless causes.
    pub falsepositives: Vec<String>,
    /// Links.
    pub references: Vec<String>,
    /// The `author`, empty when absent.
    pub author: String,
    /// What is seldom looked at.
    pub details: Box<Details>,
    /// Ids of the filters folded into its detection.
    pub filters: Vec<String>,
    /// Our additions under `custom.vonglau`.
    pub custom: Custom,
    /// The name its file was given.
    pub file: String,
    /// Line of the document's first key, from 1.
    pub line: usize,
    /// The text of the whole file, from which identities are computed.
    pub source: Arc<str>,
}

impl Rule {
    /// Returns the ATT&CK techniques of its tags: `T1110.001` from `attack.t1110.001`.
    #[must_use]
    pub fn techniques(&self) -> Vec<String> {
        techniques(&self.tags)
    }

    /// Says whether this is the rule of an id (case ignored) or name.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        self.id.eq_ignore_ascii_case(name) || self.name.as_deref() == Some(name)
    }

    /// Makes a diagnostic about a place in this rule, for whoever finds more than the language
    /// alone can tell.
    #[must_use]
    pub fn diagnose(
        &self,
        code: &'static str,
        severity: Severity,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Diagnostic {
        Diagnostic::in_text(&self.file, &self.source, code, severity, span).saying(message, help)
    }
}

/// Where a rule's events come from; a part that is absent puts no bound.
///
/// Spec: Sigma rules specification 2.1, "Log source".
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Logsource {
    /// Such as `webserver` or `process_creation`.
    pub category: Option<String>,
    /// Such as `linux` or `nginx`.
    pub product: Option<String>,
    /// Such as `sshd`.
    pub service: Option<String>,
    /// Place of its first key.
    pub span: Span,
}

impl Logsource {
    /// Says whether all events of `other` are events of this one: each part it has is the same
    /// there.
    #[must_use]
    pub fn admits(&self, other: &Self) -> bool {
        let fits =
            |mine: &Option<String>, theirs: &Option<String>| mine.is_none() || mine == theirs;
        fits(&self.category, &other.category)
            && fits(&self.product, &other.product)
            && fits(&self.service, &other.service)
    }
}

/// Returns the technique ids among tags, upper-cased, each once.
pub(crate) fn techniques(tags: &[String]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for tag in tags {
        let tag = tag.to_ascii_lowercase();
        let Some(id) = tag.strip_prefix("attack.") else { continue };
        let Some(digits) = id.strip_prefix('t') else { continue };
        if digits.starts_with(|c: char| c.is_ascii_digit())
            && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        {
            let id = id.to_ascii_uppercase();
            if !found.contains(&id) {
                found.push(id);
            }
        }
    }
    found
}
