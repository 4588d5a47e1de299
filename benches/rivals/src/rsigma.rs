//! The peer: `rsigma-eval` 0.26 (MIT), used as its documentation says.

use anyhow::{Result, ensure};
use rsigma_eval::EvaluationResult;
use rsigma_eval::event::JsonEvent;
use rsigma_parser::{LogSource, parse_sigma_yaml};
use serde_json::Value;

use crate::corpus::{RuleText, Source};
use crate::engine::Engine;

/// The name figures give it.
pub(crate) const NAME: &str = "rsigma-eval 0.26";

/// `rsigma-eval` with its rules.
pub(crate) struct Rsigma {
    engine: rsigma_eval::Engine,
    /// True: a part of the logsource that a rule names must be named by the event too, as we demand.
    /// False: a part that the event lacks excludes nothing (`evaluate_pruned`, its usual way).
    strict: bool,
}

impl Rsigma {
    /// Demands of an event every part of the logsource that a rule names.
    pub(crate) fn strictly(&mut self, strict: bool) {
        self.strict = strict;
    }

    /// Turns on its optional filters (Bloom filter; one automaton for all rules).
    pub(crate) fn filters(&mut self, bloom: bool, automaton: bool) {
        self.engine.set_bloom_prefilter(bloom);
        self.engine.set_cross_rule_ac(automaton);
    }

    fn evaluate(&self, source: &LogSource, event: &Value) -> Vec<EvaluationResult> {
        let event = JsonEvent::borrow(event);
        if self.strict {
            self.engine.evaluate_with_logsource(&event, source)
        } else {
            self.engine.evaluate_pruned(&event, source)
        }
    }
}

impl Engine for Rsigma {
    type Source = LogSource;
    type Event = Value;

    fn load(texts: &[RuleText]) -> Result<Self> {
        let mut rules = Vec::with_capacity(texts.len());
        for text in texts {
            if let Ok(collection) = parse_sigma_yaml(&text.text) {
                rules.extend(collection.rules);
            }
        }
        let mut engine = rsigma_eval::Engine::new();
        let _refused = engine.add_rules(&rules);
        ensure!(engine.rule_count() > 0, "rsigma loaded no rule");
        Ok(Self { engine, strict: false })
    }

    fn rules(&self) -> usize {
        self.engine.rule_count()
    }

    fn source(&self, source: &Source) -> LogSource {
        let part = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        LogSource {
            product: part(&source.product),
            service: part(&source.service),
            category: part(&source.category),
            ..LogSource::default()
        }
    }

    fn event(&self, json: &str) -> Result<Value> {
        Ok(serde_json::from_str(json)?)
    }

    fn hits(&mut self, source: &LogSource, event: &Value) -> usize {
        self.evaluate(source, event).len()
    }

    fn hit_ids(&mut self, source: &LogSource, event: &Value) -> Vec<String> {
        let id = |hit: EvaluationResult| hit.header.rule_id.unwrap_or_default().to_string();
        let mut ids: Vec<String> = self.evaluate(source, event).into_iter().map(id).collect();
        ids.sort();
        ids
    }
}
