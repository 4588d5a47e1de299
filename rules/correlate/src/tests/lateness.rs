//! What comes late, too late or from the future, and what waits to be certain.

use super::*;
use crate::Tardy;

fn range() -> Correlation {
    let mut rule = brute_force();
    rule.id = "range".into();
    rule.condition = bounds(&[(Comparison::Gte, 2.0), (Comparison::Lt, 4.0)]);
    rule
}

fn fail(correlator: &mut Correlator, at: i64, ip: &str) -> Vec<Fired> {
    correlator.observe(&event(&format!("{ip}@{at}"), at, ip, "root"), &["ssh_failed"])
}

#[test]
fn an_upper_bound_waits_until_no_earlier_hit_can_come() {
    let mut correlator = correlator(vec![range()]);
    assert!(fail(&mut correlator, 0, "1").is_empty());
    assert!(fail(&mut correlator, 10, "1").is_empty());
    // Others move time on: not far enough, then far enough.
    assert!(fail(&mut correlator, 310, "2").is_empty());
    let fired = correlator.advance(Timestamp::from_seconds(BASE + 311));
    assert_eq!(fired.len(), 1);
    assert_eq!((fired[0].count, &*fired[0].event_ids), (2, &["1@0".to_owned(), "1@10".into()][..]));
    assert!(correlator.finish().is_empty(), "one hit of '2' is below the range");
}

#[test]
fn what_is_late_is_counted_and_judged_with_what_is_left() {
    let mut correlator = correlator(vec![brute_force(), range()]);
    assert!(fail(&mut correlator, 0, "1").is_empty());
    assert!(fail(&mut correlator, 2_000, "1").is_empty());
    // Ten failures of half an hour ago, of a host that was cut off.
    let fired = failures(&mut correlator, "1", (500..510).rev());
    assert_eq!(fired.iter().filter(|it| it.correlation_id == "brute").count(), 1);
    assert_eq!(correlator.tardy(), Tardy { late: 10, ..Tardy::default() });
    // The live window was judged up to 2,000 seconds; a hit before that no longer counts there.
    correlator.advance(Timestamp::from_seconds(BASE + 2_400));
    fail(&mut correlator, 1_990, "1");
    assert_eq!(correlator.tardy(), Tardy { late: 11, too_late: 1, ahead: 0 });
}

#[test]
fn one_forged_date_does_not_make_all_else_late() {
    let mut correlator = correlator(vec![brute_force()]);
    correlator.clock(Timestamp::from_seconds(BASE));
    assert!(fail(&mut correlator, 9_000_000, "1").is_empty());
    assert_eq!(failures(&mut correlator, "1", 0..10).len(), 1);
    assert_eq!(correlator.tardy(), Tardy { ahead: 1, ..Tardy::default() });
}

#[test]
fn more_values_than_are_kept_are_estimated_and_say_so() {
    let mut correlator = correlator(vec![spraying()]);
    let mut last = None;
    for n in 0..20_000 {
        let attempt = event(&format!("e{n}"), n / 100, "1", &format!("user{n}"));
        last = correlator.observe(&attempt, &["ssh_failed"]).pop().or(last);
    }
    let last = last.unwrap();
    assert!(last.estimated && last.error > 0.0 && last.error < 0.2, "{last:?}");
    let off = last.values as f64 / 20_000.0 - 1.0;
    assert!(off.abs() < last.error, "{} values", last.values);
}

#[test]
fn those_who_count_a_correlation_may_group_by_another_field() {
    let mut by_user = correlation("by-user", CorrelationKind::EventCount, &["range"], 600);
    by_user.group_by = vec![field::USER_NAME.into()];
    by_user.condition = at_least(2);
    let mut correlator = correlator(vec![by_user, range()]);
    for at in [0, 10, 20] {
        correlator.observe(&event(&format!("e{at}"), at, "1", "vanthu"), &["ssh_failed"]);
    }
    let fired = correlator.finish();
    let said: Vec<_> = fired.iter().map(|it| (it.correlation_id.as_str(), it.count)).collect();
    assert_eq!(said, [("range", 3), ("by-user", 2)]);
    assert_eq!(fired[1].group[0].1, "vanthu");
}
