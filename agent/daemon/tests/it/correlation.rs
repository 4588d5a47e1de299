//! Correlation on the host: `kill -9` in the middle of an attack and behind it, and every attack told
//! once.

use std::collections::BTreeMap;

use agent_spool::LANE_ALERTS;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rules_correlate::told::Told;
use rules_event::{Event, field};

use crate::agent::{Site, until};

/// The shipped rules, and the section that the other tests switch off.
const ON: &str = "[correlation]\nenabled = true\n";

/// A failed login.
fn failed(minute: u64, second: u64, host: u64) -> String {
    format!(
        "Nov 21 08:{minute:02}:{second:02} web-1 sshd[{host}]: Failed password for root from \
         203.0.113.{host} port 4022 ssh2\n"
    )
}

/// Every alert of a correlation in the spool, with the event that tells it.
fn told(site: &Site) -> Vec<(Event, Told)> {
    let records = site.records(LANE_ALERTS);
    let events = records.iter().flat_map(|record| record.events().unwrap());
    events.filter_map(|event| Told::read(&event).map(|told| (event, told))).collect()
}

/// The counts told of each attack, by rule and group.
fn words(told: &[(Event, Told)]) -> BTreeMap<String, Vec<u64>> {
    let mut words: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (_, told) in told {
        let attack = format!("{} {:?}", told.title, told.fired.group);
        words.entry(attack).or_default().push(told.fired.count);
    }
    words
}

/// Waits until so many lines are in the spool.
fn spooled(site: &Site, lines: usize) {
    until("spooling", || {
        let lanes = [agent_spool::LANE_EVENTS, LANE_ALERTS];
        let records = lanes.into_iter().flat_map(|lane| site.records(lane));
        let events = records.flat_map(|record| record.events().unwrap());
        events.filter(|event| event.get(field::EVENT_ORIGINAL).is_some()).count() >= lines
    });
}

#[test]
fn killed_in_the_middle_of_an_attack_and_behind_it_the_attack_is_told_once() {
    let mut site = Site::new();
    site.configure(ON);
    let agent = site.start();
    let attack: Vec<String> = (0..10).map(|n| failed(10, n, 9)).collect();
    attack[..6].iter().for_each(|line| site.write(line));
    spooled(&site, 6);
    assert!(told(&site).iter().all(|(_, told)| told.fired.count < 10), "not ten yet");
    agent.kill();
    // What is in the log while nobody reads it counts as well.
    attack[6..8].iter().for_each(|line| site.write(line));
    let agent = site.start();
    attack[8..].iter().for_each(|line| site.write(line));
    spooled(&site, 10);
    let ten = |told: &[(Event, Told)]| {
        let of = |it: &&(Event, Told)| it.1.fired.count >= 10 && it.1.timespan.as_secs() == 120;
        told.iter().filter(of).cloned().collect::<Vec<_>>()
    };
    until("the alert", || !ten(&told(&site)).is_empty());
    let (event, alert) = ten(&told(&site)).remove(0);
    assert_eq!(event.get_str(field::SOURCE_IP), Some("203.0.113.9"));
    assert_eq!(event.get_str(field::AGENT_HOST), Some("web-1"));
    assert_eq!(alert.fired.event_ids.len(), 10, "those before the kill are counted and named");
    assert!(alert.lines[0].contains("08:10:00"), "and shown: {:?}", alert.lines);
    let before = words(&told(&site));
    // Behind the firing: what was told is not told again, and what goes on is.
    agent.kill();
    let agent = site.start();
    site.write(&failed(10, 11, 9));
    spooled(&site, 11);
    assert_eq!(words(&told(&site)), before, "one more is nothing new");
    (12..22).for_each(|n| site.write(&failed(10, n, 9)));
    spooled(&site, 21);
    until("that it grew", || ten(&told(&site)).len() == 2);
    assert_eq!(agent.stop(), 0);
    let all = told(&site);
    let ids: std::collections::HashSet<_> = all.iter().map(|(event, _)| &event.id).collect();
    assert_eq!(ids.len(), all.len(), "every word has an id of its own");
    let grown = ten(&all);
    assert_eq!(grown[0].1.fired.key, grown[1].1.fired.key, "it is one attack");
    assert_eq!((grown[1].1.revision, grown[1].1.fired.count), (1, 20));
}

/// Many attackers at once, and the agent killed at random moments: the same words as without.
#[test]
fn killed_at_random_every_attack_is_told_as_if_nothing_had_happened() {
    let seed = std::env::var("VONGLAU_TEST_SEED").ok().and_then(|text| text.parse().ok());
    let seed: u64 = seed.unwrap_or_else(rand::random);
    eprintln!("replay with VONGLAU_TEST_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let lines: Vec<String> =
        (0..600).map(|n| failed(n / 60 + 1, n % 60, random.gen_range(1..12))).collect();
    let mut calm = Site::new();
    calm.configure(ON);
    lines.iter().for_each(|line| calm.write(line));
    let agent = calm.start();
    spooled(&calm, lines.len());
    assert_eq!(agent.stop(), 0);
    let expected = words(&told(&calm));
    assert!(expected.len() >= 11, "{expected:?}");

    let mut site = Site::new();
    site.configure(ON);
    let mut agent = Some(site.start());
    let mut written = 0;
    while written < lines.len() {
        let count = random.gen_range(1..120).min(lines.len() - written);
        lines[written..written + count].iter().for_each(|line| site.write(line));
        // Killed before, while or after these are read.
        spooled(&site, random.gen_range(0..=written + count));
        written += count;
        if let Some(agent) = agent.take() {
            agent.kill();
        }
        agent = Some(site.start());
    }
    spooled(&site, lines.len());
    assert_eq!(agent.map(crate::agent::Running::stop), Some(0));
    let all = told(&site);
    assert_eq!(words(&all), expected);
    let ids: std::collections::HashSet<_> = all.iter().map(|(event, _)| &event.id).collect();
    assert_eq!(ids.len(), all.len(), "every word has an id of its own");
}

#[test]
fn other_rules_take_over_while_it_runs_and_the_status_tells_what_is_counted() {
    let mut site = Site::new();
    let rules = site.dir.path().join("rules");
    std::fs::create_dir(&rules).unwrap();
    site.configure(&format!("{ON}[rules]\nbuiltin = false\ndirs = [\"{}\"]\n", rules.display()));
    let base = "title: Failed\nid: 5c1b7a52-8a4e-4c57-9d0e-000000000001\nname: failed\n\
                logsource: {product: linux, service: sshd}\n\
                detection: {s: {message|contains: Failed password}, condition: s}\nlevel: low\n";
    let correlation = |count: u64| {
        format!(
            "title: Many failures\nid: 5c1b7a52-8a4e-4c57-9d0e-000000000002\ncorrelation: \
             {{type: event_count, rules: [failed], group-by: [source.ip], timespan: 10m, \
             condition: {{gte: {count}}}}}\nlevel: high\n"
        )
    };
    std::fs::write(rules.join("base.yml"), base).unwrap();
    std::fs::write(rules.join("many.yml"), correlation(100)).unwrap();
    let agent = site.start();
    (0..5).for_each(|n| site.write(&failed(10, n, 9)));
    spooled(&site, 5);
    assert!(told(&site).is_empty());
    std::fs::write(rules.join("many.yml"), correlation(3)).unwrap();
    agent.signal("HUP");
    until("the new rules", || {
        site.write(&failed(11, 0, 9));
        !told(&site).is_empty()
    });
    // It is another correlation now, and begins anew.
    assert_eq!(told(&site)[0].1.fired.count, 3);
    let status: serde_json::Value =
        serde_json::from_slice(&site.ask("status", &["--json"]).stdout).unwrap();
    let correlation = &status["correlation"];
    assert_eq!(correlation["rules"], 1, "{correlation}");
    assert!(correlation["groups"].as_u64() >= Some(1), "{correlation}");
    assert!(correlation["alerts"].as_u64() >= Some(1), "{correlation}");
    assert_eq!(correlation["withheld"], 0, "{correlation}");
    assert_eq!(status["closes"], true, "{status}");
    let text = String::from_utf8(site.ask("status", &[]).stdout).unwrap();
    assert!(text.contains("attacks  1 correlations"), "{text}");
    assert_eq!(agent.stop(), 0);
}

/// With the default `auto` and a line that holds nothing back: what the collector has is left to it, what
/// stands in the host's own folder is judged here, as soon as it is there.
#[test]
fn by_default_it_judges_what_only_this_host_has() {
    let mut site = Site::new();
    let rules = site.dir.path().join("rules");
    std::fs::create_dir(&rules).unwrap();
    site.configure(&format!("[correlation]\n[rules]\ndirs = [\"{}\"]\n", rules.display()));
    // A copy of a shipped file is no rule of one's own: it is left out, as its id is taken.
    let (name, text) =
        rules_pack::shipped().iter().find(|it| it.0 == "ssh_brute_force.yml").unwrap();
    std::fs::write(rules.join(name), text).unwrap();
    let agent = site.start();
    let correlations = |count: u64| {
        agent.get("/metrics").contains(&format!("vonglau_agent_correlations {count}\n"))
    };
    assert!(correlations(0), "{}", agent.get("/metrics"));
    (0..12).for_each(|n| site.write(&failed(10, n, 9)));
    spooled(&site, 12);
    assert!(told(&site).is_empty(), "a matter of the collector");
    let hits = || agent.get("/metrics").contains("vonglau_agent_correlated_hits_total 0\n");
    assert!(hits(), "nothing is counted: {}", agent.get("/metrics"));

    let own = "title: Ba lần sai\nid: 5c1b7a52-8a4e-4c57-9d0e-000000000002\ncorrelation: {type: \
               event_count, rules: [ssh_failed_login], group-by: [source.ip], timespan: 10m, condition: \
               {gte: 3}}\nlevel: high\ncustom: {vonglau: {title_vi: Sai ba lần, incident_type: N2}}\n";
    std::fs::write(rules.join("own.yml"), own).unwrap();
    // The copy would be a mistake that refuses the reload.
    std::fs::remove_file(rules.join(name)).unwrap();
    agent.signal("HUP");
    until("the own correlation", || {
        site.write(&failed(11, 0, 8));
        !told(&site).is_empty()
    });
    assert!(correlations(1), "{}", agent.get("/metrics"));
    assert_eq!(agent.stop(), 0);
    let all = told(&site);
    let titles: std::collections::BTreeSet<_> = all.iter().map(|it| it.1.title.as_str()).collect();
    assert_eq!(
        titles.into_iter().collect::<Vec<_>>(),
        ["Ba lần sai"],
        "the shipped ones stay silent"
    );
    assert_eq!(all[0].1.guide.title_vi.as_deref(), Some("Sai ba lần"));
    assert_eq!(all[0].1.guide.incident_type.as_deref(), Some("N2"));
    // At a start as well.
    let agent = site.start();
    assert!(agent.get("/metrics").contains("vonglau_agent_correlations 1\n"));
    assert_eq!(agent.stop(), 0);
}
