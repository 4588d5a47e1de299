//! Who signs: an Ed25519 key pair, and the agent id derived from it.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signer, SigningKey, Verifier, VerifyingKey};
use sha2::{Digest, Sha256};

use crate::Error;

/// The first 16 bytes of the SHA-256 of an agent's public key, printed as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AgentId([u8; 16]);

/// An Ed25519 public key (RFC 8032), printed as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey([u8; 32]);

/// An agent's secret key. `Debug` shows the id only.
#[derive(Clone)]
pub struct Identity {
    key: SigningKey,
}

impl AgentId {
    /// Returns the id as bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl PublicKey {
    /// Wraps 32 bytes; whether they are a point on the curve shows when a signature is checked.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the key as bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the id of the agent that holds this key.
    #[must_use]
    pub fn agent_id(&self) -> AgentId {
        let digest = Sha256::digest(self.0);
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        AgentId(id)
    }

    /// Returns whether the signature over `message` was made with this key.
    ///
    /// # Errors
    /// [`Error::BadKey`] if the bytes are no public key at all.
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<bool, Error> {
        let key = VerifyingKey::from_bytes(&self.0).map_err(|_| Error::BadKey(*self))?;
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        Ok(key.verify(message, &signature).is_ok())
    }
}

impl Identity {
    /// Makes a new key from the operating system's random source.
    #[must_use]
    pub fn generate() -> Self {
        Self { key: SigningKey::generate(&mut rand::rngs::OsRng) }
    }

    /// Returns the identity of a stored seed (RFC 8032, 5.1.5: the private key).
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self { key: SigningKey::from_bytes(seed) }
    }

    /// Returns the seed, for storing. It is the secret.
    #[must_use]
    pub fn seed(&self) -> [u8; 32] {
        self.key.to_bytes()
    }

    /// Returns the public half.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.key.verifying_key().to_bytes())
    }

    /// Returns the agent id derived from the public half.
    #[must_use]
    pub fn agent_id(&self) -> AgentId {
        self.public_key().agent_id()
    }

    /// Signs a message.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.agent_id())
    }
}

macro_rules! hex_text {
    ($type:ident) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }

        impl FromStr for $type {
            type Err = hex::FromHexError;

            fn from_str(text: &str) -> Result<Self, hex::FromHexError> {
                let mut bytes = Self([0; _]);
                hex::decode_to_slice(text, &mut bytes.0)?;
                Ok(bytes)
            }
        }
    };
}

hex_text!(AgentId);
hex_text!(PublicKey);
