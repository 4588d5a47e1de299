//! Pipeline: one item in, one event out for each of its records.

use std::sync::Arc;

use agent_inputs::{Entry, Item, Line, Sample, SourceMeta};
use rules_event::{Event, Level, Timestamp, encode_lossless, field};
use rules_matcher::Matcher;

use crate::decode::{self, Context};
use crate::detect::Detector;
use crate::identity;

/// What is true of every event of this agent.
#[derive(Debug, Clone)]
pub struct AgentFacts {
    /// Agent id as bytes: part of every event id.
    pub agent_id: [u8; 16],
    /// The same as text (`agent.id`).
    pub agent_id_text: String,
    /// The host the agent runs on (`host.name`).
    pub host: String,
    /// Organisation code of the agency (`organization.id`).
    pub organization: Option<String>,
    /// Zone of times written without one; see [`crate::timezone`].
    pub timezone: jiff::tz::TimeZone,
}

/// Decodes items into events and attaches the rules that hit. Cheap to share between threads.
pub struct Pipeline {
    agent: AgentFacts,
    detector: Detector,
}

/// A decoded item.
#[derive(Debug, Clone, PartialEq)]
pub struct Processed {
    /// The event, with its id, its fields and its hits.
    pub event: Event,
    /// Highest level among the rules that hit; `None` without a hit.
    pub level: Option<Level>,
}

impl Pipeline {
    /// Returns a pipeline; without rules it only decodes.
    #[must_use]
    pub fn new(agent: AgentFacts, rules: Option<Arc<Matcher>>) -> Self {
        Self { agent, detector: Detector::new(rules) }
    }

    /// Decodes the records of one item in order, attaches their hits and hands each to `take`. Never
    /// fails by itself: what no decoder understands is an event of dataset `text` that holds the line.
    ///
    /// # Errors
    /// The first of `take`; what follows is not decoded.
    pub fn process<E>(
        &self,
        item: Item,
        mut take: impl FnMut(Processed) -> Result<(), E>,
    ) -> Result<(), E> {
        match item {
            Item::Lines(lines) => lines
                .iter()
                .try_for_each(|line| take(self.line(&lines.source, lines.read_at, line))),
            Item::Entry(entry) => take(self.entry(&entry)),
            Item::Sample(sample) => take(self.judge(self.complete(sample))),
        }
    }

    /// Decodes one line of a log and attaches its hits.
    #[must_use]
    pub fn line(&self, source: &SourceMeta, read_at: Timestamp, line: Line<'_>) -> Processed {
        let id = identity::of_offset(&self.agent.agent_id, &source.key, line.offset);
        let mut event = self.decode(source, read_at, id, line.bytes);
        if line.truncated {
            event.set(field::VONGLAU_TRUNCATED, true);
        }
        if let Some(path) = &source.path {
            event.set(field::LOG_FILE_PATH, path.clone());
            event.set(field::LOG_OFFSET, i64::try_from(line.offset).unwrap_or(i64::MAX));
        }
        self.sign(&mut event);
        self.judge(event)
    }

    fn entry(&self, entry: &Entry) -> Processed {
        let source = &entry.source;
        let id = identity::of_cursor(&self.agent.agent_id, &source.key, &entry.cursor);
        let mut event = self.decode(source, entry.read_at, id, &entry.bytes);
        self.sign(&mut event);
        self.judge(event)
    }

    fn judge(&self, mut event: Event) -> Processed {
        let level = self.detector.attach(&mut event);
        Processed { event, level }
    }

    /// Puts another rule set in force, from the next event on.
    pub fn swap_rules(&self, rules: Arc<Matcher>) {
        self.detector.swap(rules);
    }

    fn decode(&self, source: &SourceMeta, read_at: Timestamp, id: String, bytes: &[u8]) -> Event {
        let mut event = Event::new(read_at, id);
        let (text, escaped) = encode_lossless(bytes);
        let context = Context {
            read_at,
            zone: &self.agent.timezone,
            format: source.format,
            path: source.path.as_deref(),
        };
        decode::line(&text, &context, &mut event);
        if let Some(dataset) = &source.dataset {
            event.set(field::EVENT_DATASET, dataset.clone());
        }
        event.set(field::EVENT_ORIGINAL, text.into_owned());
        if escaped {
            event.set(field::VONGLAU_ESCAPED, true);
        }
        event
    }

    /// Gives a sample its id: its instance stands for the source, its time for the offset.
    fn complete(&self, sample: Sample) -> Event {
        let Sample { event: mut sample, instance } = sample;
        let source = format!("sample{instance}");
        let offset = u64::try_from(sample.time.as_nanos()).unwrap_or_default();
        sample.id = identity::of_offset(&self.agent.agent_id, &source, offset);
        if sample.get(field::MESSAGE).is_none() {
            let message = summary(&sample);
            sample.set(field::MESSAGE, message);
        }
        self.sign(&mut sample);
        sample
    }

    fn sign(&self, event: &mut Event) {
        event.set(field::AGENT_HOST, self.agent.host.clone());
        event.set(field::AGENT_ID, self.agent.agent_id_text.clone());
        if let Some(organization) = &self.agent.organization {
            event.set(field::ORGANIZATION_ID, organization.clone());
        }
    }
}

/// `host: host.cpu.usage=0.25 …`, for people who read events as lines.
fn summary(sample: &Event) -> String {
    let mut text = sample.get_str("metricset.name").unwrap_or("sample").to_owned();
    text.push(':');
    for (name, value) in sample.fields() {
        if !name.starts_with("event.") && name != "metricset.name" {
            text.push_str(&format!(" {name}={value}"));
        }
    }
    text
}
