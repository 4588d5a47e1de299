//! Tests of what a host tells of its own correlations: with what is counted here it makes one alert.

use std::time::Duration;

use rules_correlate::told::Guide;

use super::super::*;

const RULES: &str = "
title: Failed login
id: failed
name: failed
logsource: {product: linux, service: sshd}
detection: {s: {message|contains: Failed}, condition: s}
level: informational
---
title: Brute force
id: brute
correlation: {type: event_count, rules: [failed], group-by: [source.ip], timespan: 10m, condition: {gte: 5}}
level: high
custom: {vonglau: {title_vi: Dò mật khẩu, incident_type: N4}}
";
const START: i64 = 1_795_248_600;

fn detector(rules: &str) -> Detector {
    Detector::new(rules_pack::load_texts([("rules.yml", rules)])).0
}

fn hit(number: i64) -> Event {
    let at = Timestamp::from_seconds(START + number);
    let mut event = Event::new(at, format!("{number:032x}"));
    for (name, value) in [
        (field::SOURCE_IP, "203.0.113.9"),
        (field::AGENT_ID, "a1"),
        (field::AGENT_HOST, "web"),
        (field::RULE_ID, "failed"),
    ] {
        event.set_text(name, value);
    }
    event
}

/// What the host makes of so many hits.
fn told(hits: i64) -> Event {
    let loaded = rules_pack::load_texts([("rules.yml", RULES)]);
    let (mut host, _) =
        Correlator::new(loaded.correlations.clone(), &loaded.ids_by_name(), Limits::default());
    let fired = (0..hits).flat_map(|n| host.observe(&hit(n), &["failed"])).last();
    let told = Told {
        fired: fired.expect("it fires"),
        revision: 0,
        title: "Brute force".to_owned(),
        level: Level::High,
        techniques: vec!["T1110".to_owned()],
        timespan: Duration::from_secs(600),
        never_forward: true,
        guide: Guide { title_vi: Some("Dò trên máy".to_owned()), ..Guide::default() },
        lines: vec!["a line".to_owned()],
    };
    let mut event = Event::new(Timestamp::default(), format!("told-{hits}"));
    event.set_text(field::AGENT_ID, "a1");
    event.set_text(field::AGENT_HOST, "web");
    told.write(&mut event);
    event
}

fn judge(detector: &mut Detector, events: &[Event]) -> BTreeMap<String, (Alert, Tally)> {
    detector.judge(events.iter())
}

#[test]
fn whoever_tells_it_first_it_is_one_alert_with_all_the_evidence() {
    let hits: Vec<Event> = (0..6).map(hit).collect();
    let (told, mut both) = (told(5), hits.clone());
    both.push(told.clone());
    let mut first = vec![told.clone()];
    first.extend(hits.clone());
    for together in [&both, &first] {
        let alerts = judge(&mut detector(RULES), together);
        assert_eq!(alerts.len(), 1, "{alerts:?}");
        let (alert, tally) = alerts.values().next().unwrap();
        assert_eq!((alert.count, *tally), (6, Tally::Total), "the larger count is the truth");
        assert_eq!(alert.title_vi, "Dò mật khẩu", "facts are those of the collector's own rule");
        assert!(alert.event_ids.contains(&told.id), "{:?}", alert.event_ids);
        assert!(hits.iter().all(|hit| alert.event_ids.contains(&hit.id)));
        assert_eq!(alert.agents, ["a1"]);
        assert!(!alert.never_forward, "by the collector's own rule");
    }
    // In different ranges: the same id, so that the second is news of the first.
    let mut apart = detector(RULES);
    let by_host = judge(&mut apart, std::slice::from_ref(&told));
    let by_us = judge(&mut apart, &hits);
    assert_eq!(by_host.keys().collect::<Vec<_>>(), by_us.keys().collect::<Vec<_>>());
    let (alert, _) = by_host.values().next().unwrap();
    assert_eq!(alert.entity.source_ip.as_deref(), Some("203.0.113.9"));
    assert_eq!((alert.count, alert.event_ids[0].as_str()), (5, told.id.as_str()));
}

#[test]
fn a_rule_that_only_the_host_has_is_raised_by_what_it_says() {
    let mut without = detector(
        "title: T\nid: other\nlogsource: {product: linux}\ndetection: {s: {a: b}, condition: s}\nlevel: low\n",
    );
    let alerts = judge(&mut without, &[told(5)]);
    assert_eq!(alerts.len(), 1);
    let (alert, _) = alerts.values().next().unwrap();
    assert_eq!((alert.title.as_str(), alert.level), ("Brute force", Level::High));
    assert_eq!(alert.title_vi, "Dò trên máy");
    assert_eq!(alert.techniques, ["T1110"]);
    assert!(alert.never_forward, "what the host holds back is held back");
    let known = judge(&mut detector(RULES), &[told(5)]);
    assert_eq!(known.keys().next(), alerts.keys().next(), "it would be the same alert");
}
