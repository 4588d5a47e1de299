//! The systemd unit is taken by systemd, and stays as closed as it is.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Exposure as `systemd-analyze security` counts it, in tenths: 0 is closed, 100 is open. It may only
/// go down.
const EXPOSURE_MAX: u32 = 20;

/// Copies the unit into a folder with the tested program in the place of the installed one.
fn unit(dir: &Path) -> PathBuf {
    let text =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/systemd/vonglau-agent.service");
    let text = std::fs::read_to_string(text).unwrap();
    let program = env!("CARGO_BIN_EXE_vonglau-agent");
    assert!(text.contains("ExecStart=/usr/bin/vonglau-agent run"));
    let text = text.replace("/usr/bin/vonglau-agent", program);
    let path = dir.join("vonglau-agent.service");
    std::fs::write(&path, text).unwrap();
    path
}

fn analyze(arguments: &[&str]) -> Option<(bool, String)> {
    let output = Command::new("systemd-analyze").args(arguments).output().ok()?;
    let said = [output.stdout, output.stderr].map(|it| String::from_utf8_lossy(&it).into_owned());
    Some((output.status.success(), said.concat()))
}

#[test]
fn systemd_takes_the_unit_and_finds_it_closed() {
    let dir = tempfile::tempdir().unwrap();
    let path = unit(dir.path());
    let path = path.to_str().unwrap();
    let Some((is_good, said)) = analyze(&["verify", "--man=no", path]) else {
        eprintln!("skipped: systemd-analyze is not here");
        return;
    };
    // What it says of other units of this host is not ours.
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("vonglau-agent")).collect();
    assert!(is_good && ours.is_empty(), "{said}");

    let threshold = format!("--threshold={EXPOSURE_MAX}");
    let Some((is_closed, said)) = analyze(&["security", "--offline=true", &threshold, path]) else {
        unreachable!("it was here a moment ago")
    };
    if said.contains("unrecognized option") || said.contains("Unknown option") {
        eprintln!("skipped: this systemd-analyze looks at running units only");
        return;
    }
    assert!(is_closed && said.contains("Overall exposure level"), "{said}");
}

#[test]
fn every_capability_has_its_why_and_every_bound_is_set() {
    let dir = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(unit(dir.path())).unwrap();
    for line in text.lines().filter(|line| line.contains("Capabilit") && line.contains("=CAP_")) {
        let name = line.split('=').nth(1).unwrap();
        assert!(text.contains(&format!("# {name}: ")), "{name} is given without a reason");
    }
    for setting in ["MemoryMax=", "CPUQuota=", "TasksMax=", "LimitNOFILE=", "WatchdogSec="] {
        assert!(text.lines().any(|line| line.starts_with(setting)), "{setting}");
    }
}
