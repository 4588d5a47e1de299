//! Faults: the real agent is killed, cut off, starved and lied to, and every line is counted.
//!
//! Each scenario is one function with a small scale, which `cargo test` runs, and a full one, which
//! `benches/run.sh faults-…` runs; the code is the same. What a run came to is an [`Outcome`].

pub mod broker;
pub mod clock;
pub mod disk;
pub mod files;
pub mod kill;
pub mod outage;
pub mod outcome;
mod protocol;
pub mod rig;
pub mod rotate;
pub mod sink;
pub mod tally;
pub mod writer;

use anyhow::Result;

pub use outcome::{Outcome, Scale};

/// One way to go wrong.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// The set it is measured in.
    pub set: &'static str,
    /// Runs it; `None` where it cannot be run, which was said.
    pub run: fn(&Scale) -> Result<Option<Outcome>>,
}

/// Runs what needs a broker of our own, if its jars are here.
fn with_kafka(scale: &Scale, run: fn(&Scale, &str) -> Result<Outcome>) -> Result<Option<Outcome>> {
    match crate::needs("VONGLAU_TEST_KAFKA", "Apache Kafka to start and stop") {
        Some(libs) => run(scale, &libs).map(Some),
        None => Ok(None),
    }
}

/// Every scenario.
pub const SCENARIOS: &[Scenario] = &[
    Scenario { name: "kill", set: "faults-kill", run: |s| kill::before_sink(s).map(Some) },
    Scenario {
        name: "kill-kafka",
        set: "faults-kafka",
        run: |s| with_kafka(s, kill::before_broker),
    },
    Scenario {
        name: "kill-at-ack",
        set: "faults-kill",
        run: |s| kill::around_the_answer(s).map(Some),
    },
    Scenario { name: "terminate", set: "faults-kill", run: |s| kill::terminate(s).map(Some) },
    Scenario { name: "rotate-rename", set: "faults-rotate", run: |s| rotate::rename(s).map(Some) },
    Scenario {
        name: "rotate-copytruncate",
        set: "faults-rotate",
        run: |s| rotate::copy_truncate(s).map(Some),
    },
    Scenario {
        name: "rotate-copytruncate-writing",
        set: "faults-rotate",
        run: |s| rotate::copy_truncate_writing(s).map(Some),
    },
    Scenario { name: "inode-reuse", set: "faults-files", run: |s| files::inode_reuse(s).map(Some) },
    Scenario {
        name: "inode-reuse-old",
        set: "faults-files",
        run: |s| files::inode_reuse_old(s).map(Some),
    },
    Scenario {
        name: "deleted-unread",
        set: "faults-files",
        run: |s| files::deleted_unread(s).map(Some),
    },
    Scenario { name: "truncation", set: "faults-files", run: |s| files::truncation(s).map(Some) },
    Scenario {
        name: "rotated-while-stopped",
        set: "faults-files",
        run: |s| files::rotated_while_stopped(s).map(Some),
    },
    Scenario { name: "compressed", set: "faults-files", run: |s| files::compressed(s).map(Some) },
    Scenario { name: "disk-full-spool", set: "faults-disk", run: disk::full_of_spool },
    Scenario { name: "disk-full-others", set: "faults-disk", run: disk::full_of_others },
    Scenario { name: "torn-sector", set: "faults-disk", run: |s| disk::torn_sector(s).map(Some) },
    Scenario {
        name: "torn-after-sent",
        set: "faults-disk",
        run: |s| disk::torn_after_sent(s).map(Some),
    },
    Scenario { name: "clock-jumps", set: "faults-disk", run: clock::jumps },
    Scenario { name: "outage-60s", set: "faults-outage", run: |s| outage::a_minute(s).map(Some) },
    Scenario {
        name: "outage-600s",
        set: "faults-outage",
        run: |s| outage::ten_minutes(s).map(Some),
    },
    Scenario {
        name: "broker-restarts",
        set: "faults-kafka",
        run: |s| with_kafka(s, outage::broker_restarts),
    },
];

/// Returns a scenario by its name.
///
/// # Errors
/// If there is none.
pub fn scenario(name: &str) -> Result<&'static Scenario> {
    SCENARIOS
        .iter()
        .find(|scenario| scenario.name == name)
        .ok_or_else(|| anyhow::anyhow!("no scenario is called '{name}'"))
}
