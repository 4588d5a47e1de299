//! What may be typed.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// Checks, tests, measures and explains Sigma rules.
#[derive(Debug, Parser)]
#[command(name = "vonglau-rules", version, max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

// In the order of `outline::GROUPS`, which is the order of `--help` and of the man page.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Begin a rule and its cases, from an event if there is one.
    #[command(after_help = "Examples:
  vonglau-rules new rules/ssh_at_night.yml
  vonglau-agent decode --path /var/log/auth.log < line |
    vonglau-rules new rules/ssh_at_night.yml --event -")]
    New(NewArgs),
    /// Read rules and report every mistake with its place.
    #[command(after_help = "Examples:
  vonglau-rules check                           the shipped rules
  vonglau-rules check rules/ --format sarif > rules.sarif
  vonglau-rules check rules/ --diff             what --fix would write
  git show :rules/a.yml | vonglau-rules check - a rule from standard input")]
    Check(CheckArgs),
    /// Run the cases beside each rule (NAME.case.yml next to NAME.yml).
    #[command(after_help = "Examples:
  vonglau-rules test rules/ssh_root.yml         its cases, in rules/ssh_root.case.yml
  vonglau-rules test rules/ --name brute --format junit > cases.xml")]
    Test(TestArgs),
    /// Check and test again whenever a file is saved; ends on Ctrl-C.
    #[command(after_help = "Example: vonglau-rules watch rules/")]
    Watch(WatchArgs),
    /// Show why a rule does or does not match an event.
    #[command(after_help = "\
Exits with 0 when the rule matches (every event), with 1 when it does not. A correlation is asked
about all events together: what its rules hit, how the hits fall into groups, and which group fired.

Examples:
  vonglau-rules why ssh_failed_login event.json
  vonglau-agent decode --path /var/log/auth.log < auth.log | vonglau-rules why rules/a.yml -
  vonglau-rules why proc_creation_win_x.yml evtx.jsonl --logsource windows//process_creation")]
    Why(WhyArgs),
    /// Explain a diagnostic code, or list all codes.
    #[command(after_help = "Examples:
  vonglau-rules explain R012
  vonglau-rules explain modifier                codes that speak of modifiers")]
    Explain(ExplainArgs),
    /// Measure rules on sample events: cost, hits, alerts a day.
    #[command(after_help = "\
Events are those of 'vonglau-agent decode', one JSON object a line.

Examples:
  vonglau-rules bench --events day.ndjson
  vonglau-rules bench rules/ --events day.ndjson --top 10 --format json")]
    Bench(BenchArgs),
    /// Look for a rule in stored events: print SQL, or ask a collector.
    #[command(after_help = "Examples:
  vonglau-rules hunt rules/new.yml --since 7d
  vonglau-rules hunt rules/new.yml --since 30d --url https://soc.tinh.gov.vn --token \"$TOKEN\"")]
    Hunt(HuntArgs),
    /// Propose a filter that keeps a rule from known harmless events.
    #[command(after_help = "\
Exits with 1 when no filter can be proposed without hiding a case that must match.

Example: vonglau-rules tune rules/new.yml --false-positive noise.ndjson > rules/new.filter.yml")]
    Tune(TuneArgs),
    /// Try foreign rules, such as those of SigmaHQ, and report coverage.
    #[command(after_help = "\
Refused rules are no failure here: the report counts them by code.

Example: vonglau-rules import ~/sigma/rules --format json")]
    Import(ImportArgs),
    /// Print a JSON Schema (draft 2020-12) for editors.
    #[command(after_help = "Example: vonglau-rules schema > ~/.config/vonglau/rule.schema.json")]
    Schema(SchemaArgs),
    /// Print the man page.
    #[command(after_help = "Example: vonglau-rules man > /usr/share/man/man1/vonglau-rules.1")]
    Man,
    /// Print a completion script for a shell.
    #[command(after_help = "Example: vonglau-rules completions bash > \
/usr/share/bash-completion/completions/vonglau-rules")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct NewArgs {
    /// The rule's file; its name becomes the rule's name.
    pub(crate) file: PathBuf,
    /// File with an event as JSON that the rule shall match; - is standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) event: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// Rule files and folders; - is standard input; without any, the shipped rules.
    pub(crate) paths: Vec<PathBuf>,
    /// How findings are printed.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: CheckFormat,
    /// End with exit code 1 for warnings too.
    #[arg(long)]
    pub(crate) strict: bool,
    /// Write the repairs that cannot change what a rule means, then check again.
    #[arg(long, requires = "paths")]
    pub(crate) fix: bool,
    /// Show what --fix would write, and write nothing.
    #[arg(long, requires = "paths", conflicts_with_all = ["fix", "format"])]
    pub(crate) diff: bool,
}

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct TestArgs {
    /// Rule files and folders; without any, the shipped rules.
    pub(crate) paths: Vec<PathBuf>,
    /// How results are printed.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: TestFormat,
    /// Only rules whose name, title or id contains this, case ignored; may be given again.
    #[arg(long = "name", value_name = "TEXT")]
    pub(crate) names: Vec<String>,
    /// Take rules without cases as sound.
    #[arg(long)]
    pub(crate) allow_missing: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct WatchArgs {
    /// Rule files and folders.
    #[arg(required = true)]
    pub(crate) paths: Vec<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct WhyArgs {
    /// Id or name of a rule or correlation, or the path of a file with one.
    pub(crate) rule: String,
    /// File with events as JSON, one a line or a single one over several lines; - is standard input.
    pub(crate) event: PathBuf,
    /// Where the rule is looked for; without any, in the shipped rules.
    #[arg(long = "rules", value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Events keep Sigma's own field names and are of this logsource: a raw Windows event, say.
    #[arg(long, value_name = "PRODUCT/SERVICE/CATEGORY")]
    pub(crate) logsource: Option<String>,
    /// How the answer is printed; JSON is one object for each event.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ExplainArgs {
    /// The code, such as R012, or a word to look for.
    pub(crate) code: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct BenchArgs {
    /// Rule files and folders; without any, the shipped rules.
    pub(crate) paths: Vec<PathBuf>,
    /// File with decoded events, one JSON object a line; - is standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) events: PathBuf,
    /// Show only this many rules, the slowest; 0 shows all.
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    pub(crate) top: usize,
    /// How the figures are printed.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

#[derive(Debug, clap::Args)]
pub(crate) struct HuntArgs {
    /// Id or name of a rule, or the path of a file with one rule.
    pub(crate) rule: String,
    /// How far back: 90s, 30m, 24h, 7d, 4w.
    #[arg(long, value_name = "SPAN", default_value = "7d")]
    pub(crate) since: String,
    /// Where the rule is looked for; without any, in the shipped rules.
    #[arg(long = "rules", value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// At most this many events; a collector returns 999 at most.
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    pub(crate) limit: u32,
    /// A collector to ask, such as https://soc.tinh.gov.vn; without it the SQL is printed.
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// The token to ask with.
    #[arg(long, env = "VONGLAU_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// A PEM file of further certificate authorities to trust, such as the province's own.
    #[arg(long, env = "VONGLAU_CA", value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

#[derive(Debug, clap::Args)]
pub(crate) struct TuneArgs {
    /// Id or name of a rule, or the path of a file with one rule.
    pub(crate) rule: String,
    /// Files with events that must not match; - is standard input.
    #[arg(long = "false-positive", value_name = "FILE", required = true, num_args = 1..)]
    pub(crate) harmless: Vec<PathBuf>,
    /// Where the rule is looked for; without any, in the shipped rules.
    #[arg(long = "rules", value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ImportArgs {
    /// The folder, such as a checkout of SigmaHQ/sigma or its rules/.
    pub(crate) folder: PathBuf,
    /// How the report is printed.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
    /// Copy the files whose rules all load and whose logsource is known here into this new folder.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SchemaArgs {
    /// For which files.
    #[arg(value_enum, default_value_t)]
    pub(crate) kind: SchemaKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// JSON, for machines.
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum CheckFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object, for machines.
    Json,
    /// SARIF 2.1.0, for code review and editors.
    Sarif,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum TestFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object, for machines.
    Json,
    /// JUnit XML, for CI.
    Junit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum SchemaKind {
    /// Rule files: rules, correlations, filters.
    #[default]
    Rule,
    /// Case files beside rules.
    Case,
    /// Lists of values for placeholders.
    Placeholders,
}
