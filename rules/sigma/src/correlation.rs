//! Correlations: rules over the hits of other rules.

use std::sync::Arc;
use std::time::Duration;

use rules_event::Level;
use serde::{Deserialize, Serialize};

use crate::{Custom, Span};

mod condition;
mod expression;
mod read;
mod references;

pub use expression::RuleExpression;
pub(crate) use read::{parse_timespan, read};
pub use references::check_references;

/// Rules one correlation may refer to: as many as a machine word has bits.
pub const CORRELATION_RULES_MAX: usize = 64;

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
    pub condition: CorrelationCondition,
    /// The fields whose distinct combinations `value_count` counts, or the one field whose numbers
    /// the other `value_` kinds look at.
    pub fields: Vec<String>,
    /// The percentile, 0 to 100, whose value `value_percentile` compares. Without one it compares
    /// how many percent of the hits have the value of the newest.
    pub percentile: Option<f64>,
    /// Names that stand for a different field in each rule.
    pub aliases: Vec<Alias>,
    /// True when the rules referred to also alert by themselves.
    pub generate: bool,
    /// The name its file was given.
    pub file: String,
    /// Line of the document's first key, from 1.
    pub line: usize,
    /// Where its parts stand.
    pub places: CorrelationPlaces,
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

/// Where the parts of a correlation stand, for diagnostics that other crates make.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CorrelationPlaces {
    /// Each entry of `rules`.
    pub rules: Vec<Span>,
    /// The `condition`; without one the `type`.
    pub condition: Span,
}

/// What a correlation counts or computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CorrelationKind {
    /// Hits.
    EventCount,
    /// Distinct values of a field, or distinct combinations of several.
    ValueCount,
    /// Distinct rules that hit, in any order.
    Temporal,
    /// Distinct rules that hit, in the order listed.
    TemporalOrdered,
    /// The sum of a field's numbers.
    ValueSum,
    /// The mean of a field's numbers.
    ValueAvg,
    /// A percentile of a field's numbers, or the share of a value among the hits.
    ValuePercentile,
    /// The middle one of a field's numbers. Not in the specification, which says it is the 50th
    /// percentile; pySigma has it by name.
    ValueMedian,
}

impl CorrelationKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::EventCount,
        Self::ValueCount,
        Self::Temporal,
        Self::TemporalOrdered,
        Self::ValueSum,
        Self::ValueAvg,
        Self::ValuePercentile,
        Self::ValueMedian,
    ];

    /// Returns the Sigma word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EventCount => "event_count",
            Self::ValueCount => "value_count",
            Self::Temporal => "temporal",
            Self::TemporalOrdered => "temporal_ordered",
            Self::ValueSum => "value_sum",
            Self::ValueAvg => "value_avg",
            Self::ValuePercentile => "value_percentile",
            Self::ValueMedian => "value_median",
        }
    }

    /// Says whether it looks at which rules hit.
    #[must_use]
    pub fn is_temporal(self) -> bool {
        matches!(self, Self::Temporal | Self::TemporalOrdered)
    }

    /// Says whether it counts something, so that its condition speaks of whole numbers.
    #[must_use]
    pub fn counts(self) -> bool {
        matches!(self, Self::EventCount | Self::ValueCount) || self.is_temporal()
    }
}

/// When a correlation fires.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum CorrelationCondition {
    /// All these comparisons hold; at least one.
    Bounds(Vec<Threshold>),
    /// The rules that hit satisfy an expression. For `temporal` kinds only.
    Rules(RuleExpression),
}

/// A bound on a number.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// How the number is compared.
    pub op: Comparison,
    /// With what. Never NaN or infinite.
    pub value: f64,
}

impl Threshold {
    /// Says whether a number satisfies the bound.
    #[must_use]
    pub fn holds(self, number: f64) -> bool {
        match self.op {
            Comparison::Gte => number >= self.value,
            Comparison::Gt => number > self.value,
            Comparison::Lte => number <= self.value,
            Comparison::Lt => number < self.value,
            Comparison::Eq => number == self.value,
            Comparison::Neq => number != self.value,
        }
    }
}

/// How two numbers are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
    /// Anything else.
    Neq,
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
            Self::Neq => "!=",
        }
    }
}

/// A name that stands for a different field in each rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alias {
    /// The name used in `group-by`.
    pub name: String,
    /// Rule id or name, and the field it stands for there.
    pub fields: Vec<(String, String)>,
}
