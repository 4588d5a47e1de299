//! Producer: the one place that speaks with the Kafka client library.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use agent_spool::Location;
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};

use crate::ShipperConfig;
use crate::problem::{Failure, Trouble};

/// The largest message we hand over; topics must take it (`max.message.bytes`): 2 MiB. A batch aims
/// at 512 KiB before compression, and the longest single event adds less than 1 MiB to that.
const MESSAGE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// What a lane wants sent.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    pub(crate) topic: &'static str,
    pub(crate) key: &'a str,
    pub(crate) headers: &'a [(String, String)],
    pub(crate) value: &'a [u8],
}

/// A connection to Kafka. Dropping it forgets whatever it has not delivered.
pub(crate) struct Producer {
    pub(crate) made: Instant,
    client: FutureProducer<Listener>,
    trouble: Arc<Mutex<Option<Failure>>>,
}

/// Returns what every client of ours is told of the connection.
pub(crate) fn connection(config: &ShipperConfig) -> Result<ClientConfig, crate::Error> {
    let mut client = ClientConfig::new();
    client
        .set("client.id", "vonglau-agent")
        // The library's 10 s would make a broker that is back wait for us, and us for it.
        .set("reconnect.backoff.ms", "100")
        .set("reconnect.backoff.max.ms", "1000");
    for (name, value) in config.resolved()? {
        client.set(name, value);
    }
    client.set("bootstrap.servers", &config.bootstrap);
    client.set_log_level(RDKafkaLogLevel::Critical);
    Ok(client)
}

/// The fate of one message, as a future: where the broker keeps it, if it says so, or why it refused.
pub(crate) struct Receipt {
    topic: &'static str,
    delivery: Option<DeliveryFuture>,
    /// Where the broker keeps what was delivered before.
    location: Option<Location>,
}

impl Producer {
    /// Makes a client; this does not wait for a connection.
    pub(crate) fn new(config: &ShipperConfig) -> Result<Self, Failure> {
        let broken = |reason: String| Failure { trouble: Trouble::Properties, topic: None, reason };
        let mut client =
            connection(config).map_err(|error| broken(rules_service::logs::chain(&error)))?;
        client
            // Order and no repeats within a session; acks from all replicas in sync.
            .set("enable.idempotence", "true")
            .set("acks", "all")
            // Never give up: 0 is "for ever". What waits is on disk, not only here.
            .set("message.timeout.ms", "0")
            // Batches are compressed already, and gathered already.
            .set("compression.type", "none")
            .set("linger.ms", "0")
            .set("message.max.bytes", MESSAGE_BYTES_MAX.to_string())
            // A refusal that may pass by itself (a leader that moves, too few replicas) is tried again
            // by the library for some seconds, without repeats; then it is told to us, and to the
            // operator, and we try again.
            .set("retries", "8")
            .set("retry.backoff.ms", "100")
            .set("retry.backoff.max.ms", "1000")
            // A topic that is not there is told after 5 s, not 30.
            .set("topic.metadata.propagation.max.ms", "5000")
            // Above the bounds of the lanes, which are the ones that hold.
            .set("queue.buffering.max.messages", "200")
            .set("queue.buffering.max.kbytes", "12288")
            // As Java clients do, so that every tool finds an agent's partition.
            .set("partitioner", "murmur2_random");
        let trouble = Arc::new(Mutex::new(None));
        let listener = Listener { trouble: Arc::clone(&trouble), last: Mutex::new(None) };
        let client = FutureProducer::from_config_and_context(&client, listener)
            .map_err(|error| broken(error.to_string()))?;
        Ok(Self { made: Instant::now(), client, trouble })
    }

    /// Hands a message over; `None` if the client has no room at the moment.
    pub(crate) fn send(&self, message: &Message<'_>) -> Result<Option<Receipt>, Failure> {
        let mut headers = OwnedHeaders::new_with_capacity(message.headers.len());
        for (key, value) in message.headers {
            headers = headers.insert(Header { key, value: Some(value) });
        }
        let record = FutureRecord::to(message.topic)
            .key(message.key)
            .payload(message.value)
            .headers(headers);
        match self.client.send_result(record) {
            Ok(delivery) => {
                Ok(Some(Receipt { topic: message.topic, delivery: Some(delivery), location: None }))
            }
            Err((KafkaError::MessageProduction(Code::QueueFull), _)) => Ok(None),
            Err((error, _)) => Err(failure(&error, Some(message.topic), None)),
        }
    }

    /// Returns an error after which the client can send nothing more.
    pub(crate) fn fatal(&self) -> Option<Failure> {
        let (code, reason) = self.client.client().fatal_error()?;
        Some(failure(&KafkaError::Global(code), None, Some(&reason)))
    }

    /// Asks the broker how many partitions a topic has.
    pub(crate) fn partitions_of(
        &self,
        topic: &str,
        wait_max: Duration,
    ) -> Result<usize, KafkaError> {
        let metadata = self.client.client().fetch_metadata(Some(topic), wait_max)?;
        let told = metadata.topics().iter().find(|one| one.name() == topic);
        match told.and_then(|one| one.error()) {
            Some(error) => Err(KafkaError::MetadataFetch(error.into())),
            None => Ok(told.map_or(0, |one| one.partitions().len())),
        }
    }

    /// Asks the broker for the offset of a partition's first message, and for one behind that of its last.
    /// That a topic is missing, or closed to us, the first question tells; the second would wait for it
    /// in vain.
    pub(crate) fn ends_of(
        &self,
        topic: &str,
        partition: u32,
        wait_max: Duration,
    ) -> Result<(u64, u64), KafkaError> {
        self.partitions_of(topic, wait_max)?;
        let partition = i32::try_from(partition).unwrap_or(i32::MAX);
        let (begin, end) = self.client.client().fetch_watermarks(topic, partition, wait_max)?;
        let [begin, end] = [begin, end].map(|offset| u64::try_from(offset).unwrap_or_default());
        Ok((begin, end))
    }

    /// Returns what the connection complained of since last asked.
    pub(crate) fn trouble(&self) -> Option<Failure> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Receipt {
    /// A receipt for what needs no sending: delivered at once, or before, and then perhaps it is known
    /// where it is kept.
    pub(crate) fn none(location: Option<Location>) -> Self {
        Self { topic: "", delivery: None, location }
    }

    /// Returns the fate if it is known, without waiting. Once it is told the receipt is used up.
    pub(crate) fn now(&mut self) -> Option<Result<Option<Location>, Failure>> {
        match Pin::new(self).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => None,
        }
    }
}

impl Future for Receipt {
    type Output = Result<Option<Location>, Failure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let topic = self.topic;
        let Some(delivery) = &mut self.delivery else { return Poll::Ready(Ok(self.location)) };
        Poll::Ready(match ready!(Pin::new(delivery).poll(context)) {
            Ok(Ok(taken)) => Ok(location(taken.partition, taken.offset)),
            Ok(Err((error, _))) => Err(failure(&error, Some(topic), None)),
            Err(_) => Err(Failure {
                trouble: Trouble::Other,
                topic: Some(topic),
                reason: "the client was closed".to_owned(),
            }),
        })
    }
}

/// Hears what the client says of its connections, from the client's threads.
struct Listener {
    trouble: Arc<Mutex<Option<Failure>>>,
    /// The last failure of a single connection.
    last: Mutex<Option<Failure>>,
}

impl ClientContext for Listener {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, text: &str) {
        // Told to the operator through `error` below; the raw lines are for those who look closer.
        tracing::debug!(facility, text, "kafka client");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        // "All brokers are down" follows, and repeats, what happened to each of them: a refused
        // connection, a failed handshake. That is what helps, so it is kept.
        let is_summary = error.rdkafka_error_code() == Some(Code::AllBrokersDown);
        if is_summary {
            if trouble.is_none() {
                trouble.clone_from(&self.last.lock().unwrap_or_else(PoisonError::into_inner));
            }
            return;
        }
        let heard = failure(&error, None, Some(reason));
        self.last.lock().unwrap_or_else(PoisonError::into_inner).replace(heard.clone());
        *trouble = Some(heard);
    }
}

fn location(partition: i32, offset: i64) -> Option<Location> {
    let (partition, offset) = (u32::try_from(partition).ok()?, u64::try_from(offset).ok()?);
    Some(Location { partition, offset })
}

fn failure(error: &KafkaError, topic: Option<&'static str>, reason: Option<&str>) -> Failure {
    let code = error.rdkafka_error_code();
    let trouble = code.map_or(Trouble::Other, trouble_of);
    let reason = match (reason, code) {
        (Some(reason), _) => reason.to_owned(),
        (None, Some(code)) => code.to_string(),
        (None, None) => error.to_string(),
    };
    // A connection that ends within the handshake counts as a transport failure there.
    let is_handshake = trouble == Trouble::Unreachable && reason.contains("SSL ");
    let trouble = if is_handshake { Trouble::Tls } else { trouble };
    Failure { trouble, topic, reason }
}

fn trouble_of(code: Code) -> Trouble {
    match code {
        Code::BrokerTransportFailure
        | Code::AllBrokersDown
        | Code::Resolve
        | Code::OperationTimedOut
        | Code::MessageTimedOut
        | Code::RequestTimedOut
        | Code::NetworkException
        | Code::LeaderNotAvailable
        | Code::NotLeaderForPartition
        | Code::BrokerNotAvailable => Trouble::Unreachable,
        Code::SSL => Trouble::Tls,
        Code::Authentication
        | Code::SaslAuthenticationFailed
        | Code::UnsupportedSASLMechanism
        | Code::IllegalSASLState => Trouble::Credentials,
        Code::TopicAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed => Trouble::Permission,
        Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition => {
            Trouble::NoTopic
        }
        Code::MessageSizeTooLarge | Code::InvalidMessageSize => Trouble::TooLarge,
        Code::NotEnoughReplicas | Code::NotEnoughReplicasAfterAppend => Trouble::Replicas,
        Code::InvalidTimestamp => Trouble::Clock,
        Code::KafkaStorageError => Trouble::BrokerDisk,
        _ => Trouble::Other,
    }
}
