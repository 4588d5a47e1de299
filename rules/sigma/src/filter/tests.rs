//! Tests: which rules a filter tunes, and what becomes of them.

use super::*;
use crate::parse_file;

const RULES: &str = "title: A\nid: 00000000-0000-0000-0000-00000000000a\nname: rule_a\nlevel: low\n\
                     logsource: {product: linux, service: sshd}\ndetection:\n  sel: {user.name: x}\n  \
                     fil: {user.name: y}\n  condition: sel and not 1 of fil*\n---\ntitle: B\n\
                     id: 00000000-0000-0000-0000-00000000000b\nlevel: low\n\
                     logsource: {product: windows}\ndetection:\n  sel: {user.name: z}\n  \
                     condition: sel\n";

fn rules() -> Vec<Rule> {
    let parsed = parse_file("rules.yml", RULES);
    assert_eq!(parsed.diagnostics, []);
    parsed.documents.into_iter().filter_map(Document::into_rule).collect()
}

fn filter(rules: &str, logsource: &str, condition: &str) -> Filter {
    let text = format!(
        "title: F\nid: 00000000-0000-0000-0000-00000000000f\nlogsource: {{{logsource}}}\nfilter:\n  \
         rules: {rules}\n  one: {{user.name|startswith: adm_}}\n  two: {{host.name: h}}\n  \
         condition: {condition}\n"
    );
    let parsed = parse_file("filter.yml", &text);
    assert_eq!(parsed.diagnostics, [], "{text}");
    match parsed.documents.into_iter().next() {
        Some(Document::Filter(filter)) => filter,
        other => panic!("{other:?}"),
    }
}

fn tuned(rules: &[Rule]) -> Vec<&str> {
    let tuned = rules.iter().filter(|rule| !rule.filters.is_empty());
    tuned.map(|rule| rule.title.as_str()).collect()
}

#[test]
fn a_filter_joins_the_condition_of_its_rules() {
    let mut rules = rules();
    let filter = filter("[rule_a]", "product: linux", "not one and not 1 of t*");
    assert_eq!(apply_filters(&mut rules, &[filter]), []);
    assert_eq!(tuned(&rules), ["A"]);
    let rule = rules.first().unwrap();
    let names: Vec<_> = rule.detection.searches.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["sel", "fil", "_filter_0_one", "_filter_0_two"]);
    let Condition::And(parts) = &rule.detection.condition else { panic!("{rule:?}") };
    let of = |pattern: &str, searches: Vec<usize>| Condition::Of {
        quantifier: crate::Quantifier::Any,
        pattern: pattern.into(),
        searches,
    };
    let not = |inner| Condition::Not(Box::new(inner));
    let own = Condition::And(vec![Condition::Search(0), not(of("fil*", vec![1]))]);
    let added = Condition::And(vec![not(Condition::Search(2)), not(of("t*", vec![3]))]);
    assert_eq!(parts, &[own, added]);
    assert_eq!(rule.filters, ["00000000-0000-0000-0000-00000000000f"]);
}

#[test]
fn any_means_all_of_the_logsource() {
    for (logsource, expected) in [
        ("product: linux", vec!["A"]),
        ("service: sshd", vec!["A"]),
        ("product: windows", vec!["B"]),
        ("category: process_creation", vec![]),
        ("product: windows, service: security", vec![]),
    ] {
        let mut rules = rules();
        let filter = filter("any", logsource, "not 1 of them");
        assert_eq!(apply_filters(&mut rules, &[filter]), []);
        assert_eq!(tuned(&rules), expected, "{logsource}");
    }
}

#[test]
fn a_filter_that_misses_says_so_and_changes_nothing() {
    let mut rules = rules();
    let ids = "[rule_aa, 00000000-0000-0000-0000-00000000000B]";
    let found = apply_filters(&mut rules, &[filter(ids, "product: linux", "not one or not two")]);
    assert_eq!(tuned(&rules), Vec::<&str>::new());
    let found: Vec<_> = found.iter().map(|it| (it.code, it.severity, it.span.column)).collect();
    assert_eq!(found, [("R032", Severity::Warning, 11), ("R033", Severity::Warning, 20)]);
}

#[test]
fn two_filters_tune_one_rule() {
    let mut rules = rules();
    let first = filter("any", "product: linux", "not one or not two");
    let second = filter("rule_a", "service: sshd", "not (one and two)");
    assert_eq!(apply_filters(&mut rules, &[first, second]), []);
    assert_eq!(rules.first().unwrap().filters.len(), 2);
    assert_eq!(rules.first().unwrap().detection.searches.len(), 6);
}
