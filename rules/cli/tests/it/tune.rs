//! `tune`: filters for harmless events that hide no known attack.

use std::fs;

use crate::{RULE, check, program, run, text};

fn event(user: &str, address: &str, host: &str) -> String {
    format!(
        "{{\"event.dataset\": \"system.auth\", \"process.name\": \"sshd\", \"user.name\": \
         \"{user}\", \"source.ip\": \"{address}\", \"host.name\": \"{host}\"}}\n"
    )
}

#[test]
fn a_filter_takes_the_harmless_out_and_leaves_the_attack() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("root.yml", RULE);
    write("root.case.yml", &format!("matches:\n  - event: {}", event("root", "192.0.2.9", "web")));
    let noise = event("root", "10.0.0.5", "backup") + &event("root", "10.0.0.6", "backup");
    write("noise.ndjson", &(noise + &event("lan", "10.0.0.5", "backup")));
    let args = ["tune", "root.yml", "--false-positive", "noise.ndjson"];
    let output = run(folder.path(), &args);
    let parts = ["condition: not harmless", "- '10.0.0.6'", "'host.name':", "left out"];
    check(&output, 0, &parts);
    write("root.filter.yml", &text(&output.stdout));
    check(&run(folder.path(), &["check", ".", "--strict"]), 0, &["0 errors, 0 warnings"]);
    check(&run(folder.path(), &["test", "."]), 0, &["1 match"]);
    let why =
        |event: &str| program(folder.path(), &["why", "root_login", "-", "--rules", "."], event);
    check(&why(&event("root", "10.0.0.6", "backup")), 1, &[]);
    check(&why(&event("root", "10.0.0.7", "backup")), 0, &[]);
    check(&why(&event("root", "10.0.0.6", "web")), 0, &[]);
}

#[test]
fn a_filter_that_would_hide_an_attack_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("root.yml", RULE);
    let attack = event("root", "192.0.2.9", "web");
    write("root.case.yml", &format!("matches:\n  - name: break-in\n    event: {attack}"));
    let args = ["tune", "root.yml", "--false-positive", "-"];
    let output = program(folder.path(), &args, &attack);
    check(&output, 1, &["would hide the case 'break-in'"]);
    assert!(output.stdout.is_empty(), "nothing is proposed");
    let output = program(folder.path(), &args, &event("lan", "192.0.2.9", "web"));
    check(&output, 2, &["hits none of these 1 events"]);
}
