//! Whole checkpoints that are written and read in pieces: torn, damaged, without room.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::{FakeDisk, Faults, append, content, drain, open, parts};
use crate::segment::{SEGMENT_SUFFIX, list, segment_path};
use crate::{Cursor, Entry, Error, LANE_EVENTS, Reader, Recovery, Spool};

/// Many pieces: here they are of some hundred bytes.
const WHOLE_BYTES: usize = 3_000;

fn whole(seq: u64) -> Vec<u8> {
    content(9, seq, WHOLE_BYTES)
}

/// Writes as serialisers do, in many small writes of all lengths.
fn write_whole(seq: u64, out: &mut dyn Write) -> io::Result<()> {
    let (bytes, mut at) = (whole(seq), 0);
    for length in (0..).map(|step| step % 23) {
        let end = (at + length).min(bytes.len());
        out.write_all(&bytes[at..end])?;
        at = end;
        if at == bytes.len() {
            break;
        }
    }
    Ok(())
}

fn append_whole(spool: &mut Spool, seq: u64) -> crate::Result<()> {
    let bytes = content(LANE_EVENTS, seq, 100);
    let entry = Entry { lane: LANE_EVENTS, seq, bytes: &bytes };
    spool.append_change(&[entry], b"change", |out| write_whole(seq, out))
}

/// Returns a spool whose second round, the last, holds a whole checkpoint, where its file is, how long
/// that was before and is now.
fn torn(dir: &Path) -> (PathBuf, usize, Vec<u8>) {
    let (mut spool, _, _) = open(dir);
    append(&mut spool, LANE_EVENTS, 1, 50).unwrap();
    drop(spool);
    let (mut spool, _, _) = open(dir);
    let before = spool.active_bytes() as usize;
    append_whole(&mut spool, 2).unwrap();
    let path = segment_path(dir, *list(dir).unwrap().last().unwrap());
    let bytes = fs::read(&path).unwrap();
    (path, before, bytes)
}

fn whole_of(found: &Recovery) -> Vec<u8> {
    let (whole, changes) = parts(found.checkpoint.as_ref().unwrap());
    assert!(changes.is_empty());
    whole.unwrap()
}

#[test]
fn what_was_written_in_pieces_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let (path, before, bytes) = torn(dir.path());
    assert_eq!(list(dir.path()).unwrap().len(), 1, "{}", path.display());
    assert!(bytes.len() > before + WHOLE_BYTES);
    let (mut spool, found, _) = open(dir.path());
    assert_eq!(whole_of(&found), whole(2));
    append_whole(&mut spool, 3).unwrap();
    let mut reader = Reader::open(dir.path(), LANE_EVENTS, 0).unwrap();
    let mut seen = Vec::new();
    while let Some(entry) = reader.next().unwrap() {
        let length = if entry.seq == 1 { 50 } else { 100 };
        assert_eq!(entry.bytes, content(LANE_EVENTS, entry.seq, length));
        seen.push(entry.seq);
    }
    assert_eq!(seen, [1, 2, 3]);
}

#[test]
fn a_frame_torn_between_or_within_its_pieces_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let (path, before, bytes) = torn(dir.path());
    for kept in (before..bytes.len()).step_by(41).chain([before + 15, bytes.len() - 1]) {
        fs::write(&path, &bytes[..kept]).unwrap();
        let (mut spool, found, _) = open(dir.path());
        assert_eq!(found.truncated_bytes, (kept - before) as u64, "{kept}");
        assert_eq!((whole_of(&found), found.notes), (b"at 1/1".to_vec(), Vec::new()));
        append(&mut spool, LANE_EVENTS, 2, 70).unwrap();
        let mut reader = Reader::open(dir.path(), LANE_EVENTS, 0).unwrap();
        assert_eq!(drain(&mut reader), [1, 2]);
    }
}

/// All pieces are there and their header is not: that was to come last.
#[test]
fn a_frame_without_its_header_is_no_frame() {
    let dir = tempfile::tempdir().unwrap();
    let (path, before, bytes) = torn(dir.path());
    let mut reader = Reader::open(dir.path(), LANE_EVENTS, 0).unwrap();
    for header_bytes in 0..16 {
        let mut torn = bytes.clone();
        torn[before + header_bytes..before + 16].fill(0);
        // Zeros that are zeros in the header, too, take nothing from it.
        if torn == bytes {
            continue;
        }
        fs::write(&path, &torn).unwrap();
        let mut early = Reader::open(dir.path(), LANE_EVENTS, 0).unwrap();
        assert_eq!(drain(&mut early), [1], "{header_bytes} bytes of the header");
        assert_eq!(early.damaged_bytes(), 0, "it may yet come");
        if header_bytes == 0 {
            assert_eq!(drain(&mut reader), [1]);
        }
    }
    fs::write(&path, &bytes).unwrap();
    assert_eq!(drain(&mut reader), [2], "its header came");
    let mut torn = bytes;
    torn[before..before + 16].fill(0);
    fs::write(&path, &torn).unwrap();
    let (_, found, _) = open(dir.path());
    assert_eq!(found.truncated_bytes, (torn.len() - before) as u64);
    assert_eq!(whole_of(&found), b"at 1/1");
}

#[test]
fn one_wrong_byte_in_any_piece_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let (path, before, bytes) = torn(dir.path());
    for at in (before..bytes.len()).step_by(53) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x20;
        fs::write(&path, &damaged).unwrap();
        let (_, found, _) = open(dir.path());
        assert_eq!(whole_of(&found), b"at 1/1", "byte {at}");
        assert_eq!(found.truncated_bytes, (bytes.len() - before) as u64);
    }
}

#[test]
fn a_checkpoint_that_changes_between_two_looks_is_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let (path, _, mut bytes) = torn(dir.path());
    let (_spool, found, _) = open(dir.path());
    let saved = found.checkpoint.unwrap();
    let read = || saved.parts()[0].reader().read_to_end(&mut Vec::new());
    assert_eq!(read().unwrap(), WHOLE_BYTES);
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert_eq!(read().unwrap_err().kind(), io::ErrorKind::InvalidData);
    fs::write(&path, &bytes[..last]).unwrap();
    assert_eq!(read().unwrap_err().kind(), io::ErrorKind::InvalidData);
}

/// The disk is full after any number of pieces, also just before the header.
#[test]
fn no_room_for_a_piece_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (path, before, bytes) = torn(dir.path());
    fs::write(&path, &bytes[..before]).unwrap();
    let (mut spool, _, disk): (_, _, FakeDisk) = open(dir.path());
    let frame = (bytes.len() - before) as u64;
    for room in (0..frame).step_by(97).chain([frame, frame + 15]) {
        disk.set(Faults { room: Some(room), ..Faults::default() });
        let error = append_whole(&mut spool, 2).unwrap_err();
        assert!(error.is_full() && error.is_transient(), "{room}: {error}");
        assert_eq!(fs::read(&path).unwrap(), bytes[..before]);
    }
    disk.set(Faults { room: Some(frame + 16), ..Faults::default() });
    append_whole(&mut spool, 2).unwrap();
    assert_eq!(fs::read(&path).unwrap(), bytes);
    // And where it cannot even be cut back, as when the process dies.
    drop(spool);
    let (mut spool, _, disk) = open(dir.path());
    disk.set(Faults { room: Some(700), no_cut: true, ..Faults::default() });
    let error = append_whole(&mut spool, 3).unwrap_err();
    assert!(matches!(error, Error::Sync { .. }), "{error}");
    drop(spool);
    let (_, found, _) = open(dir.path());
    assert_eq!(whole_of(&found), whole(2));
}

/// A new epoch takes the checkpoint over, in pieces too.
#[test]
fn a_new_epoch_takes_a_large_checkpoint_over() {
    let dir = tempfile::tempdir().unwrap();
    torn(dir.path());
    Cursor::store(dir.path(), LANE_EVENTS, 99).unwrap();
    let (_, found, _) = open(dir.path());
    assert_eq!(found.notes.len(), 1);
    assert_eq!(whole_of(&found), whole(2));
    let (_, found, _) = open(dir.path());
    assert_eq!(whole_of(&found), whole(2));
    let segments = fs::read_dir(dir.path()).unwrap().filter(|entry| {
        entry.as_ref().unwrap().file_name().to_string_lossy().ends_with(SEGMENT_SUFFIX)
    });
    assert_eq!(segments.count(), 1);
}
