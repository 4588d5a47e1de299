//! Exec: the output of commands of this host, each with a time limit.
//!
//! A run is known by the name of its command and the time it began; a record by its place in the output
//! of its run. All of a run (its records, what is told of it, and the position that says "this run was
//! made") goes into one chunk: a killed agent has all of it in the spool, or nothing and runs the
//! command again at its start. So nothing of a run is lost once it is stored, and nothing is repeated.
//!
//! Bounds: 32 commands, one run of each at a time, [`OUTPUT_BYTES_MAX`] bytes and [`LINES_MAX`] lines of
//! output, two KiB of error output, a time limit for each run and some seconds behind it.

mod child;
mod config;
mod event;
mod guard;
mod output;
mod pipe;
mod schedule;
mod state;
#[cfg(test)]
mod tests;
mod trust;
mod user;

pub use config::{ExecConfig, Record};
pub use guard::{GUARD_ARGUMENT, guard};

pub(crate) use config::{Plan, plans};

use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::child::{Outcome, Ran};
use self::state::State;
use self::trust::Trust;
use crate::run::Wiring;
use crate::{Chunk, Count, Item, Positions, clock};

/// What keys of checkpoints and sources begin with.
const KEY_PREFIX: &str = "exec:";
/// Bits of an offset that are the place in the output.
const PLACE_BITS: u32 = 20;
/// Most output of a run, bytes: one chunk holds all of it, and becomes up to six times that.
const OUTPUT_BYTES_MAX: usize = 1 << PLACE_BITS;
/// Most lines of a run: each becomes an event of some hundred bytes, whatever its length.
const LINES_MAX: usize = 20_000;
/// How often a run that does not end is looked at.
const STUCK_LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Returns what a record is known by besides its command: no two runs begin in the same millisecond,
/// and no output is longer than 2^20 bytes, so the number is unique until the year 2527.
fn offset(run_ms: u64, place: u64) -> u64 {
    run_ms << PLACE_BITS | place
}

/// Says of each command that would be refused why. `besides`: a user whose programs are trusted like
/// root's and the own one's.
#[must_use]
pub fn distrusted(configs: &[ExecConfig], besides: Option<u32>) -> Vec<String> {
    let trust = Trust::new(besides);
    let refused = configs.iter().filter_map(|config| {
        let reason = trust.check(&config.command).err()?;
        Some(format!("input.exec {}: {reason}", config.command.join(" ")))
    });
    refused.collect()
}

/// Runs the commands until it is time to end.
pub(crate) fn start(
    plans: Vec<Plan>,
    guarded: bool,
    checkpoints: &Positions,
    inputs: &mut JoinSet<()>,
    wiring: &Wiring,
) {
    let is_known = |key: &str| plans.iter().any(|plan| plan.meta.key == key);
    let keys = checkpoints.iter().map(|(key, _)| key);
    let ours = keys.filter(|key| key.starts_with(KEY_PREFIX));
    let gone: Vec<String> = ours.filter(|key| !is_known(key)).map(str::to_owned).collect();
    if !gone.is_empty() {
        let wiring = wiring.clone();
        inputs.spawn(async move {
            wiring.send(Chunk { gone, ..Chunk::default() }).await;
        });
    }
    for plan in plans {
        let state = checkpoints.get(&plan.meta.key).map(State::parse);
        let runner = Runner {
            plan,
            guarded,
            state: state.unwrap_or_default(),
            trust: Trust::new(None),
            zone: TimeZone::system(),
            problem: None,
            wiring: wiring.clone(),
        };
        inputs.spawn(runner.run());
    }
}

/// One command.
struct Runner {
    plan: Plan,
    guarded: bool,
    state: State,
    trust: Trust,
    zone: TimeZone,
    /// The problem that was told.
    problem: Option<String>,
    wiring: Wiring,
}

/// When the next run is due.
#[derive(Debug, Clone, Copy)]
struct Due {
    at: Instant,
    /// The same on the clock; of a schedule.
    time: jiff::Timestamp,
}

impl Runner {
    async fn run(mut self) {
        let Some(mut due) = self.first() else { return };
        loop {
            tokio::select! {
                biased;
                () = self.wiring.stop.cancelled() => return,
                () = self.wait(due) => {}
            }
            let Some(stuck) = self.once().await else { return };
            if let Some(leader) = stuck
                && !self.outlast(leader).await
            {
                return;
            }
            let Some(next) = self.next(due) else { return };
            due = next;
        }
    }

    /// When to run first: as if the agent had not been down.
    fn first(&self) -> Option<Due> {
        let (now, time) = (Instant::now(), jiff::Timestamp::now());
        let last = i64::try_from(self.state.run).ok().filter(|ms| *ms > 0);
        let last = last.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        if let Some(schedule) = &self.plan.schedule {
            // A clock that was set back must not make up for what is to come.
            let after = last.filter(|last| *last < time).unwrap_or(time);
            return schedule.next(after, &self.zone).map(|time| Due { at: now, time });
        }
        let since = last.map_or(self.plan.interval, |last| {
            Duration::try_from(time.duration_since(last)).unwrap_or_default()
        });
        Some(Due { at: now + self.plan.interval.saturating_sub(since), time })
    }

    /// When to run next; counts what was due meanwhile.
    fn next(&mut self, due: Due) -> Option<Due> {
        let (now, time) = (Instant::now(), jiff::Timestamp::now());
        let (skipped, next) = match &self.plan.schedule {
            Some(schedule) => {
                let from = due.time.max(millis(self.state.run));
                let skipped = schedule.between(from, time, &self.zone);
                let next = schedule.next(time.max(from), &self.zone)?;
                (skipped, Due { at: now, time: next })
            }
            None => {
                let late = now.saturating_duration_since(due.at).as_nanos();
                let skipped = late / self.plan.interval.as_nanos();
                let steps = u32::try_from(skipped + 1).unwrap_or(u32::MAX);
                let skipped = u64::try_from(skipped).unwrap_or(u64::MAX);
                (skipped, Due { at: due.at + self.plan.interval * steps, time })
            }
        };
        self.state.skipped = self.state.skipped.saturating_add(skipped);
        self.wiring.report.count(Count::ExecSkipped, skipped);
        Some(next)
    }

    async fn wait(&self, due: Due) {
        if self.plan.schedule.is_none() {
            return tokio::time::sleep_until(due.at).await;
        }
        // By the clock, which may be set: looked at often enough for a schedule in minutes.
        while let Ok(left) = Duration::try_from(due.time.duration_since(jiff::Timestamp::now())) {
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(Duration::from_secs(10))).await;
        }
    }

    /// Runs it once and hands on what it gave; `None` when it is time to end.
    async fn once(&mut self) -> Option<Option<child::Leader>> {
        let now_ms = u64::try_from(clock::now().as_nanos() / 1_000_000).unwrap_or_default();
        let run_ms = self.state.begin(now_ms);
        let mut ran = match self.trust.check(&self.plan.config.command) {
            Ok(()) => child::run(&self.plan, self.guarded, &self.wiring.stop).await?,
            Err(reason) => Ran::without(Outcome::Refused(reason)),
        };
        self.tell(&ran);
        let mut items = Vec::new();
        let mut counts = vec![(Count::ExecRuns, 1)];
        if ran.outcome != Outcome::Success {
            counts.push((Count::ExecFailures, 1));
        }
        let kept = ran.output.len() as u64;
        counts.push((Count::TruncatedBytes, ran.seen.saturating_sub(kept)));
        if self.is_to_be_sent(&ran) {
            let output = std::mem::take(&mut ran.output);
            let records = output::records(&self.plan, run_ms, &ran.outcome, output);
            let lines = records.lines;
            counts.extend([
                (Count::Lines, lines.lines.len() as u64),
                (Count::JoinedLines, records.joined),
                (Count::LineBytes, kept - records.left_out.min(kept)),
                (Count::TruncatedBytes, records.left_out),
                (
                    Count::TruncatedLines,
                    lines.lines.iter().filter(|span| span.is_truncated()).count() as u64,
                ),
            ]);
            if !lines.lines.is_empty() {
                items.push(Item::Lines(lines));
            }
        } else {
            counts.push((Count::ExecUnchanged, 1));
        }
        if self.state.note(&ran.outcome) {
            items.push(Item::Sample(event::event(&self.plan, &self.state, &ran)));
            self.state.told();
            counts.push((Count::Samples, 1));
        }
        let positions = vec![(self.plan.meta.key.clone(), self.state.json())];
        if !self.wiring.send(Chunk { items, positions, gone: Vec::new() }).await {
            return None;
        }
        for (what, amount) in counts {
            self.wiring.report.count(what, amount);
        }
        Some(ran.stuck)
    }

    /// Whether the output is news; remembers it if so.
    fn is_to_be_sent(&mut self, ran: &Ran) -> bool {
        if !self.plan.config.on_change {
            return true;
        }
        if !ran.outcome.is_whole() {
            return false;
        }
        let digest = blake3::hash(&ran.output).to_hex().to_string();
        let is_news = self.state.digest != digest;
        self.state.digest = digest;
        is_news
    }

    /// Tells of what stands in the way of the command. An exit code is its own word, and no problem of
    /// the agent's.
    fn tell(&mut self, ran: &Ran) {
        let is_problem = !ran.outcome.is_whole();
        let text = is_problem.then(|| event::reason(&self.plan, ran));
        if text == self.problem {
            return;
        }
        let subject = self.plan.subject();
        match &text {
            Some(text) => self.wiring.report.problem(&subject, text.clone()),
            None => self.wiring.report.resolved(&subject),
        }
        self.problem = text;
    }

    /// Waits for a command that does not end though it was killed; false when it is time to end.
    async fn outlast(&mut self, mut leader: child::Leader) -> bool {
        let text = "it was killed and does not end: it hangs in the kernel (a file system whose server \
                    is away), or runs as another user; it is not run again before it has ended";
        self.wiring.report.problem(&self.plan.subject(), text.to_owned());
        self.problem = Some(text.to_owned());
        while leader.is_there() {
            tokio::select! {
                biased;
                () = self.wiring.stop.cancelled() => return false,
                () = tokio::time::sleep(STUCK_LOOK_INTERVAL) => {}
            }
        }
        true
    }
}

fn millis(ms: u64) -> jiff::Timestamp {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}
