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
mod condition;
mod correlation;
mod detection;
mod diagnostic;
mod document;
mod fix;
mod modifiers;
mod pattern;
mod report;
mod rule;
mod test;
mod time_part;
mod yaml;

pub use cases::{Case, Cases, parse_cases};
pub use condition::{Condition, Quantifier};
pub use correlation::{Alias, Comparison, Correlation, CorrelationKind, Threshold};
pub use detection::{Body, Detection, Item, Search};
pub use diagnostic::{Diagnostic, Severity, Span};
pub use fix::{Fix, apply_fixes};
pub use pattern::{Part, Pattern, fold};
pub use rule::{Custom, Document, Logsource, Parsed, Rule};
pub use test::{Cidr, Number, Place, REGEX_BYTES_MAX, RegexFlags, Test, compile_regex};
pub use time_part::TimePart;

/// Reads the text of one rule file; `name` is what diagnostics call it.
#[must_use]
pub fn parse_file(name: &str, text: &str) -> Parsed {
    let mut report = report::Reporter::new(name, text);
    let sources = yaml::documents(text, &mut report);
    let whole: std::sync::Arc<str> = text.into();
    let mut documents = Vec::new();
    for (number, source) in sources.iter().enumerate() {
        documents.extend(document::read(source, number, &whole, &mut report));
    }
    Parsed { documents, diagnostics: report.finish() }
}
