//! The program as its users meet it: what it prints, and how it exits.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const RULE: &str = "title: Root login\nid: 00000000-0000-0000-0000-000000000001\nname: root_login\n\
                    level: high\nlogsource: {product: linux, service: sshd}\ndetection:\n    \
                    selection: {user.name: root}\n    condition: selection\n";

const CORRELATION: &str = "title: Many\nid: 00000000-0000-0000-0000-000000000002\nname: many\n\
                           level: high\ncorrelation:\n    type: event_count\n    \
                           rules: [root_login]\n    group-by: [source.ip]\n    timespan: 1m\n    \
                           condition: {gte: 3}\n";

fn event(rest: &str) -> String {
    format!("{{event.dataset: system.auth, process.name: sshd, {rest}}}")
}

fn run(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vonglau-rules"))
        .current_dir(folder)
        .args(args)
        .output()
        .expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn check(output: &Output, code: i32, parts: &[&str]) {
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}{err}");
    for part in parts {
        assert!(out.contains(part) || err.contains(part), "no '{part}' in\n{out}{err}");
    }
    assert!(!out.contains('\x1b'), "colour without a terminal");
}

#[test]
fn the_shipped_rules_are_sound_and_pass_their_cases() {
    let here = Path::new(".");
    check(&run(here, &["check", "--strict"]), 0, &["0 errors, 0 warnings"]);
    check(&run(here, &["test"]), 0, &["0 failed, 0 without cases, 0 broken"]);
}

#[test]
fn mistakes_are_shown_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("good.yml"), RULE).unwrap();
    let broken = RULE.replace("user.name:", "user.name|contians:").replace("root_login", "x");
    fs::write(folder.path().join("bad.yml"), broken).unwrap();
    let output = run(folder.path(), &["check", "."]);
    let expected = [
        "error[R012]: unknown modifier 'contians'",
        "--> ./bad.yml:7:27",
        "did you mean 'contains'?",
        "1 rules and 0 correlations loaded: 1 errors, 0 warnings",
    ];
    check(&output, 1, &expected);
    let output = run(folder.path(), &["check", ".", "--format", "json"]);
    check(&output, 1, &[]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["diagnostics"][0]["code"], "R012");
    assert_eq!(report["diagnostics"][0]["column"], 27);
    check(&run(folder.path(), &["check", "no/such"]), 2, &["cannot read rules from no/such"]);
}

#[test]
fn cases_are_run_for_rules_and_correlations() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("root.yml", RULE);
    write("many.yml", CORRELATION);
    let (root, lan) = (event("user.name: root"), event("user.name: lan"));
    write(
        "root.case.yml",
        &format!("matches:\n  - event: {root}\ndoes_not_match:\n  - event: {lan}\n"),
    );
    let burst = |count: u32| {
        let root = event("user.name: root, source.ip: 1.2.3.4, '@timestamp': 2026-11-21T08:00:00Z");
        format!("  - events:\n      - event: {root}\n        repeat: {count}\n        every: 5s\n")
    };
    let group = "    expect_group: {source.ip: 1.2.3.4}\n";
    let cases = format!("matches:\n{}{group}does_not_match:\n{}", burst(3), burst(2));
    write("many.case.yml", &cases);
    check(
        &run(folder.path(), &["test", "."]),
        0,
        &["root_login: 1 match, 1 do not", "many: 1 match"],
    );
    // A correlation alone finds the rules it needs beside it.
    check(&run(folder.path(), &["test", "many.yml"]), 0, &["1 rules tested"]);

    write("many.case.yml", &format!("matches:\n{}", burst(2)));
    let expected = [
        "error[R072]: 'case 1' must match and does not",
        "2 events; hits: root_login 2×; it never fired",
    ];
    check(&run(folder.path(), &["test", "many.yml"]), 1, &expected);
    write("root.case.yml", &format!("matches:\n  - name: not root\n    event: {lan}\n"));
    let expected = ["'not root' must match", "✘ user.name = 'root' — user.name is 'lan'"];
    check(&run(folder.path(), &["test", "root.yml"]), 1, &expected);
    fs::remove_file(folder.path().join("root.case.yml")).unwrap();
    check(&run(folder.path(), &["test", "root.yml"]), 1, &["warning[R071]"]);
    check(&run(folder.path(), &["test", "root.yml", "--allow-missing"]), 0, &[]);
}

#[test]
fn why_shows_the_tree() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("root.yml"), RULE).unwrap();
    let event = |user: &str| {
        format!(
            "{{\"event.dataset\": \"system.auth\", \"process.name\": \"sshd\", \"user\": {{\"name\": \"{user}\"}}}}\n"
        )
    };
    fs::write(folder.path().join("root.json"), event("root")).unwrap();
    fs::write(folder.path().join("two.json"), event("root") + &event("lan")).unwrap();
    check(&run(folder.path(), &["why", "root.yml", "root.json"]), 0, &["✔ user.name = 'root'"]);
    let by_name = ["why", "root_login", "two.json", "--rules", "."];
    check(&run(folder.path(), &by_name), 1, &["✔ Root login", "✘ Root login"]);
    check(
        &run(folder.path(), &["why", "nothing", "root.json"]),
        2,
        &["no rule has the id or name"],
    );
    check(&run(folder.path(), &["why", "root.yml", "gone.json"]), 2, &["cannot read gone.json"]);
    check(&run(folder.path(), &["why", "ssh_brute_force", "root.json"]), 2, &["is a correlation"]);
}

#[test]
fn codes_are_explained() {
    check(&run(Path::new("."), &["explain", "r012"]), 0, &["# R012: the modifier is unknown"]);
    check(&run(Path::new("."), &["explain"]), 0, &["R073"]);
    check(&run(Path::new("."), &["explain", "R999"]), 2, &["no code 'R999'"]);
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_vonglau-rules"))
        .args([
            "check",
            "--format",
            "json",
            concat!(env!("CARGO_MANIFEST_DIR"), "/../sigma/tests/golden"),
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!((child.wait().unwrap().code(), err.as_str()), (Some(0), ""));
}
