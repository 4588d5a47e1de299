//! `batches`: shows sealed batches as JSON, for auditors and operators. Reads only, and asks no key.

use std::io::{self, Write};
use std::path::Path;
use std::str::FromStr;

use agent_spool::Reader;
use agent_wire::{ChainHead, Lane, Record, write_event};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result, file};

/// A file of headers is a few hundred bytes; more than this is something else.
const HEADERS_BYTES_MAX: u64 = 64 * 1024;
/// A compressed value is never larger than what a broker takes by far: 16 MiB.
const VALUE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Which batches of a spool are shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    /// Of one lane only.
    pub(crate) lane: Option<Lane>,
    /// With these numbers only.
    pub(crate) numbers: Option<Numbers>,
    /// With their events.
    pub(crate) events: bool,
}

/// Numbers of batches, from one to another: `42` or `40-50`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Numbers {
    first: u64,
    last: u64,
}

impl FromStr for Numbers {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (first.parse(), last.parse()) {
            (Ok(first), Ok(last)) if (1..=last).contains(&first) => Ok(Self { first, last }),
            _ => Err("give a number from 1 on, or two such as 40-50".to_owned()),
        }
    }
}

/// What was shown.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    /// So many batches.
    pub(crate) batches: u64,
    /// So many of them are not what they should be: forged, damaged, or not the next of their chain.
    pub(crate) bad: u64,
    /// So many bytes of the spool are damaged.
    pub(crate) damaged_bytes: u64,
}

/// How a batch stands to the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Chain {
    /// The first of its chain.
    First,
    /// It names the batch before by its number and hash.
    Follows,
    /// The batch before is not here to be compared: it was acknowledged and deleted.
    Unknown,
    /// Batches before it are missing.
    Gap,
    /// It has the next number, and names another batch as the one before.
    Broken,
}

impl Chain {
    fn of(record: &Record, before: Option<ChainHead>) -> Self {
        let (seq, prev) = (record.header.seq, record.header.prev);
        match before {
            _ if record.header.lane == Lane::Heartbeats => Self::Unknown,
            _ if seq == 1 => {
                if prev == [0; 32] {
                    Self::First
                } else {
                    Self::Broken
                }
            }
            None => Self::Unknown,
            Some(before) if before.seq + 1 != seq => Self::Gap,
            Some(before) if before.hash == prev => Self::Follows,
            Some(_) => Self::Broken,
        }
    }

    fn is_bad(self) -> bool {
        matches!(self, Self::Gap | Self::Broken)
    }
}

/// What a batch says of itself, and whether it is true. Names are those of `docs/spec/wire.md`.
#[derive(Debug, Serialize)]
struct Facts {
    lane: String,
    seq: u64,
    #[serde(flatten)]
    known: Option<Known>,
    /// The signature is that of the key, the key that of the agent.
    verified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

#[derive(Debug, Serialize)]
struct Known {
    version: u8,
    agent: String,
    key: String,
    epoch: u64,
    prev: String,
    hash: String,
    chain: Chain,
    count: u32,
    first: String,
    last: String,
    sealed: String,
    bytes: u32,
    value_bytes: usize,
    sha256: String,
    signature: String,
}

impl Known {
    fn of(record: &Record, chain: Chain) -> Self {
        let header = &record.header;
        Self {
            version: header.version,
            agent: header.agent.to_string(),
            key: header.key.to_string(),
            epoch: header.epoch,
            prev: hex::encode(header.prev),
            hash: hex::encode(record.hash()),
            chain,
            count: header.count,
            first: header.first.to_string(),
            last: header.last.to_string(),
            sealed: header.sealed.to_string(),
            bytes: header.raw_bytes,
            value_bytes: record.value.len(),
            sha256: hex::encode(Sha256::digest(&record.value)),
            signature: hex::encode(record.signature),
        }
    }
}

/// Shows the batches of a spool, alerts first; the agent may run meanwhile.
pub(crate) fn of_spool(dir: &Path, wanted: Wanted, out: &mut dyn Write) -> Result<Shown> {
    if agent_spool::epoch(dir)?.is_none() {
        return Err(Error::NoSpool { dir: dir.to_owned() });
    }
    let mut shown = Shown::default();
    let lanes =
        [(Lane::Alerts, agent_spool::LANE_ALERTS), (Lane::Events, agent_spool::LANE_EVENTS)];
    for (lane, number) in lanes {
        if wanted.lane.is_some_and(|only| only != lane) {
            continue;
        }
        let numbers = wanted.numbers.unwrap_or(Numbers { first: 1, last: u64::MAX });
        // The one before is read as well, to be compared with.
        let mut reader = Reader::open(dir, number, numbers.first.saturating_sub(2))?;
        let mut before = None;
        while let Some(entry) = reader.next()? {
            if entry.seq > numbers.last {
                break;
            }
            let record = Record::decode(&entry.bytes);
            if entry.seq >= numbers.first {
                shown.batches += 1;
                let is_good = match &record {
                    Ok(record) => show(record, before, wanted.events, out)?,
                    Err(error) => {
                        let problem = Some(rules_service::logs::chain(error));
                        let (lane, seq) = (lane.to_string(), entry.seq);
                        let facts = Facts { lane, seq, known: None, verified: false, problem };
                        write_line(&facts, out)?;
                        false
                    }
                };
                shown.bad += u64::from(!is_good);
            }
            before = record.ok().map(|record| record.head());
        }
        shown.damaged_bytes = shown.damaged_bytes.max(reader.damaged_bytes());
    }
    Ok(shown)
}

/// Shows one batch as Kafka or the quarantine holds it: headers, one `vl.NAME=VALUE` a line, and value.
pub(crate) fn of_files(
    headers: &Path,
    value: &Path,
    events: bool,
    out: &mut dyn Write,
) -> Result<Shown> {
    let text = read(headers, HEADERS_BYTES_MAX)?;
    let pairs = text.split(|byte| *byte == b'\n').filter_map(|line| {
        let at = line.iter().position(|byte| *byte == b'=')?;
        let name = std::str::from_utf8(&line[..at]).ok()?;
        Some((name.trim(), line[at + 1..].trim_ascii()))
    });
    let record = Record::from_kafka(pairs, read(value, VALUE_BYTES_MAX)?)
        .map_err(|source| Error::Headers { path: headers.to_owned(), source })?;
    let is_good = show(&record, None, events, out)?;
    Ok(Shown { batches: 1, bad: u64::from(!is_good), ..Shown::default() })
}

/// Writes a batch, and its events behind it; says whether it is what it should be.
fn show(
    record: &Record,
    before: Option<ChainHead>,
    with_events: bool,
    out: &mut dyn Write,
) -> Result<bool> {
    let chain = Chain::of(record, before);
    let verified = record.verify();
    let mut lines = Vec::new();
    let content = match record.header.lane {
        // One JSON document.
        Lane::Heartbeats => record.raw().map(|json| {
            lines.extend_from_slice(json.trim_ascii());
            lines.push(b'\n');
        }),
        // Looked at in any case: a batch that cannot be read is of no use, however well it is signed.
        _ => record.events().map(|events| {
            for event in events.iter().filter(|_| with_events) {
                write_event(&mut lines, event);
                lines.push(b'\n');
            }
        }),
    };
    let problem = verified.as_ref().err().or(content.as_ref().err());
    let facts = Facts {
        lane: record.header.lane.to_string(),
        seq: record.header.seq,
        known: Some(Known::of(record, chain)),
        verified: verified.is_ok(),
        problem: problem.map(|error| rules_service::logs::chain(error)),
    };
    let is_good = facts.problem.is_none() && !chain.is_bad();
    write_line(&facts, out)?;
    if with_events {
        out.write_all(&lines).map_err(written)?;
    }
    Ok(is_good)
}

fn write_line(facts: &Facts, out: &mut dyn Write) -> Result<()> {
    /// Events are lines of their own, and never have this key.
    #[derive(Serialize)]
    struct Line<'a> {
        batch: &'a Facts,
    }
    serde_json::to_writer(&mut *out, &Line { batch: facts })
        .map_err(io::Error::from)
        .and_then(|()| out.write_all(b"\n"))
        .map_err(written)
}

fn written(source: io::Error) -> Error {
    Error::System { doing: "write standard output", source }
}

fn read(path: &Path, max: u64) -> Result<Vec<u8>> {
    use io::Read as _;
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(path).map_err(file("open", path))?;
    opened.take(max + 1).read_to_end(&mut bytes).map_err(file("read", path))?;
    if bytes.len() as u64 > max {
        let source = io::Error::new(io::ErrorKind::InvalidData, "it is too large for one");
        return Err(Error::File { doing: "take a batch from", path: path.to_owned(), source });
    }
    Ok(bytes)
}
