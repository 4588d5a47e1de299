//! Judging: what of a range is stored, dropped as a duplicate, or quarantined. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use agent_wire::{Hash, Heartbeat, Lane, PublicKey, Record};
use collector_store::{BatchRow, HeartbeatRow, Place, QuarantineRow, SeenAgent};
use rules_event::{Event, Timestamp};

use crate::agents::Status;
use crate::chain::{Chain, ChainId, Outcome};
use crate::config::{ARRIVAL_AGE_MAX, FINDINGS_MAX};
use crate::finding::{Finding, FindingKind};
use crate::observer::Range;
use crate::rows::Checked;
use crate::source::{Delivery, Lost, LostWhy};

/// Reasons under which a genuine batch waits for a decision about its key.
pub(crate) const HELD_REASONS: [&str; 2] = ["unknown_key", "revoked_key"];

/// What judging needs to know.
pub(crate) struct Knowledge {
    pub(crate) at: Timestamp,
    /// Every key of the range that is listed.
    pub(crate) statuses: HashMap<PublicKey, Status>,
    /// Every chain of the range that is known.
    pub(crate) chains: HashMap<ChainId, Chain>,
    /// The latest epoch known of the chains that are not.
    pub(crate) previous_epochs: HashMap<ChainId, Option<u64>>,
    /// Hashes of batches of the range whose numbers were accepted before.
    pub(crate) hashes: HashMap<(ChainId, u64), Hash>,
}

/// What becomes of a range.
#[derive(Default)]
pub(crate) struct Judged {
    pub(crate) range: Range,
    pub(crate) batches: Vec<BatchRow>,
    pub(crate) heartbeats: Vec<HeartbeatRow>,
    pub(crate) quarantine: Vec<QuarantineRow>,
    pub(crate) changes: BTreeMap<ChainId, Change>,
    pub(crate) sightings: HashMap<PublicKey, Sighting>,
    pub(crate) duplicates: u64,
    /// Batches that ClickHouse holds though SQLite did not know of them.
    stored: HashSet<(ChainId, u64)>,
    /// Records dropped without trace, by reason.
    pub(crate) dropped: BTreeMap<&'static str, u64>,
    /// Findings beyond the bound.
    pub(crate) unsaid: u64,
}

/// How a chain changes.
#[derive(Debug, Default)]
pub(crate) struct Change {
    pub(crate) chain: Chain,
    pub(crate) accepted: u64,
    pub(crate) opened: Vec<(u64, u64)>,
    pub(crate) filled: Vec<u64>,
}

/// What a range says of a key.
#[derive(Debug, Default, Clone)]
pub(crate) struct Sighting {
    pub(crate) last: Timestamp,
    pub(crate) host: String,
    pub(crate) organization: String,
    pub(crate) quarantined: u64,
}

/// Judges the records of a range, in their order.
pub(crate) fn judge(
    deliveries: &[Delivery],
    checked: Vec<Checked>,
    lost: &[Lost],
    mut known: Knowledge,
) -> Judged {
    let mut judged =
        Judged { range: Range { at: known.at, ..Range::default() }, ..Judged::default() };
    for lost in lost {
        judged.lost(lost);
    }
    let mut topics: HashMap<&str, Arc<str>> = HashMap::new();
    for (delivery, checked) in deliveries.iter().zip(checked) {
        let topic = topics
            .entry(&delivery.partition.topic)
            .or_insert_with(|| Arc::from(delivery.partition.topic.as_str()));
        let received = delivery.received.clamp(known.at.saturating_sub(ARRIVAL_AGE_MAX), known.at);
        let one = One { delivery, topic, received };
        match (checked, &delivery.record) {
            (Checked::Bad { kind, detail }, _) => judged.bad(&one, kind, &detail),
            (Checked::Held(status), Ok(record)) => judged.held(&one, record, status, &mut known),
            (Checked::Beat(heartbeat), Ok(record)) => judged.beat(&one, record, *heartbeat),
            (Checked::Batch { hash, events }, Ok(record)) => {
                judged.batch(&one, record, hash, events, &mut known);
            }
            // Only what could be read is checked any further.
            (_, Err(bytes)) => judged.bad(&one, FindingKind::Undecodable, &bytes.reason),
        }
    }
    judged.closed_gaps();
    judged
}

/// One record in its surroundings.
struct One<'a> {
    delivery: &'a Delivery,
    topic: &'a Arc<str>,
    received: Timestamp,
}

impl Judged {
    /// Returns whether an event is in ClickHouse already.
    pub(crate) fn is_stored(&self, place: &Place) -> bool {
        let Place { agent, lane, epoch, seq, .. } = *place;
        !self.stored.is_empty() && self.stored.contains(&(ChainId { agent, lane, epoch }, seq))
    }

    fn find(
        &mut self,
        kind: FindingKind,
        record: Option<&Record>,
        batches: Option<(u64, u64)>,
        detail: String,
    ) {
        let header = record.map(|record| &record.header);
        self.say(Finding {
            kind,
            at: self.range.at,
            agent: header.map(|header| header.agent),
            lane: header.map(|header| header.lane),
            epoch: header.map(|header| header.epoch),
            batches: batches.or(header.map(|header| (header.seq, header.seq))),
            detail,
        });
    }

    fn lost(&mut self, lost: &Lost) {
        let partition = format!("{}/{}", lost.partition.topic, lost.partition.number);
        let (kind, detail) = match lost.why {
            LostWhy::Retention => (
                FindingKind::LostByRetention,
                format!(
                    "the broker deleted offsets {}..{} of {partition} before they were read; give \
                     the topic a longer retention",
                    lost.from, lost.next
                ),
            ),
            LostWhy::Recreated => (
                FindingKind::TopicRecreated,
                format!(
                    "the offsets of {partition} began anew, as {}; it is read from offset {}",
                    lost.partition.topic_id, lost.from
                ),
            ),
        };
        self.find(kind, None, None, detail);
    }

    /// Says which gaps have closed.
    fn closed_gaps(&mut self) {
        let mut closed = BTreeSet::new();
        for (id, change) in &self.changes {
            let gaps = change.filled.iter().filter(|gap| !change.chain.is_open(**gap));
            closed.extend(gaps.map(|gap| (*id, *gap)));
        }
        for (id, gap) in closed {
            self.say(Finding {
                kind: FindingKind::GapClosed,
                at: self.range.at,
                agent: Some(id.agent),
                lane: Some(id.lane),
                epoch: Some(id.epoch),
                batches: Some((gap, gap)),
                detail: format!("the batches missing from {gap} on have arrived"),
            });
        }
    }

    fn say(&mut self, finding: Finding) {
        let findings = &mut self.range.findings;
        if findings.len() < FINDINGS_MAX {
            findings.push(finding);
            return;
        }
        self.unsaid += 1;
        // A flood of records that anybody can make must not hide what is proven.
        let proven = |one: &Finding| {
            !matches!(
                one.kind,
                FindingKind::BadSignature | FindingKind::UnknownKey | FindingKind::Undecodable
            )
        };
        if proven(&finding)
            && let Some(place) = findings.iter().position(|one| !proven(one))
        {
            findings[place] = finding;
        }
    }

    fn quarantine(&mut self, one: &One<'_>, reason: &str, detail: &str) {
        let (number, offset) = (one.delivery.partition.number, one.delivery.offset);
        // When the range is taken in hand, not when the record arrived: what nobody vouches for
        // does not choose its own partition.
        let at = self.range.at;
        self.quarantine.push(match &one.delivery.record {
            Ok(record) => {
                QuarantineRow::of_record(record, one.topic, number, offset, at, reason, detail)
            }
            Err(bytes) => QuarantineRow::of_bytes(
                &bytes.headers,
                &bytes.value,
                one.topic,
                number,
                offset,
                at,
                reason,
                detail,
            ),
        });
    }

    fn sight(&mut self, one: &One<'_>, record: &Record) -> &mut Sighting {
        let sighting = self.sightings.entry(record.header.key).or_default();
        sighting.last = sighting.last.max(one.received);
        sighting
    }

    fn bad(&mut self, one: &One<'_>, kind: FindingKind, detail: &str) {
        self.quarantine(one, kind.as_str(), detail);
        let record = one.delivery.record.as_ref().ok();
        self.find(kind, record, None, detail.to_owned());
    }

    fn held(&mut self, one: &One<'_>, record: &Record, status: Status, known: &mut Knowledge) {
        let key = record.header.key;
        let (kind, reason) = match status {
            Status::Revoked => (FindingKind::RevokedKey, HELD_REASONS[1]),
            Status::Unknown | Status::Trusted => (FindingKind::UnknownKey, HELD_REASONS[0]),
        };
        let is_first = !self.sightings.contains_key(&key);
        let sighting = self.sight(one, record);
        if record.header.lane == Lane::Heartbeats {
            if let Ok(heartbeat) = Heartbeat::open(record) {
                sighting.host = heartbeat.host;
                sighting.organization = heartbeat.organization;
            }
            let dropped = match status {
                Status::Revoked => "heartbeat_of_revoked_key",
                Status::Unknown | Status::Trusted => "heartbeat_of_unknown_key",
            };
            *self.dropped.entry(dropped).or_default() += 1;
        } else {
            sighting.quarantined += 1;
            self.quarantine(one, reason, "");
        }
        // An unknown key is news once; a revoked one that goes on sending stays news.
        if is_first && (status == Status::Revoked || !known.statuses.contains_key(&key)) {
            self.find(kind, Some(record), None, format!("key {key} is {status}"));
        }
    }

    fn beat(&mut self, one: &One<'_>, record: &Record, heartbeat: Heartbeat) {
        let sighting = self.sight(one, record);
        sighting.host.clone_from(&heartbeat.host);
        sighting.organization.clone_from(&heartbeat.organization);
        self.heartbeats.push(HeartbeatRow::new(&heartbeat, &record.header, one.received));
        let agent = record.header.agent;
        self.range.heartbeats.push(SeenAgent { agent, received: one.received, heartbeat });
    }

    fn batch(
        &mut self,
        one: &One<'_>,
        record: &Record,
        hash: Hash,
        events: Result<Vec<Event>, String>,
        known: &mut Knowledge,
    ) {
        self.sight(one, record);
        let header = &record.header;
        let (id, seq) = (ChainId::of(header), header.seq);
        let stored = known.hashes.get(&(id, seq)).copied();
        if stored.is_some_and(|stored| stored != hash) {
            return self.bad(one, FindingKind::Fork, "another batch has this number");
        }
        let mut is_new_epoch = false;
        let change = self.changes.entry(id).or_insert_with(|| {
            let chain = known.chains.remove(&id);
            is_new_epoch = chain.is_none();
            Change { chain: chain.unwrap_or_default(), ..Change::default() }
        });
        let outcome = change.chain.offer(seq, &header.prev, &hash);
        if outcome.is_accepted() {
            change.accepted += 1;
            known.hashes.insert((id, seq), hash);
        }
        match outcome {
            Outcome::Next => {}
            Outcome::Gap { from, to } => {
                change.opened.push((from, to));
                let detail = format!("batches {from} to {to} have not arrived");
                self.find(FindingKind::ChainGap, Some(record), Some((from, to)), detail);
            }
            Outcome::Filled { gap_from } => change.filled.push(gap_from),
            // Also without a stored hash (rows past their retention): nothing speaks against it.
            Outcome::Known => {
                self.duplicates += 1;
                return;
            }
            Outcome::Fork(why) => return self.bad(one, FindingKind::Fork, why),
            Outcome::TooManyGaps => {
                return self.bad(one, FindingKind::ChainGap, "the chain has too many gaps");
            }
        }
        if is_new_epoch {
            let detail = match known.previous_epochs.get(&id).copied().flatten() {
                Some(previous) => format!("a new chain begins; the one before is {previous}"),
                None => "the first chain of this lane begins".to_owned(),
            };
            self.find(FindingKind::NewEpoch, Some(record), None, detail);
        }
        let (number, offset) = (one.delivery.partition.number, one.delivery.offset);
        if stored.is_some() {
            self.stored.insert((id, seq));
        } else {
            self.batches.push(BatchRow::new(
                record,
                &hash,
                one.topic,
                number,
                offset,
                one.received,
            ));
        }
        let events = match events {
            Ok(events) => events,
            Err(detail) => return self.bad(one, FindingKind::BadContent, &detail),
        };
        self.range.events.extend((0..).zip(events).map(|(index, event)| {
            let place = Place {
                agent: header.agent,
                lane: header.lane,
                epoch: header.epoch,
                seq,
                index,
                topic: Arc::clone(one.topic),
                partition: number,
                offset,
                received: one.received,
            };
            (event, place)
        }));
    }
}
