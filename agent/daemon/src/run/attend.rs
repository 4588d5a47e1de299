//! Attending to the running parts until it is time to stop, then taking them apart in order.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use agent_wire::Record;
use rules_service::logs::chain;
use tokio::sync::oneshot;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::Agent;
use crate::error::{Error, Result};
use crate::evidence::ALIVE_INTERVAL;
use crate::sealer::now;
use crate::silence;
use crate::watchdog::INTERVAL;
use crate::witness::{self, Action, REASON};
use crate::{handback, heartbeat};

/// How long inputs may take to end when told to.
const INPUTS_END_WAIT_MAX: Duration = Duration::from_secs(10);
/// How often files are looked at that nobody should change, and the service manager's line is renewed.
const SLOW_INTERVAL: Duration = ALIVE_INTERVAL;

/// Why the loop ended.
enum End {
    /// Told to, by a signal or a lost parent.
    Told,
    /// Told to, and the worker has ended already.
    Stopped,
    /// The inputs ended by themselves.
    Inputs,
    /// The worker ended by itself.
    Worker(std::result::Result<Result<()>, oneshot::error::RecvError>),
    /// A bound that cannot be kept.
    Bound(Error),
}

impl Agent {
    /// Looks after the running parts until it is time to stop, then takes them apart.
    pub(super) async fn attend(mut self) -> Result<()> {
        let mut beats = ticks(Duration::from_secs(self.config.heartbeat.interval_s));
        let (mut looks, mut slow) = (ticks(INTERVAL), ticks(SLOW_INTERVAL));
        let mut fed = Fed::default();
        // The first tick comes at once, when the start is not over yet.
        let mut slow_looks = 0_u64;
        let end = loop {
            tokio::select! {
                () = self.stop.cancelled() => break End::Told,
                result = &mut self.worker => break End::Worker(result),
                _ = &mut self.inputs => break End::Inputs,
                _ = self.hangup.recv() => {
                    let interval_s = self.config.heartbeat.interval_s;
                    self.reload().await;
                    if self.config.heartbeat.interval_s != interval_s {
                        beats = ticks(Duration::from_secs(self.config.heartbeat.interval_s));
                    }
                }
                _ = beats.tick() => self.beat(),
                _ = slow.tick() => {
                    self.look_slowly();
                    slow_looks += 1;
                    if slow_looks == 2 {
                        let kib = handback::pages_of_the_start();
                        tracing::debug!(kib, "handed back the pages of the start");
                    }
                }
                _ = looks.tick() => {
                    if let Some(ledger) = &self.ledger {
                        ledger.follow(&self.spool_dir, &self.metrics);
                    }
                    self.clocks.look(&self.witness);
                    self.thinning.look(now());
                    self.feed(&mut fed);
                    if let Err(bytes) = self.watchdog.look() {
                        let bound = self.config.limits.memory_bytes_max;
                        break End::Bound(Error::Memory { bytes, bound });
                    }
                }
            }
        };
        // Who ends because of the stop may be seen before the stop itself.
        let end = match end {
            End::Worker(Ok(Ok(()))) if self.stop.is_cancelled() => End::Stopped,
            End::Inputs if self.stop.is_cancelled() => End::Told,
            end => end,
        };
        self.take_apart(end).await
    }

    /// From the source downwards: no more lines, then everything read is sealed and appended, then
    /// the shipper stores its cursors.
    async fn take_apart(mut self, end: End) -> Result<()> {
        let reason = match &end {
            End::Told | End::Stopped => {
                self.ended_by.get().copied().unwrap_or("the supervisor is gone").to_owned()
            }
            End::Inputs => "the inputs have ended by themselves".to_owned(),
            End::Worker(_) => "the worker has ended".to_owned(),
            End::Bound(error) => error.to_string(),
        };
        if !matches!(end, End::Told | End::Stopped) {
            tracing::error!("{reason}; stopping");
        }
        self.notifier.stopping(&reason);
        self.stop.cancel();
        if !self.inputs.is_finished()
            && tokio::time::timeout(INPUTS_END_WAIT_MAX, &mut self.inputs).await.is_err()
        {
            tracing::warn!("an input does not end; what it read last is read again");
        }
        let text = format!("the agent stops: {reason}");
        self.witness.say(Action::Stopped, text, [(REASON, witness::text(&reason))]);
        self.close_valve.cancel();
        let (result, bound) = match end {
            End::Stopped => (Ok(Ok(())), None),
            End::Worker(result) => (result, None),
            End::Bound(error) => ((&mut self.worker).await, Some(error)),
            End::Told | End::Inputs => ((&mut self.worker).await, None),
        };
        self.beat();
        self.stop_shipper.cancel();
        if let Some(shipper) = self.shipper.take() {
            shipper.join().await;
        }
        let result = result.unwrap_or(Err(Error::Panic("worker")));
        let result = match (result, (&mut self.valve).await) {
            (Ok(()), Err(_)) => Err(Error::Panic("valve")),
            (Ok(()), Ok(())) => bound.map_or(Ok(()), Err),
            (failed, _) => failed,
        };
        self.evidence.end(&result.as_ref().err().map_or(reason, |error| chain(error)));
        result
    }

    /// What is looked at every few seconds.
    fn look_slowly(&mut self) {
        self.evidence.alive();
        let floor = Duration::from_secs(self.config.evidence.silent_after_s);
        silence::look(&self.heard, &self.witness, floor, Instant::now());
        self.seals.look(&self.witness);
        self.notifier.status(&self.one_line());
    }

    /// The line that `systemctl status` shows.
    pub(super) fn one_line(&self) -> String {
        let totals = self.metrics.sums.totals();
        let dropped: u64 = totals.dropped.values().sum();
        let problems = self.health.problems();
        let mut line = format!(
            "read {}, spooled {}, dropped {dropped}; spool {} KiB",
            totals.read,
            totals.spooled,
            self.metrics.spool_bytes.get() / 1024
        );
        if let Some(first) = problems.first() {
            line.push_str(&format!("; {} problems: {first}", problems.len()));
        }
        line
    }

    /// Feeds the watchdog of the service manager, but only while the worker makes its turns.
    fn feed(&self, fed: &mut Fed) {
        let Some(interval) = self.notifier.watchdog_interval() else { return };
        let progress = self.progress.load(Ordering::Relaxed);
        let is_due = fed.at.is_none_or(|at| at.elapsed() + INTERVAL >= interval);
        if progress != fed.progress && is_due {
            *fed = Fed { at: Some(Instant::now()), progress };
            self.notifier.alive();
        }
    }

    fn beat(&mut self) {
        let beat = match self.pulse.beat() {
            Ok(beat) => beat,
            Err(error) => {
                tracing::error!(error = %chain(&error), "cannot make a heartbeat");
                return;
            }
        };
        if let Err(error) = self.send(beat) {
            tracing::warn!(%error, dir = %self.spool_dir.display(), "cannot write the heartbeat");
        }
    }

    fn send(&self, beat: Record) -> std::io::Result<()> {
        match &self.shipper {
            Some(shipper) => {
                shipper.heartbeat(beat);
                Ok(())
            }
            None => heartbeat::write_file(&self.spool_dir, &beat),
        }
    }
}

/// When the watchdog was fed last, and how far the worker was.
#[derive(Default)]
struct Fed {
    at: Option<Instant>,
    progress: u64,
}

/// A clock that, after the process was stopped or starved, does not catch up.
fn ticks(every: Duration) -> Interval {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
