//! Metrics of ingestion, registered once per process.

use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry,
};

/// Counters that add up: batches read = accepted + duplicates + quarantined + dropped.
#[derive(Debug, Clone)]
pub struct Metrics {
    pub(crate) batches: IntCounterVec,
    pub(crate) events: IntCounterVec,
    pub(crate) heartbeats: IntCounter,
    pub(crate) duplicates: IntCounter,
    pub(crate) gaps: IntCounter,
    pub(crate) quarantined: IntCounterVec,
    pub(crate) dropped: IntCounterVec,
    pub(crate) findings: IntCounterVec,
    pub(crate) retries: IntCounterVec,
    pub(crate) insert_seconds: HistogramVec,
    pub(crate) lag_records: IntGaugeVec,
    pub(crate) lag_seconds: IntGaugeVec,
}

impl Metrics {
    /// Makes the metrics and registers them.
    ///
    /// # Errors
    /// If metrics of these names are registered already.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let counter = |name: &str, help: &str| -> prometheus::Result<IntCounter> {
            let metric = IntCounter::new(name, help)?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let metric = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(metric.clone()))?;
            prometheus::Result::Ok(metric)
        };
        let gauges = |name: &str, help: &str, labels: &[&str]| {
            let metric = IntGaugeVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(metric.clone()))?;
            prometheus::Result::Ok(metric)
        };
        let insert_seconds = HistogramVec::new(
            HistogramOpts::new("vonglau_ingest_insert_seconds", "time of confirmed inserts")
                .buckets(vec![0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0]),
            &["table"],
        )?;
        registry.register(Box::new(insert_seconds.clone()))?;
        Ok(Self {
            batches: counters("vonglau_ingest_batches_total", "batches accepted", &["lane"])?,
            events: counters("vonglau_ingest_events_total", "events stored", &["lane"])?,
            heartbeats: counter("vonglau_ingest_heartbeats_total", "heartbeats stored")?,
            duplicates: counter(
                "vonglau_ingest_duplicates_total",
                "batches that were stored before, dropped",
            )?,
            gaps: counter("vonglau_ingest_gaps_total", "gaps found in chains")?,
            quarantined: counters(
                "vonglau_ingest_quarantined_total",
                "records put into quarantine",
                &["reason"],
            )?,
            dropped: counters(
                "vonglau_ingest_dropped_total",
                "records dropped without trace",
                &["reason"],
            )?,
            findings: counters("vonglau_ingest_findings_total", "findings", &["kind"])?,
            retries: counters("vonglau_ingest_retries_total", "steps tried again", &["step"])?,
            insert_seconds,
            lag_records: gauges(
                "vonglau_ingest_lag_records",
                "records behind the end of a partition",
                &["topic", "partition"],
            )?,
            lag_seconds: gauges(
                "vonglau_ingest_lag_seconds",
                "age of the newest record of the last range of a topic when it was stored",
                &["topic"],
            )?,
        })
    }
}
