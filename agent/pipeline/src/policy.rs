//! Flow: what becomes of an event once the rules have seen it.
//!
//! An event that a rule of level medium or above hit travels on the lane of alerts. What else leaves
//! the host is the word of its input's policy ([`PolicyConfig`]), and how much of it that of its
//! limits. Who is left out by chance is drawn by `event.id`, which is the same whenever the same bytes
//! are read: a draw can be repeated by anybody, and a record that is read again after a crash has the
//! same fate. Everything left out is told to the caller with a reason, to be counted.
//!
//! The order: what carries a state secret is held back ([`crate::quarantine`]) and always goes out as
//! a stub; repeats of an alert step down to the lane of events ([`suppress`]); then the policy; then
//! the limit of the log; then that of the agent. Alerts and events that any rule hit are never drawn.

mod limit;
mod suppress;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use agent_inputs::{Policy, PolicyConfig, Ship, policy_of_dataset};
use arc_swap::{ArcSwap, ArcSwapOption};
use rules_event::{Event, Level, Timestamp, field};
use rules_matcher::Matcher;

pub use limit::{Limited, Rates};
use limit::{Limiter, STEP_FACTOR};
pub use suppress::Suppressor;

/// Events of this level or above travel on the alerts lane.
pub const ALERT_LEVEL: Level = Level::Medium;

/// `vonglau.sample_rate`: so many events stand behind this one.
pub const SAMPLE_RATE: &str = "vonglau.sample_rate";
/// `vonglau.suppressed`: a repeat of an alert.
pub const SUPPRESSED: &str = "vonglau.suppressed";

/// Logs whose limits are remembered: each takes some 300 bytes, and only logs with a limit have one.
/// Of more, those at rest are forgotten first; a log forgotten begins with a full burst.
const LOGS_MAX: usize = 4_096;

/// What was written longer ago than this is a backlog being read, which the limit of the whole agent
/// leaves alone: it bounds what the host makes now, not what an outage has left.
const BACKLOG_AGE_NS: i64 = 60 * 1_000_000_000;

/// What becomes of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It is sent on the lane of alerts.
    Alerts,
    /// It is sent on the lane of events.
    Events,
    /// It stays on the host.
    Left(Reason),
}

/// Why an event stays on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Its input sends alerts only, or nothing that no rule hit.
    Policy,
    /// It was not drawn for the sample of what no rule hit.
    SampledOut,
    /// Its log, or the agent, is over its limit.
    RateLimit,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 3] = [Self::Policy, Self::SampledOut, Self::RateLimit];

    /// Returns the word by which it is counted.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::SampledOut => "sampled_out",
            Self::RateLimit => "rate_limit",
        }
    }
}

/// The policies of all inputs, and what has to be remembered for them. Shared by all threads.
pub struct Flow {
    policies: ArcSwap<Vec<Policy>>,
    logs: Mutex<Logs>,
    /// The whole agent, where it has a limit.
    agent: ArcSwapOption<Limiter>,
    suppressor: Suppressor,
}

#[derive(Default)]
struct Logs {
    by_key: HashMap<(u16, String), Entry>,
    turn: u64,
}

struct Entry {
    limiter: Arc<Limiter>,
    used: u64,
}

/// What decides over the events of one source, looked up once for many records.
#[derive(Default)]
pub(crate) struct Course {
    ship: Ship,
    sample: u64,
    log: Option<Arc<Limiter>>,
    agent: Option<Arc<Limiter>>,
}

/// What is known of a record beside its event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) read_at: Timestamp,
    pub(crate) bytes: usize,
}

impl Default for Flow {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl Flow {
    /// Returns the flow of these policies, by their numbers. A number beyond them keeps everything.
    #[must_use]
    pub fn new(policies: Vec<Policy>) -> Self {
        Self {
            policies: ArcSwap::from_pointee(policies),
            logs: Mutex::default(),
            agent: ArcSwapOption::empty(),
            suppressor: Suppressor::default(),
        }
    }

    /// Bounds the whole agent, from the next item on; without a bound nothing is thinned out for it.
    pub fn limit_agent(&self, rates: Rates) {
        self.agent
            .store(rates.bounds_anything().then(|| Arc::new(Limiter::new("agent", "", rates))));
    }

    /// Puts other policies of the same inputs in force, from the next item on; false, and nothing is
    /// changed, when they are of other inputs.
    pub fn change(&self, policies: Vec<Policy>) -> bool {
        let names = |all: &[Policy]| all.iter().map(|it| it.name.clone()).collect::<Vec<_>>();
        if names(&policies) != self.names() {
            return false;
        }
        for ((number, _), entry) in &self.logs().by_key {
            let config = policies.get(usize::from(*number)).map(|policy| &policy.config);
            entry.limiter.change(config.map(Rates::of).unwrap_or_default());
        }
        self.policies.store(Arc::new(policies));
        true
    }

    /// Returns the memory of repeated alerts.
    #[must_use]
    pub fn suppressor(&self) -> &Suppressor {
        &self.suppressor
    }

    /// Returns the names of the policies, by their numbers.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.policies.load().iter().map(|policy| policy.name.clone()).collect()
    }

    /// Returns every log that is thinned out now, or was since the last look.
    pub fn look(&self, now: Timestamp) -> Vec<Limited> {
        let logs = self.logs();
        let mut limiters: Vec<_> =
            logs.by_key.values().map(|entry| Arc::clone(&entry.limiter)).collect();
        drop(logs);
        limiters.extend(self.agent.load_full());
        let mut found: Vec<Limited> =
            limiters.iter().filter_map(|limiter| limiter.look(now)).collect();
        found.sort_by(|a, b| (&a.policy, &a.log).cmp(&(&b.policy, &b.log)));
        found
    }

    fn logs(&self) -> MutexGuard<'_, Logs> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks up what decides over a source. `name` is what people call it.
    pub(crate) fn course(&self, policy: u16, key: &str, name: &str) -> Course {
        let policies = self.policies.load();
        let Some(Policy { name: input, config }) = policies.get(usize::from(policy)) else {
            let agent = self.agent.load_full();
            return Course { agent, ..Course::default() };
        };
        let rates = Rates::of(config);
        let log = rates
            .bounds_anything()
            .then(|| self.logs().find(policy, key, || Limiter::new(input, name, rates)));
        // What the agent says of itself is never thinned out.
        let agent = self.agent.load_full().filter(|_| policy != 0);
        Course { ship: config.ship, sample: u64::from(config.sample), log, agent }
    }

    /// As [`Flow::course`], for an event that an input made by itself.
    pub(crate) fn course_of_sample(&self, event: &Event) -> Course {
        let name = policy_of_dataset(event.get_str(field::EVENT_DATASET).unwrap_or_default());
        let policies = self.policies.load();
        let place = policies.iter().position(|policy| policy.name == name).unwrap_or(0);
        self.course(u16::try_from(place).unwrap_or(0), name, name)
    }

    /// Decides over an event with its hits, and marks what others have to know.
    pub(crate) fn decide(
        &self,
        course: &Course,
        rules: Option<&Matcher>,
        hits: &[usize],
        arrival: Arrival,
        event: &mut Event,
    ) -> Fate {
        let is_alert = rules.is_some_and(|rules| self.is_alert(rules, hits, event));
        if course.is_plain() {
            return if is_alert { Fate::Alerts } else { Fate::Events };
        }
        course.decide(is_alert, !hits.is_empty(), arrival, event)
    }

    /// Says whether an event travels on the lane of alerts: a rule of their level hit, and not only
    /// as a repeat.
    fn is_alert(&self, rules: &Matcher, hits: &[usize], event: &mut Event) -> bool {
        let (mut raised, mut repeated) = (false, false);
        for &rule in hits.iter().filter(|rule| rules.level(**rule) >= ALERT_LEVEL) {
            let is_repeat = rules.suppress(rule).is_some_and(|(seconds, by)| {
                let values = by.lines().map(|name| event.get(name));
                self.suppressor.repeats(rules.id(rule), values, seconds, event.time)
            });
            raised |= !is_repeat;
            repeated |= is_repeat;
        }
        if repeated && !raised {
            event.set(SUPPRESSED, true);
        }
        raised
    }
}

impl Course {
    /// Whether everything is kept.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.ship == Ship::All && self.log.is_none() && self.agent.is_none()
    }

    fn decide(&self, is_alert: bool, is_hit: bool, arrival: Arrival, event: &mut Event) -> Fate {
        let agent = self.agent.as_ref().filter(|_| !is_backlog(event.time, arrival));
        if is_alert || (is_hit && self.ship != Ship::Alerts) {
            self.log.iter().for_each(|log| log.pass_hit(event.time, arrival));
            agent.inspect(|agent| agent.pass_hit(arrival.read_at, arrival));
            return if is_alert { Fate::Alerts } else { Fate::Events };
        }
        let mut rate = match self.ship {
            Ship::All => 1,
            Ship::Matched => self.sample,
            Ship::Alerts => 0,
        };
        if rate == 0 {
            return Fate::Left(Reason::Policy);
        }
        let number = draw(&event.id);
        if !number.is_multiple_of(rate) {
            return Fate::Left(Reason::SampledOut);
        }
        if let Some(log) = &self.log {
            let Some(factor) = log.pass(event.time, arrival, number / rate) else {
                return Fate::Left(Reason::RateLimit);
            };
            rate *= factor;
        }
        if let Some(agent) = agent {
            let Some(factor) = agent.pass(arrival.read_at, arrival, number / rate) else {
                return Fate::Left(Reason::RateLimit);
            };
            rate *= factor;
        }
        if rate > 1 {
            event.set(SAMPLE_RATE, i64::try_from(rate).unwrap_or(i64::MAX));
        }
        Fate::Events
    }
}

fn is_backlog(time: Timestamp, arrival: Arrival) -> bool {
    arrival.read_at.as_nanos().saturating_sub(time.as_nanos()) > BACKLOG_AGE_NS
}

/// Returns the number of an event by which it is drawn: the first 16 of its digits. They are those of
/// a hash, so that each number is as likely as any other.
fn draw(id: &str) -> u64 {
    id.get(..16).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or(0)
}

impl Logs {
    fn find(&mut self, policy: u16, key: &str, new: impl FnOnce() -> Limiter) -> Arc<Limiter> {
        self.turn += 1;
        let used = self.turn;
        // Once for many records: the key is a few dozen bytes.
        let key = (policy, key.to_owned());
        if let Some(entry) = self.by_key.get_mut(&key) {
            entry.used = used;
            return Arc::clone(&entry.limiter);
        }
        if self.by_key.len() >= LOGS_MAX {
            self.forget();
        }
        let limiter = Arc::new(new());
        self.by_key.insert(key, Entry { limiter: Arc::clone(&limiter), used });
        limiter
    }

    /// Forgets a quarter: those that thin nothing out before others, the longest unused first.
    fn forget(&mut self) {
        let mut all: Vec<_> = self
            .by_key
            .iter()
            .map(|(key, entry)| (!entry.limiter.is_at_rest(), entry.used, key.clone()))
            .collect();
        all.sort_unstable();
        for (_, _, key) in all.into_iter().take(LOGS_MAX / 4) {
            self.by_key.remove(&key);
        }
    }
}

impl Rates {
    /// Returns the limits that a policy names.
    #[must_use]
    pub fn of(config: &PolicyConfig) -> Self {
        Self {
            events_per_s: config.events_per_s_max,
            bytes_per_s: config.bytes_per_s_max,
            burst_s: config.burst_s,
        }
    }
}

/// Returns one in how many is kept at a step.
#[must_use]
pub(crate) fn rate_of_step(step: u8) -> u64 {
    STEP_FACTOR.saturating_pow(u32::from(step))
}

#[cfg(test)]
mod tests;
