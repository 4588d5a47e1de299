//! `run`: wires inputs, pipeline, spool and shipper together.

mod attend;
mod reload;

use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use agent_pipeline::{AgentFacts, Flow, Pipeline, digest_key};
use agent_shipper::Shipper;
use agent_spool::{LANE_ALERTS, LANE_EVENTS, Options, Recovery, Spool};
use agent_wire::{Identity, Lane};
use arc_swap::ArcSwap;
use rules_service::meter::{self, Health};
use rules_service::notify::Notifier;
use rules_service::shutdown;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::checkpoint::Checkpoint;
use crate::config::{Config, Source};
use crate::correlate::{Correlations, Counting, Local};
use crate::error::{Error, Result, file};
use crate::evidence::{Before, Clocks, Evidence, RunRecord, boot_id};
use crate::heartbeat::Pulse;
use crate::host::ThisHost;
use crate::ledger::Ledger;
use crate::metrics::{Metrics, set};
use crate::pool::Pool;
use crate::report::InputReport;
use crate::rules::stored::Store;
use crate::sealer::{Sealer, now};
use crate::seals::Seals;
use crate::silence::{Heard, Silence};
use crate::thinning::Thinning;
use crate::valve::Valve;
use crate::watchdog::Watchdog;
use crate::witness::{Action, REASON, Witness, count, text};
use crate::worker::Worker;
use crate::{identity, redaction, rules, status};

/// Chunks that may wait between the valve and the worker. A chunk is at most some hundred KiB.
const CHUNKS_WAITING_MAX: usize = 7;
/// Chunks that may wait in front of the valve: it hands on as fast as the worker takes.
const CHUNKS_READ_MAX: usize = 1;

/// The running parts.
struct Agent {
    source: Source,
    /// Heard from the first moment: before somebody listens, SIGHUP ends a process.
    hangup: Signal,
    config: Config,
    spool_dir: PathBuf,
    pipeline: Arc<Pipeline>,
    correlations: Correlations,
    store: Store,
    pulse: Pulse,
    metrics: Metrics,
    health: Health,
    shipper: Option<Shipper>,
    ledger: Option<Arc<Ledger>>,
    inputs: JoinHandle<()>,
    valve: JoinHandle<()>,
    worker: oneshot::Receiver<Result<()>>,
    /// Moves on with every turn of the worker.
    progress: Arc<AtomicU64>,
    watchdog: Watchdog,
    thinning: Thinning,
    cpu_pct: watch::Sender<u64>,
    witness: Witness,
    evidence: Evidence,
    seals: Seals,
    clocks: Clocks,
    heard: Heard,
    notifier: Notifier,
    /// The signal that ended us, once one did.
    ended_by: Arc<OnceLock<&'static str>>,
    /// Ends the inputs.
    stop: CancellationToken,
    /// Ends the valve, after them, and with it the worker.
    close_valve: CancellationToken,
    /// Ends the shipper, last.
    stop_shipper: CancellationToken,
}

/// Runs the agent until it is told to stop.
pub(crate) async fn run(source: Source, config: Config, exit_with_parent: bool) -> Result<()> {
    let ended_by = Arc::new(OnceLock::new());
    let told = Arc::clone(&ended_by);
    let stop = shutdown::on_signals_telling(move |signal| {
        // Only the first signal is told of.
        let _ = told.set(signal);
    })
    .map_err(|source| Error::System { doing: "set up signal handlers", source })?;
    if exit_with_parent {
        shutdown::on_parent_exit(&stop);
    }
    let agent = Agent::start(source, config, stop, ended_by).await?;
    agent.attend().await
}

impl Agent {
    async fn start(
        source: Source,
        config: Config,
        stop: CancellationToken,
        ended_by: Arc<OnceLock<&'static str>>,
    ) -> Result<Self> {
        let hangup = signal(SignalKind::hangup())
            .map_err(|source| Error::System { doing: "set up signal handlers", source })?;
        let identity = identity::load_or_create(&config.state_dir)?;
        let agent_id = identity.agent_id().to_string();
        let spool_dir = config.spool_dir();
        let (spool, mut recovery) = open_spool(&config)?;
        let epoch = spool.epoch();
        let (checkpoint, beside) = match recovery.checkpoint.take() {
            Some(saved) => Checkpoint::read(&saved, epoch, &spool_dir)?,
            None => (Checkpoint::default(), Vec::new()),
        };
        let positions = checkpoint.positions();
        let (metrics, health) = (Metrics::new(), Health::default());
        let (witness, own) = Witness::new(metrics.clone(), config.evidence.events);
        let store = Store::new(&config.state_dir, &identity);
        let compiled = rules::load_at_start(&config.rules, Some(&store), &health)?;
        let rule_set = compiled.matcher;
        let section = &config.correlation;
        let scope = section.scope(&config.input, &config.shipping);
        let counting = Counting::new(&compiled.notes.local, rule_set.identity(), section, scope);
        let correlations = Correlations::new(ArcSwap::from_pointee(counting));
        set(&metrics.rules, rule_set.len() as u64);
        if !config.evidence.events {
            tracing::warn!("evidence.events = false: tampering with the agent is only logged");
        }
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
        let (evidence, seals) = begin(&source, &config, &pulse, &agent_id, &witness)?;
        tell_recovery(&recovery, &witness);
        let local =
            Local::new(correlations.load_full(), facts(&config, &identity)?, metrics.clone());
        let local = restored(local, &beside);
        drop(beside);
        let mut input = config.input.clone();
        input.exec_guarded = true;
        input.state_dir = config.state_dir.join("inputs");
        let flow = Arc::new(Flow::new(input.policies()));
        flow.limit_agent(config.limits.rates());
        let pipeline = Pipeline::new(facts(&config, &identity)?, Some(rule_set))
            .with_host(Arc::new(ThisHost::new()))
            .with_flow(Arc::clone(&flow))
            .with_redactor(redaction::redactor(&config, &identity)?)
            .with_digest_key(digest_key(&identity.seed()));
        redaction::register(&metrics.registry, pipeline.redactions());
        let pipeline = Arc::new(pipeline);

        let address = config.metrics.listen;
        let bound = meter::serve(address, metrics.registry.clone(), health.clone(), stop.clone())
            .await
            .map_err(|source| Error::Listen { address, source })?;
        if let Err(error) = status::write_address(&config.state_dir, bound) {
            // A full disk, in practice: 'status' then shows what the spool says.
            tracing::warn!(error = %rules_service::logs::chain(&error), "'status' will not find this run");
        }

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
                agent: identity.agent_id(),
                newest: [LANE_ALERTS, LANE_EVENTS].map(|lane| spool.last_seq(lane)),
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
        let progress = Arc::new(AtomicU64::new(0));
        let worker = Worker {
            pool: Pool::start(config.pipeline.workers, &pipeline, &correlations)?,
            sealer: Sealer::new(
                identity,
                spool,
                checkpoint,
                local,
                metrics.clone(),
                ledger.clone(),
            ),
            chunks,
            seal_interval: Duration::from_millis(config.spool.seal_interval_ms),
            health: health.clone(),
            stop: stop.clone(),
            appended: shipper.as_ref().map_or_else(|| Box::new(|| {}) as _, Shipper::waker),
            progress: Arc::clone(&progress),
        }
        .start()?;

        let watchdog = Watchdog::new(&config, metrics.clone(), health.clone(), witness.clone());
        let thinning = Thinning {
            flow,
            metrics: metrics.clone(),
            health: health.clone(),
            witness: witness.clone(),
        };
        let (cpu_pct, cpu_pct_seen) = watch::channel(config.limits.cpu_pct_max);
        let heard = Heard::default();
        let close_valve = CancellationToken::new();
        let (read, inputs) = mpsc::channel(CHUNKS_READ_MAX);
        let valve = Valve {
            inputs,
            own,
            worker: out,
            level: watchdog.level.subscribe(),
            cpu_pct: cpu_pct_seen,
            silence: Silence::new(witness.clone(), Arc::clone(&heard)),
            metrics: metrics.clone(),
            close: close_valve.clone(),
        };
        let valve = tokio::spawn(valve.run());
        let report = InputReport::shared(health.clone(), metrics.clone(), witness.clone());
        let inputs = agent_inputs::start(input, positions, read, stop.clone(), report)?;
        tracing::info!(agent = agent_id, epoch, metrics = %bound, "the agent runs");
        announce(&bound.to_string(), &agent_id);
        let notifier = Notifier::of_process();
        notifier.ready("reads, detects, ships");
        Ok(Self {
            source,
            hangup,
            config,
            spool_dir,
            pipeline,
            correlations,
            store,
            pulse,
            metrics,
            health,
            shipper,
            ledger,
            inputs,
            valve,
            worker,
            progress,
            watchdog,
            thinning,
            cpu_pct,
            witness,
            evidence,
            seals,
            clocks: Clocks::new(),
            heard,
            notifier,
            ended_by,
            stop,
            close_valve,
            stop_shipper,
        })
    }
}

/// Compares with the run before and writes down that this one began.
fn begin(
    source: &Source,
    config: &Config,
    pulse: &Pulse,
    agent_id: &str,
    witness: &Witness,
) -> Result<(Evidence, Seals)> {
    let before = Before::read(&config.state_dir)?;
    let known = before.record.as_ref();
    let known = known.map_or(("", ""), |run| (run.binary_stat.as_str(), run.binary.as_str()));
    let seals = Seals::new(&source.path, &config.rules.dirs, known);
    let record = RunRecord {
        agent: agent_id.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        boot: boot_id(),
        started: pulse.started.to_string(),
        config: seals.config.hash.clone(),
        binary: seals.binary.hash.clone(),
        binary_stat: seals.binary.stat_text(),
        ruleset: pulse.ruleset.clone(),
        epoch: pulse.epoch,
        ..RunRecord::default()
    };
    Ok((Evidence::begin(&config.state_dir, &before, record, witness), seals))
}

fn open_spool(config: &Config) -> Result<(Spool, Recovery)> {
    let (spool, recovery) = Spool::open(Options {
        dir: config.spool_dir(),
        segment_bytes_max: config.spool.segment_bytes_max,
        bytes_max: config.spool.bytes_max,
        free_bytes_min: config.spool.free_bytes_min,
    })?;
    if recovery.truncated_bytes > 0 {
        tracing::info!(
            bytes = recovery.truncated_bytes,
            "cut a torn write off the spool; its lines are read again"
        );
    }
    Ok((spool, recovery))
}

/// Gives the correlations back what they remembered in the rounds of the spool.
fn restored(mut local: Local, beside: &[Vec<u8>]) -> Local {
    match local.restore(beside) {
        Some((0, 0)) => {}
        Some((groups, hits)) => tracing::info!(groups, hits, "correlations go on"),
        None => {
            tracing::warn!("what correlations remembered is damaged; they go on with the rest");
        }
    }
    local
}

/// Says what opening the spool has found. A torn write at its end is what a crash leaves, and no damage.
fn tell_recovery(recovery: &Recovery, witness: &Witness) {
    for note in &recovery.notes {
        let fields = [(REASON, text(note)), ("vonglau.spool.epoch", count(recovery.epoch))];
        witness.say(Action::SpoolDamaged, format!("spool: {note}"), fields);
    }
}

pub(crate) fn facts(config: &Config, identity: &Identity) -> Result<AgentFacts> {
    let (organization, system) = (config.host.organization.clone(), config.host.system.clone());
    Ok(AgentFacts {
        agent_id: *identity.agent_id().as_bytes(),
        agent_id_text: identity.agent_id().to_string(),
        host: config.host_name(),
        organization: (!organization.is_empty()).then_some(organization),
        system: (!system.is_empty()).then_some(system),
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
