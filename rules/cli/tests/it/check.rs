//! `check`: findings as text, JSON and SARIF; repairs.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::schemas::Schema;
use crate::{CORRELATION, RULE, check, json, program, run, text};

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
    assert!(results.iter().any(|it| it["fixes"].is_array()), "no finding brings its repair");
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
fn a_file_alone_is_checked_with_what_stands_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("root.yml", RULE);
    write("many.yml", CORRELATION);
    write("broken.yml", "title: [");
    write(
        "filter.yml",
        "title: f\nid: 00000000-0000-0000-0000-000000000004\nlogsource: {product: \
        linux}\nfilter:\n  rules: [root_login]\n  s: {user.name: x}\n  condition: not s\n",
    );
    let loaded = "0 rules and 1 correlations loaded: 0 errors, 0 warnings";
    check(&run(folder.path(), &["check", "many.yml", "--strict"]), 0, &[loaded]);
    check(&run(folder.path(), &["check", "filter.yml", "--strict"]), 0, &["0 errors, 0 warnings"]);
    check(&run(folder.path(), &["check", "."]), 1, &["./broken.yml"]);
    let inside = folder.path().join("root.yml").display().to_string();
    check(&run(Path::new("."), &["check", &inside, &inside]), 0, &["1 rules and 0 correlations"]);
}

#[test]
fn a_misspelt_field_is_named() {
    let rule = RULE.replace("{user.name: root}", "{'user.nmae|contains': root}");
    let parts = ["warning[R016]: no event of ours has the field 'user.nmae'", "'user.name'?"];
    check(&program(Path::new("."), &["check", "-", "--strict"], &rule), 1, &parts);
}

#[test]
fn standard_input_is_checked() {
    let here = Path::new(".");
    check(&program(here, &["check", "-"], RULE), 0, &["1 rules and 0 correlations loaded"]);
    let broken = RULE.replace("user.name:", "user.name|contians:");
    check(&program(here, &["check", "-"], &broken), 1, &["error[R012]", "--> <stdin>:7:27"]);
    check(&program(here, &["check", "-", "--fix"], &broken), 2, &["standard input"]);
}

#[test]
fn repairs_are_shown_and_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.yml");
    let broken = RULE.replace("user.name:", "user.name|contians:");
    fs::write(&path, &broken).unwrap();
    let output = run(folder.path(), &["check", "a.yml", "--diff"]);
    let expected = [
        "--- a.yml\n+++ a.yml\n@@ -4,5 +4,5 @@\n",
        "-    selection: {user.name|contians: root}\n+    selection: {user.name|contains: root}\n",
    ];
    check(&output, 1, &expected);
    assert_eq!(fs::read_to_string(&path).unwrap(), broken, "--diff writes nothing");

    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("a.yml", folder.path().join("link.yml")).unwrap();
    let output = run(folder.path(), &["check", "link.yml", "--fix"]);
    check(&output, 0, &["1 repairs written to link.yml", "0 errors"]);
    let fixed = RULE.replace("user.name:", "user.name|contains:");
    assert_eq!(fs::read_to_string(&path).unwrap(), fixed);
    let facts = fs::symlink_metadata(folder.path().join("link.yml")).unwrap();
    assert!(facts.is_symlink(), "the link stays a link");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 2, "no temporary file is left: {left:?}");
    check(&run(folder.path(), &["check", "a.yml", "--diff"]), 0, &[]);
    assert!(!text(&run(folder.path(), &["check", "a.yml", "--fix"]).stdout).contains("written"));
    check(&run(folder.path(), &["check", "--fix"]), 2, &["PATHS"]);
}

#[test]
fn repairs_come_to_an_end() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../sigma/tests/golden");
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(golden).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    let count = |output: &std::process::Output| {
        let report = json(output);
        let found = report["diagnostics"].as_array().unwrap();
        (found.len(), found.iter().filter(|it| it["fix"].is_object()).count())
    };
    let (before, fixes) = count(&run(folder.path(), &["check", ".", "--format", "json"]));
    assert!(fixes >= 10, "{fixes} repairs offered");
    let output = run(folder.path(), &["check", ".", "--fix", "--format", "json"]);
    check(&output, 1, &[]);
    let (after, left) = count(&output);
    // Fewer, though not by as many: a repaired document is read on, and more is seen.
    assert!(after < before, "{before} findings, {fixes} repairs, {after} left");
    assert_eq!(left, 0, "what can be repaired is repaired");
    check(&run(folder.path(), &["check", ".", "--diff"]), 0, &[]);
}
