//! The outline of the program: grouped help, man page, completions; all of one table.

use std::io::{self, Write};

use clap::CommandFactory as _;
use rules_service::outline::{self, Groups};

use crate::args::Cli;

/// Commands by what one wants to do.
const GROUPS: Groups = &[
    ("Run and look", &["run", "status", "batches"]),
    ("Configure and try", &["check-config", "print-config", "tail", "decode", "examine"]),
    ("Set up", &["identity", "man", "completions"]),
];

const EXAMPLES: &str = "\
Examples:
  vonglau-agent check-config                   is the configuration good?
  vonglau-agent tail --dry-run --from start    what would be sent?
  vonglau-agent run                            read, detect, ship
  vonglau-agent status                         does it add up?";

const EXIT_CODES: &str = "\
Exit codes:
  0    done; 'status': running and well
  1    it ran and found problems
  2    misuse of arguments
  3    the configuration is wrong; starting again cannot help
  4    unavailable: a file, folder or address that cannot be used; 'status': not running;
       'run': memory stays over its bound
  70   bug
  130  a second signal while stopping";

const ENVIRONMENT: &str = "\
Environment:
  VONGLAU_AGENT_CONFIG                     what --config takes
  VONGLAU_AGENT__SECTION__KEY              a setting over that of the file, such as
                                           VONGLAU_AGENT__SPOOL__BYTES_MAX=268435456;
                                           lists as TOML: '[\"/a\", \"/b\"]'
  VONGLAU_AGENT__KAFKA__PROPERTIES__NAME   a property; each '_' in NAME is a '.'
  VONGLAU_LOG                              a log filter such as info,rdkafka=debug
  NO_COLOR                                 no colour
  NOTIFY_SOCKET, WATCHDOG_USEC             set by systemd, see sd_notify(3)";

const SIGNALS: &str = "\
Signals:
  SIGTERM, SIGINT   stop in order: what was read is sealed and stored; a second one ends at once
  SIGHUP            read settings and rules again; what is wrong is refused, the old stays in force";

/// Returns the program's command line with help in groups.
pub(crate) fn command() -> clap::Command {
    outline::grouped(Cli::command(), GROUPS, &[EXAMPLES, EXIT_CODES, ENVIRONMENT, SIGNALS])
}

/// Prints the man page.
pub(crate) fn man(out: &mut dyn Write) -> io::Result<()> {
    let notes = [
        ("EXAMPLES", EXAMPLES),
        ("EXIT STATUS", EXIT_CODES),
        ("ENVIRONMENT", ENVIRONMENT),
        ("SIGNALS", SIGNALS),
    ];
    outline::man(command(), "8", GROUPS, &notes, out)
}

/// Prints a completion script.
pub(crate) fn completions(shell: clap_complete::Shell, out: &mut dyn Write) -> io::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "vonglau-agent", &mut script);
    out.write_all(&script)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_every_command_has_a_group_and_an_example() {
        command().debug_assert();
        let command = command();
        let named: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        assert_eq!(GROUPS.iter().flat_map(|(_, names)| *names).copied().collect::<Vec<_>>(), named);
        for sub in command.get_subcommands() {
            let help = sub.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("vonglau-agent"), "{} has no example", sub.get_name());
        }
    }

    #[test]
    fn short_help_is_one_screen() {
        let help = command().render_help().to_string();
        assert!(help.lines().count() <= 28, "{help}");
        for line in help.lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }

    #[test]
    fn man_page_and_completions_know_every_command_and_flag() {
        let mut page = Vec::new();
        man(&mut page).unwrap();
        let page = String::from_utf8(page).unwrap().replace("\\-", "-");
        let scripts =
            [clap_complete::Shell::Bash, clap_complete::Shell::Zsh, clap_complete::Shell::Fish]
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
        assert!(flags > 20, "{flags} flags seen");
    }
}
