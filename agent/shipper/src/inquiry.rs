//! Inquiry: asks the broker which batches it has that no cursor says.
//!
//! A killed agent does not know the fate of what was under way. The broker does: what it took stands
//! behind the last batch it acknowledged, whose place the cursor names, or before there was one at the end
//! of the partition that our key leads to. So after a start, if there are
//! batches that may have been sent before, what stands there is read, and a batch of which the broker has
//! every byte is not sent again. See `docs/adr/0017-the-broker-is-asked-after-a-kill.md`.
//!
//! It can only spare repeats, never lose anything: a batch counts as taken only if its hash is that of the
//! batch in our spool. Whoever cannot be asked, or gives no answer in time, has the batches sent again.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use agent_spool::Location;
use agent_wire::{AgentId, Hash, Lane, Record};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

use crate::ShipperConfig;
use crate::partition;
use crate::producer::{Producer, connection};

/// The first call waits so long for the broker, each next one twice as long, up to a bound: between two it
/// is looked whether we are to stop, and a line may be so long that a second is too short.
const CALL_WAIT_MIN: Duration = Duration::from_secs(1);
const CALL_WAIT_MAX: Duration = Duration::from_secs(30);
/// Between two calls that failed.
const CALL_PAUSE: Duration = Duration::from_millis(200);
/// A broker that takes what we send, and has told nothing for so long, will not.
const DEAF_AFTER: Duration = Duration::from_secs(20);
/// An answer that takes longer says that the line is long. Then the system may still be sending what
/// the killed agent had written, and it is waited for that.
const NEAR: Duration = Duration::from_millis(10);
/// On a long line: so many times what an answer took.
const SETTLE_TIMES: u32 = 5;
/// And so long at most.
const SETTLE_MAX: Duration = Duration::from_secs(2);
/// What stands behind the last acknowledged batch is read for so long, so many messages and so many bytes
/// at most: agents share partitions. 16 MiB is four times what can have been under way on a lane.
const READ_WAIT_MAX: Duration = Duration::from_secs(10);
const READ_COUNT_MAX: usize = 1_000;
const READ_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Before the first acknowledgement it is not known where to look: so many messages at the end of the
/// partition of our key are read. Until then one batch is under way.
const TAIL_COUNT: u64 = 64;
/// How often it is looked whether we are to stop while nothing comes.
const READ_LOOK: Duration = Duration::from_millis(100);

/// Batches that the broker has, by epoch and number: the hash of each, and where it is kept.
pub(crate) type Taken = HashMap<(u64, u64), (Hash, Location)>;

/// What is asked, and by whom.
pub(crate) struct Inquiry {
    pub(crate) config: ShipperConfig,
    /// The client that will send: as long as it reaches nobody, there is nobody to send to either.
    pub(crate) client: Arc<Producer>,
    pub(crate) agent: AgentId,
    pub(crate) lane: Lane,
    /// Where the last acknowledged batch stands, if that is known.
    pub(crate) after: Option<Location>,
    /// Set once the client has delivered anything.
    pub(crate) has_delivered: Arc<AtomicBool>,
    pub(crate) stop: CancellationToken,
    /// Told when there is an answer.
    pub(crate) wake: Arc<Notify>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum Silence {
    #[error("kafka does not tell; an exact answer needs READ and DESCRIBE on the topic")]
    Refused(#[source] KafkaError),
    #[error("the topic ends at {end}, before the last acknowledged batch: it was made anew")]
    Anew { end: u64 },
    #[error("kafka.properties")]
    Properties(#[source] crate::Error),
    #[error("the agent stops")]
    Stopped,
}

impl Inquiry {
    /// Asks on a thread of its own, since the client blocks. Without an answer nothing counts as taken.
    pub(crate) fn start(self) -> oneshot::Receiver<Taken> {
        let (tell, answer) = oneshot::channel();
        let asking = std::thread::Builder::new().name("shipper-ask".to_owned());
        let started = asking.spawn(move || {
            let taken = self.ask().unwrap_or_else(|silence| {
                if !matches!(silence, Silence::Stopped) {
                    tracing::info!(
                        lane = %self.lane, reason = %rules_service::logs::chain(&silence),
                        "what was under way when the agent ended is sent again, perhaps a second time"
                    );
                }
                Taken::new()
            });
            // Nobody listens any more: the agent stops.
            let _ = tell.send(taken);
            self.wake.notify_one();
        });
        if let Err(error) = started {
            // The answer's other end is gone with the thread: as no answer.
            tracing::debug!(%error, "kafka is not asked");
        }
        answer
    }

    fn ask(&self) -> Result<Taken, Silence> {
        let topic = self.lane.topic();
        let partition = match self.after {
            Some(after) => after.partition,
            None => {
                let count = self.told(|wait| self.client.partitions_of(topic, wait))?;
                partition::of(&self.agent.to_string(), count).unwrap_or_default()
            }
        };
        let ends = || self.told(|wait| self.client.ends_of(topic, partition, wait));
        ends()?;
        let asked = Instant::now();
        let (mut begin, mut end) = ends()?;
        let took = asked.elapsed();
        if took > NEAR {
            self.pause((took * SETTLE_TIMES).min(SETTLE_MAX))?;
            (begin, end) = ends()?;
        }
        let from = self.after.map_or(end.saturating_sub(TAIL_COUNT), |after| after.offset + 1);
        if end < from {
            return Err(Silence::Anew { end });
        }
        let from = from.max(begin);
        if end <= from {
            return Ok(Taken::new());
        }
        self.read(partition, from, end)
    }

    /// Asks until there is an answer: as long as no broker is there, nothing could be sent either.
    fn told<T>(&self, call: impl Fn(Duration) -> Result<T, KafkaError>) -> Result<T, Silence> {
        let (begun, mut wait) = (Instant::now(), CALL_WAIT_MIN);
        loop {
            match call(wait) {
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    let is_deaf =
                        self.has_delivered.load(Ordering::Relaxed) && begun.elapsed() > DEAF_AFTER;
                    if !is_unreachable(&error) || is_deaf || self.client.fatal().is_some() {
                        return Err(Silence::Refused(error));
                    }
                }
            }
            self.pause(CALL_PAUSE)?;
            wait = (wait * 2).min(CALL_WAIT_MAX);
        }
    }

    fn pause(&self, wait: Duration) -> Result<(), Silence> {
        std::thread::sleep(wait);
        if self.stop.is_cancelled() { Err(Silence::Stopped) } else { Ok(()) }
    }

    /// Reads what stands in a stretch of the partition.
    fn read(&self, partition: u32, from: u64, end: u64) -> Result<Taken, Silence> {
        let consumer = self.consumer(partition, from)?;
        let (mut taken, mut count, mut bytes) = (Taken::new(), 0, 0);
        let begun = Instant::now();
        while begun.elapsed() < READ_WAIT_MAX && count < READ_COUNT_MAX && bytes < READ_BYTES_MAX {
            if self.stop.is_cancelled() {
                return Err(Silence::Stopped);
            }
            match consumer.poll(READ_LOOK) {
                None => {}
                Some(Ok(message)) => {
                    count += 1;
                    bytes += message.payload_len();
                    let offset = u64::try_from(message.offset()).unwrap_or(u64::MAX - 1);
                    if let Some(record) = self.own(&message) {
                        let header = &record.header;
                        let location = Location { partition, offset };
                        taken.insert((header.epoch, header.seq), (record.hash(), location));
                    }
                    if offset + 1 >= end {
                        break;
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) => break,
                Some(Err(error)) if is_refusal(&error) => return Err(Silence::Refused(error)),
                // The client tries again by itself.
                Some(Err(error)) => tracing::debug!(%error, "while asking kafka"),
            }
        }
        tracing::info!(
            lane = %self.lane, messages = count, bytes, taken = taken.len(),
            "kafka was asked what it has of what was under way when the agent ended"
        );
        Ok(taken)
    }

    fn consumer(&self, partition: u32, from: u64) -> Result<BaseConsumer, Silence> {
        let mut client = connection(&self.config).map_err(Silence::Properties)?;
        let consumer: BaseConsumer = client
            // The library wants one. Nobody joins it, nothing is stored in it.
            .set("group.id", "vonglau-agent")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_uncommitted")
            // No more ahead of us than the largest message; and when it is read, on at once.
            .set("queued.max.messages.kbytes", "2048")
            .set("fetch.queue.backoff.ms", "10")
            .set("max.partition.fetch.bytes", "2097152")
            .set("fetch.wait.max.ms", "50")
            .create()
            .map_err(Silence::Refused)?;
        let mut partitions = TopicPartitionList::new();
        let partition = i32::try_from(partition).unwrap_or(i32::MAX);
        let from = Offset::Offset(i64::try_from(from).unwrap_or(i64::MAX));
        partitions
            .add_partition_offset(self.lane.topic(), partition, from)
            .and_then(|()| consumer.assign(&partitions))
            .map_err(Silence::Refused)?;
        Ok(consumer)
    }

    /// Returns the batch that a message holds, if it says it is ours.
    fn own(&self, message: &BorrowedMessage<'_>) -> Option<Record> {
        let headers = message.headers()?;
        let pairs = headers.iter().filter_map(|header| Some((header.key, header.value?)));
        let record = Record::from_kafka(pairs, message.payload()?.to_vec()).ok()?;
        let is_ours = record.header.agent == self.agent && record.header.lane == self.lane;
        is_ours.then_some(record)
    }
}

fn is_unreachable(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::BrokerTransportFailure
                | Code::AllBrokersDown
                | Code::Resolve
                | Code::OperationTimedOut
                | Code::RequestTimedOut
                | Code::NetworkException
                | Code::LeaderNotAvailable
                | Code::NotLeaderForPartition
                | Code::BrokerNotAvailable
                | Code::SSL
                | Code::Authentication
                | Code::SaslAuthenticationFailed
        )
    )
}

/// Whether trying again makes no sense.
fn is_refusal(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::TopicAuthorizationFailed
                | Code::UnknownTopic
                | Code::UnknownTopicOrPartition
                | Code::UnknownPartition
                | Code::OffsetOutOfRange
                | Code::AutoOffsetReset
        )
    )
}
