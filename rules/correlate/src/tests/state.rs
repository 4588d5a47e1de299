//! State: what was saved goes on as if it had never been interrupted.

use proptest::prelude::*;

use super::properties::{RULES, drafted, drafts, fresh, numbered};
use super::*;
use crate::bytes::Reader;

/// What is due at one moment is said in any order.
fn sorted(mut said: Vec<Fired>) -> Vec<Fired> {
    said.sort_by(|a, b| a.key.cmp(&b.key));
    said
}

/// Hits of one address in a row, so that windows are large enough to be thinned and sketched.
fn flood(correlator: &mut Correlator, hits: std::ops::Range<i64>) -> Vec<Fired> {
    hits.flat_map(|n| {
        let user = format!("user{n}");
        correlator.observe(&event(&format!("f{n}"), n / 50, "203.0.113.9", &user), &["ssh_failed"])
    })
    .collect()
}

fn small() -> Correlator {
    let limits = Limits { hits_per_window_max: 256, ..Limits::default() };
    let rules = vec![brute_force(), spraying(), break_in()];
    let (correlator, problems) = Correlator::new(rules, &names(), limits);
    assert!(problems.is_empty(), "{problems:?}");
    correlator
}

/// A correlator that knows what another one knew.
fn taken_over(from: &Correlator, mut into: Correlator) -> Correlator {
    assert_eq!(into.load(&from.save()), Some(from.keys()));
    assert_eq!(into.keys(), from.keys());
    into
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() })]

    /// Every kind, cut anywhere, with hits that come late: every word said after is the same.
    #[test]
    fn an_interruption_changes_no_word(drafts in drafts(), cut in 0..150_usize) {
        let mut drafts = numbered(drafts);
        drafts.sort_by_key(|(_, draft)| draft.0 + draft.1);
        let mut whole = fresh();
        let mut cut_short = fresh();
        for (count, (index, draft)) in drafts.iter().enumerate() {
            if count == cut {
                cut_short = taken_over(&cut_short, fresh());
            }
            let (event, rule) = (drafted(*index, *draft), RULES[usize::from(draft.4)]);
            let said = sorted(whole.observe(&event, &[rule]));
            let again = sorted(cut_short.observe(&event, &[rule]));
            prop_assert_eq!(again, said, "after {} of {}", count, cut);
        }
        prop_assert_eq!(sorted(cut_short.finish()), sorted(whole.finish()));
    }

    /// Nothing that stands in its place is taken for a state, and nothing panics.
    #[test]
    fn broken_bytes_are_refused_or_harmless(at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut correlator = small();
        flood(&mut correlator, 0..300);
        let mut saved = correlator.save();
        let place = at.index(saved.len());
        prop_assert_eq!(small().load(&saved[..place]), None, "cut at {}", place);
        saved[place] = to;
        let mut other = small();
        other.load(&saved);
        flood(&mut other, 300..600);
    }
}

#[test]
fn sketches_thinned_windows_and_alerts_go_on() {
    let (mut whole, mut cut_short) = (small(), small());
    assert_eq!(flood(&mut whole, 0..2_000), flood(&mut cut_short, 0..2_000));
    let mut cut_short = taken_over(&cut_short, small());
    let bytes = (whole.bytes() as f64, cut_short.bytes() as f64);
    // Tables of what was seen are not kept: they are made again when they are needed.
    assert!((bytes.1 / bytes.0 - 1.0).abs() < 0.5, "accounted for alike: {bytes:?}");
    let said = flood(&mut whole, 2_000..2_500);
    assert!(said.iter().any(|fired| fired.estimated), "large enough to be estimated");
    assert_eq!(flood(&mut cut_short, 2_000..2_500), said);
}

#[test]
fn a_changed_correlation_begins_anew_and_the_others_go_on() {
    let mut before = correlator(vec![brute_force(), spraying()]);
    failures(&mut before, "203.0.113.9", 0..9);
    let mut stricter = spraying();
    stricter.condition = at_least(9);
    let mut after = correlator(vec![stricter, brute_force()]);
    assert_eq!(after.load(&before.save()), Some(1));
    assert_eq!(after.keys(), 1);
    let fired = failures(&mut after, "203.0.113.9", 9..10);
    assert_eq!(fired.iter().map(|it| it.count).collect::<Vec<_>>(), [10]);
}

#[test]
fn a_state_is_smaller_than_what_it_describes() {
    let mut correlator = correlator(vec![brute_force(), spraying(), break_in()]);
    for n in 0..20_000 {
        let ip = format!("10.{}.{}.{}", n / 65_536, n / 256 % 256, n % 256);
        let id = format!("{n:032x}");
        correlator.observe(&event(&id, n / 200, &ip, "root"), &["ssh_failed"]);
    }
    let (bytes, saved) = (correlator.bytes(), correlator.save());
    eprintln!("{} groups of {bytes} bytes are saved in {}", correlator.keys(), saved.len());
    assert!(saved.len() * 2 < bytes, "{} of {bytes}", saved.len());
    assert!(!Reader::new(&saved).is_empty());
}
