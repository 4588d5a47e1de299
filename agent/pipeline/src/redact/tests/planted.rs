//! A planted secret is in no field of the event, whatever format its record has.

use std::sync::Arc;

use agent_inputs::{Format, Line, Sample, SourceMeta};
use rules_event::{Event, Timestamp, Value, ValueRef, field};

use super::{redactor, with};
use crate::{AgentFacts, Pipeline, Scratch};

/// What is planted. No other text of a line holds it.
const SECRET: &str = "Zq7vPl4nted9x";

fn pipeline() -> Pipeline {
    let agent = AgentFacts {
        agent_id: [1; 16],
        agent_id_text: "01".repeat(16),
        host: "web01".to_owned(),
        organization: None,
        system: None,
        timezone: crate::timezone("+07:00").unwrap(),
    };
    Pipeline::new(agent, None).with_redactor(redactor())
}

fn source(format: Format, path: &str) -> Arc<SourceMeta> {
    Arc::new(SourceMeta {
        key: path.to_owned(),
        path: Some(path.to_owned()),
        format,
        ..SourceMeta::default()
    })
}

/// Every text of an event: names, values, lists.
fn all(event: &Event) -> String {
    format!("{:?}", event.fields().collect::<Vec<_>>())
}

/// Forms of a secret: plain, in upper-case hexadecimal, turned by percent, as numbers.
fn forms(secret: &str) -> Vec<String> {
    let numbers: Vec<String> = secret.bytes().map(|byte| byte.to_string()).collect();
    vec![
        secret.to_owned(),
        hex::encode_upper(secret),
        hex::encode(secret),
        secret.bytes().map(|byte| format!("%{byte:02X}")).collect(),
        numbers.join(","),
        numbers.join(", "),
    ]
}

#[track_caller]
fn is_gone(event: &Event, what: &str) {
    let text = all(event);
    for form in forms(SECRET) {
        assert!(!text.contains(&form), "{form} is in the event of {what}: {text}");
    }
    let kinds = event.get(field::VONGLAU_REDACTED).into_iter().flat_map(ValueRef::items);
    assert!(kinds.count() > 0, "{what} is not marked: {text}");
}

/// Ways in which secrets stand in a text without line ends or quotes.
fn carriers() -> Vec<String> {
    let secret = SECRET;
    let jwt = format!("eyJhbGciOiJIUzI1NiJ9.eyJ{secret}.c2ln{secret}");
    vec![
        format!("/a?password={secret}&b=1"),
        format!("/a?b=1&mat_khau={secret}"),
        format!("/a?access_token={secret}"),
        format!("/a?api_key={secret}&x=2"),
        format!("/a;jsessionid={secret}"),
        format!("/a?code={secret}&state={secret}"),
        format!("/a?SAMLResponse={secret}"),
        format!("/a?to=%2Fb%3Fpassword%3D{secret}%26c"),
        format!("/a?next={jwt}"),
        format!("/a?otp={secret}"),
        format!("http://lan:{secret}@portal/a"),
        format!("/a?k=AKIA{}", "Q7VP4NTED9XQ7VPX"),
    ]
}

/// A record of each format around a request or message.
fn records(carrier: &str) -> Vec<(Format, &'static str, String)> {
    vec![
        (
            Format::Nginx,
            "/var/log/nginx/access.log",
            format!(
                "203.0.113.5 - - [21/Nov/2026:08:30:00 +0700] \"GET {carrier} HTTP/1.1\" 200 5 \"-\" \"x\""
            ),
        ),
        (
            Format::Apache,
            "/var/log/apache2/access.log",
            format!(
                "203.0.113.5 - - [21/Nov/2026:08:30:00 +0700] \"GET / HTTP/1.1\" 200 5 \"{carrier}\" \"x\""
            ),
        ),
        (
            Format::Nginx,
            "/var/log/nginx/error.log",
            format!(
                "2026/11/21 08:30:00 [error] 12#34: *56 open() \"/x\" failed, client: 203.0.113.5, server: x, request: \"GET {carrier} HTTP/1.1\", host: \"x\""
            ),
        ),
        (
            Format::Apache,
            "/var/log/apache2/error.log",
            format!(
                "[Sat Nov 21 08:30:00.123456 2026] [core:error] [pid 12] [client 203.0.113.5:4711] AH00126: Invalid URI in request GET {carrier} HTTP/1.1"
            ),
        ),
        (
            Format::Iis,
            "C:/inetpub/u_ex261121.log",
            format!(
                "2026-11-21 01:30:00 10.0.0.9 GET {} - 443 - 203.0.113.5 Mozilla/5.0 {carrier} 200 0 0 15",
                carrier.replace('?', " ")
            ),
        ),
        (
            Format::Syslog,
            "/var/log/syslog",
            format!("Nov 21 08:30:00 web01 app[12]: request {carrier} done"),
        ),
        (
            Format::Syslog,
            "/var/log/syslog",
            format!("<14>1 2026-11-21T08:30:00Z web01 app 12 - - request {carrier} done"),
        ),
        (
            Format::Json,
            "/var/log/app.json",
            format!("{{\"time\":\"2026-11-21T08:30:00Z\",\"request\":{{\"uri\":\"{carrier}\"}}}}"),
        ),
        (
            Format::Nginx,
            "/var/log/nginx/access.json",
            format!(
                "{{\"time_iso8601\":\"2026-11-21T08:30:00+07:00\",\"remote_addr\":\"203.0.113.5\",\"request\":\"GET {carrier} HTTP/1.1\",\"status\":\"200\"}}"
            ),
        ),
        (
            Format::Suricata,
            "/var/log/suricata/eve.json",
            format!(
                "{{\"timestamp\":\"2026-11-21T08:30:00.1+0700\",\"flow_id\":1,\"event_type\":\"http\",\"src_ip\":\"203.0.113.5\",\"http\":{{\"hostname\":\"x\",\"url\":\"{carrier}\"}}}}"
            ),
        ),
        (
            Format::Zeek,
            "/opt/zeek/http.log",
            format!(
                "{{\"_path\":\"http\",\"ts\":1795225800.1,\"uid\":\"C1\",\"id.orig_h\":\"203.0.113.5\",\"uri\":\"{carrier}\"}}"
            ),
        ),
        (
            Format::Wazuh,
            "/var/ossec/alerts.json",
            format!(
                "{{\"timestamp\":\"2026-11-21T08:30:00.1+0700\",\"rule\":{{\"level\":3,\"id\":\"1\"}},\"full_log\":\"GET {carrier} x\"}}"
            ),
        ),
        (
            Format::Squid,
            "/var/log/squid/access.log",
            format!(
                "1795225800.123    456 10.0.0.5 TCP_MISS/200 1234 GET http://x.vn{} - HIER_DIRECT/198.51.100.8 text/html",
                carrier.replace("http://", "/")
            ),
        ),
        (
            Format::Mysql,
            "/var/log/mysql/error.log",
            format!("2026-11-21T01:30:00.123456Z 8 [Note] got {carrier} there"),
        ),
        (
            Format::Postgresql,
            "/var/log/postgresql/p.log",
            format!("2026-11-21 08:30:00.123 +07 [12] lan@motcua LOG:  got {carrier} there"),
        ),
        (
            Format::Journal,
            "journal",
            format!(
                "{{\"__REALTIME_TIMESTAMP\":\"1795225800000000\",\"SYSLOG_IDENTIFIER\":\"app\",\"MESSAGE\":\"got {carrier} there\"}}"
            ),
        ),
        (
            Format::Evtx,
            "C:/x.evtx",
            format!(
                "{{\"Event\":{{\"System\":{{\"EventID\":4688,\"Channel\":\"Security\",\"TimeCreated\":{{\"#attributes\":{{\"SystemTime\":\"2026-11-21T01:30:00Z\"}}}}}},\"EventData\":{{\"CommandLine\":\"x {carrier} y\"}}}}}}"
            ),
        ),
        (Format::Text, "/var/log/x.log", format!("got {carrier} there")),
        (
            Format::Auto,
            "/var/log/fw.log",
            format!(
                "<189>date=2026-11-21 time=08:30:00 devname=\"FG\" devid=\"FG1\" type=\"utm\" url=\"{carrier}\""
            ),
        ),
    ]
}

#[test]
fn in_no_format_does_a_secret_survive() {
    let pipeline = pipeline();
    let mut count = 0;
    for carrier in carriers() {
        // Squid names the host itself: user information would be another one there.
        for (format, path, record) in records(&carrier) {
            if format == Format::Squid && carrier.starts_with("http")
                || format == Format::Iis && carrier.contains("code=")
            {
                continue;
            }
            let source = source(format, path);
            let line = Line { offset: 7, bytes: record.as_bytes(), truncated: false };
            let read_at = Timestamp::from_seconds(1_800_000_000);
            let mut scratch = Scratch::default();
            let event = pipeline.line(&source, read_at, line, &mut scratch).event;
            is_gone(event, &record);
            assert_eq!(event.get(field::LOG_OFFSET), Some(ValueRef::Int(7)), "places stay");
            count += 1;
        }
    }
    assert!(count > 190, "{count}");
    let counts = pipeline.redactions().counts();
    assert!(counts["password"] > 30 && counts["jwt"] > 10 && counts["phone"] == 0, "{counts:?}");
}

#[test]
fn in_no_record_of_audit_does_a_command_line_survive() {
    let pipeline = pipeline();
    let up = |text: &str| hex::encode_upper(text);
    let (half, rest) = SECRET.split_at(6);
    let lines = [
        format!("a0=\"mysql\" a1=\"-p{SECRET}\""),
        format!("a0=\"mysql\" a1=\"--password={SECRET}\""),
        format!("a0=\"mysql\" a1=\"--password\" a2=\"{SECRET}\""),
        format!("a0=\"mysql\" a1={}", up(&format!("-p{SECRET} x"))),
        format!("a0=\"curl\" a1=\"-u\" a2=\"lan:{SECRET}\""),
        format!("a0=\"curl\" a1=\"-H\" a2={}", up(&format!("Authorization: Bearer {SECRET}"))),
        format!("a0=\"sh\" a1=\"-c\" a2={}", up(&format!("sshpass -p {SECRET} ssh x"))),
        format!("a0=\"sh\" a1=\"-c\" a2={}", up(&format!("echo {SECRET} | passwd --stdin lan"))),
        format!(
            "a0=\"mysql\" a1_len=99 a1[0]={} a1[1]={} a2=\"x\"",
            up(&format!("--password={half}")),
            up(rest)
        ),
        format!("a0=\"net\" a1=\"user\" a2=\"lan\" a3=\"{SECRET}\" a4=\"/add\""),
    ];
    for arguments in &lines {
        let title = arguments.split(' ').filter(|it| it.contains('=')).map(|it| {
            let value = it.split_once('=').unwrap().1;
            match value.strip_prefix('"') {
                Some(text) => text.trim_end_matches('"').as_bytes().to_vec(),
                None => hex::decode(value).unwrap_or_default(),
            }
        });
        let title = title.collect::<Vec<_>>().join(&0);
        let is_whole = !arguments.contains('[');
        let execve = format!(
            "type=SYSCALL msg=audit(1795225800.123:7): arch=c000003e syscall=59 success=yes exit=0 a0=1 a1=2 pid=3 exe=\"/usr/bin/x\"\n\
             type=EXECVE msg=audit(1795225800.123:7): argc=5 {arguments}"
        );
        let proctitle = format!(
            "type=PROCTITLE msg=audit(1795225800.123:7): proctitle={}",
            hex::encode_upper(title)
        );
        let whole = format!("{execve}\n{proctitle}");
        let all = [execve, proctitle, whole];
        for record in all.iter().take(if is_whole { 3 } else { 1 }) {
            let source = source(Format::Auditd, "/var/log/audit/audit.log");
            let line = Line { offset: 0, bytes: record.as_bytes(), truncated: false };
            let mut scratch = Scratch::default();
            let read_at = Timestamp::from_seconds(1_800_000_000);
            is_gone(pipeline.line(&source, read_at, line, &mut scratch).event, record);
        }
    }
    let record = format!(
        "type=USER_CMD msg=audit(1795225800.123:8): pid=1 uid=0 msg='cwd=\"/root\" cmd={} terminal=pts/0 res=success'",
        up(&format!("mysql -u root -p{SECRET}"))
    );
    let source = source(Format::Auto, "/var/log/audit/audit.log");
    let line = Line { offset: 0, bytes: record.as_bytes(), truncated: false };
    is_gone(
        pipeline.line(&source, Timestamp::default(), line, &mut Scratch::default()).event,
        &record,
    );
}

#[test]
fn columns_are_known_by_the_head_of_their_log() {
    let pipeline = pipeline();
    let zeek = source(Format::Zeek, "/none/http.log");
    let iis = source(Format::Iis, "/none/u_ex1.log");
    let heads = [
        (&zeek, "#separator \\x09\n#path\thttp\n#fields\tts\tuid\tid.orig_h\tusername\tpassword\n#types\ttime\tstring\taddr\tstring\tstring".to_owned()),
        (&zeek, format!("1795225800.123456\tC1\t203.0.113.5\tlan\t{SECRET}")),
        (&iis, "#Fields: date time cs-method cs-uri-stem cs(Cookie) sc-status".to_owned()),
        (&iis, format!("2026-11-21 01:30:00 GET /a lang=vi;+.MYAUTH={SECRET} 200")),
    ];
    let mut scratch = Scratch::default();
    for (source, lines) in heads {
        for text in lines.lines() {
            let line = Line { offset: 0, bytes: text.as_bytes(), truncated: false };
            let event = pipeline.line(source, Timestamp::default(), line, &mut scratch).event;
            if text.contains(SECRET) {
                is_gone(event, text);
            }
        }
    }
}

#[test]
fn samples_are_redacted_and_settings_change_while_running() {
    let pipeline = pipeline();
    let sample = || {
        let mut event = Event::new(Timestamp::from_seconds(1_800_000_000), String::new());
        event.set(field::PROCESS_COMMAND_LINE, format!("mysql -u root -p{SECRET} db"));
        event.set("process.parent.command_line", format!("sh -c app --token {SECRET}"));
        let list = ["app", "--token", SECRET, "-x"].map(Value::text).to_vec();
        event.set("process.args", Value::List(list));
        agent_inputs::Item::Sample(Sample { event, instance: "1".to_owned() })
    };
    let mut seen = Vec::new();
    let mut take = |pipeline: &Pipeline| {
        let done: Result<(), ()> =
            pipeline.process(sample(), &mut Scratch::default(), |processed| {
                seen.push(processed.event.clone());
                Ok(())
            });
        done.unwrap();
    };
    take(&pipeline);
    pipeline.swap_redactor(with(|config| config.enabled = false));
    take(&pipeline);
    is_gone(&seen[0], "a sample");
    assert!(all(&seen[1]).contains(SECRET) && seen[1].get(field::VONGLAU_REDACTED).is_none());

    // A source that is known already is seen anew under other settings.
    let source = source(Format::Text, "/var/log/x.log");
    let mut scratch = Scratch::default();
    let mut original = |pipeline: &Pipeline| {
        let line = Line { offset: 0, bytes: b"password=abc1", truncated: false };
        let event = pipeline.line(&source, Timestamp::default(), line, &mut scratch).event;
        event.get_str(field::EVENT_ORIGINAL).unwrap().to_owned()
    };
    assert_eq!(original(&pipeline), "password=abc1");
    pipeline.swap_redactor(redactor());
    assert_eq!(original(&pipeline), "password=[redacted:password]");
    pipeline.swap_redactor(with(|config| config.exempt = vec!["/var/log/*.log".to_owned()]));
    assert_eq!(original(&pipeline), "password=abc1");
}

#[test]
fn bytes_that_are_no_text_are_hidden_too() {
    let pipeline = pipeline();
    let source = source(Format::Text, "/var/log/x.log");
    let line = Line { offset: 0, bytes: b"password=\xffZq7vPl4nted9x \xfe", truncated: false };
    let mut scratch = Scratch::default();
    let event = pipeline.line(&source, Timestamp::default(), line, &mut scratch).event;
    is_gone(event, "bytes");
    assert_eq!(event.get_str(field::EVENT_ORIGINAL), Some("password=[redacted:password] \\xfe"));
}
