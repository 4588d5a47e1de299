//! Args: the command line, with examples for every command.

use std::path::PathBuf;

use agent_inputs::{Format, Start};
use clap::{Args, Parser, Subcommand, ValueEnum};
use rules_service::config::for_message;
use rules_service::logs::LogFormat;

use crate::batches::Numbers;

/// Reads the logs of a host, detects attacks, and ships every event to the collector, losing none.
#[derive(Debug, Parser)]
#[command(name = "vonglau-agent", version, max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// How log lines look.
    #[arg(long, global = true, value_enum, default_value_t)]
    pub(crate) log_format: LogFormat,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigFile {
    /// The configuration file.
    #[arg(
        long,
        env = "VONGLAU_AGENT_CONFIG",
        default_value = "/etc/vonglau/agent.toml",
        value_name = "FILE"
    )]
    pub(crate) config: PathBuf,
}

// In the order of `outline::GROUPS`, which is the order of `--help` and of the man page.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run until SIGTERM; SIGHUP reads settings and rules again.
    #[command(after_help = "Examples:
  vonglau-agent run
  VONGLAU_AGENT__SPOOL__BYTES_MAX=268435456 vonglau-agent run --config ./agent.toml
  systemctl reload vonglau-agent                what SIGHUP does")]
    Run {
        #[command(flatten)]
        file: ConfigFile,
        /// Stop when standard input is closed: the process that started us is gone.
        #[arg(long)]
        exit_with_parent: bool,
    },
    /// Show what was read, spooled, dropped and shipped, and whether it adds up.
    #[command(after_help = "\
Examples:
  vonglau-agent status
  vonglau-agent status --json | jq .unaccounted

Exit codes: 0 running and well, 1 running with a problem or with sums that do not close, 4 not running")]
    Status {
        #[command(flatten)]
        file: ConfigFile,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print sealed batches as JSON, whether they are genuine, and their events.
    #[command(after_help = "\
A line is {\"batch\": {…}}: what the batch says of itself (lane, seq, agent, key, epoch, prev, count,
times …), its hash, and two verdicts:
  verified  the signature is that of the key, and the key that of the agent
  chain     first; follows: it names the batch before; unknown: that one is not here; gap; broken
With --events its events follow, one a line. Nothing is changed, and the agent may run. Batches that
the collector has acknowledged are deleted after a while.

Examples:
  vonglau-agent batches                                    what is in the spool
  vonglau-agent batches --lane alerts --events | jq 'select(.batch == null)'
  vonglau-agent batches --lane events --seq 40-50 --spool ./copy-of-spool
  vonglau-agent batches --headers headers.txt --value value.bin --events

Exit codes: 0 all is genuine; 1 a batch is not, cannot be read, or is missing between others, or what
was asked for is not there; 3 the configuration is wrong; 4 no spool, or a file that cannot be read")]
    Batches {
        #[command(flatten)]
        file: ConfigFile,
        /// The folder of a spool, in place of the one of the configuration; a copy will do.
        #[arg(long, value_name = "DIR")]
        spool: Option<PathBuf>,
        /// Only batches of one lane.
        #[arg(long, value_enum)]
        lane: Option<SpooledLane>,
        /// Only the batch of this number, or from one to another: 42, 40-50.
        #[arg(long, value_name = "NUMBER")]
        seq: Option<Numbers>,
        /// The events of each batch behind it, one JSON object a line.
        #[arg(long)]
        events: bool,
        /// One batch from files: its headers as vl.NAME=VALUE lines.
        #[arg(long, value_name = "FILE", requires = "value", conflicts_with_all = ["spool", "lane", "seq"])]
        headers: Option<PathBuf>,
        /// And its value: that of the Kafka record.
        #[arg(long, value_name = "FILE", requires = "headers")]
        value: Option<PathBuf>,
    },
    /// Check the configuration and the rules it names.
    #[command(after_help = "\
Examples:
  vonglau-agent check-config
  vonglau-agent check-config --config ./agent.toml && systemctl reload vonglau-agent

Exit codes: 0 good, 1 a rule has errors (the others would be used), 3 the configuration is wrong")]
    CheckConfig {
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Print the configuration in force and where each value came from, secrets masked.
    #[command(after_help = "Examples:
  vonglau-agent print-config
  vonglau-agent print-config --json | jq '.\"spool.bytes_max\".origin'")]
    PrintConfig {
        #[command(flatten)]
        file: ConfigFile,
        /// As JSON: by key, its value and origin.
        #[arg(long)]
        json: bool,
    },
    /// Print the events that the configured logs would give; keep and send nothing.
    #[command(after_help = "\
Examples:
  vonglau-agent tail --dry-run                          what is written from now on
  vonglau-agent tail --dry-run --from start --events 100
  vonglau-agent tail --dry-run --hits | jq '.[\"rule.id\"]'")]
    Tail {
        #[command(flatten)]
        file: ConfigFile,
        /// Required: nothing is kept or sent. Files, journal and host are read; no socket is opened.
        #[arg(long, required = true)]
        dry_run: bool,
        /// Where to begin in each log.
        #[arg(long, value_enum, default_value_t = From::Now)]
        from: From,
        /// Stop after so many events.
        #[arg(long, value_name = "NUMBER")]
        events: Option<u64>,
        /// Stop after so many seconds.
        #[arg(long, value_name = "SECONDS")]
        seconds: Option<u64>,
        /// Only events that a rule hit.
        #[arg(long)]
        hits: bool,
    },
    /// Read lines from standard input and print the events that would be made of them.
    #[command(after_help = "Examples:
  vonglau-agent decode --path /var/log/auth.log < /var/log/auth.log
  tail -n 1 access.log | vonglau-agent decode --format nginx")]
    Decode {
        /// A configuration file for host, zone and rules; without it the defaults.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// How the lines are decoded, as `input.files.format`.
        #[arg(long, default_value = "auto", value_parser = parse_format)]
        format: Format,
        /// The path the lines are said to come from, such as /var/log/auth.log.
        #[arg(long, value_name = "PATH")]
        path: Option<String>,
    },
    /// Print the events of files that rules hit: logs, and exported Windows logs (.evtx).
    #[command(after_help = "Examples:
  vonglau-agent examine Security.evtx access.log.1
  vonglau-agent examine --all Security.evtx > events.ndjson")]
    Examine {
        /// A configuration file for host, zone and rules; without it the defaults.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Print every event, not only those that rules hit.
        #[arg(long)]
        all: bool,
        /// The files.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Print the agent's id and public key; make the key if there is none.
    #[command(after_help = "Examples:
  vonglau-agent identity
  vonglau-agent identity --json | jq -r .public_key")]
    Identity {
        #[command(flatten)]
        file: ConfigFile,
        /// One JSON object, for scripts.
        #[arg(long)]
        json: bool,
    },
    /// Print the man page.
    #[command(after_help = "Example: vonglau-agent man > /usr/share/man/man8/vonglau-agent.8")]
    Man,
    /// Print a completion script for a shell.
    #[command(after_help = "Example: vonglau-agent completions bash > \
/usr/share/bash-completion/completions/vonglau-agent")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// A lane that is kept in the spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SpooledLane {
    /// Events that a rule of level medium or higher hit.
    Alerts,
    /// All others.
    Events,
}

/// Where `tail` begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum From {
    /// With what is written from now on.
    Now,
    /// With the first byte of each log.
    Start,
}

impl From {
    pub(crate) fn start(self) -> Start {
        match self {
            Self::Now => Start::End,
            Self::Start => Start::Beginning,
        }
    }
}

/// Knows the formats of the configuration file, and which one was probably meant.
fn parse_format(text: &str) -> Result<Format, String> {
    serde_json::from_value(serde_json::Value::from(text)).map_err(|error| {
        let message = error.to_string();
        let words: Vec<&str> = message.split('`').skip(3).step_by(2).collect();
        let known = format!("expected one of {}", words.join(", "));
        match for_message(&message) {
            Some(near) => format!("did you mean '{near}'? {known}"),
            None => known,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_known_and_a_near_miss_is_corrected() {
        assert_eq!(parse_format("syslog"), Ok(Format::Syslog));
        let said = parse_format("ngnix").unwrap_err();
        assert!(said.starts_with("did you mean 'nginx'? expected one of auto, syslog, "), "{said}");
        let said = parse_format("klingon").unwrap_err();
        assert!(said.starts_with("expected one of auto"), "{said}");
    }
}
