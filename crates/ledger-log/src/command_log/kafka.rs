//! Commands into Kafka: an idempotent producer, acknowledged by every in-sync replica.
//!
//! Bounds: an append ends within the append time-out, give or take the second in which librdkafka looks at time-outs; at
//! most [`QUEUE_RECORDS`] commands wait at once, and one more is turned away.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use ledger::{Generation, Position, Timestamp};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::sync::oneshot;

use super::known_generation::KnownGeneration;
use super::{AppendError, Appended, CommandLog, NewRecord};
use crate::COMMANDS;
use crate::cluster::Cluster;
use crate::delivery::{Delivery, Outgoing, Producer, Reports};
use crate::generations::{self, GenerationError};

/// The most commands that wait for their confirmation at once.
const QUEUE_RECORDS: usize = 20_000;
/// The longest a broker may take to say that the topic is there.
const PING_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a record waits for company. Measured: 2 ms of waiting lets records share requests, which makes the whole
/// path a third faster than 0 ms does; 5 ms gains nothing more.
const LINGER_MS: &str = "2";

/// The command topic of a Kafka cluster.
pub struct KafkaCommandLog {
    cluster: Cluster,
    timeout: Duration,
    producer: Producer<Confirmations>,
    known: KnownGeneration,
}

impl KafkaCommandLog {
    pub(crate) fn open(cluster: &Cluster) -> Result<Self, AppendError> {
        let timeout = cluster.append_timeout();
        let mut config = cluster.client_config("passbook-commands", timeout);
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("linger.ms", LINGER_MS)
            .set("message.timeout.ms", timeout.as_millis().to_string())
            .set("queue.buffering.max.messages", QUEUE_RECORDS.to_string())
            .set("compression.type", "lz4")
            // A client that has just started exchanges its first connection for others, and has nobody to ask for the topic
            // meanwhile: it asks again after this time (librdkafka: 100 ms), then after longer ones, up to 1 s. An append is
            // tried for as long as its time-out says, however often that is.
            .set("retry.backoff.ms", "10")
            // A topic that is not there is said at once; what has just been created is shown within this time.
            .set("topic.metadata.propagation.max.ms", "1000")
            // The partition that every other client of Kafka would choose for the account.
            .set("partitioner", "murmur2_random");
        let producer = Producer::new(config, cluster.events(), Confirmations::default()).map_err(misconfigured)?;
        Ok(Self { cluster: cluster.clone(), timeout, producer, known: KnownGeneration::default() })
    }

    async fn read_generation(&self) -> Result<Generation, AppendError> {
        let read = || generations::read(self.cluster.clone(), COMMANDS, self.timeout);
        self.known.get(self.producer.events().outages(), read).await.map_err(AppendError::from)
    }

    /// Both that an append needs: the generation, once, and the topic, each time.
    async fn ask_for_topic(&self) -> Result<(), AppendError> {
        let (generation, topic) = futures::join!(
            self.read_generation(),
            self.producer.ask_for_topic(COMMANDS, self.timeout.min(PING_TIMEOUT))
        );
        topic.map_err(|error| match self.failed(&error) {
            AppendError::Unconfirmed { reason, .. } => AppendError::Unavailable { reason },
            other => other,
        })?;
        generation.map(drop)
    }

    async fn append_record(&self, record: NewRecord<'_>) -> Result<Appended, AppendError> {
        let NewRecord { account, generation, value, traceparent } = record;
        let outgoing = Outgoing { topic: COMMANDS, key: account.as_str(), value, traceparent };
        let delivery = self.deliver(generation, outgoing).await.inspect_err(|error| {
            // The topic is another one, or is about to be.
            if matches!(error, AppendError::Recreated | AppendError::Misconfigured { .. }) {
                self.known.forget();
            }
        })?;
        appended(generation, delivery)
            .ok_or_else(|| self.unconfirmed("the broker has it, but does not say where".to_owned()))
    }

    async fn deliver(&self, generation: Generation, outgoing: Outgoing<'_>) -> Result<Delivery, AppendError> {
        let (confirm, confirmation) = oneshot::channel();
        let ticket = Box::new(Ticket { generation, confirm });
        self.producer.send(&outgoing, ticket).map_err(|(error, _)| self.refused(&error))?;
        // Always told: by the broker, or by librdkafka when the time is up. A time-out here would leave the record queued.
        match confirmation.await {
            Ok(Confirmation::Recorded(delivery)) => Ok(delivery),
            Ok(Confirmation::Recreated) => Err(AppendError::Recreated),
            Ok(Confirmation::Failed(error)) => Err(self.failed(&error)),
            Err(_) => Err(self.unconfirmed("the producer ended".to_owned())),
        }
    }

    /// Never queued.
    fn refused(&self, error: &KafkaError) -> AppendError {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::QueueFull) => AppendError::QueueFull,
            _ => self.failed(error),
        }
    }

    fn failed(&self, error: &KafkaError) -> AppendError {
        let (problem, fix) = match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::UnknownTopicOrPartition) => {
                (format!("there is no topic {COMMANDS}"), "run `passbook topics create`")
            }
            Some(RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::ClusterAuthorizationFailed) => (
                format!("writing to {COMMANDS} is not allowed"),
                "allow it to the user that KAFKA_SASL_USERNAME or IAM names",
            ),
            Some(RDKafkaErrorCode::MessageSizeTooLarge) => {
                ("the command is larger than the log takes".to_owned(), "raise max.message.bytes of the topic")
            }
            _ => return self.unconfirmed(self.producer.reason(error)),
        };
        AppendError::Misconfigured { problem, fix: fix.to_owned() }
    }

    fn unconfirmed(&self, reason: String) -> AppendError {
        AppendError::Unconfirmed { timeout_ms: self.timeout.as_millis() as u64, reason }
    }
}

impl CommandLog for KafkaCommandLog {
    fn generation(&self) -> BoxFuture<'_, Result<Generation, AppendError>> {
        self.read_generation().boxed()
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), AppendError>> {
        self.ask_for_topic().boxed()
    }

    fn trouble(&self) -> Option<String> {
        self.producer.events().last_trouble()
    }

    fn append<'a>(&'a self, record: NewRecord<'a>) -> BoxFuture<'a, Result<Appended, AppendError>> {
        self.append_record(record).boxed()
    }
}

impl std::fmt::Debug for KafkaCommandLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaCommandLog").field("brokers", &self.cluster.addresses()).finish_non_exhaustive()
    }
}

impl From<GenerationError> for AppendError {
    fn from(error: GenerationError) -> Self {
        match error {
            GenerationError::Unavailable { reason } => Self::Unavailable { reason },
            GenerationError::Missing { .. } | GenerationError::Unreadable { .. } => {
                Self::Misconfigured { problem: error.to_string(), fix: "run `passbook topics create`".to_owned() }
            }
        }
    }
}

fn misconfigured(error: KafkaError) -> AppendError {
    AppendError::Misconfigured {
        problem: format!("the producer cannot be made ({error})"),
        fix: "check KAFKA_…".to_owned(),
    }
}

fn appended(generation: Generation, delivery: Delivery) -> Option<Appended> {
    let partition = delivery.partition.try_into().ok()?;
    let position = Position::new(generation, partition, delivery.offset.try_into().ok()?).ok()?;
    Some(Appended { position, recorded_at: delivery.timestamp_ms.map(Timestamp::from_epoch_ms) })
}

/// Goes with a record, and comes back with its report.
struct Ticket {
    /// The generation that stands in the record.
    generation: Generation,
    confirm: oneshot::Sender<Confirmation>,
}

enum Confirmation {
    Recorded(Delivery),
    /// The offset has been given out before in this generation, so this is not the topic it was.
    Recreated,
    Failed(KafkaError),
}

/// Hands each confirmation to its append, and watches that the offsets of a partition only ever grow within a generation:
/// reports come in the order of the log, so an offset seen before gives a topic away that was created anew behind the
/// producer's back.
#[derive(Default)]
struct Confirmations {
    last_offsets: Mutex<HashMap<(Generation, i32), i64>>,
}

impl Confirmations {
    fn judge(&self, generation: Generation, delivery: Delivery) -> Confirmation {
        let mut last_offsets = self.last_offsets.lock().unwrap_or_else(PoisonError::into_inner);
        let last = last_offsets.entry((generation, delivery.partition)).or_insert(-1);
        if delivery.offset <= *last {
            return Confirmation::Recreated;
        }
        *last = delivery.offset;
        Confirmation::Recorded(delivery)
    }
}

impl Reports for Confirmations {
    type Ticket = Box<Ticket>;

    fn delivered(&self, ticket: Self::Ticket, result: Result<Delivery, KafkaError>) {
        let confirmation = match result {
            // Told by librdkafka where the broker has the record from an earlier try, but no longer knows where.
            Ok(delivery) if delivery.offset < 0 => Confirmation::Recorded(delivery),
            Ok(delivery) => self.judge(ticket.generation, delivery),
            Err(error) => Confirmation::Failed(error),
        };
        // Whoever asked may have gone.
        let _ = ticket.confirm.send(confirmation);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(partition: i32, offset: i64) -> Delivery {
        Delivery { partition, offset, timestamp_ms: None }
    }

    #[test]
    fn an_offset_that_does_not_grow_gives_a_recreated_topic_away() {
        let confirmations = Confirmations::default();
        let recorded =
            |generation, delivery| matches!(confirmations.judge(generation, delivery), Confirmation::Recorded(_));
        assert!(recorded(1, at(0, 4)));
        assert!(recorded(1, at(1, 0)));
        assert!(recorded(1, at(0, 5)));
        assert!(!recorded(1, at(0, 0)), "a record of generation 1 in the topic of another");
        assert!(recorded(2, at(0, 1)), "the next generation begins anew");
        assert!(!recorded(1, at(0, 2)));
    }

    #[test]
    fn a_delivery_without_a_place_is_no_position() {
        assert_eq!(appended(1, at(0, -1001)), None);
        assert_eq!(appended(1, at(3, 7)).unwrap().position, Position::new(1, 3, 7).unwrap());
    }
}
