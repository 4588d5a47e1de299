//! Child processes: started, watched, restarted with growing delay, stopped with their parent.
//!
//! A child's standard input is a pipe held by us: when we die, even by `kill -9`, it ends and the
//! child leaves by itself (`--exit-with-parent`). Its first line on standard output is a JSON object
//! that says where it listens.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use rules_service::backoff::Backoff;
use rules_service::meter::Health;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How long a child may take to say that it is ready.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a child may take to stop when asked.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
/// A child that ran this long has its delay reset when it fails.
const SETTLED_AFTER: Duration = Duration::from_secs(60);

/// What to run.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// Word for logs and health: `engine`, `agent`.
    pub name: &'static str,
    pub path: PathBuf,
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
}

/// The line a child said when it became ready; absent while it is down.
pub(crate) type Ready = watch::Receiver<Option<serde_json::Value>>;

/// Keeps a program running until `stop`; the receiver always holds its latest ready line.
pub(crate) fn supervise(
    program: Program,
    health: Health,
    stop: CancellationToken,
) -> (Ready, tokio::task::JoinHandle<()>) {
    let (said, ready) = watch::channel(None);
    let task = tokio::spawn(async move {
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(30));
        while !stop.is_cancelled() {
            let started = tokio::time::Instant::now();
            let ended = run_once(&program, &said, &health, &stop).await;
            said.send_replace(None);
            if stop.is_cancelled() {
                return;
            }
            if started.elapsed() > SETTLED_AFTER {
                backoff.reset();
            }
            let text = match ended {
                Ok(status) => format!("{} ended with {status}", program.path.display()),
                Err(error) => format!("{error:#}"),
            };
            let delay = backoff.next_delay();
            tracing::warn!(child = program.name, reason = %text, ?delay, "child is down; restarting");
            health.problem(program.name, text);
            tokio::select! { () = stop.cancelled() => {}, () = tokio::time::sleep(delay) => {} }
        }
    });
    (ready, task)
}

/// Returns the ready line as soon as the child is up.
pub(crate) async fn when_ready(ready: &mut Ready) -> anyhow::Result<serde_json::Value> {
    let line = ready.wait_for(Option::is_some).await.context("the child was stopped")?;
    Ok(line.clone().unwrap_or_default())
}

async fn run_once(
    program: &Program,
    said: &watch::Sender<Option<serde_json::Value>>,
    health: &Health,
    stop: &CancellationToken,
) -> anyhow::Result<std::process::ExitStatus> {
    let mut child = Command::new(&program.path)
        .args(&program.args)
        .envs(program.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot start {}", program.path.display()))?;
    let keep_open = child.stdin.take();
    let lines = child.stdout.take().context("standard output was asked for")?;
    let mut lines = BufReader::new(lines).lines();
    let first = tokio::select! {
        () = stop.cancelled() => { drop(keep_open); return wait_stopped(child).await; }
        line = tokio::time::timeout(READY_TIMEOUT, lines.next_line()) => line,
    };
    let first = first.with_context(|| format!("not ready after {READY_TIMEOUT:?}"))??;
    let Some(first) = first else { return Ok(child.wait().await?) };
    let line = serde_json::from_str(&first)
        .with_context(|| format!("{} said '{first}' instead of its address", program.name))?;
    tracing::info!(child = program.name, pid = child.id(), %line, "child is ready");
    said.send_replace(Some(line));
    health.resolved(program.name);
    // Whatever else it prints is read and thrown away, so that it never blocks on a full pipe.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    tokio::select! {
        status = child.wait() => Ok(status?),
        () = stop.cancelled() => { drop(keep_open); wait_stopped(child).await }
    }
}

async fn wait_stopped(mut child: Child) -> anyhow::Result<std::process::ExitStatus> {
    if let Ok(status) = tokio::time::timeout(STOP_TIMEOUT, child.wait()).await {
        return Ok(status?);
    }
    child.kill().await?;
    Ok(child.wait().await?)
}
