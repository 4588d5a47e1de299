//! Lines of any log, one after the other: decoding ends, does not panic, and keeps every byte.
//!
//! The first byte says the format, the second the path; each line of the rest is a line of that log,
//! so that heads (`#fields`) meet the lines behind them.
#![no_main]

use std::sync::{Arc, OnceLock};

use agent_inputs::{Format, Line, SourceMeta};
use agent_pipeline::{AgentFacts, Pipeline, Scratch};
use libfuzzer_sys::fuzz_target;
use rules_event::{Timestamp, decode_lossless, field};

const FORMATS: [Format; 15] = [
    Format::Auto,
    Format::Syslog,
    Format::Nginx,
    Format::Apache,
    Format::Auditd,
    Format::Iis,
    Format::Zeek,
    Format::Suricata,
    Format::Wazuh,
    Format::Squid,
    Format::Mysql,
    Format::Postgresql,
    Format::Json,
    Format::Text,
    Format::Journal,
];

/// Paths that decoders look at. None of them is there: heads come from the input alone.
const PATHS: [&str; 6] = [
    "/none/auth.log",
    "/none/nginx/access.log",
    "/none/apache2/error.log",
    "/none/zeek/conn.log",
    "/none/tomcat/localhost_access_log.txt",
    "/none/u_ex261121.log",
];

fuzz_target!(|input: &[u8]| {
    let [format, path, lines @ ..] = input else { return };
    // Most inputs by what they look like, as most logs are.
    let format = FORMATS.get(usize::from(format % 30)).copied().unwrap_or_default();
    let path = PATHS[usize::from(*path) % PATHS.len()];
    let source = Arc::new(SourceMeta {
        key: "k".to_owned(),
        path: Some(path.to_owned()),
        format,
        dataset: None,
        ..SourceMeta::default()
    });
    let facts = AgentFacts {
        agent_id: [1; 16],
        agent_id_text: "01".repeat(16),
        host: "h".to_owned(),
        organization: None,
        system: None,
        timezone: zone().clone(),
    };
    let pipeline = Pipeline::new(facts, None);
    let mut scratch = Scratch::default();
    let mut offset = 0;
    for bytes in lines.split(|byte| *byte == b'\n') {
        let line = Line { offset, bytes, truncated: false };
        let read_at = Timestamp::from_seconds(1_795_225_800);
        let event = pipeline.line(&source, read_at, line, &mut scratch).event;
        let original = event.get_str(field::EVENT_ORIGINAL).expect("the line itself");
        let escaped = std::str::from_utf8(bytes).is_err();
        let back = if escaped {
            decode_lossless(original).expect("our own escapes")
        } else {
            original.as_bytes().to_vec()
        };
        assert!(back == bytes, "the line is kept as it was");
        assert!(event.get(field::EVENT_DATASET).is_some() && event.get(field::MESSAGE).is_some());
        assert_eq!(event.get_str(field::AGENT_HOST), Some("h"));
        offset += bytes.len() as u64 + 1;
    }
});

fn zone() -> &'static jiff::tz::TimeZone {
    static ZONE: OnceLock<jiff::tz::TimeZone> = OnceLock::new();
    ZONE.get_or_init(|| agent_pipeline::timezone("+07:00").expect("an offset"))
}
