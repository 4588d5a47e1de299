//! The spool as a source: both lanes, a restart, a new epoch, the heartbeat file.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use agent_spool::{Cursor, Entry, HEARTBEAT_FILE, LANE_ALERTS, LANE_EVENTS, Options, Spool};
use agent_wire::{Lane, Record};
use prometheus::Registry;
use rules_service::meter::Health;
use tokio_util::sync::CancellationToken;

use super::Fail;
use super::fake::{Counter, World, beat, chain, identity};
use crate::{Ingest, IngestConfig, Metrics, Position, Source, Span, SpoolSource};

fn open(dir: &Path) -> Spool {
    let options = Options {
        dir: dir.to_owned(),
        segment_bytes_max: 64 * 1024,
        bytes_max: 1024 * 1024,
        free_bytes_min: 0,
    };
    Spool::open(options).unwrap().0
}

fn append(spool: &mut Spool, records: &[Record]) {
    for record in records {
        let lane = if record.header.lane == Lane::Alerts { LANE_ALERTS } else { LANE_EVENTS };
        let bytes = record.encode();
        spool.append(&[Entry { lane, seq: record.header.seq, bytes: &bytes }], b"c").unwrap();
    }
}

/// Runs on the spool until as many batches are stored as wanted, or it is killed.
async fn run(world: &World, dir: &Path, batches: usize, beats: usize, fail: Fail) {
    let metrics = Metrics::register(&Registry::new()).unwrap();
    let config = IngestConfig { auto_trust: vec![identity(1).public_key()] };
    let source = SpoolSource::new(dir, Health::default());
    let (store, db) = (world.store.clone(), world.db.clone());
    let mut ingest = Ingest::new(source, store, db, Counter, config, metrics, Health::default());
    ingest.desk.fail = fail;
    let stop = CancellationToken::new();
    let running = tokio::spawn(ingest.run(stop.clone()));
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let done: i64 = sqlx::query_scalar("SELECT coalesce(sum(seq), 0) FROM chain")
            .fetch_one(&world.db)
            .await
            .unwrap();
        let intended = !crate::open_spans(&world.db).await.unwrap().is_empty();
        let beaten = world.store.tables().heartbeats.len() >= beats;
        if running.is_finished() || (done >= batches as i64 && beaten && !intended) {
            break;
        }
        assert!(Instant::now() < deadline, "{done} of {batches} batches");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stop.cancel();
    match running.await.unwrap() {
        Ok(()) | Err(crate::Error::Killed(_)) => {}
        Err(error) => panic!("{error:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spool_is_read_exactly_once() {
    let world = World::new().await;
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("spool");
    let one = identity(1);
    let mut spool = open(&dir);
    let epoch = spool.epoch();
    let (alerts, events) =
        (chain(&one, Lane::Alerts, epoch, 5), chain(&one, Lane::Events, epoch, 30));
    append(&mut spool, &alerts[..3]);
    append(&mut spool, &events[..10]);
    std::fs::write(dir.join(HEARTBEAT_FILE), beat(&one, 7).encode()).unwrap();
    for steps in 0..30 {
        run(&world, &dir, 13, 1, Fail::after(steps)).await;
    }
    run(&world, &dir, 13, 1, Fail::default()).await;
    world.assert_exactly_once(&alerts[..3].iter().chain(&events[..10]).collect::<Vec<_>>()).await;
    append(&mut spool, &events[10..]);
    append(&mut spool, &alerts[3..]);
    run(&world, &dir, 35, 1, Fail::default()).await;
    let all: Vec<_> = alerts.iter().chain(&events).collect();
    world.assert_exactly_once(&all).await;
    let beats: Vec<i64> =
        sqlx::query_scalar("SELECT n FROM seen_beat").fetch_all(&world.db).await.unwrap();
    assert_eq!(beats, [7]);
    // The cursor follows, so that the agent may delete.
    let mut source = SpoolSource::new(&dir, Health::default());
    let positions = crate::book::positions(&world.db).await.unwrap();
    source.committed(&positions).await;
    assert_eq!(Cursor::load(&dir, LANE_EVENTS).unwrap(), 30);
    // What is gone is said to be gone.
    let lane = positions.iter().find(|p| p.partition.topic == "spool/events").unwrap();
    let Position { partition, .. } = lane.clone();
    let replayed = source.replay(&[Span { partition, from: 40, next: 50 }]).await.unwrap();
    assert_eq!((replayed.deliveries.len(), replayed.lost.len()), (0, 1));
}

/// The spool may come later than the collector, and may begin anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_spool_may_come_late_and_begin_anew() {
    let world = World::new().await;
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("spool");
    let one = identity(1);
    let mut wanted: BTreeMap<u64, Vec<Record>> = BTreeMap::new();
    let late = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let mut spool = open(&dir);
        let records = chain(&one, Lane::Events, spool.epoch(), 4);
        append(&mut spool, &records);
        (spool.epoch(), records)
    };
    let ((), (epoch, records)) = tokio::join!(run(&world, &dir, 4, 0, Fail::default()), late);
    wanted.insert(epoch, records);
    std::fs::remove_dir_all(&dir).unwrap();
    let mut spool = open(&dir);
    assert_ne!(spool.epoch(), epoch);
    let records = chain(&one, Lane::Events, spool.epoch(), 3);
    append(&mut spool, &records);
    wanted.insert(spool.epoch(), records);
    run(&world, &dir, 7, 0, Fail::default()).await;
    let all: Vec<_> = wanted.values().flatten().collect();
    world.assert_exactly_once(&all).await;
}
