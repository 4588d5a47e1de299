//! `tail --dry-run`: the events that the configured logs would give, keeping and sending nothing.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use agent_inputs::{AuditConfig, Chunk, Count, InputsConfig, Report, Start};
use agent_pipeline::{Pipeline, Scratch, digest_key};
use agent_wire::{Identity, write_event};
use rules_event::Event;
use rules_service::meter::Health;
use rules_service::shutdown;
use tokio::sync::mpsc;

use crate::config::Config;
use crate::correlate::Bench;
use crate::error::{Error, Result};
use crate::run::facts;
use crate::{identity, redaction, rules};

/// Chunks that may wait for the printer.
const CHUNKS_WAITING_MAX: usize = 2;

/// When to stop, and what to leave out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) events: Option<u64>,
    pub(crate) seconds: Option<u64>,
    pub(crate) only_hits: bool,
}

/// Reads until stopped, and writes one JSON event a line.
pub(crate) fn tail(
    config: &Config,
    start: Start,
    bounds: Bounds,
    out: &mut dyn Write,
) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|source| Error::System { doing: "start the runtime", source })?;
    // The agent's own key, so that ids are those it would give; without one, that of every example.
    let identity =
        identity::load(&config.state_dir)?.unwrap_or_else(|| Identity::from_seed(&[0; 32]));
    let compiled = rules::load_at_start(&config.rules, None, &Health::default())?;
    let mut correlations = Bench::new(&compiled, config, facts(config, &identity)?);
    let pipeline = Pipeline::new(facts(config, &identity)?, Some(compiled.matcher))
        .with_redactor(redaction::redactor(config, &identity)?)
        .with_digest_key(digest_key(&identity.seed()));
    let bench = (&pipeline, &mut correlations);
    let result = runtime.block_on(follow(config, start, bounds, bench, out));
    runtime.shutdown_timeout(Duration::from_millis(100));
    result
}

async fn follow(
    config: &Config,
    start: Start,
    bounds: Bounds,
    bench: (&Pipeline, &mut Bench),
    out: &mut dyn Write,
) -> Result<()> {
    let (pipeline, correlations) = bench;
    let stop = shutdown::on_signals()
        .map_err(|source| Error::System { doing: "set up signal handlers", source })?;
    let (read, mut chunks) = mpsc::channel(CHUNKS_WAITING_MAX);
    let input = inputs(&config.input, start);
    let ended = agent_inputs::start(input, HashMap::new(), read, stop.clone(), Arc::new(ToLog))?;
    let mut scratch = Scratch::default();
    let mut left = bounds.events.unwrap_or(u64::MAX);
    let time_is_up = tokio::time::sleep(Duration::from_secs(bounds.seconds.unwrap_or(u64::MAX)));
    tokio::pin!(time_is_up);
    let result = loop {
        let chunk = tokio::select! {
            () = stop.cancelled() => break Ok(()),
            () = &mut time_is_up, if bounds.seconds.is_some() => break Ok(()),
            chunk = chunks.recv() => match chunk {
                Some(chunk) => chunk,
                None => break Ok(()),
            },
        };
        let bench = (pipeline, &mut *correlations);
        match print(chunk, bench, &mut scratch, bounds.only_hits, &mut left, out) {
            Ok(()) if left > 0 => {}
            Ok(()) => break Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break Ok(()),
            Err(source) => break Err(Error::System { doing: "write standard output", source }),
        }
    };
    stop.cancel();
    drop(chunks);
    // A panic of an input has been logged; there is nothing to save here.
    let _ = ended.await;
    result
}

fn print(
    chunk: Chunk,
    (pipeline, correlations): (&Pipeline, &mut Bench),
    scratch: &mut Scratch,
    only_hits: bool,
    left: &mut u64,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut json = Vec::new();
    let mut write = |event: &Event| {
        if *left == 0 {
            return Ok(());
        }
        json.clear();
        write_event(&mut json, event);
        json.push(b'\n');
        *left -= 1;
        out.write_all(&json)
    };
    for item in chunk.items {
        pipeline.process(item, scratch, |processed| {
            if !only_hits || processed.level.is_some() {
                write(processed.event)?;
            }
            correlations.take(processed.event, processed.hits).iter().try_for_each(&mut write)
        })?;
    }
    out.flush()
}

/// Returns the inputs that change nothing on the host when they are read: files, journal, samples, and
/// commands, which are run by whoever asks.
fn inputs(config: &InputsConfig, start: Start) -> InputsConfig {
    let mut input = InputsConfig {
        files: config.files.clone(),
        journal: config.journal.clone(),
        host: config.host.clone(),
        audit: AuditConfig { wait_ms: config.audit.wait_ms, ..AuditConfig::default() },
        exec: config.exec.clone(),
        exec_guarded: true,
        scan_interval_ms: config.scan_interval_ms,
        files_max: config.files_max,
        open_max: config.open_max,
        // Nobody reads or writes it without an input that keeps a state.
        state_dir: PathBuf::new(),
        ..InputsConfig::default()
    };
    for group in &mut input.files {
        group.start = start;
    }
    input.journal.start = start;
    input
}

/// What the inputs tell goes to the log.
struct ToLog;

impl Report for ToLog {
    fn problem(&self, subject: &str, text: String) {
        tracing::warn!(subject, "{text}");
    }

    fn resolved(&self, _subject: &str) {}

    fn count(&self, _what: Count, _amount: u64) {}
}
