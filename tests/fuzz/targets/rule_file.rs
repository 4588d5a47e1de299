//! Any text as a rule file: no panic, every diagnostic in its place, what loads also compiles.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rules_matcher::RuleSet;
use rules_sigma::{
    Document, Fix, Placeholders, Rule, apply_filters, apply_fixes, parse_file, parse_file_with,
};

fuzz_target!(|text: &str| {
    // The same text as lists for placeholders, in both of their languages.
    drop(Placeholders::parse("placeholders.toml", text));
    let (mut lists, _) = Placeholders::parse("placeholders.yml", text);
    lists.insert("x", ["a".to_owned(), "b*".to_owned()]);
    let parsed = parse_file_with("fuzz.yml", text, &lists);
    // A carriage return alone ends a line of YAML, too.
    let lines = text.replace("\r\n", "\n").replace('\r', "\n").lines().count();
    for diagnostic in &parsed.diagnostics {
        assert!(diagnostic.span.line <= lines + 1, "{diagnostic:?}");
        assert!(!diagnostic.render().is_empty());
    }
    let again = parse_file_with("fuzz.yml", text, &lists);
    assert_eq!(parsed.documents.len(), again.documents.len());
    assert_eq!(parsed.diagnostics.len(), again.diagnostics.len());
    drop(parse_file("fuzz.yml", text));
    // A repair never costs a document.
    let fixes: Vec<Fix> = parsed.diagnostics.iter().filter_map(|it| it.fix.clone()).collect();
    let fixed = parse_file_with("fuzz.yml", &apply_fixes(text, &fixes), &lists);
    assert!(fixed.documents.len() >= parsed.documents.len());
    let (mut rules, mut filters): (Vec<Rule>, Vec<_>) = Default::default();
    for document in parsed.documents {
        match document {
            Document::Rule(rule) => rules.push(rule),
            Document::Filter(filter) => filters.push(filter),
            Document::Correlation(_) => {}
        }
    }
    drop(apply_filters(&mut rules, &filters));
    drop(RuleSet::compile(rules));
});
