//! What may be typed.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use rules_service::exit::EXIT_CODES_HELP;

const EXAMPLES: &str = "\
Examples:
  vonglau-rules check                        the shipped rules
  vonglau-rules check rules/ --format json   a folder, for an editor or CI
  vonglau-rules test rules/ssh_root.yml      its cases, in rules/ssh_root.case.yml
  vonglau-rules why ssh_failed_login event.json
  vonglau-rules explain R012";

/// Checks, tests and explains Sigma rules.
#[derive(Debug, Parser)]
#[command(name = "vonglau-rules", version, after_help = format!("{EXAMPLES}\n\n{EXIT_CODES_HELP}"))]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Reads rules and reports every mistake with its place.
    Check(CheckArgs),
    /// Runs the cases beside each rule (NAME.case.yml next to NAME.yml).
    Test(TestArgs),
    /// Shows why a rule does or does not match an event.
    Why(WhyArgs),
    /// Explains a diagnostic code, or lists all codes.
    Explain(ExplainArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// Rule files and folders; without any, the shipped rules.
    pub(crate) paths: Vec<PathBuf>,
    /// How findings are printed.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
    /// Ends with exit code 1 for warnings too.
    #[arg(long)]
    pub(crate) strict: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct TestArgs {
    /// Rule files and folders; without any, the shipped rules.
    pub(crate) paths: Vec<PathBuf>,
    /// How results are printed.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
    /// Takes rules without cases as sound.
    #[arg(long)]
    pub(crate) allow_missing: bool,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exits with 0 when the rule matches (every event), with 1 when it does not."
)]
pub(crate) struct WhyArgs {
    /// Id or name of a rule, or the path of a file with one rule.
    pub(crate) rule: String,
    /// File with events as JSON, one a line or a single one over several lines; - is standard input.
    pub(crate) event: PathBuf,
    /// Where the rule is looked for; without any, in the shipped rules.
    #[arg(long = "rules", value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ExplainArgs {
    /// The code, such as R012.
    pub(crate) code: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object, for machines.
    Json,
}
