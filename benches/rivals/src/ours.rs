//! Ours: `rules-matcher`.

use std::collections::HashMap;

use anyhow::{Result, ensure};
use rules_event::{Event, Value};
use rules_matcher::RuleSet;
use rules_sigma::{Body, Document, Rule, Test, parse_file};

use crate::corpus::{Line, RuleText, Source};
use crate::engine::Engine;

/// Our rule set.
pub(crate) struct Ours {
    sets: HashMap<Source, usize>,
    compiled: Vec<RuleSet>,
    rules: Vec<Rule>,
    out: Vec<usize>,
}

/// Returns the rules of texts; what is refused is left out.
pub(crate) fn parse(texts: &[RuleText]) -> Vec<Rule> {
    let documents = texts.iter().flat_map(|text| parse_file(&text.name, &text.text).documents);
    documents
        .filter_map(|document| match document {
            Document::Rule(rule) => Some(rule),
            _ => None,
        })
        .collect()
}

impl Ours {
    pub(crate) fn set(&self, source: &Source) -> &RuleSet {
        &self.compiled[self.sets[source]]
    }

    fn compile(&mut self, source: &Source) {
        if self.sets.contains_key(source) {
            return;
        }
        let admits = |wanted: &Option<String>, found: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == found)
        };
        let mut rules = Vec::new();
        for rule in &self.rules {
            let l = &rule.logsource;
            if admits(&l.product, &source.product)
                && admits(&l.service, &source.service)
                && admits(&l.category, &source.category)
            {
                let mut rule = rule.clone();
                rule.logsource.product = Some("vonglau".into());
                rule.logsource.category = None;
                rule.logsource.service = Some("x".into());
                for search in &mut rule.detection.searches {
                    rename(&mut search.body);
                }
                rules.push(rule);
            }
        }
        self.sets.insert(source.clone(), self.compiled.len());
        self.compiled.push(RuleSet::compile(rules).0);
    }
}

fn rename(body: &mut Body) {
    match body {
        Body::All(all) | Body::Any(all) => all.iter_mut().for_each(rename),
        Body::Item(item) => {
            if let Some(field) = &mut item.field {
                *field = format!("s.{field}");
            }
            for test in &mut item.tests {
                if let Test::Field { field, .. } = test {
                    *field = format!("s.{field}");
                }
            }
        }
    }
}

impl Engine for Ours {
    type Event = (Event, usize);

    fn load(texts: &[RuleText]) -> Result<Self> {
        let rules = parse(texts);
        ensure!(!rules.is_empty(), "no rule was loaded");
        let mut ours = Self { rules, sets: HashMap::new(), compiled: Vec::new(), out: Vec::new() };
        for file in ["linmix.tsv", "synthpos.tsv"] {
            for line in crate::corpus::events(file)? {
                ours.compile(&line.source);
            }
        }
        Ok(ours)
    }

    fn rules(&self) -> usize {
        self.rules.len()
    }

    fn decode(&self, line: &Line) -> Result<Self::Event> {
        let plain = agent_wire::parse_event(line.json.as_bytes()).map_err(anyhow::Error::msg)?;
        let mut event = Event::default();
        for (name, value) in plain.fields() {
            event.set(format!("s.{name}"), value.clone());
            if name == "message" {
                event.set("message", value.clone());
            }
        }
        event.set("event.dataset", Value::from("x"));
        Ok((event, self.sets[&line.source]))
    }

    fn hits(&mut self, (event, set): &Self::Event) -> usize {
        self.compiled[*set].hits(event, &mut self.out);
        self.out.len()
    }

    fn hit_ids(&mut self, (event, set): &Self::Event) -> Vec<String> {
        let set = &self.compiled[*set];
        set.hits(event, &mut self.out);
        let mut ids: Vec<String> =
            self.out.iter().map(|index| set.rules()[*index].id.clone()).collect();
        ids.sort();
        ids
    }
}
