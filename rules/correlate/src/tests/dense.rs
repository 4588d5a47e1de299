//! Dense floods: many hits of one address in one moment cost no more than as many over an hour.

use super::*;
use crate::steps;

/// A kind of correlation, and what of the hits differs.
type Kind = (&'static str, Correlation, bool);

fn kinds() -> Vec<Kind> {
    let mut high = brute_force();
    high.condition = at_least(3_000);
    let mut sum = correlation("sum", CorrelationKind::ValueSum, &["ssh_failed"], 120);
    sum.fields = vec!["source.port".into()];
    sum.condition = bounds(&[(Comparison::Gt, 1e9)]);
    let mut either = correlation("either", CorrelationKind::Temporal, &["ssh_failed", "a"], 120);
    either.condition = at_least(1);
    vec![
        ("a count that fires", brute_force(), false),
        ("a count that does not", high, false),
        ("one account", spraying(), false),
        ("many accounts", spraying(), true),
        ("rules", either, false),
        ("a sum", sum, false),
    ]
}

/// Steps a hit for so many hits in one second; ids are as scattered as ours.
fn steps_a_hit(rule: &Correlation, hits: u64, by_user: bool) -> f64 {
    let mut correlator = correlator(vec![rule.clone()]);
    for n in 0..50_u64 {
        let one = event(&format!("{n:032x}"), 0, "203.0.113.9", "root");
        correlator.observe(&one, &["ssh_failed"]);
    }
    steps::take();
    for n in 0..hits {
        let id = u128::from(n + 99).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let user = if by_user { format!("user{}", n * 7 % 3_001) } else { "root".to_owned() };
        let mut one = event(&format!("{id:032x}"), 1, "203.0.113.9", &user);
        one.set("source.port", 1_i64);
        correlator.observe(&one, &["ssh_failed"]);
    }
    steps::take() as f64 / hits as f64
}

#[test]
fn a_flood_of_one_address_in_one_second_is_not_quadratic() {
    for (name, rule, by_user) in kinds() {
        let [few, many] = [1_000, 16_000].map(|hits| steps_a_hit(&rule, hits, by_user));
        eprintln!("{name}: {few:.1} steps a hit of 1,000, {many:.1} of 16,000");
        assert!(many < 40.0, "{name}: {many:.1} steps a hit");
    }
}

/// Whatever order the hits of a moment come in, and however many of them come again.
#[test]
fn a_moment_counts_each_hit_once() {
    let fired = |order: &dyn Fn(u64) -> u64| {
        let mut correlator = correlator(vec![brute_force(), spraying()]);
        let mut last = HashMap::new();
        for n in 0..3_000 {
            let n = order(n) % 1_500;
            let id = format!("{:032x}", u128::from(n + 1) << 64);
            let one = event(&id, 0, "203.0.113.9", &format!("user{}", n % 20));
            for fired in correlator.observe(&one, &["ssh_failed"]) {
                last.insert(
                    fired.correlation_id.clone(),
                    (fired.count, fired.values, fired.event_ids),
                );
            }
        }
        last
    };
    let in_order = fired(&|n| n);
    assert_eq!((in_order["brute"].0, in_order["brute"].1), (1_500, 0));
    assert_eq!((in_order["spray"].0, in_order["spray"].1), (1_500, 20));
    assert_eq!(fired(&|n| 2_999 - n), in_order);
    assert_eq!(fired(&|n| n * 707), in_order);
}
