//! Judging: forks, gaps, epochs, revoked keys, broken content.

use agent_wire::{BatchBuilder, ChainHead, Lane};
use rules_event::{Event, Timestamp};

use super::Fail;
use super::fake::{World, beat, chain, chain_from, identity};
use crate::{FindingKind, agents, gaps, open_spans};

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_is_held_and_the_chain_goes_on() {
    let mut world = World::new().await;
    let one = identity(1);
    world.trusted = vec![one.public_key()];
    let true_chain = chain(&one, Lane::Events, 1, 4);
    for record in &true_chain[..3] {
        world.log.batch(record);
    }
    // A host restored from a snapshot after batch 1 seals another batch 2 and 3.
    let head: ChainHead = true_chain[0].head();
    let mut batch = BatchBuilder::default();
    batch.push(&Event::new(Timestamp::from_seconds(5), "other".into())).unwrap();
    let other = batch.seal(&one, Lane::Events, 1, &head, Timestamp::from_seconds(6)).unwrap();
    let follower = chain_from(&one, Lane::Events, 1, other.head(), 2);
    world.log.batch(&other);
    world.log.batch(&follower[0]);
    world.log.batch(&follower[1]);
    world.log.batch(&true_chain[3]);
    assert!(world.run(Fail::default()).await);
    world.assert_exactly_once(&true_chain.iter().collect::<Vec<_>>()).await;
    assert_eq!(world.findings(FindingKind::Fork).await, 3);
    let held = world.store.tables().quarantine.len();
    assert_eq!(held, 3);
    // The same batch once more is a duplicate, not a fork.
    world.log.batch(&true_chain[1]);
    assert!(world.run(Fail::default()).await);
    assert_eq!(world.findings(FindingKind::Fork).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn gaps_open_and_close() {
    let mut world = World::new().await;
    let one = identity(1);
    world.trusted = vec![one.public_key()];
    let records = chain(&one, Lane::Events, 1, 9);
    for index in [1, 2, 7] {
        world.log.batch(&records[index]);
    }
    assert!(world.run(Fail::default()).await);
    let open = gaps(&world.db).await.unwrap();
    let mut batches: Vec<_> = open.iter().map(|gap| (gap.batches, gap.missing)).collect();
    batches.sort_unstable();
    assert_eq!(batches, [((1, 1), 1), ((4, 7), 4)]);
    for index in [5, 4, 0, 6, 3] {
        world.log.batch(&records[index]);
    }
    assert!(world.run(Fail::default()).await);
    assert!(
        gaps(&world.db).await.unwrap().iter().all(|gap| gap.closed.is_some() && gap.missing == 0)
    );
    assert_eq!(world.findings(FindingKind::ChainGap).await, 2);
    assert_eq!(world.findings(FindingKind::GapClosed).await, 2);
    world.assert_exactly_once(&records[..8].iter().collect::<Vec<_>>()).await;
    assert!(open_spans(&world.db).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_epoch_is_a_new_chain() {
    let mut world = World::new().await;
    let one = identity(1);
    world.trusted = vec![one.public_key()];
    let (old, new) = (chain(&one, Lane::Events, 1, 2), chain(&one, Lane::Events, 2, 2));
    for record in old.iter().chain(&new) {
        world.log.batch(record);
    }
    assert!(world.run(Fail::default()).await);
    assert_eq!(world.findings(FindingKind::NewEpoch).await, 2);
    world.assert_exactly_once(&old.iter().chain(&new).collect::<Vec<_>>()).await;
}

/// Revoked, then trusted again: what came meanwhile is stored once, in order.
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_held_until_trusted_again() {
    let world = World::new().await;
    let one = identity(1);
    let key = one.public_key();
    agents::trust(&world.db, &key, "web", "an").await.unwrap();
    let records = chain(&one, Lane::Events, 1, 9);
    let wanted = |count: usize| records[..count].iter().collect::<Vec<_>>();
    for record in &records[..2] {
        world.log.batch(record);
    }
    assert!(world.run(Fail::default()).await);
    for round in 0..2 {
        agents::revoke(&world.db, &key, "an").await.unwrap();
        let from = 2 + round * 3;
        for record in &records[from..from + 3] {
            world.log.batch(record);
        }
        world.log.push(Lane::Heartbeats.topic(), Ok(beat(&one, 1)));
        assert!(world.run(Fail::default()).await);
        world.assert_exactly_once(&wanted(from)).await;
        agents::trust(&world.db, &key, "", "bình").await.unwrap();
        assert!(world.run(Fail::default()).await);
        world.assert_exactly_once(&wanted(from + 3)).await;
    }
    let agent = agents::find(&world.db, one.agent_id()).await.unwrap().unwrap();
    assert_eq!((agent.name.as_str(), agent.host.as_str()), ("web", "web"));
    assert_eq!((agent.status, agent.quarantined), (agents::Status::Trusted, 6));
    assert!(world.findings(FindingKind::RevokedKey).await >= 2);
    assert!(agents::revoke(&world.db, &identity(9).public_key(), "an").await.is_err());
}

/// A genuine batch that lies about its content keeps its place in the chain, and says so.
#[tokio::test(flavor = "multi_thread")]
async fn unreadable_content_is_held_without_breaking_the_chain() {
    let mut world = World::new().await;
    let one = identity(1);
    world.trusted = vec![one.public_key()];
    let first = chain(&one, Lane::Events, 1, 1);
    let mut event = Event::new(Timestamp::from_seconds(5), "odd".into());
    event.set("@timestamp", 5);
    let mut batch = BatchBuilder::default();
    batch.push(&event).unwrap();
    let sealed = Timestamp::from_seconds(6);
    let odd = batch.seal(&one, Lane::Events, 1, &first[0].head(), sealed).unwrap();
    let last = chain_from(&one, Lane::Events, 1, odd.head(), 1);
    for record in [&first[0], &odd, &last[0]] {
        world.log.batch(record);
    }
    assert!(world.run(Fail::default()).await);
    assert_eq!(world.findings(FindingKind::BadContent).await, 1);
    assert_eq!(world.findings(FindingKind::ChainGap).await, 0);
    // Its claim is on record, so that the ledger shows what is missing.
    assert_eq!(world.store.tables().batches.len(), 3);
    assert_eq!(world.store.tables().events.len(), 6);
    assert_eq!(world.store.tables().quarantine.len(), 1);
}

/// Headers are covered by the signature: a heartbeat cannot pose as events.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_header_is_a_bad_signature() {
    let mut world = World::new().await;
    let one = identity(1);
    world.trusted = vec![one.public_key()];
    let mut posing = beat(&one, 2);
    posing.header.lane = Lane::Events;
    world.log.batch(&posing);
    assert!(world.run(Fail::default()).await);
    assert_eq!(world.findings(FindingKind::BadSignature).await, 1);
    world.assert_exactly_once(&[]).await;
}
