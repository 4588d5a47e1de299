//! Correlate: the correlations that this host decides by itself, over the hits of its own events.
//!
//! The threads that find hits write down of each what is counted ([`Block`]); [`Local`] counts them in
//! the order they were read, on the thread that seals, and makes an alert event of what fires. The
//! collector runs the same correlations over the hits of all hosts, and keeps an alert under the
//! firing's key, whoever tells it first. See `docs/adr/0015-correlation-on-the-host.md`.

mod block;
mod counting;
mod dictionary;
mod disk;
mod kept;
mod lines;
mod telling;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use agent_pipeline::AgentFacts;
use arc_swap::ArcSwap;
use rules_correlate::told::Told;
use rules_correlate::{Correlator, EventId, Fired, Listeners, Noted};
use rules_event::{Event, Timestamp, field};
use sha2::{Digest, Sha256};

pub(crate) use block::Block;
pub(crate) use counting::Counting;
pub(crate) use kept::Kept;

use crate::config::{Config, Enabled, Scope};
use crate::metrics::{Metrics, set};
use crate::rules::stored::Compiled;
use dictionary::{Dictionary, each_hit};
use disk::Pending;
use lines::{Lines, Origin};
use telling::{Telling, Verdict};

/// How late a hit may be, and how far beyond the clock its time is believed; see
/// `rules_correlate::Limits::lateness`. A fifth of the collector's: the logs of one host are read side by
/// side, and hits are kept so much longer than their window.
const LATENESS: std::time::Duration = std::time::Duration::from_secs(60);
/// Memory of what waits for a round is given back beyond this: 256 KiB, some thousand hits.
const BUFFER_KEPT_MAX: usize = 256 * 1024;

/// What is counted now; replaced as a whole when rules are reloaded.
pub(crate) type Correlations = Arc<ArcSwap<Counting>>;

/// See the head of the file.
pub(crate) struct Local {
    counting: Arc<Counting>,
    correlator: Correlator,
    lines: Lines,
    telling: Telling,
    pending: Pending,
    facts: AgentFacts,
    /// What the correlator had given up when last looked at.
    evicted: u64,
    metrics: Metrics,
}

impl Local {
    pub(crate) fn new(counting: Arc<Counting>, facts: AgentFacts, metrics: Metrics) -> Self {
        let mut lines = Lines::default();
        lines.arrange(&counting.dictionary);
        set(&metrics.correlations, counting.alerting() as u64);
        Self {
            correlator: correlator(&counting, &facts),
            counting,
            lines,
            telling: Telling::default(),
            pending: Pending::default(),
            facts,
            evicted: 0,
            metrics,
        }
    }

    /// Counts what a chunk held, and returns the alerts that come of it.
    pub(crate) fn take(&mut self, block: Block, now: Timestamp) -> Vec<Event> {
        if block.counting.generation > self.counting.generation {
            self.adopt(&block.counting);
        }
        // Where nothing is held, nothing waits for time to come.
        if block.is_idle() || (block.hits.count == 0 && self.correlator.keys() == 0) {
            return Vec::new();
        }
        let Block { counting, mut hits, lines, line_ends, newest, .. } = block;
        self.metrics.correlated_hits.inc_by(hits.count as u64);
        let dictionary = &counting.dictionary;
        let hits = hits.finish();
        let (mut kept, mut alerts) = (Vec::with_capacity(hits.len()), Vec::new());
        let is_current = Arc::ptr_eq(&self.counting, &counting);
        let mut ids = Vec::with_capacity(line_ends.len());
        let read =
            self.count(dictionary, hits, now, Some(&mut kept), |local, noted, rules, fired| {
                let hit = ids.len();
                ids.push(noted.id);
                let origin = Origin { ids: &ids, lines: &lines, ends: &line_ends };
                // The rings are arranged by the newest dictionary; a block found under an older one is rare.
                if is_current && !origin.line(hit).is_empty() {
                    rules.iter().for_each(|rule| local.lines.note(*rule, hit));
                }
                for (index, fired) in fired.iter().enumerate() {
                    alerts.extend(local.tell(fired, index, Some(noted.id), origin));
                }
            });
        debug_assert!(read.is_some(), "what we wrote ourselves is understood");
        self.lines.keep(Origin { ids: &ids, lines: &lines, ends: &line_ends });
        self.pending.add(dictionary, &kept, now, newest);
        alerts.extend(self.pass(newest));
        self.show();
        alerts
    }

    /// Counts hits that were counted before a restart. What fires was told then, or is known to be.
    fn count_again(
        &mut self,
        dictionary: &Dictionary,
        hits: &[u8],
        now: Timestamp,
        newest: i64,
    ) -> Option<usize> {
        let mut count = 0;
        let read = self.count(dictionary, hits, now, None, |_, _, _, _| count += 1);
        if self.correlator.waits() {
            self.correlator.advance(Timestamp::from_nanos(newest));
        }
        read.map(|()| count)
    }

    fn count(
        &mut self,
        dictionary: &Dictionary,
        hits: &[u8],
        now: Timestamp,
        kept: Option<&mut Vec<u8>>,
        mut each: impl FnMut(&mut Self, &Noted<'_>, &[u16], &[Fired]),
    ) -> Option<()> {
        self.correlator.clock(now);
        // Asked once a block: the rules may be others now than when it was found.
        let rules = dictionary.rules.iter();
        let listeners: Vec<Listeners> =
            rules.map(|rule| self.correlator.listeners(&rule.id)).collect();
        let (mut heard_by, mut ends) = (Vec::new(), Vec::new());
        each_hit(dictionary, hits, kept, |hits| {
            heard_by.clear();
            ends.clear();
            for (_, rules) in hits {
                let places = rules.iter().map(|rule| usize::from(*rule));
                heard_by.extend(places.filter_map(|rule| listeners.get(rule)).cloned());
                ends.push(heard_by.len());
            }
            let start = |hit: usize| hit.checked_sub(1).map_or(0, |before| ends[before]);
            let heard = |hit: usize| &heard_by[start(hit)..ends[hit]];
            let next = hits.iter().enumerate().map(|(hit, (noted, _))| (noted, heard(hit)));
            self.correlator.expect_noted(next);
            for (hit, (noted, rules)) in hits.iter().enumerate() {
                let fired = self.correlator.observe_noted(noted, heard(hit));
                each(self, noted, rules, &fired);
            }
        })
    }

    /// Lets time come as far as a chunk says, and returns what is certain by that.
    fn pass(&mut self, newest: i64) -> Vec<Event> {
        if !self.counting.waits || newest == i64::MIN {
            return Vec::new();
        }
        let fired = self.correlator.advance(Timestamp::from_nanos(newest));
        self.tell_all(&fired)
    }

    /// Judges all that still waits.
    fn finish(&mut self) -> Vec<Event> {
        let fired = self.correlator.finish();
        self.tell_all(&fired)
    }

    fn tell_all(&mut self, fired: &[Fired]) -> Vec<Event> {
        let fired = fired.iter().enumerate();
        let origin = Origin::default();
        fired.filter_map(|(index, fired)| self.tell(fired, index, None, origin)).collect()
    }

    /// Returns the alert event of a firing, if it is to be told now. `index` is its place among those that
    /// fired together, `by` the event it came by, `origin` the block of that.
    fn tell(
        &mut self,
        fired: &Fired,
        index: usize,
        by: Option<EventId>,
        origin: Origin<'_>,
    ) -> Option<Event> {
        let Some(facts) = self.counting.facts.get(&fired.correlation_id) else {
            // Only others count it.
            self.correlator.quiet(index, u64::MAX, Timestamp::from_nanos(i64::MAX));
            return None;
        };
        let newest = self.correlator.newest().as_nanos();
        let verdict = self.telling.judge(fired, facts.timespan, newest);
        if let Some((count, until)) = self.telling.rest(&fired.key) {
            self.correlator.quiet(index, count, until);
        }
        let revision = match verdict {
            Verdict::Tell(revision) => revision,
            Verdict::Known => return None,
            Verdict::Withheld => {
                self.metrics.correlation_withheld.inc();
                return None;
            }
        };
        let mut fired = fired.clone();
        if fired.event_ids.iter().any(String::is_empty) {
            // Counted before a restart, and kept without: see `Wanted::by_name`.
            let named = fired.event_ids.iter().filter(|id| !id.is_empty());
            fired.event_ids = named.cloned().collect();
        }
        if !facts.is_ordered {
            // The account of the last of many attempts says nothing about the attack.
            fired.witness.user = None;
        }
        let lines = self.lines.of(&fired.event_ids, by, origin);
        let told = Told {
            revision,
            title: facts.title.clone(),
            level: facts.level,
            techniques: facts.techniques.clone(),
            timespan: facts.timespan,
            never_forward: facts.never_forward,
            guide: facts.guide.clone(),
            lines,
            fired,
        };
        let mut event = Event::new(told.fired.last, id_of(&self.facts.agent_id, &told));
        sign(&mut event, &self.facts);
        if let Some(system) = &self.facts.system {
            event.set_text(field::VONGLAU_SYSTEM_ID, system);
        }
        told.write(&mut event);
        if !self.counting.ruleset.is_empty() {
            event.set_text(field::RULE_RULESET, &self.counting.ruleset);
        }
        self.metrics.correlation_alerts.inc();
        tracing::debug!(key = told.fired.key, revision, "{}", told.summary());
        Some(event)
    }

    /// Puts other correlations in force. Those that are the same go on with what they remember.
    fn adopt(&mut self, counting: &Arc<Counting>) {
        let saved = self.correlator.save();
        self.correlator = correlator(counting, &self.facts);
        self.counting = Arc::clone(counting);
        self.evicted = 0;
        let kept = self.correlator.load(&saved).unwrap_or_default();
        self.lines.arrange(&counting.dictionary);
        set(&self.metrics.correlations, counting.alerting() as u64);
        tracing::info!(
            correlations = counting.alerting(),
            groups = kept,
            "correlations are in force"
        );
    }

    /// Moves the metrics.
    fn show(&mut self) {
        set(&self.metrics.correlation_groups, self.correlator.keys() as u64);
        set(&self.metrics.correlation_bytes, self.correlator.bytes() as u64);
        let evicted = self.correlator.evicted();
        self.metrics.correlation_evicted.inc_by(evicted.saturating_sub(self.evicted));
        self.evicted = evicted;
    }
}

/// What runs on the events that somebody looks at, beside any agent: nothing of it is kept.
pub(crate) struct Bench(Local);

impl Bench {
    /// Runs the correlations of a rule set.
    pub(crate) fn new(compiled: &Compiled, config: &Config, facts: AgentFacts) -> Self {
        let identity = compiled.matcher.identity();
        let section = &config.correlation;
        let scope = match section.enabled {
            Enabled::Fixed(false) => Scope::Nothing,
            _ => Scope::All,
        };
        let counting = Counting::new(&compiled.notes.local, identity, section, scope);
        Self(Local::new(Arc::new(counting), facts, Metrics::new()))
    }

    /// Returns the alerts that an event gives rise to.
    pub(crate) fn take(&mut self, event: &Event, hits: usize) -> Vec<Event> {
        let mut block = Block::new(Arc::clone(&self.0.counting));
        block.note(event, hits, true);
        let alerts = self.0.take(block, Timestamp::from_nanos(i64::MAX));
        self.0.forget_pending();
        alerts
    }

    /// Returns those that only the end makes certain.
    pub(crate) fn finish(&mut self) -> Vec<Event> {
        self.0.finish()
    }
}

/// Returns what counts, knowing what all events of the agent have in common.
fn correlator(counting: &Counting, facts: &AgentFacts) -> Correlator {
    let mut correlator = counting.take_correlator();
    let mut common = Event::default();
    sign(&mut common, facts);
    let constants = dictionary::CONSTANTS.iter().filter_map(|name| {
        let value = common.get_str(name)?;
        Some(((*name).to_owned(), value.to_owned()))
    });
    correlator.set_constants(constants.collect());
    correlator
}

/// Sets what the agent knows of itself.
fn sign(event: &mut Event, facts: &AgentFacts) {
    event.set_text(field::AGENT_HOST, &facts.host);
    event.set_text(field::AGENT_ID, &facts.agent_id_text);
    if let Some(organization) = &facts.organization {
        event.set_text(field::ORGANIZATION_ID, organization);
    }
}

/// Returns the id of an alert: SHA-256 over agent id, key, revision, count and time of the last hit, so
/// that no two words on an attack have one id, and the same word has the same.
fn id_of(agent: &[u8; 16], told: &Told) -> String {
    let fired = &told.fired;
    let digest = Sha256::new()
        .chain_update(agent)
        .chain_update(b"\0correlation\0")
        .chain_update(fired.key.as_bytes())
        .chain_update(told.revision.to_be_bytes())
        .chain_update(fired.count.to_be_bytes())
        .chain_update(fired.last.as_nanos().to_be_bytes())
        .finalize();
    hex::encode(&digest[..16])
}
