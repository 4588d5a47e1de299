//! Worker: the thread that sees chunks through the pool and into durable rounds, and holds the inputs
//! back when it cannot.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use agent_inputs::Chunk;
use rules_service::backoff::Backoff;
use rules_service::logs::chain;
use rules_service::meter::Health;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};
use crate::pool::Pool;
use crate::sealer::Sealer;

/// How often acknowledged segments are looked for.
const COLLECT_INTERVAL: Duration = Duration::from_secs(1);
const RETRY_DELAY_MIN: Duration = Duration::from_millis(100);
/// Room that an acknowledgement frees is used within this time.
const RETRY_DELAY_MAX: Duration = Duration::from_millis(500);
const SUBJECT: &str = "spool";

/// Everything the thread needs.
pub(crate) struct Worker {
    pub(crate) pool: Pool,
    pub(crate) sealer: Sealer,
    pub(crate) chunks: mpsc::Receiver<Chunk>,
    pub(crate) seal_interval: Duration,
    pub(crate) health: Health,
    /// Only ends waiting for room; what was read is still sealed after it is cancelled.
    pub(crate) stop: CancellationToken,
    /// Called after each round.
    pub(crate) appended: Box<dyn Fn() + Send>,
    /// Moved on with every turn, also while waiting for room: a watchdog sees that we live.
    pub(crate) progress: Arc<AtomicU64>,
}

impl Worker {
    /// Starts the thread. It ends when the channel is closed and empty, or with an error after
    /// which the spool must be reopened.
    pub(crate) fn start(mut self) -> Result<oneshot::Receiver<Result<()>>> {
        let (done, ended) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(|source| Error::System { doing: "start the worker's runtime", source })?;
        std::thread::Builder::new()
            .name("worker".to_owned())
            .spawn(move || {
                let result = runtime.block_on(self.run());
                // Before the end is told: the lock of the spool goes with it.
                drop(self);
                // Nobody listens only when the process is ending anyway.
                let _ = done.send(result);
            })
            .map_err(|source| Error::System { doing: "start the worker thread", source })?;
        Ok(ended)
    }

    async fn run(&mut self) -> Result<()> {
        let mut collected = Instant::now();
        let mut due: Option<Instant> = None;
        let mut is_open = true;
        while is_open || !self.pool.is_empty() {
            self.progress.fetch_add(1, Ordering::Relaxed);
            let wake_at = due.unwrap_or(collected + COLLECT_INTERVAL);
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(wake_at.into()) => {}
                done = self.pool.next() => {
                    self.sealer.take(done?)?;
                    due = due.or_else(|| Some(Instant::now() + self.seal_interval));
                }
                chunk = self.chunks.recv(), if is_open && self.pool.has_room() => match chunk {
                    Some(chunk) => self.pool.give(chunk),
                    None => is_open = false,
                },
            }
            let is_due = due.is_some_and(|due| Instant::now() >= due);
            if is_due || self.sealer.has_full_round() {
                due = None;
                if !self.round().await? {
                    return Ok(());
                }
            }
            if collected.elapsed() >= COLLECT_INTERVAL {
                self.sealer.collect();
                collected = Instant::now();
            }
        }
        self.round().await?;
        Ok(())
    }

    /// Seals and appends. While there is no room it waits and takes nothing from the inputs, which
    /// then stop reading: what is not read stays in the logs. False if we were stopped meanwhile.
    async fn round(&mut self) -> Result<bool> {
        if !self.sealer.is_dirty() {
            return Ok(true);
        }
        self.sealer.seal()?;
        let mut backoff = Backoff::new(RETRY_DELAY_MIN, RETRY_DELAY_MAX);
        loop {
            match self.sealer.append() {
                Ok(()) => {
                    if backoff.failures() > 0 {
                        tracing::info!("the spool takes batches again");
                    }
                    self.health.resolved(SUBJECT);
                    (self.appended)();
                    return Ok(true);
                }
                Err(error) if error.is_transient() => {
                    let text = format!("{}; inputs are held back, nothing is lost", chain(&error));
                    if backoff.failures() == 0 {
                        tracing::warn!("{text}");
                    }
                    self.health.problem(SUBJECT, text);
                }
                Err(error) => return Err(error.into()),
            }
            if self.stop.is_cancelled() {
                tracing::warn!("stopping without room in the spool; these lines are read again");
                return Ok(false);
            }
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = tokio::time::sleep(backoff.next_delay()) => {}
            }
            self.sealer.collect();
            self.progress.fetch_add(1, Ordering::Relaxed);
        }
    }
}
