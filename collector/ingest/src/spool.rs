//! SpoolSource: a site without Kafka reads its agent's spool directly.
//!
//! A thread follows both lanes, alerts first, and the heartbeat file; what it finds waits in a short
//! queue. The offset of a record is its batch number, the topic id the spool's epoch. Positions in
//! SQLite are the truth; the cursor files, written after each commit, let the agent delete segments.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use agent_spool::{Cursor, HEARTBEAT_FILE, LANE_ALERTS, LANE_EVENTS, OwnedEntry, Reader};
use agent_wire::Record;
use rules_event::Timestamp;
use rules_service::logs::chain as causes;
use rules_service::meter::Health;
use tokio::sync::mpsc;

use crate::source::{
    Arrival, Delivery, Lost, LostWhy, Partition, Position, Replayed, Source, Span, Undecodable,
};
use crate::{Error, Result, agents};

/// Both lanes, the one to be read first in front.
const LANES: [(u8, &str); 2] = [(LANE_ALERTS, "spool/alerts"), (LANE_EVENTS, "spool/events")];

/// Topic of the heartbeat file.
const HEARTBEATS: &str = "spool/heartbeats";

/// How long to wait before looking again when there was nothing.
const POLL: Duration = Duration::from_millis(100);

/// Records that wait to be taken: at the usual half megabyte each, some 8 MiB.
const QUEUE_MAX: usize = 16;

/// A heartbeat file larger than this is none: 1 MiB.
const HEARTBEAT_BYTES_MAX: u64 = 1024 * 1024;

/// Reads the spool of the agent on this host.
#[derive(Debug)]
pub struct SpoolSource {
    dir: PathBuf,
    health: Health,
    arrivals: Option<mpsc::Receiver<Delivery>>,
}

impl SpoolSource {
    /// Returns a source that reads the spool in `dir`, which need not exist yet.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>, health: Health) -> Self {
        Self { dir: dir.into(), health, arrivals: None }
    }
}

impl Source for SpoolSource {
    async fn replay(&mut self, spans: &[Span]) -> Result<Replayed> {
        let (dir, spans) = (self.dir.clone(), spans.to_vec());
        tokio::task::spawn_blocking(move || {
            let mut replayed = Replayed::default();
            for span in &spans {
                replay(&dir, span, &mut replayed)
                    .map_err(|source| Error::Spool { dir: dir.clone(), source: source.into() })?;
            }
            Ok(replayed)
        })
        .await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }

    async fn start(&mut self, positions: &[Position]) -> Result<()> {
        let (sender, receiver) = mpsc::channel(QUEUE_MAX);
        let next = positions.iter().map(|position| {
            let Partition { topic, topic_id, .. } = &position.partition;
            ((topic.clone(), topic_id.clone()), position.next_offset)
        });
        let pump = Pump {
            dir: self.dir.clone(),
            health: self.health.clone(),
            next: next.collect(),
            sender,
            readers: LANES.map(|_| None),
            heartbeat: None,
        };
        if !self.dir.is_dir() {
            tracing::info!(dir = %self.dir.display(), "waiting for the agent to make its spool");
        }
        std::thread::Builder::new()
            .name("spool".to_owned())
            .spawn(move || pump.run())
            .map_err(|source| Error::Spool { dir: self.dir.clone(), source: source.into() })?;
        self.arrivals = Some(receiver);
        Ok(())
    }

    async fn next(&mut self) -> Result<Arrival> {
        let gone = |dir: &Path| Error::Spool {
            dir: dir.to_owned(),
            source: "the reading thread is not running".into(),
        };
        let arrivals = self.arrivals.as_mut().ok_or_else(|| gone(&self.dir))?;
        arrivals.recv().await.map(Arrival::Delivery).ok_or_else(|| gone(&self.dir))
    }

    async fn committed(&mut self, positions: &[Position]) {
        let done: Vec<(u8, u64, u64)> = positions
            .iter()
            .filter_map(|position| {
                let (lane, _) =
                    LANES.iter().find(|(_, topic)| *topic == position.partition.topic)?;
                let epoch = position.partition.topic_id.parse().ok()?;
                Some((*lane, epoch, u64::try_from(position.next_offset - 1).ok()?))
            })
            .collect();
        let (dir, health) = (self.dir.clone(), self.health.clone());
        let stored = tokio::task::spawn_blocking(move || {
            for (lane, epoch, seq) in done {
                match Cursor::store_in_epoch(&dir, lane, epoch, seq) {
                    Ok(()) => health.resolved("spool cursor"),
                    // The agent keeps more than it must until the next one succeeds.
                    Err(error) => health.problem("spool cursor", causes(&error)),
                }
            }
        });
        if let Err(panic) = stored.await {
            tracing::error!(%panic, "storing the cursor failed");
        }
    }
}

/// Reads one span again; what is read before and behind it is left.
fn replay(dir: &Path, span: &Span, replayed: &mut Replayed) -> agent_spool::Result<()> {
    let Some((lane, topic)) = LANES.iter().find(|(_, topic)| *topic == span.partition.topic) else {
        // If the heartbeat of then was replaced, the one that is there says more.
        let heartbeat = std::fs::read(dir.join(HEARTBEAT_FILE)).ok();
        let record = heartbeat.and_then(|bytes| Record::decode(&bytes).ok());
        let delivery = record.map(beat_delivery);
        replayed.deliveries.extend(delivery.filter(|d| d.offset == span.from));
        return Ok(());
    };
    let mut reader = Reader::open(dir, *lane, Cursor::load(dir, *lane)?)?;
    let mut found = false;
    while let Some(entry) = reader.next()? {
        let delivery = to_delivery(topic, entry);
        if delivery.partition == span.partition && delivery.offset >= span.next {
            break;
        }
        if delivery.partition == span.partition && delivery.offset >= span.from {
            found = true;
            replayed.deliveries.push(delivery);
        }
    }
    if !found {
        replayed.lost.push(Lost {
            partition: span.partition.clone(),
            from: span.from,
            next: span.next,
            why: LostWhy::Recreated,
        });
    }
    Ok(())
}

/// The thread that follows the spool; it ends when nobody listens any more.
struct Pump {
    dir: PathBuf,
    health: Health,
    /// Next offset by topic and topic id.
    next: HashMap<(String, String), i64>,
    sender: mpsc::Sender<Delivery>,
    readers: [Option<Reader>; 2],
    heartbeat: Option<(SystemTime, u64)>,
}

impl Pump {
    fn run(mut self) {
        let mut is_well = true;
        while !self.sender.is_closed() {
            match self.step() {
                Ok(true) => {}
                Ok(false) => {
                    if !is_well {
                        self.health.resolved("spool");
                        is_well = true;
                    }
                    std::thread::sleep(POLL);
                }
                Err(error) => {
                    let text = causes(error.as_ref());
                    if is_well {
                        tracing::warn!(dir = %self.dir.display(), error = %text, "cannot read the spool; trying again");
                    }
                    self.health.problem("spool", text);
                    is_well = false;
                    self.readers = LANES.map(|_| None);
                    std::thread::sleep(POLL * 10);
                }
            }
        }
    }

    /// Hands on one record of the first lane that has one; false if none has.
    fn step(&mut self) -> std::result::Result<bool, crate::BoxError> {
        self.beat()?;
        for (index, (lane, topic)) in LANES.iter().enumerate() {
            let reader = match &mut self.readers[index] {
                Some(reader) => reader,
                none => {
                    // Behind the cursor, not behind our position: the position may be of another
                    // epoch than the one the spool turns out to have. What was done is skipped.
                    none.insert(Reader::open(&self.dir, *lane, Cursor::load(&self.dir, *lane)?)?)
                }
            };
            let Some(entry) = reader.next()? else { continue };
            let delivery = to_delivery(topic, entry);
            let partition = &delivery.partition;
            let next =
                self.next.entry((partition.topic.clone(), partition.topic_id.clone())).or_insert(0);
            if delivery.offset >= *next {
                *next = delivery.offset + 1;
                // Fails only when nobody listens any more; the loop then ends.
                drop(self.sender.blocking_send(delivery));
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// Hands on the heartbeat if its file changed.
    fn beat(&mut self) -> std::result::Result<(), crate::BoxError> {
        let path = self.dir.join(HEARTBEAT_FILE);
        let facts = match std::fs::metadata(&path) {
            Ok(facts) => facts,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let stamp = (facts.modified()?, facts.len());
        if self.heartbeat == Some(stamp) || facts.len() > HEARTBEAT_BYTES_MAX {
            return Ok(());
        }
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        self.heartbeat = Some(stamp);
        let Ok(record) = Record::decode(&bytes) else {
            tracing::warn!(path = %path.display(), "not a heartbeat; waiting for the next");
            return Ok(());
        };
        let delivery = beat_delivery(record);
        let next = delivery.offset + 1;
        let key = (HEARTBEATS.to_owned(), delivery.partition.topic_id.clone());
        // The one we had before a restart. Any other is news, also if the clock went back.
        if self.next.insert(key, next) != Some(next) {
            drop(self.sender.blocking_send(delivery));
        }
        Ok(())
    }
}

/// A heartbeat's offset is the millisecond in which it was sealed.
fn beat_delivery(record: Record) -> Delivery {
    Delivery {
        partition: Partition {
            topic: HEARTBEATS.to_owned(),
            topic_id: record.header.agent.to_string(),
            number: 0,
        },
        offset: record.header.sealed.as_millis(),
        received: record.header.sealed,
        record: Ok(record),
    }
}

fn to_delivery(topic: &str, entry: OwnedEntry) -> Delivery {
    let record = Record::decode(&entry.bytes);
    let received: Timestamp = record.as_ref().map_or_else(|_| agents::now(), |r| r.header.sealed);
    Delivery {
        partition: Partition {
            topic: topic.to_owned(),
            topic_id: entry.epoch.to_string(),
            number: 0,
        },
        offset: i64::try_from(entry.seq).unwrap_or(i64::MAX),
        received,
        record: record.map_err(|error| Undecodable {
            reason: error.to_string(),
            headers: Vec::new(),
            value: entry.bytes,
        }),
    }
}
