//! fail2ban: the lines of its filters' tests, each with whether it is a failure and of which host.
//!
//! Its filter of sshd judges sessions: a line may count because of an earlier one of the same
//! process, and a failure of PAM counts only when nothing else does. Ours judge lines, and what is
//! joined is the rules' work. So sshd is counted both ways: by line, and by session (the lines of one
//! process), where a session has failed when one of its lines says so and no login of the same
//! account follows.

use std::collections::BTreeSet;
use std::fs;

use rules_event::{Event, field};
use serde_json::Value as Json;

use super::{Log, Score, Scores, data, hold, place, shown, text};

/// One line of a filter's test.
struct Case {
    log: String,
    matched: bool,
    host: Option<String>,
    options: String,
}

fn cases(file: &std::path::Path) -> Vec<Case> {
    let text = fs::read_to_string(file).unwrap();
    let rows = text.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
    let string = |value: &Json| value.as_str().map(str::to_owned);
    rows.map(|row| Case {
        log: string(&row["log"]).unwrap(),
        matched: row["match"].as_bool().unwrap(),
        host: string(&row["host"]),
        options: string(&row["options"]).unwrap_or_default(),
    })
    .collect()
}

/// What was found and what was missed.
#[derive(Default)]
struct Found {
    right: usize,
    false_alarms: usize,
    missed: usize,
}

impl Found {
    fn add(&mut self, expected: bool, ours: bool, same_host: bool) -> bool {
        match (expected, ours && (same_host || !expected)) {
            (true, true) => self.right += 1,
            (true, false) => self.missed += 1,
            (false, true) => self.false_alarms += 1,
            (false, false) => {}
        }
        expected == (ours && (same_host || !expected))
    }

    /// F1 in thousandths.
    fn f1(&self) -> Score {
        let all = 2 * self.right + self.false_alarms + self.missed;
        Score { right: 2_000 * self.right / all.max(1), all: 1_000 }
    }
}

fn is_failure(event: &Event) -> bool {
    event.get_str(field::EVENT_OUTCOME) == Some("failure")
}

fn same_host(expected: Option<&str>, ours: Option<&str>) -> bool {
    expected.is_none() || expected == ours
}

#[test]
fn ground_truth_fail2ban() {
    let Some(folder) = data("fail2ban/expected") else { return };
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let mut all = Found::default();
    for file in files {
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let cases = cases(&file);
        if cases.is_empty() || name == "sshd" {
            continue;
        }
        let path = match name.split_once('-') {
            Some(("nginx", "http-auth" | "limit-req" | "forbidden")) => "/var/log/nginx/error.log",
            Some(("nginx", _)) => "/var/log/nginx/access.log",
            Some(("apache", _)) => "/var/log/apache2/error.log",
            _ => "/var/log/service.log",
        };
        let log = Log::new(path);
        let mut found = Found::default();
        for case in &cases {
            let event = log.decode(&case.log);
            let ours = is_failure(&event) && place(&event).is_some();
            let same = same_host(case.host.as_deref(), place(&event).as_deref());
            all.add(case.matched, ours, same);
            if !found.add(case.matched, ours, same) && shown() {
                eprintln!("{name} {:?} {:?}: {}", case.host, place(&event), case.log);
            }
        }
        let mut scores = Scores::default();
        scores.set("f1", found.f1());
        hold(&format!("fail2ban {name}"), &scores);
    }
    let mut scores = Scores::default();
    scores.set("f1", all.f1());
    hold("fail2ban (all but sshd)", &scores);
}

#[test]
fn ground_truth_fail2ban_sshd() {
    let Some(folder) = data("fail2ban/expected") else { return };
    let cases = cases(&folder.join("sshd.jsonl"));
    let log = Log::new("/var/log/auth.log");
    let mut scores = Scores::default();
    let mut lines = Found::default();
    let mut sessions = Found::default();
    let mut index = 0;
    while index < cases.len() {
        let pid = pid(&log.decode(&cases[index].log));
        let rest = cases[index..].iter();
        // Tests of one kind stand together; a process that occurs again later is another test.
        let length = rest
            .take_while(|case| {
                case.options == cases[index].options && self::pid(&log.decode(&case.log)) == pid
            })
            .count();
        let session = &cases[index..index + length.max(1)];
        index += session.len();
        for case in session {
            let event = log.decode(&case.log);
            let same = same_host(case.host.as_deref(), place(&event).as_deref());
            let ours = is_failure(&event) && counts(&event) && place(&event).is_some();
            if !lines.add(case.matched, ours, same) && shown() {
                eprintln!("line {} {:?}: {}", case.matched, case.host, case.log);
            }
        }
        let (ours, hosts) = judge(&log, session);
        let expected = session.iter().any(|case| case.matched);
        let wanted: BTreeSet<&str> =
            session.iter().filter_map(|case| case.host.as_deref()).collect();
        let same = wanted.iter().all(|host| hosts.contains(*host));
        if !sessions.add(expected, ours, same) && shown() {
            for case in session {
                eprintln!("session {expected} {ours} {wanted:?} {hosts:?}: {}", case.log);
            }
        }
    }
    scores.set("f1 by line", lines.f1());
    let f1 = sessions.f1();
    scores.set("f1 by session", f1);
    hold("fail2ban sshd", &scores);
    assert!(f1.right >= 970, "F1 by session {f1:?}");
}

fn pid(event: &Event) -> Option<String> {
    text(event, field::PROCESS_PID)
}

/// Failures that fail2ban counts by themselves: not those of PAM, which sshd's own line repeats, nor
/// a refused key of an account that exists, since clients try all they have.
fn counts(event: &Event) -> bool {
    !matches!(event.get_str(field::EVENT_ACTION), Some("pam_authentication"))
        && (event.get_str("vonglau.auth.method") != Some("publickey")
            || event.get("vonglau.auth.invalid_user").is_some())
}

fn judge(log: &Log, session: &[Case]) -> (bool, BTreeSet<String>) {
    let mut hosts = BTreeSet::new();
    let (mut failed, mut counted) = (BTreeSet::new(), false);
    for case in session {
        let event = log.decode(&case.log);
        hosts.extend(place(&event));
        // PAM names whom the client claims to be where it does not know the account.
        let user = text(&event, field::USER_NAME).or_else(|| text(&event, "vonglau.auth.by"));
        let is_login = event.get_str(field::EVENT_ACTION) == Some("ssh_login");
        if is_failure(&event) {
            if counts(&event) {
                counted = true;
            } else if event.get_str("vonglau.auth.method").is_none() {
                failed.insert(user);
            }
        } else if is_login && event.get_str(field::EVENT_OUTCOME) == Some("success") {
            failed.remove(&user);
        }
    }
    (counted || !failed.is_empty(), hosts)
}
