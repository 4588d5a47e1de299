//! Chain: whether a batch is the next, a duplicate, a late one or a fork. Pure.

use agent_wire::{AgentId, Hash, Header, Lane};

/// Open stretches of missing batches per chain. More only arise when batches arrive in an order no
/// network makes; those beyond are held in quarantine.
const PIECES_MAX: usize = 4096;

/// Which chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ChainId {
    pub(crate) agent: AgentId,
    pub(crate) lane: Lane,
    pub(crate) epoch: u64,
}

impl ChainId {
    pub(crate) fn of(header: &Header) -> Self {
        Self { agent: header.agent, lane: header.lane, epoch: header.epoch }
    }
}

/// A stretch of missing batches, and the hashes its neighbours vouch for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// First batch of the gap this is left of.
    pub(crate) gap_from: u64,
    /// Hash of batch `from - 1`: what `from` must name as its predecessor.
    pub(crate) prev: Hash,
    /// Hash that batch `to` must have.
    pub(crate) last: Hash,
}

/// What is known of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Chain {
    /// Highest batch accepted; 0 before the first.
    pub(crate) seq: u64,
    /// Its hash.
    pub(crate) hash: Hash,
    /// What is missing below it, lowest first.
    pub(crate) pieces: Vec<Piece>,
}

/// What a batch is to its chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The next one.
    Next,
    /// A later one: `from..=to` are missing.
    Gap { from: u64, to: u64 },
    /// One that was missing, of the gap that began at `gap_from`.
    Filled { gap_from: u64 },
    /// Its number was accepted before; the hashes decide.
    Known,
    /// It contradicts the chain.
    Fork(&'static str),
    /// The chain has too many holes to judge it.
    TooManyGaps,
}

impl Outcome {
    /// Returns whether the batch becomes part of the chain.
    pub(crate) fn is_accepted(&self) -> bool {
        matches!(self, Self::Next | Self::Gap { .. } | Self::Filled { .. })
    }
}

impl Chain {
    /// Returns whether the number was accepted before.
    pub(crate) fn knows(&self, seq: u64) -> bool {
        seq <= self.seq && self.piece_of(seq).is_none()
    }

    fn piece_of(&self, seq: u64) -> Option<usize> {
        self.pieces.iter().position(|piece| (piece.from..=piece.to).contains(&seq))
    }

    /// Judges a batch (numbered from 1) and takes it in if it belongs.
    pub(crate) fn offer(&mut self, seq: u64, prev: &Hash, hash: &Hash) -> Outcome {
        if seq > self.seq {
            return self.extend(seq, prev, hash);
        }
        let Some(index) = self.piece_of(seq) else { return Outcome::Known };
        let piece = &self.pieces[index];
        if seq == piece.from && *prev != piece.prev {
            return Outcome::Fork("its predecessor is not the batch that was accepted");
        }
        if seq == piece.to && *hash != piece.last {
            return Outcome::Fork("its successor names another batch as predecessor");
        }
        if seq > piece.from && seq < piece.to && self.pieces.len() >= PIECES_MAX {
            return Outcome::TooManyGaps;
        }
        let piece = self.pieces.remove(index);
        let gap_from = piece.gap_from;
        if seq < piece.to {
            self.pieces.insert(index, Piece { from: seq + 1, prev: *hash, ..piece.clone() });
        }
        if seq > piece.from {
            self.pieces.insert(index, Piece { to: seq - 1, last: *prev, ..piece });
        }
        Outcome::Filled { gap_from }
    }

    fn extend(&mut self, seq: u64, prev: &Hash, hash: &Hash) -> Outcome {
        let outcome = if seq == self.seq + 1 {
            if *prev != self.hash {
                return Outcome::Fork("its predecessor is not the batch that was accepted");
            }
            Outcome::Next
        } else {
            if self.pieces.len() >= PIECES_MAX {
                return Outcome::TooManyGaps;
            }
            let (from, to) = (self.seq + 1, seq - 1);
            let (before, last) = (self.hash, *prev);
            self.pieces.push(Piece { from, to, gap_from: from, prev: before, last });
            Outcome::Gap { from, to }
        };
        (self.seq, self.hash) = (seq, *hash);
        outcome
    }

    /// Returns whether anything of a gap is still missing.
    pub(crate) fn is_open(&self, gap_from: u64) -> bool {
        self.pieces.iter().any(|piece| piece.gap_from == gap_from)
    }

    /// Returns how many batches of a gap are still missing.
    pub(crate) fn missing(&self, gap_from: u64) -> u64 {
        let of_gap = self.pieces.iter().filter(|piece| piece.gap_from == gap_from);
        of_gap.map(|piece| piece.to - piece.from + 1).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Hash of batch `seq` of the one true chain; batch 0 is the zero hash.
    fn hash(seq: u64) -> Hash {
        let mut hash = Hash::default();
        hash[..8].copy_from_slice(&seq.to_le_bytes());
        hash
    }

    fn offer(chain: &mut Chain, seq: u64) -> Outcome {
        chain.offer(seq, &hash(seq - 1), &hash(seq))
    }

    #[test]
    fn a_gap_opens_splits_and_closes() {
        let mut chain = Chain::default();
        assert_eq!(offer(&mut chain, 1), Outcome::Next);
        assert_eq!(offer(&mut chain, 6), Outcome::Gap { from: 2, to: 5 });
        assert_eq!(offer(&mut chain, 3), Outcome::Filled { gap_from: 2 });
        assert_eq!(chain.missing(2), 3);
        assert_eq!(offer(&mut chain, 3), Outcome::Known);
        for seq in [5, 2, 4] {
            assert!(chain.is_open(2));
            assert_eq!(offer(&mut chain, seq), Outcome::Filled { gap_from: 2 });
        }
        assert!(!chain.is_open(2));
        assert_eq!(offer(&mut chain, 7), Outcome::Next);
    }

    #[test]
    fn a_contradiction_is_a_fork_and_changes_nothing() {
        let mut chain = Chain::default();
        offer(&mut chain, 1);
        offer(&mut chain, 5);
        let before = chain.clone();
        for (seq, prev, own) in [(6, 99, 6), (2, 99, 2), (4, 3, 99)] {
            let outcome = chain.offer(seq, &hash(prev), &hash(own));
            assert!(matches!(outcome, Outcome::Fork(_)), "{seq}: {outcome:?}");
            assert_eq!(chain, before);
        }
        let mut empty = Chain::default();
        assert!(matches!(empty.offer(1, &hash(9), &hash(1)), Outcome::Fork(_)));
    }

    proptest! {
        /// In whatever order and however often batches come, each is accepted exactly once, and what
        /// is missing is what did not come.
        #[test]
        fn every_batch_is_accepted_once(order in proptest::collection::vec(1u64..40, 1..120)) {
            let mut chain = Chain::default();
            let mut seen = std::collections::BTreeSet::new();
            for seq in order {
                prop_assert_eq!(chain.knows(seq), seen.contains(&seq));
                let outcome = offer(&mut chain, seq);
                prop_assert_eq!(outcome.is_accepted(), seen.insert(seq), "{} {:?}", seq, outcome);
            }
            let head = *seen.last().unwrap();
            prop_assert_eq!((chain.seq, chain.hash), (head, hash(head)));
            let missing: Vec<u64> = (1..head).filter(|seq| !seen.contains(seq)).collect();
            let held: Vec<u64> =
                chain.pieces.iter().flat_map(|piece| piece.from..=piece.to).collect();
            prop_assert_eq!(held, missing);
        }
    }
}
