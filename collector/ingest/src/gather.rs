//! Gathering: arrivals into the next range, within its bounds. Pure.

use std::collections::BTreeMap;

use agent_wire::RAW_BYTES_MAX;

use crate::config::{RANGE_BYTES_MAX, RANGE_EVENTS_MAX, RANGE_RECORDS_MAX};
use crate::source::{Arrival, Delivery, Lost, Partition, Span};

/// Records on their way into a range.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    deliveries: Vec<Delivery>,
    lost: Vec<Lost>,
    events: usize,
    bytes: u64,
}

impl Gathered {
    pub(crate) fn push(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Delivery(delivery) => {
                if let Ok(record) = &delivery.record {
                    // Not yet verified: a liar only closes the range early.
                    self.events = self.events.saturating_add(record.header.count as usize);
                    self.bytes += u64::from(record.header.raw_bytes).min(RAW_BYTES_MAX);
                    self.bytes += record.value.len() as u64;
                }
                self.deliveries.push(delivery);
            }
            Arrival::Lost(lost) => self.lost.push(lost),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.deliveries.is_empty() && self.lost.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.events >= RANGE_EVENTS_MAX
            || self.bytes >= RANGE_BYTES_MAX
            || self.deliveries.len() >= RANGE_RECORDS_MAX
    }

    /// Returns the records sorted by partition and offset, what they cover, and what is lost.
    pub(crate) fn finish(mut self) -> (Vec<Delivery>, Vec<Span>, Vec<Lost>) {
        self.deliveries = sorted(self.deliveries);
        let mut spans: BTreeMap<&Partition, (i64, i64)> = BTreeMap::new();
        let covered = self.deliveries.iter().map(|d| (&d.partition, d.offset, d.offset + 1));
        for (partition, from, next) in
            covered.chain(self.lost.iter().map(|l| (&l.partition, l.from, l.next)))
        {
            let span = spans.entry(partition).or_insert((from, next));
            *span = (span.0.min(from), span.1.max(next));
        }
        let spans = spans
            .into_iter()
            .map(|(partition, (from, next))| Span { partition: partition.clone(), from, next })
            .collect();
        (self.deliveries, spans, self.lost)
    }
}

/// Sorts records the one way every step relies on; a record read twice is one record.
pub(crate) fn sorted(mut deliveries: Vec<Delivery>) -> Vec<Delivery> {
    deliveries.sort_by(|a, b| (&a.partition, a.offset).cmp(&(&b.partition, b.offset)));
    deliveries.dedup_by(|a, b| (&a.partition, a.offset) == (&b.partition, b.offset));
    deliveries
}
