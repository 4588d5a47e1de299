//! What becomes of events through the whole pipeline: lanes, repeats, policies of inputs, stubs.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use agent_inputs::{
    Entry, FilesConfig, Format, InputsConfig, Item, Line, Lines, Sample, Ship, SourceMeta,
};
use agent_pipeline::{AgentFacts, Fate, Flow, Ids, Pipeline, Reason, Scratch, digest_key};
use rules_event::{Event, Timestamp, field};
use rules_matcher::RuleSet;
use rules_sigma::{Document, parse_file};

const RULES: &str = "
title: Loud
id: loud
level: medium
logsource: {product: linux}
detection: {one: {message|contains: loud}, condition: one}
custom: {vonglau: {suppress: {for: 1h, by: [host.hostname]}}}
---
title: Base
id: base
level: informational
logsource: {product: linux}
detection: {one: {message|contains: base}, condition: one}
---
title: Secret
id: secret
level: low
logsource: {product: linux}
detection: {one: {message|contains: secret}, condition: one}
custom: {vonglau: {quarantine: true, forward: never}}
---
title: Secret file
id: file
level: high
logsource: {product: vonglau, service: vonglau.file}
detection: {one: {file.path|contains: secret}, condition: one}
custom: {vonglau: {quarantine: true, forward: never}}
";

fn pipeline(ship: Ship) -> (Pipeline, u16) {
    let parsed = parse_file("rules.yml", RULES);
    let rules = parsed.documents.into_iter().filter_map(|document| match document {
        Document::Rule(rule) => Some(rule),
        _ => None,
    });
    let (set, problems) = RuleSet::compile(rules.collect());
    assert!(problems.is_empty() && set.rules().len() == 4, "{problems:?}");
    let mut inputs = InputsConfig { files: vec![FilesConfig::default()], ..Default::default() };
    (inputs.files[0].policy.ship, inputs.files[0].policy.sample) = (ship, 0);
    let flow = Flow::new(inputs.policies());
    let facts = AgentFacts {
        agent_id: [1; 16],
        agent_id_text: "01".repeat(16),
        host: "web01".to_owned(),
        organization: None,
        system: None,
        timezone: agent_pipeline::timezone("+07:00").unwrap(),
    };
    let pipeline = Pipeline::new(facts, Some(Arc::clone(set.matcher())))
        .with_flow(Arc::new(flow))
        .with_digest_key(digest_key(&[9; 32]));
    (pipeline, inputs.files[0].policy.number)
}

fn judge(pipeline: &Pipeline, item: Item) -> Vec<(Fate, bool, Event)> {
    judge_with(pipeline, item, Ids::All)
}

fn judge_with(pipeline: &Pipeline, item: Item, ids: Ids) -> Vec<(Fate, bool, Event)> {
    let (mut scratch, mut found) = (Scratch::default(), Vec::new());
    scratch.identify(ids);
    let judged = pipeline.process(item, &mut scratch, |it| {
        found.push((it.fate, it.quarantined, it.event.clone()));
        Ok::<_, ()>(())
    });
    judged.unwrap();
    found
}

fn lines(policy: u16, texts: &[&str]) -> Item {
    let source = SourceMeta {
        key: "file:1".to_owned(),
        path: Some("/var/log/app.log".to_owned()),
        policy,
        ..SourceMeta::default()
    };
    let mut all = Lines::new(Arc::new(source), Timestamp::from_seconds(1_795_600_000));
    let mut offset = 0;
    for text in texts {
        all.push(Line { offset, bytes: text.as_bytes(), truncated: false });
        offset += text.len() as u64 + 1;
    }
    Item::Lines(all)
}

const TEXTS: [&str; 7] = [
    "Nov 21 08:00:00 one app: loud",
    "Nov 21 08:10:00 one app: loud again",
    "Nov 21 08:10:00 two app: loud",
    "Nov 21 09:00:00 one app: loud base",
    "Nov 21 09:00:01 one app: base",
    "Nov 21 09:00:02 one app: nothing",
    "Nov 21 09:00:03 one app: secret",
];

#[test]
fn an_id_is_made_where_it_is_asked_for_and_always_the_same() {
    for (ship, ids, made) in [
        (Ship::All, Ids::Needed, &[false, false, false, false, false, false, true][..]),
        (Ship::All, Ids::Hits, &[true, true, true, true, true, false, true]),
        (Ship::Matched, Ids::Needed, &[true; 7]),
    ] {
        // Each remembers what it has alerted of.
        let [(first, policy), (second, _)] = [pipeline(ship), pipeline(ship)];
        let all = judge(&first, lines(policy, &TEXTS));
        let some = judge_with(&second, lines(policy, &TEXTS), ids);
        for ((some, all), made) in some.iter().zip(&all).zip(made) {
            assert_eq!((some.0, some.1), (all.0, all.1));
            let id = if *made { all.2.id.as_str() } else { "" };
            assert_eq!(some.2.id, id, "{ship:?} {ids:?} {:?}", all.2);
            // What is sent without an id says where it stands; a stub bears the id of its record.
            assert!(*made || some.2.origin().is_some());
            assert!(all.2.fields().eq(some.2.fields()));
        }
    }
}

#[test]
fn repeats_step_down_to_the_lane_of_events_and_policies_hold() {
    let (left, events) = (Fate::Left(Reason::Policy), Fate::Events);
    for (ship, repeat, base, nothing) in [
        (Ship::All, events, events, events),
        (Ship::Matched, events, events, left),
        (Ship::Alerts, left, left, left),
    ] {
        let (pipeline, number) = pipeline(ship);
        let found = judge(&pipeline, lines(number, &TEXTS));
        let fates: Vec<Fate> = found.iter().map(|it| it.0).collect();
        let alert = Fate::Alerts;
        assert_eq!(fates, [alert, repeat, alert, alert, base, nothing, alert], "{ship:?}");
        let marked: Vec<bool> =
            found.iter().map(|it| it.2.get("vonglau.suppressed").is_some()).collect();
        assert_eq!(marked, [false, true, false, false, false, false, false], "{ship:?}");
        // Another input keeps everything.
        let fates = judge(&pipeline, lines(0, &TEXTS[5..6]));
        assert_eq!(fates[0].0, Fate::Events);
    }
}

#[test]
fn a_stub_says_where_the_record_is_whatever_input_it_came_from() {
    let (pipeline, number) = pipeline(Ship::Alerts);
    let no_secret = |event: &Event| {
        assert!(event.fields().all(|(name, value)| {
            name == field::RULE_ID || !value.to_string().contains("secret")
        }));
    };
    let (fate, quarantined, event) = judge(&pipeline, lines(number, &TEXTS)).pop().unwrap();
    assert_eq!((fate, quarantined), (Fate::Alerts, true));
    no_secret(&event);
    let offset: usize = TEXTS[..6].iter().map(|text| text.len() + 1).sum();
    assert_eq!(
        event.get(field::LOG_OFFSET).and_then(rules_event::ValueRef::as_int),
        i64::try_from(offset).ok()
    );
    assert_eq!(event.time.to_string(), "2026-11-21T02:00:03Z");
    // What follows from the same source knows nothing of it.
    let after = judge(&pipeline, lines(0, &["Nov 21 09:00:03 one app: secret", TEXTS[5]]));
    assert_eq!(after[1].2.get_str(field::MESSAGE), Some("nothing"));
    assert_eq!(after[1].2.get("vonglau.quarantined"), None);
    assert_eq!(after[1].2.get_str(field::AGENT_HOST), Some("web01"));

    let source = SourceMeta { key: "journal".to_owned(), ..SourceMeta::default() };
    let entry = Entry {
        source: Arc::new(SourceMeta { format: Format::Journal, ..source }),
        read_at: Timestamp::from_seconds(1_795_600_000),
        cursor: "s=1;i=2".to_owned(),
        bytes: br#"{"MESSAGE":"secret","SYSLOG_IDENTIFIER":"app","_HOSTNAME":"one"}"#.to_vec(),
    };
    let (_, quarantined, event) = judge(&pipeline, Item::Entry(entry)).pop().unwrap();
    assert!(quarantined, "{event:?}");
    no_secret(&event);
    assert_eq!(event.get_str("vonglau.quarantine.cursor"), Some("s=1;i=2"));

    let mut sample = Event::new(Timestamp::from_seconds(5), String::new());
    sample.set(field::EVENT_DATASET, "vonglau.file");
    sample.set(field::FILE_PATH, "/srv/secret plan.docx");
    sample.set("file.inode", "4711");
    let sample = Sample { event: sample, instance: "i".to_owned() };
    let (fate, quarantined, event) = judge(&pipeline, Item::Sample(sample)).pop().unwrap();
    assert_eq!((fate, quarantined), (Fate::Alerts, true));
    no_secret(&event);
    assert_eq!(event.get_str("file.inode"), Some("4711"));
}
