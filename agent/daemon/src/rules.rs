//! Rules: loading them, saying what is wrong with them, keeping the good ones in force.

use std::sync::Arc;

use rules_matcher::{Matcher, RuleSet};
use rules_service::meter::Health;
use rules_sigma::{Diagnostic, Severity};

use crate::config::RulesSection;
use crate::error::{Error, Result};

/// So many diagnostics are logged in full; the rest is counted.
const DIAGNOSTICS_LOGGED_MAX: usize = 20;
/// So many mistakes are named when a rule set is refused.
const MISTAKES_NAMED_MAX: usize = 5;
/// Subject of health.
pub(crate) const SUBJECT: &str = "rules";

/// Loads the shipped rules and those of the folders. Broken ones are left out and logged.
pub(crate) fn load(section: &RulesSection) -> Result<Arc<Matcher>> {
    let (set, diagnostics) = compile(section)?;
    log(&diagnostics);
    Ok(set)
}

/// The same, but an error in any rule refuses all of them: who changed rules wants all or none of it.
pub(crate) fn load_all_or_nothing(section: &RulesSection) -> Result<Arc<Matcher>> {
    let (set, diagnostics) = compile(section)?;
    log(&diagnostics);
    let errors: Vec<&Diagnostic> =
        diagnostics.iter().filter(|it| it.severity == Severity::Error).collect();
    if errors.is_empty() {
        return Ok(set);
    }
    let place = |it: &&Diagnostic| {
        format!("{}:{}:{}: {} ({})", it.file, it.span.line, it.span.column, it.message, it.code)
    };
    let mut named: Vec<String> = errors.iter().take(MISTAKES_NAMED_MAX).map(place).collect();
    if errors.len() > MISTAKES_NAMED_MAX {
        named.push(format!("and {} more", errors.len() - MISTAKES_NAMED_MAX));
    }
    Err(Error::RulesRefused { mistakes: named.join("; ") })
}

/// Returns how many rules there are, and the mistakes in those that would be left out, rendered.
pub(crate) fn check(section: &RulesSection) -> Result<(usize, Vec<String>)> {
    let (set, diagnostics) = compile(section)?;
    let errors = diagnostics.iter().filter(|it| it.severity == Severity::Error);
    Ok((set.len(), errors.map(|it| it.render().trim_end().to_owned()).collect()))
}

fn compile(section: &RulesSection) -> Result<(Arc<Matcher>, Vec<Diagnostic>)> {
    let loaded = rules_pack::load(section.builtin, &section.dirs)?;
    let mut diagnostics = loaded.diagnostics;
    let (set, more) = RuleSet::compile(loaded.rules);
    diagnostics.extend(more);
    tracing::info!(rules = set.rules().len(), identity = set.identity(), "rules loaded");
    // What the rules look like is of no use at the edge: verdicts need their compiled form only.
    Ok((Arc::clone(set.matcher()), diagnostics))
}

fn log(diagnostics: &[Diagnostic]) {
    for diagnostic in diagnostics.iter().take(DIAGNOSTICS_LOGGED_MAX) {
        tracing::warn!("{}", diagnostic.render().trim_end());
    }
    let more = diagnostics.len().saturating_sub(DIAGNOSTICS_LOGGED_MAX);
    if more > 0 {
        tracing::warn!(more, "further diagnostics of rules; see 'vonglau-rules check'");
    }
}

/// Loads the rules at the start. A folder that cannot be read is a problem to be shown, not a
/// reason to read no logs: what else there is, is used.
pub(crate) fn load_at_start(section: &RulesSection, health: &Health) -> Result<Arc<Matcher>> {
    load(section).or_else(|error| {
        let text = rules_service::logs::chain(&error);
        tracing::warn!("{text}");
        health.problem(SUBJECT, text);
        let mut rest = section.clone();
        rest.dirs.retain(|dir| rules_pack::load(false, std::slice::from_ref(dir)).is_ok());
        load(&rest)
    })
}
