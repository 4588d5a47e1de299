//! Checkpoint: what a round remembers so that a restart goes on exactly there.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::sync::Arc;

use agent_spool::Saved;
use agent_wire::{ChainHead, Hash, Lane};
use serde::{Deserialize, Serialize, Serializer};

use crate::error::{Error, Result};

/// The version this build writes. It reads the one before, which had nothing behind the JSON.
const VERSION: u32 = 2;

/// What is stored is read so many bytes at a time: 64 KiB.
const READ_BYTES: usize = 64 * 1024;

/// Stored as JSON with every round of the spool: as a whole, or only what changed. Behind a line feed
/// follows what the correlations remember, if anything: see `correlate/disk.rs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored<P, G> {
    version: u32,
    epoch: u64,
    heads: BTreeMap<String, StoredHead>,
    positions: P,
    /// Positions taken away; only in changes.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    gone: Vec<G>,
}

/// Positions on their way into JSON.
struct Positions<I>(I);

impl<'a, I: Iterator<Item = (&'a Arc<str>, &'a Arc<str>)> + Clone> Serialize for Positions<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.clone())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredHead {
    seq: u64,
    hash: String,
}

/// Where the chains stand and where inputs resume.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Checkpoint {
    /// By lane, in the order of [`Lane::SPOOLED`].
    pub(crate) heads: [ChainHead; 2],
    /// Opaque position by source key. Without spare room, and shared with the inputs, which begin with
    /// them: there may be tens of thousands.
    positions: BTreeMap<Arc<str>, Arc<str>>,
    /// Keys whose position was set or taken away since the last round.
    changed: BTreeSet<String>,
}

impl Checkpoint {
    /// Takes in what the inputs say: where sources stand now, and which are no longer followed.
    pub(crate) fn advance(&mut self, positions: Vec<(String, String)>, gone: &[String]) {
        for (key, position) in positions {
            match self.positions.get_mut(key.as_str()) {
                Some(known) if **known == *position => continue,
                Some(known) => *known = position.into(),
                None => {
                    self.positions.insert(key.as_str().into(), position.into());
                }
            }
            self.changed.insert(key);
        }
        for key in gone {
            if self.positions.remove(key.as_str()).is_some() {
                self.changed.insert(key.clone());
            }
        }
    }

    /// Returns what changed since the last round, as bytes to be stored, with what else is to be.
    pub(crate) fn change(&self, epoch: u64, beside: &[u8]) -> Vec<u8> {
        let known = |key: &&String| self.positions.contains_key(key.as_str());
        let gone = self.changed.iter().filter(|key| !known(key)).collect();
        let changed =
            self.changed.iter().filter_map(|key| self.positions.get_key_value(key.as_str()));
        let mut written = Vec::new();
        self.write(epoch, Positions(changed), gone, beside, &mut written)
            .expect("memory takes all that is written");
        written
    }

    /// Writes all of it, as bytes to be stored, with what else is to be. Piece by piece: with many files
    /// it would be the largest thing there is.
    pub(crate) fn write_whole(
        &self,
        epoch: u64,
        beside: &[u8],
        out: &mut dyn Write,
    ) -> io::Result<()> {
        self.write(epoch, Positions(self.positions.iter()), Vec::new(), beside, out)
    }

    /// Notes that the round with the change is in the spool.
    pub(crate) fn stored_change(&mut self) {
        self.changed.clear();
    }

    fn write<'a>(
        &self,
        epoch: u64,
        positions: Positions<impl Iterator<Item = (&'a Arc<str>, &'a Arc<str>)> + Clone>,
        gone: Vec<&String>,
        beside: &[u8],
        mut out: &mut dyn Write,
    ) -> io::Result<()> {
        let heads = Lane::SPOOLED
            .iter()
            .zip(&self.heads)
            .map(|(lane, head)| {
                let head = StoredHead { seq: head.seq, hash: hex::encode(head.hash) };
                (lane.to_string(), head)
            })
            .collect();
        let stored = Stored { version: VERSION, epoch, heads, positions, gone };
        serde_json::to_writer(&mut out, &stored)?;
        if !beside.is_empty() {
            out.write_all(b"\n")?;
            out.write_all(beside)?;
        }
        Ok(())
    }

    /// Reads what a spool holds: the whole checkpoint with its changes put on, in order; and what was
    /// stored beside each. In another epoch the chains begin anew, the positions stay.
    pub(crate) fn read(saved: &Saved, epoch: u64, dir: &Path) -> Result<(Self, Vec<Vec<u8>>)> {
        let (mut checkpoint, mut all_beside) = (Self::default(), Vec::new());
        for part in saved.parts() {
            let mut reader = BufReader::with_capacity(READ_BYTES, part.reader());
            let beside = checkpoint.put_on(&mut reader, epoch, dir)?;
            if !beside.is_empty() {
                all_beside.push(beside);
            }
        }
        Ok((checkpoint, all_beside))
    }

    /// Puts one part on; returns what was stored beside it.
    fn put_on(&mut self, reader: &mut impl BufRead, epoch: u64, dir: &Path) -> Result<Vec<u8>> {
        let bad = |reason: String| Error::Checkpoint { dir: dir.to_owned(), reason };
        let stored: Stored<BTreeMap<Arc<str>, Arc<str>>, String> =
            serde_json::from_reader(Line { reader: &mut *reader, is_over: false })
                .map_err(|error| bad(error.to_string()))?;
        let mut beside = Vec::new();
        reader.read_to_end(&mut beside).map_err(|error| bad(error.to_string()))?;
        if !(1..=VERSION).contains(&stored.version) {
            return Err(bad(format!("version {} is not {VERSION}", stored.version)));
        }
        if stored.epoch == epoch {
            for (lane, head) in Lane::SPOOLED.iter().zip(&mut self.heads) {
                let Some(kept) = stored.heads.get(lane.as_str()) else { continue };
                let mut hash = Hash::default();
                hex::decode_to_slice(&kept.hash, &mut hash)
                    .map_err(|error| bad(format!("hash of lane {lane}: {error}")))?;
                *head = ChainHead { seq: kept.seq, hash };
            }
        }
        for key in &stored.gone {
            self.positions.remove(key.as_str());
        }
        if self.positions.is_empty() {
            self.positions = stored.positions;
        } else {
            self.positions.extend(stored.positions);
        }
        Ok(beside)
    }

    /// Returns the positions as inputs take them.
    pub(crate) fn positions(&self) -> agent_inputs::Positions {
        let mut all = agent_inputs::Positions::default();
        let texts = self.positions.iter();
        all.extend(texts.map(|(key, position)| (Arc::clone(key), Arc::clone(position))));
        all
    }
}

/// Reads up to the first line feed, which is in no JSON of ours, and takes that away, too.
struct Line<R> {
    reader: R,
    is_over: bool,
}

impl<R: BufRead> Read for Line<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.is_over {
            return Ok(0);
        }
        let there = self.reader.fill_buf()?;
        let mut count = 0;
        for (to, from) in out.iter_mut().zip(there) {
            self.is_over = *from == b'\n';
            if self.is_over {
                break;
            }
            *to = *from;
            count += 1;
        }
        self.reader.consume(count + usize::from(self.is_over));
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use agent_spool::{Entry, LANE_EVENTS, Options, Spool};

    use super::*;

    fn at(key: usize, offset: usize) -> (String, String) {
        (format!("8:{key}:0:ab12cd34ef56"), format!("{{\"offset\":{offset}}}"))
    }

    fn whole(checkpoint: &Checkpoint, epoch: u64, beside: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        checkpoint.write_whole(epoch, beside, &mut bytes).unwrap();
        bytes
    }

    fn options(dir: &std::path::Path) -> Options {
        Options {
            dir: dir.to_owned(),
            segment_bytes_max: 16 << 20,
            bytes_max: 1 << 30,
            free_bytes_min: 0,
        }
    }

    /// Puts a whole one and changes into a spool, and returns what that has saved.
    fn saved(whole: &[u8], changes: &[Vec<u8>]) -> Saved {
        let dir = tempfile::tempdir().unwrap();
        let options = options(dir.path());
        let (mut spool, _) = Spool::open(options.clone()).unwrap();
        spool.append(&[], whole).unwrap();
        for change in changes {
            spool.append_change(&[], change, |_| panic!("no whole one is due")).unwrap();
        }
        drop(spool);
        Spool::open(options).unwrap().1.checkpoint.unwrap()
    }

    fn read(whole: &[u8], changes: &[Vec<u8>], epoch: u64) -> Result<(Checkpoint, Vec<Vec<u8>>)> {
        Checkpoint::read(&saved(whole, changes), epoch, Path::new("/spool"))
    }

    #[test]
    fn survives_storing_and_starts_its_chains_anew_in_a_new_epoch() {
        let mut checkpoint = Checkpoint {
            heads: [ChainHead { seq: 3, hash: [7; 32] }, ChainHead { seq: 9, hash: [8; 32] }],
            ..Checkpoint::default()
        };
        checkpoint.advance(vec![at(1, 5)], &[]);
        checkpoint.stored_change();
        let stored = whole(&checkpoint, 17, &[]);
        assert_eq!(read(&stored, &[], 17).unwrap(), (checkpoint.clone(), Vec::new()));
        let (anew, _) = read(&stored, &[], 18).unwrap();
        assert_eq!(anew.heads, [ChainHead::default(); 2]);
        assert_eq!(anew.positions, checkpoint.positions);
        for bad in [&b"{}"[..], b"", b"{\"version\":3,\"epoch\":1,\"heads\":{},\"positions\":{}}"] {
            let error = read(bad, &[], 17).unwrap_err().to_string();
            assert!(error.contains("/spool") && error.contains("move the folder away"), "{error}");
        }
    }

    #[test]
    fn changes_put_on_the_whole_give_the_newest_and_carry_only_what_changed() {
        let mut checkpoint = Checkpoint::default();
        checkpoint.advance((0..500).map(|key| at(key, 0)).collect(), &[]);
        let whole = whole(&checkpoint, 1, b"state");
        checkpoint.stored_change();
        let mut changes = Vec::new();
        for round in 1..=40 {
            let gone = at(round, 0).0;
            checkpoint.heads[1].seq += 1;
            checkpoint.advance(vec![at(499, round), at(7, 0)], &[gone]);
            // With a line feed in what stands beside.
            let beside: &[u8] = if round == 7 { b"\nhits\n" } else { b"" };
            changes.push(checkpoint.change(1, beside));
            checkpoint.stored_change();
        }
        // One that left and came back.
        checkpoint.advance(vec![at(3, 9)], &[]);
        changes.push(checkpoint.change(1, &[]));
        checkpoint.stored_change();
        assert!(changes.iter().all(|change| change.len() < 500), "{}", changes[0].len());
        let (read, beside) = read(&whole, &changes, 1).unwrap();
        assert_eq!(read, checkpoint);
        assert_eq!(beside, [&b"state"[..], b"\nhits\n"]);
        assert_eq!(read.positions.len(), 500 - 40 + 2);
    }

    /// The bound that lets thousands of files be watched: a round in the steady state takes as many
    /// bytes with 20,000 files as with ten, and what whole checkpoints add is a bounded share.
    #[test]
    fn a_round_takes_no_more_bytes_for_more_files() {
        const ROUNDS: u64 = 300;
        const ENTRY_BYTES: usize = 60_000;
        let per_round = |files: usize| {
            let dir = tempfile::tempdir().unwrap();
            let (mut spool, _) = Spool::open(options(dir.path())).unwrap();
            let mut checkpoint = Checkpoint::default();
            checkpoint.advance((0..files).map(|key| at(key, 0)).collect(), &[]);
            let (mut steady, mut most, mut wholes) = (0, 0, 0);
            for round in 1..=ROUNDS {
                checkpoint.advance(vec![at(round as usize % files, round as usize)], &[]);
                let (before, mut is_whole) = (spool.bytes(), false);
                let bytes = vec![0x5a; ENTRY_BYTES];
                let entry = Entry { lane: LANE_EVENTS, seq: round, bytes: &bytes };
                let change = checkpoint.change(1, &[]);
                spool
                    .append_change(&[entry], &change, |out| {
                        is_whole = true;
                        checkpoint.write_whole(1, &[], out)
                    })
                    .unwrap();
                checkpoint.stored_change();
                if is_whole {
                    wholes += 1;
                } else {
                    steady += 1;
                    most = most.max(spool.bytes() - before - ENTRY_BYTES as u64);
                }
            }
            drop(spool);
            let (spool, found) = Spool::open(options(dir.path())).unwrap();
            let found = found.checkpoint.unwrap();
            let (read, _) = Checkpoint::read(&found, 1, dir.path()).unwrap();
            assert_eq!(read, checkpoint);
            assert_eq!(steady + wholes, ROUNDS);
            (most, wholes, spool.bytes())
        };
        let (few, few_wholes, _) = per_round(10);
        let (many, many_wholes, many_bytes) = per_round(20_000);
        eprintln!("10 files: {few} B a round beside its batch; 20,000 files: {many} B");
        assert!(many <= few + 20, "{many} bytes a round for 20,000 files, {few} for ten");
        assert!(few_wholes <= 3 && many_wholes <= 3, "{few_wholes} and {many_wholes} of {ROUNDS}");
        let batches = ROUNDS * (ENTRY_BYTES as u64 + many);
        assert!(many_bytes * 3 < batches * 4, "whole ones take a quarter at most: {many_bytes}");
    }
}
