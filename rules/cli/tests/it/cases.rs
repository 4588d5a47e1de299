//! `test`: cases, and what is said when they fail.

use std::fs;
use std::path::Path;

use crate::{CORRELATION, RULE, check, json, run, text};

fn event(rest: &str) -> String {
    format!("{{event.dataset: system.auth, process.name: sshd, {rest}}}")
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
fn rules_are_chosen_by_name() {
    let here = Path::new(".");
    let output = run(here, &["test", "--name", "BRUTE", "--format", "json"]);
    check(&output, 0, &[]);
    let names: Vec<String> = json(&output)["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| rule["name"].as_str().unwrap().to_owned())
        .collect();
    assert!(names.contains(&"ssh_brute_force".to_owned()), "{names:?}");
    assert!(!names.contains(&"web_scan".to_owned()), "{names:?}");
    check(&run(here, &["test", "--name", "no_such_rule"]), 2, &["no rule here has 'no_such_rule'"]);
}

#[test]
fn ci_reads_junit() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("root.yml", RULE);
    let lan = event("user.name: lan");
    write(
        "root.case.yml",
        &format!(
            "matches:\n  - name: a <b>\n    event: {lan}\ndoes_not_match:\n  - event: {lan}\n"
        ),
    );
    write("bare.yml", &RULE.replace("0001", "0009").replace("root_login", "bare"));
    write("bad.yml", "title: x\n");
    let output = run(folder.path(), &["test", ".", "--format", "junit"]);
    let expected = [
        "<testsuites name=\"vonglau-rules\" tests=\"5\" failures=\"2\" errors=\"2\">",
        "<testsuite name=\"root_login\" tests=\"2\" failures=\"1\" errors=\"0\">",
        "name=\"a &lt;b&gt;\"",
        "<failure type=\"R072\"",
        "<failure type=\"R071\"",
        "<error type=\"R010\"",
    ];
    check(&output, 1, &expected);
    let out = text(&output.stdout);
    for tag in ["testsuites", "testsuite", "failure", "error"] {
        let count = |start: &str| out.matches(start).count();
        assert_eq!(count(&format!("<{tag} ")), count(&format!("</{tag}>")), "{tag}: {out}");
    }
    let allowed = ["test", "bare.yml", "--format", "junit", "--allow-missing"];
    check(&run(folder.path(), &allowed), 0, &["<skipped message="]);
}

#[test]
fn cases_of_no_rule_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let root = event("user.name: root");
    write("root.yml", RULE);
    write("root.case.yml", &format!("matches:\n  - event: {root}\n"));
    write("rot.case.yml", &format!("matches:\n  - event: {root}\n"));
    let parts = ["error[R070]: no rule file stands beside these cases", "--> ./rot.case.yml"];
    check(&run(folder.path(), &["test", "."]), 1, &parts);
    check(&run(folder.path(), &["test", "root.yml"]), 0, &[]);
    fs::remove_file(folder.path().join("rot.case.yml")).unwrap();
    let other = format!("matches:\n  - rule: root_logn\n    event: {root}\n");
    write("root.case.yml", &other);
    let parts = ["is a case of 'root_logn', which is not here", "did you mean 'root_login'?"];
    check(&run(folder.path(), &["test", "."]), 1, &parts);
}
