//! References between correlations, and what cannot run.

use super::*;

fn problems(rules: Vec<Correlation>) -> Vec<String> {
    let found = Correlator::new(rules, &names(), Limits::default()).1;
    found.into_iter().map(|found| format!("{}: {}", found.code, found.message)).collect()
}

#[test]
fn names_ids_and_later_correlations_are_found() {
    let mut named = brute_force();
    named.name = Some("brute_by_name".into());
    named.rules = vec!["f1d2c3b4-0000-4000-8000-000000000001".into()];
    let mut outer = break_in();
    outer.rules[0] = "brute_by_name".into();
    // The one that refers comes first in the list.
    let mut correlator = correlator(vec![outer, named]);
    let mut fired = Vec::new();
    for n in 0..10 {
        let failed = event(&format!("e{n}"), n, "1", "root");
        fired.extend(correlator.observe(&failed, &["f1d2c3b4-0000-4000-8000-000000000001"]));
    }
    fired.extend(correlator.observe(&event("in", 11, "1", "root"), &["ssh_accepted"]));
    let ids: Vec<_> = fired.iter().map(|fired| fired.correlation_id.as_str()).collect();
    assert_eq!(ids, ["brute", "break-in"]);
    assert_eq!(correlator.longest_timespan(), Duration::from_secs(600));
    assert!(correlator.replay_span() >= Duration::from_secs(2 * 600 + 2 * 120));
}

#[test]
fn unknown_references_take_only_their_dependants_along() {
    let mut lost = brute_force();
    lost.rules = vec!["nobody".into()];
    let said = problems(vec![lost, break_in(), spraying()]);
    assert_eq!(said.len(), 2, "{said:?}");
    assert_eq!(said[0], "R053: the correlation refers to 'nobody', which was not loaded");
    assert_eq!(said[1], "R053: the correlation refers to 'brute', which is left out");
}

#[test]
fn circles_are_refused() {
    let one = correlation("one", CorrelationKind::EventCount, &["two"], 60);
    let two = correlation("two", CorrelationKind::EventCount, &["one"], 60);
    let own = correlation("own", CorrelationKind::EventCount, &["own"], 60);
    let said = problems(vec![one, two, own, spraying()]);
    assert_eq!(
        said,
        [
            "R057: correlations refer to each other in a circle: one → two → one",
            "R057: correlations refer to each other in a circle: two → one → two",
            "R057: correlations refer to each other in a circle: own → own",
        ]
    );
}

#[test]
fn what_cannot_be_counted_is_refused() {
    let with = |change: fn(&mut Correlation)| {
        let mut rule = spraying();
        change(&mut rule);
        problems(vec![rule])
    };
    let huge = with(|rule| rule.condition = at_least(1_000_000));
    assert!(huge[0].contains("at most 1024 are counted exactly"), "{huge:?}");
    assert!(with(|rule| rule.fields.clear())[0].contains("needs a field"));
    assert!(with(|rule| rule.timespan = Duration::ZERO)[0].contains("timespan"));
    assert!(with(|rule| rule.rules.clear())[0].contains("1 to 64 rules"));
    let mut some = correlation("some", CorrelationKind::TemporalOrdered, &["a", "b", "c"], 60);
    some.condition = bounds(&[(Comparison::Lt, 3.0)]);
    assert!(problems(vec![some])[0].contains("no upper bound"));
    let twice = problems(vec![spraying(), spraying()]);
    assert!(twice[0].contains("taken"), "{twice:?}");
}
