//! Digest: a short keyed hash of a secret, so that the same one is recognised and none is known.

use sha2::{Digest as _, Sha256};

/// Bytes of a digest that are shown. Four tell some ten thousand secrets of an agency apart, and leave
/// who holds the key with many candidates for each guess.
const BYTES: usize = 4;

/// The agent's key for digests.
#[derive(Clone)]
pub(super) struct Key([u8; 32]);

impl Key {
    /// Derives the key from the agent's own, so that two agents give two digests.
    pub(super) fn derive(seed: &[u8; 32]) -> Self {
        let hash = Sha256::new().chain_update(b"vonglau redaction digest 1\0").chain_update(seed);
        Self(hash.finalize().into())
    }

    /// Returns the digest of a secret: a hash over the key and a keyed hash (as HMAC nests them, RFC
    /// 2104), cut.
    pub(super) fn of(&self, secret: &str) -> String {
        let inner = Sha256::new().chain_update(self.0).chain_update(secret).finalize();
        let outer = Sha256::new().chain_update(self.0).chain_update([0xff]).chain_update(inner);
        hex::encode(&outer.finalize()[..BYTES])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_secret_of_the_same_agent_has_the_same_digest() {
        let (one, other) = (Key::derive(&[1; 32]), Key::derive(&[2; 32]));
        assert_eq!(one.of("hunter2"), one.of("hunter2"));
        assert_ne!(one.of("hunter2"), one.of("hunter3"));
        assert_ne!(one.of("hunter2"), other.of("hunter2"));
        assert_eq!(one.of("").len(), BYTES * 2);
    }
}
