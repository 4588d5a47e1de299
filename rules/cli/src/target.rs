//! Target: the rules a command is about, loaded and compiled.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rules_correlate::{Correlator, Limits};
use rules_matcher::RuleSet;
use rules_pack::Loaded;
use rules_sigma::{Correlation, Diagnostic, Severity, Span, codes};

/// The largest event or case file read: 16 MiB.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Rules ready to be asked.
pub(crate) struct Target {
    pub(crate) set: RuleSet,
    pub(crate) correlations: Vec<Correlation>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Ids by name, of rules and correlations.
    pub(crate) names: HashMap<String, String>,
}

impl Target {
    /// Loads the shipped rules when no path is given, and otherwise only what is named.
    pub(crate) fn load(paths: &[PathBuf]) -> anyhow::Result<Self> {
        Ok(Self::compile(rules_pack::load(paths.is_empty(), paths)?))
    }

    fn compile(loaded: Loaded) -> Self {
        let mut diagnostics = loaded.diagnostics;
        let rules = loaded.rules.iter().map(|rule| (&rule.name, &rule.id));
        let correlations = loaded.correlations.iter().map(|it| (&it.name, &it.id));
        let names = rules
            .chain(correlations)
            .filter_map(|(name, id)| Some((name.clone()?, id.clone())))
            .collect();
        let (set, found) = RuleSet::compile(loaded.rules);
        diagnostics.extend(found);
        let mut target = Self { set, correlations: loaded.correlations, diagnostics, names };
        let (_, problems) = target.correlator();
        for problem in problems {
            let found =
                Diagnostic::in_text("", "", codes::BAD_THRESHOLD, Severity::Error, Span::default());
            let help = "see what the correlation asks for; bounds are those of the collector";
            target.diagnostics.push(found.saying(problem, help));
        }
        target
    }

    /// Returns a fresh correlator over all correlations, and what it leaves out.
    pub(crate) fn correlator(&self) -> (Correlator, Vec<String>) {
        Correlator::new(self.correlations.clone(), &self.names, Limits::default())
    }

    /// Finds a correlation by id or name.
    pub(crate) fn correlation(&self, name: &str) -> Option<&Correlation> {
        self.correlations.iter().find(|it| it.id == name || it.name.as_deref() == Some(name))
    }
}

/// Reads a text file within the bound.
pub(crate) fn read(path: &Path) -> anyhow::Result<String> {
    let named = || format!("cannot read {}", path.display());
    let bytes = std::fs::metadata(path).with_context(named)?.len();
    anyhow::ensure!(
        bytes <= FILE_BYTES_MAX,
        "{} has {bytes} bytes; the bound is {FILE_BYTES_MAX}",
        path.display()
    );
    std::fs::read_to_string(path).with_context(named)
}
