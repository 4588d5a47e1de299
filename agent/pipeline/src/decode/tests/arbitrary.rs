//! Whatever is in a log, decoding ends, and does not panic.

use std::sync::Arc;

use agent_inputs::{Format, Line, SourceMeta};
use proptest::prelude::*;
use rules_event::{Timestamp, decode_lossless, field};

use crate::{AgentFacts, Pipeline, Scratch};

const FORMATS: [Format; 7] = [
    Format::Auto,
    Format::Syslog,
    Format::Nginx,
    Format::Apache,
    Format::Json,
    Format::Text,
    Format::Journal,
];

fn check(bytes: Vec<u8>, format: Format) {
    let agent = AgentFacts {
        agent_id: [1; 16],
        agent_id_text: "01".repeat(16),
        host: "h".to_owned(),
        organization: Some("o".to_owned()),
        timezone: crate::timezone("+07:00").unwrap(),
    };
    let source = SourceMeta {
        key: "k".to_owned(),
        path: Some("/var/log/auth.log".to_owned()),
        format,
        dataset: None,
    };
    let line = Line { offset: 7, bytes: &bytes, truncated: false };
    let read_at = Timestamp::from_seconds(1_800_000_000);
    let mut scratch = Scratch::default();
    let pipeline = Pipeline::new(agent, None);
    let event = pipeline.line(&Arc::new(source), read_at, line, &mut scratch).event;
    let original = event.get_str(field::EVENT_ORIGINAL).unwrap();
    let escaped =
        event.get(field::VONGLAU_ESCAPED).is_some() && std::str::from_utf8(&bytes).is_err();
    let back =
        if escaped { decode_lossless(original).unwrap() } else { original.as_bytes().to_vec() };
    assert_eq!(back, bytes, "the line is kept as it was");
    assert!(event.get(field::MESSAGE).is_some() && event.get(field::EVENT_DATASET).is_some());
    assert_eq!(event.get_str(field::AGENT_HOST), Some("h"));
}

/// Lines made of the words that decoders look for, so that every branch is met half-finished.
fn words() -> impl Strategy<Value = Vec<u8>> {
    let word = proptest::sample::select(vec![
        "Nov 21 08:30:00 ",
        "2026-11-21T08:30:00.5+07:00 ",
        "<34>",
        "<34>1 ",
        "- ",
        "host ",
        "sshd[1]: ",
        "sshd: ",
        "sudo: ",
        "su: ",
        "useradd[2]: ",
        "gpasswd: ",
        "CRON[3]: ",
        "login: ",
        "systemd-logind: ",
        "Failed ",
        "password for ",
        "invalid user ",
        " from ",
        "from ",
        "203.0.113.5",
        " port 22",
        " ssh2",
        ": ",
        " [preauth]",
        "Accepted publickey for ",
        "Disconnected from ",
        "Connection closed by ",
        "message repeated 2 times: [ ",
        "]",
        "PAM 2 more authentication failures; ",
        "rhost=",
        " user=",
        "pam_unix(sshd:auth): ",
        "session opened for user ",
        "(uid=0)",
        " by ",
        " : ",
        "TTY=",
        " ; ",
        "COMMAND=",
        "(to ",
        ") ",
        "+ ",
        "new user: name=",
        ", ",
        "'",
        "add '",
        "(root) ",
        "CMD (",
        ")",
        "FAILED LOGIN ",
        " FOR ",
        "[21/Nov/2026:08:30:00 +0700] ",
        "\"",
        "GET ",
        "/a?b ",
        "HTTP/1.1",
        " 200 ",
        "\\",
        "[",
        "{\"a\":",
        "{\"MESSAGE\":[1,2]",
        "}",
        "\u{feff}",
        "đ",
        "=",
        " ",
    ]);
    proptest::collection::vec(word, 0..14).prop_map(|words| words.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300), format in 0usize..7) {
        check(bytes, FORMATS[format]);
    }

    #[test]
    fn any_words(bytes in words(), format in 0usize..7) {
        check(bytes, FORMATS[format]);
    }
}

#[test]
fn time_grows_straight() {
    for unit in ["a from ", "\\\"", "[x y=\"", "{\"a\":", "user= ", "'", " : "] {
        for start in [
            "Nov 21 08:30:00 h sshd[1]: Failed password for ",
            "<1>1 - - - - - ",
            "1.1.1.1 - - [",
            "",
            "Nov 21 08:30:00 h sudo: ",
        ] {
            // 64 KiB, the longest line there is: quadratic cost would take minutes.
            check(
                format!("{start}{}", unit.repeat(65_536 / unit.len())).into_bytes(),
                Format::Auto,
            );
        }
    }
}
