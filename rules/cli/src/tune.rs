//! `tune`: a filter that keeps a rule from known harmless events and hides no known attack.

mod propose;

use std::io::Write;
use std::path::Path;

use anyhow::{bail, ensure};
use rules_event::Event;
use rules_matcher::RuleSet;
use rules_service::exit::Exit;
use rules_sigma::{Rule, Severity, parse_cases};

use crate::args::TuneArgs;
use crate::cases;
use crate::events;
use crate::target::Target;

/// What the proposed document is called in messages.
const PROPOSAL_NAME: &str = "<proposed filter>";

pub(crate) fn run(args: &TuneArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let (target, index) = Target::of_rule(&args.rule, &args.paths)?;
    let shipped = args.paths.is_empty() && !Path::new(&args.rule).is_file();
    let Some(rule) = target.set.rules().get(index) else { bail!("no rule was found") };
    let mut harmless = Vec::new();
    for path in &args.harmless {
        harmless.extend(events::read(path)?);
    }
    let given = harmless.len();
    harmless.retain(|event| hits(&target.set, index, event));
    ensure!(!harmless.is_empty(), "the rule hits none of these {given} events: nothing to tune");
    let attacks = attacks(rule, shipped)?;
    let Some(proposal) = propose::propose(&rule.logsource, &harmless, &attacks) else {
        return refuse("the events have no field in common that tells them from attacks");
    };
    let text = proposal.document(rule, harmless.len());
    verify(rule, &text, &harmless)?;
    if let Some((name, _)) = attacks.iter().find(|(_, event)| proposal.covers(event)) {
        return refuse(&format!("every filter of these events would hide the case '{name}'"));
    }
    if attacks.is_empty() {
        note("the rule has no case that must match: nothing shows what the filter hides")?;
    }
    if harmless.len() < given {
        let others = given - harmless.len();
        note(&format!("the rule does not hit {others} of the {given} events; they are left out"))?;
    }
    out.write_all(text.as_bytes())?;
    Ok(Exit::Done)
}

fn hits(set: &RuleSet, index: usize, event: &Event) -> bool {
    let mut found = Vec::new();
    set.hits(event, &mut found);
    found.contains(&index)
}

/// Returns the events that the rule must match, with the names of their cases.
fn attacks(rule: &Rule, shipped: bool) -> anyhow::Result<Vec<(String, Event)>> {
    let Some((file, text)) = cases::case_file(&rule.file, shipped)? else { return Ok(Vec::new()) };
    let (cases, _) = parse_cases(&file, &text);
    let own = cases.matches.into_iter().filter(|case| {
        let name = case.rule.as_deref();
        name.is_none_or(|name| name == rule.id || Some(name) == rule.name.as_deref())
    });
    let named = own.flat_map(|case| {
        let name = case.name;
        case.events.into_iter().map(move |event| (name.clone(), event))
    });
    Ok(named.collect())
}

/// Holds the proposal to what it promises, by the same way that it will go when it is used.
fn verify(rule: &Rule, filter: &str, harmless: &[Event]) -> anyhow::Result<()> {
    let files = [(rule.file.as_str(), &*rule.source), (PROPOSAL_NAME, filter)];
    let loaded = rules_pack::load_texts(files);
    let wrong =
        |it: &&rules_sigma::Diagnostic| it.file == PROPOSAL_NAME && it.severity == Severity::Error;
    if let Some(found) = loaded.diagnostics.iter().find(wrong) {
        bail!("the proposed filter is wrong, which is a fault of this program:\n{found}");
    }
    let (set, _) = RuleSet::compile(loaded.rules);
    let index = set.position(&rule.id);
    let index = index.ok_or_else(|| anyhow::anyhow!("the rule does not load with its filter"))?;
    let left = harmless.iter().filter(|event| hits(&set, index, event)).count();
    ensure!(
        left == 0,
        "the proposed filter misses {left} events, which is a fault of this program"
    );
    Ok(())
}

fn refuse(reason: &str) -> anyhow::Result<Exit> {
    note(&format!("no filter: {reason}; change the rule itself"))?;
    Ok(Exit::Problems)
}

fn note(text: &str) -> std::io::Result<()> {
    writeln!(std::io::stderr(), "vonglau-rules: {text}")
}
