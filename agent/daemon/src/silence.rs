//! Silence: logs that used to grow and do so no more.
//!
//! How often a log speaks is learnt: one is called silent when it has been quiet for four times the
//! longest pause ever seen in it, and for `evidence.silent_after_s` at least. So a log that is
//! written once a day is not called silent every night.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use agent_inputs::{Chunk, Item, SourceMeta};
use rules_event::Value;

use crate::report::place;
use crate::witness::{Action, Witness, count};

/// So many logs are remembered, about 200 bytes each; the one that was quiet longest is forgotten for
/// a new one.
const SOURCES_MAX: usize = 4_096;
/// Fewer deliveries say nothing about how often a log speaks.
const HEARD_MIN: u32 = 8;
/// So many times its longest pause a log must be quiet.
const PAUSES: u32 = 4;

#[derive(Debug)]
struct Source {
    last: Instant,
    longest: Duration,
    heard: u32,
    is_silent: bool,
}

/// What was heard, by path or name.
pub(crate) type Heard = Arc<Mutex<HashMap<String, HeardSource>>>;

/// Opaque outside of this file.
#[derive(Debug)]
pub(crate) struct HeardSource(Source);

/// Notes who speaks. Shared with [`look`], which runs on a clock.
pub(crate) struct Silence {
    witness: Witness,
    heard: Heard,
}

impl Silence {
    pub(crate) fn new(witness: Witness, heard: Heard) -> Self {
        Self { witness, heard }
    }

    /// Notes the logs a chunk came from.
    pub(crate) fn note(&self, chunk: &Chunk) {
        let mut last: Option<&Arc<SourceMeta>> = None;
        for item in &chunk.items {
            let source = match item {
                Item::Lines(lines) => &lines.source,
                Item::Entry(entry) => &entry.source,
                Item::Sample(_) => continue,
            };
            if last.is_none_or(|last| !Arc::ptr_eq(last, source)) {
                // A command tells of its failures itself, and with on_change it is quiet by intent.
                if source.command.is_some() {
                    continue;
                }
                self.heard(source.path.as_deref().unwrap_or(&source.key), Instant::now());
                last = Some(source);
            }
        }
    }

    fn heard(&self, name: &str, now: Instant) {
        let mut all = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(HeardSource(source)) = all.get_mut(name) {
            let pause = now.saturating_duration_since(source.last);
            source.last = now;
            source.heard = source.heard.saturating_add(1);
            source.longest = source.longest.max(pause);
            if std::mem::take(&mut source.is_silent) {
                let text = format!("{name} speaks again after {} s", pause.as_secs());
                self.witness.say(Action::SourceHeard, text, fields(name, pause));
            }
            return;
        }
        if all.len() >= SOURCES_MAX
            && let Some(oldest) =
                all.iter().min_by_key(|(_, source)| source.0.last).map(|(name, _)| name.clone())
        {
            all.remove(&oldest);
        }
        let source = Source { last: now, longest: Duration::ZERO, heard: 1, is_silent: false };
        all.insert(name.to_owned(), HeardSource(source));
    }
}

/// Says which logs have fallen silent. `floor` is the shortest silence that counts; zero: none does.
pub(crate) fn look(heard: &Heard, witness: &Witness, floor: Duration, now: Instant) {
    if floor.is_zero() {
        return;
    }
    let mut all = heard.lock().unwrap_or_else(PoisonError::into_inner);
    for (name, HeardSource(source)) in all.iter_mut() {
        let quiet = now.saturating_duration_since(source.last);
        let bound = (source.longest * PAUSES).max(floor);
        if !source.is_silent && source.heard >= HEARD_MIN && quiet > bound {
            source.is_silent = true;
            let text = format!(
                "{name} is quiet for {} s; its longest pause before was {} s",
                quiet.as_secs(),
                source.longest.as_secs()
            );
            witness.say(Action::SourceSilent, text, fields(name, quiet));
        }
    }
}

fn fields(name: &str, pause: Duration) -> Vec<(&'static str, Value)> {
    vec![place(name), ("vonglau.source.silent_seconds", count(pause.as_secs()))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;
    use rules_event::field;

    #[test]
    fn a_log_is_silent_beyond_its_own_habit_only_and_is_told_once() {
        let (witness, mut said) = Witness::new(Metrics::new(), true);
        let heard = Heard::default();
        let silence = Silence::new(witness.clone(), Arc::clone(&heard));
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let floor = Duration::from_secs(60);
        for step in 0..20 {
            silence.heard("/var/log/busy.log", at(step * 10));
            silence.heard("/var/log/rare.log", at(step * 100));
        }
        silence.heard("journal", at(0));
        // busy: quiet since 190, bound 60 (four times ten is less). rare: since 1900, bound 400.
        look(&heard, &witness, floor, at(240));
        assert!(said.try_recv().is_err());
        look(&heard, &witness, floor, at(2_000));
        look(&heard, &witness, floor, at(2_001));
        let event = said.try_recv().unwrap().event;
        assert_eq!(event.get_str(field::EVENT_ACTION), Some("source_silent"));
        assert_eq!(event.get_str(field::LOG_FILE_PATH), Some("/var/log/busy.log"));
        assert!(
            said.try_recv().is_err(),
            "told once, and the journal spoke too seldom to be known"
        );
        silence.heard("/var/log/busy.log", at(2_100));
        let event = said.try_recv().unwrap().event;
        assert_eq!(event.get_str(field::EVENT_ACTION), Some("source_heard"));
        look(&heard, &witness, Duration::ZERO, at(1_000_000));
        assert!(said.try_recv().is_err(), "switched off");
    }

    #[test]
    fn memory_is_bounded() {
        let (witness, _said) = Witness::new(Metrics::new(), true);
        let heard = Heard::default();
        let silence = Silence::new(witness, Arc::clone(&heard));
        let start = Instant::now();
        for number in 0..SOURCES_MAX as u64 + 10 {
            silence.heard(&format!("/log/{number}"), start + Duration::from_millis(number));
        }
        let all = heard.lock().unwrap();
        assert_eq!(all.len(), SOURCES_MAX);
        assert!(!all.contains_key("/log/0") && all.contains_key("/log/4105"));
    }
}
