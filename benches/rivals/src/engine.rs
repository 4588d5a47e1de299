//! What an engine must be able to do to be measured.

use anyhow::Result;

use crate::corpus::{Line, RuleText, Source};

/// An engine with its rules loaded.
pub(crate) trait Engine: Sized {
    /// A logsource in the engine's own form: known of a log before its events come.
    type Source;
    /// An event decoded into the engine's own form.
    type Event;

    /// Loads rules from text.
    fn load(texts: &[RuleText]) -> Result<Self>;

    /// Returns how many rules were loaded.
    fn rules(&self) -> usize;

    /// Prepares a logsource.
    fn source(&self, source: &Source) -> Self::Source;

    /// Decodes an event.
    fn event(&self, json: &str) -> Result<Self::Event>;

    /// Returns how many rules match a decoded event, logsource applied.
    fn hits(&mut self, source: &Self::Source, event: &Self::Event) -> usize;

    /// Returns the ids of the rules that match, sorted.
    fn hit_ids(&mut self, source: &Self::Source, event: &Self::Event) -> Vec<String>;

    /// Decodes a text and returns how many rules match.
    fn hits_in_text(&mut self, source: &Self::Source, json: &str) -> Result<usize> {
        let event = self.event(json)?;
        Ok(self.hits(source, &event))
    }

    /// Prepares the logsources of lines.
    fn sources(&self, lines: &[&Line]) -> Vec<Self::Source> {
        lines.iter().map(|line| self.source(&line.source)).collect()
    }

    /// Decodes the events of lines.
    fn events(&self, lines: &[&Line]) -> Result<Vec<(Self::Source, Self::Event)>> {
        lines.iter().map(|line| Ok((self.source(&line.source), self.event(&line.json)?))).collect()
    }
}
