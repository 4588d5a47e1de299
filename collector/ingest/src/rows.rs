//! Checking records: signature, trust and content, on all cores. Pure.

use std::collections::HashMap;

use agent_wire::{Hash, Heartbeat, Lane, PublicKey, Record};
use rules_event::Event;

use crate::agents::Status;
use crate::config::BATCH_EVENTS_MAX;
use crate::finding::FindingKind;
use crate::source::Delivery;

/// Threads that check one range. More would take the machine from ClickHouse.
const THREADS_MAX: usize = 4;

/// What a record is by itself, before its chain is looked at.
#[derive(Debug)]
pub(crate) enum Checked {
    /// Not acceptable: quarantine with this reason.
    Bad { kind: FindingKind, detail: String },
    /// Genuine, but of a key that is not trusted.
    Held(Status),
    /// A genuine batch. Its content may still be unreadable.
    Batch { hash: Hash, events: Result<Vec<Event>, String> },
    /// A genuine heartbeat.
    Beat(Box<Heartbeat>),
}

/// Checks every record of a range; `statuses` holds every key that is listed.
pub(crate) fn check_all(
    deliveries: &[Delivery],
    statuses: &HashMap<PublicKey, Status>,
) -> Vec<Checked> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    let share = deliveries.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let workers: Vec<_> = deliveries
            .chunks(share)
            .map(|part| scope.spawn(|| part.iter().map(|d| check(d, statuses)).collect::<Vec<_>>()))
            .collect();
        let join = |worker: std::thread::ScopedJoinHandle<'_, Vec<Checked>>| {
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        workers.into_iter().flat_map(join).collect()
    })
}

fn check(delivery: &Delivery, statuses: &HashMap<PublicKey, Status>) -> Checked {
    let record = match &delivery.record {
        Ok(record) => record,
        Err(bytes) => {
            return Checked::Bad { kind: FindingKind::Undecodable, detail: bytes.reason.clone() };
        }
    };
    if let Err(error) = record.verify() {
        return Checked::Bad { kind: FindingKind::BadSignature, detail: error.to_string() };
    }
    match statuses.get(&record.header.key) {
        Some(Status::Trusted) => content(record),
        Some(status) => Checked::Held(*status),
        None => Checked::Held(Status::Unknown),
    }
}

fn content(record: &Record) -> Checked {
    let header = &record.header;
    let bad = |detail: String| Checked::Bad { kind: FindingKind::BadContent, detail };
    if header.lane == Lane::Heartbeats {
        return match Heartbeat::open(record) {
            Ok(heartbeat) => Checked::Beat(Box::new(heartbeat)),
            Err(error) => bad(error.to_string()),
        };
    }
    // SQL databases count to i64::MAX; no agent gets there.
    if header.seq == 0 || i64::try_from(header.seq).is_err() || i64::try_from(header.epoch).is_err()
    {
        return bad(format!("batch number {} of epoch {}", header.seq, header.epoch));
    }
    let events = if header.count as usize > BATCH_EVENTS_MAX {
        Err(format!("{} events in one batch; the bound is {BATCH_EVENTS_MAX}", header.count))
    } else {
        record.events().map_err(|error| error.to_string())
    };
    Checked::Batch { hash: record.hash(), events }
}
