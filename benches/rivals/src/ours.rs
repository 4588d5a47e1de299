//! Ours: `rules-matcher`.

use std::sync::Arc;

use anyhow::{Result, ensure};
use rules_event::Event;
use rules_matcher::{JsonFields, Matcher, Naming, RuleSet, Selection, SourceOf};
use rules_sigma::{Document, Rule, parse_file};

use crate::corpus::{RuleText, Source};
use crate::engine::Engine;

/// Our matcher with its rules.
pub(crate) struct Ours {
    matcher: Arc<Matcher>,
    out: Vec<usize>,
}

/// Returns the rules of texts; what is refused is left out.
pub(crate) fn parse(texts: &[RuleText]) -> Vec<Rule> {
    let documents = texts.iter().flat_map(|text| parse_file(&text.name, &text.text).documents);
    let rules = documents.filter_map(|document| match document {
        Document::Rule(rule) => Some(rule),
        _ => None,
    });
    rules.collect()
}

impl Ours {
    /// Reads what [`Ours::image`] wrote.
    pub(crate) fn from_image(bytes: Vec<u8>) -> Result<Self> {
        Ok(Self { matcher: Arc::new(Matcher::from_image(bytes)?), out: Vec::new() })
    }

    /// Returns the compiled rules as bytes.
    pub(crate) fn image(&self) -> Vec<u8> {
        self.matcher.to_image().to_vec()
    }
}

impl Engine for Ours {
    type Source = Selection;
    type Event = Event;

    /// Loads rules for events under Sigma's own names, and keeps of them what matching needs.
    fn load(texts: &[RuleText]) -> Result<Self> {
        let (set, _) = RuleSet::compile_as(parse(texts), Naming::Sigma);
        ensure!(!set.rules().is_empty(), "no rule was loaded");
        Ok(Self { matcher: Arc::clone(set.matcher()), out: Vec::new() })
    }

    fn rules(&self) -> usize {
        self.matcher.len()
    }

    fn source(&self, source: &Source) -> Selection {
        let part = |text| Some(text).filter(|text: &&str| !text.is_empty());
        self.matcher.select(&SourceOf {
            product: part(&source.product),
            service: part(&source.service),
            category: part(&source.category),
        })
    }

    fn event(&self, json: &str) -> Result<Event> {
        agent_wire::parse_event(json.as_bytes()).map_err(anyhow::Error::msg)
    }

    fn hits_in_text(&mut self, source: &Selection, json: &str) -> Result<usize> {
        self.matcher.hits_in(source, &JsonFields::parse(json)?, &mut self.out);
        Ok(self.out.len())
    }

    fn hits(&mut self, source: &Selection, event: &Event) -> usize {
        self.matcher.hits_in(source, event, &mut self.out);
        self.out.len()
    }

    fn hit_ids(&mut self, source: &Selection, event: &Event) -> Vec<String> {
        self.matcher.hits_in(source, event, &mut self.out);
        let ids = self.out.iter().map(|index| self.matcher.id(*index).to_owned());
        let mut ids: Vec<String> = ids.collect();
        ids.sort();
        ids
    }
}
