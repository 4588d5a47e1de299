//! Items in, events out: identity, the facts of the host, and hits.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::collections::HashSet;
use std::sync::Arc;

use agent_inputs::{Format, Item, Line, Lines, Sample, SourceMeta};
use agent_pipeline::{AgentFacts, Pipeline, Scratch};
use rules_event::{Event, Level, Timestamp, field};
use rules_matcher::{Matcher, RuleSet};

fn pipeline(rules: Option<Arc<Matcher>>) -> Pipeline {
    let agent = AgentFacts {
        agent_id: [0xab; 16],
        agent_id_text: "ab".repeat(16),
        host: "web01".to_owned(),
        organization: Some("H44.02".to_owned()),
        system: Some("mot-cua".to_owned()),
        timezone: agent_pipeline::timezone("Asia/Ho_Chi_Minh").unwrap(),
    };
    Pipeline::new(agent, rules)
}

fn item(bytes: &[u8], offset: u64, dataset: Option<&str>) -> Item {
    let source = SourceMeta {
        key: "file:1:2:0:0011223344556677".to_owned(),
        path: Some("/var/log/auth.log".to_owned()),
        format: Format::Auto,
        dataset: dataset.map(str::to_owned),
        ..SourceMeta::default()
    };
    let read_at = "2026-11-21T08:30:00Z".parse().unwrap();
    let mut lines = Lines::new(Arc::new(source), read_at);
    lines.push(Line { offset, bytes, truncated: false });
    Item::Lines(lines)
}

/// A record as it was when it was done.
struct Done {
    event: Event,
    level: Option<Level>,
}

/// The one event of an item with one record.
fn process(pipeline: &Pipeline, item: Item) -> Done {
    let mut all = Vec::new();
    let took: Result<(), ()> = pipeline.process(item, &mut Scratch::default(), |processed| {
        assert_eq!(processed.hits, processed.event.rule_ids().count());
        all.push(Done { event: processed.event.clone(), level: processed.level });
        Ok(())
    });
    took.unwrap();
    assert_eq!(all.len(), 1);
    all.remove(0)
}

const FAILED: &[u8] =
    b"Nov 21 08:30:00 web01 sshd[1]: Failed password for root from 203.0.113.5 port 22 ssh2";

fn rules(level: &str) -> Arc<Matcher> {
    let text = format!(
        "title: Failed login\nid: 11111111-1111-4111-8111-111111111111\nstatus: test\n\
         logsource:\n    product: linux\n    service: sshd\n\
         detection:\n    failed:\n        event.action: ssh_login\n        event.outcome: failure\n    condition: failed\n\
         level: {level}\n"
    );
    let parsed = rules_sigma::parse_file("failed.yml", &text);
    let rules = parsed.documents.into_iter().filter_map(|document| match document {
        rules_sigma::Document::Rule(rule) => Some(rule),
        rules_sigma::Document::Correlation(_) | rules_sigma::Document::Filter(_) => None,
    });
    let (set, diagnostics) = RuleSet::compile(rules.collect());
    assert_eq!(set.rules().len(), 1, "{diagnostics:?}");
    Arc::clone(set.matcher())
}

fn text<'a>(event: &'a Event, name: &str) -> &'a str {
    event.get_str(name).unwrap_or("-")
}

#[test]
fn every_event_of_a_file_says_where_it_is_from() {
    let event = process(&pipeline(None), item(FAILED, 258, None)).event;
    assert_eq!(text(&event, field::EVENT_ORIGINAL).as_bytes(), FAILED);
    assert_eq!(text(&event, field::LOG_FILE_PATH), "/var/log/auth.log");
    assert_eq!(event.get(field::LOG_OFFSET), Some(rules_event::ValueRef::Int(258)));
    assert_eq!(text(&event, field::AGENT_HOST), "web01");
    assert_eq!(text(&event, field::AGENT_ID), "ab".repeat(16));
    assert_eq!(text(&event, field::ORGANIZATION_ID), "H44.02");
    assert_eq!(text(&event, field::EVENT_DATASET), "system.auth");
    assert_eq!(event.time.to_string(), "2026-11-21T01:30:00Z");
    assert_eq!(event.get(field::RULE_ID), None);
}

#[test]
fn the_same_bytes_are_the_same_event() {
    let ids = |offset| process(&pipeline(None), item(FAILED, offset, None)).event.id;
    assert_eq!((ids(7), ids(7).len()), (ids(7), 32));
    assert_ne!(ids(7), ids(8));
    // The content has no part in it: place alone decides.
    assert_eq!(process(&pipeline(None), item(b"other", 7, None)).event.id, ids(7));
}

#[test]
fn the_configuration_settles_the_dataset() {
    let event = process(&pipeline(None), item(FAILED, 0, Some("app.login"))).event;
    assert_eq!(text(&event, field::EVENT_DATASET), "app.login");
    assert_eq!(text(&event, field::EVENT_ACTION), "ssh_login");
}

#[test]
fn bytes_that_are_no_text_are_kept_and_flagged() {
    let event = process(&pipeline(None), item(b"a\\b\xff", 0, None)).event;
    assert_eq!(text(&event, field::EVENT_ORIGINAL), "a\\\\b\\xff");
    assert_eq!(event.get(field::VONGLAU_ESCAPED), Some(rules_event::ValueRef::Bool(true)));
}

#[test]
fn hits_are_attached_and_rules_are_swapped() {
    let pipeline = pipeline(Some(rules("medium")));
    let processed = process(&pipeline, item(FAILED, 0, None));
    assert_eq!(processed.level, Some(Level::Medium));
    let event = &processed.event;
    assert_eq!(event.rule_ids().collect::<Vec<_>>(), ["11111111-1111-4111-8111-111111111111"]);
    assert_eq!(text(event, field::VONGLAU_LEVEL), "medium");
    let first = text(event, field::RULE_RULESET).to_owned();
    assert_eq!(first.len(), 16);
    let processed = process(&pipeline, item(b"nothing to see", 1, None));
    assert_eq!((processed.level, processed.event.rule_ids().count()), (None, 0));
    pipeline.swap_rules(rules("critical"));
    let processed = process(&pipeline, item(FAILED, 0, None));
    assert_eq!(processed.level, Some(Level::Critical));
    assert_ne!(text(&processed.event, field::RULE_RULESET), first);
}

#[test]
fn measurements_get_an_id_each() {
    let pipeline = pipeline(None);
    let sample = |set: &str, place: &str| {
        let mut event = Event::new(Timestamp::from_seconds(5), String::new());
        event.set("metricset.name", set.to_owned());
        event.set("system.filesystem.mount_point", place.to_owned());
        let instance = format!("\u{1}{set}\u{1}{place}\u{1}");
        process(&pipeline, Item::Sample(Sample { event, instance })).event
    };
    let ids: HashSet<String> = [("host", ""), ("filesystem", "/"), ("filesystem", "/var")]
        .into_iter()
        .map(|(set, place)| sample(set, place).id)
        .collect();
    assert_eq!(ids.len(), 3);
    // Computed with hashlib over the same bytes; a change here breaks deduplication.
    assert_eq!(sample("filesystem", "/var").id, "5f07328f5712827e7c73a7d87c4a14f2");
    assert_eq!(text(&sample("host", ""), field::AGENT_HOST), "web01");
    assert!(text(&sample("host", ""), field::MESSAGE).starts_with("host:"));
}

#[test]
fn the_system_of_the_source_stands_over_that_of_the_host() {
    let pipeline = pipeline(None);
    let event = process(&pipeline, item(FAILED, 0, None)).event;
    assert_eq!(text(&event, "vonglau.system.id"), "mot-cua");
    let Item::Lines(mut lines) = item(FAILED, 0, None) else { unreachable!() };
    let named = |system: &str, command: &str| SourceMeta {
        key: "k".to_owned(),
        system: Some(system.to_owned()),
        command: Some(command.to_owned()),
        ..SourceMeta::default()
    };
    lines.source = Arc::new(named("lgsp", "ports"));
    let event = process(&pipeline, Item::Lines(lines.clone())).event;
    assert_eq!(text(&event, "vonglau.system.id"), "lgsp");
    assert_eq!(text(&event, "vonglau.exec.name"), "ports");
    // A log cannot say that it is of another system.
    lines = Lines::new(lines.source, lines.read_at);
    let claim = br#"{"message":"x","vonglau.system.id":"other"}"#;
    lines.push(Line { offset: 0, bytes: claim, truncated: false });
    let event = process(&pipeline, Item::Lines(lines)).event;
    assert_eq!(text(&event, "vonglau.system.id"), "lgsp");
    let sample = Sample {
        event: Event::new(Timestamp::from_seconds(1), String::new()),
        instance: String::new(),
    };
    assert_eq!(
        text(&process(&pipeline, Item::Sample(sample)).event, "vonglau.system.id"),
        "mot-cua"
    );
}
