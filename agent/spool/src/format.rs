//! Bytes of segment headers, frames and gaps: written, checked, and found again after damage.

use std::collections::BTreeMap;
use std::io;

use crate::Entry;

/// Bytes of a segment's header.
pub(crate) const SEGMENT_HEADER_BYTES: u64 = 32;
/// Bytes of a frame's header.
pub(crate) const FRAME_HEADER_BYTES: usize = 16;
/// The largest frame: 64 MiB. Two batches of the wire's bound of 8 MiB and a whole checkpoint of a
/// hundred thousand files (20 MiB) fit; a length beyond it is damage.
pub const FRAME_BYTES_MAX: u64 = 64 * 1024 * 1024;
const SEGMENT_MARK: &[u8; 8] = b"VLSPOOL\x01";
const FRAME_MARK: &[u8; 4] = b"VLF1";
const GAP_MARK: &[u8; 4] = b"VLG1";
/// What both marks begin with, to look for them.
pub(crate) const MARK_START: u8 = b'V';
const BODY_HEADER_BYTES: usize = 4 + 4 + 4;
const HEAD_ROW_BYTES: usize = 1 + 8;
const TABLE_ROW_BYTES: usize = 1 + 8 + 4;
/// First byte of a checkpoint field that holds a whole checkpoint. No text in UTF-8 begins with
/// this or the next byte, so the field as the first version wrote it (JSON and no such byte) is
/// told apart: it is whole.
const WHOLE_MARK: u8 = 0xF8;
/// First byte of a checkpoint field that holds a change of what the frames before it made.
const CHANGE_MARK: u8 = 0xF9;

/// Which segment a frame stands in; part of its CRC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) epoch: u64,
    pub(crate) number: u64,
}

/// What stands at an offset of a segment.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    /// A valid frame of this many bytes. Without a round it has a right CRC and we did not write it so:
    /// treated as damage.
    Frame { bytes: u64, round: Option<Round<'a>> },
    /// A gap left by an earlier recovery, of this many bytes.
    Gap { bytes: u64 },
    /// The end of the file.
    End,
    /// Neither: a torn write, one in progress, or damage.
    Invalid,
}

/// The newest number of each lane, up to and with a round.
pub(crate) type Heads = BTreeMap<u8, u64>;

/// What a round is to say of the caller's checkpoint.
pub(crate) enum Kept<'a> {
    /// All of it: so many bytes, and who writes them.
    Whole(u64, &'a mut Write<'a>),
    /// What changed since the round before.
    Change(&'a [u8]),
}

/// Writes a whole checkpoint, the same bytes each time.
pub(crate) type Write<'a> = dyn FnMut(&mut dyn io::Write) -> io::Result<()> + 'a;

impl Kept<'_> {
    /// Returns the bytes of the checkpoint or the change.
    pub(crate) fn content_bytes(&self) -> u64 {
        match self {
            Self::Whole(bytes, _) => *bytes,
            Self::Change(change) => change.len() as u64,
        }
    }

    fn mark(&self) -> u8 {
        match self {
            Self::Whole(..) => WHOLE_MARK,
            Self::Change(_) => CHANGE_MARK,
        }
    }

    /// Returns the bytes that the field takes.
    fn field_bytes(&self) -> u64 {
        1 + self.content_bytes()
    }
}

/// Where a round's checkpoint or change of one stands, behind its mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) is_whole: bool,
    /// Offset in the segment.
    pub(crate) at: u64,
    pub(crate) bytes: u64,
    /// CRC-32C of these bytes alone, to know them again.
    pub(crate) crc: u32,
}

/// The parts of a frame's body. The checkpoint stays where it is: it may be larger than all the rest.
#[derive(Debug)]
pub(crate) struct Round<'a> {
    pub(crate) heads: Heads,
    pub(crate) entries: Vec<Entry<'a>>,
    pub(crate) kept: Field,
}

pub(crate) fn segment_header(place: Place) -> [u8; SEGMENT_HEADER_BYTES as usize] {
    let mut header = [0; SEGMENT_HEADER_BYTES as usize];
    header[..8].copy_from_slice(SEGMENT_MARK);
    header[8..16].copy_from_slice(&place.number.to_le_bytes());
    header[16..24].copy_from_slice(&place.epoch.to_le_bytes());
    let crc = crc32c::crc32c(&header[..28]);
    header[28..].copy_from_slice(&crc.to_le_bytes());
    header
}

/// Returns whose segment the header says it is, or `None` if it is damaged.
pub(crate) fn parse_segment_header(bytes: &[u8]) -> Option<Place> {
    let header = bytes.first_chunk::<{ SEGMENT_HEADER_BYTES as usize }>()?;
    let place = Place { number: u64_at(header, 8)?, epoch: u64_at(header, 16)? };
    (segment_header(place) == *header).then_some(place)
}

/// Begins the frame of a round: all of it but what the checkpoint field holds, the header left open.
pub(crate) fn begin_frame(
    out: &mut Vec<u8>,
    heads: &Heads,
    entries: &[Entry<'_>],
    kept: &Kept<'_>,
) {
    out.clear();
    out.extend_from_slice(&[0; FRAME_HEADER_BYTES]);
    out.extend_from_slice(&length_u32(heads.len() as u64));
    out.extend_from_slice(&length_u32(entries.len() as u64));
    out.extend_from_slice(&length_u32(kept.field_bytes()));
    for (lane, seq) in heads {
        out.push(*lane);
        out.extend_from_slice(&seq.to_le_bytes());
    }
    for entry in entries {
        out.push(entry.lane);
        out.extend_from_slice(&entry.seq.to_le_bytes());
        out.extend_from_slice(&length_u32(entry.bytes.len() as u64));
    }
    for entry in entries {
        out.extend_from_slice(entry.bytes);
    }
    out.push(kept.mark());
}

/// Returns the first eight bytes of the header of a frame of `bytes` bytes in all.
pub(crate) fn frame_start(bytes: u64) -> [u8; 8] {
    let mut start = [0; 8];
    start[..4].copy_from_slice(FRAME_MARK);
    start[4..].copy_from_slice(&length_u32(bytes - FRAME_HEADER_BYTES as u64));
    start
}

/// Returns the whole header, once the CRC of start and body is known.
pub(crate) fn frame_header(start: [u8; 8], crc: u32) -> [u8; FRAME_HEADER_BYTES] {
    let mut header = [0; FRAME_HEADER_BYTES];
    header[..8].copy_from_slice(&start);
    header[8..12].copy_from_slice(&crc.to_le_bytes());
    header
}

/// Returns the bytes that the frame of a round takes.
pub(crate) fn frame_bytes(heads: &Heads, entries: &[Entry<'_>], kept: &Kept<'_>) -> u64 {
    let rows = heads.len() * HEAD_ROW_BYTES;
    let body: usize = entries.iter().map(|entry| TABLE_ROW_BYTES + entry.bytes.len()).sum();
    (FRAME_HEADER_BYTES + BODY_HEADER_BYTES + rows + body) as u64 + kept.field_bytes()
}

/// Returns the header of a gap of `bytes` bytes in all.
pub(crate) fn gap_header(place: Place, offset: u64, bytes: u64) -> [u8; FRAME_HEADER_BYTES] {
    let mut header = [0; FRAME_HEADER_BYTES];
    header[..4].copy_from_slice(GAP_MARK);
    header[4..8].copy_from_slice(&length_u32(bytes - FRAME_HEADER_BYTES as u64));
    let crc = frame_crc(place, offset, &header[..8], &[]);
    header[8..12].copy_from_slice(&crc.to_le_bytes());
    header
}

/// Returns how many bytes the frame or gap with this header claims, or `None` if it is neither.
pub(crate) fn claimed_bytes(header: &[u8]) -> Option<u64> {
    let header = header.first_chunk::<FRAME_HEADER_BYTES>()?;
    let bytes = u64::from(u32_at(header, 4)?) + FRAME_HEADER_BYTES as u64;
    match &header[..4] {
        mark if mark == FRAME_MARK => (bytes <= FRAME_BYTES_MAX).then_some(bytes),
        mark if mark == GAP_MARK => Some(bytes),
        _ => None,
    }
}

/// Returns whether the header of a frame or gap, or of what looks like one, is a gap's.
pub(crate) fn is_gap(header: &[u8]) -> bool {
    header.starts_with(GAP_MARK)
}

/// Returns whether a header states a CRC.
pub(crate) fn states(header: &[u8], crc: u32) -> bool {
    u32_at(header, 8) == Some(crc) && u32_at(header, 12) == Some(0)
}

/// Returns how many bytes of a frame come before its checkpoint, the mark of that included, as far as
/// those that are there can say: with so many, ask again. They are not checked yet.
pub(crate) fn bytes_before_checkpoint(frame: &[u8]) -> u64 {
    let tables = FRAME_HEADER_BYTES + BODY_HEADER_BYTES;
    let count = |at| u32_at(frame, FRAME_HEADER_BYTES + at).map(u64::from);
    let (Some(heads), Some(entries)) = (count(0), count(4)) else { return tables as u64 };
    let rows = tables as u64 + heads * HEAD_ROW_BYTES as u64;
    let end = rows + entries * TABLE_ROW_BYTES as u64;
    let there = usize::try_from(rows).ok().zip(usize::try_from(end).ok());
    let Some(rows) = there.and_then(|(rows, end)| frame.get(rows..end)) else { return end };
    let lengths = rows.chunks_exact(TABLE_ROW_BYTES).filter_map(|row| u32_at(row, 9));
    end + lengths.map(u64::from).sum::<u64>() + 1
}

/// Takes a valid frame apart that stands at `offset` and takes `bytes`, of which the first are at hand
/// up to the checkpoint. `crc_behind` says the CRC of what is not at hand, `crc` put before it.
pub(crate) fn parse_round(
    frame: &[u8],
    offset: u64,
    bytes: u64,
    crc_behind: impl FnOnce(u32) -> u32,
) -> Option<Round<'_>> {
    let body = frame.get(FRAME_HEADER_BYTES..)?;
    let count = |at| u32_at(body, at).map(|count| count as usize);
    let (head_count, entry_count, field_bytes) = (count(0)?, count(4)?, count(8)?);
    let (head_rows, rest) =
        body.get(BODY_HEADER_BYTES..)?.split_at_checked(head_count.checked_mul(HEAD_ROW_BYTES)?)?;
    let (rows, mut rest) = rest.split_at_checked(entry_count.checked_mul(TABLE_ROW_BYTES)?)?;
    let mut heads = Heads::new();
    for row in head_rows.chunks_exact(HEAD_ROW_BYTES) {
        heads.insert(row[0], u64_at(row, 1)?);
    }
    let mut entries = Vec::with_capacity(entry_count);
    for row in rows.chunks_exact(TABLE_ROW_BYTES) {
        let (bytes, after) = rest.split_at_checked(u32_at(row, 9)? as usize)?;
        entries.push(Entry { lane: row[0], seq: u64_at(row, 1)?, bytes });
        rest = after;
    }
    let field_at = (frame.len() - rest.len()) as u64;
    if bytes.checked_sub(field_at)? != field_bytes as u64 {
        return None;
    }
    let (is_whole, content) = match rest {
        [WHOLE_MARK, content @ ..] => (true, content),
        [CHANGE_MARK, content @ ..] => (false, content),
        content => (true, content),
    };
    let at = field_at + (rest.len() - content.len()) as u64;
    let crc = crc_behind(crc32c::crc32c(content));
    let kept = Field { is_whole, at: offset + at, bytes: bytes - at, crc };
    Some(Round { heads, entries, kept })
}

/// Returns the CRC of a frame: of its place, its first eight bytes and the first part of its body;
/// `crc32c_append` adds the rest.
pub(crate) fn frame_crc(place: Place, offset: u64, head: &[u8], body: &[u8]) -> u32 {
    let mut seed = [0; 24];
    seed[..8].copy_from_slice(&place.epoch.to_le_bytes());
    seed[8..16].copy_from_slice(&place.number.to_le_bytes());
    seed[16..].copy_from_slice(&offset.to_le_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c(&seed), head);
    crc32c::crc32c_append(crc, body)
}

fn length_u32(length: u64) -> [u8; 4] {
    u32::try_from(length).expect("callers keep to FRAME_BYTES_MAX").to_le_bytes()
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}
