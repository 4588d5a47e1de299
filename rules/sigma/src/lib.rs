//! The rule language: text in, rules and diagnostics out.
//!
//! [`parse_file`] reads one YAML file of any number of documents and returns what it understood
//! together with everything it did not. It never stops at the first mistake, and a broken document
//! never takes its neighbours with it. Pure: no files, no clock, no terminal.
//!
//! Spec: Sigma specification 2.1 (rules, correlations, modifiers appendix).
#![warn(clippy::indexing_slicing)]

mod cases;
pub mod codes;
mod collection;
mod condition;
mod correlation;
mod detection;
mod diagnostic;
mod document;
mod filter;
mod fix;
mod fold;
mod lines;
mod meta;
mod modifiers;
mod number;
mod pattern;
mod placeholders;
mod regular_expression;
mod report;
mod rule;
mod test;
mod time_part;
mod timespan;
mod yaml;

pub use cases::{Case, Cases, parse_cases};
pub use condition::{Condition, Quantifier};
pub use correlation::{
    Alias, CORRELATION_RULES_MAX, Comparison, Correlation, CorrelationCondition, CorrelationKind,
    CorrelationPlaces, RuleExpression, Threshold, check_references,
};
pub use detection::{Body, Detection, Item, Search};
pub use diagnostic::{Diagnostic, Severity, Span};
pub use filter::{Filter, FilterTargets, apply_filters};
pub use fix::{Fix, apply_fixes};
pub use fold::fold;
pub use meta::{Custom, Date, Details, Related, Relation, Suppress};
pub use number::Number;
pub use pattern::{Part, Pattern};
pub use placeholders::Placeholders;
pub use regular_expression::{REGEX_BYTES_MAX, RegexFlags, compile_regex};
pub use rule::{Document, Logsource, Parsed, Rule};
pub use test::{Cidr, Place, Test};
pub use time_part::TimePart;

/// Reads the text of one rule file; `name` is what diagnostics call it. A rule that uses placeholders
/// is refused: [`parse_file_with`] knows lists for them.
#[must_use]
pub fn parse_file(name: &str, text: &str) -> Parsed {
    parse_file_with(name, text, &Placeholders::default())
}

/// Reads the text of one rule file, with lists for its placeholders.
#[must_use]
pub fn parse_file_with(name: &str, text: &str, placeholders: &Placeholders) -> Parsed {
    let mut report = report::Reporter::new(name, text);
    let sources = collection::resolve(yaml::documents(text, &mut report), &mut report);
    let whole: std::sync::Arc<str> = text.into();
    let mut documents = Vec::with_capacity(sources.len());
    for (number, source) in sources.iter().enumerate() {
        documents.extend(document::read(source, number, &whole, placeholders, &mut report));
    }
    Parsed { documents, diagnostics: report.finish() }
}
