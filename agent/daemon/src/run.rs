//! `run`: wires inputs, pipeline, spool and shipper together, and takes them apart again in order.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use agent_pipeline::{AgentFacts, Pipeline};
use agent_shipper::Shipper;
use agent_spool::{Options, Recovery, Spool};
use agent_wire::{Identity, Lane, Record};
use rules_service::logs::chain;
use rules_service::meter::{self, Health};
use rules_service::shutdown;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::error::{Error, Result, file};
use crate::heartbeat::{self, Pulse};
use crate::ledger::Ledger;
use crate::metrics::{InputReport, Metrics, set};
use crate::sealer::{Sealer, now};
use crate::worker::Worker;
use crate::{identity, rules, status};

/// Chunks that may wait between the inputs and the worker. A chunk is at most some hundred KiB.
const CHUNKS_WAITING_MAX: usize = 8;
/// How long inputs may take to end when told to.
const INPUTS_END_WAIT_MAX: Duration = Duration::from_secs(10);
/// How often the cursors of a collector on the same machine are read.
const CURSOR_READ_INTERVAL: Duration = Duration::from_secs(1);

/// The running parts.
struct Agent {
    config: Config,
    spool_dir: PathBuf,
    pipeline: Arc<Pipeline>,
    pulse: Pulse,
    metrics: Metrics,
    health: Health,
    shipper: Option<Shipper>,
    ledger: Option<Arc<Ledger>>,
    inputs: JoinHandle<()>,
    worker: oneshot::Receiver<Result<()>>,
    /// Ends the inputs, and with them the worker.
    stop: CancellationToken,
    /// Ends the shipper, after them.
    stop_shipper: CancellationToken,
}

/// Runs the agent until it is told to stop.
pub(crate) async fn run(config: Config, exit_with_parent: bool) -> Result<()> {
    let stop = shutdown::on_signals()
        .map_err(|source| Error::System { doing: "set up signal handlers", source })?;
    if exit_with_parent {
        shutdown::on_parent_exit(&stop);
    }
    let agent = Agent::start(config, stop).await?;
    agent.attend().await
}

impl Agent {
    async fn start(config: Config, stop: CancellationToken) -> Result<Self> {
        let identity = identity::load_or_create(&config.state_dir)?;
        let agent_id = identity.agent_id().to_string();
        let spool_dir = config.spool_dir();
        let (spool, recovery) = open_spool(&config)?;
        let epoch = spool.epoch();
        let checkpoint = match &recovery.checkpoint {
            Some(saved) => Checkpoint::decode(saved, epoch, &spool_dir)?,
            None => Checkpoint::default(),
        };
        let positions = checkpoint.positions();
        let (metrics, health) = (Metrics::new(), Health::default());
        let rule_set = rules::load_at_start(&config.rules, &health)?;
        set(&metrics.rules, rule_set.len() as u64);
        let pulse = Pulse {
            identity: identity.clone(),
            host: config.host_name(),
            organization: config.host.organization.clone(),
            epoch,
            started: now(),
            ruleset: rule_set.identity().to_owned(),
            metrics: metrics.clone(),
            health: health.clone(),
            count: 0,
        };
        let pipeline = Arc::new(Pipeline::new(facts(&config, &identity)?, Some(rule_set)));

        let address = config.metrics.listen;
        let bound = meter::serve(address, metrics.registry.clone(), health.clone(), stop.clone())
            .await
            .map_err(|source| Error::Listen { address, source })?;
        status::write_address(&config.state_dir, bound)?;

        let stop_shipper = CancellationToken::new();
        for lane in Lane::SPOOLED {
            let number = if lane == Lane::Alerts { 0 } else { 1 };
            metrics.note_acked(lane, agent_spool::Cursor::load(&spool_dir, number)?, 0);
        }
        let (shipper, ledger) = if config.has_kafka() {
            let shipper = Shipper::start(agent_shipper::Setup {
                kafka: config.kafka.clone(),
                shipping: config.shipping.clone(),
                zone: agent_pipeline::timezone(&config.host.timezone)?,
                dir: spool_dir.clone(),
                durable: Some(spool.durable()),
                stop: stop_shipper.clone(),
                health: health.clone(),
                progress: Arc::new(metrics.clone()),
            })?;
            (Some(shipper), None)
        } else {
            (None, Some(Arc::new(Ledger::of_spool(&spool_dir)?)))
        };
        let (out, chunks) = mpsc::channel(CHUNKS_WAITING_MAX);
        let worker = Worker {
            sealer: Sealer::new(
                identity,
                Arc::clone(&pipeline),
                spool,
                checkpoint,
                metrics.clone(),
                ledger.clone(),
            ),
            chunks,
            seal_interval: Duration::from_millis(config.spool.seal_interval_ms),
            health: health.clone(),
            stop: stop.clone(),
            appended: shipper.as_ref().map_or_else(|| Box::new(|| {}) as _, Shipper::waker),
        }
        .start()?;
        let report = InputReport::shared(health.clone(), metrics.clone());
        let mut input = config.input.clone();
        input.state_dir = config.state_dir.join("inputs");
        let inputs = agent_inputs::start(input, positions, out, stop.clone(), report)?;
        tracing::info!(agent = agent_id, epoch, metrics = %bound, "the agent runs");
        announce(&bound.to_string(), &agent_id);
        Ok(Self {
            config,
            spool_dir,
            pipeline,
            pulse,
            metrics,
            health,
            shipper,
            ledger,
            inputs,
            worker,
            stop,
            stop_shipper,
        })
    }

    /// Looks after the running parts until it is time to stop, then takes them apart.
    async fn attend(mut self) -> Result<()> {
        let mut reload = signal(SignalKind::hangup())
            .map_err(|source| Error::System { doing: "set up signal handlers", source })?;
        let mut beats =
            tokio::time::interval(Duration::from_secs(self.config.heartbeat.interval_s));
        let mut cursors = tokio::time::interval(CURSOR_READ_INTERVAL);
        let mut worker_result = None;
        loop {
            tokio::select! {
                () = self.stop.cancelled() => break,
                result = &mut self.worker => {
                    worker_result = Some(result);
                    break;
                }
                _ = &mut self.inputs => break,
                _ = reload.recv() => self.reload_rules().await,
                _ = beats.tick() => self.beat(),
                _ = cursors.tick() => {
                    if let Some(ledger) = &self.ledger {
                        ledger.follow(&self.spool_dir, &self.metrics);
                    }
                }
            }
        }
        if !self.stop.is_cancelled() && worker_result.is_none() {
            tracing::error!("the inputs have ended by themselves; stopping");
        }
        // From the source downwards: no more lines, then everything read is sealed and appended,
        // then the shipper stores its cursors.
        self.stop.cancel();
        if !self.inputs.is_finished()
            && tokio::time::timeout(INPUTS_END_WAIT_MAX, &mut self.inputs).await.is_err()
        {
            tracing::warn!("an input does not end; what it read last is read again");
        }
        let result = match worker_result {
            Some(result) => result,
            None => (&mut self.worker).await,
        };
        self.beat();
        self.stop_shipper.cancel();
        if let Some(shipper) = self.shipper.take() {
            shipper.join().await;
        }
        result.unwrap_or(Err(Error::Panic("worker")))
    }

    fn beat(&mut self) {
        let beat = match self.pulse.beat() {
            Ok(beat) => beat,
            Err(error) => {
                tracing::error!(error = %chain(&error), "cannot make a heartbeat");
                return;
            }
        };
        if let Err(error) = self.send(beat) {
            tracing::warn!(%error, dir = %self.spool_dir.display(), "cannot write the heartbeat");
        }
    }

    fn send(&self, beat: Record) -> std::io::Result<()> {
        match &self.shipper {
            Some(shipper) => {
                shipper.heartbeat(beat);
                Ok(())
            }
            None => heartbeat::write_file(&self.spool_dir, &beat),
        }
    }

    async fn reload_rules(&mut self) {
        tracing::info!("loading the rules again");
        let (section, health) = (self.config.rules.clone(), self.health.clone());
        let loaded = tokio::task::spawn_blocking(move || rules::reload(&section, &health)).await;
        match loaded {
            Ok(Some(rule_set)) => {
                set(&self.metrics.rules, rule_set.len() as u64);
                rule_set.identity().clone_into(&mut self.pulse.ruleset);
                self.pipeline.swap_rules(rule_set);
            }
            Ok(None) => tracing::warn!("the rules in force stay"),
            Err(error) => tracing::error!(%error, "loading the rules ended in a panic"),
        }
    }
}

fn open_spool(config: &Config) -> Result<(Spool, Recovery)> {
    let (spool, recovery) = Spool::open(Options {
        dir: config.spool_dir(),
        segment_bytes_max: config.spool.segment_bytes_max,
        bytes_max: config.spool.bytes_max,
        free_bytes_min: config.spool.free_bytes_min,
    })?;
    for note in &recovery.notes {
        tracing::warn!("spool: {note}");
    }
    if recovery.truncated_bytes > 0 {
        tracing::info!(
            bytes = recovery.truncated_bytes,
            "cut a torn write off the spool; its lines are read again"
        );
    }
    Ok((spool, recovery))
}

pub(crate) fn facts(config: &Config, identity: &Identity) -> Result<AgentFacts> {
    let organization = config.host.organization.clone();
    Ok(AgentFacts {
        agent_id: *identity.agent_id().as_bytes(),
        agent_id_text: identity.agent_id().to_string(),
        host: config.host_name(),
        organization: (!organization.is_empty()).then_some(organization),
        timezone: agent_pipeline::timezone(&config.host.timezone)?,
    })
}

/// Tells a supervisor that we are ready, and where.
fn announce(metrics: &str, agent: &str) {
    let line = serde_json::json!({ "metrics": metrics, "agent": agent });
    let mut out = std::io::stdout().lock();
    // A supervisor that has closed its end does not want to know.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Removes what tells others that we run.
pub(crate) fn forget_address(config: &Config) -> Result<()> {
    let path = status::address_path(&config.state_dir);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(file("delete", &path)(error))
        }
        _ => Ok(()),
    }
}
