//! KafkaSource: every partition of our three topics, read by position. The only file that knows
//! rdkafka.
//!
//! Partitions are assigned by hand, without a consumer group's rebalancing: positions in SQLite are
//! the truth, and one collector reads all. Offsets are committed to the group for lag tools only.
//! Alerts and heartbeats have a consumer of their own, so that a backlog of events prefetched into
//! memory never stands before them.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use agent_wire::{Lane, Record};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{CommitMode, Consumer, ConsumerContext, StreamConsumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rules_event::Timestamp;
use rules_service::backoff::Backoff;
use rules_service::meter::Health;
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::source::{
    Arrival, Delivery, Lost, LostWhy, Partition, Position, Replayed, Source, Span, Undecodable,
};
use crate::{Error, Metrics, Result, agents};

/// The group that offsets are committed to.
const GROUP: &str = "vonglau-collector";

/// Largest record of our topics: a batch of 8 MiB compresses to far less, a usual one to 100 KiB.
const MESSAGE_BYTES_MAX: &str = "2097152";

/// Prefetched records of the events topic, in KiB, and of the two small ones.
const BULK_QUEUE_KBYTES: &str = "32768";
const EXPRESS_QUEUE_KBYTES: &str = "8192";

/// How often new partitions are looked for and lag is measured.
const REFRESH: Duration = Duration::from_secs(30);

/// How long one request to the brokers may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the look-up of a partition's start may hold up reading.
const GLANCE_TIMEOUT: Duration = Duration::from_secs(2);

/// Delays between tries while no broker answers.
const RETRY_DELAY_MIN: Duration = Duration::from_millis(200);
const RETRY_DELAY_MAX: Duration = Duration::from_secs(10);

/// What health calls this part.
const SUBJECT: &str = "kafka";

/// Where Kafka is.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KafkaConfig {
    /// `host:port`, several separated by commas.
    pub bootstrap: String,
    /// Settings of librdkafka, such as `security.protocol`. Those that exactly-once rests on are
    /// set by us and win.
    #[serde(default)]
    pub properties: BTreeMap<String, String>,
    /// Partitions of topics we create; 6 by default. More can be added later.
    #[serde(default = "partitions_default")]
    pub partitions: i32,
    /// Copies of topics we create; 1 by default. Three on a cluster of three.
    #[serde(default = "replication_default")]
    pub replication: i32,
}

fn partitions_default() -> i32 {
    6
}

fn replication_default() -> i32 {
    1
}

type Client = StreamConsumer<Context>;

/// Reads the three topics of Vọng Lâu.
pub struct KafkaSource {
    config: KafkaConfig,
    /// Alerts and heartbeats.
    express: Arc<Client>,
    /// Events.
    bulk: Arc<Client>,
    health: Health,
    metrics: Metrics,
    positions: Vec<Position>,
    reading: HashMap<(String, i32), Reading>,
    waiting: VecDeque<Arrival>,
    refresh: Interval,
    survey: Option<JoinHandle<KafkaResult<Survey>>>,
}

/// A partition that is being read.
struct Reading {
    partition: Partition,
    /// Offset after the last one had; `None` before the first of a partition without position.
    next: Option<i64>,
}

/// What the brokers say of our topics.
struct Survey {
    cluster: String,
    /// Topic, partition, first offset, offset after the last.
    partitions: Vec<(&'static str, i32, i64, i64)>,
}

impl std::fmt::Debug for KafkaSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KafkaSource({}, {} partitions)", self.config.bootstrap, self.reading.len())
    }
}

impl KafkaSource {
    /// Returns a source that is not connected yet.
    ///
    /// # Errors
    /// [`Error::KafkaConfig`] if librdkafka refuses a setting.
    pub fn new(config: KafkaConfig, metrics: Metrics, health: Health) -> Result<Self> {
        let client = |queue| {
            consumer_config(&config, queue)
                .create_with_context(Context { health: health.clone() })
                .map(Arc::new)
                .map_err(|source| refused(&config, source))
        };
        let mut refresh = interval(REFRESH);
        refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            express: client(EXPRESS_QUEUE_KBYTES)?,
            bulk: client(BULK_QUEUE_KBYTES)?,
            health,
            metrics,
            positions: Vec::new(),
            reading: HashMap::new(),
            waiting: VecDeque::new(),
            refresh,
            survey: None,
            config,
        })
    }

    /// Asks the brokers about our topics until they answer.
    async fn survey_patiently(&self) -> Survey {
        let mut backoff = Backoff::new(RETRY_DELAY_MIN, RETRY_DELAY_MAX);
        loop {
            let problem = match blocking(&self.express, survey).await {
                Ok(survey) => match self.missing(&survey) {
                    missing if missing.is_empty() => {
                        self.health.resolved(SUBJECT);
                        return survey;
                    }
                    missing => match self.create(&missing).await {
                        // Whether they are there now is for the next survey to say.
                        Ok(()) => format!("waiting for new topics {}", missing.join(", ")),
                        Err(error) => error,
                    },
                },
                Err(error) => format!("no answer from {}: {error}", self.config.bootstrap),
            };
            if backoff.failures() == 1 {
                tracing::warn!(%problem, "Kafka is not ready; trying again");
            }
            self.health.problem(SUBJECT, problem);
            tokio::time::sleep(backoff.next_delay()).await;
        }
    }

    fn missing(&self, survey: &Survey) -> Vec<&'static str> {
        let is_there = |topic: &str| survey.partitions.iter().any(|(known, ..)| *known == topic);
        topics().into_iter().filter(|topic| !is_there(topic)).collect()
    }

    async fn create(&self, missing: &[&'static str]) -> std::result::Result<(), String> {
        let admin: AdminClient<Context> = consumer_config(&self.config, EXPRESS_QUEUE_KBYTES)
            .create_with_context(Context { health: self.health.clone() })
            .map_err(|error| error.to_string())?;
        let topics: Vec<NewTopic<'_>> = missing
            .iter()
            .map(|name| {
                let copies = TopicReplication::Fixed(self.config.replication);
                NewTopic::new(name, self.config.partitions, copies)
                    .set("max.message.bytes", MESSAGE_BYTES_MAX)
                    // The broker's clock decides when a record arrived, not the agent's.
                    .set("message.timestamp.type", "LogAppendTime")
            })
            .collect();
        let options = AdminOptions::new()
            .request_timeout(Some(REQUEST_TIMEOUT))
            .operation_timeout(Some(REQUEST_TIMEOUT));
        let created =
            admin.create_topics(&topics, &options).await.map_err(|error| error.to_string())?;
        for result in created {
            match result {
                Ok(name) => tracing::info!(topic = %name, "topic created"),
                Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((name, code)) => {
                    return Err(format!(
                        "topic {name} does not exist and cannot be created: {code}"
                    ));
                }
            }
        }
        Ok(())
    }

    /// Begins to read partitions that are not being read yet, and notes how far behind we are.
    fn take_up(&mut self, survey: &Survey) {
        for &(topic, number, low, high) in &survey.partitions {
            let key = (topic.to_owned(), number);
            if !self.reading.contains_key(&key) {
                let (reading, lost) = self.place(&survey.cluster, topic, number, low, high);
                let mut list = TopicPartitionList::new();
                let offset = reading.next.map_or(Offset::Beginning, Offset::Offset);
                let assigned = list
                    .add_partition_offset(topic, number, offset)
                    .and_then(|()| self.client(topic).incremental_assign(&list));
                if let Err(error) = assigned {
                    self.health.problem(SUBJECT, format!("cannot read {topic}/{number}: {error}"));
                    continue;
                }
                tracing::info!(topic, partition = number, next = reading.next, "reading");
                self.waiting.extend(lost.map(Arrival::Lost));
                self.reading.insert(key.clone(), reading);
            }
            let next = self.reading.get(&key).and_then(|reading| reading.next).unwrap_or(low);
            let labels = [topic, &number.to_string()];
            self.metrics.lag_records.with_label_values(&labels).set((high - next.max(low)).max(0));
        }
    }

    /// Decides where to begin in a partition.
    fn place(
        &self,
        cluster: &str,
        topic: &str,
        number: i32,
        low: i64,
        high: i64,
    ) -> (Reading, Option<Lost>) {
        let first = format!("{cluster}/{topic}");
        let known = self
            .positions
            .iter()
            .filter(|position| {
                let partition = &position.partition;
                partition.topic == topic
                    && partition.number == number
                    && incarnation(&partition.topic_id, &first).is_some()
            })
            .max_by_key(|position| incarnation(&position.partition.topic_id, &first));
        let partition = |topic_id: String| Partition { topic: topic.to_owned(), topic_id, number };
        let Some(known) = known else {
            return (Reading { partition: partition(first), next: None }, None);
        };
        let (mut partition, mut next) = (known.partition.clone(), known.next_offset);
        let mut lost = None;
        if next > high {
            partition.topic_id = next_incarnation(&partition.topic_id, &first);
            next = low;
            let why = LostWhy::Recreated;
            lost = Some(Lost { partition: partition.clone(), from: low, next: low, why });
        } else if next < low {
            let why = LostWhy::Retention;
            lost = Some(Lost { partition: partition.clone(), from: next, next: low, why });
            next = low;
        }
        (Reading { partition, next: Some(next) }, lost)
    }

    fn client(&self, topic: &str) -> &Arc<Client> {
        if topic == Lane::Events.topic() { &self.bulk } else { &self.express }
    }

    /// Takes a message, and notes whether offsets before it are gone.
    fn take(&mut self, raw: Raw) {
        let client = Arc::clone(self.client(&raw.topic));
        let Some(reading) = self.reading.get_mut(&(raw.topic.clone(), raw.number)) else {
            // Not assigned: cannot happen, and would not be lost, since positions are by partition.
            tracing::error!(topic = %raw.topic, partition = raw.number, "record of a partition not assigned");
            return;
        };
        match reading.next {
            Some(next) if raw.offset > next => {
                // A hole is nothing by itself (control records); a risen start is a loss.
                let low = client
                    .fetch_watermarks(&raw.topic, raw.number, GLANCE_TIMEOUT)
                    .map_or(next, |(low, _)| low.min(raw.offset));
                if low > next {
                    let (partition, why) = (reading.partition.clone(), LostWhy::Retention);
                    let lost = Lost { partition, from: next, next: low, why };
                    self.waiting.push_back(Arrival::Lost(lost));
                }
            }
            Some(next) if raw.offset < next => {
                let topic_id = &mut reading.partition.topic_id;
                let first = topic_id.split('#').next().unwrap_or_default().to_owned();
                *topic_id = next_incarnation(topic_id, &first);
                let (partition, from) = (reading.partition.clone(), raw.offset);
                let why = LostWhy::Recreated;
                let lost = Lost { partition, from, next: from, why };
                self.waiting.push_back(Arrival::Lost(lost));
            }
            _ => {}
        }
        reading.next = Some(raw.offset + 1);
        let delivery = raw.into_delivery(reading.partition.clone());
        self.waiting.push_back(Arrival::Delivery(delivery));
    }

    fn complain(&self, error: &KafkaError) {
        // librdkafka goes on by itself; it tells so that people know.
        self.health.problem(SUBJECT, error.to_string());
        tracing::debug!(%error, "Kafka reports a problem");
    }
}

impl Source for KafkaSource {
    async fn replay(&mut self, spans: &[Span]) -> Result<Replayed> {
        let survey = self.survey_patiently().await;
        let mut replayed = Replayed::default();
        for span in spans.iter().filter(|span| span.next > span.from) {
            let config = consumer_config(&self.config, BULK_QUEUE_KBYTES);
            let health = self.health.clone();
            let client: Client = config
                .clone()
                .set("enable.partition.eof", "true")
                .create_with_context(Context { health })
                .map_err(|source| refused(&self.config, source))?;
            replay(&client, &survey, span, &mut replayed).await;
        }
        Ok(replayed)
    }

    async fn start(&mut self, positions: &[Position]) -> Result<()> {
        self.positions = positions.to_vec();
        let survey = self.survey_patiently().await;
        self.take_up(&survey);
        self.refresh.reset();
        Ok(())
    }

    async fn next(&mut self) -> Result<Arrival> {
        loop {
            if let Some(arrival) = self.waiting.pop_front() {
                return Ok(arrival);
            }
            let (express, bulk) = (Arc::clone(&self.express), Arc::clone(&self.bulk));
            tokio::select! {
                biased;
                message = express.recv() => match message.map(|message| Raw::new(&message)) {
                    Ok(raw) => self.take(raw),
                    Err(error) => self.complain(&error),
                },
                message = bulk.recv() => match message.map(|message| Raw::new(&message)) {
                    Ok(raw) => self.take(raw),
                    Err(error) => self.complain(&error),
                },
                done = finished(&mut self.survey) => {
                    self.survey = None;
                    match done {
                        Ok(survey) => {
                            self.health.resolved(SUBJECT);
                            self.take_up(&survey);
                        }
                        Err(error) => self.complain(&error),
                    }
                }
                _ = self.refresh.tick(), if self.survey.is_none() => {
                    let client = Arc::clone(&self.express);
                    self.survey = Some(tokio::task::spawn_blocking(move || survey(&client)));
                }
            }
        }
    }

    async fn committed(&mut self, positions: &[Position]) {
        for (client, is_bulk) in [(&self.express, false), (&self.bulk, true)] {
            let mut list = TopicPartitionList::new();
            for position in positions {
                let Partition { topic, number, .. } = &position.partition;
                if (topic == Lane::Events.topic()) == is_bulk {
                    let offset = Offset::Offset(position.next_offset);
                    if let Err(error) = list.add_partition_offset(topic, *number, offset) {
                        tracing::debug!(%error, "offset not committed to the group");
                    }
                }
            }
            if list.count() > 0
                && let Err(error) = client.commit(&list, CommitMode::Async)
            {
                tracing::debug!(%error, "offsets not committed to the group");
            }
        }
    }
}

/// Reads one span again, as far as it is still there. Waits for brokers without end.
async fn replay(client: &Client, survey: &Survey, span: &Span, replayed: &mut Replayed) {
    let Partition { topic, topic_id, number } = &span.partition;
    let mut lose = |from, next| {
        if next > from {
            let (partition, why) = (span.partition.clone(), LostWhy::Retention);
            replayed.lost.push(Lost { partition, from, next, why });
        }
    };
    let here = survey.partitions.iter().find(|(known, n, ..)| known == topic && n == number);
    let is_same = incarnation(topic_id, &format!("{}/{topic}", survey.cluster)).is_some();
    let Some(&(_, _, low, high)) = here.filter(|_| is_same) else {
        return lose(span.from, span.next);
    };
    let (from, next) = (span.from.max(low), span.next.min(high));
    lose(span.from, from.min(span.next));
    lose(next.max(span.from), span.next);
    if from >= next {
        return;
    }
    let mut list = TopicPartitionList::new();
    let assigned = list
        .add_partition_offset(topic, *number, Offset::Offset(from))
        .and_then(|()| client.assign(&list));
    if let Err(error) = assigned {
        tracing::error!(%error, topic, partition = number, "cannot read the interrupted range again");
        return;
    }
    loop {
        match client.recv().await {
            Ok(message) if message.offset() < next => {
                let raw = Raw::new(&message);
                let is_last = raw.offset + 1 >= next;
                replayed.deliveries.push(raw.into_delivery(span.partition.clone()));
                if is_last {
                    return;
                }
            }
            Ok(_) | Err(KafkaError::PartitionEOF(_)) => return,
            Err(error) => tracing::warn!(%error, "reading the interrupted range again"),
        }
    }
}

/// A message, copied out of librdkafka.
struct Raw {
    topic: String,
    number: i32,
    offset: i64,
    received: Timestamp,
    headers: Vec<(String, Vec<u8>)>,
    value: Vec<u8>,
}

impl Raw {
    fn new(message: &BorrowedMessage<'_>) -> Self {
        let headers = message.headers().map_or_else(Vec::new, |headers| {
            headers
                .iter()
                .map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec()))
                .collect()
        });
        let received = message.timestamp().to_millis();
        Self {
            topic: message.topic().to_owned(),
            number: message.partition(),
            offset: message.offset(),
            received: received.map_or_else(agents::now, Timestamp::from_millis),
            headers,
            value: message.payload().unwrap_or_default().to_vec(),
        }
    }

    fn into_delivery(self, partition: Partition) -> Delivery {
        let Self { offset, received, headers, value, .. } = self;
        let pairs = headers.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
        let record = match Record::from_kafka(pairs, value.clone()) {
            Ok(record) => Ok(record),
            Err(error) => Err(Undecodable { reason: error.to_string(), headers, value }),
        };
        Delivery { partition, offset, received, record }
    }
}

/// What librdkafka tells outside of calls.
struct Context {
    health: Health,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Debug | RDKafkaLogLevel::Info | RDKafkaLogLevel::Notice => {
                tracing::debug!(target: "rdkafka", facility, "{message}");
            }
            _ => tracing::info!(target: "rdkafka", facility, "{message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            self.health.problem(SUBJECT, format!("no broker can be reached: {reason}"));
        }
        tracing::debug!(%error, reason, "librdkafka reports an error");
    }
}

impl ConsumerContext for Context {
    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        if let Err(error) = result {
            tracing::debug!(%error, "offsets not committed to the group");
        }
    }
}

fn topics() -> [&'static str; 3] {
    [Lane::Alerts.topic(), Lane::Events.topic(), Lane::Heartbeats.topic()]
}

/// Returns the number of an incarnation of the topic, 1 for the first; `None` for another topic.
fn incarnation(topic_id: &str, first: &str) -> Option<u32> {
    match topic_id.strip_prefix(first)? {
        "" => Some(1),
        rest => rest.strip_prefix('#')?.parse().ok(),
    }
}

fn next_incarnation(topic_id: &str, first: &str) -> String {
    format!("{first}#{}", incarnation(topic_id, first).unwrap_or(1) + 1)
}

fn consumer_config(config: &KafkaConfig, queue_kbytes: &str) -> ClientConfig {
    let mut client = ClientConfig::new();
    for (name, value) in &config.properties {
        client.set(name, value);
    }
    client
        .set("bootstrap.servers", &config.bootstrap)
        .set("client.id", GROUP)
        .set("group.id", GROUP)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "earliest")
        .set("isolation.level", "read_committed")
        .set("allow.auto.create.topics", "false")
        .set("check.crcs", "true")
        .set("fetch.wait.max.ms", "100")
        .set("queued.max.messages.kbytes", queue_kbytes)
        .set_log_level(RDKafkaLogLevel::Warning);
    client
}

fn refused(config: &KafkaConfig, source: KafkaError) -> Error {
    Error::KafkaConfig { bootstrap: config.bootstrap.clone(), source: source.into() }
}

/// Runs a blocking call of librdkafka away from the runtime's threads.
async fn blocking<T: Send + 'static>(
    client: &Arc<Client>,
    call: impl FnOnce(&Client) -> T + Send + 'static,
) -> T {
    let client = Arc::clone(client);
    tokio::task::spawn_blocking(move || call(&client))
        .await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

/// Waits for the survey under way; for ever, if there is none.
async fn finished(survey: &mut Option<JoinHandle<KafkaResult<Survey>>>) -> KafkaResult<Survey> {
    match survey {
        Some(handle) => {
            handle.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
        }
        None => std::future::pending().await,
    }
}

/// Asks the brokers about our topics; absent ones are left out.
fn survey(client: &Client) -> KafkaResult<Survey> {
    let cluster = client
        .client()
        .fetch_cluster_id(REQUEST_TIMEOUT)
        .ok_or(KafkaError::MetadataFetch(RDKafkaErrorCode::AllBrokersDown))?;
    let mut partitions = Vec::new();
    for topic in topics() {
        let metadata = client.fetch_metadata(Some(topic), REQUEST_TIMEOUT)?;
        let described = metadata.topics().iter().filter(|t| t.name() == topic);
        for partition in described.flat_map(|topic| topic.partitions()) {
            let number = partition.id();
            let (low, high) = client.fetch_watermarks(topic, number, REQUEST_TIMEOUT)?;
            partitions.push((topic, number, low, high));
        }
    }
    Ok(Survey { cluster, partitions })
}

#[cfg(test)]
mod tests {
    use prometheus::Registry;

    use super::*;

    const TOPIC: &str = "vonglau.events.v1";

    fn position(topic_id: &str, next_offset: i64) -> Position {
        let partition = Partition { topic: TOPIC.into(), topic_id: topic_id.into(), number: 0 };
        Position { partition, next_offset }
    }

    /// Where reading begins, under which id, and what is said to be lost.
    fn place(positions: Vec<Position>, low: i64, high: i64) -> (String, Option<i64>, Option<Lost>) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let _inside = runtime.enter();
        let config = KafkaConfig {
            bootstrap: "127.0.0.1:1".into(),
            properties: BTreeMap::new(),
            partitions: 1,
            replication: 1,
        };
        let metrics = Metrics::register(&Registry::new()).unwrap();
        let mut source = KafkaSource::new(config, metrics, Health::default()).unwrap();
        source.positions = positions;
        let (reading, lost) = source.place("c", TOPIC, 0, low, high);
        (reading.partition.topic_id, reading.next, lost)
    }

    #[test]
    fn reading_begins_where_it_should() {
        let first = "c/vonglau.events.v1";
        let second = "c/vonglau.events.v1#2";
        let third = "c/vonglau.events.v1#3";
        let at = |id: &str, next| vec![position(id, next)];
        let lost = |lost: Option<Lost>| lost.map(|lost| (lost.from, lost.next, lost.why));
        // Never read: from the beginning, whatever is no longer there.
        let (id, next, gone) = place(vec![], 5, 9);
        assert_eq!((id.as_str(), next, gone), (first, None, None));
        // Another cluster's positions say nothing.
        assert_eq!(place(at("d/vonglau.events.v1", 7), 5, 9).1, None);
        let (id, next, gone) = place(at(first, 7), 5, 9);
        assert_eq!((id.as_str(), next, gone), (first, Some(7), None));
        let (id, next, gone) = place(at(first, 2), 5, 9);
        assert_eq!((id.as_str(), next), (first, Some(5)));
        assert_eq!(lost(gone), Some((2, 5, LostWhy::Retention)));
        let (id, next, gone) = place(at(first, 10), 0, 9);
        assert_eq!((id.as_str(), next), (second, Some(0)));
        assert_eq!(lost(gone), Some((0, 0, LostWhy::Recreated)));
        // The newest incarnation counts.
        let both = vec![position(second, 3), position(first, 10)];
        assert_eq!(place(both.clone(), 0, 9), (second.into(), Some(3), None));
        assert_eq!(place(both, 0, 1).0, third);
    }
}
