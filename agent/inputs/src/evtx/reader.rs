//! Reader: the records of one EVTX file as JSON, chunk by chunk.
//!
//! A file is a header and chunks of 64 KiB, each with its own strings and templates: one is held at a
//! time. A damaged one is skipped and counted; the others are good.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use ::evtx::{EvtxParser, IntoIterChunks, ParserSettings};

use crate::Error;

/// Longest record handed on, bytes of JSON. A chunk holds 64 KiB; a longer record is made to hurt.
const RECORD_BYTES_MAX: usize = 512 << 10;

/// Where the records of a chunk begin, and how many of its first bytes tell files apart.
const CHUNK_HEADER_BYTES: usize = 512;
const PRINT_BYTES: usize = 1_024;

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvtxRecord {
    /// Its number in this file: they ascend.
    pub number: u64,
    /// What it is known by wherever it is found: computer, channel, record id and time.
    pub name: String,
    /// The event, as `evtx_dump -o jsonl` prints it.
    pub json: Vec<u8>,
}

/// What one chunk held.
#[derive(Debug, Default)]
pub struct EvtxChunk {
    /// Its records after the one asked for.
    pub records: Vec<EvtxRecord>,
    /// Records and chunks that could not be read.
    pub damaged: u64,
}

/// Reads a file.
pub struct EvtxReader {
    chunks: IntoIterChunks<File>,
    settings: Arc<ParserSettings>,
    print: Option<String>,
    /// Read to find the print, and still to be handed on.
    first: Option<::evtx::EvtxChunkData>,
    damaged: u64,
}

impl EvtxReader {
    /// Opens a file.
    ///
    /// # Errors
    /// When it cannot be read, or does not begin as such a file does.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let failed = |source: ::evtx::err::EvtxError| Error::Evtx { path: path.to_owned(), source };
        let settings = ParserSettings::new().num_threads(1).validate_checksums(true);
        let parser = EvtxParser::from_path(path).map_err(failed)?;
        let chunks = parser.with_configuration(settings.clone()).into_chunks();
        let settings = Arc::new(settings);
        let mut reader = Self { chunks, settings, print: None, first: None, damaged: 0 };
        while reader.first.is_none() {
            match reader.chunks.next() {
                Some(Ok(chunk)) => {
                    let end = (CHUNK_HEADER_BYTES + PRINT_BYTES).min(chunk.data.len());
                    let head = chunk.data.get(CHUNK_HEADER_BYTES..end).unwrap_or_default();
                    // Its size, id and time come first; what follows it may still be written.
                    let size = head.get(4..8).and_then(|size| size.try_into().ok());
                    let size = size.map_or(0, u32::from_le_bytes) as usize;
                    let print = blake3::hash(head.get(..size).unwrap_or(head));
                    reader.print = Some(hex::encode(&print.as_bytes()[..16]));
                    reader.first = Some(chunk);
                }
                Some(Err(_)) => reader.damaged += 1,
                None => break,
            }
        }
        Ok(reader)
    }

    /// Returns what tells this log from others, however the file is called: a hash of its oldest
    /// record. `None` when it holds none.
    #[must_use]
    pub fn print(&self) -> Option<&str> {
        self.print.as_deref()
    }

    /// Returns the records of the next chunk that has any with a number above `after`; `None` at the
    /// end.
    pub fn next(&mut self, after: u64) -> Option<EvtxChunk> {
        loop {
            let damaged = std::mem::take(&mut self.damaged);
            let next = self.first.take().map(Ok).or_else(|| self.chunks.next());
            let mut found = EvtxChunk { damaged, ..EvtxChunk::default() };
            match next {
                Some(Ok(mut data)) => {
                    if data.header.last_event_record_id > after {
                        self.read(&mut data, after, &mut found);
                    }
                }
                Some(Err(_)) => found.damaged += 1,
                None if damaged > 0 => return Some(found),
                None => return None,
            }
            if found.damaged > 0 || !found.records.is_empty() {
                return Some(found);
            }
        }
    }

    fn read(&self, data: &mut ::evtx::EvtxChunkData, after: u64, found: &mut EvtxChunk) {
        let Ok(mut chunk) = data.parse(Arc::clone(&self.settings)) else {
            found.damaged += 1;
            return;
        };
        for record in chunk.iter() {
            let Ok(record) = record else {
                found.damaged += 1;
                continue;
            };
            let number = record.event_record_id;
            if number <= after {
                continue;
            }
            let Ok(record) = record.into_json_bytes() else {
                found.damaged += 1;
                continue;
            };
            if record.data.len() > RECORD_BYTES_MAX {
                found.damaged += 1;
                continue;
            }
            let name = name(&record.data, number);
            found.records.push(EvtxRecord { number, name, json: record.data });
        }
    }
}

/// The number within a file may be another after each export; what `System` says stays.
fn name(json: &[u8], number: u64) -> String {
    let value: serde_json::Value = serde_json::from_slice(json).unwrap_or_default();
    let system = value.get("Event").and_then(|event| event.get("System"));
    let part = |name: &str| system.and_then(|system| system.get(name));
    let text = |name: &str| part(name).and_then(serde_json::Value::as_str).unwrap_or_default();
    let time =
        part("TimeCreated").and_then(|time| time.get("#attributes")?.get("SystemTime")?.as_str());
    let id = part("EventRecordID").and_then(serde_json::Value::as_u64).unwrap_or(number);
    format!(
        "{}\u{1}{}\u{1}{id}\u{1}{}",
        text("Computer"),
        text("Channel"),
        time.unwrap_or_default()
    )
}
