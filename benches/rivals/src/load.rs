//! From rule texts in memory, or an image, to a rule set: CPU time, and what stays in memory.

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
const ROUNDS: usize = 7;

pub(crate) fn run() -> Result<()> {
    let rules = corpus::rules()?;
    measure("linux", &corpus::linux(&rules))?;
    measure("all", &rules)
}

fn measure(set: &str, texts: &[RuleText]) -> Result<()> {
    let image = Ours::load(texts)?.image();
    let (mut ours, mut peer, mut mapped) =
        (Rounds::default(), Rounds::default(), Rounds::default());
    for _ in 0..ROUNDS {
        let (ns, loaded) = time(|| Ours::load(texts));
        loaded?;
        ours.push(ns / 1e6);
        let bytes = image.clone();
        let (ns, loaded) = time(|| Ours::from_image(bytes));
        loaded?;
        mapped.push(ns / 1e6);
        let (ns, loaded) = time(|| Rsigma::load(texts));
        loaded?;
        peer.push(ns / 1e6);
    }
    let print = |what: &str, value: f64, unit: &str, peer: Option<f64>| {
        let figure = format!("{set} rules, {what}");
        figure::print(BENCH, &figure, value, unit, peer.map(|peer| (rsigma::NAME, peer)));
    };
    print("texts to rule set", ours.median(), "ms", Some(peer.median()));
    print("texts to rule set, best round", ours.min(), "ms", Some(peer.min()));
    print("image to rule set", mapped.median(), "ms", None);
    print("image to rule set, best round", mapped.min(), "ms", None);
    print("size of the image", image.len() as f64 / 1e6, "MB", None);
    let (ours, mapped) = (footprint::of("ours", set)?, footprint::of("image", set)?);
    let peer = footprint::of("rsigma", set)?;
    let memory = |what: &str, ours: Footprint| {
        print(&format!("memory kept, {what}"), ours.kept_mb, "MB", Some(peer.kept_mb));
        print(&format!("peak memory, {what}"), ours.peak_mb, "MB", Some(peer.peak_mb));
    };
    memory("from texts", ours);
    memory("from an image", mapped);
    Ok(())
}
