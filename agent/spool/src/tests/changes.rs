//! Checkpoints as changes: when a whole one is written, and what damage and old formats do to them.

use std::fs;
use std::io::Write;

use super::{Faults, Parts, content, drain, open, options, parts};
use crate::segment::{list, segment_path};
use crate::{Cursor, Entry, LANE_EVENTS, Options, Reader, Recovery, Spool};

/// Appends round `seq` with change `cSEQ`; returns whether the whole one, `wSEQ`, was asked for.
fn append(spool: &mut Spool, seq: u64, length: usize) -> bool {
    let bytes = content(LANE_EVENTS, seq, length);
    let mut was_whole = false;
    let whole = |out: &mut dyn Write| {
        was_whole = true;
        write!(out, "w{seq}")
    };
    let entry = Entry { lane: LANE_EVENTS, seq, bytes: &bytes };
    spool.append_change(&[entry], format!("c{seq}").as_bytes(), whole).unwrap();
    was_whole
}

fn saved(whole: u64, changes: impl IntoIterator<Item = u64>) -> Option<Parts> {
    let changes = changes.into_iter().map(|seq| format!("c{seq}").into_bytes()).collect();
    Some((Some(format!("w{whole}").into_bytes()), changes))
}

fn read(found: &Recovery) -> Option<Parts> {
    found.checkpoint.as_ref().map(parts)
}

#[test]
fn each_segment_begins_with_a_whole_one_and_recovery_takes_it_from_there() {
    let dir = tempfile::tempdir().unwrap();
    let (mut spool, _, _) = open(dir.path());
    let mut wholes = Vec::new();
    for seq in 1..=12 {
        if append(&mut spool, seq, 1000) {
            wholes.push(seq);
        }
    }
    // Three rounds of 1000 bytes fit into a segment of 4096.
    assert_eq!(wholes, [1, 4, 7, 10]);
    drop(spool);
    let (mut spool, found, _) = open(dir.path());
    assert_eq!(read(&found), saved(10, [11, 12]));
    assert!(append(&mut spool, 13, 10), "the first after opening is whole");
    assert!(!append(&mut spool, 14, 10));
    Cursor::store(dir.path(), LANE_EVENTS, 14).unwrap();
    spool.collect().unwrap();
    drop(spool);
    assert_eq!(list(dir.path()).unwrap().len(), 1);
    let (_, found, _) = open(dir.path());
    assert_eq!(read(&found), saved(13, [14]));
}

#[test]
fn changes_that_outgrow_the_whole_one_are_gathered_in_a_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        segment_bytes_max: 8 << 20,
        bytes_max: 64 << 20,
        free_bytes_min: 0,
        ..options(dir.path())
    };
    let (mut spool, _) = Spool::open(options).unwrap();
    let (mut wholes, change) = (Vec::new(), [b'c'; 8192]);
    for round in 0..20 {
        spool
            .append_change(&[], &change, |out| {
                if wholes.last() != Some(&round) {
                    wholes.push(round);
                }
                out.write_all(b"w")
            })
            .unwrap();
    }
    // 64 KiB of changes at most between two.
    assert_eq!(wholes, [0, 9, 18]);
}

#[test]
fn a_torn_whole_one_falls_back_on_the_segment_before() {
    let dir = tempfile::tempdir().unwrap();
    let (mut spool, _, _) = open(dir.path());
    for seq in 1..=4 {
        append(&mut spool, seq, 1000);
    }
    drop(spool);
    let path = segment_path(dir.path(), 2);
    let whole = fs::read(&path).unwrap();
    for length in [0, 10, 32, 40, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        let (_, found, _) = open(dir.path());
        assert_eq!(read(&found), saved(1, [2, 3]), "cut to {length} bytes");
    }
}

#[test]
fn damage_takes_the_change_it_hit_and_never_what_the_rest_is_put_on() {
    let dir = tempfile::tempdir().unwrap();
    let (mut spool, _, _) = open(dir.path());
    for seq in 1..=6 {
        append(&mut spool, seq, 1000);
    }
    drop(spool);
    let path = segment_path(dir.path(), 2);
    let bytes = fs::read(&path).unwrap();
    // The middle round of the last segment.
    let mut damaged = bytes.clone();
    damaged[1500] ^= 1;
    fs::write(&path, &damaged).unwrap();
    let (spool, found, _) = open(dir.path());
    assert_eq!(read(&found), saved(4, [6]));
    drop(spool);
    // Its whole one: the segment before is put to use, and is kept until there is a new one.
    let mut damaged = bytes;
    damaged[100] ^= 1;
    fs::write(&path, &damaged).unwrap();
    let (mut spool, found, _) = open(dir.path());
    assert_eq!(read(&found), saved(1, [2, 3, 5, 6]));
    Cursor::store(dir.path(), LANE_EVENTS, 6).unwrap();
    assert_eq!(spool.collect().unwrap(), 0);
    assert!(append(&mut spool, 7, 10));
    assert!(spool.collect().unwrap() > 0);
    drop(spool);
    let (_, found, _) = open(dir.path());
    assert_eq!(read(&found), saved(7, []));
}

#[test]
fn a_new_epoch_carries_the_changes_too() {
    let dir = tempfile::tempdir().unwrap();
    let (mut spool, first, _) = open(dir.path());
    for seq in 1..=3 {
        append(&mut spool, seq, 100);
    }
    drop(spool);
    Cursor::store(dir.path(), LANE_EVENTS, 9).unwrap();
    let (spool, second, _) = open(dir.path());
    assert!(second.epoch > first.epoch);
    assert_eq!(read(&second), saved(1, [2, 3]));
    drop(spool);
    let (mut spool, third, _) = open(dir.path());
    assert_eq!((third.epoch, read(&third)), (second.epoch, read(&second)));
    assert!(append(&mut spool, 1, 10));
}

/// Made by the first version of the format (an epoch of 1, two rounds, checkpoints of JSON without
/// a mark): it is read as it was, and written on.
#[test]
fn a_spool_of_the_first_version_still_opens() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("epoch"), "1\n").unwrap();
    fs::write(segment_path(dir.path(), 1), include_bytes!("first-version.seg")).unwrap();
    let (mut spool, found, _) = open(dir.path());
    assert_eq!(found.notes, [""; 0]);
    let whole = Some(b"{\"round\":2}".to_vec());
    assert_eq!(read(&found), Some((whole, Vec::new())));
    assert!(append(&mut spool, 3, 50));
    assert!(!append(&mut spool, 4, 50));
    let mut reader = Reader::open(dir.path(), LANE_EVENTS, 0).unwrap();
    assert_eq!(drain(&mut reader), [1, 2, 3, 4]);
    drop(spool);
    let (_, found, _) = open(dir.path());
    assert_eq!(read(&found), saved(3, [4]));
}

/// No room at the start of a segment, where the whole checkpoint is due: the segment stays empty, the
/// checkpoint in force is the one before, and the next try writes a whole one again.
#[test]
fn no_room_for_a_whole_checkpoint_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (mut spool, _, disk) = open(dir.path());
    for seq in 1..=3 {
        append(&mut spool, seq, 1000);
    }
    let bytes = content(LANE_EVENTS, 4, 1000);
    let entry = [Entry { lane: LANE_EVENTS, seq: 4, bytes: &bytes }];
    for room in [0, 500] {
        disk.set(Faults { room: Some(room), ..Faults::default() });
        let error = spool.append_change(&entry, b"c4", |out| out.write_all(b"w4")).unwrap_err();
        assert!(error.is_transient() && error.is_full(), "{error}");
        let error = spool.append_change(&[], b"c4", |out| out.write_all(&[b'w'; 900])).unwrap_err();
        assert!(error.is_full(), "a checkpoint alone: {error}");
    }
    drop(spool);
    let (mut spool, found, _) = open(dir.path());
    assert_eq!(read(&found), saved(1, [2, 3]));
    assert!(append(&mut spool, 4, 1000));
    assert_eq!(drain(&mut Reader::open(dir.path(), LANE_EVENTS, 0).unwrap()), [1, 2, 3, 4]);
}

/// On a disk that is nearly full what an acknowledgement frees is used by the very next append, for
/// the bound in bytes and for the free space of the disk alike.
#[test]
fn freed_room_is_used_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (mut spool, _, disk) = open(dir.path());
    disk.set(Faults { capacity: Some(20_000), ..Faults::default() });
    let mut seq = 0;
    let fill = |spool: &mut Spool, seq: &mut u64| loop {
        let bytes = content(LANE_EVENTS, *seq + 1, 1000);
        let entry = [Entry { lane: LANE_EVENTS, seq: *seq + 1, bytes: &bytes }];
        match spool.append_change(&entry, b"c", |out| out.write_all(b"w")) {
            Ok(()) => *seq += 1,
            Err(error) => return error,
        }
    };
    for _ in 0..20 {
        let before = seq;
        let error = fill(&mut spool, &mut seq);
        assert!(matches!(error, crate::Error::DiskFull { .. }), "{error}");
        assert!(seq > before, "the room was not used");
        Cursor::store(dir.path(), LANE_EVENTS, seq).unwrap();
    }
    assert!(spool.bytes() <= 19_000);
    let mut reader = Reader::open(dir.path(), LANE_EVENTS, 0).unwrap();
    assert_eq!(drain(&mut reader).last(), Some(&seq));
}
