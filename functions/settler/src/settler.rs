use std::time::Duration;

use futures::future::join_all;
use ledger::{Offset, Timestamp};
use ledger_log::{CommandReader, OutcomeLog, PublishError};
use ledger_store::{Applied, AppliedOutcome, ApplyError, Published, Report, Settling};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use crate::deadline::Deadlines;
use crate::event::{KafkaEvent, PartitionName};
use crate::faults::Faults;
use crate::metrics::Metrics;
use crate::partition::{Traces, outcome_records, stub_records};
use crate::response::{BatchResponse, failures_of};

mod delivered;
mod gap;
mod missed;

use delivered::{Behind, Delivered, Done, Settled};
use gap::{Open, gap};
use missed::{CaughtUp, Missed, PATIENCE};

/// The longest an outcome may take to be confirmed, where the invocation has so much left; librdkafka may notice up to a
/// second late.
pub const PUBLISH_TIMEOUT: Duration = Duration::from_secs(8);

/// Settles events. One for the lifetime of an execution environment.
#[derive(Debug)]
pub struct Settler<S, O, L> {
    store: S,
    outcomes: O,
    log: L,
    faults: Faults,
    missed: Missed,
    /// Whoever has it may hold a stretch of the log in memory.
    looking: Mutex<()>,
}

/// Why a partition is to be delivered again.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    NotApplied(#[from] ApplyError),
    #[error("{fault}; {open}")]
    Gap { fault: Box<Failure>, open: Open },
    #[error("the outcomes were not published: {0}")]
    NotPublished(#[from] PublishError),
    #[error("{} takes not even a stub of an outcome: raise its max.message.bytes", ledger_log::OUTCOMES)]
    TooLarge,
    #[error("an outcome cannot be written: {0}")]
    NotWritten(#[from] serde_json::Error),
}

impl Failure {
    /// Whether to deliver again cannot help.
    const fn is_final(&self) -> bool {
        match self {
            Self::NotApplied(error) => !error.retry_helps(),
            Self::Gap { open, .. } => open.is_final(),
            Self::TooLarge => true,
            Self::NotPublished(_) | Self::NotWritten(_) => false,
        }
    }
}

impl<S: Settling, O: OutcomeLog, L: CommandReader> Settler<S, O, L> {
    pub fn new(store: S, outcomes: O, log: L) -> Self {
        let (faults, missed, looking) = (Faults::default(), Missed::default(), Mutex::default());
        Self { store, outcomes, log, faults, missed, looking }
    }

    /// Settles every partition of an event, names the records of those that failed, and reports what it did.
    pub async fn settle(
        &self,
        event: KafkaEvent,
        settled_at: Timestamp,
        deadlines: Deadlines,
    ) -> (BatchResponse, Metrics) {
        let done = self.settle_partitions(event, settled_at, deadlines).await;
        let (mut failures, mut metrics) = (Vec::new(), Vec::new());
        // What an earlier delivery missed comes when all of this one is published: where its time ends, it takes what is in
        // the client's queue with it.
        let until = deadlines.publish.min(Instant::now() + PATIENCE);
        for Done { failures: failed, metrics: counted, behind, .. } in done {
            failures.extend(failed);
            metrics.push(match behind {
                Some(behind) => self.catch_up_to(behind, settled_at, until, deadlines, counted).await,
                None => counted,
            });
        }
        (BatchResponse { batch_item_failures: failures }, Metrics::sum(metrics))
    }

    /// Where all partitions are small they are applied together; else each is published as soon as it is applied.
    async fn settle_partitions(&self, event: KafkaEvent, settled_at: Timestamp, deadlines: Deadlines) -> Vec<Done> {
        let partitions = event.records.into_iter().filter(|partition| !partition.records.is_empty());
        let (delivered, batches): (Vec<_>, Vec<_>) = partitions.map(Delivered::read).unzip();
        match self.store.apply_together(batches, settled_at, deadlines.apply).await {
            Ok(reports) => {
                let applied = delivered.into_iter().zip(reports);
                let finish = |(delivered, report)| self.finish(delivered, report, settled_at, deadlines);
                let done = join_all(applied.map(finish)).await;
                let marks: Vec<_> = done.iter().filter_map(|done| done.published.clone()).collect();
                self.mark_published(&marks, deadlines).await;
                done
            }
            Err(batches) => {
                join_all(delivered.into_iter().zip(batches).map(|(delivered, batch)| async {
                    let report = self.store.apply(batch, settled_at, deadlines.apply).await;
                    let done = self.finish(delivered, report, settled_at, deadlines).await;
                    self.mark_published(done.published.as_slice(), deadlines).await;
                    done
                }))
                .await
            }
        }
    }

    /// What follows when a partition is applied, as far as it is: gaps are closed, and all its outcomes are published.
    async fn finish(&self, delivered: Delivered, report: Report, settled_at: Timestamp, deadlines: Deadlines) -> Done {
        let Delivered { name, records: delivered, mut traces } = delivered;
        let Report { outcomes, unpublished, failure } = report;
        let gap = gap(failure.as_ref());
        let recorded_at = delivered.iter().take(outcomes.len()).map(|(_, at)| *at).collect();
        let failure = failure.map(Failure::NotApplied);
        let mut settled = Settled { outcomes, recorded_at, skipped: 0, unpublished, failure };
        if let Some(gap) = gap {
            self.close_gap(&name, gap, &delivered, settled_at, deadlines, (&mut settled, &mut traces)).await;
        }
        let (mut metrics, mut published, mut behind) = (Metrics::default(), None, None);
        match self.publish(&name, &settled.outcomes, traces, deadlines.publish).await {
            Ok(too_large) => {
                metrics = Metrics::of_settled(&settled.outcomes, &settled.recorded_at).with_too_large(too_large);
                metrics = metrics.with_skipped(settled.skipped);
                log_settled(&name, &settled.outcomes);
                (published, behind) = settled.after_publishing(&name);
            }
            Err(failure) => {
                settled.outcomes.clear();
                settled.failure = Some(failure);
            }
        }
        let next = settled.outcomes.last().map_or(0, |last| last.position.offset() + 1);
        let left: Vec<_> = delivered.into_iter().filter(|(offset, _)| *offset >= next).collect();
        match settled.failure {
            None => self.faults.forget(name.partition),
            Some(Failure::Gap { open: Open::More, .. }) if next > 0 => self.faults.forget(name.partition),
            Some(failure) => {
                self.log_failure(&name, &left, &failure, settled_at);
                let recorded_at: Vec<_> = left.iter().map(|(_, at)| *at).collect();
                metrics = metrics.plus(Metrics::of_failed(&recorded_at));
            }
        }
        let failures = failures_of(&name, left.into_iter().map(|(offset, _)| offset));
        Done { failures, metrics, published, behind }
    }

    /// Publishes what an earlier delivery did not, and notes how far all is published.
    async fn catch_up_to(
        &self,
        behind: Behind,
        settled_at: Timestamp,
        until: Instant,
        deadlines: Deadlines,
        metrics: Metrics,
    ) -> Metrics {
        let Behind { name, missed, then } = behind;
        let (from, end) = (missed.start, missed.end);
        let CaughtUp { to, lost } = self.catch_up(&name, then.generation, missed, settled_at, until, deadlines).await;
        if to >= end {
            self.mark_published(&[then], deadlines).await;
        }
        metrics.with_missed(end - to.clamp(from, end), lost)
    }

    /// Publishes the outcomes, by then or not at all; those that the brokers never take, as stubs. Gives the number of those.
    async fn publish(
        &self,
        name: &PartitionName,
        outcomes: &[AppliedOutcome],
        mut traces: Traces,
        until: Instant,
    ) -> Result<u64, Failure> {
        if outcomes.is_empty() {
            return Ok(0);
        }
        let PartitionName { topic, partition } = name;
        let records = outcome_records(outcomes, &mut traces)?;
        let too_large = self.outcomes.publish(&records, until).await?;
        if !too_large.is_empty() {
            let stubs = stub_records(outcomes, &records, &too_large)?;
            if !self.outcomes.publish(&stubs, until).await?.is_empty() {
                return Err(Failure::TooLarge);
            }
            let offset = outcomes[too_large[0]].position.offset();
            tracing::warn!(
                topic,
                partition,
                offset,
                records = too_large.len(),
                "outcomes too large are published as stubs"
            );
        }
        tracing::trace!(topic, partition, "published");
        Ok(too_large.len() as u64)
    }

    /// Tells the fences, in what is left of the time. Where that fails nothing is lost: they then say that less is
    /// published than is.
    async fn mark_published(&self, marks: &[Published], deadlines: Deadlines) {
        match timeout_at(deadlines.publish, self.store.mark_published(marks)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the fences were not told what is published"),
            Err(_) => tracing::debug!("there was no time to tell the fences what is published"),
        }
    }

    /// Where delivering again cannot help, or has not helped for minutes, somebody has to look: an error. Anything else
    /// passes.
    fn log_failure(&self, name: &PartitionName, left: &[(Offset, Timestamp)], failure: &Failure, now: Timestamp) {
        let PartitionName { topic, partition } = name;
        let (records, offset) = (left.len(), left.first().map(|(offset, _)| *offset));
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
    let Some(first) = outcomes.first() else { return };
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
    let offset = first.position.offset();
    tracing::info!(topic, partition, offset, records = outcomes.len(), redelivered, "settled a batch");
}

#[cfg(test)]
mod tests;
