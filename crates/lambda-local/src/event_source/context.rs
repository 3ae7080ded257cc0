//! What librdkafka tells beside records: rebalances and its log. The former are written down for the poller, the latter is
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

/// Lines of one kind are at least this far apart.
const QUIET: Duration = Duration::from_secs(30);

/// What the group asks for. librdkafka waits for [`take`] or [`give_back`]; it keeps the membership alive all the while.
#[derive(Clone, Debug)]
pub(crate) enum Asked {
    /// To take partitions.
    ToTake(Vec<Partition>),
    /// To give partitions back; with `lost` they may be another poller's already.
    ToGiveBack { partitions: Vec<Partition>, lost: bool },
}

#[derive(Debug, Default)]
pub(crate) struct Context {
    asked: Mutex<VecDeque<Asked>>,
    attended: AtomicBool,
    last_lines: Mutex<HashMap<String, (Instant, u64)>>,
    pub(crate) wake: Arc<Notify>,
}

impl Context {
    /// What was asked since the last time.
    pub(crate) fn next(&self) -> Option<Asked> {
        lock(&self.asked).pop_front()
    }

    /// Whether there is somebody who answers. Without, what is asked is done at once: a consumer that is dropped waits for it.
    pub(crate) fn attend(&self, attended: bool) {
        self.attended.store(attended, Ordering::Relaxed);
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
    /// Unlike rdkafka's own, this only writes down what is asked: neither the brokers' answers nor invocations in flight are
    /// waited for here, on the poller's thread.
    fn rebalance(&self, consumer: &BaseConsumer<Self>, error: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        let to_take = error == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if !self.attended.load(Ordering::Relaxed) {
            let done = if to_take { take(consumer, partitions) } else { give_back(consumer, partitions) };
            return done.unwrap_or_else(|error| self.log_limited("rebalance", &error.to_string()));
        }
        let numbers = partitions.elements().iter().map(|element| element.partition()).collect();
        lock(&self.asked).push_back(match to_take {
            true => Asked::ToTake(numbers),
            false => Asked::ToGiveBack { partitions: numbers, lost: consumer.assignment_lost() },
        });
        self.wake.notify_one();
    }
}

/// Takes partitions, to be read from where the group stands.
pub(crate) fn take(consumer: &BaseConsumer<Context>, partitions: &TopicPartitionList) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_assign(partitions),
        _ => consumer.assign(partitions),
    }
}

/// Gives partitions back.
pub(crate) fn give_back(consumer: &BaseConsumer<Context>, partitions: &TopicPartitionList) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_unassign(partitions),
        _ => consumer.unassign(),
    }
}
