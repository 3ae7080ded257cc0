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
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList, TopicPartitionListElem};
use tokio::sync::Mutex;

use super::PartitionStatus;
use super::record::Partition;

/// How long the status may wait for the brokers.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long they may take for one answer: both fit into the second.
const ANSWER: Duration = Duration::from_millis(480);
/// How long they may take for each answer about where partitions begin.
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
    pub(crate) async fn of(&self, topic: &str, partitions: &[Partition]) -> Option<Vec<PartitionStatus>> {
        let wanted = list(topic, partitions);
        let answer = tokio::time::timeout(PATIENCE, self.ask(move |client| positions(client, &wanted))).await;
        answer.ok()?.ok()
    }

    /// Where partitions begin that the group has no offset of: at the first record that is not older than a time, if one is
    /// given; without such a record, and without a time, at the end.
    pub(crate) async fn beginnings(
        &self,
        topic: &str,
        partitions: &[Partition],
        since_ms: Option<i64>,
    ) -> KafkaResult<Vec<(Partition, i64)>> {
        let wanted = list(topic, partitions);
        self.ask(move |client| beginnings(client, &wanted, since_ms)).await
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

/// Partitions of a topic, as librdkafka wants them.
pub(super) fn list(topic: &str, partitions: &[Partition]) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition(topic, *partition);
    }
    list
}

fn number(list: &TopicPartitionList, topic: &str, partition: Partition) -> Option<i64> {
    match list.find_partition(topic, partition)?.offset() {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    }
}

fn positions(client: &Client, wanted: &TopicPartitionList) -> KafkaResult<Vec<PartitionStatus>> {
    if wanted.count() == 0 {
        return Ok(vec![]);
    }
    let committed = client.committed_offsets(wanted.clone(), ANSWER)?;
    let ends = ends(client, wanted, ANSWER)?;
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

fn beginnings(
    client: &Client,
    wanted: &TopicPartitionList,
    since_ms: Option<i64>,
) -> KafkaResult<Vec<(Partition, i64)>> {
    let committed = client.committed_offsets(wanted.clone(), SEARCH)?;
    let mut without = TopicPartitionList::new();
    for element in committed.elements() {
        element.error()?;
        if !matches!(element.offset(), Offset::Offset(_)) {
            without.add_partition(element.topic(), element.partition());
        }
    }
    if without.count() == 0 {
        return Ok(vec![]);
    }
    // The ends first: what is written while the brokers search is read.
    let ends = ends(client, &without, SEARCH)?;
    let found = match since_ms {
        Some(ms) => {
            without.set_all_offsets(Offset::Offset(ms))?;
            client.offsets_for_times(without, SEARCH)?
        }
        None => ends.clone(),
    };
    let begin = |element: TopicPartitionListElem<'_>| -> KafkaResult<(Partition, i64)> {
        element.error()?;
        let (topic, partition) = (element.topic(), element.partition());
        let begin = number(&found, topic, partition).or_else(|| number(&ends, topic, partition));
        Ok((partition, begin.ok_or(KafkaError::OffsetFetch(RDKafkaErrorCode::NoOffset))?))
    };
    found.elements().into_iter().map(begin).collect()
}
