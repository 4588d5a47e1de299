//! Bench: inputs under test, and what a worker would keep of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rules_event::Event;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{Chunk, Count, Enabled, InputsConfig, Item, Report};

/// Every wait ends after this long, as a failure.
const DEADLINE: Duration = Duration::from_secs(60);

/// Problems told, and counts.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) problems: Mutex<Vec<String>>,
    pub(crate) counts: Mutex<HashMap<Count, u64>>,
}

impl Report for Told {
    fn problem(&self, subject: &str, text: String) {
        self.problems.lock().unwrap().push(format!("{subject}: {text}"));
    }
    fn resolved(&self, _: &str) {}
    fn count(&self, what: Count, amount: u64) {
        *self.counts.lock().unwrap().entry(what).or_default() += amount;
    }
}

/// Running inputs.
pub(crate) struct Bench {
    runtime: tokio::runtime::Runtime,
    pub(crate) config: InputsConfig,
    _state: tempfile::TempDir,
    checkpoints: HashMap<String, String>,
    chunks: Option<mpsc::Receiver<Chunk>>,
    stop: CancellationToken,
    ended: Option<tokio::task::JoinHandle<()>>,
    pub(crate) told: Arc<Told>,
    /// While true, what is taken is lost like the memory of a killed program.
    pub(crate) is_forgetful: bool,
}

impl Bench {
    /// Starts what `enable` turns on, and nothing else.
    pub(crate) fn new(enable: impl FnOnce(&mut InputsConfig)) -> Self {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let state = tempfile::tempdir().unwrap();
        let mut config =
            InputsConfig { state_dir: state.path().to_owned(), ..InputsConfig::default() };
        config.host.enabled = false;
        config.journal.enabled = Enabled::No;
        enable(&mut config);
        let mut bench = Self {
            runtime: runtime.worker_threads(1).enable_all().build().unwrap(),
            config,
            _state: state,
            checkpoints: HashMap::new(),
            chunks: None,
            stop: CancellationToken::new(),
            ended: None,
            told: Arc::default(),
            is_forgetful: false,
        };
        bench.start();
        bench
    }

    pub(crate) fn start(&mut self) {
        let _guard = self.runtime.enter();
        let (out, chunks) = mpsc::channel(8);
        self.stop = CancellationToken::new();
        let report: Arc<dyn Report> = Arc::clone(&self.told) as _;
        let (config, checkpoints) = (self.config.clone(), self.checkpoints.clone());
        let started = crate::start(config, checkpoints, out, self.stop.clone(), report);
        self.ended = Some(started.unwrap());
        self.chunks = Some(chunks);
    }

    pub(crate) fn stop(&mut self) {
        self.stop.cancel();
        drop(self.chunks.take());
        self.runtime.block_on(self.ended.take().unwrap()).unwrap();
    }

    /// Returns the names of entries up to one.
    pub(crate) fn entries_until(&mut self, wanted: &str) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let chunks = self.chunks.as_mut().unwrap();
        let deadline = tokio::time::Instant::now() + DEADLINE;
        while !names.iter().any(|name| name == wanted) {
            let next =
                async { tokio::time::timeout_at(deadline, chunks.recv()).await.ok().flatten() };
            let chunk = self.runtime.block_on(next);
            let chunk = chunk.unwrap_or_else(|| panic!("{wanted} never came; came: {names:?}"));
            self.checkpoints.extend(chunk.positions);
            for item in chunk.items {
                let Item::Entry(entry) = item else { panic!("entries") };
                names.push(entry.cursor);
            }
        }
        names
    }

    /// Returns what comes until one fits, or time is over.
    pub(crate) fn within(&mut self, span: Duration, wanted: impl Fn(&Event) -> bool) -> Vec<Event> {
        let mut events = Vec::new();
        let chunks = self.chunks.as_mut().unwrap();
        let deadline = tokio::time::Instant::now() + span;
        while !events.iter().any(&wanted) {
            let next =
                async { tokio::time::timeout_at(deadline, chunks.recv()).await.ok().flatten() };
            let Some(chunk) = self.runtime.block_on(next) else { break };
            self.checkpoints.extend(chunk.positions);
            for item in chunk.items {
                let Item::Sample(sample) = item else { panic!("samples") };
                events.push(sample.event);
            }
        }
        events
    }

    /// Returns events up to the chunk in which one fits.
    pub(crate) fn until(&mut self, wanted: impl Fn(&Event) -> bool) -> Vec<Event> {
        let mut events = Vec::new();
        let chunks = self.chunks.as_mut().unwrap();
        let deadline = tokio::time::Instant::now() + DEADLINE;
        loop {
            let next =
                async { tokio::time::timeout_at(deadline, chunks.recv()).await.ok().flatten() };
            let chunk = self.runtime.block_on(next);
            let chunk = chunk.unwrap_or_else(|| panic!("it never came; came: {}", list(&events)));
            if !self.is_forgetful {
                self.checkpoints.extend(chunk.positions);
            }
            for item in chunk.items {
                let Item::Sample(sample) = item else { panic!("samples") };
                events.push(sample.event);
            }
            if events.iter().any(&wanted) {
                return events;
            }
        }
    }
}

/// What came, in few words.
fn list(events: &[Event]) -> String {
    let last = events.len().saturating_sub(50);
    let lines = events[last..].iter().map(|event| {
        let text = |name| event.get_str(name).unwrap_or_default();
        format!("\n  {} {}", text("event.action"), text("message"))
    });
    format!("{} events, the last:{}", events.len(), lines.collect::<String>())
}
