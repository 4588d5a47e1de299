//! What happens to the agent becomes events: start, stop, kill, changed files, a silent restart.

use rules_event::field;

use crate::agent::{Site, until};

#[test]
fn start_stop_and_kill_are_told_apart() {
    let site = Site::new();
    site.configure("[evidence]");
    let agent = site.start();
    let started = site.await_said("started");
    assert_eq!(started.get_str(field::EVENT_KIND), Some("state"));
    assert_eq!(started.get_str("vonglau.agent.binary_sha256").map(str::len), Some(64));
    assert_eq!(agent.stop(), 0);
    let stopped = site.await_said("stopped");
    assert_eq!(stopped.get_str("event.reason"), Some("SIGTERM"));

    let agent = site.start();
    until("the second start", || {
        site.said().iter().filter(|it| it.get_str(field::EVENT_ACTION) == Some("started")).count()
            == 2
    });
    let actions = || {
        let said = site.said();
        said.iter()
            .filter_map(|it| it.get_str(field::EVENT_ACTION))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(actions(), ["started", "stopped", "started"], "an orderly end is no evidence");
    agent.kill();

    site.configure("[evidence]\nsilent_after_s = 60");
    let agent = site.start();
    let ended = site.await_said("ended_unclean");
    assert_eq!(ended.get_str("event.reason"), Some("killed_or_crashed"));
    assert!(matches!(
        ended.get("vonglau.agent.gap_seconds"),
        Some(rules_event::ValueRef::Int(0..600))
    ));
    assert!(site.await_said("config_changed").get_str("vonglau.agent.sha256_before").is_some());
    // The same id must never come twice, or one of them would be dropped as a repeat.
    let said = site.said();
    let ids: std::collections::HashSet<_> = said.iter().map(|event| &event.id).collect();
    assert_eq!(ids.len(), said.len());
    assert_eq!(agent.stop(), 0);
}

#[test]
fn files_changed_under_a_running_agent_are_said() {
    let site = Site::new();
    let rules = site.dir.path().join("rules");
    std::fs::create_dir(&rules).unwrap();
    let extra = format!("[evidence]\n[rules]\ndirs = [\"{}\"]", rules.display());
    site.configure(&extra);
    let agent = site.start();
    site.await_said("started");
    std::fs::write(rules.join("new.yml"), "title: x").unwrap();
    site.configure(&format!("{extra}\n# a comment"));
    let changed = site.await_said("config_changed");
    assert!(changed.get_str("file.path").unwrap().ends_with("agent.toml"));
    assert!(site.await_said("rules_changed").get_str("file.path").unwrap().ends_with("new.yml"));
    assert_eq!(agent.stop(), 0);
}

#[test]
fn damage_in_the_spool_is_said() {
    let mut site = Site::new();
    site.configure("[evidence]");
    site.append(100);
    let agent = site.start();
    // One round with this in it, and one with the stop: damage in the first is damage, no torn end.
    site.await_said("started");
    assert_eq!(agent.stop(), 0);
    let mut segments: Vec<_> = std::fs::read_dir(site.spool())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "seg"))
        .collect();
    segments.sort();
    let mut bytes = std::fs::read(&segments[0]).unwrap();
    bytes[60] ^= 0x55;
    std::fs::write(&segments[0], bytes).unwrap();
    let agent = site.start();
    until("the segment is named", || {
        let reasons = site.said();
        let mut reasons = reasons.iter().filter_map(|event| event.get_str("event.reason"));
        reasons.any(|reason| reason.contains("segment") && reason.contains(".seg is damaged"))
    });
    site.await_said("spool_damaged");
    assert_eq!(agent.stop(), 0);
}

#[test]
fn a_log_cut_short_is_told_apart_from_one_that_was_rotated() {
    let mut site = Site::new();
    site.configure("[evidence]");
    site.append(50);
    let agent = site.start();
    let read = |count: u64| {
        let wanted = format!("input_records_total{{input=\"files\"}} {count}");
        until("reading", || agent.get("/metrics").contains(&wanted));
    };
    read(50);
    let log = site.dir.path().join("auth.log");
    // logrotate's copytruncate.
    std::fs::copy(&log, site.dir.path().join("auth.log.1")).unwrap();
    std::fs::File::options().write(true).open(&log).unwrap().set_len(0).unwrap();
    let rotated = site.await_said("log_truncated");
    assert_eq!(rotated.get("vonglau.source.rotated"), Some(rules_event::ValueRef::Bool(true)));
    assert_eq!(rotated.rule_ids().count(), 0, "{rotated:?}");
    // Somebody who hides something.
    let length = std::fs::metadata(&log).unwrap().len();
    let mut file = std::fs::File::options().append(true).open(&log).unwrap();
    std::io::Write::write_all(&mut file, format!("{}\n", crate::agent::line(77)).as_bytes())
        .unwrap();
    read(51);
    file.set_len(length).unwrap();
    let mut cut = None;
    until("the cut", || {
        cut = site.said().into_iter().rfind(|it| {
            it.get("vonglau.source.rotated") == Some(rules_event::ValueRef::Bool(false))
        });
        cut.is_some()
    });
    let cut = cut.unwrap();
    assert_eq!(cut.get_str(field::LOG_FILE_PATH), log.to_str());
    // Detection 24 of the shipped pack sees it.
    let rules: Vec<_> = cut.rule_ids().collect();
    assert_eq!(rules, ["49ce0127-4141-4b03-86df-d9e7eff07bcb"], "{cut:?}");
    assert_eq!(agent.stop(), 0);
}
