//! Sums: the counters that must add up.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use agent_wire::Lane;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts};

use crate::metrics::DROP_REASONS;
use crate::valve::INPUTS;

/// The counters that must add up: `read = spooled + dropped + pending`.
///
/// They change together and are shown together, under one lock; else whoever looks while the agent
/// works would see a sum that does not close, and could not tell it from one that never will.
#[derive(Debug, Clone)]
pub(crate) struct Sums {
    lock: Arc<Mutex<()>>,
    read: IntCounter,
    by_input: IntCounterVec,
    by_lane: IntCounterVec,
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
    /// What was read, by input: adds up to `read`.
    pub(crate) by_input: BTreeMap<String, u64>,
}

impl Sums {
    pub(crate) fn new() -> prometheus::Result<Self> {
        let name = |name: &str| format!("vonglau_agent_{name}");
        let dropped = Opts::new(name("events_dropped_total"), "Events given up, by reason.");
        let by_lane = Opts::new(name("lane_events_spooled_total"), "Events spooled, by lane.");
        let by_input = Opts::new(name("input_records_total"), "Records read, by input.");
        let sums = Self {
            lock: Arc::default(),
            read: IntCounter::new(
                name("records_read_total"),
                "Lines and samples taken from the inputs.",
            )?,
            by_input: IntCounterVec::new(by_input, &["input"])?,
            by_lane: IntCounterVec::new(by_lane, &["lane"])?,
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
        for lane in Lane::SPOOLED.map(Lane::as_str) {
            sums.by_lane.with_label_values(&[lane]);
        }
        for input in INPUTS {
            sums.by_input.with_label_values(&[input]);
        }
        Ok(sums)
    }

    fn locked(&self) -> MutexGuard<'_, ()> {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records were taken from an input (one of [`INPUTS`]) and are in memory.
    pub(crate) fn read_from(&self, input: &'static str, count: u64) {
        let _locked = self.locked();
        self.read.inc_by(count);
        self.by_input.with_label_values(&[input]).inc_by(count);
        self.pending.add(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Records in memory were given up.
    pub(crate) fn dropped_many(&self, reason: &'static str, count: u64) {
        let _locked = self.locked();
        self.pending.sub(i64::try_from(count).unwrap_or(i64::MAX));
        self.dropped.with_label_values(&[reason]).inc_by(count);
    }

    /// Events in memory are safe.
    pub(crate) fn spooled(&self, lane: Lane, events: u64) {
        let _locked = self.locked();
        self.by_lane.with_label_values(&[lane.as_str()]).inc_by(events);
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
            by_input: INPUTS
                .iter()
                .map(|input| ((*input).to_owned(), self.by_input.with_label_values(&[input]).get()))
                .collect(),
        }
    }
}

impl Sums {
    fn parts(&self) -> [&dyn Collector; 6] {
        [&self.read, &self.by_input, &self.spooled, &self.by_lane, &self.pending, &self.dropped]
    }
}

impl Collector for Sums {
    fn desc(&self) -> Vec<&Desc> {
        self.parts().into_iter().flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let _locked = self.locked();
        self.parts().into_iter().flat_map(Collector::collect).collect()
    }
}
