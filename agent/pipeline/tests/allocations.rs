//! Nothing is allocated for a line of the common logs once a scratch is warm.

use std::sync::Arc;

use agent_inputs::{Format, Line, Lines, SourceMeta};
use agent_pipeline::{AgentFacts, Pipeline, Scratch};
use rules_event::Timestamp;

const LINES: [&str; 12] = [
    "Nov 21 08:30:00 web01 sshd[1]: Failed password for invalid user x from 203.0.113.5 port 22 ssh2",
    "Nov 21 08:30:01 web01 sshd[1]: Accepted publickey for root from 203.0.113.5 port 22 ssh2: ED25519 SHA256:0123456789abcdef0123456789abcdef",
    "Nov 21 08:30:01 web01 sshd[1]: pam_unix(sshd:session): session opened for user x(uid=1000) by (uid=0)",
    "Nov 21 08:30:02 web01 sshd[1]: Disconnected from authenticating user root 203.0.113.5 port 22 [preauth]",
    "Nov 21 08:30:02 web01 sudo:   x : TTY=pts/0 ; PWD=/home/x ; USER=root ; COMMAND=/usr/bin/systemctl reload nginx",
    "Nov 21 08:30:03 web01 CRON[7]: (root) CMD (/usr/lib/php/sessionclean)",
    "Nov 21 08:30:03 web01 systemd[1]: Started session-1.scope - Session 1 of User x.",
    "Nov 21 08:30:04 web01 postfix/smtpd[9]: connect from unknown[203.0.113.5]",
    "2026-11-21T08:30:04.123456+07:00 web01 named[812]: client @0x7f 203.0.113.5#53 (a.vn): query: a.vn IN A +E(0)K (10.0.0.53)",
    "203.0.113.5 - - [21/Nov/2026:08:30:00 +0700] \"GET /a?b=1 HTTP/1.1\" 200 5 \"https://a.vn/\" \"Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101\"",
    "203.0.113.5 - x [21/Nov/2026:08:30:05 +0700] \"POST /dang-nhap HTTP/1.1\" 403 5 \"-\" \"curl/8.5.0\" rt=0.1",
    "a line that no decoder knows, longer than what lies in a value itself",
];

#[test]
fn a_line_costs_no_allocation() {
    let agent = AgentFacts {
        agent_id: [1; 16],
        agent_id_text: "01".repeat(16),
        host: "a-host-with-a-name-that-is-not-short".to_owned(),
        organization: Some("000.00.00.H44".to_owned()),
        system: None,
        timezone: agent_pipeline::timezone("+07:00").unwrap(),
    };
    let pipeline = Pipeline::new(agent, None);
    let source = SourceMeta {
        key: "k".to_owned(),
        path: Some("/var/log/a-folder-with-a-name-that-is-not-short/a.log".to_owned()),
        format: Format::Auto,
        dataset: None,
        ..SourceMeta::default()
    };
    let mut lines = Lines::new(Arc::new(source), Timestamp::from_seconds(1_795_600_000));
    for number in 0..120 {
        let bytes = LINES[number % LINES.len()].as_bytes();
        lines.push(Line { offset: 200 * number as u64, bytes, truncated: false });
    }
    let mut scratch = Scratch::default();
    let mut pass = || {
        let mut fields = 0;
        for line in lines.iter() {
            let done = pipeline.line(&lines.source, lines.read_at, line, &mut scratch);
            fields += done.event.fields().len();
        }
        fields
    };
    let warm = pass();
    let mut again = 0;
    let info = allocation_counter::measure(|| again = pass());
    assert_eq!((info.count_total, again), (0, warm));
}
