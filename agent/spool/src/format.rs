//! Bytes of segment headers, frames and gaps: written, checked, and found again after damage.

use std::collections::BTreeMap;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    /// A valid frame of this many bytes with this body.
    Frame { bytes: u64, body: &'a [u8] },
    /// A gap left by an earlier recovery, of this many bytes.
    Gap { bytes: u64 },
    /// The end of the file.
    End,
    /// Neither: a torn write, one in progress, or damage.
    Invalid,
}

/// The newest number of each lane, up to and with a round.
pub(crate) type Heads = BTreeMap<u8, u64>;

/// What a round says of the caller's checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept<'a> {
    /// All of it.
    Whole(&'a [u8]),
    /// What changed since the round before.
    Change(&'a [u8]),
}

impl<'a> Kept<'a> {
    fn parse(field: &'a [u8]) -> Self {
        match field {
            [WHOLE_MARK, whole @ ..] => Self::Whole(whole),
            [CHANGE_MARK, change @ ..] => Self::Change(change),
            whole => Self::Whole(whole),
        }
    }

    fn parts(self) -> (u8, &'a [u8]) {
        match self {
            Self::Whole(bytes) => (WHOLE_MARK, bytes),
            Self::Change(bytes) => (CHANGE_MARK, bytes),
        }
    }

    /// Returns the bytes that the field takes.
    fn field_bytes(self) -> usize {
        1 + self.parts().1.len()
    }
}

/// The parts of a frame's body.
#[derive(Debug)]
pub(crate) struct Round<'a> {
    pub(crate) heads: Heads,
    pub(crate) entries: Vec<Entry<'a>>,
    pub(crate) kept: Kept<'a>,
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

/// Builds the frame of a round that will stand at `offset`.
pub(crate) fn encode_frame(
    out: &mut Vec<u8>,
    place: Place,
    offset: u64,
    heads: &Heads,
    entries: &[Entry<'_>],
    kept: Kept<'_>,
) {
    out.clear();
    out.extend_from_slice(&[0; FRAME_HEADER_BYTES]);
    out.extend_from_slice(&length_u32(heads.len()));
    out.extend_from_slice(&length_u32(entries.len()));
    out.extend_from_slice(&length_u32(kept.field_bytes()));
    for (lane, seq) in heads {
        out.push(*lane);
        out.extend_from_slice(&seq.to_le_bytes());
    }
    for entry in entries {
        out.push(entry.lane);
        out.extend_from_slice(&entry.seq.to_le_bytes());
        out.extend_from_slice(&length_u32(entry.bytes.len()));
    }
    for entry in entries {
        out.extend_from_slice(entry.bytes);
    }
    let (mark, bytes) = kept.parts();
    out.push(mark);
    out.extend_from_slice(bytes);
    let length = length_u32(out.len() - FRAME_HEADER_BYTES);
    out[..4].copy_from_slice(FRAME_MARK);
    out[4..8].copy_from_slice(&length);
    let crc = frame_crc(place, offset, &out[..8], &out[FRAME_HEADER_BYTES..]);
    out[8..12].copy_from_slice(&crc.to_le_bytes());
}

/// Returns the bytes that the frame of a round takes.
pub(crate) fn frame_bytes(heads: &Heads, entries: &[Entry<'_>], kept: Kept<'_>) -> u64 {
    let rows = heads.len() * HEAD_ROW_BYTES;
    let body: usize = entries.iter().map(|entry| TABLE_ROW_BYTES + entry.bytes.len()).sum();
    (FRAME_HEADER_BYTES + BODY_HEADER_BYTES + rows + body + kept.field_bytes()) as u64
}

/// Returns the header of a gap of `bytes` bytes in all.
pub(crate) fn gap_header(place: Place, offset: u64, bytes: u64) -> [u8; FRAME_HEADER_BYTES] {
    let mut header = [0; FRAME_HEADER_BYTES];
    header[..4].copy_from_slice(GAP_MARK);
    let length = usize::try_from(bytes).expect("a segment fits in memory") - FRAME_HEADER_BYTES;
    header[4..8].copy_from_slice(&length_u32(length));
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

/// Says what stands at `offset` of a segment of which `available` bytes follow from there. `bytes`
/// are those bytes, at least as many as [`claimed_bytes`] says for a frame, or the header of a gap.
pub(crate) fn examine(bytes: &[u8], available: u64, place: Place, offset: u64) -> Found<'_> {
    if available == 0 {
        return Found::End;
    }
    let Some(claimed) = claimed_bytes(bytes) else { return Found::Invalid };
    let (Some(crc), Some(0)) = (u32_at(bytes, 8), u32_at(bytes, 12)) else {
        return Found::Invalid;
    };
    if claimed > available {
        return Found::Invalid;
    }
    let is_gap = bytes.starts_with(GAP_MARK);
    let end = if is_gap { FRAME_HEADER_BYTES } else { claimed as usize };
    let Some(body) = bytes.get(FRAME_HEADER_BYTES..end) else { return Found::Invalid };
    if frame_crc(place, offset, &bytes[..8], body) != crc {
        return Found::Invalid;
    }
    if is_gap { Found::Gap { bytes: claimed } } else { Found::Frame { bytes: claimed, body } }
}

/// Takes the body of a valid frame apart. `None` means a frame with a right CRC that we did not
/// write so: treated as damage.
pub(crate) fn parse_body(body: &[u8]) -> Option<Round<'_>> {
    let count = |at| u32_at(body, at).map(|count| count as usize);
    let (head_count, entry_count, checkpoint_bytes) = (count(0)?, count(4)?, count(8)?);
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
    let kept = Kept::parse(rest);
    (rest.len() == checkpoint_bytes).then_some(Round { heads, entries, kept })
}

fn frame_crc(place: Place, offset: u64, head: &[u8], body: &[u8]) -> u32 {
    let mut seed = [0; 24];
    seed[..8].copy_from_slice(&place.epoch.to_le_bytes());
    seed[8..16].copy_from_slice(&place.number.to_le_bytes());
    seed[16..].copy_from_slice(&offset.to_le_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c(&seed), head);
    crc32c::crc32c_append(crc, body)
}

fn length_u32(length: usize) -> [u8; 4] {
    u32::try_from(length).expect("callers keep to FRAME_BYTES_MAX").to_le_bytes()
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}
