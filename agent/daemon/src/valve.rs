//! Valve: what stands between inputs and worker. It holds inputs back, leaves measurements out, counts.
//!
//! Holding back loses nothing: what is not taken from the inputs stays in the logs. The declared
//! order of doing less is
//!
//! 1. near a bound: measurements of the host (`event.kind: metric`) are not kept;
//! 2. at a bound: inputs wait, too. What was read, alerts first, is still stored and shipped, and so
//!    is what the agent has to say of itself.

use std::time::{Duration, Instant};

use agent_inputs::{Chunk, Item, Sample};
use rules_event::field;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::metrics::{DROP_SHED_MEASUREMENT, Metrics};
use crate::silence::Silence;
use crate::usage;
use crate::watchdog::Level;

/// The longest pause at once: changes of the bound and the end must be noticed.
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// Shorter pauses are put together: a timer costs more than they save.
const PAUSE_MIN: Duration = Duration::from_millis(2);

/// See the head of the file.
pub(crate) struct Valve {
    pub(crate) inputs: mpsc::Receiver<Chunk>,
    pub(crate) own: mpsc::Receiver<Sample>,
    pub(crate) worker: mpsc::Sender<Chunk>,
    pub(crate) level: watch::Receiver<Level>,
    /// Most processor time, percent of one processor; 0: no bound.
    pub(crate) cpu_pct: watch::Receiver<u64>,
    pub(crate) silence: Silence,
    pub(crate) metrics: Metrics,
    /// Cancelled once the inputs have ended and the last own event is said.
    pub(crate) close: CancellationToken,
}

impl Valve {
    /// Runs until closed; then everything that waits is handed on, and the worker sees the end.
    pub(crate) async fn run(mut self) {
        let mut pacer = Pacer::default();
        loop {
            let is_held = *self.level.borrow_and_update() == Level::Over;
            tokio::select! {
                biased;
                Some(sample) = self.own.recv() => {
                    if !self.pass_own(sample).await {
                        return;
                    }
                }
                () = self.close.cancelled() => break,
                Ok(()) = self.level.changed() => {}
                Some(chunk) = self.inputs.recv(), if !is_held => {
                    if !self.pass(chunk).await {
                        return;
                    }
                    self.pace(&mut pacer).await;
                }
            }
        }
        while let Ok(sample) = self.own.try_recv() {
            if !self.pass_own(sample).await {
                return;
            }
        }
        // Inputs that were held have ended without handing more on; this is what had been accepted.
        while let Ok(chunk) = self.inputs.try_recv() {
            if !self.pass(chunk).await {
                return;
            }
        }
    }

    async fn pass_own(&self, sample: Sample) -> bool {
        self.metrics.sums.read_from("agent", 1);
        let items = vec![Item::Sample(sample)];
        self.worker.send(Chunk { items, ..Chunk::default() }).await.is_ok()
    }

    async fn pass(&mut self, mut chunk: Chunk) -> bool {
        self.silence.note(&chunk);
        self.count(&chunk);
        if *self.level.borrow() >= Level::Near {
            let before = chunk.items.len();
            chunk.items.retain(|item| !is_measurement(item));
            let shed = before - chunk.items.len();
            self.metrics.sums.dropped_many(DROP_SHED_MEASUREMENT, shed as u64);
        }
        self.worker.send(chunk).await.is_ok()
    }

    /// Counts what was read, by input.
    fn count(&self, chunk: &Chunk) {
        let mut run = ("", 0);
        for item in &chunk.items {
            let (input, count) = origin(item);
            if input != run.0 {
                if run.1 > 0 {
                    self.metrics.sums.read_from(run.0, run.1);
                }
                run = (input, 0);
            }
            run.1 += count;
        }
        if run.1 > 0 {
            self.metrics.sums.read_from(run.0, run.1);
        }
    }

    /// Waits as long as it takes for the processor time used to fall under the bound again.
    async fn pace(&self, pacer: &mut Pacer) {
        let share = *self.cpu_pct.borrow() as f64 / 100.0;
        let mut pause = pacer.pause(share, usage::cpu_time(), Instant::now());
        while pause >= PAUSE_MIN && !self.close.is_cancelled() {
            let step = pause.min(PAUSE_MAX);
            self.metrics.held.with_label_values(&["cpu"]).inc_by(step.as_secs_f64());
            tokio::select! {
                () = self.close.cancelled() => return,
                () = tokio::time::sleep(step) => {}
            }
            pause = pacer.pause(share, usage::cpu_time(), Instant::now());
        }
    }
}

/// Returns which input an item came from, a label value of the fixed list, and how many records it is.
fn origin(item: &Item) -> (&'static str, u64) {
    match item {
        Item::Lines(lines) => (of_key(&lines.source.key), lines.lines.len() as u64),
        Item::Entry(entry) => (of_key(&entry.source.key), 1),
        Item::Sample(sample) => (of_dataset(sample.event.get_str(field::EVENT_DATASET)), 1),
    }
}

/// Source keys begin with the word of their input: `file:…`, `journal`, `audit:…`.
fn of_key(key: &str) -> &'static str {
    known(match key.split(':').next().unwrap_or(key) {
        "file" => "files",
        word => word,
    })
}

fn of_dataset(dataset: Option<&str>) -> &'static str {
    known(match dataset.and_then(|dataset| dataset.strip_prefix("vonglau.")) {
        Some("file") => "integrity",
        Some("agent") => "agent",
        Some(word) => word,
        None => "other",
    })
}

fn known(word: &str) -> &'static str {
    INPUTS.into_iter().find(|known| *known == word).unwrap_or("other")
}

/// What correlations of this host add to what is read: alerts.
pub(crate) const CORRELATION: &str = "correlation";

/// Every input by name: the label values of what was read.
pub(crate) const INPUTS: [&str; 13] = [
    "agent",
    "audit",
    CORRELATION,
    "exec",
    "files",
    "host",
    "integrity",
    "inventory",
    "journal",
    "network",
    "other",
    "process",
    "syslog",
];

fn is_measurement(item: &Item) -> bool {
    match item {
        Item::Sample(sample) => sample.event.get_str(field::EVENT_KIND) == Some("metric"),
        Item::Lines(_) | Item::Entry(_) => false,
    }
}

/// Spreads processor time: what was used above a share of the time that passed is waited for.
#[derive(Debug, Default)]
struct Pacer {
    last: Option<(Duration, Instant)>,
    /// Used and not yet waited for.
    debt: Duration,
}

impl Pacer {
    /// Returns how long to wait now. A share of 0 is no bound. Idle time is not saved up: a bound
    /// that allows long bursts is none.
    fn pause(&mut self, share: f64, used: Duration, now: Instant) -> Duration {
        let last = self.last.replace((used, now));
        let Some((used_before, then)) = last.filter(|_| share > 0.0) else {
            self.debt = Duration::ZERO;
            return Duration::ZERO;
        };
        let allowed = now.saturating_duration_since(then).mul_f64(share);
        self.debt = (self.debt + used.saturating_sub(used_before)).saturating_sub(allowed);
        self.debt.div_f64(share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rules_event::{Event, Timestamp};
    use std::sync::Arc;

    fn sample(kind: &'static str) -> Item {
        let mut event = Event::new(Timestamp::from_nanos(1), String::new());
        event.set(field::EVENT_KIND, kind);
        event.set(field::EVENT_DATASET, "vonglau.host");
        Item::Sample(Sample { event, instance: String::new() })
    }

    fn chunk() -> Chunk {
        let items = vec![sample("metric"), sample("event"), sample("metric")];
        Chunk { items, ..Chunk::default() }
    }

    struct Rig {
        inputs: mpsc::Sender<Chunk>,
        own: mpsc::Sender<Sample>,
        out: mpsc::Receiver<Chunk>,
        level: watch::Sender<Level>,
        metrics: Metrics,
        close: CancellationToken,
        _cpu: watch::Sender<u64>,
        running: tokio::task::JoinHandle<()>,
    }

    fn rig() -> Rig {
        let metrics = Metrics::new();
        let (inputs, from) = mpsc::channel(4);
        let (own, own_events) = mpsc::channel(4);
        let (worker, out) = mpsc::channel(4);
        let (level, level_seen) = watch::channel(Level::Well);
        let (cpu, cpu_pct) = watch::channel(0);
        let close = CancellationToken::new();
        let (witness, _) = crate::witness::Witness::new(metrics.clone(), true);
        let valve = Valve {
            inputs: from,
            own: own_events,
            worker,
            level: level_seen,
            cpu_pct,
            silence: Silence::new(witness, Arc::default()),
            metrics: metrics.clone(),
            close: close.clone(),
        };
        let running = tokio::spawn(valve.run());
        Rig { inputs, own, out, level, metrics, close, _cpu: cpu, running }
    }

    #[tokio::test]
    async fn near_a_bound_measurements_go_and_at_it_inputs_wait_but_own_events_pass() {
        let mut rig = rig();
        rig.inputs.send(chunk()).await.unwrap();
        assert_eq!(rig.out.recv().await.unwrap().items.len(), 3);
        rig.level.send(Level::Near).unwrap();
        rig.inputs.send(chunk()).await.unwrap();
        assert_eq!(rig.out.recv().await.unwrap().items.len(), 1);
        assert_eq!(rig.metrics.sums.totals().dropped[DROP_SHED_MEASUREMENT], 2);

        rig.level.send(Level::Over).unwrap();
        rig.inputs.send(chunk()).await.unwrap();
        let Item::Sample(said) = sample("state") else { unreachable!() };
        rig.own.send(said).await.unwrap();
        let first = rig.out.recv().await.unwrap();
        assert_eq!(first.items.len(), 1, "the own event overtakes the chunk that waits");
        assert_eq!(rig.inputs.capacity(), 3, "the chunk waits");
        // Told to end, what was accepted is handed on.
        rig.close.cancel();
        assert_eq!(rig.out.recv().await.unwrap().items.len(), 1);
        rig.running.await.unwrap();
        assert!(rig.out.recv().await.is_none());
        let totals = rig.metrics.sums.totals();
        assert_eq!(totals.read, 10);
        assert_eq!(totals.by_input["agent"], 1);
        assert_eq!(totals.by_input.values().sum::<u64>(), totals.read);
    }

    #[test]
    fn a_share_of_the_processor_is_kept() {
        let (mut pacer, start) = (Pacer::default(), Instant::now());
        let ms = Duration::from_millis;
        assert_eq!(pacer.pause(0.25, ms(500), start), Duration::ZERO);
        // 100 ms of work in 100 ms at a quarter: 300 ms more must pass.
        let pause = pacer.pause(0.25, ms(600), start + ms(100));
        assert!(pause.abs_diff(ms(300)) < ms(1), "{pause:?}");
        let pause = pacer.pause(0.25, ms(600), start + ms(400));
        assert!(pause < ms(1), "{pause:?}");
        // An idle hour buys no burst.
        pacer.pause(0.25, ms(600), start + ms(3_600_000));
        let pause = pacer.pause(0.25, ms(700), start + ms(3_600_100));
        assert!(pause.abs_diff(ms(300)) < ms(1), "{pause:?}");
        assert_eq!(pacer.pause(0.0, ms(9_000), start + ms(3_600_200)), Duration::ZERO);
    }

    #[test]
    fn inputs_are_known_by_their_keys() {
        assert_eq!(of_key("file:8:1:0:ab"), "files");
        assert_eq!(of_key("journal"), "journal");
        assert_eq!(of_key("strange:1"), "other");
        assert_eq!(of_dataset(Some("vonglau.file")), "integrity");
        assert_eq!(of_dataset(Some("vonglau.host")), "host");
    }
}
