//! The outline of the program: grouped help, long version, man page, completions; all of one table.

use std::io::Write;

use clap::CommandFactory as _;
use rules_service::exit::Exit;
use rules_service::outline::{self, Groups};

use crate::args::Args;

/// Commands by what one wants to do.
const GROUPS: Groups = &[
    ("Write and check", &["new", "check", "test", "watch", "why", "explain"]),
    ("Measure and tune", &["bench", "hunt", "tune", "import"]),
    ("Set up", &["schema", "man", "completions"]),
];

const EXAMPLES: &str = "\
Examples:
  vonglau-rules check rules/                    every mistake, with its place
  vonglau-rules test rules/ssh_root.yml         its cases, in rules/ssh_root.case.yml
  vonglau-rules why rules/ssh_root.yml event.json
  vonglau-rules bench --events day.ndjson       cost and noise of the shipped rules
  vonglau-rules explain R012";

const EXIT_CODES: &str = "\
Exit codes:
  0   done
  1   it ran and found problems: errors in rules, failed cases, an event that does not match
  2   misuse of arguments, a path that is not there
  4   unavailable: a file that may not be read, a collector that does not answer or refuses
  70  bug";

const ENVIRONMENT: &str = "\
Environment:
  NO_COLOR                       no colour; without it colour is used on a terminal only
  VONGLAU_TOKEN, VONGLAU_CA      what hunt takes for --token and --ca";

/// Returns the program's command line with help in groups.
pub(crate) fn command() -> clap::Command {
    outline::grouped(Args::command(), GROUPS, &[EXAMPLES, EXIT_CODES, ENVIRONMENT])
}

/// Prints the long version: all that a report about a fault should name.
pub(crate) fn version(out: &mut dyn Write) -> anyhow::Result<Exit> {
    let pack = rules_pack::load(true, &[])?;
    let (rules, correlations) = (pack.rules.len(), pack.correlations.len());
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    writeln!(out, "vonglau-rules {}", env!("CARGO_PKG_VERSION"))?;
    writeln!(out, "rule language:  Sigma specification 2.1")?;
    writeln!(out, "shipped rules:  {rules} rules, {correlations} correlations")?;
    writeln!(out, "their identity: {}", pack.identity)?;
    writeln!(out, "build:          {build}, {os} {arch}")?;
    Ok(Exit::Done)
}

/// Prints the man page.
pub(crate) fn man(out: &mut dyn Write) -> anyhow::Result<Exit> {
    let notes = [("EXAMPLES", EXAMPLES), ("EXIT STATUS", EXIT_CODES), ("ENVIRONMENT", ENVIRONMENT)];
    outline::man(command(), "1", GROUPS, &notes, out)?;
    Ok(Exit::Done)
}

/// Prints a completion script.
pub(crate) fn completions(
    shell: clap_complete::Shell,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "vonglau-rules", &mut script);
    out.write_all(&script)?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_every_command_has_a_group() {
        command().debug_assert();
        let command = command();
        let mut named: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        assert_eq!(GROUPS.iter().flat_map(|(_, names)| *names).copied().collect::<Vec<_>>(), named);
        named.dedup();
        assert_eq!(command.get_subcommands().count(), named.len());
    }

    #[test]
    fn short_help_is_one_screen() {
        let help = command().render_help().to_string();
        assert!(help.lines().count() <= 30, "{help}");
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }

    #[test]
    fn man_page_and_completions_know_every_command_and_flag() {
        let mut page = Vec::new();
        man(&mut page).unwrap();
        let page = String::from_utf8(page).unwrap().replace("\\-", "-");
        let scripts = [
            clap_complete::Shell::Bash,
            clap_complete::Shell::Zsh,
            clap_complete::Shell::Fish,
            clap_complete::Shell::Elvish,
            clap_complete::Shell::PowerShell,
        ]
        .map(|shell| {
            let mut script = Vec::new();
            completions(shell, &mut script).unwrap();
            String::from_utf8(script).unwrap()
        });
        let mut command = command();
        command.build();
        let mut flags = 0;
        for sub in command.get_subcommands() {
            let name = sub.get_name();
            assert!(page.contains(&format!(".SH \"{}\"", name.to_uppercase())), "{name}");
            for flag in sub.get_arguments().filter_map(clap::Arg::get_long) {
                flags += 1;
                assert!(page.contains(&format!("--{flag}")), "man page: {name} --{flag}");
                for script in &scripts {
                    assert!(script.contains(flag), "completions: {name} --{flag}");
                }
            }
        }
        assert!(flags > 15, "{flags} flags seen");
    }
}
