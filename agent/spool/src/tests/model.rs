//! Random histories of appends, crashes, acknowledgements and readers against a plain queue.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::{FakeDisk, Faults, content, open};
use crate::segment::{list, segment_path};
use crate::{Cursor, Entry, LANE_ALERTS, LANE_EVENTS, Reader, Saved, Spool};

#[derive(Debug, Clone)]
enum Op {
    /// Lengths of the alerts and the events entry; `None` leaves the lane out.
    Append(Option<usize>, Option<usize>),
    /// The disk takes so many thousandths of the frame, then is full.
    NoSpace(u64),
    /// The process dies in an append; so many thousandths of the frame reached the disk, and
    /// possibly one byte of it wrongly.
    Crash {
        kept: u64,
        flipped: Option<u64>,
    },
    /// The process dies between appends.
    Reopen,
    /// The receiver of a lane acknowledges so many more.
    Ack(u8, u64),
    Collect,
    /// The follower of a lane takes up to so many.
    Read(u8, usize),
}

fn op() -> impl Strategy<Value = Op> {
    let length = || prop::option::of(0usize..3000);
    let lane = || prop_oneof![Just(LANE_ALERTS), Just(LANE_EVENTS)];
    prop_oneof![
        8 => (length(), length()).prop_map(|(alerts, events)| Op::Append(alerts, events)),
        1 => (0u64..1000).prop_map(Op::NoSpace),
        2 => (0u64..=1000, prop::option::of(0u64..1000))
            .prop_map(|(kept, flipped)| Op::Crash { kept, flipped }),
        1 => Just(Op::Reopen),
        4 => (lane(), 0u64..12).prop_map(|(lane, count)| Op::Ack(lane, count)),
        2 => Just(Op::Collect),
        4 => (lane(), 0usize..12).prop_map(|(lane, count)| Op::Read(lane, count)),
    ]
}

/// What the log must be, as a plain list.
#[derive(Default)]
struct Model {
    /// By lane, the length of entry 1, 2, …
    lengths: [Vec<usize>; 2],
    acked: [u64; 2],
    checkpoint: Positions,
    rounds: u64,
}

/// What a caller keeps in its checkpoint: here, which round last touched a source.
type Positions = BTreeMap<u64, u64>;

/// So many sources are touched in turn. A whole checkpoint of them is larger than a change.
const SOURCES: u64 = 40;

fn whole(positions: &Positions) -> Vec<u8> {
    positions.iter().flat_map(|(source, at)| format!("{source}={at} ").into_bytes()).collect()
}

/// What the spool gives back, put together as a caller does.
fn folded(saved: Option<&Saved>) -> Positions {
    let (whole, changes) = saved.map(super::parts).unwrap_or_default();
    let mut positions = Positions::new();
    for part in whole.iter().chain(&changes) {
        for pair in std::str::from_utf8(part).unwrap().split_whitespace() {
            let (source, at) = pair.split_once('=').unwrap();
            positions.insert(source.parse().unwrap(), at.parse().unwrap());
        }
    }
    positions
}

type Pending = (Vec<(u8, u64, Vec<u8>)>, (u64, u64));

impl Model {
    fn round(&self, alerts: Option<usize>, events: Option<usize>) -> Pending {
        let mut entries = Vec::new();
        for (lane, length) in [(LANE_ALERTS, alerts), (LANE_EVENTS, events)] {
            if let Some(length) = length {
                let seq = self.lengths[lane as usize].len() as u64 + 1;
                entries.push((lane, seq, content(lane, seq, length)));
            }
        }
        (entries, (self.rounds % SOURCES, self.rounds + 1))
    }

    fn after(&self, (source, at): (u64, u64)) -> Positions {
        let mut positions = self.checkpoint.clone();
        positions.insert(source, at);
        positions
    }

    fn take(&mut self, (entries, change): Pending) {
        for (lane, _, bytes) in entries {
            self.lengths[lane as usize].push(bytes.len());
        }
        self.checkpoint = self.after(change);
        self.rounds += 1;
    }
}

struct Follower {
    reader: Reader,
    lane: u8,
    last: u64,
}

impl Follower {
    fn new(dir: &Path, lane: u8, after: u64) -> Self {
        Self { reader: Reader::open(dir, lane, after).unwrap(), lane, last: after }
    }

    fn take(&mut self, count: usize, model: &Model) {
        for _ in 0..count {
            let Some(entry) = self.reader.next().unwrap() else { return self.at_end(model) };
            let lane = self.lane as usize;
            assert!(entry.seq > self.last, "{} after {}", entry.seq, self.last);
            let missed = entry.seq - 1;
            assert!(
                missed == self.last || missed <= model.acked[lane],
                "lost before {}",
                entry.seq
            );
            let length = model.lengths[lane][entry.seq as usize - 1];
            assert_eq!(entry.bytes, content(self.lane, entry.seq, length));
            self.last = entry.seq;
        }
    }

    fn at_end(&self, model: &Model) {
        let lane = self.lane as usize;
        let missed = model.lengths[lane].len() as u64;
        assert!(self.last == missed || missed <= model.acked[lane], "the end is lost");
    }
}

struct World {
    dir: tempfile::TempDir,
    spool: Option<Spool>,
    disk: FakeDisk,
    model: Model,
    epoch: u64,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (spool, recovery, disk) = open(dir.path());
        let epoch = recovery.epoch;
        Self { dir, spool: Some(spool), disk, model: Model::default(), epoch }
    }

    fn append(&mut self, round: &Pending) -> crate::Result<()> {
        let after = self.model.after(round.1);
        let change = format!("{}={} ", round.1.0, round.1.1);
        let entries: Vec<Entry<'_>> = round
            .0
            .iter()
            .map(|(lane, seq, bytes)| Entry { lane: *lane, seq: *seq, bytes })
            .collect();
        let spool = self.spool.as_mut().unwrap();
        spool.append_change(&entries, change.as_bytes(), |out| out.write_all(&whole(&after)))
    }

    fn reopen(&mut self, cut_bytes: Option<u64>) {
        self.spool = None;
        let (spool, recovery, disk) = open(self.dir.path());
        if self.model.rounds > 0 {
            assert_eq!(recovery.epoch, self.epoch, "{:?}", recovery.notes);
        }
        self.epoch = recovery.epoch;
        assert_eq!(recovery.notes, [""; 0]);
        assert_eq!(folded(recovery.checkpoint.as_ref()), self.model.checkpoint);
        if let Some(cut_bytes) = cut_bytes {
            assert_eq!(recovery.truncated_bytes, cut_bytes);
        }
        (self.spool, self.disk) = (Some(spool), disk);
    }

    fn crash(&mut self, kept: u64, flipped: Option<u64>) {
        let round = self.model.round(Some(300), Some(700));
        self.disk.set(Faults { no_sync: true, no_cut: true, ..Faults::default() });
        match self.append(&round) {
            Err(crate::Error::Sync { path, .. }) => {
                let bytes = fs::read(&path).unwrap();
                let start = self.spool.as_ref().unwrap().active_bytes() as usize;
                let frame = bytes.len() - start;
                let kept = start + (frame as u64 * kept / 1000) as usize;
                let mut torn = bytes[..kept].to_vec();
                let mut is_whole = kept == bytes.len();
                if let Some(flipped) = flipped
                    && kept > start
                {
                    let at = start + ((kept - start) as u64 * flipped / 1000) as usize;
                    torn[at] ^= 0x55;
                    is_whole = false;
                }
                fs::write(&path, &torn).unwrap();
                let cut = if is_whole { 0 } else { (kept - start) as u64 };
                if is_whole {
                    self.model.take(round);
                }
                self.reopen(Some(cut));
            }
            Err(error) if error.is_full() => self.reopen(Some(0)),
            other => panic!("{other:?}"),
        }
    }

    fn step(&mut self, op: &Op, followers: &mut [Follower; 2]) {
        match *op {
            Op::Append(alerts, events) => {
                let round = self.model.round(alerts, events);
                match self.append(&round) {
                    Ok(()) => self.model.take(round),
                    Err(error) => assert!(error.is_full(), "{error}"),
                }
            }
            Op::NoSpace(permille) => {
                let round = self.model.round(Some(400), None);
                let room = 400 * permille / 1000;
                self.disk.set(Faults { room: Some(room), ..Faults::default() });
                assert!(self.append(&round).unwrap_err().is_full());
                self.disk.set(Faults::default());
            }
            Op::Crash { kept, flipped } => self.crash(kept, flipped),
            Op::Reopen => self.reopen(Some(0)),
            Op::Ack(lane, count) => {
                let all = self.model.lengths[lane as usize].len() as u64;
                let acked = &mut self.model.acked[lane as usize];
                *acked = (*acked + count).min(all);
                Cursor::store(self.dir.path(), lane, *acked).unwrap();
            }
            Op::Collect => {
                self.spool.as_mut().unwrap().collect().unwrap();
            }
            Op::Read(lane, count) => followers[lane as usize].take(count, &self.model),
        }
        assert!(self.spool.as_ref().unwrap().bytes() <= crate::Options::BYTES_MAX_MIN);
    }
}

/// Every step syncs, so a case takes a tenth of a second; `PROPTEST_CASES=2000` for a night.
fn config() -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    ProptestConfig {
        cases: asked.unwrap_or(32),
        max_shrink_iters: 500,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_spool_is_the_queue(ops in prop::collection::vec(op(), 1..80)) {
        let mut world = World::new();
        let dir = world.dir.path().to_owned();
        let mut followers = [LANE_ALERTS, LANE_EVENTS].map(|lane| Follower::new(&dir, lane, 0));
        for op in &ops {
            world.step(op, &mut followers);
        }
        world.reopen(Some(0));
        for follower in &mut followers {
            follower.take(usize::MAX, &world.model);
            let acked = Cursor::load(&dir, follower.lane).unwrap();
            prop_assert_eq!(acked, world.model.acked[follower.lane as usize]);
            Follower::new(&dir, follower.lane, acked).take(usize::MAX, &world.model);
        }
    }

    /// Damage of synced bytes: never an error, never a wrong byte, and every round in another place
    /// is still there.
    #[test]
    fn damage_loses_one_round_at_most(
        lengths in prop::collection::vec(0usize..2500, 2..30),
        place in 0.0f64..1.0,
        mask in 1u8..,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let (mut spool, _, _) = open(dir.path());
        let mut count = 0;
        for length in &lengths {
            if super::append(&mut spool, LANE_EVENTS, count + 1, *length).is_err() {
                break;
            }
            count += 1;
        }
        drop(spool);
        let numbers = list(dir.path()).unwrap();
        let sizes: Vec<usize> = numbers
            .iter()
            .map(|number| fs::read(segment_path(dir.path(), *number)).unwrap().len())
            .collect();
        let mut at = (sizes.iter().sum::<usize>() as f64 * place) as usize;
        for (number, size) in numbers.iter().zip(&sizes) {
            if at < *size {
                let path = segment_path(dir.path(), *number);
                let mut bytes = fs::read(&path).unwrap();
                bytes[at] ^= mask;
                fs::write(&path, bytes).unwrap();
                break;
            }
            at -= size;
        }
        open(dir.path());
        let mut reader = Reader::open(dir.path(), LANE_EVENTS, 0).unwrap();
        let mut seen = 0;
        while let Some(entry) = reader.next().unwrap() {
            prop_assert_eq!(&entry.bytes, &content(LANE_EVENTS, entry.seq, lengths[entry.seq as usize - 1]));
            seen += 1;
        }
        prop_assert!(seen + 1 >= count, "{} of {}", seen, count);
    }
}
