//! Our matcher beside the best public one: `vonglau-rivals NAME` measures both in one run.
//!
//! Same rules, same events, one thread, CPU time, turn by turn, so that the ratios are fair also on
//! a machine that is not quiet.

#[path = "../../src/figure.rs"]
mod figure;

mod agreement;
mod clock;
mod corpus;
mod engine;
mod footprint;
mod growth;
mod load;
mod ours;
mod probes;
mod rsigma;
mod speed;

use std::process::ExitCode;

use anyhow::Result;

/// Names of the sets and what they measure, one a line: `benches/run.sh --list` shows the same file.
const SETS: &str = include_str!("../sets.txt");

/// Returns the function that measures a set.
fn set(name: &str) -> Option<fn() -> Result<()>> {
    Some(match name {
        "matcher" => speed::run,
        "matcher-growth" => growth::run,
        "matcher-load" => load::run,
        "agreement" => agreement::run,
        _ => return None,
    })
}

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let wanted: Vec<String> = match words.next().as_deref() {
        // One engine in a process of its own: see `footprint`.
        Some("--footprint") => return status("footprint", footprint::child(words)),
        None | Some("--list") => {
            print!("{SETS}");
            return ExitCode::SUCCESS;
        }
        Some(first) => std::iter::once(first.to_owned()).chain(words).collect(),
    };
    for name in &wanted {
        let Some(run) = set(name) else {
            eprintln!("no set is called '{name}'; --list names them");
            return ExitCode::from(2);
        };
        let outcome = run();
        if outcome.is_err() {
            return status(name, outcome);
        }
    }
    ExitCode::SUCCESS
}

fn status(name: &str, outcome: Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error:#}");
            ExitCode::from(4)
        }
    }
}
