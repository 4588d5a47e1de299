//! Power cuts on a simulated disk: of what was not synced, any sectors may be there, zeroed, or old.

use std::fs;

use proptest::prelude::*;

use super::{Faults, append, content, drain, open};
use crate::segment::{list, segment_path};
use crate::{Cursor, Entry, LANE_ALERTS, LANE_EVENTS, Reader};

/// What a disk writes as one: 512 bytes, the least any disk promises.
const SECTOR_BYTES: usize = 512;

/// What became of a sector that was written but not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is there.
    New,
    /// It was never written: as before, and zeros beyond the old end.
    Old,
    /// The length was written and the data was not (delayed allocation): zeros.
    Zero,
    /// The power went in the midst of it.
    Garbage,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        4 => Just(Fate::New),
        1 => Just(Fate::Old),
        1 => Just(Fate::Zero),
        1 => Just(Fate::Garbage)
    ]
}

/// Returns the file after a cut: `old` was synced, `new` (which begins with it) was not.
fn after_cut(old: &[u8], new: &[u8], fates: &[Fate], length: usize) -> Vec<u8> {
    let mut bytes = new.to_vec();
    let first = old.len() / SECTOR_BYTES * SECTOR_BYTES;
    for (index, at) in (first..new.len()).step_by(SECTOR_BYTES).enumerate() {
        let end = (at + SECTOR_BYTES).min(new.len());
        for place in at..end {
            bytes[place] = match fates[index % fates.len()] {
                Fate::New => new[place],
                Fate::Old | Fate::Zero => old.get(place).copied().unwrap_or(0),
                // A sector that held synced bytes is written anew with the same bytes.
                Fate::Garbage if place >= old.len() => (place as u8).wrapping_mul(89) ^ 0xa5,
                Fate::Garbage => old[place],
            };
        }
    }
    bytes.truncate(length);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    /// Whatever is left of the last round: it is there whole or not at all, everything before it is
    /// there, and the log goes on.
    #[test]
    fn a_cut_leaves_the_last_round_whole_or_not_at_all(
        lengths in prop::collection::vec(0usize..1500, 1..8),
        last in 0usize..3000,
        fates in prop::collection::vec(fate(), 1..9),
        kept in 0.0f64..=1.0,
        is_length_whole in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let (mut spool, _, disk) = open(dir.path());
        let mut seq = 0;
        for length in lengths {
            seq += 1;
            append(&mut spool, LANE_EVENTS, seq, length).unwrap();
        }
        disk.set(Faults { no_sync: true, ..Faults::default() });
        append(&mut spool, LANE_EVENTS, seq + 1, last).unwrap_err();
        let synced = spool.active_bytes() as usize;
        drop(spool);
        let path = segment_path(dir.path(), *list(dir.path()).unwrap().last().unwrap());
        let new = fs::read(&path).unwrap();
        let length = if is_length_whole {
            new.len()
        } else {
            synced + ((new.len() - synced) as f64 * kept) as usize
        };
        let left = after_cut(&new[..synced], &new, &fates, length);
        let is_whole = left == new;
        fs::write(&path, &left).unwrap();

        let (mut spool, found, _) = open(dir.path());
        prop_assert_eq!(&found.notes, &[""; 0]);
        let newest = seq + u64::from(is_whole);
        prop_assert_eq!(super::checkpoint_of(found.clone()), format!("at 1/{newest}").into_bytes());
        prop_assert_eq!(found.truncated_bytes, if is_whole { 0 } else { (length - synced) as u64 });
        append(&mut spool, LANE_EVENTS, newest + 1, 77).unwrap();
        let mut reader = Reader::open(dir.path(), LANE_EVENTS, 0).unwrap();
        prop_assert_eq!(drain(&mut reader), (1..=newest + 1).collect::<Vec<_>>());
    }
}

#[test]
fn lost_last_rounds_that_were_acknowledged_never_give_a_number_two_contents() {
    let dir = tempfile::tempdir().unwrap();
    let (mut spool, first, _) = open(dir.path());
    let mut ends = vec![spool.bytes()];
    for seq in 1..=4 {
        append(&mut spool, LANE_EVENTS, seq, 100).unwrap();
        ends.push(spool.bytes());
    }
    Cursor::store(dir.path(), LANE_EVENTS, 3).unwrap();
    drop(spool);
    let path = segment_path(dir.path(), 1);
    let whole = fs::read(&path).unwrap();
    // A disk that lied about its cache: two synced rounds are gone, one of them acknowledged.
    fs::write(&path, &whole[..ends[2] as usize]).unwrap();
    let (_, second, _) = open(dir.path());
    assert!(second.epoch > first.epoch, "{:?}", second.notes);
    assert_eq!(super::checkpoint_of(second), b"at 1/2");
}

#[test]
fn a_reader_that_trusts_the_writer_waits_for_its_sync() {
    let dir = tempfile::tempdir().unwrap();
    let (mut spool, _, disk) = open(dir.path());
    let durable = spool.durable();
    let trusting = || {
        let reader = Reader::open(dir.path(), LANE_EVENTS, 0).unwrap();
        reader.trusting(Some(durable.clone()))
    };
    append(&mut spool, LANE_EVENTS, 1, 3000).unwrap();
    append(&mut spool, LANE_EVENTS, 2, 3000).unwrap();
    let mut reader = trusting();
    assert_eq!(drain(&mut reader), [1, 2], "over the end of a segment");
    disk.set(Faults { no_sync: true, ..Faults::default() });
    append(&mut spool, LANE_EVENTS, 3, 10).unwrap_err();
    assert_eq!(drain(&mut reader), [0; 0], "written, not synced");
    assert_eq!(drain(&mut trusting()), [1, 2]);
    drop(spool);
    let (spool, _, _) = open(dir.path());
    let reader = Reader::open(dir.path(), LANE_EVENTS, 2).unwrap();
    assert_eq!(drain(&mut reader.trusting(Some(spool.durable()))), [3], "opening synced it");
}

/// Damage far ahead of the next good round is stepped over a window at a time, gaps too.
#[test]
fn a_large_damaged_stretch_is_stepped_over() {
    let dir = tempfile::tempdir().unwrap();
    let options = crate::Options {
        segment_bytes_max: 1 << 20,
        bytes_max: 4 << 20,
        ..super::options(dir.path())
    };
    let (mut spool, _) = crate::Spool::open(options.clone()).unwrap();
    for seq in 1..=4 {
        let bytes = content(LANE_ALERTS, seq, 70_000 + seq as usize);
        spool.append(&[Entry { lane: LANE_ALERTS, seq, bytes: &bytes }], b"x").unwrap();
    }
    drop(spool);
    let path = segment_path(dir.path(), 1);
    let mut bytes = fs::read(&path).unwrap();
    // Rounds 2 and 3, with look-alikes of frames in them.
    for (index, byte) in bytes[70_100..210_000].iter_mut().enumerate() {
        *byte = b"VLF1\x10\0\0\0"[index % 8];
    }
    fs::write(&path, &bytes).unwrap();
    let mut early = Reader::open(dir.path(), LANE_ALERTS, 0).unwrap();
    // So many look-alikes end the search: the rest is given up, nothing is invented.
    assert_eq!(drain(&mut early), [1]);
    for byte in &mut bytes[70_100..210_000] {
        *byte ^= 0x55;
    }
    fs::write(&path, &bytes).unwrap();
    let mut early = Reader::open(dir.path(), LANE_ALERTS, 0).unwrap();
    assert_eq!(drain(&mut early), [1, 4]);
    let (_, found) = crate::Spool::open(options).unwrap();
    assert_eq!(found.notes.len(), 1, "{:?}", found.notes);
    assert_eq!(drain(&mut Reader::open(dir.path(), LANE_ALERTS, 0).unwrap()), [1, 4]);
}
