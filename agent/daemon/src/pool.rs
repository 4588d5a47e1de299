//! Pool: the threads that turn chunks into packed batches: decode, detect, write, compress.
//!
//! Chunks are taken in order and come back in order, whichever thread was quicker: positions and
//! chains need it so. What has to happen one after the other (numbering, signing, appending) is the
//! sealer's.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use agent_inputs::Chunk;
use agent_pipeline::{Fate, Ids, Pipeline, Reason, Scratch, is_head};
use agent_wire::{BATCH_RAW_BYTES_TARGET, BatchBuilder, Compressor, Packed};
use rules_event::Event;
use tokio::sync::oneshot;

use crate::correlate::{Block, Correlations};
use crate::error::{Error, Result};

/// Chunks in work for each thread: the one it works on, and the next, so that it never waits for the
/// worker. A chunk is a quarter of a MiB, its events are about twice that until compressed.
const CHUNKS_EACH_MAX: usize = 2;

/// What is left of a chunk is packed by itself from this size on; smaller rests are put together with
/// those of the next chunks. A batch of half the usual size costs a twentieth more bytes.
const REST_BYTES_PACKED: usize = BATCH_RAW_BYTES_TARGET / 2;

/// What a chunk became.
pub(crate) struct Done {
    /// By lane, alerts first.
    pub(crate) lanes: [Work; 2],
    /// What the correlations of this host count.
    pub(crate) block: Block,
    /// Rules that hit, over all records.
    pub(crate) hits: u64,
    /// Records given up because one alone is larger than a batch may be.
    pub(crate) too_large: u64,
    /// Records that stay on the host, in the order of [`Reason::ALL`].
    pub(crate) left: [u64; Reason::ALL.len()],
    /// Records of which only a stub goes out, as they carry the mark of a state secret.
    pub(crate) quarantined: u64,
    /// See [`Chunk::positions`].
    pub(crate) positions: Vec<(String, String)>,
    /// See [`Chunk::gone`].
    pub(crate) gone: Vec<String>,
}

/// The events of one lane.
#[derive(Default)]
pub(crate) struct Work {
    /// Batches, in order.
    pub(crate) packed: Vec<Packed>,
    /// Events behind them that fill no batch.
    pub(crate) rest: BatchBuilder,
}

struct Job {
    chunk: Chunk,
    reply: oneshot::Sender<Result<Done>>,
}

/// See the head of the file. The threads end when it is dropped.
pub(crate) struct Pool {
    jobs: Sender<Job>,
    /// Answers to come, in the order of the chunks.
    waiting: VecDeque<oneshot::Receiver<Result<Done>>>,
    waiting_max: usize,
    /// A chunk that is to be worked on alone, until those before it are done.
    held: Option<Chunk>,
    /// The chunk in work is one.
    is_alone: bool,
}

impl Pool {
    /// Starts so many threads.
    pub(crate) fn start(
        threads: usize,
        pipeline: &Arc<Pipeline>,
        correlations: &Correlations,
    ) -> Result<Self> {
        let (jobs, taken) = channel();
        let taken = Arc::new(Mutex::new(taken));
        for number in 0..threads {
            let (taken, pipeline) = (Arc::clone(&taken), Arc::clone(pipeline));
            let correlations = Arc::clone(correlations);
            std::thread::Builder::new()
                .name(format!("pipeline {number}"))
                .spawn(move || work(&taken, &pipeline, &correlations))
                .map_err(|source| Error::System { doing: "start a pipeline thread", source })?;
        }
        let waiting_max = threads * CHUNKS_EACH_MAX;
        Ok(Self { jobs, waiting: VecDeque::new(), waiting_max, held: None, is_alone: false })
    }

    /// Returns whether another chunk may be given.
    pub(crate) fn has_room(&self) -> bool {
        self.waiting.len() < self.waiting_max && self.held.is_none() && !self.is_alone
    }

    /// Returns whether every chunk given has come back.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.held.is_none()
    }

    /// Gives a chunk. One that tells how what follows is to be read is worked on alone.
    pub(crate) fn give(&mut self, chunk: Chunk) {
        self.is_alone = chunk.items.iter().any(is_head);
        if self.is_alone && !self.waiting.is_empty() {
            self.held = Some(chunk);
        } else {
            self.send(chunk);
        }
    }

    fn send(&mut self, chunk: Chunk) {
        let (reply, answer) = oneshot::channel();
        // Refused only when all threads panicked; the answer then tells so.
        let _ = self.jobs.send(Job { chunk, reply });
        self.waiting.push_back(answer);
    }

    /// Waits for the next chunk in order; for ever if none is in work. May be cancelled.
    pub(crate) async fn next(&mut self) -> Result<Done> {
        let Some(answer) = self.waiting.front_mut() else { return std::future::pending().await };
        let done = answer.await;
        self.waiting.pop_front();
        if self.waiting.is_empty() {
            self.is_alone = self.held.is_some();
            if let Some(chunk) = self.held.take() {
                self.send(chunk);
            }
        }
        done.unwrap_or(Err(Error::Panic("pipeline")))
    }
}

/// A thread: works until the pool is gone.
fn work(jobs: &Mutex<Receiver<Job>>, pipeline: &Pipeline, correlations: &Correlations) {
    let mut desk = Desk::default();
    loop {
        // The lock is held while waiting: whoever has it is the next to be served.
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { chunk, reply }) = job else { return };
        // The worker is gone only when the agent is ending.
        let _ = reply.send(desk.work(pipeline, chunk, Block::new(correlations.load_full())));
    }
}

/// What a thread keeps from chunk to chunk.
#[derive(Default)]
struct Desk {
    scratch: Scratch,
    compressor: Compressor,
    /// By lane. Their memory stays here: only rests travel.
    batches: [BatchBuilder; 2],
}

impl Desk {
    fn work(&mut self, pipeline: &Pipeline, chunk: Chunk, block: Block) -> Result<Done> {
        let Self { scratch, compressor, batches } = self;
        // Who fired is told by the ids of those it was counted from.
        scratch.identify(if block.counts() { Ids::Hits } else { Ids::Needed });
        let mut done = Done {
            lanes: Default::default(),
            block,
            hits: 0,
            too_large: 0,
            left: Default::default(),
            quarantined: 0,
            positions: chunk.positions,
            gone: chunk.gone,
        };
        for item in chunk.items {
            pipeline.process(item, scratch, |processed| {
                done.hits += processed.hits as u64;
                done.quarantined += u64::from(processed.quarantined);
                // Here, since behind this events are gone that the policy of their input does not send.
                // Of what is held back nothing is to be shown.
                done.block.note(processed.event, processed.hits, !processed.quarantined);
                let lane = match processed.fate {
                    Fate::Alerts => 0,
                    Fate::Events => 1,
                    Fate::Left(reason) => {
                        done.left[reason as usize] += 1;
                        return Ok(());
                    }
                };
                let packed = &mut done.lanes[lane].packed;
                match push(&mut batches[lane], processed.event, packed, compressor) {
                    Ok(true) => Ok(()),
                    Ok(false) => {
                        done.too_large += 1;
                        Ok(())
                    }
                    Err(error) => Err(error),
                }
            })?;
        }
        for (batch, work) in batches.iter_mut().zip(&mut done.lanes) {
            if batch.raw_bytes() >= REST_BYTES_PACKED {
                work.packed.push(batch.pack(compressor)?);
            } else {
                work.rest.absorb(batch);
            }
        }
        Ok(done)
    }
}

/// Adds an event; false when it alone is larger than a batch may be.
fn push(
    batch: &mut BatchBuilder,
    event: &Event,
    packed: &mut Vec<Packed>,
    compressor: &mut Compressor,
) -> Result<bool> {
    if batch.push(event).is_err() {
        // The bound of a batch; alone the event fits, unless it is monstrous.
        packed.push(batch.pack(compressor)?);
        if let Err(error) = batch.push(event) {
            tracing::error!(id = event.id, %error, "an event is too large and is dropped");
            return Ok(false);
        }
    }
    if batch.is_full() {
        packed.push(batch.pack(compressor)?);
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use agent_inputs::{Format, Item, Line, Lines, SourceMeta};
    use agent_pipeline::AgentFacts;
    use rules_event::Timestamp;

    use super::*;

    fn pool(threads: usize) -> Pool {
        let facts = AgentFacts {
            agent_id: [1; 16],
            agent_id_text: "01".repeat(16),
            host: "h".to_owned(),
            organization: None,
            system: None,
            timezone: agent_pipeline::timezone("+07:00").unwrap(),
        };
        Pool::start(threads, &Arc::new(Pipeline::new(facts, None)), &Correlations::default())
            .unwrap()
    }

    /// A chunk with so many lines whose position is its number.
    fn chunk(number: u64, lines: u64, start: &str) -> Chunk {
        let source = SourceMeta {
            key: "file:1".to_owned(),
            path: None,
            format: Format::Auto,
            dataset: None,
            ..SourceMeta::default()
        };
        let mut all = Lines::new(Arc::new(source), Timestamp::from_seconds(1_795_600_000));
        for line in 0..lines {
            let text = format!("{start}line {line} of chunk {number}");
            all.push(Line {
                offset: number << 20 | line,
                bytes: text.as_bytes(),
                truncated: false,
            });
        }
        let positions = vec![("file:1".to_owned(), number.to_string())];
        Chunk { items: vec![Item::Lines(all)], positions, ..Chunk::default() }
    }

    fn events(done: &Done) -> u64 {
        let count = |work: &Work| {
            let packed: u32 = work.packed.iter().map(Packed::count).sum();
            u64::from(packed + work.rest.count())
        };
        done.lanes.iter().map(count).sum()
    }

    #[tokio::test]
    async fn chunks_come_back_in_order_and_whole() {
        let mut pool = pool(3);
        // Long ones take longer than the short ones behind them.
        let sizes: Vec<u64> = (0..60).map(|number| [3_000, 1, 40][number % 3]).collect();
        let (mut given, mut back) = (0, 0);
        while back < sizes.len() {
            while given < sizes.len() && pool.has_room() {
                pool.give(chunk(given as u64, sizes[given], ""));
                given += 1;
            }
            let done = pool.next().await.unwrap();
            assert_eq!(done.positions[0].1, back.to_string());
            assert_eq!(events(&done), sizes[back]);
            back += 1;
        }
        assert!(pool.is_empty());
        let nothing = tokio::time::timeout(Duration::from_millis(1), pool.next()).await;
        assert!(nothing.is_err(), "nothing is in work");
    }

    #[tokio::test]
    async fn the_head_of_a_log_is_worked_on_alone() {
        let mut pool = pool(2);
        pool.give(chunk(0, 100, ""));
        pool.give(chunk(1, 1, "#fields "));
        assert!(!pool.has_room());
        assert_eq!(pool.waiting.len(), 1, "it waits for what is before it");
        assert_eq!(pool.next().await.unwrap().positions[0].1, "0");
        assert!(!pool.has_room() && !pool.is_empty());
        assert_eq!(pool.next().await.unwrap().positions[0].1, "1");
        assert!(pool.has_room() && pool.is_empty());
    }
}
