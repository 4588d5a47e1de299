//! One scratch for many records: the events are those that a scratch of its own would give each.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::path::PathBuf;
use std::sync::Arc;

use agent_inputs::{Entry, Format, Item, Line, Lines, Sample, SourceMeta};
use agent_pipeline::{AgentFacts, Pipeline, Scratch};
use proptest::prelude::*;
use rules_event::{Event, Timestamp, field};
use sha2::{Digest, Sha256};

const AGENT: [u8; 16] = [0xab; 16];

fn pipeline() -> Pipeline {
    let agent = AgentFacts {
        agent_id: AGENT,
        agent_id_text: "ab".repeat(16),
        host: "a-host-with-a-name-that-is-not-short".to_owned(),
        organization: Some("000.00.00.H44".to_owned()),
        system: None,
        timezone: agent_pipeline::timezone("Europe/Berlin").unwrap(),
    };
    Pipeline::new(agent, None)
}

/// Every line of the golden cases, and some that try to speak for the agent.
fn lines() -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden");
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        lines.extend(
            text.lines().filter_map(|row| Some(row.strip_prefix("> ")?.as_bytes().to_vec())),
        );
    }
    for more in [
        &br#"{"host.name":"other","agent.id":"x","organization":{"id":"y"},"log":{"file":{"path":"/z","line":1}}}"#[..],
        br#"{"organization.id":7,"log.offset":"no","event":{"dataset":"mine","original":"nothing"}}"#,
        b"\xff bytes that are no text \\",
        b"x",
    ] {
        lines.push(more.to_vec());
    }
    lines.push(vec![b'y'; 20_000]);
    assert!(lines.len() > 100);
    lines
}

fn source(number: usize) -> Arc<SourceMeta> {
    let path = [Some("/var/log/auth.log"), Some("/var/log/nginx/access.log"), None][number % 3];
    Arc::new(SourceMeta {
        key: "k".repeat(20 + 50 * number),
        path: path.map(str::to_owned),
        format: if number == 3 { Format::Journal } else { Format::Auto },
        dataset: (number == 1).then(|| "configured.by.hand.and.not.short".to_owned()),
        ..SourceMeta::default()
    })
}

fn events(pipeline: &Pipeline, item: Item, scratch: &mut Scratch) -> Vec<Event> {
    let mut events = Vec::new();
    let took: Result<(), ()> = pipeline.process(item, scratch, |processed| {
        events.push(processed.event.clone());
        Ok(())
    });
    took.unwrap();
    events
}

/// The event without the memory of others.
fn alone(pipeline: &Pipeline, item: Item) -> Event {
    events(pipeline, item, &mut Scratch::default()).remove(0)
}

fn id(source: &SourceMeta, place: &[u8]) -> String {
    let bytes = [&AGENT[..], &[0], source.key.as_bytes(), &[0], place].concat();
    hex::encode(Sha256::digest(bytes))[..32].to_owned()
}

/// A row of lines of one source.
fn row() -> impl Strategy<Value = (usize, i64, Vec<prop::sample::Index>)> {
    let lines = prop::collection::vec(any::<prop::sample::Index>(), 1..6);
    (0usize..5, 0i64..3, lines)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_record_does_not_know_who_came_before_it(rows in prop::collection::vec(row(), 1..20)) {
        let (pipeline, lines, mut scratch) = (pipeline(), lines(), Scratch::default());
        let sources: Vec<Arc<SourceMeta>> = (0..4).map(source).collect();
        let mut offset = 0;
        for (number, days, picks) in rows {
            let read_at = Timestamp::from_seconds(1_795_600_000 + days * 86_400);
            let texts = picks.iter().map(|pick| pick.get(&lines));
            let Some(source) = sources.get(number) else {
                // A sample between them.
                let mut event = Event::new(read_at, String::new());
                event.set_text("metricset.name", "host");
                let item = Item::Sample(Sample { event, instance: "i".to_owned() });
                prop_assert_eq!(
                    events(&pipeline, item.clone(), &mut scratch),
                    [alone(&pipeline, item)]
                );
                continue;
            };
            if number == 3 {
                for text in texts {
                    let item = Item::Entry(Entry {
                        source: Arc::clone(source),
                        read_at,
                        cursor: format!("s={offset}"),
                        bytes: text.clone(),
                    });
                    let event = events(&pipeline, item.clone(), &mut scratch).remove(0);
                    prop_assert_eq!(&event.id, &id(source, format!("s={offset}").as_bytes()));
                    prop_assert_eq!(event, alone(&pipeline, item));
                    offset += 1;
                }
                continue;
            }
            let mut together = Lines::new(Arc::clone(source), read_at);
            let mut each = Vec::new();
            for bytes in texts {
                let line = Line { offset, bytes, truncated: offset % 3 == 0 };
                together.push(line);
                let mut single = Lines::new(Arc::clone(source), read_at);
                single.push(line);
                let event = alone(&pipeline, Item::Lines(single));
                prop_assert_eq!(&event.id, &id(source, &offset.to_be_bytes()));
                // Whatever the line says.
                prop_assert_eq!(event.get_str(field::AGENT_HOST), Some("a-host-with-a-name-that-is-not-short"));
                prop_assert_eq!(event.get_str(field::ORGANIZATION_ID), Some("000.00.00.H44"));
                if let Some(path) = &source.path {
                    prop_assert_eq!(event.get_str(field::LOG_FILE_PATH), Some(path.as_str()));
                }
                each.push(event);
                offset += bytes.len() as u64 + 1;
            }
            let got = events(&pipeline, Item::Lines(together), &mut scratch);
            for (got, alone) in got.iter().zip(&each) {
                // Also the order of fields: the bytes on the wire are the same.
                let names = |event: &Event| event.fields().map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
                prop_assert_eq!(names(got), names(alone));
            }
            prop_assert_eq!(got, each);
        }
    }
}
