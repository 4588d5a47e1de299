//! Spools that were damaged anyhow: opening one never fails or invents anything, what was not hit is
//! there, a torn last round is there whole or not at all, and the log goes on.
#![no_main]

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use agent_spool::{
    Cursor, Entry, LANE_ALERTS, LANE_EVENTS, Options, Reader, Recovery, Saved, Spool,
};
use arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;

/// Few and small, so that many histories fit into a second.
const ROUNDS_MAX: usize = 7;
const DAMAGES_MAX: usize = 6;
const SEGMENT_BYTES: u64 = 1200;
const SOURCES: u64 = 3;

/// What the caller keeps: which round last touched a source.
type Positions = BTreeMap<u64, u64>;

/// What was written: by lane the lengths of its entries, and the checkpoint after every round.
#[derive(Default)]
struct Written {
    lengths: [Vec<usize>; 2],
    checkpoints: Vec<Positions>,
    /// The segment the last round went to, and where it begins there.
    last: Option<(PathBuf, usize)>,
}

fn content(lane: u8, seq: u64, length: usize) -> Vec<u8> {
    (0..length).map(|index| (index as u64 * 7 + seq * 31 + u64::from(lane)) as u8).collect()
}

fn text(positions: &Positions) -> Vec<u8> {
    positions.iter().flat_map(|(source, at)| format!("{source}={at} ").into_bytes()).collect()
}

fn folded(saved: &Saved) -> Positions {
    let mut positions = Positions::new();
    for part in saved.parts() {
        let mut text = String::new();
        part.reader().read_to_string(&mut text).expect("our own text, unchanged");
        for pair in text.split_whitespace() {
            let (source, at) = pair.split_once('=').expect("our own text");
            positions.insert(source.parse().expect("a number"), at.parse().expect("a number"));
        }
    }
    positions
}

fn options(dir: &Path) -> Options {
    Options {
        dir: dir.to_owned(),
        segment_bytes_max: SEGMENT_BYTES,
        bytes_max: 64 << 20,
        free_bytes_min: 0,
    }
}

/// Returns the segment after this one.
fn next(segment: &Path) -> PathBuf {
    let number: u64 =
        segment.file_stem().and_then(|name| name.to_str()?.parse().ok()).expect("a number");
    segment.with_file_name(format!("{:020}.seg", number + 1))
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(dir)
        .expect("the folder is ours")
        .map(|entry| entry.expect("the folder is ours").path())
        .filter(|path| path.extension().is_some_and(|end| end == "seg"))
        .collect();
    paths.sort();
    paths
}

impl Written {
    /// Appends a round of these lengths.
    fn append(&mut self, spool: &mut Spool, dir: &Path, lengths: [Option<usize>; 2]) {
        let round = self.checkpoints.len() as u64 + 1;
        let mut entries = Vec::new();
        for (lane, length) in [LANE_ALERTS, LANE_EVENTS].into_iter().zip(lengths) {
            let Some(length) = length else { continue };
            let of = &mut self.lengths[usize::from(lane)];
            of.push(length);
            entries.push((lane, of.len() as u64, content(lane, of.len() as u64, length)));
        }
        let mut positions = self.checkpoints.last().cloned().unwrap_or_default();
        positions.insert(round % SOURCES, round);
        let change = format!("{}={round} ", round % SOURCES);
        let entries: Vec<Entry<'_>> = entries
            .iter()
            .map(|(lane, seq, bytes)| Entry { lane: *lane, seq: *seq, bytes })
            .collect();
        // Looked for only where it is not known: listing the folder is most of what a round costs.
        let before = self.last.take().map(|(path, _)| path).or_else(|| segments(dir).pop());
        let held = before.as_ref().map_or(0, |path| fs::metadata(path).expect("a segment").len());
        spool
            .append_change(&entries, change.as_bytes(), |out| out.write_all(&text(&positions)))
            .expect("there is room");
        self.checkpoints.push(positions);
        let is_new = before.as_deref().is_none_or(|before| next(before).exists());
        // A segment of its own: all behind its header is the last round.
        self.last = match before {
            Some(before) if !is_new => Some((before, held as usize)),
            Some(before) => Some((next(&before), 32)),
            None => Some((segments(dir).pop().expect("a segment"), 32)),
        };
    }

    /// Reads a lane; returns the numbers, having compared every byte.
    fn read(&self, dir: &Path, lane: u8) -> Vec<u64> {
        let mut reader = Reader::open(dir, lane, 0).expect("the epoch is whole");
        let mut numbers = Vec::new();
        while let Some(entry) = reader.next().expect("files can be read") {
            assert!(
                numbers.last().is_none_or(|last| *last < entry.seq),
                "{numbers:?} {}",
                entry.seq
            );
            let length = self.lengths[usize::from(lane)][entry.seq as usize - 1];
            assert_eq!(entry.bytes, content(lane, entry.seq, length), "lane {lane}");
            numbers.push(entry.seq);
        }
        numbers
    }
}

/// Damages files; with `from` only the bytes of one file behind an offset.
fn damage(u: &mut Unstructured<'_>, dir: &Path, tail: Option<&(PathBuf, usize)>) -> Result<()> {
    let paths = segments(dir);
    let (path, from) = match tail {
        Some((path, from)) => (path.clone(), *from),
        None => (u.choose(&paths)?.clone(), 0),
    };
    let Ok(mut bytes) = fs::read(&path) else { return Ok(()) };
    let from = from.min(bytes.len());
    let at = from + u.int_in_range(0..=bytes.len() - from)?;
    let end = (at + u.int_in_range(0..=700usize)?).min(bytes.len());
    match u.int_in_range(0..=7u8)? {
        0 => bytes.truncate(at),
        1 => bytes[at..end].fill(0),
        2 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= u.int_in_range(1..=255u8)?;
            }
        }
        // Delayed allocation: the length is there, the data is not.
        3 => bytes.resize(bytes.len() + u.int_in_range(0..=600usize)?, 0),
        // Old sectors: what stands elsewhere in the log, valid there and nowhere else.
        4 => {
            let other = fs::read(u.choose(&paths)?).unwrap_or_default();
            let start = u.int_in_range(0..=other.len())?;
            let piece = &other[start..(start + (end - at)).min(other.len())];
            bytes[at..at + piece.len()].copy_from_slice(piece);
        }
        5 => {
            let count = u.int_in_range(0..=40usize)?.min(u.len());
            bytes.truncate(at);
            bytes.extend_from_slice(u.bytes(count)?);
        }
        6 if tail.is_none() => return Ok(fs::remove_file(&path).unwrap_or_default()),
        _ => {
            let copy = bytes[at..end].to_vec();
            bytes.extend_from_slice(&copy);
        }
    }
    fs::write(&path, bytes).expect("the folder is ours");
    Ok(())
}

/// Returns the folder of this process with nothing in it. Files are what an execution costs, so there is
/// one folder for all; `run.sh` has it in memory where it can, and removes it.
fn emptied() -> &'static Path {
    static HOME: LazyLock<tempfile::TempDir> =
        LazyLock::new(|| tempfile::tempdir().expect("a folder"));
    let dir = HOME.path();
    for entry in fs::read_dir(dir).expect("the folder is ours") {
        let path = entry.expect("the folder is ours").path();
        let removed = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
        removed.expect("the folder is ours");
    }
    dir
}

fn run(u: &mut Unstructured<'_>) -> Result<()> {
    let dir = emptied();
    let (mut spool, Recovery { epoch, .. }) = Spool::open(options(dir)).expect("a new one");
    let mut written = Written::default();
    for _ in 0..u.int_in_range(1..=ROUNDS_MAX)? {
        let mut length = || {
            let is_there = u.ratio(2, 3)?;
            Ok(if is_there { Some(u.int_in_range(0..=500usize)?) } else { None })
        };
        let lengths = [length()?, length()?];
        written.append(&mut spool, dir, lengths);
        if u.ratio(1, 8)? {
            drop(spool);
            spool = Spool::open(options(dir)).expect("a whole one").0;
        }
    }
    drop(spool);
    let is_torn = u.arbitrary()?;
    let last = written.last.clone();
    for _ in 0..u.int_in_range(1..=DAMAGES_MAX)? {
        damage(u, dir, last.as_ref().filter(|_| is_torn))?;
    }
    let acked = u.int_in_range(0..=12u64)?;
    if acked > 0 && !is_torn {
        Cursor::store(dir, LANE_EVENTS, acked).expect("the folder is ours");
    }
    // What recovery makes of them may have other numbers.
    written.last = None;
    // A reader of another process comes first.
    if u.ratio(1, 3)? {
        written.read(dir, LANE_EVENTS);
    }

    let (mut spool, found) = Spool::open(options(dir)).expect("damage is no error");
    if let Some(saved) = &found.checkpoint {
        for (source, at) in folded(saved) {
            assert!(at % SOURCES == source && at <= written.checkpoints.len() as u64);
        }
    }
    if is_torn {
        let count = written.checkpoints.len();
        let before = written.checkpoints.get(count.wrapping_sub(2)).cloned().unwrap_or_default();
        let now = found.checkpoint.as_ref().map(folded).unwrap_or_default();
        let is_whole = now == written.checkpoints[count - 1];
        assert!(is_whole || now == before, "{now:?} is neither the last round nor the one before");
    }
    if found.epoch == epoch {
        for lane in [LANE_ALERTS, LANE_EVENTS] {
            let numbers = written.read(dir, lane);
            let known = spool.last_seq(lane);
            assert!(numbers.last().is_none_or(|last| *last <= known));
            if is_torn {
                assert_eq!(numbers, (1..=known).collect::<Vec<_>>(), "lane {lane}");
            }
            // It goes on where the log ends.
            written.lengths[usize::from(lane)].truncate(known as usize);
        }
    } else {
        written.lengths = Default::default();
    }
    written.append(&mut spool, dir, [Some(17), Some(23)]);
    let newest = [spool.last_seq(LANE_ALERTS), spool.last_seq(LANE_EVENTS)];
    drop(spool);
    let (_spool, again) = Spool::open(options(dir)).expect("a mended one");
    assert_eq!((again.epoch, again.truncated_bytes), (found.epoch, 0), "{:?}", again.notes);
    assert!(again.notes.is_empty(), "mended once for all: {:?}", again.notes);
    let saved = again.checkpoint.expect("there is a round");
    assert_eq!(Some(&folded(&saved)), written.checkpoints.last());
    for (lane, newest) in [LANE_ALERTS, LANE_EVENTS].into_iter().zip(newest) {
        assert_eq!(written.read(dir, lane).last(), Some(&newest));
    }
    Ok(())
}

fuzz_target!(|data: &[u8]| {
    // Too short an input is no finding.
    let _ = run(&mut Unstructured::new(data));
});
