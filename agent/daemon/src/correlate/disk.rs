//! Disk: what correlations remember, in the rounds of the spool.
//!
//! Each round holds what was counted of its events, and so a hit is remembered if, and only if, its
//! event is in the spool. Now and then a round holds all that is remembered instead: see
//! `agent_spool::Spool::append_change`. After a restart the newest such round is taken over, and what
//! the rounds behind it counted is counted again. See `docs/adr/0015-correlation-on-the-host.md`.
//!
//! Both begin with a byte that says whether the rest is compressed. Then sections follow: a letter, a
//! length, bytes.

use agent_wire::{Compressor, decompress};
use rules_correlate::bytes::{Reader, write_bytes, write_signed};
use rules_event::Timestamp;

use super::Local;
use super::dictionary::{Dictionary, Digest};

/// The version and how the rest is written.
const PLAIN: u8 = 0x20;
const COMPRESSED: u8 = 0x21;
/// Less than this is not compressed.
const COMPRESSED_MIN: usize = 256;
/// No more than this is read: four times the largest bound of memory.
const RAW_BYTES_MAX: usize = 256 << 20;

/// Sections.
const DICTIONARY: u8 = b'D';
const STATE: u8 = b'S';
const HITS: u8 = b'H';
const LINES: u8 = b'L';
const TOLD: u8 = b'T';

/// What is not on disk yet.
#[derive(Debug, Default)]
pub(super) struct Pending {
    sections: Vec<u8>,
    /// The dictionary that the rounds on disk, and these sections, may refer to.
    known: Option<Digest>,
    /// The same once the sections are on disk.
    known_then: Option<Digest>,
}

impl Pending {
    /// Adds hits that were counted at a time, and how far time came with them.
    pub(super) fn add(
        &mut self,
        dictionary: &Dictionary,
        hits: &[u8],
        now: Timestamp,
        newest: i64,
    ) {
        if self.known_then != Some(dictionary.digest) {
            let mut bytes = Vec::new();
            dictionary.write(&mut bytes);
            section(&mut self.sections, DICTIONARY, &bytes);
            self.known_then = Some(dictionary.digest);
        }
        let mut bytes = Vec::with_capacity(hits.len() + 32);
        bytes.extend_from_slice(&dictionary.digest);
        write_signed(&mut bytes, now.as_nanos());
        write_signed(&mut bytes, newest);
        bytes.extend_from_slice(hits);
        section(&mut self.sections, HITS, &bytes);
    }
}

impl Local {
    /// Returns what was counted since the last round that was stored; nothing if that is nothing.
    pub(crate) fn change(&self, compressor: &mut Compressor) -> Vec<u8> {
        let mut out = self.pending.sections.clone();
        let mut bytes = Vec::new();
        self.lines.write(&mut bytes, false);
        section(&mut out, LINES, &bytes);
        bytes.clear();
        self.telling.write(&mut bytes, false);
        section(&mut out, TOLD, &bytes);
        packed(out, compressor)
    }

    /// Returns all that is remembered.
    pub(crate) fn whole(&self, compressor: &mut Compressor) -> Vec<u8> {
        let mut out = Vec::new();
        let mut bytes = Vec::new();
        self.counting.dictionary.write(&mut bytes);
        section(&mut out, DICTIONARY, &bytes);
        if self.correlator.keys() > 0 {
            section(&mut out, STATE, &self.correlator.save());
        }
        bytes.clear();
        self.lines.write(&mut bytes, true);
        section(&mut out, LINES, &bytes);
        bytes.clear();
        self.telling.write(&mut bytes, true);
        section(&mut out, TOLD, &bytes);
        packed(out, compressor)
    }

    /// Notes that the round is stored, with all that is remembered (`whole`) or with the change.
    pub(crate) fn stored(&mut self, whole: bool) {
        let Pending { sections, known, known_then } = &mut self.pending;
        sections.clear();
        if sections.capacity() > super::BUFFER_KEPT_MAX {
            *sections = Vec::new();
        }
        *known = if whole { Some(self.counting.dictionary.digest) } else { *known_then };
        *known_then = *known;
        self.lines.stored();
        self.telling.stored();
    }

    /// Forgets what would be stored: for those who store nothing.
    pub(super) fn forget_pending(&mut self) {
        self.pending.sections.clear();
    }

    /// Takes over what rounds hold: one that is whole, then changes. Says how many groups and hits that
    /// were; `None` when something in it cannot be understood. What follows that is left out.
    pub(crate) fn restore(&mut self, kept: &[impl AsRef<[u8]>]) -> Option<(usize, usize)> {
        let mut dictionary = Dictionary::default();
        let (mut groups, mut hits) = (0, 0);
        for bytes in kept.iter().map(AsRef::as_ref).filter(|bytes| !bytes.is_empty()) {
            let raw = unpacked(bytes)?;
            let mut from = Reader::new(&raw);
            while !from.is_empty() {
                let (kind, bytes) = (from.byte()?, from.bytes()?);
                let mut section = Reader::new(bytes);
                match kind {
                    DICTIONARY => dictionary = Dictionary::read(&mut section)?,
                    STATE => groups += self.correlator.load(bytes)?,
                    LINES => self.lines.read(&mut section)?,
                    TOLD => self.telling.read(&mut section)?,
                    HITS => {
                        let known = section.array() == Some(dictionary.digest);
                        let now = Timestamp::from_nanos(section.signed()?);
                        let newest = section.signed()?;
                        // Of hits whose dictionary is lost with a damaged round nothing is known.
                        if known {
                            hits += self.count_again(&dictionary, section.rest(), now, newest)?;
                        }
                    }
                    _ => return None,
                }
            }
        }
        self.lines.arrange(&self.counting.dictionary);
        Some((groups, hits))
    }
}

fn section(out: &mut Vec<u8>, kind: u8, bytes: &[u8]) {
    if !bytes.is_empty() {
        out.push(kind);
        write_bytes(out, bytes);
    }
}

/// Returns sections as they are stored. Compression that fails (no memory) leaves them as they are.
fn packed(sections: Vec<u8>, compressor: &mut Compressor) -> Vec<u8> {
    if sections.is_empty() {
        return sections;
    }
    let small = sections.len() < COMPRESSED_MIN;
    match if small { None } else { compressor.compress(&sections).ok() } {
        Some(compressed) => [&[COMPRESSED], compressed.as_slice()].concat(),
        None => [&[PLAIN], sections.as_slice()].concat(),
    }
}

fn unpacked(bytes: &[u8]) -> Option<Vec<u8>> {
    match bytes.split_first()? {
        (&PLAIN, rest) => Some(rest.to_vec()),
        (&COMPRESSED, rest) => decompress(rest, RAW_BYTES_MAX).ok(),
        _ => None,
    }
}
