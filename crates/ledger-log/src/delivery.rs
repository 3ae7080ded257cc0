//! A producer whose delivery reports go to whoever waits for them.
//!
//! rdkafka's own `FutureProducer` does the same with one channel per record; here a batch shares one report, and the
//! reports are seen in the order of the log.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use ledger::Partition;
use rdkafka::ClientContext;
use rdkafka::bindings::rd_kafka_msg_status_t as MessageStatus;
use rdkafka::bindings::{rd_kafka_flush, rd_kafka_message_status};
use rdkafka::client::OAuthToken;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, DeliveryResult, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, PurgeConfig, ThreadedProducer};
use rdkafka::util::IntoOpaque;

use crate::cluster::ClientEvents;
use crate::{TRACEPARENT, Traceparent};

/// How long a flush lasts at most, rounded up by librdkafka.
const FLUSH: Duration = Duration::from_millis(2);

/// Where a record came to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) timestamp_ms: Option<i64>,
}

/// Takes the delivery reports of one producer, each with what its record was sent with.
pub(crate) trait Reports: Send + Sync + 'static {
    type Ticket: IntoOpaque + Send;

    fn delivered(&self, ticket: Self::Ticket, result: Result<Delivery, Undelivered>);
}

/// Why a record has no confirmation.
#[derive(Debug, Clone)]
pub(crate) struct Undelivered {
    pub(crate) error: KafkaError,
    /// Whether it may stand in the log all the same. It does not only where librdkafka knows that it was never written
    /// (`RD_KAFKA_MSG_STATUS_NOT_PERSISTED`): never sent, or refused by the broker each time.
    pub(crate) maybe_recorded: bool,
}

impl Undelivered {
    fn new(error: &KafkaError, message: &BorrowedMessage<'_>) -> Self {
        Self {
            error: error.clone(),
            maybe_recorded: status_of(message) != MessageStatus::RD_KAFKA_MSG_STATUS_NOT_PERSISTED,
        }
    }
}

#[expect(unsafe_code, reason = "rdkafka does not tell the status of a message")]
fn status_of(message: &BorrowedMessage<'_>) -> MessageStatus {
    // SAFETY: the message is that of a delivery report, and the borrow keeps the report.
    unsafe { rd_kafka_message_status(message.ptr()) }
}

/// A producer and its events.
pub(crate) struct Producer<R: Reports> {
    config: ClientConfig,
    events: ClientEvents,
    reports: Arc<R>,
    current: Mutex<Arc<Client<R>>>,
}

/// What sends for a producer, until it has come to its end.
pub(crate) struct Client<R: Reports> {
    producer: ThreadedProducer<Context<R>>,
    is_over: Arc<AtomicBool>,
    /// To the thread that flushes, once there is any.
    flushes: OnceLock<SyncSender<()>>,
}

/// A record to send; a key and a value, and the trace it belongs to.
#[derive(Debug)]
pub(crate) struct Outgoing<'a> {
    pub(crate) topic: &'static str,
    /// The one that the client chooses by the key, where none is given.
    pub(crate) partition: Option<Partition>,
    pub(crate) key: &'a str,
    pub(crate) value: &'a [u8],
    pub(crate) traceparent: Option<&'a Traceparent>,
}

impl<R: Reports> Producer<R> {
    pub(crate) fn new(config: ClientConfig, events: ClientEvents, reports: R) -> Result<Self, KafkaError> {
        let reports = Arc::new(reports);
        let current = Mutex::new(Client::open(&config, &events, &reports)?);
        Ok(Self { config, events, reports, current })
    }

    pub(crate) fn events(&self) -> &ClientEvents {
        &self.events
    }

    /// Why a record failed. A time-out by itself says little; what the client ran into before says more.
    pub(crate) fn reason(&self, error: &KafkaError) -> String {
        let trouble = match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::MessageTimedOut | RDKafkaErrorCode::OperationTimedOut) => self.events.last_trouble(),
            _ => None,
        };
        trouble.unwrap_or_else(|| error.to_string())
    }

    /// Asks a broker whether a topic is there and every partition of it has a leader.
    pub(crate) async fn ask_for_topic(&self, topic: &'static str, timeout: Duration) -> Result<(), KafkaError> {
        let client = self.client()?;
        let asked = tokio::task::spawn_blocking(move || {
            let metadata = client.producer.client().fetch_metadata(Some(topic), timeout)?;
            let found = metadata.topics().iter().find(|found| found.name() == topic);
            let partitions = found.map_or(&[][..], |found| found.partitions());
            match partitions.iter().find_map(|partition| partition.error()) {
                Some(error) => Err(KafkaError::MetadataFetch(error.into())),
                None if partitions.is_empty() => Err(KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopic)),
                None => Ok(()),
            }
        });
        asked.await.unwrap_or_else(|ended| std::panic::resume_unwind(ended.into_panic()))
    }

    /// The client that sends; another one where the last has come to its end.
    pub(crate) fn client(&self) -> Result<Arc<Client<R>>, KafkaError> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.is_over.load(Ordering::Relaxed) {
            tracing::warn!("the producer was given up, by the brokers or for want of time; another takes its place");
            let over = std::mem::replace(&mut *current, Client::open(&self.config, &self.events, &self.reports)?);
            // What it has in flight comes back to whoever waits for it as failed; joining its threads takes a moment.
            let _without_a_thread_it_has_ended_here =
                thread::Builder::new().name("ending".to_owned()).spawn(move || drop(over));
        }
        Ok(current.clone())
    }
}

impl<R: Reports> Client<R> {
    fn open(config: &ClientConfig, events: &ClientEvents, reports: &Arc<R>) -> Result<Arc<Self>, KafkaError> {
        let is_over = Arc::new(AtomicBool::new(false));
        let context = Context { events: events.clone(), reports: reports.clone(), is_over: is_over.clone() };
        Ok(Arc::new(Self { producer: config.create_with_context(context)?, is_over, flushes: OnceLock::new() }))
    }
}

/// Whether a producer that was told so is never heard again. An idempotent producer counts its records with the broker; a
/// broker that has lost its memory, or has forgotten the producer, takes nothing more from it.
const fn ends_the_producer(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::Fatal
            | RDKafkaErrorCode::Fenced
            | RDKafkaErrorCode::ProducerFenced
            | RDKafkaErrorCode::InvalidProducerEpoch
            | RDKafkaErrorCode::InvalidProducerIdMapping
            | RDKafkaErrorCode::UnknownProducerId
            | RDKafkaErrorCode::OutOfOrderSequenceNumber
    )
}

impl<R: Reports> fmt::Debug for Producer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("client", &self.config.get("client.id")).finish_non_exhaustive()
    }
}

impl<R: Reports> Client<R> {
    /// Queues a record; its report comes later.
    pub(crate) fn send(&self, record: &Outgoing<'_>, ticket: R::Ticket) -> Result<(), (KafkaError, R::Ticket)> {
        let mut outgoing = BaseRecord::with_opaque_to(record.topic, ticket).key(record.key).payload(record.value);
        if let Some(partition) = record.partition {
            outgoing = outgoing.partition(partition.into());
        }
        if let Some(traceparent) = record.traceparent {
            let header = Header { key: TRACEPARENT, value: Some(traceparent.as_str()) };
            outgoing = outgoing.headers(OwnedHeaders::new_with_capacity(1).insert(header));
        }
        self.producer.send(outgoing).map_err(|(error, returned)| {
            self.is_over.fetch_or(error.rdkafka_error_code().is_some_and(ends_the_producer), Ordering::Relaxed);
            (error, returned.delivery_opaque)
        })
    }

    /// Has what is queued sent without waiting for `linger.ms`. A thread of its own does it, since it has to wait.
    pub(crate) fn hurry(self: &Arc<Self>) {
        let flushes = self.flushes.get_or_init(|| flusher(Arc::downgrade(self)));
        // A flush already due covers this record too.
        let _ = flushes.try_send(());
    }

    /// While it lasts, nothing waits for `linger.ms`. It lasts until nothing is unconfirmed, or for [`FLUSH`].
    #[expect(
        unsafe_code,
        reason = "rdkafka's own flush polls, so that a second thread would take reports and mix up their order"
    )]
    fn flush(&self) {
        let at_most_ms = i32::try_from(FLUSH.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the client lives as long as the borrow. Reports are taken by the thread of the `ThreadedProducer`, as events,
        // so this waits and calls nothing back.
        let _what_is_left_waits_no_longer_than_it_would =
            unsafe { rd_kafka_flush(self.producer.client().native_ptr(), at_most_ms) };
    }

    /// Takes everything out of the queue that is not confirmed; each of it is reported as failed. The next record is sent by
    /// another client: this one no longer knows how it stands with the brokers.
    pub(crate) fn give_up(&self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.producer.purge(PurgeConfig::default().queue().inflight());
    }
}

/// Flushes each time it is told to, until its client is gone.
fn flusher<R: Reports>(client: Weak<Client<R>>) -> SyncSender<()> {
    let (flushes, due) = sync_channel(1);
    let flush = move || {
        while due.recv().is_ok() {
            let Some(client) = client.upgrade() else { return };
            client.flush();
        }
    };
    if let Err(error) = thread::Builder::new().name("flusher".to_owned()).spawn(flush) {
        tracing::warn!(%error, "no thread to flush the producer with: commands wait for linger.ms even when few are sent");
    }
    flushes
}

/// What librdkafka calls back.
pub(crate) struct Context<R> {
    events: ClientEvents,
    reports: Arc<R>,
    is_over: Arc<AtomicBool>,
}

impl<R: Reports> ProducerContext for Context<R> {
    type DeliveryOpaque = R::Ticket;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: R::Ticket) {
        let result = match result {
            Ok(message) => Ok(Delivery {
                partition: message.partition(),
                offset: message.offset(),
                timestamp_ms: message.timestamp().to_millis(),
            }),
            Err((error, message)) => Err(Undelivered::new(error, message)),
        };
        match &result {
            Ok(_) => self.events.went_well(),
            Err(Undelivered { error, .. }) if error.rdkafka_error_code().is_some_and(ends_the_producer) => {
                self.is_over.store(true, Ordering::Relaxed);
            }
            Err(_) => {}
        }
        self.reports.delivered(ticket, result);
    }
}

impl<R: Reports> ClientContext for Context<R> {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = ClientEvents::ENABLE_REFRESH_OAUTH_TOKEN;

    fn log(&self, level: RDKafkaLogLevel, kind: &str, message: &str) {
        self.events.log(level, kind, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.events.error(error, reason);
    }

    fn generate_oauth_token(&self, config: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        self.events.generate_oauth_token(config)
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::DefaultProducerContext;
    use tokio::sync::oneshot;
    use tokio::time::timeout;

    use super::*;
    use crate::config::LogConfig;
    use crate::{COMMANDS, Cluster};

    struct Tell;

    impl Reports for Tell {
        type Ticket = Box<oneshot::Sender<Result<Delivery, Undelivered>>>;

        fn delivered(&self, ticket: Self::Ticket, result: Result<Delivery, Undelivered>) {
            let _ = ticket.send(result);
        }
    }

    #[tokio::test]
    async fn who_is_in_a_hurry_does_not_wait_for_others() {
        let mock: MockCluster<'_, DefaultProducerContext> = MockCluster::new(1).unwrap();
        mock.create_topic(COMMANDS, 1, 1).unwrap();
        let brokers = |name: &str| (name == "KAFKA_BOOTSTRAP_SERVERS").then(|| mock.bootstrap_servers());
        let cluster = Cluster::find(&variables::read_from(brokers, LogConfig::read).unwrap()).await.unwrap();
        let mut config = cluster.client_config("passbook-test", Duration::from_secs(20));
        config.set("linger.ms", "100000");
        let producer = Producer::new(config, cluster.events(), Tell).unwrap();
        for offset in 0..3 {
            let (ticket, mut told) = oneshot::channel();
            let record = Outgoing { topic: COMMANDS, partition: Some(0), key: "a", value: b"{}", traceparent: None };
            let client = producer.client().unwrap();
            client.send(&record, Box::new(ticket)).map_err(|(error, _)| error).unwrap();
            // The client's thread may miss a flush that is short: here, where linger.ms is long, there is another one.
            let delivery = timeout(Duration::from_secs(20), async {
                loop {
                    client.hurry();
                    if let Ok(delivery) = timeout(Duration::from_millis(50), &mut told).await {
                        break delivery.unwrap();
                    }
                }
            });
            let delivery = delivery.await.expect("it waits for linger.ms");
            assert_eq!(delivery.unwrap().offset, offset);
        }
    }
}
