//! Metrics: what leaves, what waits, and what the law is still owed.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use crate::{Error, Result};

/// Counters and gauges of forwarding.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Age of the oldest approved report that is not delivered, in seconds; 0 when none waits.
    pub(crate) oldest_pending_seconds: IntGauge,
    /// Requests by HTTP status, or `network`.
    pub(crate) attempts: IntCounterVec,
    /// Reports delivered.
    pub(crate) delivered: IntCounter,
    /// Objects by what became of them.
    pub(crate) objects: IntGaugeVec,
    /// Reports by state.
    pub(crate) reports: IntGaugeVec,
    /// Incidents past a legal deadline, by deadline.
    pub(crate) overdue: IntGaugeVec,
}

impl Metrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// [`Error::Metrics`] if one of the names is taken.
    pub fn new(registry: &Registry) -> Result<Self> {
        let by = |name: &str, help: &str, label: &str| {
            IntCounterVec::new(Opts::new(name, help), &[label])
        };
        let gauge_by =
            |name: &str, help: &str, label: &str| IntGaugeVec::new(Opts::new(name, help), &[label]);
        let build = || {
            Ok::<_, prometheus::Error>(Self {
                oldest_pending_seconds: IntGauge::new(
                    "vonglau_forward_oldest_pending_seconds",
                    "age of the oldest approved report that is not delivered",
                )?,
                attempts: by("vonglau_forward_attempts_total", "requests to the centre", "code")?,
                delivered: IntCounter::new(
                    "vonglau_forward_delivered_total",
                    "reports with a receipt for every object",
                )?,
                objects: gauge_by("vonglau_forward_objects", "objects by outcome", "outcome")?,
                reports: gauge_by("vonglau_forward_reports", "reports by state", "state")?,
                overdue: gauge_by(
                    "vonglau_forward_deadlines_overdue",
                    "incidents past a legal deadline",
                    "deadline",
                )?,
            })
        };
        let metrics = build().map_err(Error::Metrics)?;
        let all: [Box<dyn prometheus::core::Collector>; 6] = [
            Box::new(metrics.oldest_pending_seconds.clone()),
            Box::new(metrics.attempts.clone()),
            Box::new(metrics.delivered.clone()),
            Box::new(metrics.objects.clone()),
            Box::new(metrics.reports.clone()),
            Box::new(metrics.overdue.clone()),
        ];
        for collector in all {
            registry.register(collector).map_err(Error::Metrics)?;
        }
        Ok(metrics)
    }
}
