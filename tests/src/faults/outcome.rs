//! Outcome: what a run came to, as one JSON line; and the scale of a run.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;

/// How large a run is, and what chance it has.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// `small` or `full`.
    pub name: &'static str,
    /// What random points are made from.
    pub seed: u64,
}

impl Scale {
    /// What a test runs: seconds.
    #[must_use]
    pub fn small() -> Self {
        Self { name: "small", seed: seed() }
    }

    /// What is claimed: minutes.
    #[must_use]
    pub fn full() -> Self {
        Self { name: "full", seed: seed() }
    }

    /// Returns the first at full scale, the second at small.
    #[must_use]
    pub fn pick<T>(&self, full: T, small: T) -> T {
        if self.name == "full" { full } else { small }
    }
}

/// A seed from `VONGLAU_TEST_SEED`, or a new one; printed, so that a failure can be repeated.
fn seed() -> u64 {
    let given = std::env::var("VONGLAU_TEST_SEED").ok().and_then(|text| text.parse().ok());
    let seed = given.unwrap_or_else(rand::random);
    eprintln!("seed: VONGLAU_TEST_SEED={seed}");
    seed
}

/// What a run came to.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// Its name.
    pub scenario: String,
    /// `small` or `full`.
    pub scale: &'static str,
    /// What chance it had.
    pub seed: u64,
    /// Lines written.
    pub lines: u64,
    /// Lines that were readable and never arrived.
    pub lost: u64,
    /// The first of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lost_numbers: Vec<u64>,
    /// Lines that never arrived and were readable nowhere from some moment on.
    pub unreadable: u64,
    /// Lines that came twice, after repeated batches were dropped.
    pub duplicated: u64,
    /// Batches that came again.
    pub wire_repeats: u64,
    /// The most of them between two kills.
    pub repeats_worst: u64,
    /// How often the agent was killed.
    pub kills: u64,
    /// Batches taken.
    pub batches: u64,
    /// Of these, on the lane of alerts.
    pub alerts: u64,
    /// Chains: two, unless the spool began anew.
    pub chains: u64,
    /// Events that carry no number.
    pub unnumbered: u64,
    /// How long it took.
    pub seconds: f64,
    /// Peak resident memory of the agent, MiB.
    pub peak_rss_mib: f64,
    /// What else was measured.
    #[serde(flatten)]
    pub figures: BTreeMap<&'static str, f64>,
    /// Gaps, forks, bad signatures, unreadable contents.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub complaints: Vec<String>,
}

impl Outcome {
    /// Adds a figure.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: f64) -> Self {
        self.figures.insert(name, (value * 1000.0).round() / 1000.0);
        self
    }

    /// Returns it as one line of JSON.
    #[must_use]
    pub fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|error| format!("{{\"error\": \"{error}\"}}"))
    }

    /// Holds it to the promise: nothing lost, nothing doubled, an unbroken chain, on the wire at most
    /// one batch again for each kill.
    ///
    /// # Errors
    /// Naming what does not hold.
    pub fn keeps_the_promise(&self) -> Result<()> {
        let kept = self.lost == 0 && self.duplicated == 0 && self.complaints.is_empty();
        anyhow::ensure!(kept, "the promise is broken: {}", self.json());
        anyhow::ensure!(self.wire_repeats <= self.kills, "batches came again: {}", self.json());
        anyhow::ensure!(
            self.batches > self.alerts && self.alerts > 0,
            "not both lanes were used: {}",
            self.json()
        );
        Ok(())
    }
}
