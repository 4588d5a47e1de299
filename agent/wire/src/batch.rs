//! BatchBuilder: collects events and seals them into the next record of a chain.

use rules_event::{Event, Timestamp};

use crate::{Error, Hash, Header, Identity, Lane, RAW_BYTES_MAX, Record, Result, write_event};

/// A batch is sealed once it holds this much NDJSON: 512 KiB. Compressed it stays far below
/// Kafka's default `message.max.bytes` of 1 MiB; one Kafka message per line costs 6 to 8 times more.
pub const BATCH_RAW_BYTES_TARGET: usize = 512 * 1024;

/// zstd level: 3 halves the bytes of level 1 at a cost that stays below that of decoding.
const ZSTD_LEVEL: i32 = 3;

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
    raw: Vec<u8>,
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
        let before = self.raw.len();
        write_event(&mut self.raw, event);
        self.raw.push(b'\n');
        if self.raw.len() as u64 > RAW_BYTES_MAX {
            let bytes = self.raw.len() as u64;
            self.raw.truncate(before);
            return Err(Error::TooLarge { bytes });
        }
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

    /// Returns the bytes of NDJSON held.
    #[must_use]
    pub fn raw_bytes(&self) -> usize {
        self.raw.len()
    }

    /// Returns whether it is time to seal.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.raw.len() >= BATCH_RAW_BYTES_TARGET
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
        let value = zstd::bulk::compress(&self.raw, ZSTD_LEVEL)
            .map_err(|source| Error::Zstd { doing: "compress", source })?;
        let header = Header {
            agent: identity.agent_id(),
            key: identity.public_key(),
            lane,
            epoch,
            seq: head.seq + 1,
            prev: head.hash,
            count: self.count,
            first: self.first.unwrap_or(sealed),
            last: self.last.unwrap_or(sealed),
            sealed,
            raw_bytes: u32::try_from(self.raw.len()).expect("push keeps to RAW_BYTES_MAX"),
        };
        self.raw.clear();
        (self.count, self.first, self.last) = (0, None, None);
        Ok(Record::sign(identity, header, value))
    }
}
