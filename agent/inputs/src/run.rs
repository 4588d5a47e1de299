//! start: checks the configuration and runs every input.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::files::{self, Follower};
use crate::{
    Chunk, Enabled, Error, InputsConfig, Positions, Report, attend, audit, evtx, exec, host,
    integrity, inventory, journal, process, syslog,
};

/// What every input needs to run.
#[derive(Clone)]
pub(crate) struct Wiring {
    pub(crate) out: mpsc::Sender<Chunk>,
    pub(crate) stop: CancellationToken,
    pub(crate) report: Arc<dyn Report>,
}

impl Wiring {
    /// Hands a chunk on, waiting for room. False when it is time to end instead.
    pub(crate) async fn send(&self, chunk: Chunk) -> bool {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => false,
            sent = self.out.send(chunk) => sent.is_ok(),
        }
    }
}

/// Starts every configured input; call it inside a tokio runtime.
///
/// `checkpoints` holds the positions of earlier chunks by key, as they were last made durable. Chunks
/// go to `out`, whose capacity bounds what is in flight: a full channel makes inputs wait. The
/// returned task ends when every input has ended: after `stop` is cancelled, or when the receiver of
/// `out` is gone. Chunks that were not accepted by then are dropped: their bytes are read again at
/// the next start.
///
/// # Errors
///
/// When the configuration is wrong. A log that cannot be read is no error: it is told to `report`
/// and tried again.
pub fn start(
    config: InputsConfig,
    checkpoints: impl Into<Positions>,
    out: mpsc::Sender<Chunk>,
    stop: CancellationToken,
    report: Arc<dyn Report>,
) -> Result<JoinHandle<()>, Error> {
    check(&config)?;
    let wiring = Wiring { out, stop, report };
    let checkpoints: Arc<Positions> = Arc::new(checkpoints.into());
    let follower = Follower::new(&config, &checkpoints, wiring.clone())?;
    let mut inputs = JoinSet::new();
    if journal::wanted(&config, &follower, wiring.report.as_ref()) {
        let cursor = checkpoints.get(&journal::key(&config.journal)).map(str::to_owned);
        let with_audit = match config.journal.audit {
            Enabled::Yes => true,
            Enabled::No => false,
            Enabled::Auto => !audit::stream::is_read_elsewhere(&config),
        };
        inputs.spawn(journal::run(config.journal.clone(), cursor, with_audit, wiring.clone()));
    }
    syslog::start(syslog::plans(&config.syslog)?, &mut inputs, &wiring);
    let commands = exec::plans(&config.exec, Duration::from_millis(config.audit.wait_ms))?;
    exec::start(commands, config.exec_guarded, &checkpoints, &mut inputs, &wiring);
    let mut threads = Vec::new();
    let integrity = integrity::Plan::new(&config.integrity)?;
    if config.integrity.enabled {
        let (dir, known) =
            (config.state_dir.clone(), checkpoints.get(integrity::KEY).map(str::to_owned));
        threads.push(attend::spawn("integrity", wiring.clone(), move |attendant| {
            integrity::run(integrity, &dir, known.as_deref(), attendant);
        })?);
    }
    for feed in audit::stream::wanted(&config) {
        let wait = Duration::from_millis(config.audit.wait_ms);
        let policy = config.audit.policy.number;
        let known = checkpoints.get(feed.key()).map(str::to_owned);
        threads.push(attend::spawn("audit", wiring.clone(), move |attendant| {
            audit::stream::run(feed, wait, policy, known.as_deref(), attendant);
        })?);
    }
    if !config.evtx.paths.is_empty() {
        let (evtx, known) = (config.evtx.clone(), evtx::positions(&checkpoints));
        threads.push(attend::spawn("evtx", wiring.clone(), move |attendant| {
            evtx::run(&evtx, &known, attendant);
        })?);
    }
    if config.inventory.enabled {
        let (dir, known) =
            (config.state_dir.clone(), checkpoints.get(inventory::KEY).map(str::to_owned));
        let inventory = config.inventory.clone();
        threads.push(attend::spawn("inventory", wiring.clone(), move |attendant| {
            inventory::run(inventory, &dir, known.as_deref(), attendant);
        })?);
    }
    if config.process.enabled {
        if config.process.connections_interval_s > 0 {
            let (dir, key) = (config.state_dir.clone(), process::connections::KEY);
            let (span, known) =
                (config.process.connections_interval_s, checkpoints.get(key).map(str::to_owned));
            threads.push(attend::spawn("connections", wiring.clone(), move |attendant| {
                process::connections::run(span, &dir, known.as_deref(), attendant);
            })?);
        }
        let (process, known) =
            (config.process.clone(), checkpoints.get(process::KEY).map(str::to_owned));
        threads.push(attend::spawn("process", wiring.clone(), move |attendant| {
            process::run(process, known.as_deref(), attendant);
        })?);
    }
    if config.host.enabled {
        inputs.spawn(host::run(config.host.interval_s, wiring));
    }
    // A runtime of its own: the thread must be able to end in order also while the caller's runtime is
    // being shut down.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Thread)?;
    let (done, ended) = tokio::sync::oneshot::channel::<()>();
    std::thread::Builder::new()
        .name("files".to_owned())
        .spawn(move || {
            follower.run(&runtime);
            drop(done);
        })
        .map_err(Error::Thread)?;
    Ok(tokio::spawn(async move {
        while let Some(result) = inputs.join_next().await {
            if let Err(error) = result {
                tracing::error!(%error, "an input ended in a panic");
            }
        }
        for thread in threads {
            let _ = thread.await;
        }
        // An error only says that the thread dropped its end: that is the signal.
        let _ = ended.await;
    }))
}

/// Checks a configuration without reading anything.
///
/// # Errors
///
/// The first mistake.
pub fn check(config: &InputsConfig) -> Result<(), Error> {
    check_bounds(config)?;
    config.check_policies()?;
    files::check(config)?;
    journal::check(&config.journal)?;
    syslog::plans(&config.syslog)?;
    exec::plans(&config.exec, Duration::from_millis(config.audit.wait_ms))?;
    integrity::Plan::new(&config.integrity)?;
    config.evtx.check()?;
    config.inventory.check()?;
    config.process.check()
}

fn check_bounds(config: &InputsConfig) -> Result<(), Error> {
    let bounds = [
        ("scan_interval_ms", config.scan_interval_ms, 50, 60_000),
        ("files_max", config.files_max as u64, 1, 100_000),
        ("open_max", config.open_max as u64, 4, 4_096),
        ("audit.wait_ms", config.audit.wait_ms, 100, 120_000),
        ("host.interval_s", config.host.interval_s, 1, 3_600),
    ];
    for (name, value, min, max) in bounds {
        if value < min || value > max {
            return Err(Error::Bounds { name, value, min, max });
        }
    }
    Ok(())
}
