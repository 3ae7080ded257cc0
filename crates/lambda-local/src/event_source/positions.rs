//! Where a group stands and where a topic ends, asked of the brokers over a client of its own: on a poller's connections a
//! question waits until the broker has answered the poller, which may take half a second each time.
//!
//! Bounds: one question at a time, which costs two requests however many partitions there are; no answer is waited for
//! longer than [`PATIENCE`].

use std::sync::Arc;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::sync::Mutex;

use super::PartitionStatus;
use super::record::Partition;

/// How long the status may wait for the brokers.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long they may take for one answer: both fit into the second.
const ANSWER: Duration = Duration::from_millis(480);
/// How long they may take to find the offsets of a time.
const SEARCH: Duration = Duration::from_secs(5);

/// The client that asks. None: it is closed.
pub(crate) struct Positions(Arc<Mutex<Option<Client>>>);

type Client = BaseConsumer<Quiet>;

/// The pollers say the same louder.
#[derive(Debug)]
pub(super) struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!("kafka, asking for offsets: {facility} {message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!("kafka, asking for offsets: {error} {reason}");
    }
}

impl ConsumerContext for Quiet {}

impl std::fmt::Debug for Positions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Positions")
    }
}

impl Positions {
    /// A client with the pollers' configuration. It joins nothing.
    pub(crate) fn new(config: &ClientConfig) -> KafkaResult<Self> {
        let client: Client = config.create_with_context(Quiet)?;
        Ok(Self(Arc::new(Mutex::new(Some(client)))))
    }

    /// How far partitions are. None: the brokers did not answer within a second.
    pub(crate) async fn of(&self, topic: &str, partitions: Vec<Partition>) -> Option<Vec<PartitionStatus>> {
        let mut wanted = TopicPartitionList::new();
        for partition in partitions {
            wanted.add_partition(topic, partition);
        }
        let answer = tokio::time::timeout(PATIENCE, self.ask(move |client| positions(client, &wanted))).await;
        answer.ok()?.ok()
    }

    /// Where partitions begin to be read: at the group's offset; without one at the first record that is not older than a
    /// time; without such a record at the end.
    pub(crate) async fn since(&self, assigned: TopicPartitionList, ms: i64) -> KafkaResult<TopicPartitionList> {
        self.ask(move |client| since(client, assigned, ms)).await
    }

    /// Ends the client, once its present question is answered.
    pub(crate) async fn close(&self) {
        let client = self.0.lock().await.take();
        // Waits for the client's threads.
        let _ = tokio::task::spawn_blocking(move || drop(client)).await;
    }

    /// Asks on a thread where waiting does no harm.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Client) -> KafkaResult<T> + Send + 'static,
    ) -> KafkaResult<T> {
        let client = Arc::clone(&self.0).lock_owned().await;
        let answer = tokio::task::spawn_blocking(move || client.as_ref().map(question));
        answer.await.ok().flatten().unwrap_or(Err(KafkaError::Canceled))
    }
}

fn positions(client: &Client, wanted: &TopicPartitionList) -> KafkaResult<Vec<PartitionStatus>> {
    if wanted.count() == 0 {
        return Ok(vec![]);
    }
    let committed = client.committed_offsets(wanted.clone(), ANSWER)?;
    let ends = ends(client, wanted, ANSWER)?;
    let number =
        |list: &TopicPartitionList, topic: &str, partition| match list.find_partition(topic, partition)?.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        };
    let statuses = wanted.elements().into_iter().map(|element| {
        let (topic, partition) = (element.topic(), element.partition());
        let committed = number(&committed, topic, partition);
        // Some brokers say of the end only where their last batch begins: what is committed is written, too.
        let end = number(&ends, topic, partition).map(|end| end.max(committed.unwrap_or(0)));
        PartitionStatus { partition, committed, end }
    });
    Ok(statuses.collect())
}

/// Where partitions end: to a broker, the offset of the latest time there is.
fn ends(client: &Client, wanted: &TopicPartitionList, patience: Duration) -> KafkaResult<TopicPartitionList> {
    let mut times = wanted.clone();
    times.set_all_offsets(Offset::End)?;
    client.offsets_for_times(times, patience)
}

fn since(client: &Client, mut assigned: TopicPartitionList, ms: i64) -> KafkaResult<TopicPartitionList> {
    let committed = client.committed_offsets(assigned.clone(), SEARCH)?;
    let mut times = TopicPartitionList::new();
    for element in committed.elements() {
        element.error()?;
        if !matches!(element.offset(), Offset::Offset(_)) {
            times.add_partition_offset(element.topic(), element.partition(), Offset::Offset(ms))?;
        }
    }
    if times.count() == 0 {
        return Ok(assigned);
    }
    // The ends first: what is written while the brokers search is read.
    let ends = ends(client, &times, SEARCH)?;
    let found = client.offsets_for_times(times, SEARCH)?;
    for element in found.elements() {
        let (topic, partition) = (element.topic(), element.partition());
        let end = ends.find_partition(topic, partition).map_or(Offset::End, |end| end.offset());
        element.error()?;
        let begin = if let Offset::Offset(offset) = element.offset() { Offset::Offset(offset) } else { end };
        assigned.set_partition_offset(topic, partition, begin)?;
    }
    Ok(assigned)
}
