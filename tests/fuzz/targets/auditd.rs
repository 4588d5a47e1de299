//! Lines of an audit log: putting records together loses and repeats none of them, whatever they say;
//! decoding ends, does not panic, and keeps every byte.
#![no_main]

use std::collections::HashMap;
use std::sync::OnceLock;

use agent_inputs::audit;
use agent_pipeline::{AgentFacts, Pipeline, Scratch};
use libfuzzer_sys::fuzz_target;
use rules_event::{Timestamp, decode_lossless, field};

fuzz_target!(|input: &[u8]| {
    let lines: Vec<&[u8]> =
        input.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let events = audit::join(lines.iter().copied());
    let mut left: HashMap<&[u8], i32> = HashMap::new();
    for line in &lines {
        *left.entry(line).or_default() += 1;
    }
    let pipeline = pipeline();
    let mut scratch = Scratch::default();
    for event in events.iter() {
        let first = event.bytes.split(|byte| *byte == b'\n').next();
        let at = usize::try_from(event.offset).expect("a number of a line");
        assert_eq!(first, lines.get(at).copied(), "it is known by its first line");
        for line in event.bytes.split(|byte| *byte == b'\n') {
            *left.entry(line).or_default() -= 1;
        }
        let read_at = Timestamp::from_seconds(1_795_225_800);
        let bytes = event.bytes;
        let event = pipeline.line(&events.source, read_at, event, &mut scratch).event;
        let original = event.get_str(field::EVENT_ORIGINAL).expect("the records themselves");
        let back = match std::str::from_utf8(bytes) {
            Ok(_) => original.as_bytes().to_vec(),
            Err(_) => decode_lossless(original).expect("our own escapes"),
        };
        assert!(back == bytes, "the records are kept as they were");
        assert!(event.get(field::EVENT_DATASET).is_some() && event.get(field::MESSAGE).is_some());
        assert!(event.fields().len() < 2_000, "fields are bounded by the text");
    }
    assert!(left.values().all(|count| *count == 0), "each line once");
});

fn pipeline() -> &'static Pipeline {
    static PIPELINE: OnceLock<Pipeline> = OnceLock::new();
    PIPELINE.get_or_init(|| {
        let facts = AgentFacts {
            agent_id: [1; 16],
            agent_id_text: "01".repeat(16),
            host: "h".to_owned(),
            organization: None,
            system: None,
            timezone: agent_pipeline::timezone("+07:00").expect("an offset"),
        };
        Pipeline::new(facts, None)
    })
}
