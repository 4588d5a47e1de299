//! Properties: arrival order inside the lateness does not matter, nor does a restart or a repeat.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rules_sigma::RuleExpression;

use super::*;

/// One generated event: when, by how much it is late, which address, account, rule and number.
pub(super) type Draft = (i64, i64, u8, u8, u8, i8);

pub(super) const RULES: [&str; 3] = ["a", "b", "c"];
const TIMESPAN: i64 = 60;
/// As late as an event may be.
const LATENESS: i64 = 45;
/// What `value_sum` and its like look at.
const NUMBER: &str = "http.response.bytes";

/// Every kind, with conditions that are decided at once and such that wait.
fn rules() -> Vec<Correlation> {
    use Comparison::{Eq, Gt, Gte, Lt, Lte, Neq};
    use CorrelationKind::*;
    use RuleExpression::{And, Not, Or, Rule};
    let timespan = TIMESPAN.unsigned_abs();
    let mut made = Vec::new();
    let mut add = |id: &str, kind, rules: &[&str], condition, field: &str| {
        let mut rule = correlation(id, kind, rules, timespan);
        rule.condition = condition;
        rule.fields = if field.is_empty() { Vec::new() } else { vec![field.into()] };
        made.push(rule);
    };
    let user = field::USER_NAME;
    let names = |expression| CorrelationCondition::Rules(expression);
    let not = |place| Not(Box::new(Rule(place)));
    add("nested", TemporalOrdered, &["count", "c"], at_least(2), "");
    add("nested-wait", EventCount, &["range", "average", "c"], at_least(3), "");
    add("nested-twice", ValueCount, &["range", "nested"], bounds(&[(Eq, 2.0)]), user);
    add("count", EventCount, &["a", "b"], at_least(5), "");
    add("range", EventCount, &["a", "b"], bounds(&[(Gt, 2.0), (Lte, 4.0)]), "");
    add("exact", EventCount, &["a"], bounds(&[(Eq, 3.0)]), "");
    add("few", EventCount, &["b"], bounds(&[(Lt, 3.0)]), "");
    add("values", ValueCount, &["a", "b"], at_least(4), user);
    add("values-not", ValueCount, &["a", "b"], bounds(&[(Neq, 2.0), (Gte, 2.0)]), user);
    add("any", Temporal, &RULES, at_least(3), "");
    add("two", Temporal, &RULES, at_least(2), "");
    add("either", Temporal, &RULES, names(And(vec![Rule(0), Or(vec![Rule(1), Rule(2)])])), "");
    add("without", Temporal, &RULES, names(And(vec![Rule(0), Rule(1), not(2)])), "");
    add("listed", TemporalOrdered, &RULES, at_least(3), "");
    add("listed-two", TemporalOrdered, &RULES, at_least(2), "");
    add("listed-not", TemporalOrdered, &RULES, names(And(vec![Rule(0), Rule(1), not(2)])), "");
    add("sum", ValueSum, &["a", "b"], bounds(&[(Gt, 100.0)]), NUMBER);
    add("average", ValueAvg, &["a", "b"], bounds(&[(Lt, -3.5)]), NUMBER);
    add("median", ValueMedian, &["a", "b", "c"], bounds(&[(Gte, 10.0)]), NUMBER);
    add("high", ValuePercentile, &["a", "b"], bounds(&[(Gt, 60.0)]), NUMBER);
    add("rare", ValuePercentile, &["a", "b"], bounds(&[(Lte, 25.0)]), user);
    for rule in &mut made {
        if rule.id == "high" {
            rule.percentile = Some(90.0);
        }
    }
    made
}

/// Up to 150 events, each at most the lateness late, over the end of a slot.
pub(super) fn drafts() -> impl Strategy<Value = Vec<Draft>> {
    let start: i64 = 50 * 60 - 200;
    let draft = (start..start + 400, 0..=LATENESS, 0..3_u8, 0..6_u8, 0..3_u8, any::<i8>());
    proptest::collection::vec(draft, 0..150)
}

pub(super) fn fresh() -> Correlator {
    let limits = Limits { lateness: Duration::from_secs(LATENESS as u64), ..Limits::default() };
    let (correlator, problems) = Correlator::new(rules(), &names(), limits);
    assert!(problems.is_empty(), "{problems:?}");
    correlator
}

pub(super) fn drafted(index: usize, (at, _, ip, user, _, number): Draft) -> Event {
    let (ip, user) = (format!("203.0.113.{ip}"), format!("user{user}"));
    let mut seen = event(&format!("e{index:03}"), at, &ip, &user);
    seen.set(NUMBER, i64::from(number));
    seen.set(field::AGENT_ID, format!("agent-{index}"));
    seen
}

/// The last word on every key; and that nobody came too late.
fn last_words(drafts: &[(usize, Draft)]) -> BTreeMap<String, Fired> {
    let mut correlator = fresh();
    let mut said = BTreeMap::new();
    let mut keep = |all: Vec<Fired>| {
        for mut fired in all {
            // Counts know the witness of a hit only while it is observed.
            if matches!(fired.correlation_id.as_str(), "count" | "nested-wait" | "values") {
                fired.witness = Default::default();
            }
            said.insert(fired.key.clone(), fired);
        }
    };
    for (index, draft) in drafts {
        keep(correlator.observe(&drafted(*index, *draft), &[RULES[usize::from(draft.4)]]));
    }
    keep(correlator.finish());
    assert_eq!(correlator.tardy(), crate::Tardy::default());
    said
}

pub(super) fn numbered(drafts: Vec<Draft>) -> Vec<(usize, Draft)> {
    let mut numbered: Vec<(usize, Draft)> = drafts.into_iter().enumerate().collect();
    numbered.sort_by_key(|(_, draft)| draft.0);
    numbered
}

/// What each alert should count, by looking at every window of every address.
fn counted_by_hand(
    drafts: &[(usize, Draft)],
    rules: std::ops::Range<u8>,
    full: impl Fn(&[&Draft]) -> bool,
) -> Vec<u64> {
    let mut counts = Vec::new();
    for ip in 0..3 {
        let of_ip = |draft: &&Draft| draft.2 == ip && rules.contains(&draft.4);
        let mut hits: Vec<&Draft> = drafts.iter().map(|(_, draft)| draft).filter(of_ip).collect();
        hits.sort_by_key(|draft| draft.0);
        let within = |at: i64, end: i64| at <= end && at >= end - TIMESPAN;
        let ends: Vec<i64> = hits
            .iter()
            .map(|draft| draft.0)
            .filter(|&end| {
                let window: Vec<&Draft> =
                    hits.iter().copied().filter(|draft| within(draft.0, end)).collect();
                full(&window)
            })
            .collect();
        let slot = |at: i64| (BASE + at).div_euclid(3_600);
        let mut slots: Vec<i64> = ends.iter().map(|&end| slot(end)).collect();
        slots.sort_unstable();
        slots.dedup();
        for this in slots {
            let counted =
                |draft: &&&Draft| ends.iter().any(|&end| slot(end) == this && within(draft.0, end));
            counts.push(hits.iter().filter(counted).count() as u64);
        }
    }
    counts.sort_unstable();
    counts
}

fn counts_of(said: &BTreeMap<String, Fired>, id: &str) -> Vec<u64> {
    let mut counts: Vec<u64> =
        said.values().filter(|it| it.correlation_id == id).map(|it| it.count).collect();
    counts.sort_unstable();
    counts
}

fn distinct(window: &[&Draft]) -> usize {
    window.iter().map(|draft| draft.3).collect::<std::collections::BTreeSet<_>>().len()
}

fn sorted(window: &[&Draft]) -> Vec<f64> {
    let mut numbers: Vec<f64> = window.iter().map(|draft| f64::from(draft.5)).collect();
    numbers.sort_by(f64::total_cmp);
    numbers
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() })]

    #[test]
    fn arrival_order_does_not_matter(drafts in drafts()) {
        let mut drafts = numbered(drafts);
        let in_time = last_words(&drafts);
        drafts.sort_by_key(|(_, draft)| draft.0 + draft.1);
        prop_assert_eq!(&last_words(&drafts), &in_time);
    }

    #[test]
    fn every_kind_says_what_a_look_at_each_window_says(drafts in drafts()) {
        let drafts = numbered(drafts);
        let said = last_words(&drafts);
        let check = |id: &str, rules, full: &dyn Fn(&[&Draft]) -> bool| {
            prop_assert_eq!(counts_of(&said, id), counted_by_hand(&drafts, rules, full), "{}", id);
            Ok(())
        };
        let sum = |window: &[&Draft]| sorted(window).iter().sum::<f64>();
        check("count", 0..2, &|window| window.len() >= 5)?;
        check("range", 0..2, &|window| window.len() > 2 && window.len() <= 4)?;
        check("exact", 0..1, &|window| window.len() == 3)?;
        check("few", 1..2, &|window| window.len() < 3)?;
        check("values", 0..2, &|window| distinct(window) >= 4)?;
        check("values-not", 0..2, &|window| distinct(window) > 2)?;
        check("sum", 0..2, &|window| sum(window) > 100.0)?;
        check("average", 0..2, &|window| sum(window) / (window.len() as f64) < -3.5)?;
        check("median", 0..3, &|window| {
            let numbers = sorted(window);
            let middle = numbers.len() / 2;
            let odd = numbers.len() % 2 == 1;
            let lower = if odd { numbers[middle] } else { numbers[middle - 1] };
            f64::midpoint(lower, numbers[middle]) >= 10.0
        })?;
        let hit = |window: &[&Draft]| {
            window.iter().fold([false; 3], |mut hit, draft| {
                hit[usize::from(draft.4)] = true;
                hit
            })
        };
        check("any", 0..3, &|window| hit(window) == [true; 3])?;
        check("two", 0..3, &|window| hit(window).iter().filter(|hit| **hit).count() >= 2)?;
        check("either", 0..3, &|window| hit(window)[0] && (hit(window)[1] || hit(window)[2]))?;
        check("without", 0..3, &|window| hit(window) == [true, true, false])?;
    }

    #[test]
    fn repeated_delivery_changes_nothing(drafts in drafts()) {
        let drafts = numbered(drafts);
        let once = last_words(&drafts);
        let twice: Vec<_> = drafts.iter().flat_map(|draft| [*draft, *draft]).collect();
        prop_assert_eq!(last_words(&twice), once);
    }

    /// A restart in the middle: a fresh correlator sees some of the past again, then the rest. What
    /// is decided at once is never said under a key that the first one would not have used.
    #[test]
    fn a_restart_invents_no_key(drafts in drafts(), cut in 2_800..3_200_i64) {
        let mut drafts = numbered(drafts);
        let all = last_words(&drafts);
        drafts.retain(|(_, draft)| draft.0 >= cut);
        for (key, fired) in last_words(&drafts) {
            let waits = !matches!(
                fired.correlation_id.as_str(),
                "count" | "values" | "any" | "two" | "either" | "listed" | "listed-two" | "nested"
            );
            prop_assert!(waits || all.contains_key(&key), "new key {} of {}", key, fired.correlation_id);
        }
    }
}
