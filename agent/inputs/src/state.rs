//! State: what an input knows of the host, kept over restarts in step with the checkpoint.
//!
//! An input that reports differences has to remember what it reported. A snapshot for each of a
//! hundred thousand files does not fit into a checkpoint, so it lies here: a *base* (everything) and a
//! *log* (what changed since, in numbered generations). A generation is synced to disk before its
//! events are handed on, and the number travels as the position of those events. After a crash the
//! checkpoint says which generation is durable; later ones are cut off, so that their differences are
//! found and reported anew: no change is lost, and none that is in the spool is reported twice.
//!
//! A base may only stand alone once everything in it is durable. Nobody tells us so; but a chunk is
//! durable at the latest when [`GENERATIONS_KEPT`] later ones have been accepted, so the pair before
//! is kept until then.

mod frame;
#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use frame::{Frame, Frames, Ops, write_frame};

/// Generations after which an older one is surely durable. What was accepted and is not yet durable is
/// at most what waits in the channel (8 chunks), and what the worker took within one seal interval
/// (at most 60 s): with [`PACE`] between two chunks that is below 250.
pub(crate) const GENERATIONS_KEPT: u64 = 256;

/// Least time between two generations that owners keep; see [`GENERATIONS_KEPT`].
pub(crate) const PACE: std::time::Duration = std::time::Duration::from_millis(250);

/// A log smaller than this is not worth a new base, bytes.
const LOG_BYTES_MIN: u64 = 1 << 20;

/// Bytes of a base that are gathered into one frame.
const FRAME_BYTES: usize = 64 << 10;

/// What a state is loaded into and written from: values by group and key.
pub(crate) trait Table {
    /// Forgets everything.
    fn clear(&mut self);
    /// Takes a value in. A value of another version may be left out: it is then found anew.
    fn put(&mut self, group: &[u8], key: &[u8], value: &[u8]);
    /// Removes a value.
    fn remove(&mut self, group: &[u8], key: &[u8]);
    /// Hands every value to `take`.
    fn each(&self, take: &mut Take<'_>);
}

/// Takes a group, a key and a value.
pub(crate) type Take<'a> = dyn FnMut(&[u8], &[u8], &[u8]) + 'a;

/// Why a state could not be kept.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} {}", path.display())]
pub(crate) struct StateError {
    doing: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StateError {
    let path = path.to_owned();
    move |source| StateError { doing, path, source }
}

/// What changes together.
#[derive(Debug, Default)]
pub(crate) struct Delta {
    ops: Ops,
    count: usize,
}

impl Delta {
    /// Sets a value.
    pub(crate) fn put(&mut self, group: &[u8], key: &[u8], value: &[u8]) {
        self.ops.put(group, key, value);
        self.count += 1;
    }

    /// Removes a value.
    pub(crate) fn remove(&mut self, group: &[u8], key: &[u8]) {
        self.ops.remove(group, key);
        self.count += 1;
    }

    /// Returns how many values it touches.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Applies it.
    pub(crate) fn apply(&self, table: &mut dyn Table) {
        self.ops.apply(table);
    }
}

/// See the head of the file.
#[derive(Debug)]
pub(crate) struct State {
    dir: PathBuf,
    name: &'static str,
    /// The newest generation written.
    generation: u64,
    /// Generation of the base in use.
    base: u64,
    base_bytes: u64,
    log: File,
    log_path: PathBuf,
    log_bytes: u64,
}

impl State {
    /// Opens the state of an input, or begins one. `known` is the generation that the checkpoint holds;
    /// without one, everything is believed up to the first generation that had events.
    ///
    /// Returns with it what was damaged, in words; damaged parts are left out, and what they held is
    /// found and reported again.
    pub(crate) fn open(
        dir: &Path,
        name: &'static str,
        known: Option<u64>,
        table: &mut dyn Table,
    ) -> Result<(Self, Vec<String>), StateError> {
        std::fs::create_dir_all(dir).map_err(failed("create the folder", dir))?;
        let bases = list(dir, name, "base")?;
        let logs = list(dir, name, "log")?;
        let mut notes = Vec::new();
        let mut generation = 0;
        let usable = bases.iter().rev().filter(|base| known.is_none_or(|known| **base <= known));
        let mut base = 0;
        for &candidate in usable {
            let path = file_path(dir, name, "base", candidate);
            table.clear();
            match load_base(&path, candidate, table) {
                Ok(()) => {
                    base = candidate;
                    break;
                }
                Err(reason) => notes.push(format!("{}: {reason}", path.display())),
            }
        }
        if base == 0 {
            table.clear();
        }
        generation = generation.max(base);
        for &log in logs.iter().filter(|log| **log >= base) {
            let path = file_path(dir, name, "log", log);
            let file = File::open(&path).map_err(failed("read", &path))?;
            let mut frames = Frames::new(io::BufReader::new(file));
            for frame in frames.by_ref() {
                let Frame::Delta { generation: number, events, ops } = frame else { continue };
                let durable = match known {
                    Some(known) => number <= known,
                    None => !events,
                };
                if number <= generation {
                    continue;
                }
                if number != generation + 1 || !durable {
                    break;
                }
                ops.apply(table);
                generation = number;
            }
            if frames.torn {
                notes.push(format!("{}: its end is torn", path.display()));
            }
        }
        // Everything up to here is durable: one base says it all.
        let state = Self::begin(dir, name, generation.max(1), table)?;
        for kind in ["base", "log"] {
            for number in list(dir, name, kind)? {
                if number != state.base {
                    let _ = std::fs::remove_file(file_path(dir, name, kind, number));
                }
            }
        }
        Ok((state, notes))
    }

    /// Writes a base and an empty log beside it.
    fn begin(
        dir: &Path,
        name: &'static str,
        generation: u64,
        table: &dyn Table,
    ) -> Result<Self, StateError> {
        let base_path = file_path(dir, name, "base", generation);
        let log_path = file_path(dir, name, "log", generation);
        // The log first: a base without its log would be taken for one without changes.
        let log = OpenOptions::new()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .open(&log_path)
            .map_err(failed("create", &log_path))?;
        let part_path = dir.join(format!("{name}.part"));
        let base_bytes = write_base(&part_path, generation, table)
            .and_then(|bytes| {
                std::fs::rename(&part_path, &base_path)?;
                File::open(dir)?.sync_all()?;
                Ok(bytes)
            })
            .map_err(failed("write", &base_path))?;
        Ok(Self {
            dir: dir.to_owned(),
            name,
            generation,
            base: generation,
            base_bytes,
            log,
            log_path,
            log_bytes: 0,
        })
    }

    /// Makes a generation durable here, and returns its number: the position of its events.
    pub(crate) fn append(&mut self, delta: &Delta, has_events: bool) -> Result<u64, StateError> {
        let number = self.generation + 1;
        let mut bytes = Vec::new();
        write_frame(
            &mut bytes,
            &Frame::Delta { generation: number, events: has_events, ops: delta.ops.clone() },
        );
        let start = self.log_bytes;
        let written = self
            .log
            .seek(SeekFrom::Start(start))
            .and_then(|_| self.log.write_all(&bytes))
            .and_then(|()| self.log.sync_data());
        if let Err(error) = written {
            // What was half written would hide what comes after it.
            let _ = self.log.set_len(start);
            return Err(failed("write", &self.log_path)(error));
        }
        self.log_bytes += bytes.len() as u64;
        self.generation = number;
        Ok(number)
    }

    /// Writes a new base when the log has outgrown the old one.
    pub(crate) fn compact(&mut self, table: &dyn Table) -> Result<(), StateError> {
        if self.log_bytes < LOG_BYTES_MIN.max(self.base_bytes)
            || self.generation - self.base < GENERATIONS_KEPT
        {
            return Ok(());
        }
        let before = self.base;
        *self = Self::begin(&self.dir, self.name, self.generation, table)?;
        for kind in ["base", "log"] {
            for number in list(&self.dir, self.name, kind)? {
                if number < before {
                    let _ = std::fs::remove_file(file_path(&self.dir, self.name, kind, number));
                }
            }
        }
        Ok(())
    }
}

/// Returns the position that stands for a generation.
pub(crate) fn position(generation: u64) -> String {
    format!("{{\"generation\":{generation}}}")
}

/// Reads such a position.
pub(crate) fn parse_position(json: &str) -> Option<u64> {
    serde_json::from_str::<serde_json::Value>(json).ok()?.get("generation")?.as_u64()
}

fn file_path(dir: &Path, name: &str, kind: &str, number: u64) -> PathBuf {
    dir.join(format!("{name}.{kind}.{number:016x}"))
}

/// Returns the numbers of the files of a kind, in ascending order.
fn list(dir: &Path, name: &str, kind: &str) -> Result<Vec<u64>, StateError> {
    let prefix = format!("{name}.{kind}.");
    let entries = std::fs::read_dir(dir).map_err(failed("list", dir))?;
    let mut numbers: Vec<u64> = entries
        .filter_map(|entry| {
            let name = entry.ok()?.file_name();
            u64::from_str_radix(name.to_str()?.strip_prefix(&prefix)?, 16).ok()
        })
        .collect();
    numbers.sort_unstable();
    Ok(numbers)
}

fn load_base(path: &Path, number: u64, table: &mut dyn Table) -> Result<(), String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut frames = Frames::new(io::BufReader::new(file));
    let mut is_whole = false;
    for frame in frames.by_ref() {
        match frame {
            Frame::Delta { ops, .. } => ops.apply(table),
            Frame::End { generation } => is_whole = generation == number,
        }
    }
    if frames.torn || !is_whole {
        return Err("it is damaged and left out".to_owned());
    }
    Ok(())
}

fn write_base(path: &Path, generation: u64, table: &dyn Table) -> io::Result<u64> {
    let mut file = io::BufWriter::new(File::create(path)?);
    let mut ops = Ops::default();
    let mut total = 0;
    let mut result = Ok(());
    let mut flush = |ops: &mut Ops| {
        let mut bytes = Vec::new();
        let ops = std::mem::take(ops);
        write_frame(&mut bytes, &Frame::Delta { generation, events: false, ops });
        total += bytes.len() as u64;
        file.write_all(&bytes)
    };
    table.each(&mut |group, key, value| {
        ops.put(group, key, value);
        if ops.bytes() >= FRAME_BYTES && result.is_ok() {
            result = flush(&mut ops);
        }
    });
    result?;
    flush(&mut ops)?;
    let mut end = Vec::new();
    write_frame(&mut end, &Frame::End { generation });
    file.write_all(&end)?;
    file.into_inner()?.sync_all()?;
    Ok(total)
}
