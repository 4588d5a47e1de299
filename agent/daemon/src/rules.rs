//! Rules: loading them, saying what is wrong with them, keeping the good ones in force.

use std::sync::Arc;

use rules_matcher::{Matcher, RuleSet};
use rules_service::meter::Health;

use crate::config::RulesSection;
use crate::error::Result;

/// So many diagnostics are logged in full; the rest is counted.
const DIAGNOSTICS_LOGGED_MAX: usize = 20;
const SUBJECT: &str = "rules";

/// Loads the shipped rules and those of the folders. Broken ones are left out and logged.
pub(crate) fn load(section: &RulesSection) -> Result<Arc<Matcher>> {
    let loaded = rules_pack::load(section.builtin, &section.dirs)?;
    let mut diagnostics = loaded.diagnostics;
    let (set, more) = RuleSet::compile(loaded.rules);
    diagnostics.extend(more);
    for diagnostic in diagnostics.iter().take(DIAGNOSTICS_LOGGED_MAX) {
        tracing::warn!("{}", diagnostic.render().trim_end());
    }
    let more = diagnostics.len().saturating_sub(DIAGNOSTICS_LOGGED_MAX);
    if more > 0 {
        tracing::warn!(more, "further diagnostics of rules; see 'vonglau-rules check'");
    }
    tracing::info!(rules = set.rules().len(), identity = set.identity(), "rules loaded");
    // What the rules look like is of no use at the edge: verdicts need their compiled form only.
    Ok(Arc::clone(set.matcher()))
}

/// Loads the rules at the start. A folder that cannot be read is a problem to be shown, not a
/// reason to read no logs: what else there is, is used.
pub(crate) fn load_at_start(section: &RulesSection, health: &Health) -> Result<Arc<Matcher>> {
    load(section).or_else(|error| {
        tell(health, &error);
        let mut rest = section.clone();
        rest.dirs.retain(|dir| rules_pack::load(false, std::slice::from_ref(dir)).is_ok());
        load(&rest)
    })
}

/// Loads the rules again; `None` if they cannot be, and the old ones stay in force.
pub(crate) fn reload(section: &RulesSection, health: &Health) -> Option<Arc<Matcher>> {
    match load(section) {
        Ok(set) => {
            health.resolved(SUBJECT);
            Some(set)
        }
        Err(error) => {
            tell(health, &error);
            None
        }
    }
}

fn tell(health: &Health, error: &crate::error::Error) {
    let text = rules_service::logs::chain(error);
    tracing::warn!("{text}");
    health.problem(SUBJECT, text);
}
