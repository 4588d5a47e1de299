//! Floods: a million addresses seen once, and one attacker who is slow, within bounds of memory.

use std::collections::HashMap;

use rules_correlate::{Correlator, Fired, Limits};
use rules_event::{Event, Timestamp, field};
use rules_sigma::{Document, parse_file};

/// Bytes a group may take beside what it holds, as [`Limits::bytes_max`] says.
const BESIDE: usize = 100;
/// 2026-11-26T00:00:00Z.
const START: i64 = 1_795_651_200;
/// The one who is slow.
const SLOW: &str = "203.0.113.9";

fn correlator(kind: &str, condition: &str, limits: Limits) -> Correlator {
    let text = format!(
        "title: Flood\nid: 6f1d8f2e-2f4b-4f61-9a0e-7a8f5f0c1d2e\nlevel: medium\ncorrelation:\n  \
         type: {kind}\n  rules: [failed]\n  group-by: [source.ip]\n  timespan: 10m\n  condition: \
         {condition}\n"
    );
    let parsed = parse_file("flood.yml", &text);
    let correlations = parsed.documents.into_iter().filter_map(|document| match document {
        Document::Correlation(correlation) => Some(correlation),
        _ => None,
    });
    let names = HashMap::from([("failed".to_owned(), "failed".to_owned())]);
    let (correlator, problems) = Correlator::new(correlations.collect(), &names, limits);
    assert!(problems.is_empty(), "{problems:?}");
    correlator
}

fn event(number: u64, second: i64, ip: &str) -> Event {
    let time = Timestamp::from_seconds(START + second);
    let mut event = Event::new(time, format!("{number:032x}"));
    event.set(field::SOURCE_IP, ip.to_owned());
    event.set(field::USER_NAME, format!("user{number}"));
    event
}

/// A million addresses, one hit each, in nine minutes; every minute the slow one tries again.
fn flood(correlator: &mut Correlator) -> Vec<Fired> {
    let mut fired = Vec::new();
    let mut number = 0;
    for minute in 0..10 {
        number += 1;
        let slow = event(number, minute * 60, SLOW);
        fired.extend(correlator.observe(&slow, &["failed"]));
        if minute == 9 {
            break;
        }
        for n in 0..111_112_i64 {
            number += 1;
            let ip = format!("2001:db8:{minute}::{:x}:{:x}", n >> 16, n & 0xffff);
            let one = event(number, minute * 60 + n * 60 / 111_112, &ip);
            fired.extend(correlator.observe(&one, &["failed"]));
        }
    }
    fired
}

#[test]
fn a_million_addresses_do_not_wash_out_a_slow_one() {
    for (kind, condition) in
        [("event_count", "{ gte: 10 }"), ("value_count", "{ gte: 10, field: user.name }")]
    {
        let limits = Limits::default();
        let mut fired = Vec::new();
        let mut evicted = 0;
        let used = allocation_counter::measure(|| {
            let mut correlator = correlator(kind, condition, limits);
            fired = flood(&mut correlator);
            evicted = correlator.evicted();
            assert!(correlator.keys() <= limits.groups_max);
            assert!(correlator.bytes() <= limits.bytes_max);
        });
        assert_eq!(fired.len(), 1, "{kind}");
        assert_eq!(fired[0].group[0].1, SLOW);
        assert_eq!((fired[0].count, fired[0].estimated), (10, false));
        assert!(evicted > 700_000, "{kind}: {evicted}");
        let bound = limits.bytes_max + limits.groups_max * BESIDE;
        assert!(used.bytes_max <= bound as u64, "{kind}: {} bytes", used.bytes_max);
        eprintln!("{kind}: at most {} MiB, {evicted} evicted", used.bytes_max >> 20);
    }
}

#[test]
fn full_windows_stay_within_the_bytes() {
    let limits = Limits { bytes_max: 8 * 1024 * 1024, ..Limits::default() };
    for (kind, condition) in [
        ("event_count", "{ gte: 1000 }"),
        ("event_count", "{ gt: 1000, lt: 2000 }"),
        ("value_count", "{ gte: 1000, field: user.name }"),
        ("temporal", "{ gte: 1 }"),
        ("value_sum", "{ gt: 1000, field: destination.port }"),
    ] {
        let used = allocation_counter::measure(|| {
            let mut correlator = correlator(kind, condition, limits);
            let mut number = 0;
            for round in 0..300 {
                for host in 0..200 {
                    number += 1;
                    let mut one = event(number, round, &format!("10.0.0.{host}"));
                    one.set(field::DESTINATION_PORT, 443_i64);
                    correlator.observe(&one, &["failed"]);
                }
                assert!(correlator.bytes() <= limits.bytes_max, "{kind}");
            }
            eprintln!(
                "{kind}: {} keys {} bytes {} evicted",
                correlator.keys(),
                correlator.bytes(),
                correlator.evicted()
            );
        });
        // Beside the groups: what is made for one hit and let go, at most a window's worth.
        let bound = limits.bytes_max + 200 * BESIDE + 512 * 1024;
        assert!(used.bytes_max <= bound as u64, "{kind}: {} bytes", used.bytes_max);
    }
}

/// What is remembered of groups that have gone goes with them: memory is bound by the groups there are, not
/// by those there were.
#[test]
fn a_flood_within_small_bounds_stays_within_them() {
    let limits = Limits { groups_max: 4_000, bytes_max: 1024 * 1024, ..Limits::default() };
    for (kind, condition) in [
        ("event_count", "{ gte: 10 }"),
        ("value_count", "{ gte: 10, field: user.name }"),
        ("event_count", "{ gt: 10, lt: 20 }"),
    ] {
        let used = allocation_counter::measure(|| {
            let mut correlator = correlator(kind, condition, limits);
            for number in 0..200_000_u64 {
                let ip = format!("2001:db8::{:x}:{:x}", number >> 16, number & 0xffff);
                correlator.observe(&event(number, (number / 1_000) as i64, &ip), &["failed"]);
            }
        });
        // A chunk of groups more, and what is being made anew.
        let bound = limits.bytes_max + limits.groups_max * BESIDE + 512 * 1024;
        eprintln!("{kind} {condition}: at most {} KiB", used.bytes_max >> 10);
        assert!(used.bytes_max <= bound as u64, "{kind}: {} bytes", used.bytes_max);
    }
}
