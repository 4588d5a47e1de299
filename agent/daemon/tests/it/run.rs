//! Running, asking, stopping, full disks, bad configuration.

use crate::agent::{Site, until};

fn json(bytes: &[u8]) -> serde_json::Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn the_sums_close_while_running_and_after() {
    let mut site = Site::new();
    site.configure("");
    site.append(1_000);
    let agent = site.start();
    until("spooling", || json(&site.ask("status", &["--json"]).stdout)["spooled"] == 1_000);
    let answer = site.ask("status", &["--json"]);
    let status = json(&answer.stdout);
    assert_eq!(status["unaccounted"], 0, "{status}");
    assert_eq!((status["read"].as_u64(), status["running"].as_bool()), (Some(1_000), Some(true)));
    assert_eq!(answer.status.code(), Some(0), "{status}");
    assert_eq!(
        (status["read_by_input"]["files"].as_u64(), status["closes"].as_bool()),
        (Some(1_000), Some(true))
    );
    let lanes = ["alerts", "events"].map(|lane| status["lanes"][lane]["spooled"].as_u64().unwrap());
    assert_eq!(lanes.iter().sum::<u64>(), 1_000);
    assert!(status["lanes"]["events"]["oldest_waiting_seconds"].is_u64(), "{status}");
    assert_eq!(status["broker"]["state"], "none");
    assert!(status["limits"]["memory_bytes"].as_u64() > Some(1 << 20), "{status}");
    let text = String::from_utf8(site.ask("status", &[]).stdout).unwrap();
    assert!(text.contains("limits   memory ") && text.contains("inputs   files 1000"), "{text}");
    assert!(text.contains("read 1000 = spooled 1000 + dropped 0 + in memory 0: closes"), "{text}");

    // The collector of a small site acknowledges; the agent counts it as shipped.
    for lane in [0, 1] {
        let last = site.records(lane).last().map_or(0, |record| record.header.seq);
        agent_spool::Cursor::store(&site.spool(), lane, last).unwrap();
    }
    until("shipping", || json(&site.ask("status", &["--json"]).stdout)["shipped"] == 1_000);
    until("a heartbeat", || {
        let Ok(bytes) = std::fs::read(site.spool().join(agent_spool::HEARTBEAT_FILE)) else {
            return false;
        };
        let record = agent_wire::Record::decode(&bytes).unwrap();
        record.verify().unwrap();
        agent_wire::Heartbeat::open(&record).unwrap().host == "web-1"
    });
    assert_eq!(agent.stop(), 0);
    let answer = site.ask("status", &["--json"]);
    let status = json(&answer.stdout);
    assert_eq!(status["running"], false);
    assert!(status["ended"].as_str().unwrap().contains("SIGTERM"), "{status}");
    assert_eq!(answer.status.code(), Some(4));
}

#[test]
fn a_full_disk_holds_the_inputs_back_and_nothing_is_lost() {
    let mut site = Site::new();
    site.configure("[spool]\nfree_bytes_min = 9000000000000000");
    site.append(20_000);
    let agent = site.start();
    until("the problem", || agent.get("/healthz").contains("free_bytes_min"));
    let status = json(&site.ask("status", &["--json"]).stdout);
    assert_eq!(status["spooled"], 0);
    assert_eq!(status["unaccounted"], 0, "{status}");
    assert_eq!(agent.stop(), 0);
    site.configure("");
    let agent = site.start();
    until("spooling", || json(&site.ask("status", &["--json"]).stdout)["spooled"] == 20_000);
    assert_eq!(agent.stop(), 0);
    assert_eq!(site.events().len(), 20_000);
}

#[test]
fn a_stop_seals_what_was_read() {
    let mut site = Site::new();
    site.configure("[spool]\nfree_bytes_min = 0\nseal_interval_ms = 60000");
    let agent = site.start();
    site.append(10);
    until("reading", || agent.get("/metrics").contains("vonglau_agent_records_read_total 10"));
    assert_eq!(agent.stop(), 0);
    assert_eq!(site.events().len(), 10);
}

#[test]
fn a_second_agent_is_refused() {
    let site = Site::new();
    site.configure("");
    let agent = site.start();
    let second = site.command("run").output().unwrap();
    assert_eq!(second.status.code(), Some(4));
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains("in use by another process"), "{said}");
    assert_eq!(agent.stop(), 0);
}

#[test]
fn mistakes_are_named_with_their_exit_code() {
    let site = Site::new();
    site.configure("[kafka]\nbootstrap = \"k:9092\"\n[kafka.properties]\n\"acks\" = \"0\"");
    for command in ["check-config", "print-config", "run", "status"] {
        let answer = site.ask(command, &[]);
        assert_eq!(answer.status.code(), Some(3), "{command}");
        assert!(String::from_utf8_lossy(&answer.stderr).contains("'acks' may not be set"));
    }
    site.configure("");
    assert_eq!(site.ask("check-config", &[]).status.code(), Some(0));
    let identity = String::from_utf8(site.ask("identity", &[]).stdout).unwrap();
    assert_eq!(identity, String::from_utf8(site.ask("identity", &[]).stdout).unwrap());
    // A checkpoint nobody understands is fatal and says where it is and what to do.
    let options = agent_spool::Options {
        dir: site.spool(),
        segment_bytes_max: 1 << 20,
        bytes_max: 1 << 24,
        free_bytes_min: 0,
    };
    let (mut spool, _) = agent_spool::Spool::open(options).unwrap();
    spool.append(&[], b"{\"version\":9}").unwrap();
    drop(spool);
    let answer = site.ask("run", &[]);
    let said = String::from_utf8_lossy(&answer.stderr).into_owned();
    assert_eq!(answer.status.code(), Some(4));
    assert!(said.contains("state/spool") && said.contains("move the folder away"), "{said}");
}

#[test]
fn decode_prints_what_would_be_made() {
    use std::io::Write;
    let site = Site::new();
    site.configure("");
    let mut child = site
        .command("decode")
        .args(["--format", "syslog", "--path", "/var/log/auth.log"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    writeln!(input, "{}\n", crate::agent::line(7)).unwrap();
    drop(input);
    let answer = child.wait_with_output().unwrap();
    assert!(answer.status.success());
    let event = json(&answer.stdout);
    assert_eq!(event["source.ip"], "203.0.113.9");
    assert_eq!(event["host.name"], "web-1");
}

#[test]
fn tail_prints_what_would_be_sent_and_leaves_nothing() {
    let mut site = Site::new();
    site.configure("");
    site.append(14);
    // Without the word that says that nothing is kept it refuses.
    assert_eq!(site.ask("tail", &[]).status.code(), Some(2));
    let answer = site.ask("tail", &["--dry-run", "--from", "start", "--events", "14"]);
    assert!(answer.status.success());
    let text = String::from_utf8(answer.stdout).unwrap();
    let events: Vec<_> = text.lines().map(|line| json(line.as_bytes())).collect();
    assert_eq!(events.len(), 14);
    assert_eq!(events[6]["source.ip"], "203.0.113.9");
    assert!(!site.dir.path().join("state").exists(), "nothing is written");
    let answer = site.ask("tail", &["--dry-run", "--from", "start", "--events", "2", "--hits"]);
    let text = String::from_utf8(answer.stdout).unwrap();
    assert!(text.lines().count() == 2 && text.lines().all(|it| it.contains("rule.id")), "{text}");
    let answer = site.ask("tail", &["--dry-run", "--seconds", "1"]);
    assert!(answer.status.success() && answer.stdout.is_empty(), "nothing is written from now on");
}

#[test]
fn the_configuration_is_shown_with_origins_and_checked_with_places() {
    let site = Site::new();
    let rules = site.dir.path().join("rules");
    std::fs::create_dir(&rules).unwrap();
    site.configure(&format!("[rules]\ndirs = [\"{}\"]\n[evidence]", rules.display()));
    let mut command = site.command("print-config");
    let answer = command.env("VONGLAU_AGENT__HEARTBEAT__INTERVAL_S", "7").output().unwrap();
    let text = String::from_utf8(answer.stdout).unwrap();
    let line = |start: &str| text.lines().find(|it| it.starts_with(start)).unwrap().to_owned();
    assert!(line("name = \"web-1\"").ends_with("agent.toml:3"), "{text}");
    assert!(line("interval_s = 7").ends_with("environment VONGLAU_AGENT__HEARTBEAT__INTERVAL_S"));
    assert!(line("seal_interval_ms").ends_with("# default"));

    std::fs::write(rules.join("bad.yml"), "title: x\nlogsource: [").unwrap();
    let answer = site.ask("check-config", &[]);
    let text = String::from_utf8_lossy(&answer.stdout).into_owned();
    assert_eq!(answer.status.code(), Some(1), "{text}");
    assert!(text.contains("bad.yml:") && text.contains("1 rules have errors"), "{text}");
    site.configure("[evidnce]\n[evidence]");
    let answer = site.ask("check-config", &[]);
    let said = String::from_utf8_lossy(&answer.stderr).into_owned();
    assert_eq!(answer.status.code(), Some(3));
    assert!(said.contains("agent.toml:") && said.contains("did you mean 'evidence'?"), "{said}");
}

/// Two audit events whose records are mixed, and the end of a log.
const AUDIT: &str = "\
type=SYSCALL msg=audit(1795600000.100:7): arch=c000003e syscall=59 success=yes exit=0 a0=1 a1=2 a2=3 a3=4 items=1 ppid=1 pid=70 uid=0 comm=\"id\" exe=\"/usr/bin/id\" key=\"x\"
type=SYSCALL msg=audit(1795600000.101:8): arch=c000003e syscall=59 success=yes exit=0 a0=1 a1=2 a2=3 a3=4 items=1 ppid=1 pid=80 uid=0 comm=\"ls\" exe=\"/usr/bin/ls\" key=\"x\"
type=EXECVE msg=audit(1795600000.100:7): argc=2 a0=\"id\" a1=\"-u\"
type=EXECVE msg=audit(1795600000.101:8): argc=2 a0=\"ls\" a1=\"/\"
type=PROCTITLE msg=audit(1795600000.101:8): proctitle=6C73002F
type=PROCTITLE msg=audit(1795600000.100:7): proctitle=6964002D75
";

#[test]
fn records_of_several_lines_are_put_together_as_while_a_log_is_followed() {
    use std::io::Write;
    let site = Site::new();
    let dir = site.dir.path();
    for folder in ["audit", "app"] {
        std::fs::create_dir(dir.join(folder)).unwrap();
    }
    std::fs::write(dir.join("audit/audit.log"), AUDIT).unwrap();
    std::fs::write(dir.join("copy"), AUDIT).unwrap();
    let place = dir.display();
    site.configure(&format!(
        "[input.audit]\nwait_ms = 100\n[[input.files]]\npaths = [\"{place}/audit/*\"]\n[[input.files]]\n\
         paths = [\"{place}/app/*.log\"]\nsystem = \"lgsp\"\nmultiline = {{ continuation = '^\\s' }}"
    ));
    let decode = |flags: &[&str], text: &str| {
        let mut command = site.command("decode");
        command.args(flags).stdin(std::process::Stdio::piped());
        let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        events_of(&child.wait_with_output().unwrap().stdout)
    };
    let lines = |events: &[serde_json::Value]| {
        let mut lines: Vec<String> =
            events.iter().map(|event| event["process.command_line"].to_string()).collect();
        lines.sort();
        lines
    };
    let wanted = ["\"id -u\"", "\"ls /\""];
    let path = format!("{place}/audit/audit.log");
    for flags in [&["--format", "auditd"][..], &["--path", &path], &[]] {
        assert_eq!(lines(&decode(flags, AUDIT)), wanted, "{flags:?}");
    }
    let events = decode(&["--path", &format!("{place}/app/a.log")], "one\n at two\nthree\n");
    let texts: Vec<_> = events.iter().map(|event| event["event.original"].clone()).collect();
    assert_eq!(texts, ["one\n at two", "three"]);
    assert!(events.iter().all(|event| event["vonglau.system.id"] == "lgsp"));

    let answer = site.ask("tail", &["--dry-run", "--from", "start", "--events", "2"]);
    assert_eq!(lines(&events_of(&answer.stdout)), wanted);
    let copy = dir.join("copy").display().to_string();
    for file in [&path, &copy] {
        let answer = site.command("examine").args(["--all", file]).output().unwrap();
        assert_eq!(lines(&events_of(&answer.stdout)), wanted, "{file}");
    }
}

fn events_of(output: &[u8]) -> Vec<serde_json::Value> {
    output.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(json).collect()
}
