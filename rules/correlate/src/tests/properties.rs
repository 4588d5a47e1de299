//! Properties: arrival order inside the timespan does not matter, nor does a restart.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// One generated event: when, by how much it is late, which address, account and rule.
type Draft = (i64, i64, u8, u8, u8);

const RULES: [&str; 3] = ["a", "b", "c"];
const TIMESPAN: i64 = 60;

fn rules() -> Vec<Correlation> {
    let timespan = TIMESPAN.unsigned_abs();
    let mut count = correlation("count", CorrelationKind::EventCount, &["a", "b"], timespan);
    count.condition = at_least(5);
    let mut values = correlation("values", CorrelationKind::ValueCount, &["a", "b"], timespan);
    values.condition = at_least(4);
    values.field = Some(field::USER_NAME.into());
    let any = correlation("any", CorrelationKind::Temporal, &["a", "b", "c"], timespan);
    let listed = correlation("listed", CorrelationKind::TemporalOrdered, &RULES, timespan);
    let nested = correlation("nested", CorrelationKind::TemporalOrdered, &["count", "c"], timespan);
    vec![nested, count, values, any, listed]
}

/// Up to 120 events inside one slot, each at most a timespan late.
fn drafts() -> impl Strategy<Value = Vec<Draft>> {
    let draft = (0..400_i64, 0..=TIMESPAN, 0..3_u8, 0..6_u8, 0..3_u8);
    proptest::collection::vec(draft, 0..120)
}

/// The last word on every key.
fn last_words(drafts: &[(usize, Draft)]) -> BTreeMap<String, Fired> {
    let mut correlator = correlator(rules());
    let mut said = BTreeMap::new();
    for (index, (at, _, ip, user, rule)) in drafts {
        let id = format!("e{index:03}");
        let seen = event(&id, *at, &format!("203.0.113.{ip}"), &format!("user{user}"));
        for fired in correlator.observe(&seen, &[RULES[usize::from(*rule)]]) {
            said.insert(fired.key.clone(), fired);
        }
    }
    said
}

/// What `event_count` should say, by looking at every window of every address.
fn counted_by_hand(drafts: &[(usize, Draft)]) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for ip in 0..3 {
        let mut times: Vec<i64> = drafts
            .iter()
            .filter(|(_, draft)| draft.2 == ip && draft.4 < 2)
            .map(|(_, draft)| draft.0)
            .collect();
        times.sort_unstable();
        let window = |end: i64| times.iter().filter(move |&&at| at <= end && at >= end - TIMESPAN);
        let full: Vec<i64> =
            times.iter().copied().filter(|&end| window(end).count() >= 5).collect();
        let held = times
            .iter()
            .filter(|&&at| full.iter().any(|&end| at <= end && at >= end - TIMESPAN))
            .count();
        if held > 0 {
            counts.insert(format!("203.0.113.{ip}"), held as u64);
        }
    }
    counts
}

proptest! {
    #[test]
    fn arrival_order_does_not_matter(drafts in drafts()) {
        let mut numbered: Vec<(usize, Draft)> = drafts.into_iter().enumerate().collect();
        numbered.sort_by_key(|(_, draft)| draft.0);
        let in_time = last_words(&numbered);
        let by_hand = counted_by_hand(&numbered);
        numbered.sort_by_key(|(_, draft)| draft.0 + draft.1);
        prop_assert_eq!(&last_words(&numbered), &in_time);

        let counted: BTreeMap<String, u64> = in_time
            .values()
            .filter(|fired| fired.correlation_id == "count")
            .map(|fired| (fired.group[0].1.clone(), fired.count))
            .collect();
        prop_assert_eq!(counted, by_hand);
    }

    #[test]
    fn repeated_delivery_changes_nothing(drafts in drafts()) {
        let mut numbered: Vec<(usize, Draft)> = drafts.into_iter().enumerate().collect();
        numbered.sort_by_key(|(_, draft)| draft.0);
        let once = last_words(&numbered);
        let twice: Vec<_> = numbered.iter().flat_map(|draft| [*draft, *draft]).collect();
        prop_assert_eq!(last_words(&twice), once);
    }

    /// A restart in the middle: a fresh correlator sees some of the past again, then the rest. It
    /// must not say anything under a key that the first one would not have used.
    #[test]
    fn a_restart_invents_no_key(drafts in drafts(), cut in 0..400_i64) {
        let mut numbered: Vec<(usize, Draft)> = drafts.into_iter().enumerate().collect();
        numbered.sort_by_key(|(_, draft)| draft.0);
        let all = last_words(&numbered);
        numbered.retain(|(_, draft)| draft.0 >= cut);
        for key in last_words(&numbered).keys() {
            prop_assert!(all.contains_key(key), "new key {}", key);
        }
    }
}
