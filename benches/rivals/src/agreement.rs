//! Where `rsigma-eval` 0.26 and we give different verdicts: every one of them, by its cause.
//!
//! `benches/agreement.md` decides each cause by the Sigma specification.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use serde_json::json;

use crate::corpus::{self, Line};
use crate::engine::Engine;
use crate::figure;
use crate::ours::Ours;
use crate::probes::{self, Outcome, Verdict};
use crate::rsigma::{self, Rsigma};

const BENCH: &str = "agreement";

/// Why a verdict differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    /// The rule names a part of the logsource that the event does not have.
    Logsource,
    /// Something else: to be looked at.
    Undecided,
}

impl Cause {
    const ALL: [Self; 2] = [Self::Logsource, Self::Undecided];

    fn name(self) -> &'static str {
        match self {
            Self::Logsource => "logsource",
            Self::Undecided => "undecided",
        }
    }
}

pub(crate) fn run() -> Result<()> {
    let rules = corpus::rules()?;
    let (mut ours, mut peer) = (Ours::load(&rules)?, Rsigma::load(&rules)?);
    let loaded = (ours.rules() as f64, peer.rules() as f64);
    figure::print(BENCH, "rules", loaded.0, "rules", Some((rsigma::NAME, loaded.1)));
    for file in ["linmix", "synthpos"] {
        compare(file, &corpus::events(&format!("{file}.tsv"))?, &mut ours, &mut peer)?;
    }
    let rules = corpus::regression_rules()?;
    let (mut ours, mut peer) = (Ours::load(&rules)?, Rsigma::load(&rules)?);
    compare("regression", &corpus::regression_events()?, &mut ours, &mut peer)?;
    probe()
}

/// Asks both engines the probes and prints each answer that is not the specification's.
fn probe() -> Result<()> {
    let outcomes = probes::ask()?;
    let right = |verdict: fn(&Outcome) -> Verdict| {
        outcomes.iter().filter(|one| verdict(one).name() == one.expected).count() as f64
    };
    for one in &outcomes {
        if one.ours.name() != one.expected || one.peer.name() != one.expected {
            let difference = json!({
                "probe": one.name, "specification": one.heading, "expected": one.expected,
                "vonglau": one.ours.name(), rsigma::NAME: one.peer.name(),
            });
            println!("{}", json!({"bench": BENCH, "difference": difference}));
        }
    }
    figure::print(BENCH, "probes", outcomes.len() as f64, "probes", None);
    let peer = (rsigma::NAME, right(|one| one.peer));
    figure::print(
        BENCH,
        "probes answered as the specification has it",
        right(|one| one.ours),
        "probes",
        Some(peer),
    );
    Ok(())
}

/// Compares all verdicts on the events of a file and prints each that differs.
fn compare(file: &str, lines: &[Line], ours: &mut Ours, peer: &mut Rsigma) -> Result<()> {
    let mut causes: BTreeMap<Cause, usize> = BTreeMap::new();
    let (mut hits, mut same) = (0, 0);
    for (number, line) in lines.iter().enumerate() {
        let (our_source, peer_source) = (ours.source(&line.source), peer.source(&line.source));
        let (our_event, peer_event) = (ours.event(&line.json)?, peer.event(&line.json)?);
        let our_ids = ids(ours.hit_ids(&our_source, &our_event));
        peer.strictly(false);
        let peer_ids = ids(peer.hit_ids(&peer_source, &peer_event));
        // As strict about the logsource as we are, does the peer still differ?
        peer.strictly(true);
        let strict_ids = ids(peer.hit_ids(&peer_source, &peer_event));
        peer.strictly(false);
        hits += our_ids.len();
        same += usize::from(our_ids == peer_ids);
        for id in our_ids.symmetric_difference(&peer_ids) {
            let settled = our_ids.contains(id) == strict_ids.contains(id);
            let cause = if settled { Cause::Logsource } else { Cause::Undecided };
            *causes.entry(cause).or_default() += 1;
            let says_hit = if our_ids.contains(id) { "vonglau" } else { rsigma::NAME };
            let difference = json!({
                "events": file, "event": number + 1, "rule": id,
                "says_hit": says_hit, "cause": cause.name(),
            });
            println!("{}", json!({"bench": BENCH, "difference": difference}));
        }
    }
    let print = |what: &str, value: usize, unit: &str| {
        figure::print(BENCH, &format!("{file}: {what}"), value as f64, unit, None);
    };
    print("events", lines.len(), "events");
    print("events with the same verdicts", same, "events");
    print("hits", hits, "hits");
    for cause in Cause::ALL {
        let count = causes.get(&cause).copied().unwrap_or_default();
        print(&format!("verdicts that differ, cause {}", cause.name()), count, "verdicts");
    }
    Ok(())
}

fn ids(ids: Vec<String>) -> BTreeSet<String> {
    ids.into_iter().collect()
}
