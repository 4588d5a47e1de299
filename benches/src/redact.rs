//! Redaction: what looking for secrets costs a line that has none, beside a set of regular expressions.
//!
//! The peer is what a tool would do that is built on expressions: `regex::RegexSet` with one expression for each
//! family of our words, asked only whether any is there. Thread CPU time, rounds of both in turn, the
//! middle of them.

use std::hint::black_box;

use agent_pipeline::{RedactionConfig, Redactor};
use anyhow::Result;
use regex::RegexSet;

use crate::corpus::Mixed;
use crate::{figure, usage};

/// Lines that a round goes over: 3 MB, more than the caches near a core hold.
const LINES: usize = 20_000;
/// Rounds of each.
const ROUNDS: usize = 15;
/// Of so many lines one holds a secret, in the second measurement.
const SECRET_EVERY: usize = 10;

/// One expression for each family of words.
const PEER: [&str; 12] = [
    r#"(?i)(pass(word|wd|phrase|code)?|pwd|psk|mat[_-]?khau)[\w.-]{0,20}["'\]]{0,2}\s{0,2}[=:]"#,
    r#"(?i)(token|secret|sessionid|session_id|phpsessid|otp|client_assertion)["'\]]{0,2}\s{0,2}[=:]"#,
    r#"(?i)(api|access|account|auth|private|encryption|signing)[_.-]?key["'\]]{0,2}\s{0,2}[=:]"#,
    r#"(?i)(authorization|cookie)["']?\s?[:=]"#,
    r"(?i)\bbearer\s+[\w.~+/-]{16}",
    r"eyJ[\w-]{8,}\.[\w-]{8,}",
    r"-----BEGIN [A-Z ]*PRIVATE KEY",
    r"://[^/\s:@]*:[^/\s@]+@",
    r"(AKIA|ASIA)[A-Z0-9]{16}|gh[pousr]_\w{30}|glpat-|xox[bpars]-|AIza[\w-]{35}",
    r"(?i)(mysql|mariadb|curl|sshpass|ldap\w+|smbclient|redis-cli|sqlcmd)\s.*-[puwUPa]",
    r"(?i)identified (by|with)|login (ok|incorrect)",
    r"(proctitle|argc|cmd)=",
];

/// Nanoseconds a line of each, in turn.
fn measure(lines: &[String], redactor: &Redactor, peer: &RegexSet) -> [f64; 2] {
    let mut took: [Vec<f64>; 2] = Default::default();
    for _ in 0..ROUNDS {
        for (which, took) in took.iter_mut().enumerate() {
            let before = usage::thread_cpu();
            for line in lines {
                match which {
                    0 => drop(black_box(redactor.redact(black_box(line)))),
                    _ => drop(black_box(peer.matches(black_box(line)))),
                }
            }
            let spent = usage::thread_cpu().saturating_sub(before);
            took.push(spent.as_nanos() as f64 / lines.len() as f64);
        }
    }
    took.map(|mut took| {
        took.sort_by(f64::total_cmp);
        took[took.len() / 2]
    })
}

/// See the head of the file.
pub(crate) fn run() -> Result<()> {
    let redactor = Redactor::new(&RedactionConfig::default(), &[7; 32])?;
    let peer = RegexSet::new(PEER)?;
    let (mut mixed, mut text) = (Mixed::new(), String::new());
    for _ in 0..LINES {
        mixed.write_line(&mut text);
    }
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    figure::print("agent-redact", "line", text.len() as f64 / LINES as f64, "bytes", None);
    let [ours, theirs] = measure(&lines, &redactor, &peer);
    figure::print(
        "agent-redact",
        "no secret",
        ours,
        "ns a line",
        Some(("regex::RegexSet", theirs)),
    );

    for line in lines.iter_mut().step_by(SECRET_EVERY) {
        line.push_str(" password=S3cretOfLan");
    }
    let [ours, theirs] = measure(&lines, &redactor, &peer);
    let what = "a secret in one of ten";
    figure::print(
        "agent-redact",
        what,
        ours,
        "ns a line",
        Some(("regex::RegexSet, only asked", theirs)),
    );
    let hidden = lines.iter().filter(|line| !redactor.redact(line).1.is_empty()).count();
    figure::print("agent-redact", "lines redacted", hidden as f64 / LINES as f64, "share", None);
    Ok(())
}
