//! Record: one sealed batch, as Kafka headers and value or as spool bytes.

use std::io::Read;

use rules_event::Event;
use sha2::{Digest, Sha256};

use crate::header::{NAMES, WIRE_VERSION_NDJSON, bad};
use crate::{ChainHead, Error, Hash, Header, Identity, Result, ndjson, rows};

/// The most bytes a value may hold before compression: 8 MiB. Batches aim at a sixteenth of it; one
/// event of the longest permitted line, escaped twice over, still fits.
pub const RAW_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Layout of a record in the spool, all integers little-endian:
/// `u32` length of the header text · header text (`name=value` lines) · 64 bytes signature · value.
const SIGNATURE_BYTES: usize = 64;

/// One batch: header, signature, and the compressed events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What the batch says of itself.
    pub header: Header,
    /// Ed25519 over [`Header::canonical_text`].
    pub signature: [u8; SIGNATURE_BYTES],
    /// The events, zstd.
    pub value: Vec<u8>,
}

impl Record {
    /// Signs header and value. The header must carry the identity's own key and id.
    #[must_use]
    pub(crate) fn sign(identity: &Identity, header: Header, value: Vec<u8>) -> Self {
        let digest = Sha256::digest(&value).into();
        Self::sign_digest(identity, header, value, &digest).0
    }

    /// Signs header and value, whose SHA-256 is known; returns what [`Self::hash`] would.
    #[must_use]
    pub(crate) fn sign_digest(
        identity: &Identity,
        header: Header,
        value: Vec<u8>,
        digest: &Hash,
    ) -> (Self, Hash) {
        let text = header.canonical_text(digest);
        let signature = identity.sign(text.as_bytes());
        (Self { header, signature, value }, Sha256::digest(text).into())
    }

    /// Returns the Kafka headers, each `vl.NAME` with a text value.
    #[must_use]
    pub fn kafka_headers(&self) -> Vec<(String, String)> {
        let mut headers = vec![("vl.version".to_owned(), self.header.version.to_string())];
        headers.extend(
            NAMES.iter().zip(self.header.values()).map(|(name, text)| (format!("vl.{name}"), text)),
        );
        headers.push(("vl.signature".to_owned(), hex::encode(self.signature)));
        headers
    }

    /// Reads a record from Kafka headers and value. Nothing is verified yet: see [`Self::verify`].
    ///
    /// # Errors
    /// If a header is missing or malformed, or the version is unknown.
    pub fn from_kafka<'a>(
        headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
        value: Vec<u8>,
    ) -> Result<Self> {
        let headers: Vec<(&str, &str)> = headers
            .into_iter()
            .filter_map(|(name, bytes)| {
                Some((name.strip_prefix("vl.")?, std::str::from_utf8(bytes).ok()?))
            })
            .collect();
        let lookup =
            |name: &str| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
        let header = Header::from_lookup(lookup)?;
        let hex_text = lookup("signature").ok_or(Error::MissingHeader("signature"))?;
        let mut signature = [0; SIGNATURE_BYTES];
        hex::decode_to_slice(hex_text, &mut signature)
            .map_err(|_| bad("signature", hex_text, "128 hexadecimal digits"))?;
        Ok(Self { header, signature, value })
    }

    /// Returns the bytes a spool frame holds.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut text = format!("version={}\n", self.header.version);
        for (name, value) in NAMES.iter().zip(self.header.values()) {
            text.push_str(&format!("{name}={value}\n"));
        }
        let length = u32::try_from(text.len()).expect("a header is a few hundred bytes");
        let mut bytes = Vec::with_capacity(4 + text.len() + SIGNATURE_BYTES + self.value.len());
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
        bytes.extend_from_slice(&self.signature);
        bytes.extend_from_slice(&self.value);
        bytes
    }

    /// Reads the bytes of a spool frame. Nothing is verified yet: see [`Self::verify`].
    ///
    /// # Errors
    /// If the layout or a header is wrong, or the version is unknown.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let (length, rest) =
            bytes.split_first_chunk::<4>().ok_or(Error::Layout("shorter than its length"))?;
        let length = u32::from_le_bytes(*length) as usize;
        let (text, rest) =
            rest.split_at_checked(length).ok_or(Error::Layout("header runs past the end"))?;
        let (signature, value) = rest
            .split_first_chunk::<SIGNATURE_BYTES>()
            .ok_or(Error::Layout("signature runs past the end"))?;
        let text = std::str::from_utf8(text).map_err(|_| Error::Layout("header is not text"))?;
        let lookup = |name: &str| {
            text.lines().find_map(|line| {
                let (key, value) = line.split_once('=')?;
                (key == name).then_some(value)
            })
        };
        Ok(Self {
            header: Header::from_lookup(lookup)?,
            signature: *signature,
            value: value.to_vec(),
        })
    }

    /// Returns the text that was signed.
    fn canonical_text(&self) -> String {
        self.header.canonical_text(&Sha256::digest(&self.value).into())
    }

    /// Returns the hash that the next batch of the lane must carry as `prev`.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Sha256::digest(self.canonical_text()).into()
    }

    /// Returns where the chain stands after this batch.
    #[must_use]
    pub fn head(&self) -> ChainHead {
        ChainHead { seq: self.header.seq, hash: self.hash() }
    }

    /// Checks that the id belongs to the key and that the key signed exactly this.
    ///
    /// # Errors
    /// [`Error::AgentKeyMismatch`], [`Error::BadKey`] or [`Error::BadSignature`].
    pub fn verify(&self) -> Result<()> {
        let header = &self.header;
        if header.key.agent_id() != header.agent {
            return Err(Error::AgentKeyMismatch { agent: header.agent, key: header.key });
        }
        if header.key.verify(self.canonical_text().as_bytes(), &self.signature)? {
            return Ok(());
        }
        Err(Error::BadSignature { agent: header.agent, lane: header.lane, seq: header.seq })
    }

    /// Decompresses the value, never past the size the header claims nor past [`RAW_BYTES_MAX`].
    ///
    /// # Errors
    /// [`Error::TooLarge`] or [`Error::Zstd`].
    pub fn raw(&self) -> Result<Vec<u8>> {
        let claimed = u64::from(self.header.raw_bytes);
        if claimed > RAW_BYTES_MAX {
            return Err(Error::TooLarge { bytes: claimed });
        }
        let damaged = |source| Error::Zstd { doing: "decompress", source };
        let mut raw = Vec::with_capacity(self.header.raw_bytes as usize);
        zstd::stream::read::Decoder::new(self.value.as_slice())
            .map_err(damaged)?
            .take(claimed + 1)
            .read_to_end(&mut raw)
            .map_err(damaged)?;
        if raw.len() as u64 != claimed {
            return Err(Error::Layout("the value is not as long as its header says"));
        }
        Ok(raw)
    }

    /// Returns the events of the batch.
    ///
    /// # Errors
    /// As [`Self::raw`]; [`Error::BadEvent`] and [`Error::Count`] if the content is not what was
    /// claimed.
    pub fn events(&self) -> Result<Vec<Event>> {
        let raw = self.raw()?;
        let events = match self.header.version {
            WIRE_VERSION_NDJSON => ndjson::parse_events(&raw)?,
            _ => rows::read(&raw, self.header.agent.as_bytes())
                .map_err(|(event, reason)| Error::BadEvent { event, reason: reason.to_owned() })?,
        };
        if events.len() != self.header.count as usize {
            return Err(Error::Count { claimed: self.header.count, found: events.len() });
        }
        Ok(events)
    }
}
