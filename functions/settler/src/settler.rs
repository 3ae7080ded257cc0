use std::time::Duration;

use futures::future::join_all;
use ledger::{Offset, Timestamp};
use ledger_log::{OutcomeLog, PublishError};
use ledger_store::ApplyFailure::Refused;
use ledger_store::FenceRefusal::OlderGeneration;
use ledger_store::{Applied, AppliedOutcome, ApplyError, Settling};
use tokio::time::timeout_at;

use crate::deadline::Deadlines;
use crate::event::{KafkaEvent, PartitionName, PartitionRecords, Record};
use crate::metrics::Report;
use crate::partition::{outcome_records, read};
use crate::refusals::Refusals;
use crate::response::{BatchItemFailure, BatchResponse, failures_of};

/// The longest an outcome may take to be confirmed; librdkafka may notice up to a second late.
pub const PUBLISH_TIMEOUT: Duration = Duration::from_secs(8);

/// Settles events. One for the lifetime of an execution environment.
#[derive(Debug)]
pub struct Settler<S, O> {
    store: S,
    outcomes: O,
    refusals: Refusals,
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
    #[error("the store has {outcomes} outcomes for {records} records; none is published")]
    NotOneEach { outcomes: usize, records: usize },
}

impl Failure {
    /// Whether to deliver again cannot help.
    const fn is_final(&self) -> bool {
        match self {
            Self::NotApplied(error) => !error.retry_helps(),
            Self::NotOneEach { .. } => true,
            Self::NotPublished(_) | Self::OutOfTime | Self::NotWritten(_) => false,
        }
    }
}

impl<S: Settling, O: OutcomeLog> Settler<S, O> {
    pub fn new(store: S, outcomes: O) -> Self {
        Self { store, outcomes, refusals: Refusals::default() }
    }

    /// Settles every partition of an event, names the records of those that failed, and reports what it did.
    pub async fn settle(
        &self,
        event: KafkaEvent,
        settled_at: Timestamp,
        deadlines: Deadlines,
    ) -> (BatchResponse, Report) {
        let partitions = event.records.into_iter().filter(|partition| !partition.records.is_empty());
        let settled =
            join_all(partitions.map(|partition| self.settle_partition(partition, settled_at, deadlines))).await;
        let (failures, reports): (Vec<_>, Vec<_>) = settled.into_iter().unzip();
        (BatchResponse { batch_item_failures: failures.into_iter().flatten().collect() }, Report::sum(reports))
    }

    async fn settle_partition(
        &self,
        partition: PartitionRecords,
        settled_at: Timestamp,
        deadlines: Deadlines,
    ) -> (Vec<BatchItemFailure>, Report) {
        let PartitionRecords { name, mut records } = partition;
        // Lambda delivers them in order, and the store refuses a batch that is not: sorting makes sure of it.
        records.sort_unstable_by_key(|record| record.offset);
        let failures = failures_of(&name, &records);
        let recorded_at: Vec<_> = records.iter().map(|record| Timestamp::from_epoch_ms(record.timestamp)).collect();
        let result = async {
            let outcomes = self.apply(&name, &records, settled_at, deadlines).await?;
            if outcomes.len() != records.len() {
                return Err(Failure::NotOneEach { outcomes: outcomes.len(), records: records.len() });
            }
            let records = outcome_records(&outcomes, records)?;
            timeout_at(deadlines.publish, self.outcomes.publish(&records)).await.map_err(|_| Failure::OutOfTime)??;
            Ok(outcomes)
        }
        .await;
        match result {
            Ok(outcomes) => {
                self.refusals.forget(name.partition);
                log_settled(&name, &outcomes);
                (Vec::new(), Report::of_settled(&outcomes, &recorded_at))
            }
            Err(failure) => {
                self.log_failure(&name, &failures, &failure, settled_at);
                (failures, Report::of_failed(&recorded_at))
            }
        }
    }

    /// Applies the records; those of an older generation, which only the books can tell, are set aside in a second go.
    async fn apply(
        &self,
        name: &PartitionName,
        records: &[Record],
        settled_at: Timestamp,
        deadlines: Deadlines,
    ) -> Result<Vec<AppliedOutcome>, ApplyError> {
        let apply = |stale: &[Offset]| self.store.apply(read(name, records, stale), settled_at, deadlines.apply);
        match apply(&[]).await {
            Err(ApplyError { failure: Refused(OlderGeneration { offsets, .. }), .. }) => apply(&offsets).await,
            applied => applied,
        }
    }

    /// Where delivering again cannot help, or has not helped for minutes, somebody has to look: an error. Anything else
    /// passes.
    fn log_failure(&self, name: &PartitionName, failures: &[BatchItemFailure], failure: &Failure, now: Timestamp) {
        let PartitionName { topic, partition } = name;
        let (records, offset) = (failures.len(), failures.first().map(|first| first.item_identifier.offset));
        if self.refusals.wakes(*partition, &failure.to_string(), failure.is_final(), now) {
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
                tracing::debug!(id = %settled.id(), status = settled.entry.status.name(), "settled");
            }
        }
    }
    let offset = outcomes.first().map(|outcome| outcome.position.offset());
    tracing::info!(topic, partition, offset, records = outcomes.len(), redelivered, "settled a batch");
}

#[cfg(test)]
mod tests;
