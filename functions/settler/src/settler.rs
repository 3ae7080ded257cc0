use std::time::Duration;

use futures::future::join_all;
use ledger::{Offset, Timestamp};
use ledger_log::{OutcomeLog, PublishError};
use ledger_store::{Applied, AppliedOutcome, ApplyError, Report, Settling};
use tokio::time::timeout_at;

use crate::deadline::Deadlines;
use crate::event::{KafkaEvent, PartitionName, PartitionRecords};
use crate::faults::Faults;
use crate::metrics::Metrics;
use crate::partition::{Traces, outcome_records, read};
use crate::response::{BatchItemFailure, BatchResponse, failures_of};

/// The longest an outcome may take to be confirmed; librdkafka may notice up to a second late.
pub const PUBLISH_TIMEOUT: Duration = Duration::from_secs(8);

/// Settles events. One for the lifetime of an execution environment.
#[derive(Debug)]
pub struct Settler<S, O> {
    store: S,
    outcomes: O,
    faults: Faults,
}

/// Why a partition is to be delivered again.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    NotApplied(#[from] ApplyError),
    #[error("the outcomes were not published: {0}")]
    NotPublished(#[from] PublishError),
    #[error("the outcomes were not published in time")]
    OutOfTime,
    #[error("an outcome cannot be written: {0}")]
    NotWritten(#[from] serde_json::Error),
}

impl Failure {
    /// Whether to deliver again cannot help.
    const fn is_final(&self) -> bool {
        match self {
            Self::NotApplied(error) => !error.retry_helps(),
            Self::NotPublished(_) | Self::OutOfTime | Self::NotWritten(_) => false,
        }
    }
}

impl<S: Settling, O: OutcomeLog> Settler<S, O> {
    pub fn new(store: S, outcomes: O) -> Self {
        Self { store, outcomes, faults: Faults::default() }
    }

    /// Settles every partition of an event, names the records of those that failed, and reports what it did.
    pub async fn settle(
        &self,
        event: KafkaEvent,
        settled_at: Timestamp,
        deadlines: Deadlines,
    ) -> (BatchResponse, Metrics) {
        let partitions = event.records.into_iter().filter(|partition| !partition.records.is_empty());
        let settled =
            join_all(partitions.map(|partition| self.settle_partition(partition, settled_at, deadlines))).await;
        let (failures, metrics): (Vec<_>, Vec<_>) = settled.into_iter().unzip();
        (BatchResponse { batch_item_failures: failures.into_iter().flatten().collect() }, Metrics::sum(metrics))
    }

    async fn settle_partition(
        &self,
        partition: PartitionRecords,
        settled_at: Timestamp,
        deadlines: Deadlines,
    ) -> (Vec<BatchItemFailure>, Metrics) {
        let PartitionRecords { name, mut records } = partition;
        // Lambda delivers them in order, and the store takes no others: sorting makes sure of it.
        records.sort_unstable_by_key(|record| record.offset);
        let offsets: Vec<Offset> = records.iter().map(|record| record.offset).collect();
        let recorded_at: Vec<_> = records.iter().map(|record| Timestamp::from_epoch_ms(record.timestamp)).collect();
        let (batch, traces) = read(&name, records);
        let Report { outcomes, unpublished, failure } = self.store.apply(batch, settled_at, deadlines.apply).await;
        let published = self.publish(&name, &outcomes, traces, deadlines).await;
        let done = if published.is_ok() { outcomes.len() } else { 0 };
        if published.is_ok() && unpublished.is_none() {
            self.mark_published(&name, &outcomes, deadlines).await;
        }
        if done > 0 {
            log_settled(&name, &outcomes);
        }
        let mut metrics = vec![Metrics::of_settled(&outcomes[..done], &recorded_at[..done])];
        match published.err().or(failure.map(Failure::NotApplied)) {
            None => self.faults.forget(name.partition),
            Some(failure) => {
                self.log_failure(&name, &offsets[done..], &failure, settled_at);
                metrics.push(Metrics::of_failed(&recorded_at[done..]));
            }
        }
        (failures_of(&name, offsets.into_iter().skip(done)), Metrics::sum(metrics))
    }

    async fn publish(
        &self,
        name: &PartitionName,
        outcomes: &[AppliedOutcome],
        mut traces: Traces,
        deadlines: Deadlines,
    ) -> Result<(), Failure> {
        if outcomes.is_empty() {
            return Ok(());
        }
        let records = outcome_records(outcomes, &mut traces)?;
        timeout_at(deadlines.publish, self.outcomes.publish(&records)).await.map_err(|_| Failure::OutOfTime)??;
        tracing::trace!(topic = name.topic, partition = name.partition, "published");
        Ok(())
    }

    /// Tells the fence, in what is left of the time. Where that fails nothing is lost: the fence then says that less is
    /// published than is.
    async fn mark_published(&self, name: &PartitionName, outcomes: &[AppliedOutcome], deadlines: Deadlines) {
        let Some(last) = outcomes.last().map(|outcome| outcome.position) else { return };
        let (topic, partition) = (&name.topic, name.partition);
        let marking = self.store.mark_published(topic, partition, last.generation(), last.offset() + 1);
        match timeout_at(deadlines.publish, marking).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(topic, partition, %error, "the fence was not told what is published"),
            Err(_) => tracing::debug!(topic, partition, "there was no time to tell the fence what is published"),
        }
    }

    /// Where delivering again cannot help, or has not helped for minutes, somebody has to look: an error. Anything else
    /// passes.
    fn log_failure(&self, name: &PartitionName, offsets: &[Offset], failure: &Failure, now: Timestamp) {
        let PartitionName { topic, partition } = name;
        let (records, offset) = (offsets.len(), offsets.first());
        if self.faults.wakes(*partition, &failure.to_string(), failure.is_final(), now) {
            let what = if failure.is_final() {
                "the partition cannot be settled any further"
            } else {
                "the partition has not been settled for minutes"
            };
            tracing::error!(topic, partition, offset, records, "{what}: {failure}");
        } else {
            tracing::warn!(topic, partition, offset, records, "the partition is to be delivered again: {failure}");
        }
    }
}

fn log_settled(name: &PartitionName, outcomes: &[AppliedOutcome]) {
    let PartitionName { topic, partition } = name;
    let redelivered = outcomes.iter().filter(|outcome| outcome.redelivered).count();
    for outcome in outcomes {
        match &outcome.applied {
            Applied::Unreadable(letter) if !outcome.redelivered => {
                tracing::warn!(
                    topic,
                    partition,
                    offset = letter.offset,
                    transaction = letter.id(outcome.position).map(tracing::field::display),
                    why = letter.why,
                    "a record nobody can read is set aside"
                );
            }
            Applied::Unreadable(_) => {}
            Applied::Settled(settled) => {
                tracing::debug!(id = %settled.id(), status = settled.entry.line.standing().name(), "settled");
            }
        }
    }
    let offset = outcomes.first().map(|outcome| outcome.position.offset());
    tracing::info!(topic, partition, offset, records = outcomes.len(), redelivered, "settled a batch");
}

#[cfg(test)]
mod tests;
