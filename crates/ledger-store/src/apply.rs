//! Applies a batch of one partition, in prefixes ([`PrefixSize`](crate::prefix::PrefixSize)); for each, five steps in one transaction:
//!
//! 1. Move the fence, and learn where it stood: one command both reads it and takes it, so of two settlers of one
//!    partition the second fails at once. [`judge`] says how the records continue what has been applied.
//! 2. Read all that the new commands can touch ([`gather`]).
//! 3. Fold, in memory; each record has its outcome ([`decide`]), or nothing is written.
//! 4. Write each touched account once, and what else there is.
//! 5. Commit; then read back what became of the records that had been applied before, and hold it against them.
//!
//! A prefix that fails in a way that may pass is tried again until the deadline, each time half as large; what has been
//! committed stays, and only the rest is reported as failed.
//!
//! Round trips of a prefix: the fence, the accounts and the commit always; the accounts' update or insert; open pages, keys
//! and ended holds where a page turns, a command carries a key, a hold is not open; turned pages, keys, unbooked outcomes
//! and dead letters where there are any.

mod decide;
mod gather;
mod task;

use std::collections::HashMap;
use std::ops::Range;
use std::time::{Duration, Instant as StopWatch};

use backon::{BackoffBuilder, ExponentialBuilder};
use ledger::{Offset, Timestamp, settle};
use tokio::time::{Instant, sleep, timeout_at};

use self::decide::Decided;
use self::task::Task;
use crate::batch::{AppliedOutcome, LogRecord, PartitionBatch, Report};
use crate::books::{Books, Transaction, Work};
use crate::error::ApplyFailure;
use crate::fence::{Circumstances, Continuation, FenceFault, FenceMove, judge, run_length, voids_passed};
use crate::spent::Step;
use crate::store::Store;

/// How much longer than their lifetime keys stay stored: a retry within the lifetime finds its key also where the settler
/// was down over its end, or the books were restored from a backup.
const KEYS_OUTLAST: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// What an attempt that committed has done.
struct Done {
    continuation: Continuation,
    /// What became of the records that had not been applied before.
    applied: Vec<AppliedOutcome>,
}

/// Why an attempt did not commit.
enum NotDone {
    Failed(ApplyFailure),
    /// Only so many records of the prefix are sound, at least one. Nothing is wrong with those.
    Sound(usize),
}

impl<F: Into<ApplyFailure>> From<F> for NotDone {
    fn from(failure: F) -> Self {
        Self::Failed(failure.into())
    }
}

/// Tries again soon, then less often; whoever calls sets the end.
pub(crate) fn backoff() -> ExponentialBuilder {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(2))
        .with_max_delay(Duration::from_millis(250))
        .with_max_times(10_000)
        .with_jitter()
}

impl<B: Books> Store<B> {
    /// The attempts run in a task of their own, which ends its transaction even when the time has come: one that is
    /// only dropped would keep its locks until the server gives it up, a minute later.
    pub(crate) async fn apply_until(&self, batch: PartitionBatch, settled_at: Timestamp, deadline: Instant) -> Report {
        if batch.records.is_empty() {
            return Report::default();
        }
        let task = Task::new(batch, settled_at, deadline);
        let attempts = {
            let (store, task) = (self.clone(), task.clone());
            tokio::spawn(async move { store.apply_prefixes(&task).await })
        };
        let failure = match timeout_at(deadline, attempts).await {
            Ok(Ok(applied)) => applied.err(),
            Ok(Err(ended)) => std::panic::resume_unwind(ended.into_panic()),
            Err(_) => Some(task.out_of_time()),
        };
        if let Some(ApplyFailure::OutOfTime { .. }) = failure {
            // Where nothing was attempted, nothing was too large.
            if let Some(attempted) = task.attempted() {
                self.resize(task.batch.partition, |size| size.halve(attempted));
            }
        }
        task.report(failure)
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
            match self.attempt_whole(task, &batch.records[from..from + length]).await {
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

    async fn attempt_whole(&self, task: &Task, records: &[LogRecord]) -> Result<(), NotDone> {
        self.meter.count_attempt();
        let done = self.attempt(task, records).await?;
        let before = &records[..done.continuation.redelivered];
        let mut outcomes = self.read_back(task, before, &done.continuation).await?;
        outcomes.extend(done.applied);
        task.keep(outcomes, &done.continuation);
        self.meter.count_batch();
        Ok(())
    }

    /// A prefix of which everything had been applied before is committed too, though it changes nothing: only then is it
    /// certain that what was read stays.
    async fn attempt(&self, task: &Task, records: &[LogRecord]) -> Result<Done, NotDone> {
        task.check_time()?;
        let mut transaction = self.books.begin().await?;
        let mut mark = StopWatch::now();
        let done = match self.fold_and_write(&mut transaction, task, records, &mut mark).await {
            Ok(done) => transaction.commit(task.deadline).await.map(|()| done).map_err(NotDone::from),
            Err(failure) => {
                if !failure.is_silence() {
                    transaction.abort().await;
                }
                Err(failure)
            }
        };
        self.meter.lap(Step::Commit, &mut mark);
        done
    }

    async fn fold_and_write(
        &self,
        transaction: &mut B::Transaction,
        task: &Task,
        records: &[LogRecord],
        mark: &mut StopWatch,
    ) -> Result<Done, NotDone> {
        let (batch, settled_at) = (&task.batch, task.settled_at);
        let to = FenceMove::behind(batch, records);
        let fence = transaction.move_fence(&to).await?;
        let circumstances = Circumstances { now: settled_at, accepts_writers_time: self.terms.accepts_writers_time };
        let continuation = judge(fence.as_ref(), batch, records, circumstances)?;
        if continuation.sound < records.len() {
            return Err(NotDone::Sound(continuation.sound));
        }
        let new = &records[continuation.redelivered..];
        if new.is_empty() {
            self.meter.lap(Step::Read, mark);
            return Ok(Done { continuation, applied: Vec::new() });
        }
        task.check_time()?;
        let decided = Decided::all(new, batch.partition, continuation.generation);
        let mut worksheet = self.gather(transaction, task, &decided.commands(), continuation.clock).await?;
        self.meter.lap(Step::Read, mark);
        task.check_time()?;
        let outcomes = settle(&mut worksheet, decided.timed_commands())?;
        let applied = decided.in_order(outcomes)?;
        let changes = worksheet.into_changes()?;
        if let Some(unsound) = changes.accounts.iter().find_map(|change| change.after.check().err()) {
            return Err(ApplyFailure::Unsound(Box::new(unsound)).into());
        }
        self.meter.lap(Step::Fold, mark);
        let work = Work {
            topic: batch.topic.clone(),
            partition: batch.partition,
            changes,
            unbooked: applied.iter().filter_map(AppliedOutcome::unbooked).cloned().collect(),
            dead_letters: applied.iter().filter_map(AppliedOutcome::dead_letter).collect(),
            voids: voids_passed(continuation.found_at..to.next_offset, new.len()),
            settled_at,
            keys_swept_at: settled_at.plus(self.terms.policy.key_lifetime).plus(KEYS_OUTLAST),
        };
        transaction.write(&work).await?;
        self.meter.lap(Step::Write, mark);
        Ok(Done { continuation, applied })
    }

    /// What became of records that had been applied before. One of which something else was applied is of another log.
    async fn read_back(
        &self,
        task: &Task,
        records: &[LogRecord],
        continuation: &Continuation,
    ) -> Result<Vec<AppliedOutcome>, ApplyFailure> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let (partition, generation) = (task.batch.partition, continuation.generation);
        let found = self.books.find_applied(partition, generation, records).await?;
        let mut found: HashMap<_, _> = found.into_iter().collect();
        let outcome = |record: &LogRecord| {
            let position = record.position(generation, partition);
            let applied = found.remove(&position).ok_or(ApplyFailure::OutcomeMissing(position))?;
            if !applied.is_of(record) {
                return Err(FenceFault::Recreated { offset: record.offset }.into());
            }
            Ok(AppliedOutcome { position, applied, redelivered: true })
        };
        records.iter().map(outcome).collect()
    }
}

impl NotDone {
    fn is_silence(&self) -> bool {
        matches!(self, Self::Failed(ApplyFailure::Store(error)) if error.is_silence())
    }
}

/// The offsets before a batch that nobody has said to be published.
fn unpublished(first: Offset, continuation: &Continuation) -> Option<Range<Offset>> {
    (continuation.published < first).then_some(continuation.published..first)
}
