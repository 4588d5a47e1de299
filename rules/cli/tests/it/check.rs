//! `check`: findings as text, JSON and SARIF; repairs.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::schemas::Schema;
use crate::{RULE, check, json, program, run};

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

#[test]
fn sarif_has_the_shape_of_the_specification() {
    let schema = Schema::new(serde_json::from_str(include_str!("sarif.schema.json")).unwrap());
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../sigma/tests/golden");
    let output = run(Path::new("."), &["check", "--format", "sarif", golden]);
    check(&output, 1, &[]);
    let log = json(&output);
    assert_eq!(schema.error(&log), None);
    let run_ = &log["runs"][0];
    let rules = run_["tool"]["driver"]["rules"].as_array().unwrap();
    let results = run_["results"].as_array().unwrap();
    assert!(results.len() > 50, "{} results", results.len());
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
    }
    // The shape refuses what the specification does.
    let mut wrong = log.clone();
    wrong["runs"][0]["results"][0]["level"] = "fatal".into();
    assert!(schema.error(&wrong).is_some());
    wrong = log.clone();
    wrong["runs"][0]["results"][0]["message"] = "text".into();
    assert!(schema.error(&wrong).is_some());
    let sound = run(Path::new("."), &["check", "--format", "sarif"]);
    check(&sound, 0, &[]);
    assert_eq!(schema.error(&json(&sound)), None);
    assert_eq!(json(&sound)["runs"][0]["results"], serde_json::json!([]));
}

#[test]
fn standard_input_is_checked() {
    let here = Path::new(".");
    check(&program(here, &["check", "-"], RULE), 0, &["1 rules and 0 correlations loaded"]);
    let broken = RULE.replace("user.name:", "user.name|contians:");
    check(&program(here, &["check", "-"], &broken), 1, &["error[R012]", "--> <stdin>:7:27"]);
    check(&program(here, &["check", "-", "--fix"], &broken), 2, &["standard input"]);
}
