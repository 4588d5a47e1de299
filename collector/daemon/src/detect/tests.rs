//! Tests of what becomes of hits: windows of repeats, and what must not leave the house.

mod told;

use super::*;

const RULES: &str = "
title: Marked
id: marked
name: the_marked
level: high
logsource: {product: linux}
detection: {one: {message|contains: mark}, condition: one}
custom: {vonglau: {forward: never, quarantine: true}}
---
title: Many marked
id: many
name: the_many
level: high
correlation: {type: event_count, rules: [the_marked], group-by: [host.name], timespan: 1h, condition: {gte: 2}}
---
title: Many of many
id: more
name: the_more
level: high
correlation: {type: event_count, rules: [the_many], group-by: [host.name], timespan: 1h, condition: {gte: 2}}
---
title: Loud
id: loud
name: the_loud
level: medium
logsource: {product: linux}
detection: {one: {message|contains: loud}, condition: one}
custom: {vonglau: {suppress: {for: 2h, by: [source.ip]}}}
";

fn detector() -> Detector {
    let loaded = rules_pack::load_texts([("rules.yml", RULES)]);
    assert_eq!((loaded.rules.len(), loaded.correlations.len()), (2, 2));
    let (detector, problems) = Detector::new(loaded);
    assert!(problems.is_empty(), "{problems:?}");
    detector
}

fn hit(rule: &'static str, number: i64, seconds: i64) -> Event {
    // A whole number of days: the start of every window.
    let time = Timestamp::from_seconds(20_000 * 86_400 + seconds);
    let mut event = Event::new(time, format!("{number:032x}"));
    event.set(field::RULE_ID, rule);
    event.set(field::AGENT_HOST, "web01");
    event.set(field::MESSAGE, "what was said");
    event
}

#[test]
fn what_a_rule_keeps_at_home_its_correlations_keep_too() {
    let detector = detector();
    for (rule, is_kept) in [("marked", true), ("many", true), ("more", true), ("loud", false)] {
        assert_eq!(detector.rules[rule].never_forward, is_kept, "{rule}");
    }
}

#[test]
fn the_alert_of_a_stub_says_where_the_record_lies_and_stays_at_home() {
    let mut event = hit("loud", 1, 0);
    event.set(QUARANTINED, true);
    event.set(field::LOG_FILE_PATH, "/var/log/app.log");
    event.set(field::LOG_OFFSET, 512);
    event.set("vonglau.quarantine.bytes", 40);
    let alerts = detector().judge(std::iter::once(&event));
    let (alert, _) = alerts.values().next().unwrap();
    assert!(alert.never_forward, "whatever the rules here say");
    assert!(alert.summary.ends_with("/var/log/app.log, byte 512, length 40"), "{}", alert.summary);
    assert!(!alert.summary.contains("what was said"));
}

#[test]
fn repeats_add_to_the_alert_of_their_window_on_whichever_lane() {
    let events: Vec<Event> = [(0, "a"), (10, "a"), (7_199, "a"), (20, "b"), (7_200, "a")]
        .into_iter()
        .zip(0..)
        .map(|((seconds, source), number)| {
            let mut event = hit("loud", number, seconds);
            event.set(field::SOURCE_IP, source);
            event.set(field::USER_NAME, format!("user {number}"));
            event.set("vonglau.suppressed", number > 0);
            event.set(field::VONGLAU_SYSTEM_ID, "lgsp");
            event
        })
        .collect();
    let alerts = detector().judge(events.iter());
    let mut found: Vec<_> =
        alerts.values().map(|(it, _)| (it.first.as_seconds() % 86_400, it.count)).collect();
    found.sort_unstable();
    assert_eq!(found, [(0, 3), (20, 1), (7_200, 1)]);
    assert!(alerts.values().all(|(it, _)| it.system.as_deref() == Some("lgsp")));
    let again: Vec<_> = detector().judge(events.iter()).into_keys().collect();
    assert_eq!(again, alerts.into_keys().collect::<Vec<_>>(), "the same alerts after a restart");
}
