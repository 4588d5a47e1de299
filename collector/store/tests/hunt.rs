//! The same rule, as SQL on the real engine and in the matcher: the same events.
//!
//! Rules and events are generated from a seed, printed and set by `VONGLAU_TEST_SEED`; then the
//! shipped rules and public ones run over real events: those that speak of logs that are there, or,
//! with `VONGLAU_TEST_EVERY_RULE`, all 3,141 (ten minutes).

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "support/engine.rs"]
#[expect(dead_code, reason = "only other tests restart the engine")]
mod support;

#[path = "support/generate.rs"]
mod generate;

#[path = "support/real.rs"]
mod real;

use std::collections::BTreeMap;

use clickhouse::Client;
use collector_store::{EventRow, HuntWindow, Place};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rules_event::{Event, Timestamp};
use rules_matcher::RuleSet;
use rules_matcher::sql::{self, Sql, Unsupported};
use rules_sigma::Rule;
use support::Engine;

/// The longest query one comparison sends; ClickHouse parses 256 KiB.
const QUERY_BYTES_MAX: usize = 240 * 1024;
/// The most rules of one query: every condition is a column of its own.
const RULES_MAX: usize = 8;

fn runner(test: &str) -> TestRunner {
    let seed = std::env::var("VONGLAU_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or(20_261_126);
    eprintln!("{test}: VONGLAU_TEST_SEED={seed}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    TestRunner::new_with_rng(Config::default(), rng)
}

fn sample<T: std::fmt::Debug>(runner: &mut TestRunner, strategy: impl Strategy<Value = T>) -> T {
    strategy.new_tree(runner).unwrap().current()
}

async fn insert(engine: &Engine, token: &str, events: &[Event]) {
    let place = Place {
        agent: "0123456789abcdef0123456789abcdef".parse().unwrap(),
        lane: agent_wire::Lane::Events,
        epoch: 1,
        seq: 1,
        index: 0,
        topic: "vonglau.events.v1".into(),
        partition: 0,
        offset: 0,
        received: Timestamp::from_seconds(1_780_000_000),
    };
    let rows: Vec<EventRow<'_>> = events.iter().map(|event| EventRow::new(event, &place)).collect();
    engine.store.insert_events(token, &rows).await.unwrap();
}

fn numbered(mut event: Event, number: usize) -> Event {
    event.id = format!("{number:032x}");
    event.time = Timestamp::from_seconds(1_780_000_000 + number as i64);
    event
}

/// One event, and for every rule of the query whether it was found.
#[derive(Debug, clickhouse::Row, serde::Deserialize)]
struct Held {
    event_id: String,
    held: Vec<u8>,
}

/// What a comparison found.
#[derive(Debug, Default)]
struct Compared {
    rules: usize,
    hits: usize,
    refused: BTreeMap<String, usize>,
    differences: Vec<String>,
}

/// Runs the rules both ways over the events that were inserted.
async fn compare(engine: &Engine, rules: Vec<Rule>, events: &[Event]) -> Compared {
    let (set, _) = RuleSet::compile(rules);
    let mut compared = Compared::default();
    let mut expected = vec![Vec::new(); set.rules().len()];
    let mut hits = Vec::new();
    for event in events {
        set.hits(event, &mut hits);
        for index in &hits {
            expected[*index].push(event.id.clone());
        }
    }
    let mut batch: Vec<(usize, Sql)> = Vec::new();
    let mut bytes = 0;
    for (index, rule) in set.rules().iter().enumerate() {
        match sql::predicate_numbered(rule, index) {
            Ok(sql) => {
                let more = sql.condition().len() + sql::with_clause([&sql]).len();
                if bytes + more > QUERY_BYTES_MAX || batch.len() == RULES_MAX {
                    check(engine, &set, &batch, &expected, events, &mut compared).await;
                    batch.clear();
                    bytes = 0;
                }
                bytes += more;
                batch.push((index, sql));
            }
            Err(unsupported) => {
                let reason = match unsupported {
                    Unsupported::Regex { reason, .. } => reason,
                    other => other.to_string(),
                };
                *compared.refused.entry(reason).or_default() += 1;
            }
        }
    }
    check(engine, &set, &batch, &expected, events, &mut compared).await;
    compared
}

async fn check(
    engine: &Engine,
    set: &RuleSet,
    batch: &[(usize, Sql)],
    expected: &[Vec<String>],
    events: &[Event],
    compared: &mut Compared,
) {
    if batch.is_empty() {
        return;
    }
    let with = sql::with_clause(batch.iter().map(|(_, sql)| sql));
    let conditions: Vec<String> =
        batch.iter().map(|(_, sql)| format!("toUInt8({})", sql.condition())).collect();
    let query = format!(
        "{with}\nSELECT event_id, [{}] AS held FROM events WHERE has(held, 1) ORDER BY event_id",
        conditions.join(",\n")
    );
    let config = &engine.config;
    let client = Client::default()
        .with_url(&config.url)
        .with_user(&config.user)
        .with_password(&config.password)
        .with_database(&config.database);
    let rows = match client.query(&query).fetch_all::<Held>().await {
        Ok(rows) => rows,
        Err(error) if batch.len() > 1 => {
            // One at a time, to name the rule.
            eprintln!("a batch of {} failed: {error}", batch.len());
            for one in batch {
                Box::pin(check(engine, set, std::slice::from_ref(one), expected, events, compared))
                    .await;
            }
            return;
        }
        Err(error) => {
            let rule = &set.rules()[batch[0].0];
            compared.differences.push(format!("{error}\n{}\n{query}", rule.source));
            return;
        }
    };
    for (position, (index, sql)) in batch.iter().enumerate() {
        let rule = &set.rules()[*index];
        let found: Vec<&String> =
            rows.iter().filter(|row| row.held[position] == 1).map(|row| &row.event_id).collect();
        let wanted = &expected[*index];
        compared.rules += 1;
        compared.hits += wanted.len();
        let other = found
            .iter()
            .find(|id| !wanted.contains(id))
            .copied()
            .or_else(|| wanted.iter().find(|id| !found.contains(id)));
        if let Some(id) = other {
            let event = events.iter().find(|event| event.id == *id).unwrap();
            compared.differences.push(format!(
                "{} events by SQL, {} by the matcher; one that differs:\n{event:?}\n{}\n{}\n{}",
                found.len(),
                wanted.len(),
                set.why(*index, event),
                rule.source,
                sql.condition()
            ));
        }
    }
}

fn report(test: &str, events: usize, compared: &Compared) {
    eprintln!(
        "measured: {test}: {} rules on {events} events, {} hits, {} differences; refused: {:?}",
        compared.rules,
        compared.hits,
        compared.differences.len(),
        compared.refused
    );
    let shown: Vec<_> = compared.differences.iter().take(8).map(String::as_str).collect();
    assert!(compared.differences.is_empty(), "{}", shown.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn generated_rules_find_the_same_events() {
    let Some(engine) = support::engine("hunt_generated").await else { return };
    let mut runner = runner("generated_rules_find_the_same_events");
    let events: Vec<Event> =
        (0..1500).map(|number| numbered(sample(&mut runner, generate::event()), number)).collect();
    insert(&engine, "generated", &events).await;
    let texts: Vec<String> = (0..300).map(|_| sample(&mut runner, generate::rule())).collect();
    let rules = generate::parse(&texts);
    let compared = compare(&engine, rules, &events).await;
    report("generated rules", events.len(), &compared);
    assert!(compared.rules > 200 && compared.hits > 10_000, "{compared:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn shipped_and_public_rules_find_the_same_real_events() {
    let Some(engine) = support::engine("hunt_real").await else { return };
    let mut events = real::cases();
    events.extend(real::beats());
    let events: Vec<Event> =
        events.into_iter().enumerate().map(|(number, event)| numbered(event, number)).collect();
    insert(&engine, "real", &events).await;
    let compared = compare(&engine, real::shipped(), &events).await;
    report("shipped rules", events.len(), &compared);
    assert!(compared.hits > 100, "{} hits", compared.hits);
    let mut datasets: Vec<_> =
        events.iter().filter_map(|event| event.get_str("event.dataset")).collect();
    datasets.sort_unstable();
    datasets.dedup();
    let every = std::env::var_os("VONGLAU_TEST_EVERY_RULE").is_some();
    let rules = real::public(if every { &[] } else { &datasets });
    let compared = compare(&engine, rules, &events).await;
    report("public rules", events.len(), &compared);
}

/// SigmaHQ's own events, under the names of the taxonomy: the rules hit them, here and there.
#[tokio::test(flavor = "multi_thread")]
async fn regression_rules_find_their_events() {
    let Some(engine) = support::engine("hunt_regression").await else { return };
    let (rules, events) = real::regression();
    if rules.is_empty() {
        return;
    }
    let (owners, events): (Vec<usize>, Vec<Event>) = events.into_iter().unzip();
    let events: Vec<Event> =
        events.into_iter().enumerate().map(|(number, event)| numbered(event, number)).collect();
    insert(&engine, "regression", &events).await;
    let (set, _) = RuleSet::compile(rules.clone());
    let mut hit = vec![false; rules.len()];
    let mut hits = Vec::new();
    for (owner, event) in owners.iter().zip(&events) {
        set.hits(event, &mut hits);
        hit[*owner] |= hits.iter().any(|index| set.rules()[*index].id == rules[*owner].id);
    }
    let missed: Vec<_> =
        rules.iter().zip(&hit).filter(|(_, hit)| !**hit).map(|(rule, _)| &rule.title).collect();
    eprintln!("measured: {} of {} rules hit their events", hit.len() - missed.len(), hit.len());
    assert!(missed.len() <= 3, "missed: {missed:#?}");
    let compared = compare(&engine, rules, &events).await;
    report("regression rules", events.len(), &compared);
}

/// What the console asks: a window, the newest first, and no more than wanted.
#[tokio::test(flavor = "multi_thread")]
async fn a_hunt_keeps_to_its_window_and_limit() {
    let Some(engine) = support::engine("hunt_window").await else { return };
    let event = |number: usize| {
        let mut event = Event::new(Timestamp::default(), String::new());
        event.set("event.dataset", "system.auth");
        event.set("user.name", if number.is_multiple_of(2) { "Root" } else { "đạt" });
        numbered(event, number)
    };
    insert(&engine, "window", &(0..20).map(event).collect::<Vec<_>>()).await;
    let rules = generate::parse(&[rule_of("{user.name: root}")]);
    let predicate = sql::predicate(&rules[0]).unwrap();
    let at = |number: i64| Timestamp::from_seconds(1_780_000_000 + number);
    let hunt = async |since: i64, until: i64, limit: u32| {
        let window = HuntWindow { since: at(since), until: at(until), limit };
        let found = engine.store.hunt(&predicate, window).await.unwrap();
        found.iter().map(|one| one.event.time.as_seconds() - 1_780_000_000).collect::<Vec<_>>()
    };
    assert_eq!(hunt(4, 10, 0).await, [8, 6, 4]);
    assert_eq!(hunt(4, 11, 2).await, [10, 8]);
    assert_eq!(hunt(30, 40, 0).await, [0; 0]);
}

/// Case folding and copies, for every character there is: what the engine makes of a value is what
/// the matcher makes of it.
#[tokio::test(flavor = "multi_thread")]
async fn every_character_folds_and_copies_alike() {
    let Some(engine) = support::engine("hunt_characters").await else { return };
    // Each event holds many characters; a rule asks whether it holds what they fold to.
    let characters: Vec<char> = ('\u{1}'..=char::MAX).collect();
    let mut events = Vec::new();
    for (number, chunk) in characters.chunks(1_000).enumerate() {
        let text: String = chunk.iter().collect();
        let mut event = Event::new(Timestamp::default(), String::new());
        event.set("event.dataset", "system.auth");
        event.set("user.name", text.clone());
        event.set("message", text.chars().map(rules_sigma::fold).collect::<String>());
        event.set("process.command_line", text);
        events.push(numbered(event, number));
    }
    insert(&engine, "characters", &events).await;
    // The folded text is the text under folding of both, and never by chance without.
    let rules = generate::parse(&[
        rule_of("{user.name|fieldref: message}"),
        rule_of("{user.name|fieldref|cased: message}"),
        rule_of("{process.command_line|contains: 'aaaaaaaaaaaaaaaaaaaa'}"),
        rule_of("{process.command_line|contains: 'oouuuuuuuyyyy'}"),
    ]);
    let compared = compare(&engine, rules, &events).await;
    report("every character", events.len(), &compared);
    assert!(compared.hits > events.len(), "{compared:?}");
}

fn rule_of(search: &str) -> String {
    format!(
        "title: T\nid: 00000000-0000-0000-0000-000000000001\nlevel: low\n\
         logsource: {{product: linux}}\ndetection: {{a: {search}, condition: a}}\n"
    )
}
