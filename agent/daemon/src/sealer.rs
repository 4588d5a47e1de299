//! Sealer: from what chunks became to rounds. Numbers batches, signs them, appends them.
//!
//! Nothing here waits or sleeps; the worker does. A round is cut only between chunks, because the
//! positions of a chunk hold for the whole of it: cut inside, a crash would read its first half twice.

use std::io::Write;
use std::sync::Arc;

use agent_pipeline::Reason;
use agent_spool::{Entry, LANE_ALERTS, LANE_EVENTS, Spool};
use agent_wire::{BatchBuilder, ChainHead, Compressor, Identity, Lane, Packed};
use rules_event::{Event, Timestamp};

use crate::checkpoint::Checkpoint;
use crate::correlate::Local;
use crate::error::Result;
use crate::ledger::Ledger;
use crate::metrics::{DROP_TOO_LARGE, Metrics, set};
use crate::pool::Done;
use crate::valve::CORRELATION;

/// So many batches go into one round, and with it into one sync of the disk, unless their time is up
/// before: a sync takes some milliseconds on common disks, a batch less than two to make.
const ROUND_BATCHES_MAX: usize = 8;
/// A round of so many bytes is not held back for company: 512 KiB. Then the sync is a small part of
/// writing it, and a round stays far below half of the smallest spool.
const ROUND_BYTES: usize = 512 * 1024;

/// One lane on its way to the spool.
struct Chain {
    lane: Lane,
    number: u8,
    batch: BatchBuilder,
    /// The last batch sealed, in the spool or about to be.
    head: ChainHead,
}

/// A batch that waits to be appended. Kept as it is over failed attempts, so that a number never
/// has two contents.
struct Sealed {
    lane: Lane,
    number: u8,
    seq: u64,
    events: u64,
    bytes: Vec<u8>,
}

/// See the head of the file.
pub(crate) struct Sealer {
    identity: Identity,
    compressor: Compressor,
    spool: Spool,
    chains: [Chain; 2],
    sealed: Vec<Sealed>,
    checkpoint: Checkpoint,
    /// Counts what the chunks held, in order.
    local: Local,
    /// Whether the checkpoint has news that are not in the spool.
    is_dirty: bool,
    metrics: Metrics,
    /// Set where the receiver tells us only how far it is, not how much that was.
    ledger: Option<Arc<Ledger>>,
}

impl Sealer {
    /// Goes on where the checkpoint of the spool says.
    pub(crate) fn new(
        identity: Identity,
        spool: Spool,
        checkpoint: Checkpoint,
        local: Local,
        metrics: Metrics,
        ledger: Option<Arc<Ledger>>,
    ) -> Self {
        let chain =
            |lane, number, head| Chain { lane, number, batch: BatchBuilder::default(), head };
        let [alerts, events] = checkpoint.heads;
        set(&metrics.spool_bytes, spool.bytes());
        for (lane, head) in Lane::SPOOLED.iter().zip(&checkpoint.heads) {
            set(&metrics.sealed_seq.with_label_values(&[lane.as_str()]), head.seq);
        }
        Self {
            identity,
            compressor: Compressor::default(),
            spool,
            chains: [
                chain(Lane::Alerts, LANE_ALERTS, alerts),
                chain(Lane::Events, LANE_EVENTS, events),
            ],
            sealed: Vec::new(),
            checkpoint,
            local,
            is_dirty: false,
            metrics,
            ledger,
        }
    }

    /// Takes in what a chunk became.
    ///
    /// # Errors
    /// If a batch cannot be compressed: out of memory, in practice.
    pub(crate) fn take(&mut self, done: Done) -> Result<()> {
        self.metrics.hits.inc_by(done.hits);
        if done.too_large > 0 {
            self.metrics.sums.dropped_many(DROP_TOO_LARGE, done.too_large);
        }
        for (reason, left) in Reason::ALL.into_iter().zip(done.left).filter(|(_, left)| *left > 0) {
            self.metrics.sums.dropped_many(reason.as_str(), left);
        }
        self.metrics.quarantined.inc_by(done.quarantined);
        for (index, mut work) in done.lanes.into_iter().enumerate() {
            if !work.packed.is_empty() {
                // Events stay in the order they were read in.
                self.seal_lane(index)?;
            }
            for packed in work.packed {
                self.seal_packed(index, packed);
            }
            if !self.chains[index].batch.absorb(&mut work.rest) {
                self.seal_lane(index)?;
                self.chains[index].batch.absorb(&mut work.rest);
            }
            if self.chains[index].batch.is_full() {
                self.seal_lane(index)?;
            }
        }
        for alert in self.local.take(done.block, now()) {
            self.add_alert(&alert)?;
        }
        self.checkpoint.advance(done.positions, &done.gone);
        self.is_dirty = true;
        Ok(())
    }

    /// Adds an alert of our own behind what fired it.
    fn add_alert(&mut self, alert: &Event) -> Result<()> {
        self.metrics.sums.read_from(CORRELATION, 1);
        if self.chains[0].batch.push(alert).is_err() {
            self.seal_lane(0)?;
            if let Err(error) = self.chains[0].batch.push(alert) {
                tracing::error!(id = alert.id, %error, "an alert is too large and is dropped");
                self.metrics.sums.dropped_many(DROP_TOO_LARGE, 1);
            }
        }
        if self.chains[0].batch.is_full() {
            self.seal_lane(0)?;
        }
        Ok(())
    }

    fn seal_lane(&mut self, index: usize) -> Result<()> {
        let batch = &mut self.chains[index].batch;
        if batch.count() > 0 {
            let packed = batch.pack(&mut self.compressor)?;
            self.seal_packed(index, packed);
        }
        Ok(())
    }

    /// Gives a batch its number and its signature.
    fn seal_packed(&mut self, index: usize, packed: Packed) {
        let chain = &mut self.chains[index];
        let events = u64::from(packed.count());
        if events == 0 {
            return;
        }
        let epoch = self.spool.epoch();
        let (record, head) = packed.seal(&self.identity, chain.lane, epoch, &chain.head, now());
        chain.head = head;
        self.sealed.push(Sealed {
            lane: chain.lane,
            number: chain.number,
            seq: head.seq,
            events,
            bytes: record.encode(),
        });
    }

    /// Returns whether so much is sealed that a round should be appended now.
    pub(crate) fn has_full_round(&self) -> bool {
        let bytes: usize = self.sealed.iter().map(|sealed| sealed.bytes.len()).sum();
        self.sealed.len() >= ROUND_BATCHES_MAX || bytes >= ROUND_BYTES
    }

    /// Returns whether there is anything to append.
    pub(crate) fn is_dirty(&self) -> bool {
        self.is_dirty
    }

    /// Closes the batches under way.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub(crate) fn seal(&mut self) -> Result<()> {
        (0..self.chains.len()).try_for_each(|index| self.seal_lane(index))
    }

    /// Appends what is sealed, with the checkpoint that goes with it. After an error everything is
    /// kept for the next attempt.
    ///
    /// # Errors
    /// Those of [`Spool::append`].
    pub(crate) fn append(&mut self) -> agent_spool::Result<()> {
        let entries: Vec<Entry<'_>> = self
            .sealed
            .iter()
            .map(|sealed| Entry { lane: sealed.number, seq: sealed.seq, bytes: &sealed.bytes })
            .collect();
        self.checkpoint.heads = [self.chains[0].head, self.chains[1].head];
        let epoch = self.spool.epoch();
        let Self { checkpoint, local, compressor, .. } = self;
        let change = checkpoint.change(epoch, &local.change(compressor));
        // What correlations remember is packed once, though the whole may be written twice.
        let mut beside = None;
        let whole = |out: &mut dyn Write| {
            let beside = beside.get_or_insert_with(|| local.whole(compressor));
            checkpoint.write_whole(epoch, beside, out)
        };
        if let Err(error) = self.spool.append_change(&entries, &change, whole) {
            self.metrics.append_failures.inc();
            return Err(error);
        }
        self.checkpoint.stored_change();
        self.local.stored(beside.is_some());
        for sealed in self.sealed.drain(..) {
            let lane = sealed.lane.as_str();
            self.metrics.batches.with_label_values(&[lane]).inc();
            set(&self.metrics.sealed_seq.with_label_values(&[lane]), sealed.seq);
            self.metrics.sums.spooled(sealed.lane, sealed.events);
            if let Some(ledger) = &self.ledger {
                ledger.note(sealed.number, sealed.seq, sealed.events);
            }
        }
        set(&self.metrics.spool_bytes, self.spool.bytes());
        self.is_dirty = false;
        Ok(())
    }

    /// Deletes what the receiver has.
    pub(crate) fn collect(&mut self) {
        match self.spool.collect() {
            Ok(0) => {}
            Ok(bytes) => tracing::debug!(bytes, "freed acknowledged segments"),
            Err(error) => {
                tracing::warn!(error = %rules_service::logs::chain(&error), "cannot free spool segments");
            }
        }
        set(&self.metrics.spool_bytes, self.spool.bytes());
    }
}

/// Returns the present moment.
pub(crate) fn now() -> Timestamp {
    let since =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
