//! The shipped rules, and rules from folders.

mod detections;
mod load;
mod spoken;
mod walk;

pub use detections::DETECTIONS;
pub use load::{Error, Loaded, Texts, load, load_read, load_texts, read_texts};
pub use walk::{Found, rule_files};

include!(concat!(env!("OUT_DIR"), "/shipped.rs"));

/// Returns the shipped rules as file name and text, in name order.
#[must_use]
pub fn shipped() -> &'static [(&'static str, &'static str)] {
    RULES
}

/// Returns whether a text is that of a shipped file, wherever it was read.
#[must_use]
pub fn is_shipped(text: &str) -> bool {
    RULES.iter().any(|(_, shipped)| *shipped == text)
}

/// Returns the cases of the shipped rules as file name (`NAME.case.yml`) and text, in name order.
#[must_use]
pub fn shipped_cases() -> &'static [(&'static str, &'static str)] {
    CASES
}

#[cfg(test)]
mod tests;
