//! Commands of the configuration: whole runs only, over `kill -9`, and none outlives the agent.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use agent_spool::{LANE_ALERTS, LANE_EVENTS};
use rules_event::field;

use crate::agent::{Site, until};

const KILLS: usize = 4;

#[test]
fn a_killed_agent_has_all_of_a_run_or_nothing_and_repeats_none() {
    let site = Site::new();
    let counter = site.dir.path().join("counter");
    fs::write(&counter, "0").unwrap();
    // Each run has a number of its own, and takes long enough to be hit by a kill.
    let script = format!(
        "n=$(($(cat {0}) + 1)); echo $n > {0}; echo begin $n; sleep 0.3; echo end $n",
        counter.display()
    );
    site.configure(&format!(
        "[[input.exec]]\nname = \"count\"\ncommand = [\"/bin/sh\", \"-c\", \"{script}\"]\n\
         interval_s = 1\nformat = \"text\""
    ));
    let runs = || fs::read_to_string(&counter).unwrap().trim().parse::<u64>().unwrap_or(0);
    for kill in 0..KILLS {
        let agent = site.start();
        let before = runs();
        // Within a run, and behind one.
        let more = 1 + kill as u64 % 2;
        until("a run", || runs() >= before + more);
        agent.kill();
    }
    let agent = site.start();
    let end = runs() + 1;
    until("the last run", || site.events().iter().any(|(_, text)| *text == format!("end {end}")));
    assert_eq!(agent.stop(), 0);
    let events = site.events();
    let texts: HashSet<&str> = events.iter().map(|(_, text)| text.as_str()).collect();
    let ids: HashSet<&String> = events.iter().map(|(id, _)| id).collect();
    assert_eq!((texts.len(), ids.len()), (events.len(), events.len()), "something is repeated");
    for number in 1..=runs() {
        let has = |word: &str| texts.contains(format!("{word} {number}").as_str());
        assert_eq!(has("begin"), has("end"), "half of run {number}");
    }
    let records = [LANE_ALERTS, LANE_EVENTS].into_iter().flat_map(|lane| site.records(lane));
    let events: Vec<_> = records.flat_map(|record| record.events().unwrap()).collect();
    assert!(events.iter().all(|it| it.get_str(field::VONGLAU_EXEC_NAME) == Some("count")));
}

#[test]
fn a_command_ends_with_the_agent_however_that_ends_and_has_nothing_of_it() {
    let site = Site::new();
    let path = site.dir.path().join("pid");
    let place = path.display();
    site.configure(&format!(
        "[[input.exec]]\ncommand = [\"/bin/sh\", \"-c\", \
         \"cd /proc/$$/fd && echo * > {place}.fds; echo $$ > {place}.new; mv {place}.new {place}; exec sleep 300\"]\n\
         interval_s = 3600"
    ));
    // What this test hands to any child, so to the agent as well.
    let script = format!("cd /proc/$$/fd && echo * > {place}.usual");
    assert!(Command::new("/bin/sh").args(["-c", &script]).status().unwrap().success());
    let usual = fs::read_to_string(path.with_extension("usual")).unwrap();
    let usual = usual.trim();
    for is_killed in [true, false] {
        let agent = site.start();
        until("the command", || path.exists());
        let pid = fs::read_to_string(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let has = fs::read_to_string(path.with_extension("fds")).unwrap();
        assert_eq!(has.trim(), usual, "a descriptor of the agent");
        match is_killed {
            true => agent.kill(),
            false => assert_eq!(agent.stop(), 0),
        }
        until("its end", || !is_alive(pid.trim()));
    }
}

/// Whether a process runs; a zombie that nobody waits for in a container does not.
fn is_alive(pid: &str) -> bool {
    let state = fs::read_to_string(Path::new("/proc").join(pid).join("stat")).unwrap_or_default();
    let state = state.rsplit(") ").next().unwrap_or_default();
    !state.is_empty() && !state.starts_with('Z')
}

#[test]
fn commands_are_checked_shown_and_tried() {
    let site = Site::new();
    let tool = site.dir.path().join("tool");
    fs::write(&tool, "#!/bin/sh\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    fs::set_permissions(&tool, mode).unwrap();
    let section = |command: &str| {
        format!(
            "[[input.exec]]\nname = \"it\"\ncommand = [{command}]\nenv = {{ TOKEN = \"s3cret\" }}"
        )
    };
    site.configure(&section(&format!("\"{}\"", tool.display())));
    let answer = site.ask("check-config", &[]);
    let said = String::from_utf8_lossy(&answer.stdout).into_owned();
    assert_eq!(answer.status.code(), Some(1), "{said}");
    assert!(said.contains("chmod o-w") && said.contains("1 commands would not be run"), "{said}");
    site.configure(&section("\"tool\""));
    let answer = site.ask("check-config", &[]);
    let said = String::from_utf8_lossy(&answer.stderr).into_owned();
    assert_eq!(answer.status.code(), Some(3), "{said}");
    assert!(said.contains("input.exec.command") && said.contains("absolute path"), "{said}");
    site.configure(&section("\"/bin/sh\", \"-c\", \"echo hello\""));
    let shown = site.ask("print-config", &[]).stdout;
    assert!(!String::from_utf8_lossy(&shown).contains("s3cret"));
    let answer = site.ask("tail", &["--dry-run", "--events", "1"]);
    let event: serde_json::Value = serde_json::from_slice(&answer.stdout).unwrap();
    assert_eq!(event["event.original"], "hello");
    assert_eq!(event["vonglau.exec.name"], "it");
}

#[test]
fn a_command_may_be_given_less_than_root_has() {
    let uid = Command::new("id").arg("-u").output().unwrap().stdout;
    if uid != b"0\n" {
        eprintln!("skipped: only root can run a command as somebody else");
        return;
    }
    let site = Site::new();
    site.configure(
        "[[input.exec]]\ncommand = [\"/bin/sh\", \"-c\", \"id -u; id -G; exec sleep 300\"]\n\
         user = \"nobody\"\ntimeout_ms = 2000\nname = \"it\"",
    );
    let wanted = Command::new("sh").args(["-c", "id -u nobody; id -g nobody"]).output().unwrap();
    let wanted = String::from_utf8(wanted.stdout).unwrap();
    let answer = site.ask("tail", &["--dry-run", "--events", "2"]);
    let texts: Vec<String> = String::from_utf8(answer.stdout)
        .unwrap()
        .lines()
        .map(|line| {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            event["event.original"].as_str().unwrap().to_owned() + "\n"
        })
        .collect();
    // No group but its own: those of root are gone.
    assert_eq!(texts.concat(), wanted);
}
