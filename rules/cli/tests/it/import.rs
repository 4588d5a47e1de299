//! `import`: coverage of a folder of foreign rules.

use std::fs;

use crate::{RULE, check, json, run, text};

#[test]
fn coverage_is_counted_and_working_rules_are_copied() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join("foreign").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let tagged = RULE.replace("level:", "tags: [attack.t1078, attack.t0000.123]\nlevel:");
    write("linux/root.yml", &tagged);
    let other = RULE.replace("0001", "0002").replace("root_login", "other");
    write("linux/bad.yml", &other.replace("user.name:", "user.name|contians:"));
    let idle = RULE.replace("0001", "0003").replace("root_login", "idle");
    let idle = idle.replace("{product: linux, service: sshd}", "{product: zx81}");
    write("zx81/idle.yml", &idle.replace("user.name:", "Flibbertigibbet:"));
    let output = run(folder.path(), &["import", "foreign", "--format", "json"]);
    check(&output, 0, &[]);
    let report = json(&output);
    assert_eq!((&report["files"], &report["rules"]), (&3.into(), &2.into()));
    assert_eq!(report["refused_files"], serde_json::json!(["foreign/linux/bad.yml"]));
    assert_eq!(report["errors"]["R012"]["findings"], 1);
    assert_eq!(report["warnings"]["R061"]["findings"], 1);
    let logsources = serde_json::json!([
        { "logsource": "linux/-/sshd", "rules": 1, "mapped": true },
        { "logsource": "zx81/-/-", "rules": 1, "mapped": false },
    ]);
    assert_eq!(report["logsources"], logsources);
    assert_eq!(report["fields"]["mapped"], serde_json::json!(["user.name"]));
    assert_eq!(report["fields"]["unmapped"][0]["field"], "Flibbertigibbet");
    assert_eq!(report["techniques"], serde_json::json!(["T0000.123", "T1078"]));
    assert_eq!(report["techniques_not_shipped"][0], "T0000.123");

    let output = run(folder.path(), &["import", "foreign", "--out", "ours"]);
    check(&output, 0, &["1 files copied to ours", "Detection Rule License", "R012"]);
    assert_eq!(fs::read_to_string(folder.path().join("ours/linux/root.yml")).unwrap(), tagged);
    assert!(!folder.path().join("ours/zx81").exists());
    check(&run(folder.path(), &["import", "foreign", "--out", "ours"]), 2, &["is not empty"]);
}

#[test]
fn a_folder_without_rules_is_a_problem() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["import", "."]);
    check(&output, 1, &["0 files: 0 rules", "nothing is refused"]);
    assert!(!text(&output.stdout).contains("R0"));
    check(&run(folder.path(), &["import", "gone"]), 2, &["cannot read rules from gone"]);
}
