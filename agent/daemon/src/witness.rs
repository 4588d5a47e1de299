//! Witness: what happens to the agent itself, said as events of dataset `vonglau.agent`.
//!
//! They go through the pipeline like any log line, so rules see them and the chain of signatures
//! covers them. What each action means, and its fields, stands in `docs/spec/agent-events.md`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use agent_inputs::Sample;
use rules_event::{Event, Value, field};
use tokio::sync::mpsc;

use crate::metrics::Metrics;
use crate::sealer::now;

/// So many of our own events may wait for the worker; one more is dropped and counted. They are
/// rare: hundreds at once would be a fault that says the same thing again and again.
pub(crate) const WAITING_MAX: usize = 256;
/// `event.dataset` of all of them.
pub(crate) const DATASET: &str = "vonglau.agent";

/// Why, for people (ECS `event.reason`).
pub(crate) const REASON: &str = "event.reason";

/// Everything the agent says of itself (`event.action`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Action {
    /// It began to run.
    Started,
    /// It was told to stop and does so in order.
    Stopped,
    /// The run before this one ended without having been told to.
    EndedUnclean,
    /// Its key, and so its id, is another one than before.
    KeyChanged,
    /// The program file is another one than before.
    BinaryChanged,
    /// The configuration file is another one than before.
    ConfigChanged,
    /// A changed configuration is in force.
    ConfigReloaded,
    /// A changed configuration is wrong; the old one stays.
    ConfigRefused,
    /// The files of the rules are others than before.
    RulesChanged,
    /// Another rule set is in force.
    RulesReloaded,
    /// A changed rule set has errors; the old one stays.
    RulesRefused,
    /// The clock of the host was set.
    ClockJumped,
    /// A log became shorter, or was replaced in place.
    LogTruncated,
    /// Lines of a log are gone unread.
    LogLost,
    /// A log is quiet for far longer than it used to be.
    SourceSilent,
    /// A quiet log speaks again.
    SourceHeard,
    /// Damage was found in the spool and set aside.
    SpoolDamaged,
    /// The numbering of batches began anew.
    EpochChanged,
    /// A bound of the agent is reached, and it does less.
    SheddingStarted,
    /// It does all of its work again.
    SheddingEnded,
    /// A log is over its limit; what no rule hit is thinned out.
    RateLimited,
    /// It is within its limit again.
    RateLimitEnded,
}

impl Action {
    /// Every action: the label values of the counter.
    pub(crate) const ALL: [Self; 22] = [
        Self::Started,
        Self::Stopped,
        Self::EndedUnclean,
        Self::KeyChanged,
        Self::BinaryChanged,
        Self::ConfigChanged,
        Self::ConfigReloaded,
        Self::ConfigRefused,
        Self::RulesChanged,
        Self::RulesReloaded,
        Self::RulesRefused,
        Self::ClockJumped,
        Self::LogTruncated,
        Self::LogLost,
        Self::SourceSilent,
        Self::SourceHeard,
        Self::SpoolDamaged,
        Self::EpochChanged,
        Self::SheddingStarted,
        Self::SheddingEnded,
        Self::RateLimited,
        Self::RateLimitEnded,
    ];

    /// Returns `event.action`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Stopped => "stopped",
            Self::EndedUnclean => "ended_unclean",
            Self::KeyChanged => "key_changed",
            Self::BinaryChanged => "binary_changed",
            Self::ConfigChanged => "config_changed",
            Self::ConfigReloaded => "config_reloaded",
            Self::ConfigRefused => "config_refused",
            Self::RulesChanged => "rules_changed",
            Self::RulesReloaded => "rules_reloaded",
            Self::RulesRefused => "rules_refused",
            Self::ClockJumped => "clock_jumped",
            Self::LogTruncated => "log_truncated",
            Self::LogLost => "log_lost",
            Self::SourceSilent => "source_silent",
            Self::SourceHeard => "source_heard",
            Self::SpoolDamaged => "spool_damaged",
            Self::EpochChanged => "epoch_changed",
            Self::SheddingStarted => "shedding_started",
            Self::SheddingEnded => "shedding_ended",
            Self::RateLimited => "rate_limited",
            Self::RateLimitEnded => "rate_limit_ended",
        }
    }

    /// Returns `event.category` and `event.type` (ECS' allowed values), where one fits.
    fn kind(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Started => Some(("process", "start")),
            Self::Stopped | Self::EndedUnclean => Some(("process", "end")),
            Self::KeyChanged
            | Self::BinaryChanged
            | Self::ConfigChanged
            | Self::ConfigReloaded
            | Self::ConfigRefused
            | Self::RulesChanged
            | Self::RulesReloaded
            | Self::RulesRefused
            | Self::ClockJumped => Some(("configuration", "change")),
            _ => None,
        }
    }
}

/// Says things; cheap to clone.
#[derive(Clone)]
pub(crate) struct Witness {
    out: mpsc::Sender<Sample>,
    metrics: Metrics,
    said: Arc<AtomicU64>,
    /// Whether events are made; what is said is logged and counted all the same.
    is_heard: bool,
}

impl Witness {
    /// Returns a witness, and what it says.
    pub(crate) fn new(metrics: Metrics, is_heard: bool) -> (Self, mpsc::Receiver<Sample>) {
        let (out, said) = mpsc::channel(WAITING_MAX);
        (Self { out, metrics, said: Arc::default(), is_heard }, said)
    }

    /// Says that something happened. `text` is for people, `fields` for rules. Never waits.
    pub(crate) fn say(
        &self,
        action: Action,
        text: impl Into<String>,
        fields: impl IntoIterator<Item = (&'static str, Value)>,
    ) {
        let text = text.into();
        tracing::info!(action = action.as_str(), "{text}");
        self.metrics.own_events.with_label_values(&[action.as_str()]).inc();
        if !self.is_heard {
            return;
        }
        // Two things may happen within one tick of the clock.
        let number = self.said.fetch_add(1, Ordering::Relaxed);
        let event = event(action, text, fields);
        let instance = format!("\u{1}agent\u{1}{}\u{1}{number}", action.as_str());
        if self.out.try_send(Sample { event, instance }).is_err() {
            self.metrics.own_events_lost.inc();
            tracing::warn!(action = action.as_str(), "too many own events wait; this one is lost");
        }
    }
}

fn event(
    action: Action,
    text: String,
    fields: impl IntoIterator<Item = (&'static str, Value)>,
) -> Event {
    let mut event = Event::new(now(), String::new());
    event.set(field::EVENT_KIND, "state");
    event.set(field::EVENT_MODULE, "vonglau");
    event.set(field::EVENT_DATASET, DATASET);
    event.set(field::EVENT_ACTION, action.as_str());
    if let Some((category, kind)) = action.kind() {
        event.set("event.category", category);
        event.set("event.type", kind);
    }
    event.set(field::MESSAGE, text);
    for (name, value) in fields {
        event.set(name, value);
    }
    event
}

/// A text as a value.
pub(crate) fn text(text: &str) -> Value {
    Value::from(text.to_owned())
}

/// A number that does not reach 2^63 in practice, as a value.
pub(crate) fn count(number: u64) -> Value {
    Value::from(i64::try_from(number).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_action_has_a_word_of_its_own() {
        let words: HashSet<_> = Action::ALL.iter().map(|action| action.as_str()).collect();
        assert_eq!(words.len(), Action::ALL.len());
        let page = include_str!("../../../docs/spec/agent-events.md");
        for word in words {
            assert!(page.contains(&format!("| `{word}` |")), "{word} is not in agent-events.md");
        }
    }

    #[test]
    fn what_is_said_waits_within_a_bound_and_what_is_beyond_is_counted() {
        let metrics = Metrics::new();
        let (witness, mut said) = Witness::new(metrics.clone(), true);
        for _ in 0..WAITING_MAX + 3 {
            witness.say(Action::ClockJumped, "x", [("vonglau.clock.offset_seconds", count(2))]);
        }
        assert_eq!(metrics.own_events_lost.get(), 3);
        let mut instances = HashSet::new();
        while let Ok(sample) = said.try_recv() {
            assert_eq!(sample.event.get_str(field::EVENT_ACTION), Some("clock_jumped"));
            assert!(instances.insert(sample.instance));
        }
        assert_eq!(instances.len(), WAITING_MAX);
    }
}
