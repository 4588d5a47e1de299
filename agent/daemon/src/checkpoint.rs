//! Checkpoint: what a round remembers so that a restart goes on exactly there.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use agent_wire::{ChainHead, Hash, Lane};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The version this build writes and reads.
const VERSION: u32 = 1;

/// Stored as JSON with every round of the spool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    epoch: u64,
    heads: BTreeMap<String, StoredHead>,
    positions: BTreeMap<String, String>,
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
    /// Opaque position by source key.
    pub(crate) positions: BTreeMap<String, String>,
}

impl Checkpoint {
    /// Returns the bytes to be stored.
    pub(crate) fn encode(&self, epoch: u64) -> Vec<u8> {
        let heads = Lane::SPOOLED
            .iter()
            .zip(&self.heads)
            .map(|(lane, head)| {
                let head = StoredHead { seq: head.seq, hash: hex::encode(head.hash) };
                (lane.to_string(), head)
            })
            .collect();
        let positions = self.positions.clone();
        let stored = Stored { version: VERSION, epoch, heads, positions };
        serde_json::to_vec(&stored).expect("a checkpoint is plain data")
    }

    /// Reads what a spool holds. In another epoch the chains begin anew, the positions stay.
    pub(crate) fn decode(bytes: &[u8], epoch: u64, dir: &Path) -> Result<Self> {
        let bad = |reason: String| Error::Checkpoint { dir: dir.to_owned(), reason };
        let stored: Stored =
            serde_json::from_slice(bytes).map_err(|error| bad(error.to_string()))?;
        if stored.version != VERSION {
            return Err(bad(format!("version {} is not {VERSION}", stored.version)));
        }
        let mut heads = [ChainHead::default(); 2];
        if stored.epoch == epoch {
            for (lane, head) in Lane::SPOOLED.iter().zip(&mut heads) {
                let Some(kept) = stored.heads.get(lane.as_str()) else { continue };
                let mut hash = Hash::default();
                hex::decode_to_slice(&kept.hash, &mut hash)
                    .map_err(|error| bad(format!("hash of lane {lane}: {error}")))?;
                *head = ChainHead { seq: kept.seq, hash };
            }
        }
        Ok(Self { heads, positions: stored.positions })
    }

    /// Returns the positions as inputs take them.
    pub(crate) fn positions(&self) -> HashMap<String, String> {
        self.positions.clone().into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_storing_and_starts_its_chains_anew_in_a_new_epoch() {
        let checkpoint = Checkpoint {
            heads: [ChainHead { seq: 3, hash: [7; 32] }, ChainHead { seq: 9, hash: [8; 32] }],
            positions: BTreeMap::from([("8:1".to_owned(), "{\"offset\":5}".to_owned())]),
        };
        let bytes = checkpoint.encode(17);
        let dir = Path::new("/spool");
        assert_eq!(Checkpoint::decode(&bytes, 17, dir).unwrap(), checkpoint);
        let anew = Checkpoint::decode(&bytes, 18, dir).unwrap();
        assert_eq!(anew.heads, [ChainHead::default(); 2]);
        assert_eq!(anew.positions, checkpoint.positions);
        for bad in [&b"{}"[..], b"", b"{\"version\":2,\"epoch\":1,\"heads\":{},\"positions\":{}}"] {
            let error = Checkpoint::decode(bad, 17, dir).unwrap_err().to_string();
            assert!(error.contains("/spool") && error.contains("move the folder away"), "{error}");
        }
    }
}
