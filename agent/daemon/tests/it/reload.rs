//! SIGHUP: what is good is put in force, what is wrong is refused and the old stays.

use rules_event::field;

use crate::agent::{Site, until};

const ROOT: &str = "title: Root login fails\nid: 6b5f3a52-0000-4000-8000-000000000001\nstatus: test\n\
    level: high\nlogsource:\n  product: linux\n  service: sshd\ndetection:\n  keywords:\n    \
    - 'Failed password for root'\n  condition: keywords\n";

#[test]
fn rules_are_loaded_again_and_a_broken_set_is_refused_as_a_whole() {
    let mut site = Site::new();
    let rules = site.dir.path().join("rules");
    std::fs::create_dir(&rules).unwrap();
    let config = |extra: &str| {
        format!("[rules]\nbuiltin = false\ndirs = [\"{}\"]\n[evidence]\n{extra}", rules.display())
    };
    site.configure(&config(""));
    std::fs::write(rules.join("broken.yml"), "title: [").unwrap();
    let agent = site.start();
    site.append(7);
    let read = || agent.get("/metrics").contains("input_records_total{input=\"files\"} 7");
    until("reading", read);
    assert!(agent.get("/metrics").contains("vonglau_agent_hits_total 0"));

    // A good rule beside a broken one: who reloads wants all or nothing.
    std::fs::write(rules.join("root.yml"), ROOT).unwrap();
    agent.signal("HUP");
    let refused = site.await_said("rules_refused");
    let reason = refused.get_str("event.reason").unwrap();
    assert!(reason.contains("broken.yml:2:1: "), "{reason}");
    assert!(agent.get("/healthz").contains("broken.yml:2:1"));
    assert!(agent.get("/metrics").contains("vonglau_agent_rules 0"));

    std::fs::remove_file(rules.join("broken.yml")).unwrap();
    agent.signal("HUP");
    until("the new rule", || agent.get("/metrics").contains("vonglau_agent_rules 1"));
    assert!(site.await_said("rules_reloaded").get_str("rule.ruleset").is_some());
    site.append(7);
    until("the hit", || agent.get("/metrics").contains("vonglau_agent_hits_total 1"));
    assert!(!agent.get("/healthz").contains("broken"));

    // A folder that is gone leaves the rules in force.
    std::fs::remove_dir_all(&rules).unwrap();
    agent.signal("HUP");
    until("the problem", || agent.get("/healthz").contains("rules"));
    assert!(agent.get("/metrics").contains("vonglau_agent_rules 1"));
    assert_eq!(agent.stop(), 0);
    let alerts = site.records(agent_spool::LANE_ALERTS);
    assert_eq!(alerts.iter().map(|it| it.header.count).sum::<u32>(), 1);
}

#[test]
fn settings_are_read_again_and_a_bad_file_is_refused_with_its_place() {
    let site = Site::new();
    site.configure("[evidence]\n[heartbeat]\ninterval_s = 3600");
    let agent = site.start();
    let file = site.dir.path().join("agent.toml");
    let good = std::fs::read_to_string(&file).unwrap();

    std::fs::write(&file, good.replace("interval_s", "intervall_s")).unwrap();
    agent.signal("HUP");
    let refused = site.await_said("config_refused");
    let line = good.lines().position(|it| it.contains("interval_s")).unwrap() + 1;
    let reason = refused.get_str("event.reason").unwrap();
    assert!(reason.contains(&format!("agent.toml:{line}:1: ")), "{reason}");
    assert!(reason.contains("did you mean 'interval_s'?"), "{reason}");
    assert!(agent.get("/healthz").contains("the configuration in force stays"));

    std::fs::write(&file, good.replace("interval_s = 3600", "interval_s = 0")).unwrap();
    agent.signal("HUP");
    until("the bound", || agent.get("/healthz").contains("give 1 to 3600"));
    assert!(agent.get("/healthz").contains(&format!("agent.toml:{line}")));

    let new = good.replace("interval_s = 3600", "interval_s = 7").replace("web-1", "web-2");
    std::fs::write(&file, new + "[limits]\nmemory_bytes_max = 1073741824\n").unwrap();
    agent.signal("HUP");
    let reloaded = site.await_said("config_reloaded");
    assert_eq!(
        reloaded.get_str("vonglau.agent.settings_applied"),
        Some("heartbeat.interval_s, limits.memory_bytes_max")
    );
    assert_eq!(reloaded.get_str("vonglau.agent.settings_waiting"), Some("host.name"));
    assert_eq!(reloaded.get_str(field::AGENT_HOST), Some("web-1"));
    until("the bound", || agent.get("/metrics").contains("memory_bytes_max 1073741824"));
    let health = agent.get("/healthz");
    assert!(health.contains("only in force after a restart: host.name"), "{health}");
    assert_eq!(agent.stop(), 0);
}

#[test]
fn compiled_rules_are_kept_and_a_forged_file_of_them_disables_nothing() {
    let mut site = Site::new();
    let rules = site.dir.path().join("rules");
    std::fs::create_dir(&rules).unwrap();
    std::fs::write(rules.join("root.yml"), ROOT).unwrap();
    site.configure(&format!("[rules]\nbuiltin = false\ndirs = [\"{}\"]", rules.display()));
    let kept = site.dir.path().join("state/rules.compiled");
    let agent = site.start();
    assert!(agent.get("/metrics").contains("vonglau_agent_rules 1"));
    assert_eq!(agent.stop(), 0);
    let good = std::fs::read(&kept).unwrap();

    // As it was kept, and with another word in place of the one that is searched for.
    for forged in [false, true] {
        let mut bytes = good.clone();
        if forged {
            let word = b"failed password for root";
            let at = bytes
                .windows(word.len())
                .position(|it| it.eq_ignore_ascii_case(word))
                .expect("the image holds the texts of the rule");
            bytes[at] = b'x';
        }
        std::fs::write(&kept, &bytes).unwrap();
        let agent = site.start();
        let hits = || agent.get("/metrics");
        assert!(hits().contains("vonglau_agent_rules 1"));
        site.append(7);
        until("the hit", || hits().contains("vonglau_agent_hits_total 1"));
        assert_eq!(agent.stop(), 0);
        assert_eq!(std::fs::read(&kept).unwrap(), good, "forged: {forged}");
    }
}
