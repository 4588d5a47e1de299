//! Any text as a rule file: no panic, every diagnostic in its place, what loads also compiles.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rules_matcher::RuleSet;
use rules_sigma::{Document, parse_file};

fuzz_target!(|text: &str| {
    let parsed = parse_file("fuzz.yml", text);
    // A carriage return alone ends a line of YAML, too.
    let lines = text.replace("\r\n", "\n").replace('\r', "\n").lines().count();
    for diagnostic in &parsed.diagnostics {
        assert!(diagnostic.span.line <= lines + 1, "{diagnostic:?}");
        assert!(!diagnostic.render().is_empty());
    }
    let again = parse_file("fuzz.yml", text);
    assert_eq!(parsed.documents.len(), again.documents.len());
    assert_eq!(parsed.diagnostics.len(), again.diagnostics.len());
    let rules = parsed.documents.into_iter().filter_map(|document| match document {
        Document::Rule(rule) => Some(rule),
        _ => None,
    });
    drop(RuleSet::compile(rules.collect()));
});
