//! Floods: memory stays bounded and the slow attacker is still seen.

use super::*;

fn bounded(rules: Vec<Correlation>, limits: Limits) -> Correlator {
    let (correlator, problems) = Correlator::new(rules, &names(), limits);
    assert!(problems.is_empty(), "{problems:?}");
    correlator
}

#[test]
fn a_flood_of_addresses_does_not_wash_out_a_slow_attacker() {
    let limits = Limits { groups_max: 100, ..Limits::default() };
    let mut correlator = bounded(vec![brute_force()], limits);
    let mut fired = Vec::new();
    for n in 0..10 {
        fired.extend(failures(&mut correlator, "203.0.113.9", [n * 13].into_iter()));
        // A single hit looks like the flood itself, so the slow one has to survive its first.
        let flood = if n == 0 { 50 } else { 2_000 };
        for host in 0..flood {
            let ip = format!("2001:db8::{n}:{host}");
            assert!(failures(&mut correlator, &ip, [n * 13].into_iter()).is_empty());
            assert!(correlator.keys() <= 100);
        }
    }
    assert_eq!(fired.len(), 1);
    assert!(correlator.evicted() > 10_000);
}

#[test]
fn expired_groups_go_first_and_are_not_counted_as_lost() {
    let limits = Limits { groups_max: 100, ..Limits::default() };
    let mut correlator = bounded(vec![brute_force()], limits);
    for host in 0..1_000 {
        // Each address is over before the next hundred come.
        failures(&mut correlator, &format!("ip{host}"), [host * 10].into_iter());
    }
    assert_eq!(correlator.evicted(), 0);
    assert!(correlator.expired() > 500);
    assert!(correlator.keys() <= 100);
}

#[test]
fn bytes_are_bounded_over_all_groups() {
    let limits = Limits { bytes_max: 64 * 1024, ..Limits::default() };
    let mut correlator = bounded(vec![brute_force()], limits);
    for host in 0..200 {
        failures(&mut correlator, &format!("ip{host}"), 0..9);
        assert!(correlator.bytes() <= 64 * 1024, "{}", correlator.bytes());
    }
    assert!(correlator.keys() < 100, "{}", correlator.keys());
    assert!(correlator.evicted() > 100);
}

#[test]
fn a_flood_on_one_account_does_not_hide_a_spray() {
    let limits = Limits { hits_per_window_max: 128, ..Limits::default() };
    let mut correlator = bounded(vec![spraying()], limits);
    let mut fired = Vec::new();
    for account in 0..8 {
        let at = account * 40;
        let user = format!("user{account}");
        fired.extend(correlator.observe(&event(&user, at, "1", &user), &["ssh_failed"]));
        for n in 0..1_000 {
            let noise = event(&format!("root{at}-{n}"), at + 1 + n / 30, "1", "root");
            fired.extend(correlator.observe(&noise, &["ssh_failed"]));
        }
    }
    assert_eq!(fired[0].values, 8, "root and seven users");
    assert_eq!(fired[0].event_ids[0], "user0");
    assert!(fired[0].count > 6_000, "{}", fired[0].count);
}

#[test]
fn a_flood_on_one_group_keeps_firing_and_counting() {
    let limits = Limits { hits_per_window_max: 64, ..Limits::default() };
    let mut correlator = bounded(vec![brute_force(), break_in()], limits);
    let fired: Vec<_> = failures(&mut correlator, "1", 0..50)
        .into_iter()
        .chain((0..10_000).flat_map(|n| {
            let noise = event(&format!("n{n}"), 50 + n / 1_000, "1", "root");
            correlator.observe(&noise, &["ssh_failed"])
        }))
        .collect();
    assert_eq!(fired.last().map(|fired| fired.count), Some(10_050));
    assert_eq!(fired.last().map(|fired| fired.event_ids.len()), Some(crate::EVENT_IDS_MAX));
    let success = correlator.observe(&event("in", 100, "1", "root"), &["ssh_accepted"]);
    assert_eq!(success.len(), 1);
    assert_eq!(success[0].event_ids.last().map(String::as_str), Some("in"));
}

#[test]
fn hostile_text_is_cut_but_told_apart() {
    let mut rule = brute_force();
    rule.group_by = vec![field::USER_NAME.into()];
    rule.condition = at_least(2);
    let mut correlator = bounded(vec![rule], Limits::default());
    let long = "đ".repeat(10_000);
    let other = format!("{long}x");
    let mut run =
        |id: &str, user: &str| correlator.observe(&event(id, 0, "1", user), &["ssh_failed"]);
    assert!(run("1", &long).is_empty());
    assert!(run("2", &other).is_empty());
    let fired = run("3", &long);
    assert!(fired[0].group[0].1.len() <= 256);
}

#[test]
fn extreme_times_do_not_overflow() {
    let mut correlator = bounded(vec![brute_force(), spraying(), break_in()], Limits::default());
    for nanos in [i64::MIN, i64::MAX, 0, i64::MIN + 1, i64::MAX - 1] {
        let mut extreme = event(&nanos.to_string(), 0, "1", "root");
        extreme.time = Timestamp::from_nanos(nanos);
        correlator.observe(&extreme, &["ssh_failed", "ssh_accepted"]);
    }
    assert!(correlator.keys() > 0);
}
