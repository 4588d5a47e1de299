//! Outline: help in groups and a man page, made of one table of a program's commands.

use std::io::{self, Write};

use clap::Command;
use clap_mangen::Man;

/// Commands by what one wants to do: titles, and names in the order of the program.
pub type Groups = &'static [(&'static str, &'static [&'static str])];

/// Blanks kept for the name of a command.
const NAME_WIDTH: usize = 13;

/// Returns the command with its subcommands listed in groups; `notes` follow the long help, each
/// beginning with a line of its own such as `Examples:`.
#[must_use]
pub fn grouped(command: Command, groups: Groups, notes: &[&str]) -> Command {
    let mut help = "{about-with-newline}\n{usage-heading} {usage}\n".to_owned();
    for (title, names) in groups {
        help.push_str(&format!("\n{title}:\n"));
        for name in *names {
            let about = command.find_subcommand(name).and_then(Command::get_about);
            let about = about.map(ToString::to_string).unwrap_or_default();
            help.push_str(&format!("  {name:<NAME_WIDTH$} {}\n", about.trim_end_matches('.')));
        }
    }
    help.push_str("\nOptions:\n{options}{after-help}");
    let more = format!("'{} COMMAND --help' tells more about a command.", command.get_name());
    command.help_template(help).after_help(more).after_long_help(notes.join("\n\n"))
}

/// Prints the man page: the program, each command with its options, then the notes under their
/// headings, without the first line of each.
///
/// # Errors
/// If `out` cannot be written.
pub fn man(
    mut command: Command,
    section: &str,
    groups: Groups,
    notes: &[(&str, &str)],
    out: &mut dyn Write,
) -> io::Result<()> {
    command.build();
    let title = command.get_name().to_uppercase();
    let page = Man::new(command.clone()).title(title).section(section).manual("Vong Lau");
    page.render_title(out)?;
    page.render_name_section(out)?;
    page.render_synopsis_section(out)?;
    page.render_description_section(out)?;
    for name in groups.iter().flat_map(|(_, names)| *names) {
        let Some(sub) = command.find_subcommand(name) else { continue };
        let mut section = Vec::new();
        let part = Man::new(sub.clone());
        part.render_synopsis_section(&mut section)?;
        part.render_description_section(&mut section)?;
        part.render_options_section(&mut section)?;
        if let Some(notes) = sub.get_after_help() {
            verbatim(".SH NOTES", &notes.to_string(), &mut section)?;
        }
        writeln!(out, ".SH \"{}\"", name.to_uppercase())?;
        // The headings of a command stand one level below its own.
        for line in String::from_utf8_lossy(&section).lines() {
            match line.strip_prefix(".SH ") {
                Some(heading) => writeln!(out, ".SS {heading}")?,
                None => writeln!(out, "{line}")?,
            }
        }
    }
    for (heading, text) in notes {
        let (_, text) = text.split_once('\n').unwrap_or_default();
        verbatim(&format!(".SH \"{heading}\""), text, out)?;
    }
    page.render_version_section(out)
}

/// Prints text line by line as it stands, escaped for roff.
fn verbatim(heading: &str, text: &str, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{heading}\n.nf")?;
    for line in text.lines() {
        let line = line.replace('\\', "\\e").replace('-', "\\-");
        let guard = if line.starts_with(['.', '\'']) { "\\&" } else { "" };
        writeln!(out, "{guard}{line}")?;
    }
    writeln!(out, ".fi")
}
