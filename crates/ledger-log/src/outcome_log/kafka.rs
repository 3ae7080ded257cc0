//! Outcomes into Kafka: an idempotent producer, acknowledged by every in-sync replica.
//!
//! Bounds: a call ends by its deadline, and what is then without a confirmation is taken out of the client's queue. A batch
//! that is larger than the queue waits for room in it.
//!
//! A record may be too large by itself, which librdkafka says at once (1,000,000 bytes); or the brokers say it of records
//! that came together, where the topic's `max.message.bytes` is small. librdkafka then fails them all: they are sent again
//! by halves, until one that stands alone is too large, for good.

use std::sync::Arc;
use std::time::Duration;

use ledger::AccountId;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::time::{Instant, timeout_at};

use super::batch::{Batch, Batches, Ended, Ticket};
use super::{OutcomeLog, OutcomeRecord, PublishError};
use crate::cluster::Cluster;
use crate::delivery::{Client, Outgoing, Producer};
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
    async fn publish(&self, records: &[OutcomeRecord], until: Instant) -> Result<Vec<usize>, PublishError> {
        let outgoing = records.iter().map(|record| Outgoing {
            topic: OUTCOMES,
            partition: None,
            // Without an account, all that matters is that there is a key.
            key: record.account.as_ref().map_or(COMMANDS, AccountId::as_str),
            value: &record.value,
            traceparent: record.traceparent.as_ref(),
        });
        Publication { producer: &self.producer, records: outgoing.collect(), until }.publish().await
    }
}

/// Publishes one record and waits for its confirmation.
pub(crate) async fn publish_one(
    cluster: &Cluster,
    record: Outgoing<'_>,
    timeout: Duration,
) -> Result<(), PublishError> {
    let producer = open_producer(cluster, "passbook-operator", timeout)?;
    let topic = record.topic;
    let publication = Publication { producer: &producer, records: vec![record], until: Instant::now() + timeout };
    match publication.publish().await?.as_slice() {
        [] => Ok(()),
        _ => Err(PublishError::Unconfirmed {
            topic: topic.to_owned(),
            failed: 1,
            records: 1,
            reason: "the record is larger than the topic takes; raise its max.message.bytes".to_owned(),
        }),
    }
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

/// A batch on its way.
struct Publication<'a> {
    producer: &'a Producer<Batches>,
    records: Vec<Outgoing<'a>>,
    until: Instant,
}

impl Publication<'_> {
    async fn publish(&self) -> Result<Vec<usize>, PublishError> {
        let mut too_large = Vec::new();
        let mut waves = vec![(0..self.records.len()).collect::<Vec<_>>()];
        while let Some(wave) = waves.pop() {
            let Ended { failed, too_large: refused } = self.send(&wave).await?;
            if let Some((failed, error)) = failed {
                return Err(self.unconfirmed(failed, self.producer.reason(&error)));
            }
            match refused.as_slice() {
                [] => {}
                [_] if wave.len() == 1 => too_large.extend(refused),
                _ => {
                    let (first, second) = refused.split_at(refused.len() / 2);
                    waves.extend([second, first].map(<[usize]>::to_vec));
                }
            }
        }
        too_large.sort_unstable();
        Ok(too_large)
    }

    /// Sends the records of these numbers together, and waits for their reports.
    async fn send(&self, wave: &[usize]) -> Result<Ended, PublishError> {
        let client = self.producer.client().map_err(|error| self.unconfirmed(wave.len(), error.to_string()))?;
        let under_way = UnderWay { client, batch: Batch::of(wave.len()) };
        for number in wave {
            self.queue(*number, &under_way).await?;
        }
        let ended = timeout_at(self.until, under_way.batch.ended()).await;
        ended.map_err(|_| self.out_of_time(&under_way.batch))
    }

    async fn queue(&self, number: usize, UnderWay { client, batch }: &UnderWay) -> Result<(), PublishError> {
        let mut ticket = Box::new(Ticket { batch: batch.clone(), number });
        loop {
            match client.send(&self.records[number], ticket) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _))
                    if Instant::now() >= self.until =>
                {
                    return Err(self.out_of_time(batch));
                }
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), returned)) => {
                    ticket = returned;
                    tokio::time::sleep(FULL_QUEUE_PAUSE).await;
                }
                Err((error, _)) => {
                    batch.record(number, Err(error));
                    return Ok(());
                }
            }
        }
    }

    fn out_of_time(&self, batch: &Batch) -> PublishError {
        let error = KafkaError::MessageProduction(RDKafkaErrorCode::MessageTimedOut);
        self.unconfirmed(batch.open(), self.producer.reason(&error))
    }

    fn unconfirmed(&self, failed: usize, reason: String) -> PublishError {
        let topic = self.records.first().map_or("", |record| record.topic).to_owned();
        PublishError::Unconfirmed { topic, failed, records: self.records.len(), reason }
    }
}

/// Records without a report, for which somebody waits. When nobody does any more, because the time is up or the call was
/// given up, they are taken out of the queue: a function is frozen after its call, and what it has queued would be sent when
/// it thaws. The client's other records go with them, and are published again with their next delivery.
struct UnderWay {
    client: Arc<Client<Batches>>,
    batch: Arc<Batch>,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if self.batch.open() > 0 {
            self.client.give_up();
        }
    }
}
