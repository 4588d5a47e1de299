//! The cycle: hints, looks and reading, on one thread until stopped.

use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::mpsc::error::SendTimeoutError;

use super::Follower;
use super::read::Sent;
use super::watch::{Hints, Watch};
use crate::Chunk;
use crate::run::Wiring;

/// Least time between two looks at the files, so that a busy log is read in larger pieces.
const PAUSE_MIN: Duration = Duration::from_millis(20);

/// A scan this quick is made on every hint of names: it sees more than the hint says.
const SCAN_QUICK: Duration = Duration::from_millis(1);

/// After lost hints, a scan may take one part in so many of the processor's time.
const SCAN_SHARE_BLIND: u32 = 20;

impl Follower {
    /// Follows the files until stopped.
    pub(crate) fn run(mut self, runtime: &Runtime) {
        let wiring = self.wiring.clone();
        let patience = self.interval;
        let mut send = |chunk| send(runtime, &wiring, chunk, patience);
        if self.groups.is_empty() {
            // Nothing to follow: only tells which positions are no longer needed.
            self.scan();
            self.read_until(Instant::now(), &mut send);
            return;
        }
        let mut watch = Watch::new(runtime);
        let mut tick_at = Instant::now();
        while !self.wiring.stop.is_cancelled() && !self.wiring.out.is_closed() {
            let hints = watch.take();
            if self.is_scan_due(&hints) {
                self.scan();
                // What changed between the scan and the watch is seen by a second look.
                if watch.follow(&self.folders) {
                    self.scan();
                }
            } else {
                self.scan_hinted(hints);
                if Instant::now() >= tick_at {
                    self.look_at_lively();
                    tick_at = Instant::now() + self.interval;
                }
                self.look_at_open_files();
            }
            let next = self.scan_at.min(tick_at.max(Instant::now() + PAUSE_MIN));
            if !self.read_until(next, &mut send) {
                return;
            }
            let due = self.assembling.values().min().copied();
            let wake_at =
                due.map_or(self.scan_at.min(tick_at), |due| due.min(self.scan_at).min(tick_at));
            runtime.block_on(watch.wait(&self.wiring.stop, PAUSE_MIN, wake_at));
        }
    }

    /// Whether it is time for a scan. Lost hints bring it forward, as far as its cost allows.
    fn is_scan_due(&mut self, hints: &Hints) -> bool {
        let now = Instant::now();
        if hints.all {
            self.scan_at = self.scan_at.min(now + self.scan_cost * SCAN_SHARE_BLIND);
        }
        let is_hinted = hints.all || !hints.names.is_empty();
        now >= self.scan_at || is_hinted && self.scan_cost <= SCAN_QUICK
    }
}

/// Hands a chunk on, waiting a while for room.
fn send(runtime: &Runtime, wiring: &Wiring, chunk: Chunk, patience: Duration) -> Sent {
    runtime.block_on(async {
        tokio::select! {
            biased;
            () = wiring.stop.cancelled() => Sent::Ended,
            sent = wiring.out.send_timeout(chunk, patience) => match sent {
                Ok(()) => Sent::Taken,
                Err(SendTimeoutError::Timeout(chunk)) => Sent::Full(chunk),
                Err(SendTimeoutError::Closed(_)) => Sent::Ended,
            },
        }
    })
}
