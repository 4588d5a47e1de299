//! Correlations: rules over the hits of other rules.

use std::sync::Arc;
use std::time::Duration;

use rules_event::Level;

use crate::Custom;

mod read;

pub(crate) use read::{parse_timespan, read};

/// A rule over the hits of other rules.
///
/// Spec: Sigma correlation rules specification 2.1.
#[derive(Debug, Clone)]
pub struct Correlation {
    /// The `id`; without one the `name`, or else the file name without the ending.
    pub id: String,
    /// The `name` by which other correlations may refer to it.
    pub name: Option<String>,
    /// The `title`.
    pub title: String,
    /// The `description`, empty when absent.
    pub description: String,
    /// The `status` word, empty when absent.
    pub status: String,
    /// The `level`; `medium` when absent.
    pub level: Level,
    /// The `tags`, as written.
    pub tags: Vec<String>,
    /// Known harmless causes.
    pub falsepositives: Vec<String>,
    /// Our additions under `custom.vonglau`.
    pub custom: Custom,
    /// What is counted.
    pub kind: CorrelationKind,
    /// Ids or names of the rules referred to, at least one; order matters for `temporal_ordered`.
    pub rules: Vec<String>,
    /// Fields (as written: ECS or alias names) whose equal values put hits into one group.
    pub group_by: Vec<String>,
    /// The length of the window, more than zero, at most 31 days.
    pub timespan: Duration,
    /// When it fires. For `temporal` kinds without a condition: as many as there are rules.
    pub condition: Threshold,
    /// The field whose distinct values `value_count` counts.
    pub field: Option<String>,
    /// Names that stand for a different field in each rule.
    pub aliases: Vec<Alias>,
    /// True when the rules referred to also alert by themselves.
    pub generate: bool,
    /// The name its file was given.
    pub file: String,
    /// Line of the document's first key, from 1.
    pub line: usize,
    /// The text of the whole file, from which identities are computed.
    pub source: Arc<str>,
}

impl Correlation {
    /// Returns the ATT&CK techniques of its tags: `T1110.001` from `attack.t1110.001`.
    #[must_use]
    pub fn techniques(&self) -> Vec<String> {
        crate::rule::techniques(&self.tags)
    }
}

/// What a correlation counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CorrelationKind {
    /// Hits.
    EventCount,
    /// Distinct values of a field.
    ValueCount,
    /// Distinct rules that hit, in any order.
    Temporal,
    /// Distinct rules that hit, in the order listed.
    TemporalOrdered,
}

impl CorrelationKind {
    /// Returns the Sigma word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EventCount => "event_count",
            Self::ValueCount => "value_count",
            Self::Temporal => "temporal",
            Self::TemporalOrdered => "temporal_ordered",
        }
    }
}

/// A bound on a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Threshold {
    /// How the count is compared.
    pub op: Comparison,
    /// With what.
    pub value: u64,
}

impl Threshold {
    /// Says whether a count satisfies the bound.
    #[must_use]
    pub fn holds(self, count: u64) -> bool {
        match self.op {
            Comparison::Gte => count >= self.value,
            Comparison::Gt => count > self.value,
            Comparison::Lte => count <= self.value,
            Comparison::Lt => count < self.value,
            Comparison::Eq => count == self.value,
        }
    }
}

/// How two numbers are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// At least.
    Gte,
    /// More than.
    Gt,
    /// At most.
    Lte,
    /// Less than.
    Lt,
    /// Exactly.
    Eq,
}

impl Comparison {
    /// Returns the sign, such as `>=`.
    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Self::Gte => ">=",
            Self::Gt => ">",
            Self::Lte => "<=",
            Self::Lt => "<",
            Self::Eq => "=",
        }
    }
}

/// A name that stands for a different field in each rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// The name used in `group-by`.
    pub name: String,
    /// Rule id or name, and the field it stands for there.
    pub fields: Vec<(String, String)>,
}
