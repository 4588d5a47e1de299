//! Checkpoint: what a round remembers so that a restart goes on exactly there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use agent_spool::Saved;
use agent_wire::{ChainHead, Hash, Lane};
use serde::{Deserialize, Serialize, Serializer};

use crate::error::{Error, Result};

/// The version this build writes. It reads the one before, which had nothing behind the JSON.
const VERSION: u32 = 2;

/// What JSON adds to a key and a position besides what has to be escaped in them.
const QUOTES_BYTES: usize = 6;
/// What stands around all of them, with room for some positions taken away.
const ENVELOPE_BYTES: usize = 4096;

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

impl<'a, I: Iterator<Item = (&'a Box<str>, &'a Box<str>)> + Clone> Serialize for Positions<I> {
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
    /// Opaque position by source key. Without spare room: there may be tens of thousands.
    positions: BTreeMap<Box<str>, Box<str>>,
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
        self.stored(epoch, Positions(changed), gone, beside)
    }

    /// Returns all of it, as bytes to be stored, with what else is to be.
    pub(crate) fn whole(&self, epoch: u64, beside: &[u8]) -> Vec<u8> {
        self.stored(epoch, Positions(self.positions.iter()), Vec::new(), beside)
    }

    /// Notes that the round with the change is in the spool.
    pub(crate) fn stored_change(&mut self) {
        self.changed.clear();
    }

    /// Written straight into one block of the right size: lists and copies on the way would be several
    /// times what the agent is otherwise made of.
    fn stored<'a>(
        &self,
        epoch: u64,
        positions: Positions<impl Iterator<Item = (&'a Box<str>, &'a Box<str>)> + Clone>,
        gone: Vec<&String>,
        beside: &[u8],
    ) -> Vec<u8> {
        let bytes = positions.0.clone().map(|(key, position)| key.len() + position.len());
        let heads = Lane::SPOOLED
            .iter()
            .zip(&self.heads)
            .map(|(lane, head)| {
                let head = StoredHead { seq: head.seq, hash: hex::encode(head.hash) };
                (lane.to_string(), head)
            })
            .collect();
        let room = bytes.map(|bytes| bytes + bytes / 4 + QUOTES_BYTES).sum::<usize>();
        let mut written = Vec::with_capacity(room + ENVELOPE_BYTES + beside.len());
        let stored = Stored { version: VERSION, epoch, heads, positions, gone };
        serde_json::to_writer(&mut written, &stored).expect("a checkpoint is plain data");
        if !beside.is_empty() {
            written.push(b'\n');
            written.extend_from_slice(beside);
        }
        written
    }

    /// Reads what a spool holds: the whole checkpoint with its changes put on, in order. In another
    /// epoch the chains begin anew, the positions stay.
    pub(crate) fn decode(saved: &Saved, epoch: u64, dir: &Path) -> Result<Self> {
        let mut checkpoint = Self::default();
        for bytes in saved.whole.iter().chain(&saved.changes) {
            checkpoint.put_on(bytes, epoch, dir)?;
        }
        Ok(checkpoint)
    }

    fn put_on(&mut self, bytes: &[u8], epoch: u64, dir: &Path) -> Result<()> {
        let bad = |reason: String| Error::Checkpoint { dir: dir.to_owned(), reason };
        let stored: Stored<BTreeMap<Box<str>, Box<str>>, String> =
            serde_json::from_slice(parts(bytes).0).map_err(|error| bad(error.to_string()))?;
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
        Ok(())
    }

    /// Returns what was stored beside: with the whole checkpoint first, then with each change. Copies, so
    /// that the rest, which is large with many files, can be let go of.
    pub(crate) fn beside(saved: &Saved) -> Vec<Vec<u8>> {
        let all = saved.whole.iter().chain(&saved.changes);
        all.map(|bytes| parts(bytes).1.to_vec()).collect()
    }

    /// Returns the positions as inputs take them.
    pub(crate) fn positions(&self) -> agent_inputs::Positions {
        let bytes = self.positions.iter().map(|(key, position)| key.len() + position.len()).sum();
        let mut all = agent_inputs::Positions::with_room(self.positions.len(), bytes);
        all.extend(&self.positions);
        all
    }
}

/// Returns the JSON of stored bytes, which holds no line feed, and what stands behind it.
fn parts(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &[]),
    }
}

#[cfg(test)]
mod tests {
    use agent_spool::{Entry, LANE_EVENTS, Options, Spool};

    use super::*;

    fn at(key: usize, offset: usize) -> (String, String) {
        (format!("8:{key}:0:ab12cd34ef56"), format!("{{\"offset\":{offset}}}"))
    }

    fn saved(whole: Vec<u8>, changes: Vec<Vec<u8>>) -> Saved {
        Saved { whole: Some(whole), changes }
    }

    #[test]
    fn survives_storing_and_starts_its_chains_anew_in_a_new_epoch() {
        let mut checkpoint = Checkpoint {
            heads: [ChainHead { seq: 3, hash: [7; 32] }, ChainHead { seq: 9, hash: [8; 32] }],
            ..Checkpoint::default()
        };
        checkpoint.advance(vec![at(1, 5)], &[]);
        checkpoint.stored_change();
        let dir = Path::new("/spool");
        let stored = saved(checkpoint.whole(17, &[]), Vec::new());
        assert_eq!(Checkpoint::decode(&stored, 17, dir).unwrap(), checkpoint);
        let anew = Checkpoint::decode(&stored, 18, dir).unwrap();
        assert_eq!(anew.heads, [ChainHead::default(); 2]);
        assert_eq!(anew.positions, checkpoint.positions);
        for bad in [&b"{}"[..], b"", b"{\"version\":3,\"epoch\":1,\"heads\":{},\"positions\":{}}"] {
            let stored = saved(bad.to_vec(), Vec::new());
            let error = Checkpoint::decode(&stored, 17, dir).unwrap_err().to_string();
            assert!(error.contains("/spool") && error.contains("move the folder away"), "{error}");
        }
    }

    #[test]
    fn changes_put_on_the_whole_give_the_newest_and_carry_only_what_changed() {
        let mut checkpoint = Checkpoint::default();
        checkpoint.advance((0..500).map(|key| at(key, 0)).collect(), &[]);
        let whole = checkpoint.whole(1, &[]);
        checkpoint.stored_change();
        let mut changes = Vec::new();
        for round in 1..=40 {
            let gone = at(round, 0).0;
            checkpoint.heads[1].seq += 1;
            checkpoint.advance(vec![at(499, round), at(7, 0)], &[gone]);
            changes.push(checkpoint.change(1, &[]));
            checkpoint.stored_change();
        }
        // One that left and came back.
        checkpoint.advance(vec![at(3, 9)], &[]);
        changes.push(checkpoint.change(1, &[]));
        checkpoint.stored_change();
        assert!(changes.iter().all(|change| change.len() < 500), "{}", changes[0].len());
        let read = Checkpoint::decode(&saved(whole, changes), 1, Path::new("/spool")).unwrap();
        assert_eq!(read, checkpoint);
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
            let options = Options {
                dir: dir.path().to_owned(),
                segment_bytes_max: 16 << 20,
                bytes_max: 1 << 30,
                free_bytes_min: 0,
            };
            let (mut spool, _) = Spool::open(options).unwrap();
            let mut checkpoint = Checkpoint::default();
            checkpoint.advance((0..files).map(|key| at(key, 0)).collect(), &[]);
            let (mut steady, mut most, mut wholes) = (0, 0, 0);
            for round in 1..=ROUNDS {
                checkpoint.advance(vec![at(round as usize % files, round as usize)], &[]);
                let (before, mut whole) = (spool.bytes(), false);
                let bytes = vec![0x5a; ENTRY_BYTES];
                let entry = Entry { lane: LANE_EVENTS, seq: round, bytes: &bytes };
                let change = checkpoint.change(1, &[]);
                spool
                    .append_change(&[entry], &change, || {
                        whole = true;
                        checkpoint.whole(1, &[])
                    })
                    .unwrap();
                checkpoint.stored_change();
                if whole {
                    wholes += 1;
                } else {
                    steady += 1;
                    most = most.max(spool.bytes() - before - ENTRY_BYTES as u64);
                }
            }
            drop(spool);
            let (spool, found) = Spool::open(Options {
                dir: dir.path().to_owned(),
                segment_bytes_max: 16 << 20,
                bytes_max: 1 << 30,
                free_bytes_min: 0,
            })
            .unwrap();
            let read = Checkpoint::decode(&found.checkpoint.unwrap(), 1, dir.path()).unwrap();
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
