//! Outcomes into Kafka: an idempotent producer, acknowledged by every in-sync replica.
//!
//! Bounds: a batch ends within its time-out, give or take the second in which librdkafka looks at time-outs. A batch that
//! is larger than the producer's queue waits for room in it.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use ledger::AccountId;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::batch::{Batch, Batches};
use super::{OutcomeLog, OutcomeRecord, PublishError};
use crate::cluster::Cluster;
use crate::delivery::{Outgoing, Producer};
use crate::{COMMANDS, OUTCOMES};

/// How long to wait for room in a full queue before looking again.
const FULL_QUEUE_PAUSE: Duration = Duration::from_millis(5);

/// The outcome topic of a Kafka cluster.
#[derive(Debug)]
pub struct KafkaOutcomeLog {
    producer: Producer<Batches>,
}

impl KafkaOutcomeLog {
    pub(crate) fn open(cluster: &Cluster, timeout: Duration) -> Result<Self, PublishError> {
        open_producer(cluster, "passbook-outcomes", timeout).map(|producer| Self { producer })
    }
}

impl OutcomeLog for KafkaOutcomeLog {
    fn publish<'a>(&'a self, records: &'a [OutcomeRecord]) -> BoxFuture<'a, Result<(), PublishError>> {
        let outgoing = records.iter().map(|record| Outgoing {
            topic: OUTCOMES,
            // Without an account, all that matters is that there is a key.
            key: record.account.as_ref().map_or(COMMANDS, AccountId::as_str),
            value: &record.value,
            traceparent: record.traceparent.as_ref(),
        });
        publish(&self.producer, OUTCOMES, outgoing).boxed()
    }
}

/// Publishes one record and waits for its confirmation.
pub(crate) async fn publish_one(
    cluster: &Cluster,
    record: Outgoing<'_>,
    timeout: Duration,
) -> Result<(), PublishError> {
    let producer = open_producer(cluster, "passbook-operator", timeout)?;
    publish(&producer, record.topic, std::iter::once(record)).await
}

fn open_producer(cluster: &Cluster, name: &str, timeout: Duration) -> Result<Producer<Batches>, PublishError> {
    let mut config = cluster.client_config(name, timeout);
    config
        .set("enable.idempotence", "true")
        .set("acks", "all")
        // A batch is queued at once and brings its own company.
        .set("linger.ms", "1")
        .set("message.timeout.ms", timeout.as_millis().to_string())
        .set("compression.type", "lz4")
        .set("partitioner", "murmur2_random");
    Producer::new(config, cluster.events(), Batches)
        .map_err(|error| PublishError::Misconfigured { reason: error.to_string() })
}

async fn publish<'a>(
    producer: &Producer<Batches>,
    topic: &str,
    records: impl ExactSizeIterator<Item = Outgoing<'a>> + Send,
) -> Result<(), PublishError> {
    let count = records.len();
    let batch = Batch::of(count);
    for record in records {
        let mut ticket = batch.clone();
        loop {
            match producer.send(&record, ticket) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), returned)) => {
                    ticket = returned;
                    tokio::time::sleep(FULL_QUEUE_PAUSE).await;
                }
                Err((error, _)) => {
                    batch.record(Err(error));
                    break;
                }
            }
        }
    }
    match batch.finished().await {
        None => Ok(()),
        Some((failed, error)) => Err(PublishError::Unconfirmed {
            topic: topic.to_owned(),
            failed,
            records: count,
            reason: producer.reason(&error),
        }),
    }
}
