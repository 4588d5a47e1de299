//! Spoken for: which rules a correlation speaks for, and by what names rules are referred to.

use std::collections::{HashMap, HashSet};

use rules_sigma::{Correlation, Custom};

use crate::Loaded;

/// The word of `custom.vonglau.forward` for what may not leave the province.
const NEVER: &str = "never";

impl Loaded {
    /// Returns the ids of rules and correlations by their names, by which correlations may refer to
    /// them.
    #[must_use]
    pub fn ids_by_name(&self) -> HashMap<String, String> {
        let rules = self.rules.iter().map(|it| (&it.name, &it.id));
        let correlations = self.correlations.iter().map(|it| (&it.name, &it.id));
        let pair = |(name, id): (&Option<String>, &String)| Some((name.clone()?, id.clone()));
        rules.chain(correlations).filter_map(pair).collect()
    }

    /// Returns the ids of rules that say `forward: never`, and of the correlations over them: what is
    /// counted of such events tells of them, too.
    #[must_use]
    pub fn never_forwarded(&self) -> HashSet<String> {
        let names = self.ids_by_name();
        let is_never = |custom: &Custom| custom.forward.as_deref() == Some(NEVER);
        let rules = self.rules.iter().filter(|rule| is_never(&rule.custom));
        let mut kept: HashSet<String> = rules.map(|rule| rule.id.clone()).collect();
        loop {
            let known = kept.len();
            for it in &self.correlations {
                let mut of = it.rules.iter().map(|rule| names.get(rule).unwrap_or(rule));
                if is_never(&it.custom) || of.any(|rule| kept.contains(rule)) {
                    kept.insert(it.id.clone());
                }
            }
            // A correlation may be over one that stands behind it.
            if kept.len() == known {
                return kept;
            }
        }
    }

    /// Returns the ids of rules that do not alert by themselves: those of one file with a correlation
    /// that refers to them and does not ask to `generate` them. A rule of another file was written to
    /// stand alone, and does.
    ///
    /// Spec: Sigma correlation rules specification 2.1, "Correlation rules" and "Generate".
    #[must_use]
    pub fn silent(&self) -> HashSet<String> {
        let rules = self.rules.iter().map(|it| (&it.id, &it.name, &it.file));
        let nested = self.correlations.iter().map(|it| (&it.id, &it.name, &it.file));
        let refers = |correlation: &Correlation, id: &String, name: &Option<String>| {
            correlation.rules.iter().any(|rule| rule == id || Some(rule) == name.as_ref())
        };
        rules
            .chain(nested)
            .filter(|(id, name, file)| {
                let mut told =
                    self.correlations.iter().filter(|it| refers(it, id, name)).peekable();
                told.peek().is_some() && told.all(|it| it.file == **file && !it.generate)
            })
            .map(|(id, _, _)| id.clone())
            .collect()
    }
}
