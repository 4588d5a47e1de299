//! Tests of redaction: a table of texts, properties, planted secrets, the cost of hostile lines.

mod golden;
mod planted;
mod properties;

use super::{RedactionConfig, Redactor};

/// A redactor of the defaults.
fn redactor() -> Redactor {
    Redactor::new(&RedactionConfig::default(), &[7; 32]).unwrap()
}

fn with(change: impl FnOnce(&mut RedactionConfig)) -> Redactor {
    let mut config = RedactionConfig::default();
    change(&mut config);
    Redactor::new(&config, &[7; 32]).unwrap()
}
