//! `why`: trees of what held, for people and as JSON.

use std::fs;

use crate::{RULE, check, program, run, text};

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
    check(&run(folder.path(), &["why", "ssh_brute_force", "root.json"]), 2, &["is a correlation"]);
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
