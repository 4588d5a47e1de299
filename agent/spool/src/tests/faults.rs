//! Full disks, failed syncs, torn tails, damage, lost files: one by one.

use std::fs;

use super::{FakeDisk, Faults, append, checkpoint_of, content, drain, open, options};
use crate::segment::{list, segment_path};
use crate::{Cursor, Entry, Error, LANE_ALERTS, LANE_EVENTS, Options, Reader, Spool};

#[test]
fn a_second_writer_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _, _) = open(dir.path());
    assert!(matches!(Spool::open(options(dir.path())), Err(Error::Locked { .. })));
    drop(spool);
    Spool::open(options(dir.path())).unwrap();
}

#[test]
fn no_space_changes_nothing_and_passes() {
    let dir = tempfile::tempdir().unwrap();
    let (mut spool, _, disk) = open(dir.path());
    append(&mut spool, LANE_EVENTS, 1, 100).unwrap();
    let before = fs::read(segment_path(dir.path(), 1)).unwrap();
    let mut reader = Reader::open(dir.path(), LANE_EVENTS, 0).unwrap();
    for room in [0, 1, 15, 16, 40, 100] {
        disk.set(Faults { room: Some(room), ..Faults::default() });
        let error = append(&mut spool, LANE_EVENTS, 2, 100).unwrap_err();
        assert!(matches!(error, Error::NoSpace { .. }) && error.is_transient(), "{error}");
        assert_eq!(fs::read(segment_path(dir.path(), 1)).unwrap(), before);
        assert_eq!(spool.bytes(), before.len() as u64);
    }
    assert_eq!(drain(&mut reader), [1]);
    disk.set(Faults { free_bytes: Some(1000), ..Faults::default() });
    let error = append(&mut spool, LANE_EVENTS, 2, 100).unwrap_err();
    assert!(matches!(error, Error::DiskFull { free_bytes: 1000, .. }), "{error}");
    disk.set(Faults::default());
    append(&mut spool, LANE_EVENTS, 2, 100).unwrap();
    assert_eq!(drain(&mut reader), [2]);
}

#[test]
fn full_until_acknowledged_and_the_newest_frame_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (mut spool, _, _) = open(dir.path());
    let mut seq = 0;
    let error = loop {
        match append(&mut spool, LANE_EVENTS, seq + 1, 3000) {
            Ok(()) => seq += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::Full { .. }) && error.is_full(), "{error}");
    assert!(spool.bytes() <= Options::BYTES_MAX_MIN);
    assert_eq!(seq, 21, "64 KiB hold 21 rounds of 3000 bytes");
    Cursor::store(dir.path(), LANE_EVENTS, seq).unwrap();
    // An append frees what is acknowledged by itself.
    append(&mut spool, LANE_EVENTS, seq + 1, 3000).unwrap();
    Cursor::store(dir.path(), LANE_EVENTS, seq + 1).unwrap();
    spool.collect().unwrap();
    assert!(spool.bytes() > 3000, "the newest frame holds the checkpoint");
    drop(spool);
    let (spool, recovery, _) = open(dir.path());
    assert_eq!(checkpoint_of(recovery.clone()), format!("at 1/{}", seq + 1).into_bytes());
    assert_eq!(spool.last_seq(LANE_EVENTS), seq + 1);
    assert!(recovery.notes.is_empty(), "{:?}", recovery.notes);
}

#[test]
fn a_round_of_half_the_bound_always_fits_again() {
    let dir = tempfile::tempdir().unwrap();
    let (mut spool, _, _) = open(dir.path());
    for seq in 1..20 {
        append(&mut spool, LANE_EVENTS, seq, 32_000).unwrap();
        Cursor::store(dir.path(), LANE_EVENTS, seq).unwrap();
        assert!(spool.bytes() <= Options::BYTES_MAX_MIN);
    }
    let error = append(&mut spool, LANE_EVENTS, 20, 33_000).unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }) && !error.is_transient(), "{error}");
}

#[test]
fn numbers_only_rise_even_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (mut spool, _, _) = open(dir.path());
    append(&mut spool, LANE_EVENTS, 5, 10).unwrap();
    append(&mut spool, LANE_ALERTS, 1, 10).unwrap();
    drop(spool);
    let (mut spool, _, _) = open(dir.path());
    let error = append(&mut spool, LANE_EVENTS, 5, 10).unwrap_err();
    assert!(matches!(error, Error::Order { last: 5, .. }), "{error}");
    append(&mut spool, LANE_EVENTS, 6, 10).unwrap();
}

#[test]
fn a_failed_sync_stops_the_spool_until_it_is_reopened() {
    let dir = tempfile::tempdir().unwrap();
    let (mut spool, _, disk) = open(dir.path());
    append(&mut spool, LANE_EVENTS, 1, 10).unwrap();
    disk.set(Faults { no_sync: true, ..Faults::default() });
    assert!(matches!(append(&mut spool, LANE_EVENTS, 2, 10), Err(Error::Sync { .. })));
    disk.set(Faults::default());
    assert!(matches!(append(&mut spool, LANE_EVENTS, 2, 10), Err(Error::Poisoned { .. })));
    drop(spool);
    // The bytes did arrive here, so the round is there, whole.
    let (_, recovery, _) = open(dir.path());
    assert_eq!(checkpoint_of(recovery), b"at 1/2");
}

#[test]
fn a_torn_tail_is_cut_at_every_byte() {
    let dir = tempfile::tempdir().unwrap();
    let (mut spool, _, _) = open(dir.path());
    append(&mut spool, LANE_EVENTS, 1, 50).unwrap();
    let one = spool.bytes();
    append(&mut spool, LANE_EVENTS, 2, 50).unwrap();
    drop(spool);
    let path = segment_path(dir.path(), 1);
    let whole = fs::read(&path).unwrap();
    for length in one as usize..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let (mut spool, recovery, _) = open(dir.path());
        assert_eq!(recovery.truncated_bytes, length as u64 - one);
        assert_eq!(checkpoint_of(recovery.clone()), b"at 1/1");
        assert!(recovery.notes.is_empty(), "{:?}", recovery.notes);
        append(&mut spool, LANE_EVENTS, 2, 70).unwrap();
        let mut reader = Reader::open(dir.path(), LANE_EVENTS, 0).unwrap();
        assert_eq!(drain(&mut reader), [1, 2]);
    }
}

#[test]
fn damage_anywhere_costs_only_the_round_it_hit() {
    let dir = tempfile::tempdir().unwrap();
    let (mut spool, _, _) = open(dir.path());
    for seq in 1..=12 {
        append(&mut spool, LANE_EVENTS, seq, 1000).unwrap();
    }
    drop(spool);
    let numbers = list(dir.path()).unwrap();
    assert!(numbers.len() >= 3, "{numbers:?}");
    for &number in &numbers {
        let path = segment_path(dir.path(), number);
        let whole = fs::read(&path).unwrap();
        for at in [0, 9, 20, 31, 33, 37, 41, 60, 900, 1075, 1090, 2200] {
            let copy = tempfile::tempdir().unwrap();
            for other in &numbers {
                fs::copy(segment_path(dir.path(), *other), segment_path(copy.path(), *other))
                    .unwrap();
            }
            fs::copy(dir.path().join("epoch"), copy.path().join("epoch")).unwrap();
            let mut bytes = whole.clone();
            let Some(byte) = bytes.get_mut(at) else { continue };
            *byte ^= 0x10;
            fs::write(segment_path(copy.path(), number), &bytes).unwrap();
            // A reader of another process, before the writer has seen the damage.
            let mut early = Reader::open(copy.path(), LANE_EVENTS, 0).unwrap();
            let seen_early = drain(&mut early);
            let (mut spool, recovery, _) = open(copy.path());
            let mut late = Reader::open(copy.path(), LANE_EVENTS, 0).unwrap();
            let seen_late = drain(&mut late);
            assert!(seen_late.len() >= 11, "segment {number} byte {at}: {seen_late:?}");
            assert_eq!(seen_early, seen_late, "segment {number} byte {at}");
            let tail_was_hit = recovery.truncated_bytes > 0;
            assert_eq!(recovery.notes.len(), usize::from(!tail_was_hit), "{:?}", recovery.notes);
            let aside = segment_path(copy.path(), number).with_extension("corrupt");
            assert_eq!(aside.is_file(), !tail_was_hit);
            let next = spool.last_seq(LANE_EVENTS) + 1;
            append(&mut spool, LANE_EVENTS, next, 10).unwrap();
            assert_eq!(drain(&mut late), [next]);
            if !tail_was_hit {
                assert_eq!(drain(&mut early), [next]);
            }
            drop(spool);
            let (_, again, _) = open(copy.path());
            assert!(again.notes.is_empty(), "repaired once for all: {:?}", again.notes);
        }
    }
}

#[test]
fn a_deleted_segment_is_stepped_over() {
    let dir = tempfile::tempdir().unwrap();
    let (mut spool, _, _) = open(dir.path());
    for seq in 1..=9 {
        append(&mut spool, LANE_EVENTS, seq, 1900).unwrap();
    }
    let mut reader = Reader::open(dir.path(), LANE_EVENTS, 0).unwrap();
    assert_eq!(reader.next().unwrap().unwrap().seq, 1);
    fs::remove_file(segment_path(dir.path(), 2)).unwrap();
    assert_eq!(drain(&mut reader), [2, 5, 6, 7, 8, 9]);
    drop(spool);
    open(dir.path());
}

#[test]
fn a_cursor_ahead_of_the_log_begins_a_new_epoch() {
    let dir = tempfile::tempdir().unwrap();
    let (mut spool, first, _) = open(dir.path());
    for seq in 1..=3 {
        append(&mut spool, LANE_EVENTS, seq, 100).unwrap();
    }
    let mut reader = Reader::open(dir.path(), LANE_EVENTS, 0).unwrap();
    assert_eq!(drain(&mut reader), [1, 2, 3]);
    Cursor::store(dir.path(), LANE_EVENTS, 3).unwrap();
    drop(spool);
    let path = segment_path(dir.path(), 1);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    let (mut spool, second, _) = open(dir.path());
    assert!(second.epoch > first.epoch);
    assert_eq!(checkpoint_of(second.clone()), b"at 1/2");
    assert_eq!(second.notes.len(), 1, "{:?}", second.notes);
    assert_eq!(Cursor::load(dir.path(), LANE_EVENTS).unwrap(), 0);
    append(&mut spool, LANE_EVENTS, 1, 100).unwrap();
    assert_eq!(drain(&mut reader), [1]);
    Cursor::store_in_epoch(dir.path(), LANE_EVENTS, first.epoch, 9).unwrap();
    assert_eq!(Cursor::load(dir.path(), LANE_EVENTS).unwrap(), 0);
    drop(spool);
    let (_, third, _) = open(dir.path());
    assert_eq!(third.epoch, second.epoch);
    assert_eq!(checkpoint_of(third), b"at 1/1");
}

#[test]
fn lost_files_never_repeat_a_number() {
    let dir = tempfile::tempdir().unwrap();
    let (mut spool, first, _) = open(dir.path());
    append(&mut spool, LANE_EVENTS, 1, 100).unwrap();
    Cursor::store(dir.path(), LANE_EVENTS, 1).unwrap();
    drop(spool);
    fs::remove_file(segment_path(dir.path(), 1)).unwrap();
    let (spool, second, _) = open(dir.path());
    assert!(second.epoch > first.epoch && second.checkpoint.is_none());
    drop(spool);
    fs::write(dir.path().join("epoch"), "yesterday").unwrap();
    let error = Spool::open(options(dir.path())).unwrap_err();
    assert!(error.to_string().contains("epoch"), "{error}");
}

#[test]
fn a_damaged_cursor_sends_again() {
    let dir = tempfile::tempdir().unwrap();
    let (_spool, _, _) = open(dir.path());
    Cursor::store(dir.path(), LANE_EVENTS, 7).unwrap();
    assert_eq!(Cursor::load(dir.path(), LANE_EVENTS).unwrap(), 7);
    assert_eq!(Cursor::load(dir.path(), LANE_ALERTS).unwrap(), 0);
    let path = dir.path().join("cursor.1");
    let text = fs::read_to_string(&path).unwrap().replace("07 ", "08 ");
    fs::write(&path, text).unwrap();
    assert_eq!(Cursor::load(dir.path(), LANE_EVENTS).unwrap(), 0);
}

#[test]
fn a_held_cursor_is_read_after_every_step_and_outlives_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _, _) = open(dir.path());
    let mut held = Cursor::hold(dir.path(), LANE_EVENTS, spool.epoch(), 3, None).unwrap();
    for seq in [4, 99, 1_000_000, 7] {
        held.advance(seq, None).unwrap();
        assert_eq!(Cursor::load(dir.path(), LANE_EVENTS).unwrap(), seq);
    }
    held.sync().unwrap();
    fs::remove_file(dir.path().join("cursor.1")).unwrap();
    held.advance(8, None).unwrap();
    held.sync().unwrap();
    assert_eq!(Cursor::load(dir.path(), LANE_EVENTS).unwrap(), 8);
}

#[test]
fn a_reader_may_be_there_first_and_follows_over_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("spool");
    let mut reader = Reader::open(&home, LANE_ALERTS, 0).unwrap();
    assert_eq!(reader.next().unwrap(), None);
    let (mut spool, _) = Spool::open_on(options(&home), Box::new(FakeDisk::default())).unwrap();
    let (alert, event) = (content(LANE_ALERTS, 1, 40), content(LANE_EVENTS, 1, 2000));
    let round = [
        Entry { lane: LANE_ALERTS, seq: 1, bytes: &alert },
        Entry { lane: LANE_EVENTS, seq: 1, bytes: &event },
    ];
    spool.append(&round, b"both").unwrap();
    assert_eq!(reader.next().unwrap().unwrap().bytes, alert);
    for seq in 2..8 {
        drop(spool);
        spool = Spool::open(options(&home)).unwrap().0;
        append(&mut spool, LANE_ALERTS, seq, 1500).unwrap();
        assert_eq!(drain(&mut reader), [seq]);
    }
}

/// Reader and writer at the same time: partial writes are cut back, segments come and go, and the
/// writer is reopened, while the reader never sees a wrong, missing or repeated entry.
#[test]
fn a_reader_keeps_up_with_a_busy_writer() {
    const COUNT: u64 = 1500;
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().to_owned();
    let writer = std::thread::spawn(move || {
        let (mut spool, _, mut disk) = open(&home);
        let mut seq = 1;
        while seq <= COUNT {
            let length = (seq as usize * 37) % 2500;
            if seq.is_multiple_of(3) {
                let room = Some(seq * 13 % (length as u64 + 40));
                disk.set(Faults { room, ..Faults::default() });
                append(&mut spool, LANE_EVENTS, seq, length).unwrap_err();
                disk.set(Faults::default());
            }
            if seq.is_multiple_of(97) {
                drop(spool);
                (spool, _, disk) = open(&home);
            }
            match append(&mut spool, LANE_EVENTS, seq, length) {
                Ok(()) => seq += 1,
                // The reader acknowledges in its own time.
                Err(error) => {
                    assert!(error.is_full(), "{error}");
                    std::thread::yield_now();
                }
            }
        }
    });
    let mut reader = Reader::open(dir.path(), LANE_EVENTS, 0).unwrap();
    let mut last = 0;
    while last < COUNT {
        let is_all_written = writer.is_finished();
        let Some(entry) = reader.next().unwrap() else {
            assert!(!is_all_written, "everything after {last} is lost");
            std::thread::yield_now();
            continue;
        };
        assert_eq!(entry.seq, last + 1);
        assert_eq!(entry.bytes, content(LANE_EVENTS, entry.seq, (entry.seq as usize * 37) % 2500));
        last = entry.seq;
        if last.is_multiple_of(5) {
            Cursor::store(dir.path(), LANE_EVENTS, last).unwrap();
        }
    }
    writer.join().unwrap();
    assert_eq!(reader.damaged_bytes(), 0);
}
