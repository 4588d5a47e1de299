//! The program as it is run, against a server with canned answers.

#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

/// A request as it came: method, target, authorization, body.
type Seen = Arc<Mutex<Vec<(String, String, String)>>>;

/// Answers every request by its line; returns the address and what was asked.
fn server() -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let seen = Seen::default();
    let log = seen.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            let mut reader = BufReader::new(stream);
            let (mut line, mut token, mut length) = (String::new(), String::new(), 0);
            reader.read_line(&mut line).unwrap();
            loop {
                let mut header = String::new();
                reader.read_line(&mut header).unwrap();
                let header = header.trim_end();
                if header.is_empty() {
                    break;
                }
                let (name, value) = header.split_once(": ").unwrap();
                match name.to_lowercase().as_str() {
                    "authorization" => token = value.to_owned(),
                    "content-length" => length = value.parse().unwrap(),
                    _ => {}
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
            let body = String::from_utf8(body).unwrap();
            let (status, answer) = answer(&line, &body);
            log.lock().unwrap().push((line, token, body));
            let text = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\n\
                 content-length: {}\r\n\r\n{answer}",
                answer.len()
            );
            reader.get_mut().write_all(text.as_bytes()).unwrap();
        }
    });
    (address, seen)
}

fn problem(status: u16, name: &str, detail: &str) -> (u16, String) {
    let body = format!(
        r#"{{"type":"urn:vonglau:problem:{name}","title":"","status":{status},"detail":"{detail}","request_id":"r1"}}"#
    );
    (status, body)
}

fn answer(line: &str, body: &str) -> (u16, String) {
    let incident = r#"{"number":"INC-2026-000001","revision":2,"title_vi":"Dò mật khẩu SSH","title_en":"SSH guessing",
        "severity":"high","status":"triage","next_statuses":["in_progress","closed"],"assignee":"lan",
        "detected_at":"2026-11-21T08:30:00Z","occurred_first":"2026-11-21T08:00:00Z","occurred_last":"2026-11-21T08:29:00Z",
        "techniques":["T1110.001"],"entity":{"source.ip":"203.0.113.9"},"alert_count":1,"event_count":5,
        "deadlines":[{"title_vi":"Báo cáo 24 giờ","title_en":"24 h","due":"2026-11-22T08:30:00Z","state":"overdue","met_at":null}]}"#;
    match line {
        "POST /api/v1/login" if body.contains("right horse") => (
            200,
            r#"{"token":"vlt_abc","name":"lan","role":"analyst","expires_at":"2026-11-21T20:00:00Z"}"#.into(),
        ),
        "POST /api/v1/login" => problem(401, "wrong-password", "wrong"),
        "POST /api/v1/logout" => (204, String::new()),
        "GET /api/v1/incidents?limit=50" => {
            (200, format!(r#"{{"incidents":[{incident}],"next":"c1"}}"#))
        }
        "GET /api/v1/incidents/INC-2026-000001" => (
            200,
            format!(
                r#"{{"incident":{incident},"alerts":[{{"level":"high","title_vi":"Dò mật khẩu","title_en":"x","rule_id":"r",
                "count":5,"summary":"5 lần","runbook_vi":"Bước 1\nBước 2"}}],
                "events":[{{"time":"2026-11-21T08:29:00Z","fields":{{"host.name":"web01","event.original":"evil \u001b]0;title\u0007 line"}}}}],
                "journal":[{{"at":"2026-11-21T08:30:00Z","who":"system","action":"created","detail":{{}}}}],"reports":[],"links":[]}}"#
            ),
        ),
        "GET /api/v1/incidents/INC-1" => problem(404, "not-found", "cannot find incident INC-1"),
        "POST /api/v1/incidents/INC-2026-000001/assign" => (200, incident.into()),
        "POST /api/v1/incidents/INC-2026-000001/transition" => {
            problem(409, "conflict", "cannot move incident from new to contained")
        }
        "GET /api/v1/ledger" => (
            200,
            r#"{"closes":false,"lines":[{"agent":"ab","lane":"events","epoch":1,"batches":9,"missing_batches":1,"repeated_batches":0,"closes":false}]}"#
                .into(),
        ),
        line if line.starts_with("GET /api/v1/ledger?since=") => {
            (200, r#"{"closes":true,"lines":[]}"#.into())
        }
        line if line.starts_with("GET /api/v1/events?") => (
            200,
            r#"{"events":[],"next":null,"since":"2026-11-20T08:30:00Z","until":"2026-11-21T08:30:00Z"}"#.into(),
        ),
        line if line.starts_with("POST /api/v1/agents/") => {
            problem(403, "forbidden", "lan has the role analyst, which may not do this; ask somebody with the role admin")
        }
        "GET /api/v1/agents" => problem(401, "unauthenticated", "expired"),
        "GET /api/v1/reports" => (200, "<html>".into()),
        _ => problem(500, "internal", "the log says why"),
    }
}

struct Person {
    home: tempfile::TempDir,
}

impl Person {
    fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    fn run(&self, args: &[&str], input: &str) -> Output {
        let mut child = Command::new(env!("CARGO_BIN_EXE_vonglau"))
            .args(args)
            .env_clear()
            .env("HOME", self.home.path())
            .env("TZ", "Asia/Ho_Chi_Minh")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    fn logged_in(server: &str) -> Self {
        let person = Self::new();
        let done =
            person.run(&["login", "--server", server, "--name", "lan"], "right horse battery\n");
        assert_eq!(done.status.code(), Some(0), "{}", err(&done));
        person
    }

    #[track_caller]
    fn check(&self, args: &[&str], code: i32, part: &str) -> String {
        let done = self.run(args, "");
        let text = out(&done) + &err(&done);
        assert_eq!(done.status.code(), Some(code), "{args:?}: {text}");
        assert!(text.contains(part), "{args:?}: {part} is missing in {text}");
        text
    }
}

fn out(done: &Output) -> String {
    String::from_utf8(done.stdout.clone()).unwrap()
}

fn err(done: &Output) -> String {
    String::from_utf8(done.stderr.clone()).unwrap()
}

#[test]
fn a_login_is_kept_used_for_its_server_only_and_ended() {
    let (server, seen) = server();
    let person = Person::logged_in(&server);
    let file = person.home.path().join(".config/vonglau/credentials.toml");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    person.check(&["incidents", "list"], 0, "INC-2026-000001");
    assert_eq!(seen.lock().unwrap().last().unwrap().1, "Bearer vlt_abc");
    let (other, other_seen) = self::server();
    person.check(&["incidents", "list", "--server", &other], 4, "vonglau login --server");
    assert!(other_seen.lock().unwrap().is_empty(), "the token went to a stranger");
    person.check(&["logout"], 0, "");
    assert!(!file.exists());
    person.check(&["incidents", "list"], 3, "no server is known");
}

#[test]
fn a_login_fails_clearly() {
    let (server, _) = server();
    let person = Person::new();
    let args = ["login", "--server", &server, "--name", "lan"];
    let done = person.run(&args, "wrong\n");
    assert_eq!(done.status.code(), Some(4));
    assert!(err(&done).contains("wrong user name or password"), "{}", err(&done));
    let absent = ["login", "--server", &server, "--name", "lan", "--password-file", "/nonexistent"];
    person.check(&absent, 3, "cannot read the password from /nonexistent");
    person.check(&["login", "--server", "soc.tinh"], 3, "'soc.tinh' is not a server's address");
    // A port that was free a moment ago: nobody answers there.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gone = format!("http://{gone}");
    let text = person.check(
        &["incidents", "list", "--server", &gone, "--token", "x"],
        4,
        &format!("no answer from {gone}"),
    );
    assert!(text.contains("collector runs"), "{text}");
}

#[test]
fn tables_are_for_people_and_json_is_for_programs() {
    let (server, _) = server();
    let person = Person::logged_in(&server);
    let text = person.check(&["incidents", "list"], 0, "overdue");
    assert!(text.starts_with("NUMBER           SEVERITY  STATUS  TITLE"), "{text}");
    assert!(text.contains("Dò mật khẩu SSH  203.0.113.9  21/11/2026 15:30:00"), "{text}");
    assert!(text.ends_with("more: add --cursor c1\n") && !text.contains('\x1b'), "{text}");
    person.check(&["--lang", "en", "incidents", "list"], 0, "SSH guessing");
    let json = person.run(&["--json", "incidents", "list"], "");
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["incidents"][0]["number"], "INC-2026-000001");
    let text = person.check(&["incidents", "show", "INC-2026-000001"], 0, "  Bước 2");
    assert!(text.contains("evil \\u{1b}]0;title\\u{7} line") && !text.contains('\x1b'), "{text}");
    person.check(&["incidents", "assign", "INC-2026-000001"], 0, "triage, assigned to lan");
}

#[test]
fn refusals_are_one_clear_sentence() {
    let (server, seen) = server();
    let person = Person::logged_in(&server);
    person.check(&["incidents", "show", "INC-1"], 1, "cannot find incident INC-1 (request r1)");
    person.check(&["incidents", "show", ""], 2, "say which one");
    let text = person.check(&["agents", "trust", "ab"], 4, "ask somebody with the role admin");
    assert_eq!(text.lines().count(), 1, "{text}");
    person.check(&["agents", "list"], 4, "the login has expired; run 'vonglau login");
    person.check(&["forward", "status"], 4, "not as a Vọng Lâu collector");
    person.check(&["forward", "status", "x"], 4, "the log says why (request r1)");
    let moved = ["incidents", "move", "INC-2026-000001", "contained"];
    person.check(&moved, 1, "cannot move incident");
    let close = ["incidents", "close", "INC-2026-000001", "--reason", "benign", "--note", "ok"];
    person.check(&close, 1, "");
    let body = seen.lock().unwrap().last().unwrap().2.clone();
    // The order of members depends on what else is built with us, and says nothing.
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body, serde_json::json!({"note": "ok", "reason": "benign", "to": "closed"}));
    person.check(&["incidents", "close", "INC-1", "--reason", "odd", "--note", "x"], 2, "benign");
    person.check(&["events", "search", "--where", "x"], 2, "field=value");
    person.check(&["events", "search", "--since", "soon"], 2, "24h");
    person.check(&["events", "search", "a b", "--where", "user.name=a&b"], 0, "no events from");
    let line = seen.lock().unwrap().last().unwrap().0.clone();
    assert_eq!(line, "GET /api/v1/events?limit=50&user.name=a%26b&q=a+b");
}

#[test]
fn a_ledger_that_does_not_close_is_an_exit_code() {
    let (server, _) = server();
    let person = Person::logged_in(&server);
    person.check(&["ledger"], 1, "does NOT close");
    person.check(&["ledger", "--json"], 1, "\"closes\": false");
    person.check(&["ledger", "--since", "24h"], 0, "the ledger closes");
}

#[test]
fn help_has_examples_and_exit_codes() {
    let person = Person::new();
    let text = person.check(&["--help"], 0, "Exit codes:");
    assert!(text.contains("vonglau incidents close"), "{text}");
    person.check(&["incidents", "close", "--help"], 0, "Example:");
    person.check(&["completions", "bash"], 0, "_vonglau()");
    person.check(&["nonsense"], 2, "unrecognized subcommand");
}
