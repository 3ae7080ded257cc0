//! Records of a topic as the event that a function would be invoked with for them, to be kept in a file and replayed.
//!
//! No group is joined and nothing is committed: the pollers do not notice. Bounds: [`MOST_RECORDS`] records and an event of
//! [`PAYLOAD_LIMIT`], as in any batch; the brokers are waited for [`PATIENCE`] at a time. The order is the log's. What the
//! log itself leaves out (what was compacted away, the marks of transactions) is left out here, too.

use std::time::Duration;

use bytes::Bytes;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode::AutoOffsetReset;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::message::encode;
use super::positions::Quiet;
use super::prepared::{brokers, config};
use super::record::{Envelope, Partition, Record};
use super::{KafkaOptions, StartError};
use crate::invocation::PAYLOAD_LIMIT;
use crate::template::KafkaSource;

/// Most records in one event: AWS's largest `BatchSize`.
pub const MOST_RECORDS: usize = 10_000;

/// How long the brokers may take for an answer, or for the next record.
const PATIENCE: Duration = Duration::from_secs(10);

/// Which records: up to so many of one partition, from an offset on.
#[derive(Clone, Copy, Debug)]
pub struct Stretch {
    /// The partition.
    pub partition: Partition,
    /// The first record's offset.
    pub from: i64,
    /// How many, at most [`MOST_RECORDS`].
    pub count: usize,
}

/// An event made of a stretch.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// What the function would be invoked with.
    pub event: Bytes,
    /// How many records are in it: fewer than asked for where the log ends, or no more fit into an event.
    pub records: usize,
    /// The offset of the last of them.
    pub last_offset: i64,
}

/// Why nothing was recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The source cannot be read at all.
    #[error(transparent)]
    Source(#[from] StartError),
    /// The brokers know no such topic.
    #[error("the brokers have no topic {0}")]
    NoTopic(String),
    /// The topic has fewer partitions.
    #[error("{topic} has no partition {partition}: its partitions are 0 to {}", .partitions.saturating_sub(1))]
    NoPartition {
        /// The topic.
        topic: String,
        /// The one asked for.
        partition: Partition,
        /// How many there are.
        partitions: usize,
    },
    /// Retention has taken the records away.
    #[error("{topic}-{partition} no longer has offset {from}: its oldest record is at {oldest}, so ask from there on")]
    Gone {
        /// The topic.
        topic: String,
        /// The partition.
        partition: Partition,
        /// The offset asked for.
        from: i64,
        /// The first that is there.
        oldest: i64,
    },
    /// The log is shorter.
    #[error("{topic}-{partition} has nothing at offset {from} or after it: it ends before")]
    NothingThere {
        /// The topic.
        topic: String,
        /// The partition.
        partition: Partition,
        /// The offset asked for.
        from: i64,
    },
    /// No function could ever be given it.
    #[error(
        "the record at offset {offset} of {topic}-{partition} is too large for any event (6 MB); pollers pass it over"
    )]
    TooLarge {
        /// The topic.
        topic: String,
        /// The partition.
        partition: Partition,
        /// Its offset.
        offset: i64,
    },
    /// Nobody answered in time.
    #[error("the brokers did not send the next record within {} s", PATIENCE.as_secs())]
    Silent,
    /// The brokers, or librdkafka, would not.
    #[error("the brokers: {0}")]
    Kafka(#[from] KafkaError),
}

/// Reads a stretch of a source's topic. Waits on the caller's thread.
///
/// # Errors
/// There is no such stretch, or the brokers do not give it.
pub fn record(
    function: &str,
    source: &KafkaSource,
    options: &KafkaOptions,
    stretch: Stretch,
) -> Result<Recorded, RecordingError> {
    let brokers = brokers(function, source, options)?;
    let mut config = config(source, &brokers, options);
    config.set("enable.partition.eof", "true").set("auto.offset.reset", "error");
    let consumer: BaseConsumer<Quiet> = config.create_with_context(Quiet)?;
    check(&consumer, &source.topic, stretch)?;
    let envelope = Envelope::new(&source.topic, &brokers, source.cluster_arn.as_deref());
    let records = read(&consumer, &source.topic, stretch, &envelope)?;
    let event = envelope.event([(stretch.partition, records.iter())].into_iter());
    match (event, records.last()) {
        (Some(event), Some(last)) => Ok(Recorded { event, records: records.len(), last_offset: last.offset }),
        _ => {
            let (topic, Stretch { partition, from, .. }) = (source.topic.clone(), stretch);
            Err(RecordingError::NothingThere { topic, partition, from })
        }
    }
}

fn check(consumer: &BaseConsumer<Quiet>, topic: &str, stretch: Stretch) -> Result<(), RecordingError> {
    let Stretch { partition, from, .. } = stretch;
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE)?;
    let partitions = metadata.topics().first().map_or(0, |found| found.partitions().len());
    if partitions == 0 {
        return Err(RecordingError::NoTopic(topic.to_owned()));
    }
    if !usize::try_from(partition).is_ok_and(|number| number < partitions) {
        return Err(RecordingError::NoPartition { topic: topic.to_owned(), partition, partitions });
    }
    // Of the end some brokers say only where their last batch begins: reading finds it.
    let (oldest, _) = consumer.fetch_watermarks(topic, partition, PATIENCE)?;
    if from < oldest {
        return Err(RecordingError::Gone { topic: topic.to_owned(), partition, from, oldest });
    }
    Ok(())
}

fn read(
    consumer: &BaseConsumer<Quiet>,
    topic: &str,
    stretch: Stretch,
    envelope: &Envelope,
) -> Result<Vec<Record>, RecordingError> {
    consumer.assign(&beginning(topic, stretch)?)?;
    let mut room = PAYLOAD_LIMIT - envelope.overhead() - envelope.partition_overhead();
    let mut records = vec![];
    while records.len() < stretch.count.min(MOST_RECORDS) {
        let record = match consumer.poll(PATIENCE) {
            None => return Err(RecordingError::Silent),
            // At the end, and past it.
            Some(Err(KafkaError::PartitionEOF(_) | KafkaError::MessageConsumption(AutoOffsetReset))) => break,
            Some(message) => encode(&message?),
        };
        // With the comma that parts it from the next.
        let size = record.json.len() + 1;
        if size > room && records.is_empty() {
            let (topic, partition, offset) = (topic.to_owned(), stretch.partition, record.offset);
            return Err(RecordingError::TooLarge { topic, partition, offset });
        }
        let Some(left) = room.checked_sub(size) else { break };
        room = left;
        records.push(record);
    }
    Ok(records)
}

fn beginning(topic: &str, Stretch { partition, from, .. }: Stretch) -> KafkaResult<TopicPartitionList> {
    let mut beginning = TopicPartitionList::new();
    beginning.add_partition_offset(topic, partition, Offset::Offset(from))?;
    Ok(beginning)
}
