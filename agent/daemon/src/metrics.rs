//! Metrics: every number the agent shows, and the sums that must close.

use std::time::Duration;

use agent_inputs::Count;
use agent_pipeline::Reason;
use agent_shipper::{FAILURE_KINDS, Progress, Wait};
use agent_wire::Lane;
use prometheus::core::Collector;
use prometheus::{
    Counter, CounterVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

use crate::sums::Sums;
use crate::watchdog::Resource;
use crate::witness::Action;

/// Why an event may be dropped. Each is a label value from the start, so that 0 is seen as 0.
pub(crate) const DROP_REASONS: [&str; 5] = [
    DROP_TOO_LARGE,
    DROP_SHED_MEASUREMENT,
    Reason::Policy.as_str(),
    Reason::SampledOut.as_str(),
    Reason::RateLimit.as_str(),
];
/// One event alone is larger than a batch may be.
pub(crate) const DROP_TOO_LARGE: &str = "too_large";
/// A measurement of the host, left out near a bound so that logs have the room.
pub(crate) const DROP_SHED_MEASUREMENT: &str = "shed_measurement";
/// Why inputs were held back.
const HELD_REASONS: [&str; 2] = ["cpu", "memory"];

/// Every metric. Counters count since the process started.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    pub(crate) registry: Registry,
    pub(crate) sums: Sums,
    pub(crate) shipped: IntCounterVec,
    pub(crate) hits: IntCounter,
    /// Records of which only a stub went out.
    pub(crate) quarantined: IntCounter,
    /// By input: one in how many is kept now of the log that is thinned out most; 1: all.
    pub(crate) sampling: IntGaugeVec,
    pub(crate) suppressed: IntCounter,
    pub(crate) suppress_forgotten: IntCounter,
    pub(crate) batches: IntCounterVec,
    pub(crate) spool_bytes: IntGauge,
    pub(crate) append_failures: IntCounter,
    pub(crate) sealed_seq: IntGaugeVec,
    pub(crate) acked_seq: IntGaugeVec,
    pub(crate) rules: IntGauge,
    /// Correlations that run here and alert.
    pub(crate) correlations: IntGauge,
    pub(crate) correlation_groups: IntGauge,
    pub(crate) correlation_bytes: IntGauge,
    pub(crate) correlated_hits: IntCounter,
    pub(crate) correlation_alerts: IntCounter,
    pub(crate) correlation_evicted: IntCounter,
    pub(crate) correlation_withheld: IntCounter,
    pub(crate) memory_bytes: IntGauge,
    pub(crate) memory_bytes_max: IntGauge,
    pub(crate) open_files: IntGauge,
    pub(crate) open_files_max: IntGauge,
    pub(crate) state_bytes: IntGauge,
    pub(crate) disk_free_bytes: IntGauge,
    /// By resource: 0 well, 1 near its bound, 2 at it.
    pub(crate) shedding: IntGaugeVec,
    pub(crate) held: CounterVec,
    pub(crate) own_events: IntCounterVec,
    pub(crate) own_events_lost: IntCounter,
    cpu: Counter,
    pub(crate) inputs: IntCounterVec,
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
        let gauges = |name: &str, help: &str, label: &str| {
            let opts = Opts::new(format!("vonglau_agent_{name}"), help);
            register(&registry, IntGaugeVec::new(opts, &[label]))
        };
        let metrics = Self {
            sums: register(&registry, Sums::new()),
            shipped: counters("events_shipped_total", "Events the receiver acknowledged.", "lane"),
            hits: counter("hits_total", "Rule hits attached to events."),
            quarantined: counter("quarantined_total", "Records with the mark of a state secret."),
            sampling: gauges("rate_limit_sampling", "One in so many is kept, at worst.", "input"),
            suppressed: counter("suppressed_total", "Repeats of alerts, sent as events."),
            suppress_forgotten: counter(
                "suppress_forgotten_total",
                "Alerts forgotten at the bound: their repeats are raised again.",
            ),
            batches: counters("batches_spooled_total", "Batches sealed into the spool.", "lane"),
            spool_bytes: gauge("spool_bytes", "Bytes the spool holds."),
            append_failures: counter("spool_append_failures_total", "Appends that failed."),
            sealed_seq: gauges("sealed_seq", "Number of the newest batch in the spool.", "lane"),
            acked_seq: gauges("acked_seq", "Number of the newest batch acknowledged.", "lane"),
            rules: gauge("rules", "Rules in force."),
            correlations: gauge("correlations", "Correlations that this host decides."),
            correlation_groups: gauge("correlation_groups", "Groups that correlations hold."),
            correlation_bytes: gauge("correlation_bytes", "Bytes that these groups take."),
            correlated_hits: counter("correlated_hits_total", "Events that correlations counted."),
            correlation_alerts: counter("correlation_alerts_total", "Alerts of correlations."),
            correlation_evicted: counter(
                "correlation_evicted_total",
                "Groups given up at the bound of memory.",
            ),
            correlation_withheld: counter(
                "correlation_withheld_total",
                "Times an attack was not told, since too many are told already.",
            ),
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
            memory_bytes: gauge("memory_bytes", "Resident memory of the agent."),
            memory_bytes_max: gauge("memory_bytes_max", "Bound of it in force."),
            open_files: gauge("open_files", "Open descriptors of the agent."),
            open_files_max: gauge("open_files_max", "Bound of them in force."),
            state_bytes: gauge("state_bytes", "Bytes of all files in the state folder."),
            disk_free_bytes: gauge("disk_free_bytes", "Bytes free on the disk of the spool."),
            shedding: gauges("shedding", "0 well, 1 near the bound, 2 at it.", "resource"),
            held: register(
                &registry,
                CounterVec::new(
                    Opts::new("vonglau_agent_held_seconds_total", "Time inputs were held back."),
                    &["reason"],
                ),
            ),
            own_events: counters("own_events_total", "What the agent said of itself.", "action"),
            own_events_lost: counter("own_events_lost_total", "Own events that found no room."),
            cpu: register(
                &registry,
                Counter::new("vonglau_agent_cpu_seconds_total", "Processor time used."),
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
        for resource in Resource::ALL.map(Resource::as_str) {
            metrics.shedding.with_label_values(&[resource]);
        }
        for reason in HELD_REASONS {
            metrics.held.with_label_values(&[reason]);
        }
        for action in Action::ALL.map(Action::as_str) {
            metrics.own_events.with_label_values(&[action]);
        }
        for kind in Count::ALL.map(Count::as_str) {
            metrics.inputs.with_label_values(&[kind]);
        }
        metrics
    }

    /// Notes the processor time used since the process started.
    pub(crate) fn note_cpu(&self, used: Duration) {
        self.cpu.inc_by((used.as_secs_f64() - self.cpu.get()).max(0.0));
    }

    /// Notes that the receiver has acknowledged up to a batch.
    pub(crate) fn note_acked(&self, lane: Lane, seq: u64, events: u64) {
        self.shipped.with_label_values(&[lane.as_str()]).inc_by(events);
        set(&self.acked_seq.with_label_values(&[lane.as_str()]), seq);
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
