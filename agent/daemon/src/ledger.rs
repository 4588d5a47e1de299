//! Ledger: how many events each waiting batch holds, for when a cursor says only "up to number N".

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use agent_spool::{Cursor, LANE_ALERTS, LANE_EVENTS, Reader};
use agent_wire::{Lane, Record};

use crate::metrics::Metrics;

/// So many rows are kept by lane: 1 MiB. With more batches waiting, neighbours are put together, and
/// the count of shipped events lags a little until the later one is acknowledged.
const ROWS_MAX: usize = 65_536;

/// Batches that wait, by lane: newest number of a row, and its events.
#[derive(Debug, Default)]
pub(crate) struct Ledger([Mutex<VecDeque<(u64, u64)>>; 2]);

impl Ledger {
    /// Fills the ledger with what a spool holds beyond its cursors.
    pub(crate) fn of_spool(dir: &Path) -> agent_spool::Result<Self> {
        let ledger = Self::default();
        for lane in [LANE_ALERTS, LANE_EVENTS] {
            let mut reader = Reader::open(dir, lane, Cursor::load(dir, lane)?)?;
            while let Some(entry) = reader.next()? {
                let events =
                    Record::decode(&entry.bytes).map_or(0, |record| u64::from(record.header.count));
                ledger.note(lane, entry.seq, events);
            }
        }
        Ok(ledger)
    }

    /// Notes a batch that is in the spool now.
    pub(crate) fn note(&self, lane: u8, seq: u64, events: u64) {
        let mut rows = self.rows(lane);
        if rows.len() >= ROWS_MAX {
            let mut merged = VecDeque::with_capacity(ROWS_MAX);
            let mut pair = None;
            for (seq, events) in rows.drain(..) {
                match pair.take() {
                    None => pair = Some(events),
                    Some(before) => merged.push_back((seq, before + events)),
                }
            }
            if let Some(events) = pair {
                merged.push_back((seq - 1, events));
            }
            *rows = merged;
        }
        rows.push_back((seq, events));
    }

    /// Takes out everything up to a number; returns how many events that was.
    pub(crate) fn acked(&self, lane: u8, seq: u64) -> u64 {
        let mut rows = self.rows(lane);
        let mut sum = 0;
        while let Some((_, events)) = rows.pop_front_if(|(of, _)| *of <= seq) {
            sum += events;
        }
        sum
    }

    /// Returns the batches (rows) and events that wait in a lane.
    pub(crate) fn waiting(&self, lane: u8) -> (u64, u64) {
        let rows = self.rows(lane);
        (rows.len() as u64, rows.iter().map(|(_, events)| events).sum())
    }

    /// Reads the cursors and moves the metrics.
    pub(crate) fn follow(&self, dir: &Path, metrics: &Metrics) {
        for (lane, number) in [(Lane::Alerts, LANE_ALERTS), (Lane::Events, LANE_EVENTS)] {
            match Cursor::load(dir, number) {
                Ok(seq) => metrics.note_acked(lane, seq, self.acked(number, seq)),
                Err(error) => {
                    tracing::warn!(%lane, error = %rules_service::logs::chain(&error), "cannot read the cursor");
                }
            }
        }
    }

    fn rows(&self, lane: u8) -> std::sync::MutexGuard<'_, VecDeque<(u64, u64)>> {
        self.0[usize::from(lane)].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_a_cursor_covers_and_stays_bounded() {
        let ledger = Ledger::default();
        let count = ROWS_MAX as u64 * 3 + 1;
        for seq in 1..=count {
            ledger.note(LANE_EVENTS, seq, 2);
        }
        let (rows, events) = ledger.waiting(LANE_EVENTS);
        assert!(rows <= ROWS_MAX as u64);
        assert_eq!(events, 2 * count);
        let early = ledger.acked(LANE_EVENTS, 100);
        assert!(early <= 200, "never more than was acknowledged");
        assert_eq!(early + ledger.acked(LANE_EVENTS, count), 2 * count);
        assert_eq!(ledger.acked(LANE_ALERTS, count), 0);
    }
}
