//! Metrics: every number the agent shows, and the sums that must close.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use agent_inputs::{Count, Report};
use agent_shipper::{FAILURE_KINDS, Progress, Wait};
use agent_wire::Lane;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};
use rules_service::meter::Health;

/// Why an event may be dropped. Each is a label value from the start, so that 0 is seen as 0.
pub(crate) const DROP_REASONS: [&str; 1] = [DROP_TOO_LARGE];
/// One event alone is larger than a batch may be.
pub(crate) const DROP_TOO_LARGE: &str = "too_large";

/// Every metric. Counters count since the process started.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    pub(crate) registry: Registry,
    pub(crate) sums: Sums,
    pub(crate) shipped: IntCounterVec,
    pub(crate) hits: IntCounter,
    pub(crate) batches: IntCounterVec,
    pub(crate) spool_bytes: IntGauge,
    pub(crate) append_failures: IntCounter,
    pub(crate) sealed_seq: IntGaugeVec,
    pub(crate) acked_seq: IntGaugeVec,
    pub(crate) rules: IntGauge,
    inputs: IntCounterVec,
    waits: IntGaugeVec,
    kafka_failures: IntCounterVec,
}

impl Metrics {
    /// Returns all metrics at zero, registered.
    pub(crate) fn new() -> Self {
        let registry = Registry::new();
        let counter = |name: &str, help: &str| {
            register(&registry, IntCounter::new(format!("vonglau_agent_{name}"), help))
        };
        let counters = |name: &str, help: &str, label: &str| {
            let opts = Opts::new(format!("vonglau_agent_{name}"), help);
            register(&registry, IntCounterVec::new(opts, &[label]))
        };
        let gauge = |name: &str, help: &str| {
            register(&registry, IntGauge::new(format!("vonglau_agent_{name}"), help))
        };
        let gauges = |name: &str, help: &str| {
            let opts = Opts::new(format!("vonglau_agent_{name}"), help);
            register(&registry, IntGaugeVec::new(opts, &["lane"]))
        };
        let metrics = Self {
            sums: register(&registry, Sums::new()),
            shipped: counters("events_shipped_total", "Events the receiver acknowledged.", "lane"),
            hits: counter("hits_total", "Rule hits attached to events."),
            batches: counters("batches_spooled_total", "Batches sealed into the spool.", "lane"),
            spool_bytes: gauge("spool_bytes", "Bytes the spool holds."),
            append_failures: counter("spool_append_failures_total", "Appends that failed."),
            sealed_seq: gauges("sealed_seq", "Number of the newest batch in the spool."),
            acked_seq: gauges("acked_seq", "Number of the newest batch acknowledged."),
            rules: gauge("rules", "Rules in force."),
            waits: register(
                &registry,
                IntGaugeVec::new(
                    Opts::new(
                        "vonglau_agent_lane_waits",
                        "1 where a lane may have something and sends nothing, by why.",
                    ),
                    &["lane", "reason"],
                ),
            ),
            kafka_failures: counters(
                "kafka_failures_total",
                "What Kafka refused, by kind.",
                "kind",
            ),
            inputs: counters("input_total", "What the inputs counted, by kind.", "kind"),
            registry,
        };
        for lane in Lane::SPOOLED.map(Lane::as_str) {
            metrics.shipped.with_label_values(&[lane]);
            metrics.batches.with_label_values(&[lane]);
            metrics.sealed_seq.with_label_values(&[lane]);
            metrics.acked_seq.with_label_values(&[lane]);
        }
        for kind in FAILURE_KINDS {
            metrics.kafka_failures.with_label_values(&[kind]);
        }
        for lane in Lane::SPOOLED {
            metrics.waits(lane, None);
        }
        for kind in Count::ALL.map(Count::as_str) {
            metrics.inputs.with_label_values(&[kind]);
        }
        metrics
    }

    /// Notes that the receiver has acknowledged up to a batch.
    pub(crate) fn note_acked(&self, lane: Lane, seq: u64, events: u64) {
        self.shipped.with_label_values(&[lane.as_str()]).inc_by(events);
        set(&self.acked_seq.with_label_values(&[lane.as_str()]), seq);
    }
}

/// The counters that must add up: `read = spooled + dropped + pending`.
///
/// They change together and are shown together, under one lock; else whoever looks while the agent
/// works would see a sum that does not close, and could not tell it from one that never will.
#[derive(Debug, Clone)]
pub(crate) struct Sums {
    lock: Arc<Mutex<()>>,
    read: IntCounter,
    spooled: IntCounter,
    pending: IntGauge,
    dropped: IntCounterVec,
}

/// The sums at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) read: u64,
    pub(crate) spooled: u64,
    pub(crate) pending: u64,
    pub(crate) dropped: BTreeMap<String, u64>,
}

impl Sums {
    fn new() -> prometheus::Result<Self> {
        let name = |name: &str| format!("vonglau_agent_{name}");
        let dropped = Opts::new(name("events_dropped_total"), "Events given up, by reason.");
        let sums = Self {
            lock: Arc::default(),
            read: IntCounter::new(
                name("records_read_total"),
                "Lines and samples taken from the inputs.",
            )?,
            spooled: IntCounter::new(name("events_spooled_total"), "Events durably in the spool.")?,
            pending: IntGauge::new(
                name("events_pending"),
                "Events in memory, not yet in the spool.",
            )?,
            dropped: IntCounterVec::new(dropped, &["reason"])?,
        };
        for reason in DROP_REASONS {
            sums.dropped.with_label_values(&[reason]);
        }
        Ok(sums)
    }

    fn locked(&self) -> MutexGuard<'_, ()> {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A record was read, and its event is in memory.
    pub(crate) fn read(&self) {
        let _locked = self.locked();
        self.read.inc();
        self.pending.inc();
    }

    /// An event in memory was given up.
    pub(crate) fn dropped(&self, reason: &'static str) {
        let _locked = self.locked();
        self.pending.dec();
        self.dropped.with_label_values(&[reason]).inc();
    }

    /// Events in memory are safe.
    pub(crate) fn spooled(&self, events: u64) {
        let _locked = self.locked();
        self.pending.sub(i64::try_from(events).unwrap_or(i64::MAX));
        self.spooled.inc_by(events);
    }

    /// Returns all of them at one moment.
    pub(crate) fn totals(&self) -> Totals {
        let _locked = self.locked();
        Totals {
            read: self.read.get(),
            spooled: self.spooled.get(),
            pending: u64::try_from(self.pending.get()).unwrap_or(0),
            dropped: DROP_REASONS
                .iter()
                .map(|reason| {
                    ((*reason).to_owned(), self.dropped.with_label_values(&[reason]).get())
                })
                .collect(),
        }
    }
}

impl Collector for Sums {
    fn desc(&self) -> Vec<&Desc> {
        let parts: [&dyn Collector; 4] = [&self.read, &self.spooled, &self.pending, &self.dropped];
        parts.into_iter().flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let _locked = self.locked();
        let parts: [&dyn Collector; 4] = [&self.read, &self.spooled, &self.pending, &self.dropped];
        parts.into_iter().flat_map(Collector::collect).collect()
    }
}

/// Sets a gauge to a number that does not reach 2^63 in practice.
pub(crate) fn set(gauge: &IntGauge, value: u64) {
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
}

fn register<C: Collector + Clone + 'static>(
    registry: &Registry,
    metric: prometheus::Result<C>,
) -> C {
    let metric = metric.expect("names and labels are constants of the right form");
    registry.register(Box::new(metric.clone())).expect("names are registered once");
    metric
}

impl Progress for Metrics {
    fn delivered(&self, lane: Lane, seq: u64, events: u64) {
        self.note_acked(lane, seq, events);
    }

    fn waits(&self, lane: Lane, why: Option<Wait>) {
        for reason in Wait::ALL {
            let gauge = self.waits.with_label_values(&[lane.as_str(), reason.as_str()]);
            gauge.set(i64::from(why == Some(reason)));
        }
    }

    fn failed(&self, kind: &'static str) {
        self.kafka_failures.with_label_values(&[kind]).inc();
    }
}

/// What the inputs tell goes to health, log and metrics.
pub(crate) struct InputReport {
    health: Health,
    metrics: Metrics,
}

impl InputReport {
    pub(crate) fn shared(health: Health, metrics: Metrics) -> Arc<dyn Report> {
        Arc::new(Self { health, metrics })
    }
}

impl Report for InputReport {
    fn problem(&self, subject: &str, text: String) {
        tracing::warn!(subject, "{text}");
        self.health.problem(subject, text);
    }

    fn resolved(&self, subject: &str) {
        tracing::info!(subject, "the problem is over");
        self.health.resolved(subject);
    }

    fn count(&self, what: Count, amount: u64) {
        self.metrics.inputs.with_label_values(&[what.as_str()]).inc_by(amount);
    }
}
