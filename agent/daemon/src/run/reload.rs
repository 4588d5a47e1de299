//! SIGHUP: rules and settings are read again; what is wrong is refused and the old stays in force.

use std::sync::Arc;

use rules_event::Value;
use rules_matcher::Matcher;
use rules_service::logs::chain;

use super::Agent;
use crate::config::{Config, changed_keys};
use crate::correlate::Counting;
use crate::metrics::set;
use crate::redaction;
use crate::rules::{self, stored::Compiled};
use crate::usage;
use crate::witness::{self, Action, REASON};

/// Health subjects.
const CONFIG: &str = "config";
const RESTART: &str = "restart";
/// Sections that are put in force while the agent runs.
const LIVE: [&str; 6] =
    ["rules.", "redaction.", "heartbeat.", "limits.", "evidence.silent_after_s", POLICIES];
/// All keys `policy` of inputs: in force at once when the inputs are the same.
const POLICIES: &str = "input.*.policy";

impl Agent {
    pub(super) async fn reload(&mut self) {
        self.notifier.reloading(usage::monotonic());
        tracing::info!("reading configuration and rules again");
        let new = match self.source.load() {
            Ok((new, _)) => new,
            Err(error) => {
                let text = format!("{}; the configuration in force stays", chain(&error));
                self.health.problem(CONFIG, text.clone());
                self.say_refused(Action::ConfigRefused, text);
                self.notifier.ready(&self.one_line());
                return;
            }
        };
        self.health.resolved(CONFIG);
        self.reload_rules(&new).await;
        self.apply(new);
        self.notifier.ready(&self.one_line());
    }

    fn say_refused(&self, action: Action, text: String) {
        let path = self.source.path.display().to_string();
        let fields = [("file.path", Value::from(path)), (REASON, witness::text(&text))];
        self.witness.say(action, text, fields);
    }

    async fn reload_rules(&mut self, new: &Config) {
        let (section, store) = (new.rules.clone(), self.store.clone());
        let load = move || rules::load_all_or_nothing(&section, &store);
        let loaded = tokio::task::spawn_blocking(load).await;
        match loaded {
            Ok(Ok(compiled)) => {
                self.health.resolved(rules::SUBJECT);
                self.config.rules = new.rules.clone();
                self.seals.watch_rules(&self.config.rules.dirs);
                let Compiled { matcher, notes, .. } = compiled;
                let section = &self.config.correlation;
                // Policies may change with it; what ships does so at a restart.
                let scope = section.scope(&new.input, &self.config.shipping);
                let counting = Counting::new(&notes.local, matcher.identity(), section, scope);
                self.correlations.store(Arc::new(counting));
                self.put_in_force(matcher);
            }
            Ok(Err(error)) => {
                let text = format!("{}; the rules in force stay", chain(&error));
                self.health.problem(rules::SUBJECT, text.clone());
                self.say_refused(Action::RulesRefused, text);
            }
            Err(error) => tracing::error!(%error, "loading the rules ended in a panic"),
        }
    }

    fn put_in_force(&mut self, rule_set: Arc<Matcher>) {
        let before = std::mem::replace(&mut self.pulse.ruleset, rule_set.identity().to_owned());
        set(&self.metrics.rules, rule_set.len() as u64);
        let text = format!("{} rules are in force", rule_set.len());
        self.pipeline.swap_rules(rule_set);
        if before == self.pulse.ruleset {
            return;
        }
        self.evidence.note(|record| record.ruleset.clone_from(&self.pulse.ruleset));
        self.witness.say(
            Action::RulesReloaded,
            text,
            [
                ("rule.ruleset", witness::text(&self.pulse.ruleset)),
                ("vonglau.agent.ruleset_before", Value::from(before)),
            ],
        );
    }

    /// Puts in force what can be while running, and says what needs a restart.
    fn apply(&mut self, new: Config) {
        let policies = new.input.clone().policies();
        let is_other = self.config.input.clone().policies() != policies;
        let are_applied = is_other && self.thinning.flow.change(policies.clone());
        if are_applied {
            self.config.input = self.config.input.with_policies(&policies);
        }
        let mut changed = changed_keys(&self.config, &new);
        changed.extend(are_applied.then(|| POLICIES.to_owned()));
        let is_live = |key: &String| LIVE.iter().any(|live| key.starts_with(live));
        let (live, later): (Vec<String>, Vec<String>) = changed.into_iter().partition(is_live);
        if later.is_empty() {
            self.health.resolved(RESTART);
        } else {
            let keys = later.join(", ");
            let text = format!("changed in the file, but only in force after a restart: {keys}");
            tracing::warn!("{text}");
            self.health.problem(RESTART, text);
        }
        let hash = self.seals.config.hash.clone();
        self.evidence.note(|record| record.config = hash);
        if live.is_empty() && later.is_empty() {
            return;
        }
        if self.config.redaction != new.redaction {
            self.config.redaction = new.redaction;
            match redaction::redactor(&self.config, &self.pulse.identity) {
                Ok(redactor) => self.pipeline.swap_redactor(redactor),
                // It was checked when the file was read.
                Err(error) => {
                    tracing::error!(error = %chain(&error), "the redaction stays as it was")
                }
            }
        }
        self.config.heartbeat = new.heartbeat;
        self.config.limits = new.limits;
        self.config.evidence.silent_after_s = new.evidence.silent_after_s;
        self.cpu_pct.send_replace(self.config.limits.cpu_pct_max);
        self.watchdog.apply(&self.config);
        self.thinning.flow.limit_agent(self.config.limits.rates());
        let text = match live.is_empty() {
            true => format!("no setting is in force anew; after a restart: {}", later.join(", ")),
            false => format!("settings in force anew: {}", live.join(", ")),
        };
        let list = |keys: Vec<String>| Value::from(keys.join(", "));
        self.witness.say(
            Action::ConfigReloaded,
            text,
            [
                ("file.path", Value::from(self.source.path.display().to_string())),
                ("vonglau.agent.settings_applied", list(live)),
                ("vonglau.agent.settings_waiting", list(later)),
            ],
        );
    }
}
