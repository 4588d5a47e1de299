//! Limiter: keeps a log within so many events and bytes a second by thinning out what no rule hit.
//!
//! A bucket of tokens: what is kept takes some, time brings new ones. When it is empty the log goes a
//! step down, where one in ten of its events is kept, then one in a hundred, up to a millionth; when it is full again, a
//! step up. So what is kept comes, on average, to what is allowed, and is an honest sample all the
//! while: the step does not depend on which events are drawn.
//!
//! The clock of a log is its own as far as it goes forward, and ours otherwise: a backlog that was
//! written slowly is not thinned out because it is read fast, and a log whose times stand still gets
//! its share all the same. What is written in its future does not count.
//!
//! Nothing of this is kept over a restart, and nothing has to be: a record is judged once for all
//! when its round is in the spool, and one that is read again was in none.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rules_event::Timestamp;

use super::Arrival;

/// One in so many is kept for each step.
pub(crate) const STEP_FACTOR: u64 = 10;
/// At the last step one in a million is kept: a million events a second are one then.
const STEP_MAX: u8 = 6;
/// A step up is made after so much time at least: the bucket has to show that it stays full.
const STEP_UP_NS: i64 = 1_000_000_000;
/// A further step down is made after so much time at least: the one before has to show whether it is
/// enough.
const STEP_DOWN_NS: i64 = 250_000_000;
const SECOND_NS: f64 = 1e9;

/// What is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rates {
    /// Events a second; 0: no bound.
    pub events_per_s: u64,
    /// Bytes of records a second; 0: no bound.
    pub bytes_per_s: u64,
    /// So many seconds' worth may come at once.
    pub burst_s: u64,
}

impl Rates {
    /// Whether there is a bound at all.
    #[must_use]
    pub fn bounds_anything(&self) -> bool {
        self.events_per_s > 0 || self.bytes_per_s > 0
    }
}

/// A log that is thinned out, or was until now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limited {
    /// Name of the policy, such as `files.1`; `agent` for the whole of it.
    pub policy: String,
    /// What people call the log; empty for the whole agent.
    pub log: String,
    /// One in how many is kept now (1: all again), and at worst since it began.
    pub rate: u64,
    /// See `rate`.
    pub rate_worst: u64,
    /// Events left out since it began.
    pub left_out: u64,
    /// It has just begun.
    pub began: bool,
    /// It is over.
    pub ended: bool,
}

/// Tokens of one kind.
struct Tokens {
    per_s: u64,
    full: f64,
    held: f64,
    /// How many there were when the step was changed.
    at_step: f64,
}

/// See the head of the file.
pub(crate) struct Limiter {
    policy: String,
    log: String,
    bucket: Mutex<Bucket>,
}

struct Bucket {
    events: Tokens,
    bytes: Tokens,
    step: u8,
    /// The newest event time believed and the newest time of reading; `None` before the first.
    clocks: Option<(i64, i64)>,
    /// Time that went by, and when of it the step was changed.
    passed: i64,
    stepped: i64,
    worst: u8,
    left_out: u64,
    told: bool,
}

impl Limiter {
    pub(crate) fn new(policy: &str, log: &str, rates: Rates) -> Self {
        let bucket = Bucket {
            events: Tokens::new(rates.events_per_s, rates.burst_s),
            bytes: Tokens::new(rates.bytes_per_s, rates.burst_s),
            step: 0,
            clocks: None,
            passed: 0,
            stepped: 0,
            worst: 0,
            left_out: 0,
            told: false,
        };
        Self { policy: policy.to_owned(), log: log.to_owned(), bucket: Mutex::new(bucket) }
    }

    fn bucket(&self) -> MutexGuard<'_, Bucket> {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is allowed; a full burst of it may come at once. Without a bound whatever is
    /// thinned out ends.
    pub(crate) fn change(&self, rates: Rates) {
        let mut bucket = self.bucket();
        if (bucket.events.per_s, bucket.bytes.per_s) != (rates.events_per_s, rates.bytes_per_s) {
            bucket.events = Tokens::new(rates.events_per_s, rates.burst_s);
            bucket.bytes = Tokens::new(rates.bytes_per_s, rates.burst_s);
        }
        if !rates.bounds_anything() {
            bucket.step = 0;
        }
    }

    /// Takes note of an event that is kept whatever comes.
    pub(crate) fn pass_hit(&self, time: Timestamp, arrival: Arrival) {
        let mut bucket = self.bucket();
        bucket.advance(time, arrival.read_at);
        bucket.take(arrival.bytes);
    }

    /// Returns one in how many is kept if this event, with its number, is among them.
    pub(crate) fn pass(&self, time: Timestamp, arrival: Arrival, number: u64) -> Option<u64> {
        let mut bucket = self.bucket();
        bucket.advance(time, arrival.read_at);
        let rate = super::rate_of_step(bucket.step);
        if !number.is_multiple_of(rate) {
            bucket.left_out += 1;
            return None;
        }
        bucket.take(arrival.bytes);
        Some(rate)
    }

    /// Whether nothing is thinned out and nothing is left to be told.
    pub(crate) fn is_at_rest(&self) -> bool {
        let bucket = self.bucket();
        bucket.step == 0 && !bucket.told && bucket.left_out == 0
    }

    /// Lets time go by, and says what there is to be told.
    pub(crate) fn look(&self, now: Timestamp) -> Option<Limited> {
        let mut bucket = self.bucket();
        if bucket.clocks.is_some() {
            bucket.advance(Timestamp::default(), now);
        }
        if bucket.step == 0 && bucket.left_out == 0 {
            return None;
        }
        let (began, ended) = (!bucket.told, bucket.step == 0);
        let limited = Limited {
            policy: self.policy.clone(),
            log: self.log.clone(),
            rate: super::rate_of_step(bucket.step),
            rate_worst: super::rate_of_step(bucket.worst),
            left_out: bucket.left_out,
            began,
            ended,
        };
        bucket.told = !ended;
        if ended {
            (bucket.left_out, bucket.worst) = (0, 0);
        }
        Some(limited)
    }
}

impl Bucket {
    fn advance(&mut self, time: Timestamp, read_at: Timestamp) {
        let read_at = read_at.as_nanos();
        let time = time.as_nanos().min(read_at);
        let Some((event, read)) = &mut self.clocks else {
            self.clocks = Some((time, read_at));
            return;
        };
        let went = time.saturating_sub(*event).max(read_at.saturating_sub(*read));
        if went <= 0 {
            return;
        }
        *event = time.max(*event);
        *read = read_at.max(*read);
        self.passed = self.passed.saturating_add(went);
        let seconds = went as f64 / SECOND_NS;
        let is_full = self.events.fill(seconds) & self.bytes.fill(seconds);
        if is_full && self.step > 0 && self.passed - self.stepped >= STEP_UP_NS {
            self.change_step(self.step - 1);
        }
    }

    /// Takes the tokens of a record, and goes a step down when there are none left.
    fn take(&mut self, bytes: usize) {
        let is_short = self.events.take(1.0) | self.bytes.take(bytes as f64);
        let is_time = self.step == 0 || self.passed - self.stepped >= STEP_DOWN_NS;
        if is_short && is_time && self.step < STEP_MAX {
            self.change_step(self.step + 1);
            self.worst = self.worst.max(self.step);
        }
    }

    fn change_step(&mut self, step: u8) {
        self.step = step;
        self.stepped = self.passed;
        for tokens in [&mut self.events, &mut self.bytes] {
            tokens.at_step = tokens.held;
        }
    }
}

impl Tokens {
    fn new(per_s: u64, burst_s: u64) -> Self {
        let full = (per_s * burst_s) as f64;
        Self { per_s, full, held: full, at_step: full }
    }

    /// Adds those of a time; returns whether no more fit. Without a bound none ever do.
    fn fill(&mut self, seconds: f64) -> bool {
        self.held = (self.held + self.per_s as f64 * seconds).min(self.full);
        self.held >= self.full
    }

    /// Takes some; returns whether they are short, and become no more at this step. What is owed
    /// (hits are kept beyond the bound) is paid within the time of a burst.
    fn take(&mut self, amount: f64) -> bool {
        if self.per_s == 0 {
            return false;
        }
        self.held = (self.held - amount).max(-self.full);
        self.held < 0.0 && self.held <= self.at_step
    }
}
