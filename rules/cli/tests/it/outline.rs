//! Help, version, man page and completions.

use std::path::Path;

use crate::{check, run, text};

#[test]
fn help_is_in_groups_and_has_examples_and_exit_codes() {
    let here = Path::new(".");
    let parts = ["Write and check:", "Examples:", "Exit codes:", "NO_COLOR"];
    check(&run(here, &["--help"]), 0, &parts);
    let short = run(here, &["-h"]);
    check(&short, 0, &["Set up:", "check  "]);
    assert!(!text(&short.stdout).contains("Examples:"));
    check(&run(here, &["check", "--help"]), 0, &["Examples:", "sarif"]);
    check(&run(here, &["chekc"]), 2, &["'check'"]);
}

#[test]
fn the_version_names_the_shipped_rules() {
    let identity = rules_pack::load(true, &[]).unwrap().identity;
    let here = Path::new(".");
    check(&run(here, &["--version"]), 0, &[env!("CARGO_PKG_VERSION"), &identity]);
    assert_eq!(text(&run(here, &["-V"]).stdout).lines().count(), 1);
}

#[test]
fn man_page_and_completions_are_printed() {
    let here = Path::new(".");
    check(
        &run(here, &["man"]),
        0,
        &[".TH VONGLAU-RULES 1", ".SH \"CHECK\"", ".SS SYNOPSIS", ".SH \"EXIT STATUS\""],
    );
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        check(&run(here, &["completions", shell]), 0, &["vonglau-rules", "completions"]);
    }
}
