//! `vonglau-collector`: receives, stores, correlates, raises incidents, shows and forwards them.

mod children;
mod config;
mod detect;
mod forwarding;
mod observe;
mod run;
mod supervise;
mod users;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use rules_service::exit::{EXIT_CODES_HELP, Exit};
use rules_service::logs::{self, LogFormat};

use config::{Config, Overrides};

#[derive(Debug, Parser)]
#[command(name = "vonglau-collector", version, about, after_help = EXIT_CODES_HELP)]
struct Args {
    #[command(subcommand)]
    verb: Verb,
    /// How log lines on standard error look.
    #[arg(long, global = true, value_enum, default_value_t)]
    log_format: LogFormat,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Consume Kafka, store, correlate, serve the API and forward reports.
    #[command(
        after_help = "Example:\n  vonglau-collector run --config /etc/vonglau/collector.toml"
    )]
    Run(Common),
    /// Run collector, embedded engine and an agent for this host together, without a broker.
    #[command(
        after_help = "Examples:\n  vonglau-collector standalone --state-dir /var/lib/vonglau\n  \
                      vonglau-collector standalone --state-dir ./try --watch '/srv/portal/logs/*.log'"
    )]
    Standalone {
        #[command(flatten)]
        common: Common,
        /// Further log files or globs to watch; may be given several times.
        #[arg(long)]
        watch: Vec<String>,
    },
    /// Manage the people who may log in.
    #[command(subcommand)]
    User(users::Verb),
    /// Read the configuration and say whether it is good.
    CheckConfig(Common),
    /// Print the configuration as it is in force, flags and environment applied.
    PrintConfig(Common),
}

#[derive(Debug, clap::Args)]
struct Common {
    /// TOML file; see `print-config` for every key.
    #[arg(long, env = "VONGLAU_COLLECTOR_CONFIG")]
    config: Option<PathBuf>,
    /// Keep state here; overrules the file, and is enough without one.
    #[arg(long, env = "VONGLAU_STATE_DIR")]
    state_dir: Option<PathBuf>,
    #[command(flatten)]
    overrides: Overrides,
}

impl Common {
    fn load(&self) -> anyhow::Result<Config> {
        let mut config = match (&self.config, &self.state_dir) {
            (Some(path), _) => rules_service::config::load::<Config>(path)?,
            (None, Some(dir)) => Config::in_dir(dir.clone()),
            (None, None) => {
                anyhow::bail!("give --config FILE, or --state-dir DIR for the defaults")
            }
        };
        if let Some(dir) = &self.state_dir {
            config.state_dir.clone_from(dir);
        }
        config.overrule(&self.overrides);
        Ok(config)
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    logs::start(args.log_format);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "cannot start the runtime");
            return Exit::Unavailable.into();
        }
    };
    let exit = runtime.block_on(act(args.verb));
    // Blocking work that ignores the stop token must not hold the process.
    runtime.shutdown_timeout(std::time::Duration::from_secs(5));
    exit.into()
}

async fn act(verb: Verb) -> Exit {
    let (loaded, standalone) = match &verb {
        Verb::Run(common) | Verb::CheckConfig(common) | Verb::PrintConfig(common) => {
            (common.load(), false)
        }
        Verb::Standalone { common, watch } => {
            let loaded = common.load().map(|mut config| {
                config.standalone.watch.extend(watch.iter().cloned());
                config
            });
            (loaded, true)
        }
        Verb::User(verb) => return users::act(verb).await,
    };
    let config = match loaded {
        Ok(config) => config,
        Err(error) => {
            tracing::error!("{error:#}");
            return Exit::Config;
        }
    };
    match verb {
        Verb::CheckConfig(_) => match run::check(&config, config.kafka.is_none()) {
            Ok(text) => print(&text),
            Err(error) => {
                tracing::error!("{error:#}");
                Exit::Config
            }
        },
        Verb::PrintConfig(_) => match toml::to_string_pretty(&config.masked()) {
            Ok(text) => print(&text),
            Err(error) => {
                tracing::error!(%error, "cannot print the configuration");
                Exit::Bug
            }
        },
        _ => match run::check(&config, standalone) {
            Err(error) => {
                tracing::error!("{error:#}");
                Exit::Config
            }
            Ok(_) => run_to_end(config, standalone).await,
        },
    }
}

async fn run_to_end(config: Config, standalone: bool) -> Exit {
    match run::run(config, standalone).await {
        Ok(()) => Exit::Done,
        Err(error) => {
            tracing::error!("{error:#}");
            Exit::Unavailable
        }
    }
}

/// Prints to standard output; a closed pipe is no error.
pub(crate) fn print(text: &str) -> Exit {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Exit::Unavailable,
        _ => Exit::Done,
    }
}
