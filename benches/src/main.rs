//! Measured figures: `vonglau-bench NAME` runs one set and prints one JSON line per figure.

mod corpus;
mod correlate;
mod figure;
mod path;
mod usage;

use std::process::ExitCode;

use anyhow::Result;

/// A set of figures: its name, what it measures, and the function that does.
struct Set {
    name: &'static str,
    what: &'static str,
    run: fn() -> Result<()>,
}

const SETS: &[Set] = &[
    Set {
        name: "agent-spool",
        what: "file to spool: tail, decode, rules, sign, compress, spool (no broker)",
        run: path::agent_to_spool,
    },
    Set {
        name: "agent-kafka",
        what: "file to Apache Kafka, acknowledged (needs KAFKA_BOOTSTRAP)",
        run: path::agent_to_kafka,
    },
    Set {
        name: "standalone",
        what: "file to rows in the embedded ClickHouse (needs VONGLAU_CHDB_LIB)",
        run: path::standalone,
    },
    Set {
        name: "correlate",
        what: "correlation updates a CPU second at 100,000 groups, and in floods of one",
        run: correlate::run,
    },
];

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if wanted.iter().any(|word| word == "--list") || wanted.is_empty() {
        for set in SETS {
            println!("{:<14} {}", set.name, set.what);
        }
        return ExitCode::SUCCESS;
    }
    for name in &wanted {
        let Some(set) = SETS.iter().find(|set| set.name == name) else {
            eprintln!("no set is called '{name}'; --list names them");
            return ExitCode::from(2);
        };
        if let Err(error) = (set.run)() {
            eprintln!("{name}: {error:#}");
            return ExitCode::from(4);
        }
    }
    ExitCode::SUCCESS
}
