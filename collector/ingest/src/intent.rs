//! Intent: which records a range is made of, written down before anything is done with them.

use collector_store::{EVENTS_SCHEMA, OpenSpan, QuarantineCursor};
use rules_event::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::source::{Delivery, Lost, Span};

/// A token longer than this is replaced by its digest.
const TOKEN_CHARS_MAX: usize = 400;

/// Which records a range is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Intent {
    pub(crate) kind: Kind,
    /// What it covers, by partition; offsets before `next` are done once it is committed.
    pub(crate) spans: Vec<Span>,
    /// What was found lost while gathering.
    pub(crate) lost: Vec<Lost>,
    /// Deduplication token of every insert.
    pub(crate) token: String,
    /// Nanoseconds since 1970.
    at: i64,
}

/// Where the records come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// The source.
    Live,
    /// The quarantine of a key that was trusted: rows after one cursor up to another.
    Release { key: String, after: Option<QuarantineCursor>, upto: QuarantineCursor },
}

impl Intent {
    /// Returns the intent to write these deliveries, sorted by partition and offset.
    pub(crate) fn live(
        spans: Vec<Span>,
        lost: Vec<Lost>,
        deliveries: &[Delivery],
        at: Timestamp,
    ) -> Self {
        let name = spans
            .iter()
            .map(|span| {
                let partition = &span.partition;
                format!(
                    "{}/{}/{}-{}",
                    partition.topic_id,
                    partition.number,
                    span.from,
                    span.next - 1
                )
            })
            .collect::<Vec<_>>()
            .join("+");
        let token = token(name, deliveries);
        Self { kind: Kind::Live, spans, lost, token, at: at.as_nanos() }
    }

    /// Returns the intent to release these quarantined records.
    pub(crate) fn release(
        key: &agent_wire::PublicKey,
        after: Option<QuarantineCursor>,
        upto: QuarantineCursor,
        deliveries: &[Delivery],
        at: Timestamp,
    ) -> Self {
        let spans = deliveries
            .iter()
            .map(|delivery| Span {
                partition: delivery.partition.clone(),
                from: delivery.offset,
                next: delivery.offset + 1,
            })
            .collect();
        // A key may be revoked and trusted again; what is released twice is then a duplicate, which
        // is other rows than the first time. So the time belongs to the name.
        let QuarantineCursor { lane, epoch, seq, .. } = &upto;
        let (agent, at_nanos) = (key.agent_id(), at.as_nanos());
        let name = format!("quarantine/{agent}/{lane}/{epoch}/{seq}/{at_nanos}");
        let token = token(name, deliveries);
        let kind = Kind::Release { key: key.to_string(), after, upto };
        Self { kind, spans, lost: Vec::new(), token, at: at.as_nanos() }
    }

    pub(crate) fn at(&self) -> Timestamp {
        Timestamp::from_nanos(self.at)
    }

    pub(crate) fn open_spans(&self) -> Vec<OpenSpan> {
        self.spans
            .iter()
            .map(|span| OpenSpan {
                topic: span.partition.topic.clone(),
                partition: span.partition.number,
                from: span.from,
                next: span.next,
            })
            .collect()
    }
}

/// Returns `NAME/SCHEMA/DIGEST`: what the range covers, the layout of the table, and a digest of the
/// records, so that one token can never stand for two contents.
fn token(name: String, deliveries: &[Delivery]) -> String {
    let mut digest = Sha256::new();
    for delivery in deliveries {
        digest.update(delivery.offset.to_le_bytes());
        match &delivery.record {
            Ok(record) => digest.update(record.signature),
            Err(bytes) => digest.update(Sha256::digest(&bytes.value)),
        }
    }
    let name = if name.len() > TOKEN_CHARS_MAX {
        format!("sha256:{}", hex::encode(Sha256::digest(name)))
    } else {
        name
    };
    format!("{name}/{EVENTS_SCHEMA}/{}", hex::encode(&digest.finalize()[..8]))
}
