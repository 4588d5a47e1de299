//! Crashes: killed after every single step, and at random with a failing store; always exactly once.

use agent_wire::{Lane, Record};
use proptest::prelude::*;

use super::Fail;
use super::fake::{World, beat, chain, identity};
use crate::{FindingKind, Undecodable, agents, gaps};

/// A busy site: two trusted agents, one unknown, redelivery, late batches, garbage.
async fn busy() -> (World, Vec<Record>, Vec<Record>) {
    let mut world = World::new().await;
    let (one, two, stranger) = (identity(1), identity(2), identity(3));
    world.trusted = vec![one.public_key(), two.public_key()];
    let alerts = chain(&one, Lane::Alerts, 1, 4);
    let events = chain(&one, Lane::Events, 1, 6);
    let others = chain(&two, Lane::Events, 9, 5);
    let strange = chain(&stranger, Lane::Events, 1, 5);
    let log = &world.log;
    for index in 0..3 {
        log.batch(&alerts[index]);
        log.batch(&events[index]);
        log.batch(&strange[index]);
    }
    log.push(Lane::Heartbeats.topic(), Ok(beat(&one, 1)));
    log.push(Lane::Heartbeats.topic(), Ok(beat(&stranger, 1)));
    // A stretch sent again, as after a lost acknowledgement.
    for record in &events[1..4] {
        log.batch(record);
    }
    // Out of order, and one twice.
    for index in [0, 3, 1, 4, 1, 2] {
        log.batch(&others[index]);
    }
    let garbage = Undecodable { reason: "no header".into(), headers: vec![], value: vec![1, 2] };
    log.push(Lane::Events.topic(), Err(garbage));
    let mut forged = events[4].clone();
    forged.value.push(0);
    log.batch(&forged);
    log.batch(&events[4]);
    log.batch(&events[5]);
    log.batch(&alerts[3]);
    log.batch(&strange[3]);
    log.batch(&strange[4]);
    (world, [alerts, events, others].concat(), strange)
}

async fn check(world: &World, good: &[Record], strange: &[Record]) {
    world.assert_exactly_once(&good.iter().collect::<Vec<_>>()).await;
    let reasons = |reason: &str| {
        world.store.tables().quarantine.iter().filter(|row| row.reason == reason).count()
    };
    assert_eq!(reasons("unknown_key"), strange.len());
    assert_eq!((reasons("undecodable"), reasons("bad_signature")), (1, 1));
    assert_eq!(world.store.tables().heartbeats.len(), 1);
    for (kind, count) in [
        (FindingKind::UnknownKey, 1),
        (FindingKind::BadSignature, 1),
        (FindingKind::Undecodable, 1),
        (FindingKind::Fork, 0),
        (FindingKind::NewEpoch, 3),
    ] {
        assert_eq!(world.findings(kind).await, count, "{kind}");
    }
    assert!(gaps(&world.db).await.unwrap().iter().all(|gap| gap.closed.is_some()));
}

async fn trust_and_check(world: &World, good: &[Record], strange: &[Record]) {
    let all: Vec<&Record> = good.iter().chain(strange).collect();
    world.assert_exactly_once(&all).await;
    let list = agents::list(&world.db).await.unwrap();
    assert!(list.iter().all(|agent| agent.status == agents::Status::Trusted), "{list:?}");
}

/// Killed once after step n, for every n, then killed again while recovering, then left to finish.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_every_step() {
    let mut step = 0;
    loop {
        let (world, good, strange) = busy().await;
        if world.run(Fail::after(step)).await {
            check(&world, &good, &strange).await;
            break;
        }
        world.run(Fail::after(step % 9)).await;
        assert!(world.run(Fail::default()).await);
        check(&world, &good, &strange).await;
        step += 1;
    }
    assert!(step > 30, "only {step} steps were tried");
}

/// The same for the release of a quarantine.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_every_step_of_a_release() {
    let mut step = 0;
    loop {
        let (world, good, strange) = busy().await;
        assert!(world.run(Fail::default()).await);
        let key = identity(3).public_key();
        agents::trust(&world.db, &key, "stranger", "an").await.unwrap();
        let done = world.run(Fail::after(step)).await;
        if !done {
            world.run(Fail::after(step % 9)).await;
            assert!(world.run(Fail::default()).await);
        }
        trust_and_check(&world, &good, &strange).await;
        if done {
            break;
        }
        step += 1;
    }
    assert!(step > 15, "only {step} steps were tried");
}

/// The database is put back from a backup while ClickHouse goes on: nothing is stored twice, and the
/// observer, whose tables went back as well, sees everything that came since.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_database_doubles_nothing() {
    let mut world = World::new().await;
    let one = identity(1);
    world.trusted = vec![one.public_key()];
    let (events, alerts) = (chain(&one, Lane::Events, 1, 30), chain(&one, Lane::Alerts, 1, 8));
    for record in &events[..5] {
        world.log.batch(record);
    }
    assert!(world.run(Fail::default()).await);
    let backup = world.backup().await;
    for record in events[5..21].iter().chain(&alerts[..3]) {
        world.log.batch(record);
    }
    assert!(world.run(Fail::default()).await);
    world.restore(&backup).await;
    for record in events[21..].iter().chain(&alerts[3..]) {
        world.log.batch(record);
    }
    for steps in [2, 5, 9, 14] {
        world.run(Fail::after(steps)).await;
    }
    assert!(world.run(Fail::default()).await);
    world.assert_exactly_once(&events.iter().chain(&alerts).collect::<Vec<_>>()).await;
    assert_eq!(world.findings(FindingKind::Fork).await, 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Killed at random again and again, while every third insert fails before or after the deed,
    /// and trust is given somewhere in between.
    #[test]
    fn killed_at_random(kills in proptest::collection::vec(0i64..25, 1..12), trust in 0usize..12, seed: u64) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (mut world, good, strange) = busy().await;
            world.store = world.store.with_trouble(seed, 0.3);
            for (index, steps) in kills.iter().enumerate() {
                if index == trust {
                    agents::trust(&world.db, &identity(3).public_key(), "", "an").await.unwrap();
                }
                world.run(Fail::after(*steps)).await;
            }
            agents::trust(&world.db, &identity(3).public_key(), "", "an").await.unwrap();
            // Once to finish what arrived, once more for a decision that came after the last look.
            while !world.run(Fail::default()).await {}
            while !world.run(Fail::default()).await {}
            trust_and_check(&world, &good, &strange).await;
        });
    }
}
