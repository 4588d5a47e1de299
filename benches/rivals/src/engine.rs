//! What an engine must be able to do to be measured.

use anyhow::Result;

use crate::corpus::{Line, RuleText};

/// An engine with its rules loaded.
pub(crate) trait Engine: Sized {
    /// An event decoded into the engine's own form, with its logsource.
    type Event;

    /// Loads rules from text.
    fn load(texts: &[RuleText]) -> Result<Self>;

    /// Returns how many rules were loaded.
    fn rules(&self) -> usize;

    /// Decodes an event.
    fn decode(&self, line: &Line) -> Result<Self::Event>;

    /// Returns how many rules match a decoded event, logsource applied.
    fn hits(&mut self, event: &Self::Event) -> usize;

    /// Returns the ids of the rules that match, sorted.
    fn hit_ids(&mut self, event: &Self::Event) -> Vec<String>;

    /// Decodes a text and returns how many rules match.
    fn hits_in_text(&mut self, line: &Line) -> Result<usize> {
        let event = self.decode(line)?;
        Ok(self.hits(&event))
    }
}
