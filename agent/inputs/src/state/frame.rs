//! Frame: one checksummed piece of a state file.
//!
//! `length u32 ‖ CRC-32C u32 ‖ payload`, little-endian. A payload is `D ‖ generation u64 ‖ events u8 ‖
//! operations`, or `E ‖ generation u64`. An operation is `+` or `-`, then each with its length (u32)
//! before it: group, key and, for `+`, value.

use std::io::{ErrorKind, Read, Result};

use super::Table;

const HEAD_BYTES: usize = 8;
/// Longest payload believed when reading, bytes: a damaged length must not ask for memory. One chunk of
/// changes is far below.
const PAYLOAD_BYTES_MAX: u32 = 64 << 20;
const DELTA: u8 = b'D';
const END: u8 = b'E';
const PUT: u8 = b'+';
const REMOVE: u8 = b'-';

/// Operations, encoded.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Ops(Vec<u8>);

impl Ops {
    pub(super) fn put(&mut self, group: &[u8], key: &[u8], value: &[u8]) {
        self.0.push(PUT);
        for part in [group, key, value] {
            self.part(part);
        }
    }

    pub(super) fn remove(&mut self, group: &[u8], key: &[u8]) {
        self.0.push(REMOVE);
        self.part(group);
        self.part(key);
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.len()
    }

    fn part(&mut self, part: &[u8]) {
        let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
        self.0.extend_from_slice(&length.to_le_bytes());
        self.0.extend_from_slice(part.get(..length as usize).unwrap_or(part));
    }

    /// Applies them in order. Frames are checksummed: what cannot be read ends it.
    pub(super) fn apply(&self, table: &mut dyn Table) {
        let mut rest = self.0.as_slice();
        while let Some((&what, after)) = rest.split_first() {
            rest = after;
            let (Some(group), Some(key)) = (take(&mut rest), take(&mut rest)) else { return };
            if what == PUT {
                let Some(value) = take(&mut rest) else { return };
                table.put(group, key, value);
            } else {
                table.remove(group, key);
            }
        }
    }
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let (part, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *rest = after;
    Some(part)
}

/// One piece.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// What changed.
    Delta { generation: u64, events: bool, ops: Ops },
    /// The end of a base.
    End { generation: u64 },
}

pub(super) fn write_frame(out: &mut Vec<u8>, frame: &Frame) {
    let start = out.len();
    out.extend_from_slice(&[0; HEAD_BYTES]);
    match frame {
        Frame::Delta { generation, events, ops } => {
            out.push(DELTA);
            out.extend_from_slice(&generation.to_le_bytes());
            out.push(u8::from(*events));
            out.extend_from_slice(&ops.0);
        }
        Frame::End { generation } => {
            out.push(END);
            out.extend_from_slice(&generation.to_le_bytes());
        }
    }
    let payload = &out[start + HEAD_BYTES..];
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes();
    let sum = crc32c::crc32c(payload).to_le_bytes();
    out[start..start + 4].copy_from_slice(&length);
    out[start + 4..start + HEAD_BYTES].copy_from_slice(&sum);
}

/// Reads frames one by one, so that a large state is never held twice.
pub(super) struct Frames<R> {
    from: R,
    /// Whether something damaged ended it.
    pub(super) torn: bool,
}

impl<R: Read> Frames<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from, torn: false }
    }

    fn read(&mut self) -> Result<Option<Frame>> {
        let mut head = [0; HEAD_BYTES];
        let mut got = 0;
        while got < HEAD_BYTES {
            match self.from.read(&mut head[got..])? {
                0 if got == 0 => return Ok(None),
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                more => got += more,
            }
        }
        let [l0, l1, l2, l3, s0, s1, s2, s3] = head;
        let (length, sum) = (u32::from_le_bytes([l0, l1, l2, l3]), [s0, s1, s2, s3]);
        if length > PAYLOAD_BYTES_MAX {
            return Err(ErrorKind::InvalidData.into());
        }
        let mut payload = Vec::new();
        self.from.by_ref().take(u64::from(length)).read_to_end(&mut payload)?;
        let whole = payload.len() == length as usize;
        if !whole || crc32c::crc32c(&payload) != u32::from_le_bytes(sum) {
            return Err(ErrorKind::InvalidData.into());
        }
        decode(&payload).map(Some).ok_or_else(|| ErrorKind::InvalidData.into())
    }
}

impl<R: Read> Iterator for Frames<R> {
    type Item = Frame;

    fn next(&mut self) -> Option<Frame> {
        if self.torn {
            return None;
        }
        match self.read() {
            Ok(frame) => frame,
            Err(_) => {
                self.torn = true;
                None
            }
        }
    }
}

fn decode(payload: &[u8]) -> Option<Frame> {
    let (&kind, payload) = payload.split_first()?;
    let (generation, payload) = payload.split_first_chunk::<8>()?;
    let generation = u64::from_le_bytes(*generation);
    match kind {
        DELTA => {
            let (&events, ops) = payload.split_first()?;
            Some(Frame::Delta { generation, events: events != 0, ops: Ops(ops.to_vec()) })
        }
        END => Some(Frame::End { generation }),
        _ => None,
    }
}
