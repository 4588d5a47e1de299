//! Small rules and events on which readings of the specification part, each with the verdict that the
//! specification gives.

use anyhow::{Context, Result};

use crate::corpus::{RuleText, Source};
use crate::engine::Engine;
use crate::ours::Ours;
use crate::rsigma::Rsigma;

const PROBES: &str = include_str!("../probes.tsv");

/// What an engine says to a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Hit,
    NoHit,
    /// It does not load the rule.
    Refused,
}

impl Verdict {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::NoHit => "none",
            Self::Refused => "refused",
        }
    }
}

/// One probe with all verdicts.
pub(crate) struct Outcome {
    pub name: &'static str,
    pub heading: &'static str,
    pub expected: &'static str,
    pub ours: Verdict,
    pub peer: Verdict,
}

/// Asks both engines.
pub(crate) fn ask() -> Result<Vec<Outcome>> {
    let lines = PROBES.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let mut parts = line.split('\t');
            let mut part = || parts.next().with_context(|| format!("too few columns: {line}"));
            let (name, detection, event) = (part()?, part()?, part()?);
            let (expected, heading) = (part()?, part()?);
            let rule = RuleText {
                name: "probe.yml".to_owned(),
                text: format!(
                    "title: Probe\nid: 00000000-0000-4000-8000-000000000001\nlevel: low\n\
                     logsource: {{product: linux}}\ndetection: {detection}\n"
                ),
            };
            let (ours, peer) = (verdict::<Ours>(&rule, event)?, verdict::<Rsigma>(&rule, event)?);
            Ok(Outcome { name, heading, expected, ours, peer })
        })
        .collect()
}

fn verdict<E: Engine>(rule: &RuleText, event: &str) -> Result<Verdict> {
    let Ok(mut engine) = E::load(std::slice::from_ref(rule)) else { return Ok(Verdict::Refused) };
    let source = engine.source(&Source { product: "linux".to_owned(), ..Source::default() });
    let hits = engine.hits_in_text(&source, event)?;
    Ok(if hits > 0 { Verdict::Hit } else { Verdict::NoHit })
}
