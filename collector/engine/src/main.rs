//! vonglau-engine: ClickHouse inside one process, behind ClickHouse's own HTTP protocol.
//!
//! For sites without a ClickHouse server, and for tests. Any ClickHouse client works; the one that
//! must is the official crate `clickhouse`. The engine itself is the C library libchdb, loaded at
//! start.

mod auth;
mod body;
mod encoding;
mod engine;
mod error;
mod exception;
mod ffi;
mod format;
mod frame;
mod limits;
mod lock;
mod metrics;
mod multipart;
mod request;
mod run;
mod server;
mod settings;
mod statement;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use rules_service::exit::{EXIT_CODES_HELP, Exit};
use rules_service::{logs, shutdown};
use tokio_util::sync::CancellationToken;

use crate::auth::Password;
use crate::engine::{Engine, Options};
use crate::error::Error;
use crate::limits::{DRAIN_TIME_MAX, RUNNING_MAX};
use crate::metrics::Metrics;
use crate::server::Server;

/// Holds the password of user `vonglau`.
const PASSWORD_VARIABLE: &str = "VONGLAU_ENGINE_PASSWORD";

/// Embedded ClickHouse for Vọng Lâu, behind ClickHouse's HTTP protocol.
#[derive(Debug, Parser)]
#[command(name = "vonglau-engine", version, after_help = EXIT_CODES_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a data directory. The environment variable VONGLAU_ENGINE_PASSWORD holds the password
    /// of the only user, `vonglau`. Prints {"listening":"ADDRESS:PORT"} when ready.
    Serve(Serve),
}

#[derive(Debug, Args)]
struct Serve {
    /// The ClickHouse library; deploy/lib/fetch-chdb.sh fetches it.
    #[arg(long, value_name = "FILE", env = "VONGLAU_CHDB_LIB")]
    lib: PathBuf,
    /// The data directory; made when absent. One process at a time.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Address and port; port 0 takes a free one.
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:8123",
        overrides_with = "listen"
    )]
    listen: SocketAddr,
    /// Allow an address that other hosts can reach. There is no TLS: put a proxy in front.
    #[arg(long)]
    allow_remote: bool,
    /// Stop when standard input ends: the supervisor is gone.
    #[arg(long)]
    exit_with_parent: bool,
    /// Where BACKUP and RESTORE may write and read. Without it they are refused.
    #[arg(long, value_name = "DIR")]
    backups: Option<PathBuf>,
    /// Memory of the whole engine, in bytes; one statement may take half of it.
    #[arg(long, value_name = "BYTES", default_value_t = 3 * 1024 * 1024 * 1024)]
    memory_max: u64,
    /// How log lines look.
    #[arg(long, value_enum, default_value_t)]
    log_format: logs::LogFormat,
}

fn main() -> ExitCode {
    let Command::Serve(options) = Cli::parse().command;
    logs::start(options.log_format);
    let started = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = started.map_err(anyhow::Error::from).and_then(|runtime| {
        let outcome = runtime.block_on(serve(options));
        // Statements that outlived the drain are cut here; the data survives that like a kill -9.
        runtime.shutdown_timeout(Duration::from_millis(200));
        outcome
    });
    match outcome {
        Ok(()) => Exit::Done.into(),
        Err(error) => {
            tracing::error!("cannot serve: {error:#}");
            let exit = match error.downcast_ref::<Error>() {
                Some(
                    Error::Password { .. }
                    | Error::Remote { .. }
                    | Error::Library { .. }
                    | Error::Version { .. }
                    | Error::Data { .. },
                ) => Exit::Config,
                Some(_) => Exit::Unavailable,
                None => Exit::Bug,
            };
            exit.into()
        }
    }
}

async fn serve(options: Serve) -> anyhow::Result<()> {
    let password = std::env::var(PASSWORD_VARIABLE).unwrap_or_default();
    if password.is_empty() {
        return Err(Error::Password { name: PASSWORD_VARIABLE }.into());
    }
    let address = options.listen;
    if !address.ip().is_loopback() && !options.allow_remote {
        return Err(Error::Remote { address }.into());
    }
    let stop = shutdown::on_signals()?;
    if options.exit_with_parent {
        shutdown::on_parent_exit(&stop);
    }
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .map_err(|source| Error::Listen { address, source })?;
    let bound = listener.local_addr()?;
    let engine_options = Options {
        library: options.lib,
        data: options.data,
        backups: options.backups,
        memory_bytes_max: options.memory_max,
    };
    let starting = tokio::task::spawn_blocking(move || Engine::start(&engine_options));
    let engine = tokio::select! {
        engine = starting => engine??,
        // The thread that waits for the lock is left behind; the process ends anyway.
        () = stop.cancelled() => return Ok(()),
    };
    tracing::info!(%bound, version = engine.version, "serving");
    let server = Arc::new(Server::new(engine, Password::new(password), Metrics::new()?));
    say_ready(bound)?;
    run(listener, Arc::clone(&server), stop).await?;
    finish(&server).await;
    Ok(())
}

/// Prints the one line that supervisors wait for.
fn say_ready(bound: SocketAddr) -> std::io::Result<()> {
    let line = serde_json::json!({ "listening": bound.to_string() });
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}")?;
    output.flush()
}

/// Serves until the stop, then until the open requests are answered, for a bounded time.
async fn run(
    listener: tokio::net::TcpListener,
    server: Arc<Server>,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let served = axum::serve(listener, server::router(server))
        .with_graceful_shutdown(stop.clone().cancelled_owned());
    let overdue = async {
        stop.cancelled().await;
        tokio::time::sleep(DRAIN_TIME_MAX).await;
    };
    tokio::select! {
        served = served => served,
        () = overdue => {
            tracing::warn!(seconds = DRAIN_TIME_MAX.as_secs(), "requests are still open; stopping without them");
            Ok(())
        }
    }
}

/// Stops the engine when its statements have ended.
async fn finish(server: &Arc<Server>) {
    let all = u32::try_from(RUNNING_MAX).unwrap_or(u32::MAX);
    let idle = tokio::time::timeout(DRAIN_TIME_MAX, server.running.acquire_many(all)).await;
    if !matches!(idle, Ok(Ok(_))) {
        tracing::warn!("statements are still running; the engine is left as by a kill");
        return;
    }
    let server = Arc::clone(server);
    if tokio::task::spawn_blocking(move || server.engine.stop()).await.is_err() {
        tracing::warn!("the engine did not stop cleanly; its data is safe");
    }
}
