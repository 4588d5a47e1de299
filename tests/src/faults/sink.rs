//! Sink: a broker for one producer that keeps nothing but what arrived, and fails on command. The last
//! batches of a topic it keeps as they came, for who asks what it has.
//!
//! It treats an idempotent producer as Kafka does: a batch whose number it has is answered and not
//! taken again, a batch out of order is refused. So what it hands on is what a topic would hold.

use std::collections::{HashMap, VecDeque};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use agent_wire::{Lane, Record};
use anyhow::{Context, Result};

use super::protocol::{
    API_VERSIONS, Answer, Batch, CORRUPT_MESSAGE, Call, FETCH, Fields, INIT_PRODUCER_ID,
    LIST_OFFSETS, METADATA, OUT_OF_ORDER, Outcome, PRODUCE, Produce,
};

/// No request is longer: an agent's message has at most 2 MiB, a request at most five of them.
const REQUEST_BYTES_MAX: usize = 64 << 20;
/// So many batches back a broker knows an idempotent producer's numbers (Kafka's own bound).
const BATCHES_KNOWN: usize = 5;

/// So many of a topic's batches are kept: more than can be under way.
const BATCHES_KEPT: usize = 256;
/// A look at the end of a topic is answered after this, or it would be repeated without a pause.
const FETCH_PAUSE: Duration = Duration::from_millis(20);

/// One message of a spooled lane, as a topic would hold it.
#[derive(Debug)]
pub struct Arrived {
    /// What it is, or why it is nothing.
    pub record: Result<Record, String>,
    /// When it was taken.
    pub at: Instant,
}

/// A point in the life of a batch at which something is to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The batch is taken and the producer never hears of it.
    BeforeAck,
    /// The answer has just been handed to the network.
    AfterAck,
}

/// A sink on a port of its own.
#[derive(Debug)]
pub struct Sink {
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    port: u16,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    is_down: bool,
    connections: Vec<TcpStream>,
    arrived: Vec<Arrived>,
    producers: HashMap<(i64, i16, String), Numbers>,
    producer_count: i64,
    topics: HashMap<String, Topic>,
    trap: Option<(Moment, Sender<()>)>,
}

/// What is known of a topic.
#[derive(Debug, Default)]
struct Topic {
    end: i64,
    /// The last batches, by the offset of their first message.
    kept: VecDeque<(i64, Vec<u8>)>,
}

impl Topic {
    /// Appends a batch of so many messages; returns the offset of its first.
    fn append(&mut self, batch: &Batch<'_>, count: i32) -> i64 {
        let offset = self.end;
        self.end += i64::from(count);
        // The first field of a batch, outside of its checksum, is its offset.
        let mut bytes = offset.to_be_bytes().to_vec();
        bytes.extend_from_slice(batch.bytes.get(8..).unwrap_or_default());
        self.kept.push_back((offset, bytes));
        if self.kept.len() > BATCHES_KEPT {
            self.kept.pop_front();
        }
        offset
    }

    /// Returns the batch that holds an offset, if it is kept.
    fn from(&self, offset: i64) -> Option<&[u8]> {
        let kept = self.kept.iter().rev().find(|(first, _)| *first <= offset)?;
        (offset < self.end).then_some(&kept.1)
    }
}

/// What is known of one producer's batches in one topic.
#[derive(Debug, Default)]
struct Numbers {
    next: i32,
    known: VecDeque<(i32, i64)>,
}

impl Sink {
    /// Starts a sink that is up.
    ///
    /// # Errors
    /// If no port is free.
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared { port, state: Mutex::default() });
        let accepting = Some(accept(&shared, listener));
        Ok(Self { shared, accepting })
    }

    /// Returns `host:port`, the same over outages.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.shared.port)
    }

    /// Ends every connection and refuses new ones.
    pub fn down(&mut self) {
        let connections = {
            let mut state = self.shared.state();
            state.is_down = true;
            std::mem::take(&mut state.connections)
        };
        // Wakes the thread that waits for the next connection.
        let _ = TcpStream::connect(("127.0.0.1", self.shared.port));
        if let Some(thread) = self.accepting.take() {
            let _ = thread.join();
        }
        for connection in connections {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    /// Takes connections again.
    ///
    /// # Errors
    /// If the port is taken meanwhile.
    pub fn up(&mut self) -> Result<()> {
        if self.accepting.is_some() {
            return Ok(());
        }
        let listener = crate::wait_for("the sink's port is free again", || {
            Ok(TcpListener::bind(("127.0.0.1", self.shared.port)).ok())
        })?;
        self.shared.state().is_down = false;
        self.accepting = Some(accept(&self.shared, listener));
        Ok(())
    }

    /// Returns what arrived since last asked.
    pub fn take(&self) -> Vec<Arrived> {
        std::mem::take(&mut self.shared.state().arrived)
    }

    /// Returns a channel that tells of the next batch of a spooled lane at `moment`.
    pub fn trap(&self, moment: Moment) -> Receiver<()> {
        let (send, receive) = channel();
        self.shared.state().trap = Some((moment, send));
        receive
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.down();
    }
}

fn accept(shared: &Arc<Shared>, listener: TcpListener) -> JoinHandle<()> {
    let shared = Arc::clone(shared);
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let Ok(connection) = connection else { continue };
            let mut state = shared.state();
            if state.is_down {
                return;
            }
            let Ok(kept) = connection.try_clone() else { continue };
            state.connections.push(kept);
            drop(state);
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || {
                // A connection ends when either side wants no more; that is no failure.
                let _ = shared.serve(&connection);
                let _ = connection.shutdown(Shutdown::Both);
            });
        }
    })
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, mut connection: &TcpStream) -> Result<()> {
        connection.set_nodelay(true)?;
        loop {
            let mut length = [0; 4];
            connection.read_exact(&mut length)?;
            let length = u32::from_be_bytes(length) as usize;
            anyhow::ensure!(length <= REQUEST_BYTES_MAX, "a request of {length} bytes");
            let mut request = vec![0; length];
            connection.read_exact(&mut request)?;
            let mut fields = Fields::new(&request);
            let call = fields.call().context("a request without a head")?;
            let mut after = None;
            let answer = match call.key {
                API_VERSIONS => Answer::to(&call).api_versions(),
                METADATA => {
                    let topics = fields.metadata().context("a malformed Metadata")?;
                    Answer::to(&call).metadata(self.port, &topics)
                }
                INIT_PRODUCER_ID => {
                    let mut state = self.state();
                    state.producer_count += 1;
                    Answer::to(&call).producer_id(state.producer_count)
                }
                PRODUCE => {
                    let produce = fields.produce().context("a malformed Produce")?;
                    match self.produce(&call, &produce) {
                        (Some(answer), told) => {
                            after = told;
                            answer
                        }
                        (None, Some(told)) => {
                            let _ = told.send(());
                            // Connected, and mute, until the other side is gone.
                            std::io::copy(&mut connection, &mut std::io::sink())?;
                            return Ok(());
                        }
                        (None, None) => continue,
                    }
                }
                LIST_OFFSETS => {
                    let (topic, is_begin) =
                        fields.list_offsets().context("a malformed ListOffsets")?;
                    let end = self.state().topics.get(topic).map_or(0, |topic| topic.end);
                    Answer::to(&call).offset(topic, if is_begin { 0 } else { end })
                }
                FETCH => match fields.fetch().context("a malformed Fetch")? {
                    Some((topic, offset)) => self.fetch(&call, topic, offset),
                    None => Answer::to(&call).fetched_nothing(),
                },
                other => anyhow::bail!("call {other} is none of our agent's"),
            };
            connection.write_all(&answer.finish())?;
            if let Some(told) = after {
                let _ = told.send(());
            }
        }
    }

    /// Returns one batch at a time: enough for who looks back at a few.
    fn fetch(&self, call: &Call, topic: &str, offset: i64) -> Answer {
        let state = self.state();
        let known = state.topics.get(topic);
        let end = known.map_or(0, |topic| topic.end);
        match known.and_then(|topic| topic.from(offset)) {
            Some(batch) => Answer::to(call).fetched(topic, end, batch),
            None => {
                drop(state);
                std::thread::sleep(FETCH_PAUSE);
                Answer::to(call).fetched(topic, end, &[])
            }
        }
    }

    /// Takes what is handed over. The channel, if any, is to be told once the answer is sent; without
    /// an answer, at once.
    fn produce(&self, call: &Call, produce: &Produce<'_>) -> (Option<Answer>, Option<Sender<()>>) {
        let mut state = self.state();
        // What comes behind the end of an outage's beginning is not taken: the topic has no room for
        // what nobody can hear an answer to.
        if state.is_down {
            return (None, None);
        }
        let taken_before = state.arrived.len();
        let mut outcomes = Vec::new();
        for part in &produce.parts {
            let mut batches = Fields::new(part.batches);
            let (mut error, mut offset) = (0, -1);
            while let Some(batch) = batches.batch() {
                match state.take(part.topic, &batch) {
                    Ok(at) => offset = at,
                    Err(code) => error = code,
                }
            }
            outcomes.push(Outcome {
                topic: part.topic.to_owned(),
                partition: part.partition,
                error,
                offset,
            });
        }
        let sprung = if state.arrived.len() > taken_before { state.trap.take() } else { None };
        let (moment, told) = sprung.unzip();
        let is_answered = produce.acks != 0 && moment != Some(Moment::BeforeAck);
        (is_answered.then(|| Answer::to(call).produced(&outcomes)), told)
    }
}

impl State {
    /// Takes a batch, unless it is here already; returns its offset, or the error the producer gets.
    fn take(&mut self, topic: &str, batch: &Batch<'_>) -> Result<i64, i16> {
        if !batch.is_whole {
            return Err(CORRUPT_MESSAGE);
        }
        let producer = (batch.producer, batch.epoch, topic.to_owned());
        let numbers = self.producers.entry(producer).or_default();
        if let Some((_, offset)) = numbers.known.iter().find(|(first, _)| *first == batch.sequence)
        {
            return Ok(*offset);
        }
        if numbers.next != batch.sequence {
            return Err(OUT_OF_ORDER);
        }
        let count = i32::try_from(batch.messages.len()).unwrap_or(i32::MAX);
        numbers.next = numbers.next.wrapping_add(count);
        let offset = self.topics.entry(topic.to_owned()).or_default().append(batch, count);
        numbers.known.push_back((batch.sequence, offset));
        if numbers.known.len() > BATCHES_KNOWN {
            numbers.known.pop_front();
        }
        if topic != Lane::Heartbeats.topic() {
            let at = Instant::now();
            self.arrived.extend(batch.messages.iter().map(|message| {
                let headers = message.headers.iter().copied();
                let record = Record::from_kafka(headers, message.value.to_vec());
                Arrived { record: record.map_err(|error| error.to_string()), at }
            }));
        }
        Ok(offset)
    }
}
