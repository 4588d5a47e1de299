//! Measured figures: `vonglau-bench NAME` runs one set and prints one JSON line per figure.

mod corpus;
mod correlate;
mod faults;
mod figure;
mod idle;
mod many;
mod path;
mod redact;
mod rivals;
mod rules;
mod stages;
mod start;
mod sync;
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
        name: "agent-stages",
        what: "the agent's work on a line, stage by stage: CPU nanoseconds a line",
        run: stages::run,
    },
    Set {
        name: "agent-redact",
        what: "looking for secrets in a line: CPU nanoseconds, beside a set of regular expressions",
        run: redact::run,
    },
    Set {
        name: "agent-memory",
        what: "the agent's memory: idle with the rules loaded, and while a broker is away",
        run: path::memory,
    },
    Set {
        name: "agent-idle",
        what: "the agent's memory after a minute alone, by what it is of",
        run: start::idle,
    },
    Set {
        name: "agent-start",
        what: "starting the agent: with rules to compile, with rules that are kept",
        run: start::starts,
    },
    Set {
        name: "idle-cost",
        what: "the agent on a quiet host with every input on: processor and memory",
        run: idle::cost,
    },
    Set {
        name: "integrity",
        what: "watching 100,000 files: the first look, looks without change, a change",
        run: idle::integrity,
    },
    Set {
        name: "agent-rivals",
        what: "rsyslog (imfile to omkafka) and the agent, the same file to the same Kafka",
        run: rivals::run,
    },
    Set {
        name: "standalone",
        what: "file to rows in the embedded ClickHouse (needs VONGLAU_CHDB_LIB)",
        run: path::standalone,
    },
    Set {
        name: "spool-sync",
        what: "rounds of the spool a second with their sync, and what a cursor costs",
        run: sync::run,
    },
    Set {
        name: "many-files",
        what: "20,000 watched files: CPU, descriptors, memory; at rest, trickle, restart, all rotated",
        run: many::run,
    },
    Set {
        name: "correlate",
        what: "correlation updates a CPU second at 100,000 groups, and in floods of one",
        run: correlate::run,
    },
    Set {
        name: "faults-kill",
        what: "kill -9 (200, half in outages), around an answer, SIGTERM: lines lost and doubled",
        run: || faults::run("faults-kill"),
    },
    Set {
        name: "faults-kafka",
        what: "the same before Apache Kafka, and its restarts (needs VONGLAU_TEST_KAFKA)",
        run: || faults::run("faults-kafka"),
    },
    Set {
        name: "faults-rotate",
        what: "200 renames and 200 copytruncates at 20,000 lines a second",
        run: || faults::run("faults-rotate"),
    },
    Set {
        name: "faults-files",
        what: "inode reuse, truncation, deletion, rotation while stopped, compression",
        run: || faults::run("faults-files"),
    },
    Set {
        name: "faults-disk",
        what: "full disks (needs root), torn last sector",
        run: || faults::run("faults-disk"),
    },
    Set {
        name: "faults-outage",
        what: "the receiver away for 60 s and 10 min at 5,000 lines a second: memory, catch-up",
        run: || faults::run("faults-outage"),
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
