//! vonglau-agent: reads the logs of a host, detects, spools, ships.

mod args;
mod batches;
mod checkpoint;
mod config;
mod correlate;
mod decode;
mod error;
mod evidence;
mod examine;
mod handback;
mod heartbeat;
mod host;
mod identity;
mod ledger;
mod metrics;
mod outline;
mod pool;
mod redaction;
mod report;
mod rules;
mod run;
mod sealer;
mod seals;
mod show;
mod silence;
mod status;
mod sums;
mod tail;
mod thinning;
mod usage;
mod valve;
mod watchdog;
mod witness;
mod worker;

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use agent_wire::Lane;
use clap::FromArgMatches as _;
use rules_service::exit::Exit;
use rules_service::logs::{self, chain};

use crate::args::{Cli, Command, SpooledLane};
use crate::config::{Config, Source};
use crate::error::{Error, Result};

/// A stuck read of standard input must not hold the end of the process up.
const RUNTIME_END_WAIT_MAX: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    // Started by ourselves to become a command of [[input.exec]]: before anything else is set up.
    if let Some(code) = agent_inputs::guard(std::env::args_os().skip(1)) {
        return code.into();
    }
    // Ourselves, started by ourselves; not in the help.
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|word| word == rules::stored::COMPILE) {
        return rules::stored::compile_for_parent(args).map_or(Exit::Bug, |()| Exit::Done).into();
    }
    let cli = match Cli::from_arg_matches(&outline::command().get_matches()) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
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
            handback::at_start();
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
            match json {
                true => print(&format!("{}\n", serde_json::json!(status)))?,
                false => print(&status.to_text())?,
            }
            Ok(status.exit())
        }
        Command::CheckConfig { file } => check_config(file.config),
        Command::PrintConfig { file, json } => {
            let (config, origins) = Source::new(file.config).load()?;
            let shown = show::Shown::new(&config, &origins);
            print(&if json { shown.to_json() } else { shown.to_toml() })?;
            Ok(Exit::Done)
        }
        Command::Tail { file, dry_run: _, from, events, seconds, hits } => {
            let config = Config::load(&file.config)?;
            let bounds = tail::Bounds { events, seconds, only_hits: hits };
            tail::tail(&config, from.start(), bounds, &mut io::stdout().lock())?;
            Ok(Exit::Done)
        }
        Command::Decode { config, format, path } => {
            let config =
                config.map_or_else(|| Ok(Config::default()), |path| Config::load(&path))?;
            decode::decode(&config, format, path, io::stdin().lock(), io::stdout().lock())?;
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
        Command::Batches { file, spool, lane, seq, events, headers, value } => {
            let lane = lane.map(|lane| match lane {
                SpooledLane::Alerts => Lane::Alerts,
                SpooledLane::Events => Lane::Events,
            });
            let is_filtered = seq.is_some();
            let wanted = batches::Wanted { lane, numbers: seq, events };
            let mut out = BufWriter::new(io::stdout().lock());
            let shown = match (headers, value, spool) {
                (Some(headers), Some(value), _) => {
                    batches::of_files(&headers, &value, events, &mut out)
                }
                (.., Some(dir)) => batches::of_spool(&dir, wanted, &mut out),
                _ => {
                    let config = Config::load(&file.config)?;
                    batches::of_spool(&config.spool_dir(), wanted, &mut out)
                }
            };
            verdict_of(shown, is_filtered, out.flush())
        }
        Command::Man => print_with(outline::man),
        Command::Completions { shell } => print_with(|out| outline::completions(shell, out)),
    }
}

/// Says what is wrong with batches that were shown.
fn verdict_of(
    shown: Result<batches::Shown>,
    is_filtered: bool,
    flushed: io::Result<()>,
) -> Result<Exit> {
    let flushed =
        flushed.map_err(|source| Error::System { doing: "write standard output", source });
    let shown = match shown.and_then(|shown| flushed.map(|()| shown)) {
        // A reader that has gone away is no error.
        Err(Error::System { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => {
            return Ok(Exit::Done);
        }
        shown => shown?,
    };
    if is_filtered && shown.batches == 0 {
        eprintln!("no such batch is here: not yet sealed, or acknowledged and deleted");
        return Ok(Exit::Problems);
    }
    if shown.bad == 0 && shown.damaged_bytes == 0 {
        return Ok(Exit::Done);
    }
    let batches::Shown { batches, bad, damaged_bytes } = shown;
    eprintln!(
        "{bad} of {batches} batches are not as they should be; {damaged_bytes} bytes of the spool are damaged"
    );
    Ok(Exit::Problems)
}

fn check_config(path: PathBuf) -> Result<Exit> {
    let source = Source::new(path);
    let (config, _) = source.load()?;
    let (rules, mistakes) = rules::check(&config.rules)?;
    for mistake in &mistakes {
        print(&format!("{mistake}\n"))?;
    }
    let refused = show::refused_commands(&config);
    for reason in &refused {
        print(&format!("{reason}\n"))?;
    }
    for warning in show::warnings(&config, &source.path) {
        print(&format!("warning: {warning}\n"))?;
    }
    let verdict = match (mistakes.len(), refused.len()) {
        (0, 0) => "good".to_owned(),
        (0, count) => format!("good, but {count} commands would not be run"),
        (count, _) => format!("good, but {count} rules have errors and would be left out"),
    };
    print(&format!("{}: {verdict}; {rules} rules\n", source.path.display()))?;
    Ok(if mistakes.is_empty() && refused.is_empty() { Exit::Done } else { Exit::Problems })
}

/// Prints to standard output; a reader that has gone away is no error.
fn print(text: &str) -> Result<()> {
    print_with(|out| out.write_all(text.as_bytes())).map(drop)
}

fn print_with(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<Exit> {
    let mut out = io::stdout().lock();
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::System { doing: "write standard output", source: error })
        }
        _ => Ok(Exit::Done),
    }
}
