//! What correlating on the host promises: an attack is told once, whatever happens to the agent.

use std::collections::BTreeMap;

use agent_wire::Compressor;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::config::{CorrelationSection, Scope};

/// Counts failures and successes of sshd, and one thing that waits for certainty.
const RULES: &str = "
title: Failed login
id: 5c1b7a52-8a4e-4c57-9d0e-000000000001
name: failed
logsource: {product: linux, service: sshd}
detection: {s: {message|contains: Failed}, condition: s}
level: informational
---
title: Login
id: 5c1b7a52-8a4e-4c57-9d0e-000000000002
name: login
logsource: {product: linux, service: sshd}
detection: {s: {message|contains: Accepted}, condition: s}
level: informational
---
title: Brute force
id: brute
name: brute
correlation: {type: event_count, rules: [failed], group-by: [source.ip], timespan: 10m, condition: {gte: 5}}
level: high
---
title: Spraying
id: spray
correlation: {type: value_count, rules: [failed], group-by: [source.ip], timespan: 10m, condition: {field: user.name, gte: 4}}
level: medium
---
title: Break-in
id: break-in
correlation: {type: temporal_ordered, rules: [brute, login], group-by: [source.ip], timespan: 10m, generate: true}
level: critical
---
title: Bytes
id: bytes
correlation: {type: value_sum, rules: [login], group-by: [source.ip], timespan: 10m, condition: {field: source.bytes, gte: 100}}
level: medium
---
title: On many hosts
id: hosts
correlation: {type: value_count, rules: [failed], group-by: [source.ip], timespan: 10m, condition: {field: host.name, gte: 3}}
level: high
";
const FAILED: &str = "5c1b7a52-8a4e-4c57-9d0e-000000000001";
const LOGIN: &str = "5c1b7a52-8a4e-4c57-9d0e-000000000002";
const START: i64 = 1_795_248_600;

fn kept() -> Kept {
    let texts = [("rules.yml", RULES)];
    let loaded = rules_pack::load_texts(texts);
    // Ids that people can read are only warned of.
    let is_error = |it: &rules_sigma::Diagnostic| it.severity == rules_sigma::Severity::Error;
    assert!(!loaded.diagnostics.iter().any(is_error), "{:?}", loaded.diagnostics);
    let (kept, problems) = Kept::of(&loaded);
    assert!(problems.is_empty(), "{problems:?}");
    kept
}

fn counting(kept: &Kept) -> Arc<Counting> {
    Arc::new(Counting::new(kept, "ruleset", &CorrelationSection::default(), Scope::All))
}

fn local(counting: &Arc<Counting>) -> Local {
    let facts = AgentFacts {
        agent_id: [7; 16],
        agent_id_text: "07".repeat(16),
        host: "web".to_owned(),
        organization: Some("H99".to_owned()),
        system: Some("H99.02".to_owned()),
        timezone: agent_pipeline::timezone("UTC").unwrap(),
    };
    Local::new(Arc::clone(counting), facts, Metrics::new())
}

/// One thing that happened: seconds, address, account, whether it was let in.
type Happening = (i64, u32, u32, bool);

fn event(number: usize, (at, ip, user, accepted): Happening) -> Event {
    // As scattered as a hash, so that nothing compresses it.
    let id = (number as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let mut event = Event::new(Timestamp::from_seconds(START + at), format!("{id:032x}"));
    let address = std::net::Ipv4Addr::from(0x0a00_0000 + ip);
    event.set(field::SOURCE_IP, address.to_string());
    event.set(field::USER_NAME, format!("user{user}"));
    event.set("source.bytes", 60_i64);
    event.set(field::VONGLAU_SYSTEM_ID, "lgsp");
    event.set(field::EVENT_ORIGINAL, format!("line {number}"));
    event.set(field::RULE_ID, if accepted { LOGIN } else { FAILED });
    event
}

fn block(counting: &Arc<Counting>, from: usize, happened: &[Happening]) -> Block {
    let mut block = Block::new(Arc::clone(counting));
    for (number, it) in (from..).zip(happened) {
        block.note(&event(number, *it), 1, true);
    }
    block
}

fn now(happened: &[Happening]) -> Timestamp {
    Timestamp::from_seconds(START + happened.iter().map(|it| it.0).max().unwrap_or_default())
}

/// What is told, by rule and group: how often, and the last count.
fn words(alerts: &[Event]) -> BTreeMap<String, Vec<u64>> {
    let mut words: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for told in alerts.iter().map(|event| Told::read(event).expect("an alert")) {
        let key = format!("{} {:?}", told.fired.correlation_id, told.fired.group);
        words.entry(key).or_default().push(told.fired.count);
    }
    words
}

#[test]
fn an_attack_is_told_with_its_evidence() {
    let counting = counting(&kept());
    let mut local = local(&counting);
    let mut happened: Vec<Happening> = (0..9).map(|n| (i64::from(n), 1, n % 2, false)).collect();
    happened.push((20, 1, 0, true));
    let alerts = local.take(block(&counting, 0, &happened), now(&happened));
    let words = words(&alerts);
    assert_eq!(words.len(), 2, "{words:?}");
    let told: Vec<Told> = alerts.iter().filter_map(Told::read).collect();
    assert_eq!(told[0].fired.count, 5);
    assert_eq!(told[0].lines, ["line 0", "line 1", "line 2", "line 3", "line 4"]);
    assert_eq!(told[0].fired.event_ids.len(), 5);
    let (event, told) = (alerts.last().unwrap(), told.last().unwrap());
    assert_eq!((told.title.as_str(), told.level.as_str()), ("Break-in", "critical"));
    assert_eq!(told.lines.last().map(String::as_str), Some("line 9"), "what it ended with");
    for (name, value) in [
        (field::AGENT_HOST, "web"),
        // That of the log stands over that of the host.
        (field::VONGLAU_SYSTEM_ID, "lgsp"),
        (field::ORGANIZATION_ID, "H99"),
        (field::SOURCE_IP, "10.0.0.1"),
        (field::USER_NAME, "user0"),
        (field::RULE_RULESET, "ruleset"),
    ] {
        assert_eq!(event.get_str(name), Some(value), "{name}");
    }
    assert_eq!(alerts[0].get_str(field::USER_NAME), None, "one of many accounts tried");
    assert_eq!(alerts[0].id.len(), 32);
}

#[test]
fn what_is_not_to_be_shown_is_counted_and_not_shown() {
    let counting = counting(&kept());
    let mut local = local(&counting);
    let mut block = Block::new(Arc::clone(&counting));
    for n in 0..5 {
        block.note(&event(n, (n as i64, 1, 0, false)), 1, n == 2);
    }
    let alerts = local.take(block, Timestamp::from_seconds(START));
    assert_eq!(Told::read(&alerts[0]).unwrap().lines, ["line 2"]);
}

/// A spool of our own: rounds that hold all, or what changed.
struct Disk(Vec<Vec<u8>>);

impl Disk {
    fn store(&mut self, local: &mut Local, whole: bool) {
        let mut compressor = Compressor::default();
        if whole {
            self.0.clear();
        }
        let bytes =
            if whole { local.whole(&mut compressor) } else { local.change(&mut compressor) };
        self.0.push(bytes);
        local.stored(whole);
    }

    fn kept(&self) -> Vec<&[u8]> {
        self.0.iter().map(Vec::as_slice).collect()
    }
}

/// Happenings in chunks; after each the agent may store a round, be killed, or get its rules anew. What
/// was not stored is read again. What is told, word by word, is what an agent without trouble tells.
#[test]
fn killed_anywhere_every_word_is_said_once() {
    let seed = std::env::var("VONGLAU_TEST_SEED").ok().and_then(|text| text.parse().ok());
    let seed: u64 = seed.unwrap_or_else(rand::random);
    eprintln!("replay with VONGLAU_TEST_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let kept = kept();
    let mut told_in_all = 0;
    for _ in 0..60 {
        let mut at = 0;
        let happened: Vec<Happening> = (0..400)
            .map(|_| {
                at += random.gen_range(0..40);
                (at, random.gen_range(0..4), random.gen_range(0..5), random.gen_range(0..20) == 0)
            })
            .collect();
        let now = now(&happened);
        let calm = counting(&kept);
        let mut undisturbed = local(&calm);
        let expected = undisturbed.take(block(&calm, 0, &happened), now);

        let mut counting_now = counting(&kept);
        let mut agent = local(&counting_now);
        let mut disk = Disk(Vec::new());
        // Read so far, stored so far; what was told since the last round is lost with a kill.
        let (mut read, mut stored) = (0, 0);
        let (mut said, mut said_since) = (Vec::new(), Vec::new());
        while stored < happened.len() {
            let to = (read + random.gen_range(1..30)).min(happened.len());
            said_since.extend(agent.take(block(&counting_now, read, &happened[read..to]), now));
            read = to;
            match random.gen_range(0..6) {
                0..=2 => {
                    // The first round after a start is whole, as that of the spool is.
                    let whole = disk.0.is_empty() || random.gen_range(0..4) == 0;
                    disk.store(&mut agent, whole);
                    said.append(&mut said_since);
                    stored = read;
                }
                3 => {
                    counting_now = counting(&kept);
                    agent = local(&counting_now);
                    assert!(agent.restore(&disk.kept()).is_some());
                    // As after opening the spool.
                    disk.store(&mut agent, true);
                    said_since.clear();
                    read = stored;
                }
                4 => counting_now = counting(&kept),
                _ => {}
            }
        }
        let in_order = |alerts: &[Event]| {
            let mut all: Vec<Event> = alerts.to_vec();
            all.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
            all
        };
        told_in_all += expected.len();
        assert_eq!(words(&said), words(&expected));
        assert_eq!(in_order(&said), in_order(&expected));
    }
    assert!(told_in_all > 1_000, "{told_in_all}");
}

#[test]
fn a_changed_rule_begins_anew_and_the_others_go_on() {
    let before = counting(&kept());
    let mut local = local(&before);
    let four: Vec<Happening> = (0..4).map(|n| (n, 1, n as u32, false)).collect();
    let told = local.take(block(&before, 0, &four), now(&four));
    assert_eq!(words(&told).keys().filter(|key| key.contains("spray")).count(), 1);
    let loaded =
        rules_pack::load_texts([("rules.yml", RULES.replace("gte: 4}", "gte: 5}").as_str())]);
    let after = counting(&Kept::of(&loaded).0);
    let fifth = local.take(block(&after, 4, &[(4, 1, 9, false)]), now(&four));
    let words = words(&fifth);
    assert!(words.len() == 1 && words.keys().all(|key| key.starts_with("brute")), "{words:?}");
    // A block that a slower thread found under the old rules counts as well.
    let late = local.take(block(&before, 5, &[(5, 2, 9, false)]), now(&four));
    assert!(late.is_empty());
    assert!(local.counting.generation == after.generation);
}

#[test]
fn damaged_rounds_are_told_and_harmless() {
    let counting = counting(&kept());
    let mut agent = local(&counting);
    let happened: Vec<Happening> = (0..40).map(|n| (n, n as u32 % 3, 0, false)).collect();
    let mut disk = Disk(Vec::new());
    disk.store(&mut agent, true);
    agent.take(block(&counting, 0, &happened), now(&happened));
    disk.store(&mut agent, false);
    // Without the round that names the rules nothing is known of the hits, and nothing is made up.
    let mut other = local(&self::counting(&kept()));
    assert_eq!(other.restore(&disk.kept()[1..]), Some((0, 0)));
    let mut broken = disk.0[1].clone();
    let middle = broken.len() / 2;
    broken.truncate(middle);
    assert_eq!(local(&self::counting(&kept())).restore(&[&disk.0[0], &broken]), None);
}

#[test]
fn switched_off_it_counts_nothing() {
    let off = Arc::new(Counting::new(&kept(), "r", &CorrelationSection::default(), Scope::Nothing));
    let mut agent = local(&off);
    let happened: Vec<Happening> = (0..20).map(|n| (n, 1, 0, false)).collect();
    assert!(agent.take(block(&off, 0, &happened), now(&happened)).is_empty());
    assert!(agent.change(&mut Compressor::default()).is_empty());
}

/// A flood of a million addresses, and a slow attacker who began before it: memory stays within its
/// bound, and the attacker is found.
#[test]
fn a_flood_of_addresses_neither_fills_memory_nor_hides_a_slow_attacker() {
    let counting = counting(&kept());
    let mut agent = local(&counting);
    let bound = CorrelationSection::default().memory_bytes_max;
    let (mut told, mut number, mut whole_max, mut change_max) = (Vec::new(), 0, 0, 0);
    let mut compressor = Compressor::default();
    let addresses: u32 = if cfg!(debug_assertions) { 200_000 } else { 1_000_000 };
    for chunk in 0..addresses / 500 {
        let at = i64::from(chunk) * 600 / i64::from(addresses / 500);
        let mut happened: Vec<Happening> =
            (0..500).map(|n| (at, 1_000 + chunk * 500 + n, 0, false)).collect();
        // Twice before the flood is on, so that it is nearer to firing than those seen once; then slowly.
        let hits = if chunk == 0 { 2 } else { u32::from(chunk % (addresses / 500 / 8) == 0) };
        (0..hits).for_each(|_| happened.push((at, 1, 0, false)));
        told.extend(agent.take(block(&counting, number, &happened), now(&happened)));
        number += happened.len();
        if chunk % 20 == 0 {
            change_max = change_max.max(agent.change(&mut compressor).len());
            agent.stored(false);
        }
        let beside = agent.correlator.keys() * 100;
        assert!((agent.correlator.bytes() + beside) as u64 <= bound);
    }
    whole_max = whole_max.max(agent.whole(&mut compressor).len());
    let by_hit = change_max as f64 / 10_000.0;
    eprintln!("whole {whole_max} bytes; a change {change_max} bytes, {by_hit:.1} a hit");
    assert!(whole_max < 2 << 20, "{whole_max}");
    let words = words(&told);
    assert_eq!(words.len(), 1, "only the attacker: {words:?}");
    assert!(words.keys().all(|key| key.contains("10.0.0.1")), "{words:?}");
}
