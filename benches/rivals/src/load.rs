//! From rule texts in memory to a rule set: CPU time, and what stays in memory.

use anyhow::Result;

use crate::clock::{Rounds, time};
use crate::corpus::{self, RuleText};
use crate::engine::Engine;
use crate::figure;
use crate::footprint::{self, Footprint};
use crate::ours::Ours;
use crate::rsigma::{self, Rsigma};

const BENCH: &str = "matcher-load";
/// Rounds of each engine, taken in turn.
const ROUNDS: usize = 5;

pub(crate) fn run() -> Result<()> {
    let rules = corpus::rules()?;
    measure("linux", &corpus::linux(&rules))?;
    measure("all", &rules)
}

fn measure(set: &str, texts: &[RuleText]) -> Result<()> {
    let (mut ours, mut peer) = (Rounds::default(), Rounds::default());
    for _ in 0..ROUNDS {
        let (ns, loaded) = time(|| Ours::load(texts));
        loaded?;
        ours.push(ns / 1e6);
        let (ns, loaded) = time(|| Rsigma::load(texts));
        loaded?;
        peer.push(ns / 1e6);
    }
    let figure = format!("{set} rules, texts to rule set");
    figure::print(BENCH, &figure, ours.median(), "ms", Some((rsigma::NAME, peer.median())));
    let (ours, peer) = (footprint::of("ours", set)?, footprint::of("rsigma", set)?);
    let print = |what: &str, of: fn(&Footprint) -> f64| {
        let figure = format!("{set} rules, {what}");
        figure::print(BENCH, &figure, of(&ours), "MB", Some((rsigma::NAME, of(&peer))));
    };
    print("memory of the rule set", |one| one.kept_mb);
    print("peak memory while loading", |one| one.peak_mb);
    Ok(())
}
