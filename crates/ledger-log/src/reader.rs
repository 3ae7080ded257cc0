//! Reads partitions to their ends, and tells where the ends are.
//!
//! For topics that are small (the generations) and for looking into others. It blocks, on a thread that may ([`Reader::with`]).
//!
//! Bounds: every call ends within the reader's time. A partition that grows faster than it is read has no end.

mod stretch;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use ledger::{Partition, Timestamp};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::metadata::MetadataPartition;
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::oneshot;

use crate::cluster::{ClientEvents, Cluster};
use crate::{PartitionEnd, PartitionHealth, TRACEPARENT, TopicHealth};

/// How long to look for the end of a partition that keeps growing.
const GROWING: Duration = Duration::from_millis(300);

/// A record as it stands in a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecord {
    pub partition: i32,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub traceparent: Option<String>,
    pub recorded_at: Option<Timestamp>,
    /// Whether that is the broker's time, and not that of whoever wrote the record.
    pub stamped_by_broker: bool,
}

/// Why a partition was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    #[error("there is no topic {topic}")]
    NoTopic { topic: String },
    #[error("{what} cannot be read within {timeout_ms} ms ({reason})")]
    Unavailable {
        /// A topic, or one of its partitions.
        what: String,
        timeout_ms: u64,
        reason: String,
    },
}

/// A client that reads, and the time by which it is to be done.
pub(crate) struct Reader {
    events: ClientEvents,
    consumer: BaseConsumer<ClientEvents>,
    timeout: Duration,
    started: Instant,
}

impl Reader {
    /// What is read by one that is opened for it.
    ///
    /// # Errors
    /// When librdkafka refuses its settings.
    ///
    /// # Panics
    /// When the reading does.
    pub(crate) async fn with<T: Send + 'static>(
        cluster: Cluster,
        timeout: Duration,
        read: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, KafkaError> {
        let (tell, told) = oneshot::channel();
        let thread = tokio::task::spawn_blocking(move || match Self::open(&cluster, timeout) {
            Ok(reader) => {
                let result = read(&reader);
                reader.stop();
                let _nobody_asks_any_more = tell.send(Ok(result));
                // To close takes 100 ms, and who asked has the answer by then.
                drop(reader);
            }
            Err(error) => drop(tell.send(Err(error))),
        });
        if let Ok(result) = told.await {
            return result;
        }
        match thread.await {
            Err(ended) if ended.is_panic() => std::panic::resume_unwind(ended.into_panic()),
            _ => Err(KafkaError::Canceled),
        }
    }

    fn open(cluster: &Cluster, timeout: Duration) -> Result<Self, KafkaError> {
        let mut config = cluster.client_config("passbook-reader", timeout);
        config
            // Never joined, never committed to; librdkafka wants one all the same.
            .set("group.id", "passbook-reader")
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "earliest")
            .set("enable.partition.eof", "true")
            // All that stands in a topic, whatever became of the transaction that wrote it, to where it ends.
            .set("isolation.level", "read_uncommitted")
            // What it reads ahead, in KB.
            .set("queued.max.messages.kbytes", "8192")
            // At the end of a partition a broker answers after this time, and that answer is what tells the end.
            .set("fetch.wait.max.ms", "1");
        let events = cluster.events();
        let consumer: BaseConsumer<ClientEvents> = config.create_with_context(events.clone())?;
        // A client that signs in with a token asks for it through its events.
        drop(consumer.poll(Duration::ZERO));
        Ok(Self { events, consumer, timeout, started: Instant::now() })
    }

    /// Asks for no more; one fetch may still be under way, for about 1 ms. Whoever has the answer may delete the topic, and
    /// librdkafka 2.12 ends the process where a broker answers a fetch of a topic that is gone with a leader and without the
    /// topic's id, as tansu does (`rd_kafka_metadata_update_op` compares a name that is not there).
    fn stop(&self) {
        // Where it fails, the reader is closed all the same.
        let _stopped = self.consumer.unassign();
    }

    pub(crate) fn remaining(&self) -> Duration {
        self.timeout.saturating_sub(self.started.elapsed())
    }

    /// The partitions of a topic; none where there is no such topic.
    pub(crate) fn partitions(&self, topic: &str) -> Result<Vec<i32>, ReadError> {
        self.describe(topic, MetadataPartition::id)
    }

    /// How a topic fares, by what a broker knows of it.
    pub(crate) fn health(&self, topic: &str) -> Result<TopicHealth, ReadError> {
        let partitions = self.describe(topic, |partition| PartitionHealth {
            partition: partition.id() as Partition,
            leader: Some(partition.leader()).filter(|leader| *leader >= 0),
            replicas: partition.replicas().to_vec(),
            in_sync: partition.isr().to_vec(),
        })?;
        Ok(TopicHealth::new(topic, partitions.into_iter()))
    }

    fn describe<T>(&self, topic: &str, partition: impl Fn(&MetadataPartition) -> T) -> Result<Vec<T>, ReadError> {
        let fail = |error: &KafkaError| self.fail(topic, topic, error);
        let metadata = self.consumer.fetch_metadata(Some(topic), self.remaining()).map_err(|error| fail(&error))?;
        let Some(topic_metadata) = metadata.topics().iter().find(|found| found.name() == topic) else {
            return Ok(Vec::new());
        };
        match topic_metadata.error().map(RDKafkaErrorCode::from) {
            None => Ok(topic_metadata.partitions().iter().map(partition).collect()),
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => Ok(Vec::new()),
            Some(code) => Err(fail(&KafkaError::MetadataFetch(code))),
        }
    }

    /// Where every partition of a topic begins and ends; none where there is no such topic.
    ///
    /// The embedded broker says of the end only where its last batch begins, so the last records are read as well, to
    /// the end that a fetch tells.
    pub(crate) fn ends(&self, topic: &str) -> Result<Vec<PartitionEnd>, ReadError> {
        let mut ends = Vec::new();
        for partition in self.partitions(topic)? {
            let (start, end) = self.bounds(topic, partition)?;
            ends.push(PartitionEnd { partition: partition as Partition, start: start as u64, end: end as u64 });
        }
        ends.sort_unstable_by_key(|end| end.partition);
        let last_records = ends.iter().filter(|end| end.end > end.start);
        let starts: Vec<_> =
            last_records.map(|end| (i32::from(end.partition), Offset::Offset(end.end as i64 - 1))).collect();
        self.read_to_the_end(topic, &starts, Some(GROWING), |message| {
            if let Some(end) = ends.iter_mut().find(|end| i32::from(end.partition) == message.partition()) {
                end.end = end.end.max(message.offset() as u64 + 1);
            }
        })?;
        Ok(ends)
    }

    /// Every record of a partition.
    pub(crate) fn read(&self, topic: &str, partition: i32) -> Result<Vec<StoredRecord>, ReadError> {
        let mut records = Vec::new();
        let starts = [(partition, Offset::Beginning)];
        self.read_to_the_end(topic, &starts, None, |message| records.push(stored(message)))?;
        Ok(records)
    }

    /// The first record at or after an offset of each partition; nothing of one that has none there.
    pub(crate) fn first_records(&self, topic: &str, starts: &[(i32, i64)]) -> Result<Vec<StoredRecord>, ReadError> {
        let starts: Vec<_> = starts.iter().map(|(partition, offset)| (*partition, Offset::Offset(*offset))).collect();
        let mut first: Vec<StoredRecord> = Vec::new();
        self.read_to_the_end(topic, &starts, Some(Duration::ZERO), |message| {
            if !first.iter().any(|record| record.partition == message.partition()) {
                first.push(stored(message));
            }
        })?;
        Ok(first)
    }

    fn assign(&self, topic: &str, starts: &[(i32, Offset)]) -> Result<(), KafkaError> {
        let mut assignment = TopicPartitionList::new();
        for (partition, offset) in starts {
            assignment.add_partition_offset(topic, *partition, *offset)?;
        }
        self.consumer.assign(&assignment)
    }

    fn bounds(&self, topic: &str, partition: i32) -> Result<(i64, i64), ReadError> {
        let bounds = self.consumer.fetch_watermarks(topic, partition, self.remaining());
        bounds.map_err(|error| self.fail(topic, &format!("{topic}-{partition}"), &error))
    }

    /// Reads partitions until each has come to its end; or, where `patience` is given and has run out, until each has
    /// given something.
    fn read_to_the_end(
        &self,
        topic: &str,
        starts: &[(i32, Offset)],
        patience: Option<Duration>,
        mut take: impl FnMut(&BorrowedMessage<'_>),
    ) -> Result<(), ReadError> {
        let Some((first, _)) = starts.first() else { return Ok(()) };
        let fail = |error: &KafkaError| self.fail(topic, &format!("{topic}-{first}"), error);
        self.assign(topic, starts).map_err(|error| fail(&error))?;
        let mut reading: HashSet<i32> = starts.iter().map(|(partition, _)| *partition).collect();
        let mut silent = reading.clone();
        let begun = Instant::now();
        let is_enough =
            |silent: &HashSet<i32>| patience.is_some_and(|patience| silent.is_empty() && begun.elapsed() > patience);
        while !reading.is_empty() && !is_enough(&silent) {
            match self.consumer.poll(self.remaining()) {
                None => return Err(fail(&KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut))),
                Some(Ok(message)) => {
                    silent.remove(&message.partition());
                    take(&message);
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    reading.remove(&partition);
                }
                // What goes wrong for a while shows in the events; the time that is left decides.
                Some(Err(_)) => {}
            }
        }
        Ok(())
    }

    fn fail(&self, topic: &str, what: &str, error: &KafkaError) -> ReadError {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::UnknownTopicOrPartition) {
            return ReadError::NoTopic { topic: topic.to_owned() };
        }
        ReadError::Unavailable {
            what: what.to_owned(),
            timeout_ms: self.timeout.as_millis() as u64,
            reason: self.trouble().unwrap_or_else(|| error.to_string()),
        }
    }

    /// The events of a consumer come with its polls, one at a time.
    fn trouble(&self) -> Option<String> {
        const MOST_EVENTS: usize = 100;
        (0..MOST_EVENTS).find_map(|_| {
            drop(self.consumer.poll(Duration::from_millis(1)));
            self.events.last_trouble()
        })
    }
}

fn stored(message: &BorrowedMessage<'_>) -> StoredRecord {
    let traceparent = message.headers().and_then(|headers| {
        let header = headers.iter().find(|header| header.key == TRACEPARENT)?;
        String::from_utf8(header.value?.to_vec()).ok()
    });
    StoredRecord {
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        traceparent,
        recorded_at: message.timestamp().to_millis().map(Timestamp::from_epoch_ms),
        stamped_by_broker: matches!(message.timestamp(), rdkafka::Timestamp::LogAppendTime(_)),
    }
}
