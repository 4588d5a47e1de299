//! Broker: Apache Kafka as the other end, read back from the first message to the last.

use std::path::Path;
use std::time::Duration;

use agent_wire::{Lane, Record};
use anyhow::Result;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::{Offset, TopicPartitionList};

use crate::servers::Kafka;

/// Partitions of a topic that the broker made (`num.partitions` in `tests/lib/kafka.sh`).
const PARTITIONS: i32 = 2;
/// Most messages taken at once, so that a look does not become a long one.
const TAKE_MAX: usize = 2_000;
/// How long a look waits for the next message.
const LOOK: Duration = Duration::from_millis(2);
/// How long the end of a topic is waited for.
const END: Duration = Duration::from_secs(10);

/// A broker of our own, and a consumer that reads all it holds.
pub struct Broker {
    kafka: Kafka,
    consumer: BaseConsumer,
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker").field("kafka", &self.kafka).finish_non_exhaustive()
    }
}

impl Broker {
    /// Starts a broker with its data in `dir`.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start(libs: &str, dir: &Path) -> Result<Self> {
        let mut kafka = Kafka::new(libs, dir)?.creating_topics();
        kafka.start()?;
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", kafka.bootstrap())
            .set("group.id", "faults")
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "earliest")
            .set("allow.auto.create.topics", "true")
            .set("topic.metadata.refresh.interval.ms", "500")
            .set("reconnect.backoff.max.ms", "500")
            .set_log_level(rdkafka::config::RDKafkaLogLevel::Critical)
            .create()?;
        let mut all = TopicPartitionList::new();
        for lane in Lane::SPOOLED {
            for partition in 0..PARTITIONS {
                all.add_partition_offset(lane.topic(), partition, Offset::Beginning)?;
            }
        }
        consumer.assign(&all)?;
        Ok(Self { kafka, consumer })
    }

    /// Returns `host:port`.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        self.kafka.bootstrap()
    }

    /// Kills the broker.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.kafka.kill()
    }

    /// Stops the broker as a service manager does.
    ///
    /// # Errors
    /// If it does not stop.
    pub fn stop(&mut self) -> Result<()> {
        self.kafka.stop()
    }

    /// Starts the broker again, with the data it had.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn up(&mut self) -> Result<()> {
        self.kafka.start()
    }

    /// Returns what the topics hold beyond what was taken.
    ///
    /// # Errors
    /// If a message cannot be read at all.
    pub fn take(&self) -> Result<Vec<Result<Record, String>>> {
        let mut taken = Vec::new();
        while taken.len() < TAKE_MAX {
            let Some(message) = self.consumer.poll(LOOK) else { break };
            // A broker that is away, a topic not made yet: the client tries again by itself.
            let Ok(message) = message else { break };
            let headers = message.headers().map(|headers| {
                headers.iter().filter_map(|header| Some((header.key, header.value?)))
            });
            let value = message.payload().unwrap_or_default().to_vec();
            let record = Record::from_kafka(headers.into_iter().flatten(), value);
            taken.push(record.map_err(|error| error.to_string()));
        }
        Ok(taken)
    }

    /// Waits until the consumer has been asked for everything the topics hold.
    ///
    /// # Errors
    /// If the broker cannot be asked.
    pub fn settle(&self) -> Result<Vec<Result<Record, String>>> {
        let mut taken = Vec::new();
        crate::wait_for("the ends of the topics are read", || {
            taken.extend(self.take()?);
            let position = self.consumer.position()?;
            for element in position.elements() {
                let (topic, partition) = (element.topic(), element.partition());
                let Ok((_, end)) = self.consumer.fetch_watermarks(topic, partition, END) else {
                    return Ok(None);
                };
                let read = element.offset().to_raw().unwrap_or(-1).max(0);
                if read < end {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        })?;
        Ok(taken)
    }
}
