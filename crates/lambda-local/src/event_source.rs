//! Kafka event source mappings: consumer groups whose batches become invocations.
//!
//! A mapping has one or more pollers ([`KafkaSource::pollers`](crate::template::KafkaSource)); each is a consumer of the
//! same group, so that Kafka shares the partitions among them, here and across processes. Records become batches
//! ([`batcher`]), a batch is tried until it is settled ([`delivery`]), and only what is settled is committed
//! ([`checkpoint`]): at least once, in order within a partition. How one is invoked is an [`Invoker`].
//!
//! Left out on purpose: filters, destinations, schema registries, scaling by lag. Such a poller keeps trying quietly
//! while the brokers are away.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde::Serialize;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

pub mod batcher;
pub mod checkpoint;
mod context;
pub mod delivery;
mod invoker;
pub mod line;
mod poller;
mod progress;
mod record;
mod response;
#[cfg(test)]
mod simulation;

pub use invoker::{BadEndpoint, Invoked, Invoker};
pub use record::{Partition, Record};

use context::Context;
use delivery::Policy;
use progress::Progress;

use crate::invocation::PAYLOAD_LIMIT;
use crate::template::{KafkaSource, StartingPosition};

/// How the brokers are spoken to.
#[derive(Clone, Debug, Default)]
pub struct KafkaOptions {
    /// librdkafka settings, over this crate's own.
    pub config: Vec<(String, String)>,
    /// The brokers of MSK sources, whose template names only the cluster.
    pub msk_bootstrap_servers: Option<String>,
    /// Retries wait milliseconds instead of seconds.
    pub fast_retry: bool,
}

/// Why an event source cannot be polled.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An MSK source without brokers.
    #[error(
        "event source {source_name} of {function} reads from MSK: say where its brokers are with --msk-bootstrap-servers"
    )]
    NoBrokers {
        /// The function.
        function: String,
        /// The event's name.
        source_name: String,
    },
    /// librdkafka refuses the configuration.
    #[error("event source {source_name} of {function}: {error}; check --kafka-config")]
    Config {
        /// The function.
        function: String,
        /// The event's name.
        source_name: String,
        /// What it says.
        error: Box<rdkafka::error::KafkaError>,
    },
}

/// An event source at work.
#[derive(Debug)]
pub struct EventSource {
    function: String,
    topic: String,
    group: String,
    pollers: Vec<Handle>,
    stop: watch::Sender<bool>,
}

#[derive(Debug)]
struct Handle {
    progress: Arc<Progress>,
    consumer: Weak<BaseConsumer<Context>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// An event source as the status page shows it.
#[derive(Clone, Debug, Serialize)]
pub struct EventSourceStatus {
    /// The function it feeds.
    pub function: String,
    /// The topic it reads.
    pub topic: String,
    /// The consumer group it reads as.
    pub group: String,
    /// `joining`, `polling`, `retrying` or `stopped`.
    pub state: &'static str,
    /// The partitions its pollers have.
    pub partitions: Vec<PartitionStatus>,
}

/// How far a partition is.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PartitionStatus {
    /// The partition.
    pub partition: Partition,
    /// The next offset the group would read; none before the first commit, or while the broker is away.
    pub committed: Option<i64>,
    /// The next offset that will be written, as far as the broker tells; none while it is away.
    pub end: Option<i64>,
}

impl EventSource {
    /// Starts the pollers. That the brokers are away is no reason not to start.
    ///
    /// # Errors
    /// The configuration cannot work.
    pub fn start(
        function: &str,
        source: &KafkaSource,
        invoker: Invoker,
        options: &KafkaOptions,
    ) -> Result<Self, StartError> {
        let brokers = brokers(function, source, options)?;
        let (stop, stopped) = watch::channel(false);
        let mut pollers = vec![];
        for _ in 0..source.pollers {
            let consumer = consumer(source, &brokers, options).map_err(|error| StartError::Config {
                function: function.to_owned(),
                source_name: source.name.clone(),
                error: Box::new(error),
            })?;
            let progress = Arc::new(Progress::default());
            let weak = Arc::downgrade(&consumer);
            let envelope = record::Envelope::new(&source.topic, &brokers, source.cluster_arn.as_deref());
            let setup = poller::Setup {
                consumer,
                topic: source.topic.clone(),
                limits: limits(source, &envelope),
                envelope,
                policy: policy(source, options.fast_retry),
                report_item_failures: source.report_item_failures,
                invoker: invoker.clone(),
                progress: Arc::clone(&progress),
                stop: stopped.clone(),
            };
            let task = Mutex::new(Some(tokio::spawn(poller::run(setup))));
            pollers.push(Handle { progress, consumer: weak, task });
        }
        let (topic, group) = (source.topic.clone(), source.group.clone());
        Ok(Self { function: function.to_owned(), topic, group, pollers, stop })
    }

    /// Whether every poller has had an assignment, be it an empty one.
    #[must_use]
    pub fn has_joined(&self) -> bool {
        self.pollers.iter().all(|poller| poller.progress.has_joined())
    }

    /// Fetches no more, waits (bounded) for what is in flight, commits it, and leaves the group.
    pub async fn stop(&self, patience: Duration) {
        let _ = self.stop.send(true);
        for poller in &self.pollers {
            let task = poller.task.lock().unwrap_or_else(PoisonError::into_inner).take();
            let Some(task) = task else { continue };
            if tokio::time::timeout(patience, task).await.is_err() {
                tracing::warn!(topic = self.topic, "batches still in flight are given up; they will be read again");
            }
        }
    }

    /// Where it stands, asked of the brokers.
    pub async fn status(&self) -> EventSourceStatus {
        let mut partitions = vec![];
        for poller in &self.pollers {
            let (topic, numbers) = (self.topic.clone(), poller.progress.partitions());
            let Some(consumer) = poller.consumer.upgrade() else { continue };
            let asked = tokio::task::spawn_blocking(move || positions(&consumer, &topic, numbers)).await;
            partitions.extend(asked.unwrap_or_default());
        }
        partitions.sort_by_key(|status| status.partition);
        let states: Vec<&str> = self.pollers.iter().map(|poller| poller.progress.state()).collect();
        let state = ["joining", "retrying", "stopped"].into_iter().find(|state| states.contains(state));
        EventSourceStatus {
            function: self.function.clone(),
            topic: self.topic.clone(),
            group: self.group.clone(),
            state: state.unwrap_or("polling"),
            partitions,
        }
    }
}

fn brokers(function: &str, source: &KafkaSource, options: &KafkaOptions) -> Result<String, StartError> {
    if source.cluster_arn.is_none() {
        return Ok(source.bootstrap_servers.join(","));
    }
    options
        .msk_bootstrap_servers
        .clone()
        .ok_or_else(|| StartError::NoBrokers { function: function.to_owned(), source_name: source.name.clone() })
}

fn consumer(
    source: &KafkaSource,
    brokers: &str,
    options: &KafkaOptions,
) -> rdkafka::error::KafkaResult<Arc<BaseConsumer<Context>>> {
    let reset = if source.starting_position == StartingPosition::Latest { "latest" } else { "earliest" };
    let mut config = ClientConfig::new();
    for (key, value) in [
        ("bootstrap.servers", brokers),
        ("group.id", &source.group),
        ("client.id", "lambda-local"),
        ("auto.offset.reset", reset),
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        ("allow.auto.create.topics", "false"),
        // A poller that was killed gives its partitions up this soon.
        ("session.timeout.ms", "6000"),
        ("heartbeat.interval.ms", "1500"),
        // A topic that is made later, or gets more partitions, is seen this soon.
        ("topic.metadata.refresh.interval.ms", "5000"),
        ("queued.max.messages.kbytes", "16384"),
        ("fetch.queue.backoff.ms", "20"),
        ("reconnect.backoff.max.ms", "1000"),
        ("log.connection.close", "false"),
    ] {
        config.set(key, value);
    }
    for (key, value) in &options.config {
        config.set(key, value);
    }
    let context = Context::new(source.starting_position, Arc::new(Notify::new()));
    let consumer: BaseConsumer<Context> = config.create_with_context(context)?;
    consumer.subscribe(&[&source.topic])?;
    Ok(Arc::new(consumer))
}

fn limits(source: &KafkaSource, envelope: &record::Envelope) -> batcher::Limits {
    batcher::Limits {
        records: source.batch_size,
        bytes: PAYLOAD_LIMIT,
        overhead: envelope.overhead(),
        partition_overhead: envelope.partition_overhead(),
        window: source.window,
    }
}

fn policy(source: &KafkaSource, fast: bool) -> Policy {
    let ms = Duration::from_millis;
    let (first_wait, longest_wait) = if fast { (ms(10), ms(200)) } else { (ms(1_000), ms(60_000)) };
    Policy { retry: source.retry, first_wait, longest_wait }
}

/// Asks the brokers, no longer than a second for each answer, and not on once they do not answer.
fn positions(
    consumer: &BaseConsumer<Context>,
    topic: &str,
    partitions: impl IntoIterator<Item = Partition>,
) -> Vec<PartitionStatus> {
    let second = Duration::from_secs(1);
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition(topic, partition);
    }
    let committed = consumer.committed_offsets(list.clone(), second).ok();
    let mut away = committed.is_none();
    let mut statuses = vec![];
    for element in list.elements() {
        let partition = element.partition();
        let offset =
            committed.as_ref().and_then(|list| list.find_partition(topic, partition)).map(|found| found.offset());
        let started = Instant::now();
        let end = if away { None } else { consumer.fetch_watermarks(topic, partition, second).ok() };
        away |= end.is_none() && started.elapsed() >= second;
        let committed = match offset {
            Some(Offset::Offset(next)) => Some(next),
            _ => None,
        };
        // Some brokers say of the end only where their last batch begins: what is committed is written, too.
        statuses.push(PartitionStatus {
            partition,
            committed,
            end: end.map(|(_, high)| high.max(committed.unwrap_or(0))),
        });
    }
    statuses
}
