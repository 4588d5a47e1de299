//! Audit records in other envelopes, and the logs that other products are tested with.

use agent_inputs::Format;
use rules_event::Event;
use serde_json::Value as Json;

use super::super::decode;
use super::super::real::real;
use super::raw;

fn got<'a>(event: &'a Event, names: &[&str]) -> Vec<&'a str> {
    names.iter().map(|name| event.get_str(name).unwrap_or("-")).collect()
}

#[test]
fn lost_records_are_an_event() {
    let line = "Nov 21 08:30:00 web01 kernel: [12345.678901] audit: audit_lost=37 audit_rate_limit=0 \
                audit_backlog_limit=8192";
    let event = decode(line, Some("/var/log/kern.log"), Format::Auto);
    let names = ["event.dataset", "event.action", "event.type", "host.hostname"];
    assert_eq!(got(&event, &names), ["auditd.log", "audit-records-lost", "error", "web01"]);
    assert_eq!(event.get("vonglau.audit.lost"), Some(rules_event::ValueRef::Int(37)));
    let line = "Nov 21 08:30:00 web01 kernel: audit: backlog limit exceeded";
    assert_eq!(got(&decode(line, None, Format::Auto), &names)[1], "audit-records-lost");
    // Not about auditing.
    let line = "Nov 21 08:30:00 web01 kernel: audit: initializing netlink subsys (disabled)";
    assert_eq!(got(&decode(line, None, Format::Auto), &names)[1], "-");
}

#[test]
fn records_in_other_logs_are_records() {
    let names = ["auditd.type", "event.action", "process.name", "host.hostname"];
    let line = "Nov 21 08:30:00 web01 kernel: [1.5] audit: type=1400 audit(1524662933.080:61207): \
                apparmor=\"DENIED\" operation=\"open\" profile=\"/usr/sbin/ntpd\" pid=5571 comm=\"ntpd\"";
    let event = decode(line, Some("/var/log/syslog"), Format::Auto);
    assert_eq!(got(&event, &names), ["AVC", "violated-apparmor-policy", "ntpd", "web01"]);
    let line = "Nov 21 08:30:00 web01 audisp-syslog: type=SERVICE_STOP msg=audit(1.5:2): pid=1 uid=0 \
                msg='unit=firewalld comm=\"systemd\" res=success'#035UID=\"root\"";
    let event = decode(line, Some("/var/log/syslog"), Format::Auto);
    assert_eq!(got(&event, &names), ["SERVICE_STOP", "stopped-service", "systemd", "web01"]);
    assert_eq!(event.get_str("user.name"), Some("root"));
    let entry = serde_json::json!({
        "__CURSOR": "c", "_TRANSPORT": "audit", "_AUDIT_ID": "812", "_AUDIT_TYPE": "1112",
        "_AUDIT_TYPE_NAME": "USER_LOGIN", "_HOSTNAME": "web01",
        "_SOURCE_REALTIME_TIMESTAMP": "1492896301818000",
        "MESSAGE": "USER_LOGIN pid=12635 uid=0 auid=4294967295 msg='op=login acct=\"x\" \
                    exe=\"/usr/sbin/sshd\" hostname=? addr=203.0.113.5 terminal=sshd res=failed'",
    });
    let event = decode(&entry.to_string(), None, Format::Journal);
    assert_eq!(got(&event, &names), ["USER_LOGIN", "logged-in", "sshd", "web01"]);
    let names = ["user.name", "source.ip", "event.outcome", "event.dataset"];
    assert_eq!(got(&event, &names), ["x", "203.0.113.5", "failure", "auditd.log"]);
    assert_eq!(event.time.as_nanos(), 1_492_896_301_818_000_000);
}

#[test]
fn entries_of_the_journal_of_all_kinds() {
    let decode = |entry: Json| decode(&entry.to_string(), None, Format::Journal);
    // Several lines in one message, the kernel's words, and bytes that are no text.
    let event = decode(serde_json::json!({
        "_TRANSPORT": "journal", "_COMM": "java", "MESSAGE": "failed\n at a.b(C.java:1)\n at d",
    }));
    assert_eq!(event.get_str("message"), Some("failed\n at a.b(C.java:1)\n at d"));
    let event = decode(serde_json::json!({
        "_TRANSPORT": "kernel", "SYSLOG_IDENTIFIER": "kernel", "SYSLOG_FACILITY": "0", "PRIORITY": "4",
        "MESSAGE": "[UFW BLOCK] IN=eth0 OUT= SRC=203.0.113.5 DST=192.0.2.1 PROTO=TCP SPT=1 DPT=22",
    }));
    assert_eq!(event.get_str("source.ip"), Some("203.0.113.5"));
    let event = decode(serde_json::json!({ "_COMM": "x", "MESSAGE": [104, 105, 255, 10] }));
    assert_eq!(event.get_str("message"), Some("hi\\xff\n"));
    assert_eq!(event.get("vonglau.escaped"), Some(rules_event::ValueRef::Bool(true)));
    let event = decode(serde_json::json!({ "_COMM": ["x", "y"], "MESSAGE": ["first", "second"] }));
    assert_eq!(got(&event, &["process.name", "message"]), ["x", "first"]);
    let event = decode(serde_json::json!({ "_COMM": "x", "MESSAGE": null }));
    assert_eq!(event.get_str("message"), Some(""));
}

#[test]
fn logs_that_other_products_are_tested_with() {
    let (mut records, mut calls, mut programs) = (0, 0, 0);
    let mut count = |line: &str| {
        let event = decode(line, None, Format::Auditd);
        assert_eq!(event.get_str("event.dataset"), Some("auditd.log"), "{line}");
        records += 1;
        if line.contains("type=SYSCALL") {
            calls += 1;
            let name = raw(&event, "SYSCALL");
            assert!(
                matches!(name.as_deref(), Some("execve" | "open" | "connect")),
                "{name:?} {line}"
            );
            programs += u32::from(event.get("process.executable").is_some());
        }
        event
    };
    for name in ["auditd-logs", "auditd-postexploit-exec-from-net", "auditd-suid-crash"] {
        let Some(log) = real(&format!("crowdsec/{name}/{name}.log")) else { return };
        let events: Vec<Event> =
            log.lines().filter(|line| !line.is_empty()).map(&mut count).collect();
        if name == "auditd-suid-crash" {
            // What CrowdSec raises its alert for: a program that runs as root fell.
            let fell = events.iter().find(|event| raw(event, "SIG").as_deref() == Some("SEGV"));
            let fell = fell.unwrap();
            let names = ["event.action", "process.executable", "user.name"];
            assert_eq!(got(fell, &names), ["crashed-program", "/usr/bin/su", "bui"]);
        }
    }
    let Some(cases) = real("wazuh/audit_scp.jsonl") else { return };
    for case in cases.lines() {
        let case: Json = serde_json::from_str(case).unwrap();
        for log in case["logs"].as_array().unwrap() {
            count(log["log"].as_str().unwrap());
        }
    }
    eprintln!("{records} records, {calls} calls, {programs} with their program");
    assert_eq!((records, programs), (OTHERS.0, calls));
    assert_eq!(calls, OTHERS.1);
}

/// Records and calls in these logs.
const OTHERS: (u32, u32) = (28, 17);
