//! Policies and limits of the real agent, killed at random points: what should be sent is there once,
//! what is left out is counted, and the sums close.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::Write;

use agent_spool::{LANE_ALERTS, LANE_EVENTS};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rules_event::{Event, field};

use crate::agent::{Site, line, until};

/// The last of them is a hit.
const LINES: u64 = 7 * 572;
const KILLS: usize = 5;
const SAMPLE: u64 = 10;

fn random() -> StdRng {
    let seed = std::env::var("VONGLAU_TEST_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(rand::random);
    eprintln!("replay with VONGLAU_TEST_SEED={seed}");
    StdRng::seed_from_u64(seed)
}

/// Gives the log of a site a policy.
fn with_policy(site: &Site, policy: &str, more: &str) {
    site.configure(more);
    let path = site.dir.path().join("agent.toml");
    let text = fs::read_to_string(&path).unwrap();
    let text = text.replace("auth.log\"]\n", &format!("auth.log\"]\npolicy = {{ {policy} }}\n"));
    assert!(text.contains(policy));
    fs::write(path, text).unwrap();
}

/// Every event in the spool; the chains are checked on the way.
fn events(site: &Site) -> Vec<Event> {
    site.events();
    let records = [LANE_ALERTS, LANE_EVENTS].into_iter().flat_map(|lane| site.records(lane));
    records.flat_map(|record| record.events().unwrap()).collect()
}

fn spooled(site: &Site) -> usize {
    let records = [LANE_ALERTS, LANE_EVENTS].into_iter().flat_map(|lane| site.records(lane));
    records.map(|record| record.header.count as usize).sum()
}

fn status(site: &Site) -> serde_json::Value {
    let answer = site.ask("status", &["--json"]);
    serde_json::from_slice(&answer.stdout).unwrap()
}

/// Waits until so many lines were read by this run and nothing is in memory any more.
fn settle(site: &Site, read: u64) -> serde_json::Value {
    let mut last = serde_json::Value::Null;
    until("reading", || {
        last = status(site);
        assert_eq!((last["unaccounted"].as_i64(), last["closes"].as_bool()), (Some(0), Some(true)));
        last["read"].as_u64() >= Some(read) && last["pending"] == 0
    });
    last
}

fn is_hit(event: &Event) -> bool {
    event.rule_ids().next().is_some()
}

fn text(event: &Event) -> &str {
    event.get_str(field::EVENT_ORIGINAL).unwrap_or_default()
}

fn rate(event: &Event) -> u64 {
    event
        .get("vonglau.sample_rate")
        .and_then(rules_event::ValueRef::as_int)
        .unwrap_or(1)
        .unsigned_abs()
}

/// Whether an id is drawn, as docs/spec/policy.md says.
fn is_drawn(id: &str) -> bool {
    u64::from_str_radix(&id[..16], 16).unwrap().is_multiple_of(SAMPLE)
}

/// Runs the agent over all lines, killed again and again while they are written.
fn run_killed(site: &mut Site, random: &mut StdRng, mut append: impl FnMut(&mut Site, u64)) {
    // Enough that the log is known by its first kilobyte from the start.
    append(site, 100);
    let mut written = 100;
    for kill in 0..KILLS as u64 {
        let agent = site.start();
        let goal = (LINES * (kill + 1) / (KILLS as u64 + 1)).max(written + 1);
        let at = spooled(site) + random.gen_range(0..60);
        while written < goal {
            let count = random.gen_range(1..=150).min(goal - written);
            append(site, count);
            written += count;
            if spooled(site) > at {
                break;
            }
        }
        // At once, or with all of it in the spool.
        if random.gen_bool(0.5) {
            settle(site, 1);
        }
        agent.kill();
    }
    let agent = site.start();
    append(site, LINES - written);
    // The last line is a hit, which is always sent, and rounds are in the order of the log.
    let last = format!("sshd[{LINES}]: Failed password");
    until("the last line", || events(site).iter().any(|it| text(it).contains(&last)));
    settle(site, 0);
    assert_eq!(agent.stop(), 0);
}

#[test]
fn killed_under_policy_matched_exactly_what_should_be_sent_is_there() {
    let mut random = random();
    let mut site = Site::new();
    with_policy(&site, &format!("ship = \"matched\", sample = {SAMPLE}"), "");
    run_killed(&mut site, &mut random, |site, count| site.append(count));
    let found = events(&site);

    // The same log and key without a policy: what all events are.
    let whole = Site::new();
    let state = whole.dir.path().join("state");
    fs::create_dir(&state).unwrap();
    fs::copy(site.dir.path().join("state/agent.key"), state.join("agent.key")).unwrap();
    whole.configure("");
    let path = whole.dir.path().join("agent.toml");
    let log = |site: &Site| site.dir.path().join("auth.log").display().to_string();
    let text = fs::read_to_string(&path).unwrap().replace(&log(&whole), &log(&site));
    fs::write(&path, text).unwrap();
    let agent = whole.start();
    settle(&whole, LINES);
    assert_eq!(agent.stop(), 0);
    let all = events(&whole);
    assert_eq!(all.len() as u64, LINES);

    let should: BTreeMap<&str, bool> = all
        .iter()
        .filter(|event| is_hit(event) || is_drawn(&event.id))
        .map(|event| (event.id.as_str(), is_hit(event)))
        .collect();
    let ids: BTreeSet<&str> = found.iter().map(|event| event.id.as_str()).collect();
    assert_eq!(ids.len(), found.len(), "an event is there twice");
    assert_eq!(ids, should.keys().copied().collect(), "something is lost, or should not be there");
    assert!(found.iter().filter(|event| is_hit(event)).count() as u64 >= LINES / 7);
    for event in &found {
        let wanted = if should[event.id.as_str()] { 1 } else { SAMPLE };
        assert_eq!(rate(event), wanted, "{event:?}");
    }
    // Counted back from the sample: within a fifth, which is five standard deviations.
    let sum: u64 = found.iter().map(rate).sum();
    assert!(sum.abs_diff(LINES) * 5 < LINES, "{sum} for {LINES}");
}

#[test]
fn killed_under_a_limit_no_hit_is_lost_and_nothing_is_there_twice() {
    let mut random = random();
    let mut site = Site::new();
    // All lines are of four seconds: a thousand a second against fifty.
    with_policy(&site, "events_per_s_max = 50, burst_s = 1", "");
    let mut number = 0;
    let path = site.dir.path().join("auth.log");
    let append = |_: &mut Site, count: u64| {
        let mut text = String::new();
        for _ in 0..count {
            number += 1;
            let second = format!("Nov 21 08:00:{:02}", number / 1_000);
            text += &line(number).replacen(&line(number)[..15], &second, 1);
            text.push('\n');
        }
        OpenOptions::new().append(true).open(&path).unwrap().write_all(text.as_bytes()).unwrap();
    };
    run_killed(&mut site, &mut random, append);
    let found = events(&site);
    let ids: BTreeSet<&String> = found.iter().map(|event| &event.id).collect();
    assert_eq!(ids.len(), found.len(), "an event is there twice");
    for number in (7..=LINES).step_by(7) {
        let failed = format!("sshd[{number}]: Failed password");
        assert!(found.iter().any(|event| text(event).contains(&failed)), "hit {number} is lost");
    }
    let others = found.iter().filter(|event| !is_hit(event));
    let (kept, largest) =
        others.fold((0, 1), |(kept, largest), event| (kept + 1, rate(event).max(largest)));
    assert!(kept < LINES / 2, "{kept} others were kept");
    assert!(largest >= 10, "the log was thinned out, and says so");
}

fn text_of(count: usize) -> String {
    let text =
        "Nov 21 08:00:00 web-1 CRON[1]: pam_unix(cron:session): session opened for user root\n";
    text.repeat(count)
}

#[test]
fn what_is_left_out_is_told_in_every_place() {
    let site = Site::new();
    with_policy(&site, "events_per_s_max = 10, burst_s = 1", "[evidence]\nevents = true");
    let path = site.dir.path().join("auth.log");
    fs::write(&path, text_of(2_000)).unwrap();
    let agent = site.start();
    let said = site.await_said("rate_limited");
    assert_eq!(said.get_str("vonglau.limit.input"), Some("files.1"));
    assert_eq!(said.get_str(field::LOG_FILE_PATH), path.to_str());
    let settled = settle(&site, 2_000);
    let left = settled["dropped_by_reason"]["rate_limit"].as_u64().unwrap();
    assert!(left > 1_500, "{settled}");
    let said = site.await_said("rate_limit_ended");
    let told = said.get("vonglau.agent.left_out").and_then(rules_event::ValueRef::as_int).unwrap();
    assert_eq!(told.unsigned_abs(), left, "what was told is what was counted");
    // Other policies are in force without a restart.
    let config = site.dir.path().join("agent.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("events_per_s_max = 10,", "ship = \"alerts\",")).unwrap();
    agent.signal("HUP");
    let reloaded = site.await_said("config_reloaded");
    let applied = reloaded.get_str("vonglau.agent.settings_applied");
    assert_eq!(applied, Some("input.*.policy"), "{reloaded:?}");
    assert_eq!(reloaded.get_str("vonglau.agent.settings_waiting"), Some(""));
    let mut log = OpenOptions::new().append(true).open(&path).unwrap();
    log.write_all(text_of(9).as_bytes()).unwrap();
    until("the new policy", || status(&site)["dropped_by_reason"]["policy"] == 9);
    // The heartbeat carries the reason, too: the collector shows it.
    until("a heartbeat", || {
        let bytes = fs::read(site.spool().join(agent_spool::HEARTBEAT_FILE)).unwrap_or_default();
        let Ok(record) = agent_wire::Record::decode(&bytes) else { return false };
        let beat = agent_wire::Heartbeat::open(&record).unwrap();
        let dropped: u64 = beat.dropped.values().sum();
        assert_eq!(beat.read, beat.spooled + dropped);
        beat.dropped.get("rate_limit") == Some(&left)
    });
    assert_eq!(agent.stop(), 0);
}
