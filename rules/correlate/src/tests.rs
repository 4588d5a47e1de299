//! What correlations promise, by example.

mod bounds;
mod dense;
mod lateness;
mod local;
mod properties;
mod resolution;
mod state;

use std::collections::HashMap;
use std::time::Duration;

use rules_event::{Event, Level, Timestamp, field};
use rules_sigma::{
    Alias, Comparison, Correlation, CorrelationCondition, CorrelationKind, Threshold,
};

use crate::{Correlator, Fired, Limits};

/// 2026-11-21T08:10:00Z: ten minutes into a slot.
const BASE: i64 = 1_795_248_600;

fn correlation(id: &str, kind: CorrelationKind, rules: &[&str], seconds: u64) -> Correlation {
    Correlation {
        id: id.into(),
        name: None,
        title: id.into(),
        description: String::new(),
        status: "test".into(),
        level: Level::Medium,
        tags: Vec::new(),
        falsepositives: Vec::new(),
        custom: Default::default(),
        kind,
        rules: rules.iter().map(ToString::to_string).collect(),
        group_by: vec![field::SOURCE_IP.into()],
        timespan: Duration::from_secs(seconds),
        condition: at_least(rules.len() as u64),
        fields: Vec::new(),
        percentile: None,
        aliases: Vec::new(),
        generate: false,
        file: format!("{id}.yml"),
        line: 1,
        places: Default::default(),
        source: "".into(),
    }
}

fn bounds(bounds: &[(Comparison, f64)]) -> CorrelationCondition {
    let bounds = bounds.iter().map(|&(op, value)| Threshold { op, value });
    CorrelationCondition::Bounds(bounds.collect())
}

fn at_least(value: u64) -> CorrelationCondition {
    bounds(&[(Comparison::Gte, value as f64)])
}

/// Ten failures of one address in two minutes.
fn brute_force() -> Correlation {
    let mut rule = correlation("brute", CorrelationKind::EventCount, &["ssh_failed"], 120);
    rule.condition = at_least(10);
    rule
}

/// Eight accounts tried by one address in five minutes.
fn spraying() -> Correlation {
    let mut rule = correlation("spray", CorrelationKind::ValueCount, &["ssh_failed"], 300);
    rule.condition = at_least(8);
    rule.fields = vec![field::USER_NAME.into()];
    rule
}

/// A success at most ten minutes after a brute force from the same address.
fn break_in() -> Correlation {
    correlation("break-in", CorrelationKind::TemporalOrdered, &["brute", "ssh_accepted"], 600)
}

fn names() -> HashMap<String, String> {
    ["ssh_failed", "ssh_accepted", "a", "b", "c"].map(|name| (name.into(), name.into())).into()
}

fn correlator(rules: Vec<Correlation>) -> Correlator {
    let (correlator, problems) = Correlator::new(rules, &names(), Limits::default());
    assert!(problems.is_empty(), "{problems:?}");
    correlator
}

/// An event `at` seconds after [`BASE`], named by `id`.
fn event(id: &str, at: i64, ip: &str, user: &str) -> Event {
    let mut event = Event::new(Timestamp::from_seconds(BASE + at), id.into());
    event.set(field::SOURCE_IP, ip.to_owned());
    event.set(field::USER_NAME, user.to_owned());
    event
}

fn failures(correlator: &mut Correlator, ip: &str, times: impl Iterator<Item = i64>) -> Vec<Fired> {
    times
        .flat_map(|at| {
            correlator.observe(&event(&format!("{ip}@{at}"), at, ip, "root"), &["ssh_failed"])
        })
        .collect()
}

#[test]
fn ten_failures_in_two_minutes_fire_and_go_on_firing_under_one_key() {
    let mut correlator = correlator(vec![brute_force()]);
    assert!(failures(&mut correlator, "203.0.113.9", (0..9).map(|n| n * 10)).is_empty());
    let fired = failures(&mut correlator, "203.0.113.9", (9..15).map(|n| n * 10));
    assert_eq!(fired.len(), 6);
    assert_eq!(fired[0].correlation_id, "brute");
    assert_eq!(*fired[0].group, [("source.ip".to_owned(), "203.0.113.9".to_owned())]);
    assert_eq!((fired[0].count, fired[5].count), (10, 15));
    assert_eq!(fired[0].first, Timestamp::from_seconds(BASE));
    assert_eq!(fired[0].last, Timestamp::from_seconds(BASE + 90));
    assert_eq!(fired[0].event_ids.len(), 10);
    assert_eq!(fired[0].event_ids[0], "203.0.113.9@0");
    assert!(fired.iter().all(|update| update.key == fired[0].key));
    assert_eq!(fired[0].key.len(), 32);
}

#[test]
fn slower_than_the_threshold_or_spread_over_addresses_stays_silent() {
    let mut correlator = correlator(vec![brute_force()]);
    assert!(failures(&mut correlator, "203.0.113.9", (0..60).map(|n| n * 14)).is_empty());
    for host in 0..50 {
        assert!(failures(&mut correlator, &format!("198.51.100.{host}"), 0..9).is_empty());
    }
}

#[test]
fn the_timespan_includes_both_ends() {
    let mut rule = brute_force();
    rule.condition = at_least(2);
    let mut correlator = correlator(vec![rule]);
    assert_eq!(failures(&mut correlator, "a", [0, 120].into_iter()).len(), 1);
    assert_eq!(failures(&mut correlator, "b", [0, 121].into_iter()).len(), 0);
}

#[test]
fn an_event_counts_once_and_only_with_its_group_field() {
    let mut rule = brute_force();
    rule.condition = at_least(2);
    let mut correlator = correlator(vec![rule]);
    let seen = event("same", 0, "203.0.113.9", "root");
    let mut groupless = event("other", 1, "203.0.113.9", "root");
    groupless.remove(field::SOURCE_IP);
    for _ in 0..5 {
        assert!(correlator.observe(&seen, &["ssh_failed"]).is_empty());
        assert!(correlator.observe(&groupless, &["ssh_failed"]).is_empty());
    }
    assert!(correlator.observe(&event("x", 2, "203.0.113.9", "root"), &["unrelated"]).is_empty());
    assert_eq!(correlator.observe(&event("x", 2, "203.0.113.9", "root"), &["ssh_failed"]).len(), 1);
}

#[test]
fn a_line_that_says_it_was_repeated_counts_as_often() {
    let mut correlator = correlator(vec![brute_force()]);
    let mut run = |id: &str, at, repeats: i64| {
        let mut repeated = event(id, at, "203.0.113.9", "root");
        repeated.set("vonglau.repeat_count", repeats);
        correlator.observe(&repeated, &["ssh_failed"])
    };
    assert!(run("first", 0, 1).is_empty());
    assert!(run("folded", 5, 5).is_empty());
    let fired = run("more", 9, 4);
    assert_eq!((fired[0].count, fired[0].event_ids.len()), (10, 3));
    assert_eq!(run("absurd", 10, i64::MAX)[0].count, 1_010);
}

#[test]
fn eight_accounts_are_a_spray_and_one_account_is_not() {
    let mut correlator = correlator(vec![spraying()]);
    let mut fired = Vec::new();
    for n in 0..20 {
        // Two tries for each account.
        let attempt = event(&format!("e{n}"), n * 10, "203.0.113.9", &format!("user{}", n / 2));
        fired.extend(correlator.observe(&attempt, &["ssh_failed"]));
    }
    assert_eq!(fired.len(), 6, "from the first try of the eighth account on");
    assert_eq!((fired[0].values, fired[0].count), (8, 15));
    assert_eq!((fired[5].values, fired[5].count), (10, 20));
    assert!(failures(&mut correlator, "198.51.100.7", 0..100).is_empty());
}

#[test]
fn success_after_brute_force_fires_and_success_before_it_does_not() {
    let mut correlator = correlator(vec![brute_force(), break_in()]);
    let success = |id: &str, at, ip| event(id, at, ip, "vanthu");
    assert!(correlator.observe(&success("early", -5, "203.0.113.9"), &["ssh_accepted"]).is_empty());
    assert_eq!(failures(&mut correlator, "203.0.113.9", 0..12).len(), 3);
    let other = correlator.observe(&success("other", 20, "198.51.100.7"), &["ssh_accepted"]);
    assert!(other.is_empty(), "another address");
    let fired = correlator.observe(&success("in", 11 + 600, "203.0.113.9"), &["ssh_accepted"]);
    assert_eq!(fired.len(), 1);
    assert_eq!(fired[0].correlation_id, "break-in");
    assert_eq!(fired[0].event_ids.last().map(String::as_str), Some("in"));
    let late = correlator.observe(&success("late", 11 + 601, "203.0.113.9"), &["ssh_accepted"]);
    assert!(late.is_empty(), "more than ten minutes after the last failure");
}

#[test]
fn temporal_takes_any_order_and_temporal_ordered_the_order_listed() {
    let any = correlation("any", CorrelationKind::Temporal, &["a", "b", "c"], 60);
    let mut listed = any.clone();
    (listed.id, listed.kind) = ("listed".into(), CorrelationKind::TemporalOrdered);
    let mut correlator = correlator(vec![any, listed]);
    let mut run = |ip: &str, steps: &[(&str, i64)]| -> Vec<String> {
        steps
            .iter()
            .flat_map(|(rule, at)| {
                correlator.observe(&event(&format!("{ip}{rule}{at}"), *at, ip, "u"), &[rule])
            })
            .map(|fired| fired.correlation_id)
            .collect()
    };
    assert_eq!(run("1", &[("c", 0), ("b", 1), ("a", 2)]), ["any"]);
    assert_eq!(run("2", &[("a", 0), ("b", 1), ("c", 2)]), ["any", "listed"]);
    assert_eq!(run("3", &[("a", 0), ("b", 30), ("c", 61)]), Vec::<String>::new());
    assert_eq!(run("4", &[("a", 5), ("c", 9), ("b", 7)]), ["any", "listed"], "b came late");
    assert_eq!(run("5", &[("a", 1), ("b", 1), ("c", 1)]), ["any", "listed"], "one second");
    assert_eq!(run("6", &[("a", 1), ("a", 2), ("b", 3), ("b", 4)]), Vec::<String>::new());
}

#[test]
fn one_event_is_not_two_steps() {
    let rule = correlation("two", CorrelationKind::TemporalOrdered, &["a", "b"], 60);
    let mut correlator = correlator(vec![rule]);
    assert!(correlator.observe(&event("x", 0, "1", "u"), &["a", "b"]).is_empty());
    assert_eq!(correlator.observe(&event("y", 1, "1", "u"), &["a", "b"]).len(), 1);
}

#[test]
fn aliases_read_another_field_in_each_rule() {
    let mut rule = correlation("alias", CorrelationKind::Temporal, &["a", "b"], 60);
    rule.group_by = vec!["peer".into()];
    rule.aliases = vec![Alias {
        name: "peer".into(),
        fields: vec![("a".into(), "source.ip".into()), ("b".into(), "destination.ip".into())],
    }];
    let mut correlator = correlator(vec![rule]);
    let mut outgoing = event("out", 1, "10.0.0.1", "u");
    outgoing.set(field::DESTINATION_IP, "203.0.113.9");
    assert!(correlator.observe(&event("in", 0, "203.0.113.9", "u"), &["a"]).is_empty());
    let fired = correlator.observe(&outgoing, &["b"]);
    assert_eq!(*fired[0].group, [("peer".to_owned(), "203.0.113.9".to_owned())]);
}

#[test]
fn a_backlog_of_days_is_judged_as_if_it_had_come_in_time() {
    let mut correlator = correlator(vec![brute_force()]);
    let mut keys = Vec::new();
    // Live failures, too few to fire, between the lines of a host that was cut off for three days.
    for n in 0..12 {
        assert!(failures(&mut correlator, "203.0.113.9", [n * 60].into_iter()).is_empty());
        let old = n - 3 * 86_400;
        keys.extend(failures(&mut correlator, "203.0.113.9", [old].into_iter()));
    }
    assert_eq!(keys.len(), 3);
    assert!(keys.iter().all(|fired| fired.key == keys[0].key));
}

#[test]
fn an_attack_gets_one_alert_an_hour_by_the_ends_of_its_windows() {
    let mut correlator = correlator(vec![brute_force()]);
    let until_slot_end = 50 * 60;
    let fired = failures(&mut correlator, "1", (0..30).map(|n| until_slot_end - 60 + n * 5));
    let mut keys: Vec<_> = fired.iter().map(|fired| &fired.key).collect();
    keys.dedup();
    assert_eq!(keys.len(), 2, "a minute before the hour and a minute and a half after it");
    let last = &fired[fired.len() - 1];
    assert_eq!(last.first, Timestamp::from_seconds(BASE + until_slot_end - 60), "whole windows");
    assert_eq!(last.count, 30);
    let mut keys: Vec<_> = failures(&mut correlator, "2", (0..5 * 360).map(|n| n * 10))
        .into_iter()
        .map(|f| f.key)
        .collect();
    keys.dedup();
    assert_eq!(keys.len(), 6, "08:10 to 13:10");
}

#[test]
fn two_attacks_in_one_slot_share_key_and_count() {
    let mut correlator = correlator(vec![brute_force()]);
    let first = failures(&mut correlator, "1", 0..10);
    let second = failures(&mut correlator, "1", 1_500..1_510);
    assert_eq!(first[0].key, second[0].key);
    assert_eq!((first[0].count, second[0].count), (10, 20));
}
