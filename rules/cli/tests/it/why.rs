//! `why`: trees of what held, for people and as JSON.

use std::fs;

use crate::{CORRELATION, RULE, check, json, program, run, text};

fn event(user: &str) -> String {
    format!(
        "{{\"event.dataset\": \"system.auth\", \"process.name\": \"sshd\", \"user\": {{\"name\": \
         \"{user}\"}}}}\n"
    )
}

#[test]
fn why_shows_the_tree() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("root.yml"), RULE).unwrap();
    fs::write(folder.path().join("root.json"), event("root")).unwrap();
    fs::write(folder.path().join("two.json"), event("root") + &event("lan")).unwrap();
    check(&run(folder.path(), &["why", "root.yml", "root.json"]), 0, &["✔ user.name = 'root'"]);
    let by_name = ["why", "root_login", "two.json", "--rules", "."];
    check(&run(folder.path(), &by_name), 1, &["✔ Root login", "✘ Root login"]);
    let output = run(folder.path(), &["why", "rot_login", "root.json", "--rules", "."]);
    check(&output, 2, &["no rule has the id or name 'rot_login'; did you mean 'root_login'?"]);
    check(&run(folder.path(), &["why", "root.yml", "gone.json"]), 2, &["cannot read gone.json"]);
    check(&run(folder.path(), &["why", "root.yml", "."]), 4, &["cannot read ."]);
    let broken = RULE.replace("user.name:", "user.name|contians:");
    fs::write(folder.path().join("broken.yml"), broken).unwrap();
    let output = run(folder.path(), &["why", "broken.yml", "root.json"]);
    check(&output, 2, &["error[R012]", "broken.yml holds 0 rules"]);
}

#[test]
fn why_answers_in_json_and_reads_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("root.yml"), RULE).unwrap();
    let args = ["why", "root.yml", "-", "--format", "json"];
    let output = program(folder.path(), &args, &(event("root") + &event("lan")));
    check(&output, 1, &[]);
    let lines: Vec<serde_json::Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [hit, miss] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!((&hit["matched"], &miss["matched"]), (&true.into(), &false.into()));
    assert_eq!(miss["logsource"]["holds"], true);
    let leaf = &miss["condition"]["children"][0];
    assert_eq!(leaf["holds"], false, "{miss}");
    assert!(leaf["text"].as_str().unwrap().contains("user.name is 'lan'"), "{miss}");
    check(&program(folder.path(), &args, "{\"a\": 1}\nnonsense\n"), 2, &["standard input line 2"]);
}

#[test]
fn correlations_show_their_groups() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("root.yml"), RULE).unwrap();
    fs::write(folder.path().join("many.yml"), CORRELATION).unwrap();
    let event = |second: u32, address: &str| {
        format!(
            "{{\"@timestamp\": \"2026-11-21T08:00:{second:02}Z\", \"event.dataset\": \
             \"system.auth\", \"process.name\": \"sshd\", \"user.name\": \"root\"{address}}}\n"
        )
    };
    let from = |address: &str| format!(", \"source.ip\": \"{address}\"");
    let mut events: String = (0..3).map(|second| event(second, &from("192.0.2.1"))).collect();
    let few = event(30, &from("192.0.2.2")) + &event(31, &from("192.0.2.2")) + &event(40, "");
    events += &few;
    let args = ["why", "many.yml", "-"];
    let parts = [
        "✔ Many (00000000-0000-0000-0000-000000000002)",
        "6 events, 5 hits that count",
        "1 hits lack source.ip and count nowhere",
        "✔ source.ip '192.0.2.1': root_login 3× — at most 3 within 60s; fired",
        "✘ source.ip '192.0.2.2': root_login 2× — at most 2 within 60s",
    ];
    check(&program(folder.path(), &args, &events), 0, &parts);
    let args = ["why", "many", "-", "--rules", ".", "--format", "json"];
    let output = program(folder.path(), &args, &few);
    check(&output, 1, &[]);
    let report = json(&output);
    assert_eq!(
        (&report["matched"], &report["groups"][0]["most_in_window"]),
        (&false.into(), &2.into())
    );
}

#[test]
fn raw_events_are_asked_by_logsource() {
    let folder = tempfile::tempdir().unwrap();
    let rule = RULE.replace(
        "{product: linux, service: sshd}",
        "{product: windows, category: process_creation}",
    );
    let rule = rule.replace("{user.name: root}", "{Image|endswith: '\\calc.exe'}");
    fs::write(folder.path().join("calc.yml"), rule).unwrap();
    let event = r#"{"Event": {"System": {"EventID": 1}, "EventData": {"Image": "C:\\CALC.EXE"}}}"#;
    let why = |logsource: &str| {
        program(folder.path(), &["why", "calc.yml", "-", "--logsource", logsource], event)
    };
    check(&why("windows//process_creation"), 0, &["✔ logsource", "Image is 'C:\\CALC.EXE'"]);
    check(&why("windows/-/process_creation"), 0, &[]);
    check(&why("linux//process_creation"), 1, &["✘ logsource: the one given", "✔ condition"]);
    check(&why("windows"), 2, &["is no logsource; write product/service/category"]);
    let without = program(folder.path(), &["why", "calc.yml", "-"], event);
    check(&without, 1, &["✘ condition"]);
}
