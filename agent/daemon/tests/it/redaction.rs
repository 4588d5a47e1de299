//! Redaction in the real agent: a planted secret is nowhere in the spool, the page or the state folder.

use std::fs;
use std::path::Path;

use agent_spool::{LANE_ALERTS, LANE_EVENTS};
use rules_event::{ValueRef, field};

use crate::agent::{Site, until};

/// Planted. No other text holds it.
const SECRET: &str = "Zq7vPl4nted9x";

/// Lines of several logs, each with the secret in it once in some form.
fn lines() -> Vec<String> {
    let secret = SECRET;
    let title = hex::encode_upper(format!("mysql\0-u\0root\0-p{secret}"));
    vec![
        format!(
            "Nov 21 08:00:01 web-1 sudo:   lan : TTY=pts/0 ; PWD=/root ; USER=root ; COMMAND=/usr/bin/mysql -u root -p{secret} motcua"
        ),
        format!("Nov 21 08:00:02 web-1 CRON[1]: (root) CMD (PGPASSWORD={secret} pg_dump motcua)"),
        format!(
            "203.0.113.5 - - [21/Nov/2026:08:00:03 +0700] \"GET /a?mat_khau={secret}&b=1 HTTP/1.1\" 200 5 \"-\" \"x\""
        ),
        format!(
            "203.0.113.5 - - [21/Nov/2026:08:00:03 +0700] \"GET / HTTP/1.1\" 200 5 \"https://x/?access_token={secret}\" \"x\""
        ),
        format!(
            "{{\"time\":\"2026-11-21T08:00:04+07:00\",\"msg\":\"login\",\"password\":\"{secret}\"}}"
        ),
        format!(
            "{{\"time\":\"2026-11-21T08:00:04+07:00\",\"headers\":{{\"authorization\":\"Bearer {secret}\"}}}}"
        ),
        format!(
            "type=EXECVE msg=audit(1795225800.123:7): argc=4 a0=\"curl\" a1=\"-u\" a2=\"lan:{secret}\" a3=\"https://x\""
        ),
        format!("type=PROCTITLE msg=audit(1795225800.123:8): proctitle={title}"),
        format!(
            "<189>date=2026-11-21 time=08:00:05 devname=\"FG\" devid=\"FG1\" type=\"event\" user=\"admin\" passwd=\"{secret}\""
        ),
        format!("Nov 21 08:00:06 web-1 app[2]: connect postgres://app:{secret}@db/motcua"),
    ]
}

/// Ways in which the secret could be written.
fn forms() -> Vec<String> {
    vec![SECRET.to_owned(), hex::encode_upper(SECRET), hex::encode(SECRET)]
}

fn files(dir: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

#[test]
fn a_planted_secret_is_nowhere_in_what_the_agent_keeps_and_sends() {
    let mut site = Site::new();
    site.configure("");
    let agent = site.start();
    let lines = lines();
    site.write(&(lines.join("\n") + "\n"));
    let count = lines.len();
    until("the spool", || agent.get("/metrics").contains(&format!("events_spooled_total {count}")));
    let page = agent.get("/metrics");
    let line = "vonglau_agent_redactions_total{kind=\"password\"} 8";
    assert!(page.contains(line), "{page}");
    let status = String::from_utf8(site.ask("status", &[]).stdout).unwrap();
    assert!(status.contains("redacted "), "{status}");
    assert_eq!(agent.stop(), 0);

    let mut events = Vec::new();
    for record in [LANE_ALERTS, LANE_EVENTS].into_iter().flat_map(|lane| site.records(lane)) {
        // The events of the wire as a collector unpacks them, in every field.
        events.extend(record.events().unwrap());
    }
    assert_eq!(events.len(), count);
    for event in &events {
        let text = format!("{event:?}");
        assert!(forms().iter().all(|form| !text.contains(form)), "{text}");
        let kinds = event.get(field::VONGLAU_REDACTED).into_iter().flat_map(ValueRef::items);
        assert!(kinds.count() > 0, "{text}");
    }
    // Nor in any file of the agent's, packed or not.
    let mut all = Vec::new();
    files(&site.dir.path().join("state"), &mut all);
    for path in all {
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        assert!(forms().iter().all(|form| !text.contains(form)), "{}", path.display());
    }
}

#[test]
fn settings_of_redaction_are_read_again_and_mistakes_are_named() {
    let mut site = Site::new();
    // What the agent says of itself tells when settings are in force.
    site.configure("[evidence]\n[redaction.patterns]\nho_so = 'HS-\\d{4}'");
    let agent = site.start();
    site.write("Nov 21 08:00:01 web-1 app[2]: HS-1234 password=abc\n");
    let one = "vonglau_agent_redactions_total{kind=\"ho_so\"} 1";
    until("the pattern", || agent.get("/metrics").contains(one));
    let file = site.dir.path().join("agent.toml");
    let good = fs::read_to_string(&file).unwrap();

    fs::write(&file, good.replace("HS-\\d{4}", "HS-(")).unwrap();
    let check = site.ask("check-config", &[]);
    let said = String::from_utf8(check.stderr).unwrap();
    let place = good.lines().position(|line| line.contains("ho_so")).unwrap() + 1;
    assert!(!check.status.success() && said.contains("redaction.patterns.ho_so"), "{said}");
    assert!(said.contains(&format!("agent.toml:{place}")), "{said}");
    agent.signal("HUP");
    until("the refusal", || agent.get("/healthz").contains("redaction.patterns.ho_so"));

    let new = good
        .replace("[redaction.patterns]", "[redaction]\noff = [\"password\"]\n[redaction.patterns]");
    fs::write(&file, new).unwrap();
    agent.signal("HUP");
    let reloaded = site.await_said("config_reloaded");
    assert_eq!(reloaded.get_str("vonglau.agent.settings_applied"), Some("redaction.off"));
    site.write("Nov 21 08:00:02 web-1 app[2]: HS-1234 password=abc\n");
    until("the second line", || {
        agent.get("/metrics").contains("input_records_total{input=\"files\"} 2")
    });
    assert_eq!(agent.stop(), 0);
    let mut texts: Vec<String> = [LANE_ALERTS, LANE_EVENTS]
        .into_iter()
        .flat_map(|lane| site.records(lane))
        .flat_map(|record| record.events().unwrap())
        .filter_map(|event| Some(event.get_str(field::EVENT_ORIGINAL)?.to_owned()))
        .collect();
    texts.sort();
    assert_eq!(
        texts,
        [
            "Nov 21 08:00:01 web-1 app[2]: [redacted:ho_so] password=[redacted:password]",
            "Nov 21 08:00:02 web-1 app[2]: [redacted:ho_so] password=abc",
        ]
    );
}
