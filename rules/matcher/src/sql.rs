//! The same predicate as SQL: a rule as a condition on rows of the table `events`.
//!
//! [`predicate`] gives a condition that holds on exactly the rows whose events the rule matches, or
//! says why it cannot. A differential test in `collector/store` holds it to the matcher on the real
//! engine. Nothing of a rule's text becomes SQL: it stands in string literals, escaped, or in
//! regular expressions that are printed anew from their syntax tree.
//!
//! How a row holds an event: fields that have a column stand there; the map `extra` holds all others,
//! and those whose value their column cannot hold exactly. `extra` decides when both are there. Text
//! stands in it as it is, everything else as U+0001 and JSON (`collector/store/src/value.rs`).

mod boundary;
mod columns;
mod emit;
mod literal;
mod numbers;
mod regex;
mod text;
mod values;

use std::fmt;

use rules_sigma::Rule;

pub use columns::{COLUMNS, Kind};

/// The longest SQL one rule may become: 1 MiB. SigmaHQ's largest, a list of 2,000 hashes, becomes
/// 233 KiB. ClickHouse reads 256 KiB by default: whoever sends more sets `max_query_size`.
pub const SQL_BYTES_MAX: usize = 1024 * 1024;

/// Why a rule has no SQL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// A regular expression says something that the store's engine says otherwise.
    #[error("the regular expression /{source_text}/ cannot be asked of the store: {reason}")]
    Regex {
        /// As written in the rule.
        source_text: String,
        /// What stands in the way.
        reason: String,
    },
    /// More than [`SQL_BYTES_MAX`].
    #[error("the rule becomes {0} bytes of SQL; the bound is {SQL_BYTES_MAX}")]
    TooLong(usize),
}

/// A condition on rows of `events`, with the named expressions it uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sql {
    with: Vec<(String, String)>,
    condition: String,
}

impl Sql {
    /// Returns the condition, for a `WHERE` after [`with_clause`] of it.
    #[must_use]
    pub fn condition(&self) -> &str {
        &self.condition
    }
}

/// Returns the `WITH` clause that some conditions need, each name once; empty when they need none.
#[must_use]
pub fn with_clause<'s>(conditions: impl IntoIterator<Item = &'s Sql>) -> String {
    let mut names = Vec::new();
    let mut clause = String::new();
    for (name, expression) in conditions.into_iter().flat_map(|sql| &sql.with) {
        if names.contains(&name) {
            continue;
        }
        clause.push_str(if names.is_empty() { "WITH " } else { ",\n     " });
        clause.push_str(expression);
        clause.push_str(" AS ");
        clause.push_str(name);
        names.push(name);
    }
    clause
}

/// Prints a query that people can paste: the newest events that the rule matches.
impl fmt::Display for Sql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with = with_clause([self]);
        if !with.is_empty() {
            writeln!(f, "{with}")?;
        }
        write!(
            f,
            "SELECT ts, event_id, agent_host, dataset, message\nFROM events\nWHERE {}\nORDER BY ts \
             DESC\nLIMIT 1000",
            self.condition
        )
    }
}

/// Returns the condition of a rule.
///
/// # Errors
/// When part of the rule cannot be said in SQL so that it means the same.
pub fn predicate(rule: &Rule) -> Result<Sql, Unsupported> {
    predicate_numbered(rule, 0)
}

/// Returns the condition of a rule with names of its own, so that conditions with different numbers
/// may stand in one query.
///
/// # Errors
/// As [`predicate`].
pub fn predicate_numbered(rule: &Rule, number: usize) -> Result<Sql, Unsupported> {
    let sql = emit::rule(rule, number)?;
    let bytes = sql.condition.len() + with_clause([&sql]).len();
    if bytes > SQL_BYTES_MAX {
        return Err(Unsupported::TooLong(bytes));
    }
    Ok(sql)
}

#[cfg(test)]
mod tests;
