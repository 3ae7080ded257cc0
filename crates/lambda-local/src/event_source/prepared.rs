//! An event source that can be started: its clients are made, so their configuration works, and none has joined the group.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;

use super::context::Context;
use super::delivery::Policy;
use super::keeper::Keeper;
use super::poller::{Parts, Setup};
use super::positions::Positions;
use super::progress::Progress;
use super::{EventSource, Handle, Invoker, KafkaOptions, StartError, batcher, poller, record, stop};
use crate::invocation::PAYLOAD_LIMIT;
use crate::template::KafkaSource;

/// The longest that a poller may be busy between two polls before the broker gives its partitions to another: as librdkafka
/// has it, and never shorter than an invocation takes, with a margin for its commit.
const LONGEST_POLL_INTERVAL: Duration = Duration::from_secs(300);
const POLL_INTERVAL_MARGIN: Duration = Duration::from_secs(30);
/// Where librdkafka is told so.
const POLL_INTERVAL_SETTING: &str = "max.poll.interval.ms";

pub(super) struct Prepared {
    name: String,
    source: EventSource,
    makers: Vec<Maker>,
}

/// Makes a poller's consumers, one after the other as they die.
struct Maker {
    config: ClientConfig,
    parts: Parts,
    first_wait: Duration,
    /// The first one, which shows that the configuration works.
    first: Option<Arc<BaseConsumer<Context>>>,
}

impl Prepared {
    pub(super) fn new(
        function: &str,
        source: &KafkaSource,
        invoker: &Invoker,
        options: &KafkaOptions,
    ) -> Result<Self, StartError> {
        let brokers = brokers(function, source, options)?;
        let mut config = config(source, &brokers, options);
        if config.get(POLL_INTERVAL_SETTING).is_none() {
            let interval = LONGEST_POLL_INTERVAL.max(invoker.longest() + POLL_INTERVAL_MARGIN);
            config.set(POLL_INTERVAL_SETTING, interval.as_millis().to_string());
        }
        let refused = |error| refused(function, &source.name, error);
        let positions = Arc::new(Positions::new(&config).map_err(refused)?);
        let (stop, asked) = stop::channel();
        let (mut pollers, mut makers) = (vec![], vec![]);
        for _ in 0..source.pollers {
            let progress = Arc::new(Progress::default());
            let envelope = record::Envelope::new(&source.topic, &brokers, source.cluster_arn.as_deref());
            let parts = Parts {
                topic: source.topic.clone(),
                limits: limits(source, &envelope),
                envelope,
                policy: policy(source, options.fast_retry),
                report_item_failures: source.report_item_failures,
                invoker: invoker.clone(),
                progress: Arc::clone(&progress),
                positions: Arc::clone(&positions),
                starting_position: source.starting_position,
                recall_patience: recall_patience(&config),
                stop: asked.clone(),
            };
            let first = Some(consumer(&config).map_err(refused)?);
            makers.push(Maker { config: config.clone(), first_wait: parts.policy.first_wait, parts, first });
            pollers.push(Handle { progress, task: Mutex::new(None) });
        }
        let (topic, group) = (source.topic.clone(), source.group.clone());
        let event_source = EventSource { function: function.to_owned(), topic, group, pollers, positions, stop };
        Ok(Self { name: source.name.clone(), source: event_source, makers })
    }

    /// Joins the group and begins to poll.
    pub(super) fn start(self) -> Result<EventSource, StartError> {
        let Self { name, mut source, makers } = self;
        for first in makers.iter().filter_map(|maker| maker.first.as_ref()) {
            let subscribed = first.subscribe(&[&source.topic]);
            subscribed.map_err(|error| refused(&source.function, &name, error))?;
        }
        for (poller, maker) in source.pollers.iter_mut().zip(makers) {
            poller.task = Mutex::new(Some(tokio::spawn(maker.keep())));
        }
        Ok(source)
    }
}

impl Maker {
    async fn keep(mut self) {
        let Parts { topic, progress, stop, .. } = self.parts.clone();
        let keeper = Keeper { topic, progress, stop, first_wait: self.first_wait };
        keeper.keep(move || self.poller()).await;
    }

    /// A consumer, and the poller that uses it.
    fn poller(&mut self) -> KafkaResult<(Arc<BaseConsumer<Context>>, impl Future<Output = KafkaResult<()>> + use<>)> {
        let consumer = match self.first.take() {
            Some(first) => first,
            None => {
                let another = consumer(&self.config)?;
                another.subscribe(&[&self.parts.topic])?;
                another
            }
        };
        let setup = Setup { consumer: Arc::clone(&consumer), parts: self.parts.clone() };
        Ok((consumer, poller::run(setup)))
    }
}

/// A consumer that wakes its poller.
fn consumer(config: &ClientConfig) -> KafkaResult<Arc<BaseConsumer<Context>>> {
    let mut consumer: BaseConsumer<Context> = config.create_with_context(Context::default())?;
    let wake = Arc::clone(&consumer.context().wake);
    consumer.set_nonempty_callback(move || wake.notify_one());
    Ok(Arc::new(consumer))
}

fn refused(function: &str, source_name: &str, error: rdkafka::error::KafkaError) -> StartError {
    StartError::Config { function: function.to_owned(), source_name: source_name.to_owned(), error: Box::new(error) }
}

pub(super) fn brokers(function: &str, source: &KafkaSource, options: &KafkaOptions) -> Result<String, StartError> {
    if source.cluster_arn.is_none() {
        return Ok(source.bootstrap_servers.join(","));
    }
    options
        .msk_bootstrap_servers
        .clone()
        .ok_or_else(|| StartError::NoBrokers { function: function.to_owned(), source_name: source.name.clone() })
}

/// What every client of an event source is told.
pub(super) fn config(source: &KafkaSource, brokers: &str, options: &KafkaOptions) -> ClientConfig {
    let mut config = ClientConfig::new();
    for (key, value) in [
        ("bootstrap.servers", brokers),
        ("group.id", &source.group),
        ("client.id", "lambda-local"),
        // Where a group begins is looked up. This is for records that are gone before they were read: the next that are left.
        ("auto.offset.reset", "earliest"),
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
    config
}

/// How long the broker waits for this poller before it gives its partitions to others.
fn recall_patience(config: &ClientConfig) -> Duration {
    let ms = config.get(POLL_INTERVAL_SETTING).and_then(|ms| ms.parse().ok());
    ms.map_or(LONGEST_POLL_INTERVAL, Duration::from_millis)
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
