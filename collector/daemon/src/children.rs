//! The programs that run beside the collector: the embedded engine, and standalone's agent.

use std::path::{Path, PathBuf};

use anyhow::Context;
use rand::RngCore;
use rules_service::meter::Health;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, sibling};
use crate::supervise::{Program, Ready, supervise};

/// Logs that most agency servers have; those that are not there are simply not read.
const HOST_LOGS: [&str; 7] = [
    "/var/log/auth.log",
    "/var/log/secure",
    "/var/log/syslog",
    "/var/log/messages",
    "/var/log/nginx/*access*.log",
    "/var/log/apache2/*access*.log",
    "/var/log/httpd/*access*log",
];

/// A started child and the task that keeps it alive.
pub(crate) struct ChildProcess {
    pub ready: Ready,
    pub task: tokio::task::JoinHandle<()>,
}

/// How to reach the embedded engine.
pub(crate) struct EngineAccess {
    pub password: String,
    pub child: ChildProcess,
}

/// Returns the URL in the engine's ready line.
pub(crate) fn engine_url(ready: &serde_json::Value) -> anyhow::Result<String> {
    let address = ready["listening"].as_str().context("the engine named no address")?;
    Ok(format!("http://{address}"))
}

/// Points the store at the engine wherever it listens after a restart. While it is down, at a port
/// that only root could take: nobody else on this host gets to play the engine.
pub(crate) fn follow_engine(mut ready: Ready, store: collector_store::Store) {
    const NOBODY: &str = "http://127.0.0.1:9";
    tokio::spawn(async move {
        while ready.changed().await.is_ok() {
            let line = ready.borrow_and_update().clone();
            let url = line.and_then(|line| engine_url(&line).ok());
            store.move_to(url.as_deref().unwrap_or(NOBODY));
        }
    });
}

/// Starts the embedded engine on a free loopback port, with a password that lives as long as this
/// process does.
pub(crate) fn engine(
    config: &Config,
    health: &Health,
    stop: &CancellationToken,
) -> anyhow::Result<EngineAccess> {
    let library = config.engine.library.clone().context(
        "the embedded ClickHouse needs its library: set engine.library (deploy/lib/fetch-chdb.sh \
         fetches it), or clickhouse.url to use a server",
    )?;
    let path = config.engine.binary.clone().map_or_else(|| sibling("vonglau-engine"), Ok)?;
    let mut secret = [0; 24];
    rand::rngs::OsRng.fill_bytes(&mut secret);
    let password = hex::encode(secret);
    let program = Program {
        name: "engine",
        path,
        args: vec![
            "serve".into(),
            "--lib".into(),
            library.display().to_string(),
            "--data".into(),
            config.state("clickhouse").display().to_string(),
            "--listen".into(),
            "127.0.0.1:0".into(),
            "--exit-with-parent".into(),
        ],
        env: vec![("VONGLAU_ENGINE_PASSWORD".into(), password.clone())],
    };
    let (ready, task) = supervise(program, health.clone(), stop.clone());
    Ok(EngineAccess { password, child: ChildProcess { ready, task } })
}

#[derive(Serialize)]
struct AgentFile {
    state_dir: PathBuf,
    host: AgentHost,
    input: AgentInput,
    rules: AgentRules,
    correlation: AgentCorrelation,
    spool: AgentSpool,
    metrics: AgentMetrics,
}

#[derive(Serialize)]
struct AgentHost {
    name: String,
    organization: String,
    system: String,
    timezone: String,
}

#[derive(Serialize)]
struct AgentInput {
    files: Vec<AgentFiles>,
    journal: AgentJournal,
    host: AgentSamples,
}

#[derive(Serialize)]
struct AgentFiles {
    paths: Vec<String>,
    start: &'static str,
}

#[derive(Serialize)]
struct AgentJournal {
    enabled: &'static str,
}

#[derive(Serialize)]
struct AgentSamples {
    enabled: bool,
}

#[derive(Serialize)]
struct AgentRules {
    builtin: bool,
    dirs: Vec<PathBuf>,
}

#[derive(Serialize)]
struct AgentCorrelation {
    enabled: bool,
}

#[derive(Serialize)]
struct AgentSpool {
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_max: Option<u64>,
    seal_interval_ms: u64,
}

#[derive(Serialize)]
struct AgentMetrics {
    listen: &'static str,
}

/// An agent for this host, whose spool the collector reads.
pub(crate) struct StandaloneAgent {
    pub spool: PathBuf,
    pub public_key: String,
    pub child: ChildProcess,
}

/// Writes the agent's configuration, asks it for its key, and starts it.
pub(crate) async fn agent(
    config: &Config,
    health: &Health,
    stop: &CancellationToken,
) -> anyhow::Result<StandaloneAgent> {
    let path = sibling("vonglau-agent")?;
    let state = std::path::absolute(config.state("agent"))?;
    crate::config::create_private(&state)?;
    let file = state.join("agent.toml");
    std::fs::write(&file, agent_toml(config, &state)?)
        .with_context(|| format!("cannot write {}", file.display()))?;
    let args = vec!["--config".to_owned(), file.display().to_string()];
    let public_key = public_key(&path, &args).await?;
    let mut run = vec!["run".to_owned(), "--exit-with-parent".to_owned()];
    run.extend(args);
    let program = Program { name: "agent", path, args: run, env: Vec::new() };
    let (ready, task) = supervise(program, health.clone(), stop.clone());
    Ok(StandaloneAgent {
        spool: state.join("spool"),
        public_key,
        child: ChildProcess { ready, task },
    })
}

fn agent_toml(config: &Config, state: &Path) -> anyhow::Result<String> {
    let wanted = &config.standalone;
    let mut files = Vec::new();
    if wanted.host_logs {
        let paths = HOST_LOGS.map(str::to_owned).to_vec();
        files.push(AgentFiles { paths, start: "end" });
    }
    if !wanted.watch.is_empty() {
        files.push(AgentFiles { paths: wanted.watch.clone(), start: "beginning" });
    }
    let file = AgentFile {
        state_dir: state.to_owned(),
        host: AgentHost {
            name: wanted.host_name.clone(),
            organization: wanted.organization.clone(),
            system: wanted.system.clone(),
            timezone: wanted.timezone.clone(),
        },
        input: AgentInput {
            files,
            journal: AgentJournal { enabled: if wanted.host_logs { "auto" } else { "no" } },
            host: AgentSamples { enabled: wanted.metrics },
        },
        rules: AgentRules { builtin: config.rules.builtin, dirs: config.rules.dirs.clone() },
        // The collector has the same rules, and sees every hit as soon.
        correlation: AgentCorrelation { enabled: false },
        spool: AgentSpool {
            bytes_max: (wanted.spool_bytes_max > 0).then_some(wanted.spool_bytes_max),
            seal_interval_ms: 200,
        },
        metrics: AgentMetrics { listen: "127.0.0.1:0" },
    };
    Ok(format!(
        "# Written by vonglau-collector standalone at every start.\n{}",
        toml::to_string(&file)?
    ))
}

async fn public_key(program: &Path, args: &[String]) -> anyhow::Result<String> {
    let output = tokio::process::Command::new(program)
        .arg("identity")
        .args(args)
        .arg("--json")
        .output()
        .await
        .with_context(|| format!("cannot run {}", program.display()))?;
    anyhow::ensure!(
        output.status.success(),
        "{} identity failed: {}",
        program.display(),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let said: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    Ok(said["public_key"].as_str().context("the agent named no public key")?.to_owned())
}
