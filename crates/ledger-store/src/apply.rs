//! Applies what an event brings. Where all its partitions are small, they go into one transaction ([`together`]): their
//! accounts are disjoint, and a transaction costs about as much for one command as for a hundred. Where one is large or has a
//! gap, or the common transaction failed, each is applied by itself, side by side, in prefixes
//! ([`PrefixSize`](crate::prefix::PrefixSize)), each a transaction of its own ([`attempt`]).
//!
//! A prefix that fails in a way that may pass is tried again until the deadline, each time half as large; what has been
//! committed stays, and only the rest is reported as failed. The common transaction is tried once.

mod attempt;
mod decide;
mod gather;
mod task;
mod together;

use std::ops::Range;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use ledger::{Offset, Timestamp};
use tokio::time::{Instant, sleep, timeout_at};

use self::attempt::{NotDone, Share};
use self::task::Task;
use self::together::fit_one_transaction;
use crate::batch::{PartitionBatch, Report};
use crate::books::Books;
use crate::error::ApplyFailure;
use crate::fence::{Continuation, run_length};
use crate::store::Store;

/// How long a transaction of several partitions may take. It is small; where it hangs, each partition shall have time left to
/// be applied by itself.
const TOGETHER_WITHIN: Duration = Duration::from_secs(5);

/// Tries again soon, then less often; whoever calls sets the end.
pub(crate) fn backoff() -> ExponentialBuilder {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(2))
        .with_max_delay(Duration::from_millis(250))
        .with_max_times(10_000)
        .with_jitter()
}

impl<B: Books> Store<B> {
    pub(crate) async fn apply_until(&self, batch: PartitionBatch, settled_at: Timestamp, deadline: Instant) -> Report {
        if batch.records.is_empty() {
            return Report::default();
        }
        let task = Task::new(batch, settled_at, deadline);
        let applying = {
            let (store, task) = (self.clone(), task.clone());
            async move { store.apply_prefixes(&task).await }
        };
        let failure = match in_a_task(deadline, applying).await {
            Some(applied) => applied.err(),
            None => Some(task.out_of_time()),
        };
        if let Some(ApplyFailure::OutOfTime { .. }) = failure {
            self.halve_what_was_attempted(&task);
        }
        task.report(failure)
    }

    /// Gives the batches back where they do not go together, or did not: applied apart, each says what is wrong with it. What
    /// was committed all the same, and the answer lost, is a redelivery then.
    pub(crate) async fn apply_together_until(
        &self,
        batches: Vec<PartitionBatch>,
        settled_at: Timestamp,
        deadline: Instant,
    ) -> Result<Vec<Report>, Vec<PartitionBatch>> {
        if !fit_one_transaction(batches.iter().map(|batch| (batch, self.prefix_size(batch.partition)))) {
            return Err(batches);
        }
        let deadline = deadline.min(Instant::now() + TOGETHER_WITHIN);
        let tasks: Vec<_> = batches.into_iter().map(|batch| Task::new(batch, settled_at, deadline)).collect();
        let applying = {
            let (store, tasks) = (self.clone(), tasks.clone());
            async move { store.attempt_together(&tasks).await }
        };
        match in_a_task(deadline, applying).await {
            Some(true) => return Ok(tasks.iter().map(|task| task.report(None)).collect()),
            Some(false) => {}
            None => tasks.iter().for_each(|task| self.halve_what_was_attempted(task)),
        }
        Err(tasks.into_iter().map(Task::into_batch).collect())
    }

    /// Whether all of it is applied.
    async fn attempt_together(&self, tasks: &[Task]) -> bool {
        let with_records = tasks.iter().filter(|task| !task.batch.records.is_empty());
        let shares: Vec<_> = with_records.map(|task| Share { task, records: &task.batch.records }).collect();
        shares.iter().for_each(|share| share.task.attempt(share.records.len()));
        let partitions = shares.len();
        match self.attempt_whole(&shares).await {
            Ok(()) => return true,
            Err(NotDone::Failed(failure)) => tracing::debug!(%failure, partitions, "applying apart"),
            Err(NotDone::Sound(_)) => tracing::debug!(partitions, "applying apart: one of them is not sound"),
        }
        false
    }

    /// Where nothing was attempted, nothing was too large.
    fn halve_what_was_attempted(&self, task: &Task) {
        if let Some(attempted) = task.attempted_to_write() {
            self.resize(task.batch.partition, |size| size.halve(attempted));
        }
    }

    async fn apply_prefixes(&self, task: &Task) -> Result<(), ApplyFailure> {
        let (batch, partition) = (&task.batch, task.batch.partition);
        let mut from = 0;
        let mut delays = backoff().build();
        let mut sound = usize::MAX;
        while from < batch.records.len() {
            let run = run_length(batch, from).min(sound);
            let length = self.prefix_size(partition).cut(&batch.records[from..from + run]);
            task.attempt(length);
            let share = Share { task, records: &batch.records[from..from + length] };
            match self.attempt_whole(&[share]).await {
                Ok(()) => {
                    self.resize(partition, |size| size.grow(length));
                    (from, sound, delays) = (from + length, usize::MAX, backoff().build());
                }
                Err(NotDone::Sound(records)) => sound = records,
                Err(NotDone::Failed(ApplyFailure::Store(error))) if error.retry_helps() => {
                    if error.smaller_helps() {
                        self.resize(partition, |size| size.halve(length));
                    }
                    let Some(delay) = delays.next() else { return Err(error.into()) };
                    task.note(&error, delay);
                    sleep(delay).await;
                }
                Err(NotDone::Failed(failure)) => return Err(failure),
            }
        }
        Ok(())
    }
}

/// Does it in a task of its own, which ends its transactions even when the time has come: one that is only dropped would keep
/// its locks until the server gives it up, by default a minute later. Nothing once the time has come.
async fn in_a_task<T: Send + 'static>(deadline: Instant, work: impl Future<Output = T> + Send + 'static) -> Option<T> {
    match timeout_at(deadline, tokio::spawn(work)).await {
        Ok(Ok(done)) => Some(done),
        Ok(Err(ended)) => std::panic::resume_unwind(ended.into_panic()),
        Err(_) => None,
    }
}

/// The offsets before a batch that nobody has said to be published; none where the log says that all of them are void.
fn unpublished(batch: &PartitionBatch, continuation: &Continuation) -> Option<Range<Offset>> {
    let (first, published) = (batch.records.first()?.offset, continuation.published);
    (published < first && !batch.is_next(published, first)).then_some(published..first)
}
