//! `new`: what it writes loads, and passes its own case.

use std::fs;

use crate::{check, program, run};

#[test]
fn a_new_rule_is_sound_and_hits_its_event() {
    let folder = tempfile::tempdir().unwrap();
    check(&run(folder.path(), &["new", "plain"]), 0, &["plain.yml and plain.case.yml written"]);
    for (name, event) in [
        (
            "ssh",
            r#"{"event.dataset": "system.auth", "process.name": "sshd-session",
                    "event.action": "ssh_login", "user.name": "o'*\\", "source.port": 7,
                    "event.original": "left out", "@timestamp": "2026-11-21T08:00:00Z"}"#,
        ),
        (
            "web",
            r#"{"event.dataset": "nginx.access", "url": {"path": "/a\n?b"}, "tags": ["x", 1]}"#,
        ),
        ("own", r#"{"event.dataset": "my.app", "level": null, "ok": true, "load": 0.5}"#),
    ] {
        let event = event.replace("\n                    ", " ");
        let output = program(folder.path(), &["new", name, "--event", "-"], &event);
        check(&output, 0, &["'vonglau-rules watch .'"]);
    }
    check(&run(folder.path(), &["check", ".", "--strict"]), 0, &["4 rules", "0 warnings"]);
    check(&run(folder.path(), &["test", "."]), 0, &["4 rules tested: 0 failed, 0 without cases"]);
    let cases = fs::read_to_string(folder.path().join("ssh.case.yml")).unwrap();
    assert!(!cases.contains("left out") && cases.contains("'source.port': 7"), "{cases}");
}

#[test]
fn nothing_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.case.yml"), "mine").unwrap();
    check(&run(folder.path(), &["new", "a.yml"]), 2, &["a.case.yml is there already"]);
    assert!(!folder.path().join("a.yml").exists(), "half a rule");
    check(&run(folder.path(), &["new", "../"]), 2, &["is no name for a rule"]);
    check(&run(folder.path(), &["new", "a b"]), 2, &["is no name for a rule"]);
    let output = program(folder.path(), &["new", "b", "--event", "-"], "{\"a\": 1}");
    check(&output, 2, &["the event has no 'event.dataset'"]);
}
