//! What librdkafka tells beside records: rebalances, commits, its log. All of it is written down for the poller, or
//! limited to a line now and then: a client without a broker would print twenty a second.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::sync::Notify;

use super::record::Partition;
use crate::template::StartingPosition;

/// Lines of one kind are at least this far apart.
const QUIET: Duration = Duration::from_secs(30);
/// How long brokers may take to find the offsets of a time.
const LOOKUP: Duration = Duration::from_secs(5);

/// What happened to the assignment, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Happened {
    Assigned(Vec<Partition>),
    Revoked(Vec<Partition>),
    CommitFailed,
}

#[derive(Debug)]
pub(crate) struct Context {
    happened: Mutex<VecDeque<Happened>>,
    starting_position: StartingPosition,
    last_lines: Mutex<HashMap<String, (Instant, u64)>>,
    pub(crate) wake: Arc<Notify>,
}

impl Context {
    pub(crate) fn new(starting_position: StartingPosition, wake: Arc<Notify>) -> Self {
        Self { happened: Mutex::default(), starting_position, last_lines: Mutex::default(), wake }
    }

    /// What happened since the last time.
    pub(crate) fn next(&self) -> Option<Happened> {
        lock(&self.happened).pop_front()
    }

    fn note(&self, happened: Happened) {
        lock(&self.happened).push_back(happened);
        self.wake.notify_one();
    }

    /// Logs a line unless one of its kind was logged a moment ago; how many were left out is said with the next.
    pub(crate) fn log_limited(&self, kind: &str, line: &str) {
        let now = Instant::now();
        let mut last_lines = lock(&self.last_lines);
        let left_out = match last_lines.get_mut(kind) {
            Some((last, left_out)) if now.duration_since(*last) < QUIET => {
                *left_out += 1;
                return;
            }
            Some((_, left_out)) => *left_out,
            None => 0,
        };
        last_lines.insert(kind.to_owned(), (now, 0));
        tracing::warn!(left_out, "kafka: {line}");
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug | RDKafkaLogLevel::Notice => {
                tracing::debug!("kafka: {facility} {message}");
            }
            _ => self.log_limited(facility, message),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.log_limited(&error.to_string(), reason);
    }
}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(partitions) = rebalance {
            self.note(Happened::Revoked(numbers(partitions)));
        }
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(partitions) => {
                if let StartingPosition::AtTimestamp(ms) = self.starting_position {
                    self.begin_at(consumer, partitions, ms);
                }
                self.note(Happened::Assigned(numbers(partitions)));
            }
            Rebalance::Error(error) => {
                self.log_limited("rebalance", &error.to_string());
            }
            Rebalance::Revoke(_) => {}
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        if let Err(error) = result {
            self.log_limited("commit", &format!("a commit failed and will be sent again: {error}"));
            self.note(Happened::CommitFailed);
        }
    }
}

impl Context {
    /// Partitions the group has no offset for begin at the first record that is not older.
    fn begin_at(&self, consumer: &BaseConsumer<Self>, assigned: &TopicPartitionList, ms: i64) {
        let outcome = consumer.committed_offsets(assigned.clone(), LOOKUP).and_then(|committed| {
            let mut wanted = TopicPartitionList::new();
            for element in committed.elements().iter().filter(|element| !matches!(element.offset(), Offset::Offset(_)))
            {
                wanted.add_partition_offset(element.topic(), element.partition(), Offset::Offset(ms))?;
            }
            if wanted.count() == 0 {
                return Ok(());
            }
            let mut positions = assigned.clone();
            for found in consumer.offsets_for_times(wanted, LOOKUP)?.elements() {
                positions.set_partition_offset(found.topic(), found.partition(), found.offset())?;
            }
            consumer.assign(&positions)
        });
        if let Err(error) = outcome {
            self.log_limited(
                "timestamp",
                &format!("cannot look up the starting timestamp, beginning at the oldest record: {error}"),
            );
        }
    }
}

fn numbers(partitions: &TopicPartitionList) -> Vec<Partition> {
    partitions.elements().iter().map(|element| element.partition()).collect()
}
