//! `hunt`: the SQL of a rule, and what a collector answers.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

use serde_json::{Value, json};

use crate::{RULE, check, run, text};

/// A collector that answers one request. Returns its address, and what it was asked: head and body.
fn collector(status: &str, answer: &Value) -> (String, JoinHandle<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = format!("http://{}", listener.local_addr().expect("it is bound"));
    let answer = answer.to_string();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        answer.len()
    );
    let served = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("it is asked");
        let mut reader = BufReader::new(stream.try_clone().expect("a socket"));
        let (mut asked, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).expect("a request");
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("a number");
            }
            if line.trim().is_empty() {
                break;
            }
            asked += &line;
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).expect("the body");
        stream.write_all((head + &answer).as_bytes()).expect("it listens");
        (asked, serde_json::from_slice(&body).expect("JSON"))
    });
    (address, served)
}

#[test]
fn sql_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("root.yml"), RULE).unwrap();
    let output = run(folder.path(), &["hunt", "root.yml", "--since", "2h", "--limit", "5"]);
    let parts = ["-- Root login (", "FROM events", "INTERVAL 7200 SECOND", "LIMIT 5"];
    check(&output, 0, &parts);
    let output = run(folder.path(), &["hunt", "root.yml", "--format", "json"]);
    check(&output, 0, &["\"since_seconds\": 604800", "\"sql\":"]);
    check(&run(folder.path(), &["hunt", "root.yml", "--since", "soon"]), 2, &["is no span"]);
    check(&run(folder.path(), &["hunt", "root.yml", "--limit", "0"]), 2, &["--limit takes"]);
}

#[test]
fn every_shipped_rule_has_sql() {
    let shipped = rules_pack::load(true, &[]).unwrap();
    let (set, _) = rules_matcher::RuleSet::compile(shipped.rules);
    assert!(set.rules().len() > 100, "{} rules", set.rules().len());
    for rule in set.rules() {
        let sql = rules_matcher::sql::predicate(rule);
        assert!(sql.is_ok(), "{}: {}", rule.title, sql.unwrap_err());
    }
}

#[test]
fn a_collector_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("root.yml"), RULE).unwrap();
    let event = json!({
        "id": "1", "time": "2026-11-21T08:00:00Z",
        "fields": { "host.name": "web01", "event.dataset": "system.auth", "message": "a\u{1b}[2J" },
    });
    let answer = json!({ "events": [event], "more": true });
    let (url, served) = collector("200 OK", &answer);
    let args = ["hunt", "root.yml", "--url", &url, "--token", "secret", "--since", "1h"];
    let output = run(folder.path(), &args);
    let parts = ["time", "2026-11-21T08:00:00Z  web01  system.auth  a\\u{1b}[2J", "… and more"];
    check(&output, 0, &parts);
    let (head, body) = served.join().unwrap();
    assert!(head.starts_with("POST /api/v1/hunt HTTP/1.1\r\n"), "{head}");
    assert!(head.to_lowercase().contains("authorization: bearer secret"), "{head}");
    let asked = json!({
        "rule": RULE, "id": "00000000-0000-0000-0000-000000000001", "since_seconds": 3_600, "limit": 100,
    });
    assert_eq!(body, asked);

    let (url, served) = collector("200 OK", &answer);
    let args = ["hunt", "root.yml", "--url", &url, "--format", "json"];
    let output = run(folder.path(), &args);
    check(&output, 0, &[]);
    let printed: Value = serde_json::from_str(&text(&output.stdout)).unwrap();
    assert_eq!(printed, answer);
    assert!(!served.join().unwrap().0.to_lowercase().contains("authorization"));

    let nothing = json!({ "events": [], "more": false, "since": "2026-11-21T07:00:00Z" });
    let (url, served) = collector("200 OK", &nothing);
    let output = run(folder.path(), &["hunt", "root.yml", "--url", &url]);
    check(&output, 0, &["nothing since 2026-11-21T07:00:00Z"]);
    served.join().unwrap();
}

#[test]
fn refusals_are_unavailability_and_say_why() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("root.yml"), RULE).unwrap();
    let hunt = |url: &str| run(folder.path(), &["hunt", "root.yml", "--url", url, "--token", "t"]);
    for (status, parts) in [
        ("401 Unauthorized", ["does not take the token", "log in"]),
        ("500 Internal Server Error", ["refused (500)", "log in"]),
    ] {
        let (url, served) = collector(status, &json!({ "detail": "log in" }));
        check(&hunt(&url), 4, &parts);
        served.join().unwrap();
    }
    let (url, served) = collector("200 OK", &Value::Null);
    check(&hunt(&url), 4, &["no answer of a collector"]);
    served.join().unwrap();
    // A port that was free a moment ago.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    check(&hunt(&format!("http://{closed}")), 4, &["does not answer"]);
    check(&hunt("http://192.0.2.1"), 2, &["must not travel over plain HTTP"]);
    check(&hunt("soc"), 2, &["is no address of a collector"]);
}
