//! Kept: the correlations that a host decides, as they are kept beside its compiled rules.
//!
//! Correlations are few and small, so they are kept as they were read and not in a compiled form of
//! their own; only what their readers need of the rest of the rule set goes with them.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use rules_correlate::told::Guide;
use rules_correlate::{Correlator, Limits, decided_by_one_host};
use rules_event::Level;
use rules_pack::Loaded;
use rules_sigma::{Alias, Correlation, CorrelationCondition, CorrelationKind, Diagnostic};
use serde::{Deserialize, Serialize};

use agent_pipeline::ALERT_LEVEL;

use crate::config::Scope;

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
    /// What it says to those who work on its alerts, if it is none of the shipped ones: the collector
    /// may not have it.
    own: Option<Guide>,
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
    /// Empty for those that the collector has.
    pub(super) guide: Guide,
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
            own: (!rules_pack::is_shipped(&it.source)).then(|| Guide::of(&it.custom)),
        });
        let kept = Self(kept.collect());
        // Only to hear what is wrong: the places are those of the files.
        let (_, problems) = Correlator::new(local, &ids, Limits::default());
        (kept, problems)
    }

    /// Says whether this host decides a correlation.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.0.iter().any(|it| it.id == id)
    }

    /// Returns those that run. Of what an own one counts, what is no own one does not alert: the
    /// collector has it.
    pub(super) fn within(&self, scope: Scope) -> Cow<'_, Self> {
        match scope {
            Scope::All => Cow::Borrowed(self),
            Scope::Nothing => Cow::Owned(Self::default()),
            Scope::Own => {
                let is_own = |it: &One| it.own.is_some();
                let mut needed: HashSet<&str> =
                    self.0.iter().filter(|it| is_own(it)).map(|it| &*it.id).collect();
                let mut known = usize::MAX;
                // One may count another that stands behind it.
                while known != needed.len() {
                    known = needed.len();
                    let them = self.0.iter().filter(|it| needed.contains(&*it.id));
                    let counted: Vec<&str> =
                        them.flat_map(|it| &it.rules).map(|id| &**id).collect();
                    needed
                        .extend(self.0.iter().map(|it| &*it.id).filter(|id| counted.contains(id)));
                }
                let of = |it: &One| One { alerts: it.alerts && is_own(it), ..it.clone() };
                let chosen = self.0.iter().filter(|it| needed.contains(&*it.id));
                Cow::Owned(Self(chosen.map(of).collect()))
            }
        }
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
            guide: self.own.clone().unwrap_or_default(),
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
        // All of them are shipped, so none of them is the host's own.
        assert_eq!(again.within(Scope::Own).0, []);
        assert_eq!(again.within(Scope::All).0.len(), kept.0.len());
        // What only the collector sees is left to it.
        let here = |title: &str| kept.0.iter().any(|it| it.title.contains(title));
        assert!(loaded.correlations.len() > kept.0.len());
        assert!(facts.len() > 25 && facts.len() < kept.0.len(), "{} alert", facts.len());
        assert!(!loaded.correlations.iter().any(|it| {
            let counts_hosts = it.fields == ["host.name"] && it.group_by != ["host.name"];
            counts_hosts && here(&it.title)
        }));
    }

    /// A correlation of the host's own over a shipped one, in a folder that holds a copy of the pack.
    #[test]
    fn own_ones_are_those_that_are_not_shipped_with_what_they_count() {
        let own = "title: Dò mật khẩu hai lần\nid: twice\ncustom: {vonglau: {title_vi: Hai lần}}\n\
                   correlation: {type: event_count, rules: [ssh_brute_force], group-by: [source.ip], \
                   timespan: 1d, condition: {gte: 2}}\nlevel: high\n";
        let mut files = rules_pack::shipped().to_vec();
        files.insert(0, ("own.yml", own));
        let loaded = rules_pack::load_texts(files);
        let (kept, _) = Kept::of(&loaded);
        let chosen = kept.within(Scope::Own);
        let ids: Vec<_> = chosen.0.iter().map(|it| (&*it.title, it.alerts)).collect();
        assert_eq!(ids.len(), 2, "{ids:?}");
        assert_eq!(ids[0], ("Dò mật khẩu hai lần", true));
        assert!(!ids[1].1, "the collector tells it");
        let (_, facts) = chosen.correlator(Limits::default());
        assert_eq!(facts["twice"].guide.title_vi.as_deref(), Some("Hai lần"));
    }
}
