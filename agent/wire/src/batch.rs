//! BatchBuilder: collects events and seals them into the next record of a chain.

use rules_event::{Event, Timestamp};
use sha2::{Digest, Sha256};

use crate::{
    Compressor, Error, Hash, Header, Identity, Lane, RAW_BYTES_MAX, Record, Result, WIRE_VERSION,
    rows::Rows,
};

/// A batch is sealed once it holds this much before compression: 256 KiB, some 750 lines of logs. It is
/// compressed where it still lies in the cache; 64 KiB on the wire stay far below Kafka's default
/// `message.max.bytes` of 1 MiB. One Kafka message per line costs 6 to 8 times more.
pub const BATCH_RAW_BYTES_TARGET: usize = 256 * 1024;

/// Memory kept from batch to batch: what a full one needs, with room for its last event. One monstrous
/// event must not hold memory for ever.
const KEPT_BYTES_MAX: usize = 2 * BATCH_RAW_BYTES_TARGET;

/// Where a lane's chain stands: the last batch sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChainHead {
    /// Its number; 0 before the first.
    pub seq: u64,
    /// Its hash; zeros before the first.
    pub hash: Hash,
}

/// Events on their way into one batch.
#[derive(Debug, Default)]
pub struct BatchBuilder {
    /// Rows up to `used`; what is behind is of earlier batches and is written over.
    raw: Vec<u8>,
    used: usize,
    rows: Rows,
    count: u32,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
}

impl BatchBuilder {
    /// Adds an event.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if the batch would pass [`RAW_BYTES_MAX`]; the batch is then unchanged.
    /// Cannot happen to a caller that seals at [`BATCH_RAW_BYTES_TARGET`] and bounds its lines.
    pub fn push(&mut self, event: &Event) -> Result<()> {
        let end = self.rows.write(&mut self.raw, self.used, event);
        if end as u64 > RAW_BYTES_MAX {
            self.rows.close();
            return Err(Error::TooLarge { bytes: end as u64 });
        }
        self.used = end;
        self.count += 1;
        self.first = Some(self.first.map_or(event.time, |first| first.min(event.time)));
        self.last = Some(self.last.map_or(event.time, |last| last.max(event.time)));
        Ok(())
    }

    /// Returns the number of events held.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Returns the bytes held, before compression.
    #[must_use]
    pub fn raw_bytes(&self) -> usize {
        self.used
    }

    /// Returns whether it is time to seal.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.used >= BATCH_RAW_BYTES_TARGET
    }

    /// Moves all events of another builder behind those held, if the batch stays within its bound;
    /// else nothing happens. Returns whether it was done; the other one keeps its memory.
    pub fn absorb(&mut self, other: &mut Self) -> bool {
        if (self.used + other.used) as u64 > RAW_BYTES_MAX {
            return false;
        }
        self.raw.truncate(self.used);
        self.raw.extend_from_slice(&other.raw[..other.used]);
        self.used = self.raw.len();
        other.used = 0;
        // Each goes on with a section of its own.
        self.rows.close();
        other.rows.close();
        self.count += other.count;
        self.first = [self.first, other.first].into_iter().flatten().min();
        self.last = self.last.max(other.last);
        (other.count, other.first, other.last) = (0, None, None);
        true
    }

    /// Compresses what is held and empties the builder, keeping its memory: all that can be done of
    /// sealing before it is known which batch comes before.
    ///
    /// # Errors
    /// [`Error::Zstd`] if compression fails; what was held is then still held.
    pub fn pack(&mut self, compressor: &mut Compressor) -> Result<Packed> {
        let value = compressor.compress(&self.raw[..self.used])?;
        let packed = Packed {
            digest: Sha256::digest(&value).into(),
            value,
            count: self.count,
            times: self.first.zip(self.last),
            raw_bytes: u32::try_from(self.used).expect("push keeps to RAW_BYTES_MAX"),
        };
        self.clear();
        Ok(packed)
    }

    /// Empties the builder, keeping its memory.
    pub fn clear(&mut self) {
        self.used = 0;
        self.rows.close();
        if self.raw.len() > KEPT_BYTES_MAX {
            self.raw = Vec::new();
        }
        (self.count, self.first, self.last) = (0, None, None);
    }

    /// Seals what is held as the batch after `head` and empties the builder, keeping its memory.
    ///
    /// The caller moves its head to [`Record::head`] only once the record is safely on disk, so a
    /// failed append leaves no gap.
    ///
    /// # Errors
    /// [`Error::Zstd`] if compression fails; what was held is then still held.
    pub fn seal(
        &mut self,
        identity: &Identity,
        lane: Lane,
        epoch: u64,
        head: &ChainHead,
        sealed: Timestamp,
    ) -> Result<Record> {
        let packed = self.pack(&mut Compressor::default())?;
        Ok(packed.seal(identity, lane, epoch, head, sealed).0)
    }
}

/// A batch but for its place in a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    value: Vec<u8>,
    /// SHA-256 of `value`.
    digest: Hash,
    count: u32,
    /// The earliest and the latest.
    times: Option<(Timestamp, Timestamp)>,
    raw_bytes: u32,
}

impl Packed {
    /// Returns the number of events held.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Signs it as the batch after `head`; returns it and where the chain stands then.
    #[must_use]
    pub fn seal(
        self,
        identity: &Identity,
        lane: Lane,
        epoch: u64,
        head: &ChainHead,
        sealed: Timestamp,
    ) -> (Record, ChainHead) {
        let (first, last) = self.times.unwrap_or((sealed, sealed));
        let header = Header {
            version: WIRE_VERSION,
            agent: identity.agent_id(),
            key: identity.public_key(),
            lane,
            epoch,
            seq: head.seq + 1,
            prev: head.hash,
            count: self.count,
            first,
            last,
            sealed,
            raw_bytes: self.raw_bytes,
        };
        let seq = header.seq;
        let (record, hash) = Record::sign_digest(identity, header, self.value, &self.digest);
        (record, ChainHead { seq, hash })
    }
}
