//! Protocol: the little of Kafka's wire format that our agent needs from its broker, both ways.
//!
//! Requests of a client without transactions: `ApiVersions` 0 to 3, `Metadata` 0 to 4, `Produce` 3 to 7,
//! `InitProducerId` 0 and 1, and to look back at a partition `ListOffsets` 1 and `Fetch` 4, all in their form without tagged fields (but `ApiVersions` 3, which has
//! them). Field orders are those of <https://kafka.apache.org/protocol>; record batches are version 2
//! (<https://kafka.apache.org/documentation/#recordbatch>).

/// The calls that are made, by their number on the wire.
pub(crate) const PRODUCE: i16 = 0;
pub(crate) const FETCH: i16 = 1;
pub(crate) const LIST_OFFSETS: i16 = 2;
pub(crate) const METADATA: i16 = 3;
pub(crate) const API_VERSIONS: i16 = 18;
pub(crate) const INIT_PRODUCER_ID: i16 = 22;
/// What we say that we understand: call, least and greatest version.
const UNDERSTOOD: [(i16, i16, i16); 6] = [
    (PRODUCE, 3, 7),
    (FETCH, 4, 4),
    (LIST_OFFSETS, 1, 1),
    (METADATA, 0, 4),
    (API_VERSIONS, 0, 3),
    (INIT_PRODUCER_ID, 0, 1),
];

/// "Unsupported version": the answer to an `ApiVersions` that is newer than ours.
const UNSUPPORTED_VERSION: i16 = 35;
/// "Corrupt message": the checksum of a batch is wrong.
pub(crate) const CORRUPT_MESSAGE: i16 = 2;
/// "Out of order sequence number": a batch of an idempotent producer came before the one before it.
pub(crate) const OUT_OF_ORDER: i16 = 45;

/// Bytes of a batch before its checksum's range.
const BATCH_HEAD_BYTES: usize = 21;

/// A request's head.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub(crate) key: i16,
    pub(crate) version: i16,
    pub(crate) correlation: i32,
}

/// Reads big-endian fields from the front; every step is `None` behind the end.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn int16(&mut self) -> Option<i16> {
        self.array().map(i16::from_be_bytes)
    }

    fn int32(&mut self) -> Option<i32> {
        self.array().map(i32::from_be_bytes)
    }

    fn int64(&mut self) -> Option<i64> {
        self.array().map(i64::from_be_bytes)
    }

    /// A string with a 16-bit length; `None` inside for null.
    fn string(&mut self) -> Option<Option<&'a str>> {
        let length = self.int16()?;
        if length < 0 {
            return Some(None);
        }
        std::str::from_utf8(self.take(usize::try_from(length).ok()?)?).ok().map(Some)
    }

    /// A zigzag number of variable length.
    fn varint(&mut self) -> Option<i64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some((value >> 1).cast_signed() ^ -((value & 1).cast_signed()));
            }
        }
        None
    }

    /// Bytes with a length of variable length; a negative one stands for null.
    fn varbytes(&mut self) -> Option<&'a [u8]> {
        let length = self.varint()?;
        self.take(usize::try_from(length.max(0)).ok()?)
    }

    /// The head of a request; the body follows.
    pub(crate) fn call(&mut self) -> Option<Call> {
        let call = Call { key: self.int16()?, version: self.int16()?, correlation: self.int32()? };
        self.string()?;
        Some(call)
    }

    /// The topics of a `Metadata` request; none stands for all.
    pub(crate) fn metadata(&mut self) -> Option<Vec<&'a str>> {
        let count = self.int32()?;
        (0..count).map(|_| self.string()?).collect()
    }

    /// The body of a `Produce` request.
    pub(crate) fn produce(&mut self) -> Option<Produce<'a>> {
        self.string()?;
        let acks = self.int16()?;
        self.int32()?;
        let mut parts = Vec::new();
        for _ in 0..self.int32()? {
            let topic = self.string()??;
            for _ in 0..self.int32()? {
                let partition = self.int32()?;
                let length = usize::try_from(self.int32()?).ok()?;
                parts.push(Part { topic, partition, batches: self.take(length)? });
            }
        }
        Some(Produce { acks, parts })
    }

    /// The first partition that a `ListOffsets` request asks of: our agent asks of one. Its topic, and
    /// whether its beginning is meant and not its end.
    pub(crate) fn list_offsets(&mut self) -> Option<(&'a str, bool)> {
        /// The timestamp that stands for the first offset there is.
        const EARLIEST: i64 = -2;
        self.int32()?;
        self.int32()?;
        let topic = self.string()??;
        self.int32()?;
        self.int32()?;
        Some((topic, self.int64()? == EARLIEST))
    }

    /// The first partition that a `Fetch` request asks for, if it asks for any: topic and offset.
    pub(crate) fn fetch(&mut self) -> Option<Option<(&'a str, i64)>> {
        self.take(4 + 4 + 4 + 4 + 1)?;
        if self.int32()? == 0 {
            return Some(None);
        }
        let topic = self.string()??;
        self.int32()?;
        self.int32()?;
        Some(Some((topic, self.int64()?)))
    }

    /// The next record batch, if one follows.
    pub(crate) fn batch(&mut self) -> Option<Batch<'a>> {
        let mut head = Self(self.0);
        head.int64()?;
        let length = usize::try_from(head.int32()?).ok()?;
        let whole = self.take(length.checked_add(12)?)?;
        head = Self(whole.get(16..)?);
        let [magic] = head.array()?;
        let checksum = u32::from_be_bytes(head.array()?);
        let is_whole = magic == 2 && crc32c::crc32c(whole.get(BATCH_HEAD_BYTES..)?) == checksum;
        let compression = head.int16()? & 7;
        head.take(4 + 8 + 8)?;
        let (producer, epoch, sequence) = (head.int64()?, head.int16()?, head.int32()?);
        let mut messages = Vec::new();
        for _ in 0..head.int32()? {
            messages.push(head.message()?);
        }
        let is_whole = is_whole && compression == 0;
        Some(Batch { is_whole, bytes: whole, producer, epoch, sequence, messages })
    }

    fn message(&mut self) -> Option<Message<'a>> {
        let mut record = Self(self.varbytes()?);
        record.take(1)?;
        record.varint()?;
        record.varint()?;
        record.varbytes()?;
        let value = record.varbytes()?;
        let mut headers = Vec::new();
        for _ in 0..record.varint()? {
            let name = std::str::from_utf8(record.varbytes()?).ok()?;
            headers.push((name, record.varbytes()?));
        }
        Some(Message { headers, value })
    }
}

/// What a producer hands over in one request.
#[derive(Debug)]
pub(crate) struct Produce<'a> {
    pub(crate) acks: i16,
    pub(crate) parts: Vec<Part<'a>>,
}

/// What of it is for one partition.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partition: i32,
    pub(crate) batches: &'a [u8],
}

/// A record batch of an idempotent producer.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    /// Version 2, the right checksum, and not compressed: our agent compresses before.
    pub(crate) is_whole: bool,
    pub(crate) bytes: &'a [u8],
    pub(crate) producer: i64,
    pub(crate) epoch: i16,
    pub(crate) sequence: i32,
    pub(crate) messages: Vec<Message<'a>>,
}

/// One message.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    pub(crate) headers: Vec<(&'a str, &'a [u8])>,
    pub(crate) value: &'a [u8],
}

/// What became of one part of a `Produce` request.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) error: i16,
    pub(crate) offset: i64,
}

/// An answer under way.
#[derive(Debug)]
pub(crate) struct Answer {
    bytes: Vec<u8>,
    version: i16,
}

impl Answer {
    pub(crate) fn to(call: &Call) -> Self {
        let mut answer = Self { bytes: vec![0; 4], version: call.version };
        answer.put(call.correlation);
        answer
    }

    fn put<const N: usize>(&mut self, number: impl BigEndian<N>) {
        self.bytes.extend_from_slice(&number.bytes());
    }

    fn put_string(&mut self, text: &str) {
        self.put(i16::try_from(text.len()).unwrap_or(i16::MAX));
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// Returns the bytes to be sent, with their length before them.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        let length = u32::try_from(self.bytes.len() - 4).unwrap_or(u32::MAX);
        self.bytes[..4].copy_from_slice(&length.to_be_bytes());
        self.bytes
    }

    pub(crate) fn api_versions(mut self) -> Self {
        let is_known = self.version <= 3;
        self.put(if is_known { 0 } else { UNSUPPORTED_VERSION });
        // The only version with tagged fields: its lengths are one more, in one byte.
        let has_tags = self.version == 3;
        let count = UNDERSTOOD.len();
        if has_tags {
            self.bytes.push(u8::try_from(count + 1).unwrap_or(u8::MAX));
        } else {
            self.put(i32::try_from(count).unwrap_or(i32::MAX));
        }
        for (key, least, greatest) in UNDERSTOOD {
            self.put(key);
            self.put(least);
            self.put(greatest);
            if has_tags {
                self.bytes.push(0);
            }
        }
        if is_known && self.version >= 1 {
            self.put(0_i32);
        }
        if has_tags {
            self.bytes.push(0);
        }
        self
    }

    /// One broker, and one partition of each topic, of which it is the leader.
    pub(crate) fn metadata(mut self, port: u16, topics: &[&str]) -> Self {
        const NODE: i32 = 1;
        if self.version >= 3 {
            self.put(0_i32);
        }
        self.put(1_i32);
        self.put(NODE);
        self.put_string("127.0.0.1");
        self.put(i32::from(port));
        if self.version >= 1 {
            self.put(-1_i16);
        }
        if self.version >= 2 {
            self.put_string("sink");
        }
        if self.version >= 1 {
            self.put(NODE);
        }
        self.put(i32::try_from(topics.len()).unwrap_or(i32::MAX));
        for topic in topics {
            self.put(0_i16);
            self.put_string(topic);
            if self.version >= 1 {
                self.bytes.push(0);
            }
            self.put(1_i32);
            self.put(0_i16);
            self.put(0_i32);
            self.put(NODE);
            // Replicas, and replicas in sync: the broker itself.
            for _ in 0..2 {
                self.put(1_i32);
                self.put(NODE);
            }
        }
        self
    }

    pub(crate) fn producer_id(mut self, id: i64) -> Self {
        self.put(0_i32);
        self.put(0_i16);
        self.put(id);
        self.put(0_i16);
        self
    }

    /// Where a partition begins or ends.
    pub(crate) fn offset(mut self, topic: &str, offset: i64) -> Self {
        self.put(1_i32);
        self.put_string(topic);
        self.put(1_i32);
        self.put(0_i32);
        self.put(0_i16);
        self.put(-1_i64);
        self.put(offset);
        self
    }

    /// What a partition holds from the offset asked for, and where it ends.
    pub(crate) fn fetched(mut self, topic: &str, end: i64, batches: &[u8]) -> Self {
        self.put(0_i32);
        self.put(1_i32);
        self.put_string(topic);
        self.put(1_i32);
        self.put(0_i32);
        self.put(0_i16);
        self.put(end);
        self.put(end);
        self.put(0_i32);
        self.put(i32::try_from(batches.len()).unwrap_or(i32::MAX));
        self.bytes.extend_from_slice(batches);
        self
    }

    /// As [`Self::fetched`], where nothing was asked for.
    pub(crate) fn fetched_nothing(mut self) -> Self {
        self.put(0_i32);
        self.put(0_i32);
        self
    }

    pub(crate) fn produced(mut self, outcomes: &[Outcome]) -> Self {
        self.put(i32::try_from(outcomes.len()).unwrap_or(i32::MAX));
        for outcome in outcomes {
            self.put_string(&outcome.topic);
            self.put(1_i32);
            self.put(outcome.partition);
            self.put(outcome.error);
            self.put(outcome.offset);
            self.put(-1_i64);
            if self.version >= 5 {
                self.put(0_i64);
            }
        }
        self.put(0_i32);
        self
    }
}

/// Whole numbers as the wire has them.
trait BigEndian<const N: usize> {
    fn bytes(self) -> [u8; N];
}

impl BigEndian<2> for i16 {
    fn bytes(self) -> [u8; 2] {
        self.to_be_bytes()
    }
}

impl BigEndian<4> for i32 {
    fn bytes(self) -> [u8; 4] {
        self.to_be_bytes()
    }
}

impl BigEndian<8> for i64 {
    fn bytes(self) -> [u8; 8] {
        self.to_be_bytes()
    }
}
