//! Local: what one host may decide for itself.

use proptest::prelude::*;

use super::properties::{RULES, drafted, drafts, fresh, numbered};
use super::*;
use crate::{EventId, Noted, decided_by_one_host, text_of};

/// The ids that stay on the host.
fn here(correlations: &[Correlation]) -> Vec<String> {
    let kept = decided_by_one_host(correlations, &names());
    kept.into_iter().map(|it| it.id).collect()
}

#[test]
fn what_only_grows_is_decided_here_and_what_counts_hosts_is_not() {
    let mut on_hosts = spraying();
    on_hosts.id = "on-hosts".into();
    on_hosts.fields = vec![field::AGENT_HOST.into()];
    let mut on_host_and_user = on_hosts.clone();
    on_host_and_user.id = "on-host-and-user".into();
    on_host_and_user.fields.push(field::USER_NAME.into());
    let after_hosts = correlation("after-hosts", CorrelationKind::Temporal, &["on-hosts", "a"], 60);
    let mut too_few = brute_force();
    too_few.id = "too-few".into();
    too_few.condition = bounds(&[(Comparison::Lt, 3.0)]);
    let mut too_few_here = too_few.clone();
    too_few_here.id = "too-few-here".into();
    too_few_here.group_by.push(field::AGENT_HOST.into());
    let mut sum = correlation("sum", CorrelationKind::ValueSum, &["a"], 60);
    sum.fields = vec!["source.bytes".into()];
    let mut small_sum = sum.clone();
    small_sum.id = "small-sum".into();
    small_sum.condition = bounds(&[(Comparison::Lte, 5.0)]);
    let all = [
        after_hosts,
        brute_force(),
        spraying(),
        break_in(),
        on_hosts,
        on_host_and_user,
        too_few,
        too_few_here,
        sum,
        small_sum,
    ];
    let expected = ["brute", "spray", "break-in", "on-host-and-user", "too-few-here", "sum"];
    assert_eq!(here(&all), expected);
}

#[test]
fn an_alias_is_looked_through() {
    let mut by_alias = spraying();
    by_alias.fields = vec!["where".into()];
    let alias = |field: &str| Alias {
        name: "where".into(),
        fields: vec![("ssh_failed".into(), field.into())],
    };
    by_alias.aliases = vec![alias(field::AGENT_HOST)];
    assert!(here(&[by_alias.clone()]).is_empty());
    by_alias.aliases = vec![alias(field::USER_NAME)];
    assert_eq!(here(&[by_alias]).len(), 1);
}

/// The two sides of an attack: each host says what the collector says, under the same key.
#[test]
fn a_host_fires_only_under_keys_of_the_whole() {
    let (mut one, mut other) = (correlator(vec![brute_force()]), correlator(vec![brute_force()]));
    let mut whole = correlator(vec![brute_force()]);
    let (mut keys, mut all_keys) = (Vec::new(), Vec::new());
    for n in 0..30 {
        let hit = event(&format!("e{n}"), n, "203.0.113.9", "root");
        let host = if n % 3 == 0 { &mut one } else { &mut other };
        keys.extend(host.observe(&hit, &["ssh_failed"]).into_iter().map(|it| it.key));
        all_keys.extend(whole.observe(&hit, &["ssh_failed"]).into_iter().map(|it| it.key));
    }
    assert!(!keys.is_empty() && keys.iter().all(|key| all_keys.contains(key)));
}

#[test]
fn what_is_read_in_hits_is_told_by_rule() {
    let correlator = correlator(vec![brute_force(), spraying(), break_in()]);
    let wanted = correlator.wanted();
    let rules: Vec<&str> = wanted.iter().map(|it| it.rule.as_str()).collect();
    assert_eq!(rules, ["ssh_accepted", "ssh_failed"]);
    let has = |index: usize, field: &str| wanted[index].fields.iter().any(|it| it == field);
    assert!(has(0, field::SOURCE_IP) && has(0, field::USER_NAME) && has(0, field::AGENT_HOST));
    assert!(has(1, field::SOURCE_IP) && has(1, field::USER_NAME));
    assert!(!correlator.waits());
}

/// What is due at one moment is said in any order.
fn in_order(mut said: Vec<Fired>) -> Vec<Fired> {
    said.sort_by(|a, b| a.key.cmp(&b.key));
    said
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..Default::default() })]

    /// Every kind, with hits that come late: what a host counts of the few fields it writes down, with
    /// what its events have in common said once, is word for word what the collector counts of the events.
    /// Who wants no news of what was told hears nothing else, and the same when it does.
    #[test]
    fn a_hit_written_down_counts_as_its_event(drafts in drafts(), hushed in any::<bool>()) {
        let mut drafts = numbered(drafts);
        drafts.sort_by_key(|(_, draft)| draft.0 + draft.1);
        let (mut whole, mut host) = (fresh(), fresh());
        host.set_constants(vec![(field::ORGANIZATION_ID.to_owned(), "H99".to_owned())]);
        let wanted = host.wanted();
        for (index, draft) in drafts {
            let mut event = drafted(index, draft);
            event.set(field::ORGANIZATION_ID, "H99");
            let rule = RULES[usize::from(draft.4)];
            let read = wanted.iter().find(|it| it.rule == rule).expect("a rule of ours");
            let names = read.fields.iter().filter(|name| *name != field::ORGANIZATION_ID);
            let texts: Vec<(String, String)> = names
                .filter_map(|name| Some((name.clone(), text_of(&event, name)?.into_owned())))
                .collect();
            let fields: Vec<(&str, &str)> =
                texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
            let id = EventId::new(&event.id);
            let noted = Noted { time: event.time, id, repeats: 1, fields: &fields };
            let listeners = [host.listeners(rule)];
            let heard = host.observe_noted(&noted, &listeners);
            let mut expected = whole.observe(&event, &[rule]);
            if hushed {
                for (index, fired) in heard.iter().enumerate() {
                    host.quiet(index, fired.count + 2, event.time.saturating_add(Duration::from_secs(30)));
                }
                expected.retain(|it| heard.iter().any(|other| other.key == it.key));
            }
            prop_assert_eq!(in_order(heard), in_order(expected));
        }
        if !hushed {
            prop_assert_eq!(in_order(host.finish()), in_order(whole.finish()));
        }
    }
}
