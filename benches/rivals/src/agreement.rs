//! x
use crate::corpus;
use crate::engine::Engine;
use crate::ours::Ours;
use crate::rsigma::Rsigma;
use anyhow::Result;
use std::collections::BTreeMap;
pub(crate) fn run() -> Result<()> {
    let rules = corpus::rules()?;
    let mut ours = Ours::load(&rules)?;
    let mut peer = Rsigma::load(&rules)?;
    for strict in [true, false] {
        peer.strictly(strict);
        for file in ["linmix.tsv", "synthpos.tsv"] {
            let (mut same, mut n) = (0, 0);
            let mut diffs: BTreeMap<(String, &str), Vec<usize>> = BTreeMap::new();
            for (i, line) in corpus::events(file)?.iter().enumerate() {
                let (a, b) = (ours.event(&line.json)?, peer.event(&line.json)?);
                let (sa, sb) = (ours.source(&line.source), peer.source(&line.source));
                let (a, b) = (ours.hit_ids(&sa, &a), peer.hit_ids(&sb, &b));
                n += 1;
                same += usize::from(a == b);
                for x in &a {
                    if !b.contains(x) {
                        diffs.entry((x.clone(), "ours")).or_default().push(i)
                    }
                }
                for x in &b {
                    if !a.contains(x) {
                        diffs.entry((x.clone(), "peer")).or_default().push(i)
                    }
                }
            }
            println!("{file} strict {strict}: {n} events, {same} same");
            for ((id, who), at) in diffs {
                println!("  {id} {who} x{} first {}", at.len(), at[0]);
            }
        }
    }
    Ok(())
}
