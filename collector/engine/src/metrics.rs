//! What the engine counts, for `/metrics`.

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// All metrics, registered.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    /// Where they are rendered from.
    pub(crate) registry: Registry,
    /// Requests by kind (`read`, `write`, `insert`, `none`) and outcome (`ok`, `late_error` or the
    /// error's code).
    pub(crate) requests: IntCounterVec,
    /// Statements running now.
    pub(crate) running: IntGauge,
    /// Seconds from the start of a statement in the engine to its end.
    pub(crate) seconds: Histogram,
    /// Rows written, by INSERT and by the views behind it.
    pub(crate) rows_written: IntCounter,
    /// Bytes of insert data, decompressed.
    pub(crate) insert_bytes: IntCounter,
    /// Bytes of answers, before compression.
    pub(crate) answer_bytes: IntCounter,
    /// Statements stopped because nobody waits for the answer.
    pub(crate) abandoned: IntCounter,
}

impl Metrics {
    /// Makes and registers all.
    pub(crate) fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str| -> prometheus::Result<IntCounter> {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let rows_written = counter("vonglau_engine_rows_written_total", "Rows written")?;
        let insert_bytes =
            counter("vonglau_engine_insert_bytes_total", "Bytes of insert data, decompressed")?;
        let answer_bytes =
            counter("vonglau_engine_answer_bytes_total", "Bytes of answers before compression")?;
        let abandoned = counter(
            "vonglau_engine_abandoned_total",
            "Statements stopped because their client went away",
        )?;
        let requests = IntCounterVec::new(
            Opts::new("vonglau_engine_requests_total", "Requests by kind and outcome"),
            &["kind", "outcome"],
        )?;
        let running = IntGauge::new("vonglau_engine_running", "Statements running now")?;
        let seconds = Histogram::with_opts(
            HistogramOpts::new(
                "vonglau_engine_statement_seconds",
                "Time of a statement in the engine",
            )
            .buckets(vec![0.002, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0, 300.0]),
        )?;
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(running.clone()))?;
        registry.register(Box::new(seconds.clone()))?;
        Ok(Self {
            registry,
            requests,
            running,
            seconds,
            rows_written,
            insert_bytes,
            answer_bytes,
            abandoned,
        })
    }
}
