//! Rules: loading them, saying what is wrong with them, keeping the good ones in force.

pub(crate) mod stored;

use std::sync::Arc;

use agent_pipeline::ALERT_LEVEL;
use rules_matcher::{Matcher, RuleSet};
use rules_pack::{Loaded, Texts};
use rules_service::meter::Health;
use rules_sigma::{Diagnostic, Severity};
use serde::{Deserialize, Serialize};

use self::stored::{Compiled, Store};
use crate::config::RulesSection;
use crate::correlate::Kept;
use crate::error::{Error, Result};

/// So many diagnostics are logged in full; the rest is counted.
const DIAGNOSTICS_LOGGED_MAX: usize = 20;
/// So many mistakes are named when a rule set is refused, and so many titles in one line.
const MISTAKES_NAMED_MAX: usize = 5;
/// Subject of health.
pub(crate) const SUBJECT: &str = "rules";

/// What there was to say of a rule set when it was compiled.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Notes {
    /// The first diagnostics, rendered.
    diagnostics: Vec<String>,
    /// How many more there were.
    more: usize,
    /// The first errors, a line each.
    mistakes: Vec<String>,
    /// How many errors there were.
    errors: usize,
    /// The correlations that this host decides.
    pub(crate) local: Kept,
    /// Titles of the first that no host decides and that are none of the shipped ones.
    elsewhere: Vec<String>,
}

impl Notes {
    fn of(diagnostics: &[Diagnostic], local: Kept, elsewhere: Vec<String>) -> Self {
        let rendered = diagnostics.iter().take(DIAGNOSTICS_LOGGED_MAX);
        let errors = || diagnostics.iter().filter(|it| it.severity == Severity::Error);
        let line = |it: &Diagnostic| {
            format!("{}:{}:{}: {} ({})", it.file, it.span.line, it.span.column, it.message, it.code)
        };
        Self {
            diagnostics: rendered.map(|it| it.render().trim_end().to_owned()).collect(),
            more: diagnostics.len().saturating_sub(DIAGNOSTICS_LOGGED_MAX),
            mistakes: errors().take(MISTAKES_NAMED_MAX).map(line).collect(),
            errors: errors().count(),
            local,
            elsewhere,
        }
    }

    fn log(&self) {
        for diagnostic in &self.diagnostics {
            tracing::warn!("{diagnostic}");
        }
        if self.more > 0 {
            let more = self.more;
            tracing::warn!(more, "further diagnostics of rules; see 'vonglau-rules check'");
        }
        if !self.elsewhere.is_empty() {
            let titles = self.elsewhere.join("; ");
            tracing::info!(
                titles,
                "correlations of rules.dirs that need the hits of several hosts: only a collector \
                 that has them ([rules] dirs there) judges them"
            );
        }
    }
}

/// Loads the shipped rules and those of the folders. Broken ones are left out and logged.
fn load(section: &RulesSection, store: Option<&Store>) -> Result<Compiled> {
    let compiled = match store {
        Some(store) => store.load(section)?,
        None => stored::compile_here(section)?,
    };
    let matcher = &compiled.matcher;
    tracing::info!(rules = matcher.len(), identity = matcher.identity(), "rules loaded");
    compiled.notes.log();
    Ok(compiled)
}

/// The same, but an error in any rule refuses all of them: who changed rules wants all or none of it.
pub(crate) fn load_all_or_nothing(section: &RulesSection, store: &Store) -> Result<Compiled> {
    let compiled = load(section, Some(store))?;
    let notes = &compiled.notes;
    if notes.errors == 0 {
        return Ok(compiled);
    }
    let mut named = notes.mistakes.clone();
    if notes.errors > named.len() {
        named.push(format!("and {} more", notes.errors - named.len()));
    }
    Err(Error::RulesRefused { mistakes: named.join("; ") })
}

/// Returns how many rules there are, and the mistakes in those that would be left out, rendered.
pub(crate) fn check(section: &RulesSection) -> Result<(usize, Vec<String>)> {
    let texts = rules_pack::read_texts(section.builtin, &section.dirs)?;
    let (set, diagnostics, ..) = compile(texts);
    let errors = diagnostics.iter().filter(|it| it.severity == Severity::Error);
    Ok((set.len(), errors.map(|it| it.render().trim_end().to_owned()).collect()))
}

fn compile(texts: Texts) -> (Arc<Matcher>, Vec<Diagnostic>, Kept, Vec<String>) {
    let loaded = rules_pack::load_read(texts);
    let (local, problems) = Kept::of(&loaded);
    let elsewhere = loaded.correlations.iter().filter(|it| {
        it.level >= ALERT_LEVEL && !rules_pack::is_shipped(&it.source) && !local.has(&it.id)
    });
    let elsewhere = elsewhere.take(MISTAKES_NAMED_MAX).map(|it| it.title.clone()).collect();
    let Loaded { rules, mut diagnostics, .. } = loaded;
    diagnostics.extend(problems);
    let (set, more) = RuleSet::compile(rules);
    diagnostics.extend(more);
    // What the rules look like is of no use at the edge: verdicts need their compiled form only.
    (Arc::clone(set.matcher()), diagnostics, local, elsewhere)
}

/// Loads the rules at the start. A folder that cannot be read is a problem to be shown, not a
/// reason to read no logs: what else there is, is used. Without a store they are compiled here.
pub(crate) fn load_at_start(
    section: &RulesSection,
    store: Option<&Store>,
    health: &Health,
) -> Result<Compiled> {
    load(section, store).or_else(|error| {
        let text = rules_service::logs::chain(&error);
        tracing::warn!("{text}");
        health.problem(SUBJECT, text);
        let mut rest = section.clone();
        rest.dirs.retain(|dir| rules_pack::read_texts(false, std::slice::from_ref(dir)).is_ok());
        load(&rest, store)
    })
}
