//! Redaction takes nothing that the shipped rules live on: every case of the pack has the same verdict
//! behind it.

use agent_pipeline::{RedactionConfig, Redactor};
use rules_event::{Event, Value, ValueRef};
use rules_matcher::RuleSet;
use rules_sigma::parse_cases;

/// Cases whose verdict differs behind redaction, each with why that is right. None so far.
const DIFFER: &[(&str, &str)] = &[];

fn redacted(redactor: &Redactor, event: &Event) -> Event {
    let mut out = event.clone();
    for (name, value) in event.fields() {
        let one = |value: ValueRef<'_>| match value {
            ValueRef::Str(text) => Value::text(&redactor.redact(text).0),
            other => other.to_value(),
        };
        let new = match value {
            list @ ValueRef::List(_) => Value::List(list.items().map(one).collect()),
            single => one(single),
        };
        out.set(rules_event::intern(name), new);
    }
    out
}

#[test]
fn every_case_of_the_pack_has_the_same_verdict() {
    let redactor = Redactor::new(&RedactionConfig::default(), &[7; 32]).unwrap();
    let loaded = rules_pack::load(true, &[]).unwrap();
    let (rules, _) = RuleSet::compile(loaded.rules);
    let noise = ("noise.cases", include_str!("../../../rules/pack/tests/noise.cases"));
    let (mut before, mut behind, mut events, mut changed) = (Vec::new(), Vec::new(), 0, 0);
    let mut wrong = Vec::new();
    for (file, text) in rules_pack::shipped_cases().iter().copied().chain([noise]) {
        let (cases, diagnostics) = parse_cases(file, text);
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        for case in cases.matches.iter().chain(&cases.does_not_match) {
            for event in &case.events {
                let out = redacted(&redactor, event);
                changed += usize::from(format!("{out:?}") != format!("{event:?}"));
                rules.hits(event, &mut before);
                rules.hits(&out, &mut behind);
                events += 1;
                let is_known = DIFFER.iter().any(|(name, _)| *name == case.name);
                if before != behind && !is_known {
                    wrong.push(format!(
                        "{file}, {}: {before:?} then {behind:?}\n{out:?}",
                        case.name
                    ));
                }
            }
        }
    }
    eprintln!("measured: {events} events of cases, {changed} changed by redaction");
    assert!(events > 800, "{events}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
