//! How the time for one event grows with the number of rules.

use anyhow::Result;

use crate::clock::Rounds;
use crate::corpus;
use crate::engine::Engine;
use crate::figure;
use crate::ours::Ours;
use crate::rsigma::{self, Rsigma};
use crate::speed::{rounds_wanted, turn};

const BENCH: &str = "matcher-growth";

/// Numbers of rules; the last stands for all there are.
const COUNTS: [usize; 4] = [100, 316, 1_000, usize::MAX];

pub(crate) fn run() -> Result<()> {
    let mut rules = corpus::rules()?;
    // The same mixture of rules at every number: by a hash of their names, which follow no order.
    rules.sort_by_key(|rule| fnv(&rule.name));
    let lines = corpus::events("linmix.tsv")?;
    let lines: Vec<&corpus::Line> = lines.iter().collect();
    let mut first = None;
    let mut last = (0.0, 0.0);
    for count in COUNTS {
        let some = &rules[..count.min(rules.len())];
        let (mut ours, mut peer) = (Ours::load(some)?, Rsigma::load(some)?);
        let (our_events, peer_events) = (ours.events(&lines)?, peer.events(&lines)?);
        let (mut our_rounds, mut peer_rounds) = (Rounds::default(), Rounds::default());
        for _ in 0..rounds_wanted() {
            our_rounds.push(turn(&mut ours, &our_events));
            peer_rounds.push(turn(&mut peer, &peer_events));
        }
        last = (our_rounds.median(), peer_rounds.median());
        first = first.or(Some(last));
        let figure = format!("{} rules, decoded event to verdict", some.len());
        figure::print(BENCH, &figure, last.0, "ns", Some((rsigma::NAME, last.1)));
    }
    let (ours, peer) = first.unwrap_or(last);
    let figure = format!("growth from {} to {} rules", COUNTS[0], rules.len());
    figure::print(BENCH, &figure, last.0 / ours, "times", Some((rsigma::NAME, last.1 / peer)));
    Ok(())
}

/// FNV-1a, 64 bits: the same order on every machine.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
