//! Reads a partition from its beginning to where it ended when the reading began.
//!
//! For topics that are small (the generations) and for looking into others; it keeps every record in memory. It blocks:
//! the callers run it on a thread that may.

use std::time::{Duration, Instant};

use ledger::Timestamp;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};

use crate::TRACEPARENT;
use crate::cluster::{ClientEvents, Cluster};

/// A record as it stands in a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecord {
    pub partition: i32,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub traceparent: Option<String>,
    pub recorded_at: Option<Timestamp>,
}

/// Why a partition was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    #[error("there is no topic {topic}")]
    NoTopic { topic: String },
    #[error("{topic}-{partition} cannot be read within {timeout_ms} ms ({reason})")]
    Unavailable { topic: String, partition: i32, timeout_ms: u64, reason: String },
}

/// A client that reads, and the time by which it is to be done.
pub(crate) struct Reader {
    events: ClientEvents,
    consumer: BaseConsumer<ClientEvents>,
    timeout: Duration,
    started: Instant,
}

impl Reader {
    pub(crate) fn open(cluster: &Cluster, timeout: Duration) -> Result<Self, KafkaError> {
        let mut config = cluster.client_config("passbook-reader");
        config
            // Never joined, never committed to; librdkafka wants one all the same.
            .set("group.id", "passbook-reader")
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "earliest")
            .set("enable.partition.eof", "true")
            .set("fetch.wait.max.ms", "50");
        let events = cluster.events();
        let consumer: BaseConsumer<ClientEvents> = config.create_with_context(events.clone())?;
        // A client that signs in with a token asks for it through its events.
        drop(consumer.poll(Duration::ZERO));
        Ok(Self { events, consumer, timeout, started: Instant::now() })
    }

    pub(crate) fn remaining(&self) -> Duration {
        self.timeout.saturating_sub(self.started.elapsed())
    }

    /// The partitions of a topic; none where there is no such topic.
    pub(crate) fn partitions(&self, topic: &str) -> Result<Vec<i32>, ReadError> {
        let fail = |error: &KafkaError| self.fail(topic, -1, error);
        let metadata = self.consumer.fetch_metadata(Some(topic), self.remaining()).map_err(|error| fail(&error))?;
        let Some(topic_metadata) = metadata.topics().iter().find(|found| found.name() == topic) else {
            return Ok(Vec::new());
        };
        match topic_metadata.error().map(RDKafkaErrorCode::from) {
            None => Ok(topic_metadata.partitions().iter().map(|partition| partition.id()).collect()),
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => Ok(Vec::new()),
            Some(code) => Err(fail(&KafkaError::MetadataFetch(code))),
        }
    }

    /// The first offset of a partition and the one past its last.
    pub(crate) fn bounds(&self, topic: &str, partition: i32) -> Result<(i64, i64), ReadError> {
        let bounds = self.consumer.fetch_watermarks(topic, partition, self.remaining());
        bounds.map_err(|error| self.fail(topic, partition, &error))
    }

    pub(crate) fn read(&self, topic: &str, partition: i32) -> Result<Vec<StoredRecord>, ReadError> {
        let fail = |error: &KafkaError| self.fail(topic, partition, error);
        let (start, end) = self.bounds(topic, partition)?;
        let mut records = Vec::new();
        if start >= end {
            return Ok(records);
        }
        let mut assignment = TopicPartitionList::new();
        assignment.add_partition_offset(topic, partition, Offset::Beginning).map_err(|error| fail(&error))?;
        self.consumer.assign(&assignment).map_err(|error| fail(&error))?;
        loop {
            match self.consumer.poll(self.remaining()) {
                None => return Err(fail(&KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut))),
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(records),
                // What goes wrong for a while shows in the events; the time that is left decides.
                Some(Err(_)) => {}
                Some(Ok(message)) => {
                    records.push(stored(&message));
                    if message.offset() + 1 >= end {
                        return Ok(records);
                    }
                }
            }
        }
    }

    fn fail(&self, topic: &str, partition: i32, error: &KafkaError) -> ReadError {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::UnknownTopicOrPartition) {
            return ReadError::NoTopic { topic: topic.to_owned() };
        }
        ReadError::Unavailable {
            topic: topic.to_owned(),
            partition,
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
    }
}
