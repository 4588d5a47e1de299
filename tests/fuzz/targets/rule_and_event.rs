//! The text of rules, a line `===`, and events as JSON lines: the compiled matcher and the plain
//! evaluator give the same verdicts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rules_matcher::RuleSet;
use rules_sigma::{Document, parse_file};

/// Rules and events looked at; the rest of an input adds nothing but time.
const RULES_MAX: usize = 20;
const EVENTS_MAX: usize = 10;

fuzz_target!(|text: &str| {
    let Some((rules, events)) = text.split_once("\n===\n") else { return };
    let documents = parse_file("fuzz.yml", rules).documents.into_iter();
    let rules = documents.take(RULES_MAX).filter_map(|document| match document {
        Document::Rule(rule) => Some(rule),
        _ => None,
    });
    let (set, _) = RuleSet::compile(rules.collect());
    let (mut hits, mut plain) = (Vec::new(), Vec::new());
    for line in events.lines().take(EVENTS_MAX) {
        let Ok(event) = agent_wire::parse_event(line.as_bytes()) else { continue };
        set.hits(&event, &mut hits);
        set.full_scan(&event, &mut plain);
        for index in 0..set.rules().len() {
            let (compiled, plain) = (hits.contains(&index), plain.contains(&index));
            let why = || format!("{event:?}\n{}", set.why(index, &event));
            assert_eq!(compiled, plain, "{}", why());
        }
    }
});
