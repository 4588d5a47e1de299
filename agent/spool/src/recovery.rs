//! Recovery: what a crash, a broken disk or a careless hand left, made whole again.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::chain::Chain;
use crate::error::file;
use crate::format::{
    FRAME_HEADER_BYTES, Found, Heads, Kept, Place, SEGMENT_HEADER_BYTES, gap_header, segment_header,
};
use crate::segment::{
    SEGMENT_SUFFIX, TEMPORARY_SUFFIX, Walker, create, list, open_writable, read_epoch,
    segment_path, sync_dir, write_epoch,
};
use crate::{Cursor, Error, Recovery, Result, Saved, SavedPart, put};

/// So many damaged segments are kept for study; older ones are deleted.
const CORRUPT_KEPT_MAX: usize = 2;
/// So many folders of earlier epochs are kept; older ones are deleted.
const BEFORE_KEPT_MAX: usize = 2;
const CORRUPT_SUFFIX: &str = ".corrupt";
const BEFORE_PREFIX: &str = "before-";

/// A segment as recovery left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) number: u64,
    pub(crate) bytes: u64,
    /// Highest number of each lane among its entries.
    pub(crate) last: Heads,
    pub(crate) frames: u64,
    /// Whether one of its rounds holds a whole checkpoint.
    pub(crate) has_whole: bool,
}

impl Segment {
    /// Returns a segment in which nothing was found yet.
    pub(crate) fn new(number: u64, bytes: u64) -> Self {
        Self { number, bytes, last: Heads::new(), frames: 0, has_whole: false }
    }
}

/// What the writer starts from.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) epoch: u64,
    pub(crate) segments: Vec<Segment>,
    pub(crate) heads: Heads,
    /// Whether the highest segment may be appended to.
    pub(crate) appendable: bool,
    pub(crate) next_number: u64,
}

/// What one look through a segment found.
struct Scan {
    segment: Segment,
    epoch: u64,
    header_ok: bool,
    /// Stretches between valid frames, from and to.
    damage: Vec<(u64, u64)>,
    /// Where bytes start that no valid frame follows; the file's length if there are none.
    tail: u64,
    heads: Heads,
    chain: Chain,
}

/// Brings a folder whose lock is held into order.
pub(crate) fn recover(dir: &Path) -> Result<(State, Recovery)> {
    let mut found = Recovery::default();
    remove_temporaries(dir)?;
    let epoch = established_epoch(dir, &mut found)?;
    let mut state = State { epoch: epoch.unwrap_or(0), next_number: 1, ..State::default() };
    let mut chain = Chain::default();
    let numbers = list(dir)?;
    for (index, &number) in numbers.iter().enumerate() {
        state.next_number = number + 1;
        let is_last = index + 1 == numbers.len();
        let Some(scan) = repair(dir, number, state.epoch, is_last, &mut found)? else { continue };
        state.appendable = is_last && scan.header_ok && scan.damage.is_empty();
        if scan.segment.frames > 0 {
            state.heads = scan.heads;
        }
        chain.extend(scan.chain);
        state.segments.push(scan.segment);
    }
    if !chain.is_empty() {
        if chain.whole.is_none() {
            found.notes.push(
                "the whole checkpoint was in a damaged stretch; logs that no later round names are \
                 read again from where the configuration says"
                    .to_owned(),
            );
        }
        found.checkpoint = Some(chain.open(dir)?);
    }
    if chain.is_empty() {
        begin_afresh(dir, &mut state)?;
    } else if let Some((lane, acked)) = cursor_ahead(dir, &state.heads)? {
        let head = state.heads.get(&lane).copied().unwrap_or(0);
        found.notes.push(format!(
            "the cursor of lane {lane} says {acked}, the log ends at {head}: the disk lost synced \
             data or files were put back; a new epoch begins and the old segments are kept in {}",
            before_dir(dir, state.epoch).display()
        ));
        begin_over(dir, &mut state, &found.checkpoint.clone().unwrap_or_default())?;
    }
    prune(dir, CORRUPT_SUFFIX, CORRUPT_KEPT_MAX, &mut found)?;
    prune(dir, BEFORE_PREFIX, BEFORE_KEPT_MAX, &mut found)?;
    sync_dir(dir)?;
    found.epoch = state.epoch;
    Ok((state, found))
}

/// Returns the epoch in force. Segments of an unfinished change of epoch are deleted, those of a
/// finished one moved away.
fn established_epoch(dir: &Path, found: &mut Recovery) -> Result<Option<u64>> {
    let stated = read_epoch(dir)?;
    let mut newest = None;
    for number in list(dir)? {
        let path = segment_path(dir, number);
        let (walker, header_ok) =
            Walker::open(dir, number, stated.unwrap_or(0)).map_err(file("open", &path))?;
        if !header_ok {
            continue;
        }
        newest = newest.max(Some(walker.place.epoch));
        match stated {
            Some(epoch) if walker.place.epoch > epoch => {
                fs::remove_file(&path).map_err(file("delete", &path))?;
            }
            Some(epoch) if walker.place.epoch < epoch => move_before(dir, number, walker.place)?,
            _ => {}
        }
    }
    if let (None, Some(epoch)) = (stated, newest) {
        found.notes.push(format!("the file 'epoch' was missing; written again as {epoch}"));
        write_epoch(dir, epoch)?;
        return Ok(Some(epoch));
    }
    Ok(stated)
}

/// Looks through a segment, cuts a torn tail off the last one, and sets damage aside.
fn repair(
    dir: &Path,
    number: u64,
    epoch: u64,
    is_last: bool,
    found: &mut Recovery,
) -> Result<Option<Scan>> {
    let path = segment_path(dir, number);
    let mut scan = match scan(dir, number, epoch) {
        Ok(scan) => scan,
        Err(error) => {
            let aside = aside_path(dir, number);
            fs::rename(&path, &aside).map_err(file("set aside", &path))?;
            found.notes.push(format!(
                "segment {} cannot be read ({error}); set aside as {}",
                path.display(),
                aside.display()
            ));
            return Ok(None);
        }
    };
    debug_assert_eq!(scan.epoch, epoch, "other epochs were moved away before");
    if is_last && scan.tail < scan.segment.bytes {
        let cut = open_writable(&path)?;
        cut.set_len(scan.tail.max(SEGMENT_HEADER_BYTES)).map_err(file("cut", &path))?;
        cut.sync_all().map_err(|source| Error::Sync { path: path.clone(), source })?;
        found.truncated_bytes += scan.segment.bytes - scan.tail;
        scan.segment.bytes = scan.tail.max(SEGMENT_HEADER_BYTES);
    } else if scan.tail < scan.segment.bytes {
        scan.damage.push((scan.tail, scan.segment.bytes));
    }
    if !scan.damage.is_empty() || !scan.header_ok {
        found.notes.push(set_aside(dir, &mut scan));
    }
    Ok(Some(scan))
}

fn scan(dir: &Path, number: u64, epoch: u64) -> io::Result<Scan> {
    let (mut walker, header_ok) = Walker::open(dir, number, epoch)?;
    let length = walker.bytes()?;
    let mut scan = Scan {
        segment: Segment::new(number, length),
        epoch: walker.place.epoch,
        header_ok,
        damage: Vec::new(),
        tail: length,
        heads: Heads::new(),
        chain: Chain::default(),
    };
    let mut offset = SEGMENT_HEADER_BYTES.min(length);
    loop {
        match walker.examine(offset, length)? {
            Found::End => return Ok(scan),
            Found::Gap { bytes } => offset += bytes,
            Found::Frame { bytes, round } => {
                if let Some(round) = round {
                    for entry in &round.entries {
                        scan.segment.last.insert(entry.lane, entry.seq);
                    }
                    scan.heads = round.heads;
                    scan.segment.frames += 1;
                    scan.segment.has_whole |= round.kept.is_whole;
                    scan.chain.note(number, round.kept);
                }
                offset += bytes;
            }
            Found::Invalid => match walker.resync(offset, length)? {
                Some(next) => {
                    scan.damage.push((offset, next));
                    offset = next;
                }
                None => {
                    scan.tail = offset;
                    return Ok(scan);
                }
            },
        }
    }
}

/// Keeps the damaged file and puts a copy in its place whose damage is gaps. Where there is no room
/// for a copy the file stays: readers step over the damage by themselves.
fn set_aside(dir: &Path, scan: &mut Scan) -> String {
    let number = scan.segment.number;
    let path = segment_path(dir, number);
    let aside = aside_path(dir, number);
    let lost: u64 = scan.damage.iter().map(|(from, to)| to - from).sum();
    let what = format!(
        "segment {} is damaged: {lost} bytes unreadable, {} rounds still served",
        path.display(),
        scan.segment.frames
    );
    match copy_with_gaps(dir, scan, &path, &aside) {
        Ok(bytes) => {
            scan.segment.bytes = bytes;
            format!("{what}; the original is kept as {}", aside.display())
        }
        Err(error) => format!("{what}; it stays in place, setting it aside failed: {error}"),
    }
}

fn copy_with_gaps(dir: &Path, scan: &Scan, path: &Path, aside: &Path) -> io::Result<u64> {
    let place = Place { epoch: scan.epoch, number: scan.segment.number };
    let temporary = dir.join(format!("repair{TEMPORARY_SUFFIX}"));
    fs::copy(path, &temporary)?;
    let copy = fs::File::options().write(true).open(&temporary)?;
    copy.write_all_at(&segment_header(place), 0)?;
    let mut length = scan.segment.bytes.max(SEGMENT_HEADER_BYTES);
    for &(from, to) in &scan.damage {
        let from = from.max(SEGMENT_HEADER_BYTES);
        if to >= scan.segment.bytes {
            length = from;
        } else if to - from >= FRAME_HEADER_BYTES as u64 {
            copy.write_all_at(&gap_header(place, from, to - from), from)?;
        }
    }
    copy.set_len(length)?;
    copy.sync_all()?;
    // A second name first, so that at no moment there is no segment of this number.
    match fs::hard_link(path, aside) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            fs::copy(path, aside)?;
        }
        _ => {}
    }
    fs::rename(&temporary, path)?;
    Ok(length)
}

fn cursor_ahead(dir: &Path, heads: &Heads) -> Result<Option<(u8, u64)>> {
    for lane in [crate::LANE_ALERTS, crate::LANE_EVENTS] {
        let acked = Cursor::load(dir, lane)?;
        if acked > heads.get(&lane).copied().unwrap_or(0) {
            return Ok(Some((lane, acked)));
        }
    }
    Ok(None)
}

/// There is no round: a new epoch, so that numbers never repeat.
fn begin_afresh(dir: &Path, state: &mut State) -> Result<()> {
    for segment in state.segments.drain(..) {
        let path = segment_path(dir, segment.number);
        fs::remove_file(&path).map_err(file("delete", &path))?;
    }
    state.epoch = new_epoch(state.epoch);
    state.appendable = false;
    write_epoch(dir, state.epoch)
}

/// There are rounds, but going on would repeat numbers: a new epoch that carries the checkpoint.
/// Writing the epoch file is the moment it holds; before that a restart undoes it, after that a
/// restart completes it.
fn begin_over(dir: &Path, state: &mut State, saved: &Saved) -> Result<()> {
    let old = Place { epoch: state.epoch, number: 0 };
    let place = Place { epoch: new_epoch(state.epoch), number: state.next_number };
    let path = segment_path(dir, place.number);
    let segment = create(dir, place)?;
    let mut buffer = Vec::new();
    let mut bytes = SEGMENT_HEADER_BYTES;
    for part in saved.parts() {
        let mut change = Vec::new();
        let mut copy = |out: &mut dyn io::Write| io::copy(&mut part.reader(), out).map(drop);
        let kept = if part.is_whole() {
            Kept::Whole(part.bytes(), &mut copy)
        } else {
            copy(&mut change).map_err(file("copy checkpoint to", &path))?;
            Kept::Change(&change)
        };
        let mut write_at = |at, piece: &[u8]| segment.write_all_at(piece, at);
        bytes += put::frame(&mut buffer, place, bytes, &Heads::new(), &[], kept, &mut write_at)
            .map_err(file("copy checkpoint to", &path))?;
    }
    segment.sync_all().map_err(|source| Error::Sync { path, source })?;
    write_epoch(dir, place.epoch)?;
    for segment in state.segments.drain(..) {
        move_before(dir, segment.number, old)?;
    }
    let frames = saved.parts().len() as u64;
    let has_whole = saved.parts().iter().any(SavedPart::is_whole);
    state.segments.push(Segment { frames, has_whole, ..Segment::new(place.number, bytes) });
    state.epoch = place.epoch;
    state.heads.clear();
    state.appendable = true;
    state.next_number = place.number + 1;
    Ok(())
}

fn new_epoch(old: u64) -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // A clock that was set back must not bring an epoch back.
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX).max(old + 1)
}

fn before_dir(dir: &Path, epoch: u64) -> PathBuf {
    dir.join(format!("{BEFORE_PREFIX}{epoch}"))
}

fn aside_path(dir: &Path, number: u64) -> PathBuf {
    segment_path(dir, number).with_extension(&CORRUPT_SUFFIX[1..])
}

fn move_before(dir: &Path, number: u64, place: Place) -> Result<()> {
    let before = before_dir(dir, place.epoch);
    fs::create_dir_all(&before).map_err(file("create", &before))?;
    let path = segment_path(dir, number);
    fs::rename(&path, segment_path(&before, number)).map_err(file("move away", &path))
}

fn remove_temporaries(dir: &Path) -> Result<()> {
    for name in names(dir)? {
        // Cursors belong to the receiver, which may be writing one right now.
        if name.ends_with(TEMPORARY_SUFFIX)
            && (name.contains(SEGMENT_SUFFIX) || name.starts_with("repair"))
        {
            let path = dir.join(name);
            fs::remove_file(&path).map_err(file("delete", &path))?;
        }
    }
    Ok(())
}

/// Keeps the newest of the files or folders with a name so marked.
fn prune(dir: &Path, mark: &str, kept_max: usize, found: &mut Recovery) -> Result<()> {
    let mut marked: Vec<String> =
        names(dir)?.into_iter().filter(|name| name.contains(mark)).collect();
    marked.sort();
    for name in marked.iter().take(marked.len().saturating_sub(kept_max)) {
        let path = dir.join(name);
        let removed =
            if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.map_err(file("delete", &path))?;
        found.notes.push(format!("deleted {}: only {kept_max} are kept", path.display()));
    }
    Ok(())
}

fn names(dir: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(file("list spool", dir))? {
        let name = entry.map_err(file("list spool", dir))?.file_name();
        names.extend(name.into_string().ok());
    }
    Ok(names)
}
