//! Writes EVTX files: header, chunks with checksums, records of binary XML without templates.
//!
//! Spec: MS-EVEN6 2.2.12 (BinXml); libyal, "Windows XML Event Log (EVTX) format".

use serde_json::Value as Json;

pub(crate) const HEADER_BYTES: usize = 4_096;
pub(crate) const CHUNK_BYTES: usize = 65_536;
const CHUNK_HEADER_BYTES: usize = 512;

/// Returns a file that holds events under their numbers.
pub(crate) fn write(events: impl Iterator<Item = (u64, Json)>) -> Vec<u8> {
    let mut chunks = vec![Chunk::default()];
    for (number, event) in events {
        if !chunks.last_mut().unwrap().push(number, &event) {
            let mut chunk = Chunk::default();
            assert!(chunk.push(number, &event), "an event of more than a chunk");
            chunks.push(chunk);
        }
    }
    let mut file = vec![0; HEADER_BYTES];
    file[..8].copy_from_slice(b"ElfFile\0");
    let last = chunks.len() as u64 - 1;
    file[16..24].copy_from_slice(&last.to_le_bytes());
    file[24..32].copy_from_slice(&chunks.last().unwrap().last.to_le_bytes());
    file[32..36].copy_from_slice(&128_u32.to_le_bytes());
    file[36..38].copy_from_slice(&1_u16.to_le_bytes());
    file[38..40].copy_from_slice(&3_u16.to_le_bytes());
    file[40..42].copy_from_slice(&4_096_u16.to_le_bytes());
    file[42..44].copy_from_slice(&(chunks.len() as u16).to_le_bytes());
    let sum = crc32(&file[..120]);
    file[124..128].copy_from_slice(&sum.to_le_bytes());
    file.extend(chunks.into_iter().flat_map(Chunk::finish));
    file
}

struct Chunk {
    bytes: Vec<u8>,
    first: Option<u64>,
    last: u64,
    last_offset: usize,
}

impl Default for Chunk {
    fn default() -> Self {
        Self { bytes: vec![0; CHUNK_HEADER_BYTES], first: None, last: 0, last_offset: 0 }
    }
}

impl Chunk {
    fn push(&mut self, number: u64, event: &Json) -> bool {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(b"**\0\0\0\0\0\0");
        self.bytes.extend_from_slice(&number.to_le_bytes());
        // 2026 as 100 ns since 1601.
        self.bytes.extend_from_slice(&134_000_000_000_000_000_u64.to_le_bytes());
        self.bytes.extend_from_slice(&[0x0f, 1, 1, 0]);
        for (name, value) in event.as_object().unwrap() {
            element(&mut self.bytes, name, value);
        }
        self.bytes.push(0);
        let size = u32::try_from(self.bytes.len() - start + 4).unwrap();
        self.bytes.extend_from_slice(&size.to_le_bytes());
        self.bytes[start + 4..start + 8].copy_from_slice(&size.to_le_bytes());
        if self.bytes.len() > CHUNK_BYTES {
            self.bytes.truncate(start);
            return false;
        }
        self.first.get_or_insert(number);
        (self.last, self.last_offset) = (number, start);
        true
    }

    fn finish(mut self) -> Vec<u8> {
        let end = self.bytes.len();
        self.bytes.resize(CHUNK_BYTES, 0);
        let first = self.first.unwrap_or(1);
        let sum = crc32(&self.bytes[CHUNK_HEADER_BYTES..end]);
        let head = &mut self.bytes[..CHUNK_HEADER_BYTES];
        head[..8].copy_from_slice(b"ElfChnk\0");
        for (at, number) in [(8, first), (16, self.last), (24, first), (32, self.last)] {
            head[at..at + 8].copy_from_slice(&number.to_le_bytes());
        }
        for (at, number) in [(40, 128), (44, self.last_offset as u32), (48, end as u32), (52, sum)]
        {
            head[at..at + 4].copy_from_slice(&number.to_le_bytes());
        }
        let covered = [&head[..120], &head[128..]].concat();
        head[124..128].copy_from_slice(&crc32(&covered).to_le_bytes());
        self.bytes
    }
}

/// `<name attributes…>content</name>`; a list is the element again and again.
fn element(out: &mut Vec<u8>, name: &str, value: &Json) {
    if let Json::Array(values) = value {
        return values.iter().for_each(|value| element(out, name, value));
    }
    let parts = value.as_object();
    let attributes = parts.and_then(|parts| parts.get("#attributes")).and_then(Json::as_object);
    out.push(if attributes.is_some() { 0x41 } else { 0x01 });
    let size_at = out.len();
    out.extend_from_slice(&[0; 4]);
    let begin = out.len();
    name_token(out, name);
    if let Some(attributes) = attributes {
        let list_at = out.len();
        out.extend_from_slice(&[0; 4]);
        for (index, (name, value)) in attributes.iter().enumerate() {
            out.push(if index + 1 < attributes.len() { 0x46 } else { 0x06 });
            name_token(out, name);
            text_token(out, value);
        }
        patch(out, list_at, list_at + 4);
    }
    out.push(0x02);
    match parts {
        // A named value of event data is an attribute there; here its name is the element's.
        Some(parts) => {
            for (name, value) in parts.iter().filter(|(name, _)| *name != "#attributes") {
                if name == "#text" {
                    text_token(out, value);
                } else {
                    element(out, name, value);
                }
            }
        }
        None if value.is_null() => {}
        None => text_token(out, value),
    }
    out.push(0x04);
    patch(out, size_at, begin);
}

fn patch(out: &mut [u8], at: usize, begin: usize) {
    let size = (out.len() - begin) as u32;
    out[at..at + 4].copy_from_slice(&size.to_le_bytes());
}

/// Where the name stands in the chunk, and the name: right here.
fn name_token(out: &mut Vec<u8>, name: &str) {
    let at = out.len() as u32 + 4;
    out.extend_from_slice(&at.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    let units: Vec<u16> = name.encode_utf16().collect();
    let hash = units
        .iter()
        .fold(0_u32, |hash, unit| hash.wrapping_mul(65_599).wrapping_add(u32::from(*unit)));
    out.extend_from_slice(&(hash as u16).to_le_bytes());
    out.extend_from_slice(&(units.len() as u16).to_le_bytes());
    out.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
    out.extend_from_slice(&[0, 0]);
}

fn text_token(out: &mut Vec<u8>, value: &Json) {
    let text = match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    let units: Vec<u16> = text.encode_utf16().collect();
    out.extend_from_slice(&[0x05, 0x01]);
    out.extend_from_slice(&(units.len() as u16).to_le_bytes());
    out.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
}

/// CRC-32 as of zlib.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 }
        })
    };
    !bytes.iter().fold(u32::MAX, step)
}
