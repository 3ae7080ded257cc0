//! What librdkafka tells beside records: rebalances, commits, its log. All of it is written down for the poller, or
//! limited to a line now and then: a client without a broker would print twenty a second.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;
use tokio::sync::Notify;

use super::record::Partition;
use crate::template::StartingPosition;

/// Lines of one kind are at least this far apart.
const QUIET: Duration = Duration::from_secs(30);

/// What happened to the assignment, in order.
#[derive(Clone, Debug)]
pub(crate) enum Happened {
    /// Partitions are to be assigned once it is known where they begin.
    Offered(TopicPartitionList),
    Assigned(Vec<Partition>),
    Revoked(Vec<Partition>),
    CommitFailed,
}

#[derive(Debug)]
pub(crate) struct Context {
    happened: Mutex<VecDeque<Happened>>,
    starting_position: StartingPosition,
    closing: AtomicBool,
    last_lines: Mutex<HashMap<String, (Instant, u64)>>,
    pub(crate) wake: Arc<Notify>,
}

impl Context {
    pub(crate) fn new(starting_position: StartingPosition, wake: Arc<Notify>) -> Self {
        Self {
            happened: Mutex::default(),
            starting_position,
            closing: AtomicBool::new(false),
            last_lines: Mutex::default(),
            wake,
        }
    }

    /// What happened since the last time.
    pub(crate) fn next(&self) -> Option<Happened> {
        lock(&self.happened).pop_front()
    }

    /// From now on nobody answers an offer: what is assigned while the consumer closes is taken as it is.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    fn looks_for_beginnings(&self) -> bool {
        matches!(self.starting_position, StartingPosition::AtTimestamp(_)) && !self.closing.load(Ordering::Relaxed)
    }

    pub(crate) fn note(&self, happened: Happened) {
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
    /// As rdkafka's own, but an assignment whose beginnings have to be looked up first is only offered: the brokers'
    /// answer is not waited for here, on the poller's thread. librdkafka waits for [`answer`].
    fn rebalance(&self, consumer: &BaseConsumer<Self>, error: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        let outcome = match error {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS if self.looks_for_beginnings() => {
                self.note(Happened::Offered(partitions.clone()));
                Ok(())
            }
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => answer(consumer, partitions),
            _ => {
                self.note(Happened::Revoked(numbers(partitions)));
                match consumer.rebalance_protocol() {
                    RebalanceProtocol::Cooperative => consumer.incremental_unassign(partitions),
                    _ => consumer.unassign(),
                }
            }
        };
        if let Err(error) = outcome {
            self.log_limited("rebalance", &error.to_string());
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        if let Err(error) = result {
            self.log_limited("commit", &format!("a commit failed and will be sent again: {error}"));
            self.note(Happened::CommitFailed);
        }
    }
}

/// Takes what was assigned, to be read from the offsets it names.
pub(crate) fn answer(consumer: &BaseConsumer<Context>, partitions: &TopicPartitionList) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_assign(partitions)?,
        _ => consumer.assign(partitions)?,
    }
    consumer.context().note(Happened::Assigned(numbers(partitions)));
    Ok(())
}

fn numbers(partitions: &TopicPartitionList) -> Vec<Partition> {
    partitions.elements().iter().map(|element| element.partition()).collect()
}
