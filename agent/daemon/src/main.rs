//! vonglau-agent: reads the logs of a host, detects, spools, ships.

mod checkpoint;
mod config;
mod decode;
mod error;
mod evidence;
mod examine;
mod heartbeat;
mod host;
mod identity;
mod ledger;
mod metrics;
mod pool;
mod report;
mod rules;
mod run;
mod sealer;
mod seals;
mod silence;
mod status;
mod sums;
mod usage;
mod valve;
mod watchdog;
mod witness;
mod worker;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use agent_inputs::Format;
use clap::{Args, Parser, Subcommand};
use rules_service::exit::{EXIT_CODES_HELP, Exit};
use rules_service::logs::{self, LogFormat, chain};

use crate::config::{Config, Source};
use crate::error::{Error, Result};

/// A stuck read of standard input must not hold the end of the process up.
const RUNTIME_END_WAIT_MAX: Duration = Duration::from_millis(100);

/// Reads the logs of a host, detects attacks, and ships every event to the collector, losing none.
#[derive(Parser)]
#[command(name = "vonglau-agent", version, after_help = EXIT_CODES_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// How log lines look.
    #[arg(long, global = true, value_enum, default_value_t)]
    log_format: LogFormat,
}

#[derive(Args)]
struct ConfigFile {
    /// The configuration file.
    #[arg(
        long,
        env = "VONGLAU_AGENT_CONFIG",
        default_value = "/etc/vonglau/agent.toml",
        value_name = "FILE"
    )]
    config: PathBuf,
}

#[derive(Subcommand)]
enum Command {
    /// Runs until SIGTERM. SIGHUP loads the rules again.
    Run {
        #[command(flatten)]
        file: ConfigFile,
        /// Stops when standard input is closed: the process that started us is gone.
        #[arg(long)]
        exit_with_parent: bool,
    },
    /// Shows what was read, spooled, dropped and shipped, and whether the sums close.
    Status {
        #[command(flatten)]
        file: ConfigFile,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Prints the configuration in force, secrets masked.
    PrintConfig {
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Checks the configuration and the rules it names.
    CheckConfig {
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Prints the agent's id and public key; makes the key if there is none.
    Identity {
        #[command(flatten)]
        file: ConfigFile,
        /// One JSON object, for scripts.
        #[arg(long)]
        json: bool,
    },
    /// Reads lines from standard input and prints the events that would be made of them.
    Decode {
        /// A configuration file for host, zone and rules; without it the defaults.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// auto, syslog, nginx, apache, json or text.
        #[arg(long, default_value = "auto", value_parser = parse_format)]
        format: Format,
        /// The path the lines are said to come from, such as /var/log/auth.log.
        #[arg(long, value_name = "PATH")]
        path: Option<String>,
    },
    /// Prints the events of files that rules hit: logs, and exported Windows logs (.evtx).
    Examine {
        /// A configuration file for host, zone and rules; without it the defaults.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Prints every event, not only those that rules hit.
        #[arg(long)]
        all: bool,
        /// The files.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

fn parse_format(text: &str) -> std::result::Result<Format, String> {
    serde_json::from_value(serde_json::Value::from(text))
        .map_err(|_| "expected auto, syslog, nginx, apache, json or text".to_owned())
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    logs::start(cli.log_format);
    match execute(cli.command) {
        Ok(exit) => exit.into(),
        Err(error) => {
            tracing::error!("{}", chain(&error));
            error.exit().into()
        }
    }
}

fn execute(command: Command) -> Result<Exit> {
    match command {
        Command::Run { file, exit_with_parent } => {
            let source = Source::new(file.config);
            let (config, _) = source.load()?;
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .map_err(|source| Error::System { doing: "start the runtime", source })?;
            let result = runtime.block_on(run::run(source, config.clone(), exit_with_parent));
            runtime.shutdown_timeout(RUNTIME_END_WAIT_MAX);
            if result.is_ok() {
                run::forget_address(&config)?;
            }
            result.map(|()| Exit::Done)
        }
        Command::Status { file, json } => {
            let status = status::look(&Config::load(&file.config)?)?;
            if json {
                print(&format!("{}\n", serde_json::json!(status)))?;
            } else {
                print(&status.to_text())?;
            }
            Ok(status.exit())
        }
        Command::PrintConfig { file } => {
            print(&Config::load(&file.config)?.to_masked_toml())?;
            Ok(Exit::Done)
        }
        Command::CheckConfig { file } => {
            let config = Config::load(&file.config)?;
            let rule_set = rules::load(&config.rules)?;
            print(&format!("{}: good; {} rules\n", file.config.display(), rule_set.len()))?;
            Ok(Exit::Done)
        }
        Command::Identity { file, json } => {
            let config = Config::load(&file.config)?;
            let identity = identity::load_or_create(&config.state_dir)?;
            let (agent, key) = (identity.agent_id().to_string(), identity.public_key().to_string());
            print(&match json {
                true => format!("{}\n", serde_json::json!({"agent": agent, "public_key": key})),
                false => format!("agent {agent}\nkey   {key}\n"),
            })?;
            Ok(Exit::Done)
        }
        Command::Decode { config, format, path } => {
            let config =
                config.map_or_else(|| Ok(Config::default()), |path| Config::load(&path))?;
            decode::decode(&config, format, path, io::stdin().lock(), io::stdout().lock())?;
            Ok(Exit::Done)
        }
        Command::Examine { config, all, files } => {
            let config =
                config.map_or_else(|| Ok(Config::default()), |path| Config::load(&path))?;
            examine::examine(&config, &files, all, io::stdout().lock(), |path, found| {
                let examine::Found { records, damaged, with_hits } = found;
                eprintln!(
                    "{}: {records} records, {with_hits} hit by rules, {damaged} damaged",
                    path.display()
                );
            })?;
            Ok(Exit::Done)
        }
    }
}

/// Prints to standard output; a reader that has gone away is no error.
fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::System { doing: "write standard output", source: error })
        }
        _ => Ok(()),
    }
}
