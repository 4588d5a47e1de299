//! Kept: the correlations that a host decides, as they are kept beside its compiled rules.
//!
//! Correlations are few and small, so they are kept as they were read and not in a compiled form of
//! their own; only what their readers need of the rest of the rule set goes with them.

use std::collections::HashMap;
use std::time::Duration;

use rules_correlate::{Correlator, Limits, decided_by_one_host};
use rules_event::Level;
use rules_pack::Loaded;
use rules_sigma::{Alias, Correlation, CorrelationCondition, CorrelationKind, Diagnostic};
use serde::{Deserialize, Serialize};

use agent_pipeline::ALERT_LEVEL;

/// All of a rule set.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Kept(Vec<One>);

/// What is needed of one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct One {
    id: String,
    title: String,
    level: String,
    techniques: Vec<String>,
    kind: CorrelationKind,
    /// By id.
    rules: Vec<String>,
    group_by: Vec<String>,
    /// Nanoseconds.
    timespan: u64,
    condition: CorrelationCondition,
    fields: Vec<String>,
    percentile: Option<f64>,
    aliases: Vec<Alias>,
    /// Whether it alerts by itself, and is not only counted by others.
    alerts: bool,
    /// Nothing of its alerts may be forwarded.
    never_forward: bool,
}

/// What an alert takes over from its correlation.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) title: String,
    pub(super) level: Level,
    pub(super) techniques: Vec<String>,
    pub(super) timespan: Duration,
    pub(super) never_forward: bool,
    /// The last of its hits is the outcome, and says as whom.
    pub(super) is_ordered: bool,
}

impl Kept {
    /// Returns what a host decides of loaded rules, and what is wrong with it.
    pub(crate) fn of(loaded: &Loaded) -> (Self, Vec<Diagnostic>) {
        let (ids, silent) = (loaded.ids_by_name(), loaded.silent());
        let never = loaded.never_forwarded();
        let local = decided_by_one_host(&loaded.correlations, &ids);
        let id_of = |name: &String| ids.get(name).unwrap_or(name).clone();
        let kept = local.iter().map(|it| One {
            id: it.id.clone(),
            title: it.title.clone(),
            level: it.level.as_str().to_owned(),
            techniques: it.techniques(),
            kind: it.kind,
            rules: it.rules.iter().map(id_of).collect(),
            group_by: it.group_by.clone(),
            timespan: u64::try_from(it.timespan.as_nanos()).unwrap_or(u64::MAX),
            condition: it.condition.clone(),
            fields: it.fields.clone(),
            percentile: it.percentile,
            aliases: it.aliases.iter().map(|alias| with_ids(alias, &id_of)).collect(),
            alerts: it.level >= ALERT_LEVEL && !silent.contains(&it.id),
            never_forward: never.contains(&it.id),
        });
        let kept = Self(kept.collect());
        // Only to hear what is wrong: the places are those of the files.
        let (_, problems) = Correlator::new(local, &ids, Limits::default());
        (kept, problems)
    }

    /// Returns what counts, and the facts of those that alert, by id.
    pub(super) fn correlator(&self, limits: Limits) -> (Correlator, HashMap<String, Facts>) {
        let facts = self.0.iter().filter(|it| it.alerts).map(|it| (it.id.clone(), it.facts()));
        let correlations = self.0.iter().map(One::correlation).collect();
        // What is wrong was said when they were compiled.
        let (correlator, _) = Correlator::new(correlations, &HashMap::new(), limits);
        (correlator, facts.collect())
    }
}

/// Rules go by their ids here.
fn with_ids(alias: &Alias, id_of: &impl Fn(&String) -> String) -> Alias {
    let fields = alias.fields.iter().map(|(rule, field)| (id_of(rule), field.clone()));
    Alias { name: alias.name.clone(), fields: fields.collect() }
}

impl One {
    fn level(&self) -> Level {
        self.level.parse().unwrap_or(ALERT_LEVEL)
    }

    fn facts(&self) -> Facts {
        Facts {
            title: self.title.clone(),
            level: self.level(),
            techniques: self.techniques.clone(),
            timespan: Duration::from_nanos(self.timespan),
            never_forward: self.never_forward,
            is_ordered: self.kind == CorrelationKind::TemporalOrdered,
        }
    }

    fn correlation(&self) -> Correlation {
        Correlation {
            id: self.id.clone(),
            name: None,
            title: self.title.clone(),
            description: String::new(),
            status: String::new(),
            level: self.level(),
            tags: Vec::new(),
            falsepositives: Vec::new(),
            custom: rules_sigma::Custom::default(),
            kind: self.kind,
            rules: self.rules.clone(),
            group_by: self.group_by.clone(),
            timespan: Duration::from_nanos(self.timespan),
            condition: self.condition.clone(),
            fields: self.fields.clone(),
            percentile: self.percentile,
            aliases: self.aliases.clone(),
            generate: false,
            file: String::new(),
            line: 0,
            places: rules_sigma::CorrelationPlaces::default(),
            source: "".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_correlations_are_the_same_after_being_kept() {
        let loaded = rules_pack::load(true, &[]).unwrap();
        let (kept, problems) = Kept::of(&loaded);
        assert!(problems.is_empty(), "{problems:?}");
        let text = serde_json::to_string(&kept).unwrap();
        eprintln!(
            "{} of {} correlations, {} bytes",
            kept.0.len(),
            loaded.correlations.len(),
            text.len()
        );
        let again: Kept = serde_json::from_str(&text).unwrap();
        assert_eq!(again, kept);
        let (correlator, facts) = again.correlator(Limits::default());
        let (direct, _) = Correlator::new(
            decided_by_one_host(&loaded.correlations, &loaded.ids_by_name()),
            &loaded.ids_by_name(),
            Limits::default(),
        );
        assert_eq!(correlator.correlations(), direct.correlations());
        assert_eq!(correlator.correlations(), kept.0.len());
        assert_eq!(correlator.wanted(), direct.wanted());
        // What only the collector sees is left to it.
        let here = |title: &str| kept.0.iter().any(|it| it.title.contains(title));
        assert!(loaded.correlations.len() > kept.0.len());
        assert!(facts.len() > 25 && facts.len() < kept.0.len(), "{} alert", facts.len());
        assert!(!loaded.correlations.iter().any(|it| {
            let counts_hosts = it.fields == ["host.name"] && it.group_by != ["host.name"];
            counts_hosts && here(&it.title)
        }));
    }
}
