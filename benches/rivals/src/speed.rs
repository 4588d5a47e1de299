//! Event to verdict: from a decoded event and from JSON text, for each set of rules and type of
//! event.

use anyhow::{Result, ensure};

use crate::clock::{Rounds, time};
use crate::corpus::{self, Line, RuleText};
use crate::engine::Engine;
use crate::figure;
use crate::ours::Ours;
use crate::rsigma::{self, Rsigma};

const BENCH: &str = "matcher";
/// Rounds of each engine, taken in turn. `VONGLAU_BENCH_ROUNDS` overrules.
const ROUNDS: usize = 7;
/// CPU time that one engine gets at least in one round, nanoseconds.
const ROUND_NS: f64 = 150e6;

pub(crate) fn run() -> Result<()> {
    let rules = corpus::rules()?;
    let linux = corpus::linux(&rules);
    let lines = corpus::events("linmix.tsv")?;
    let all: Vec<&Line> = lines.iter().collect();
    measure("linux", &linux, &all)?;
    measure("all", &rules, &all)
}

/// Types of event that are measured apart.
const TYPES: [(&str, fn(&Line) -> bool); 3] = [
    ("process_creation", |line| line.source.category == "process_creation"),
    ("auditd", |line| line.source.service == "auditd"),
    ("syslog", |line| line.source.category.is_empty() && line.source.service != "auditd"),
];

fn measure(set: &str, texts: &[RuleText], lines: &[&Line]) -> Result<()> {
    let mut ours = Ours::load(texts)?;
    let mut peer = Rsigma::load(texts)?;
    figure::print(
        BENCH,
        &format!("{set}: rules"),
        ours.rules() as f64,
        "rules",
        Some((rsigma::NAME, peer.rules() as f64)),
    );
    pair(&format!("{set} rules, decoded event to verdict"), &mut ours, &mut peer, lines)?;
    text(&format!("{set} rules, JSON text to verdict"), &mut ours, &mut peer, lines)?;
    for (name, is) in TYPES {
        let some: Vec<&Line> = lines.iter().copied().filter(|line| is(line)).collect();
        pair(&format!("{set} rules, decoded {name} to verdict"), &mut ours, &mut peer, &some)?;
    }
    // The peer with the logsource understood as strictly as ours, and with its optional filters.
    for (name, strict, filters) in [("strict logsource", true, false), ("filters on", false, true)]
    {
        peer.strictly(strict);
        peer.filters(filters, filters);
        let events = peer.events(lines)?;
        let mut rounds = Rounds::default();
        for _ in 0..rounds_wanted() {
            rounds.push(turn(&mut peer, &events));
        }
        let figure = format!("{set} rules, decoded event to verdict, {} with {name}", rsigma::NAME);
        figure::print(BENCH, &figure, rounds.median(), "ns", None);
    }
    Ok(())
}

pub(crate) fn rounds_wanted() -> usize {
    let text = std::env::var("VONGLAU_BENCH_ROUNDS").ok();
    text.and_then(|text| text.parse().ok()).filter(|rounds| *rounds > 0).unwrap_or(ROUNDS)
}

/// Measures both engines on decoded events, in turn.
fn pair(what: &str, ours: &mut Ours, peer: &mut Rsigma, lines: &[&Line]) -> Result<()> {
    ensure!(!lines.is_empty(), "no events of this type");
    let (our_events, peer_events) = (ours.events(lines)?, peer.events(lines)?);
    let (mut our_rounds, mut peer_rounds) = (Rounds::default(), Rounds::default());
    for _ in 0..rounds_wanted() {
        our_rounds.push(turn(ours, &our_events));
        peer_rounds.push(turn(peer, &peer_events));
    }
    print(what, &our_rounds, &peer_rounds);
    Ok(())
}

/// Measures both engines from text to verdict, in turn.
fn text(what: &str, ours: &mut Ours, peer: &mut Rsigma, lines: &[&Line]) -> Result<()> {
    let (our_sources, peer_sources) = (ours.sources(lines), peer.sources(lines));
    let (mut our_rounds, mut peer_rounds) = (Rounds::default(), Rounds::default());
    for _ in 0..rounds_wanted() {
        our_rounds.push(text_turn(ours, &our_sources, lines)?);
        peer_rounds.push(text_turn(peer, &peer_sources, lines)?);
    }
    print(what, &our_rounds, &peer_rounds);
    Ok(())
}

fn print(what: &str, ours: &Rounds, peer: &Rounds) {
    let name = |best: &str| format!("{what}{best}");
    figure::print(BENCH, &name(""), ours.median(), "ns", Some((rsigma::NAME, peer.median())));
    figure::print(BENCH, &name(", best round"), ours.min(), "ns", Some((rsigma::NAME, peer.min())));
}

/// Lets an engine work for one round: over all the events, as often as the time allows. Returns
/// nanoseconds an event.
pub(crate) fn turn<E: Engine>(engine: &mut E, events: &[(E::Source, E::Event)]) -> f64 {
    let pass = || Ok(events.iter().map(|(source, event)| engine.hits(source, event)).sum());
    spend(events.len(), pass).unwrap_or_default()
}

fn text_turn<E: Engine>(engine: &mut E, sources: &[E::Source], lines: &[&Line]) -> Result<f64> {
    spend(lines.len(), || {
        let mut hits = 0;
        for (source, line) in sources.iter().zip(lines) {
            hits += engine.hits_in_text(source, &line.json)?;
        }
        Ok(hits)
    })
}

/// Repeats a pass over `events` events for one round; returns nanoseconds for each of them.
fn spend(events: usize, mut pass: impl FnMut() -> Result<usize>) -> Result<f64> {
    let (mut spent, mut done) = (0.0, 0);
    while spent < ROUND_NS {
        let (ns, outcome) = time(&mut pass);
        outcome?;
        spent += ns;
        done += events;
    }
    Ok(spent / done as f64)
}
