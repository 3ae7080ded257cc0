//! One attempt: records of one partition, or of several, in one transaction. Five steps, and all is applied or nothing:
//!
//! 1. Move the fences, and learn where they stood: to take a fence is to write it, so of two settlers of one partition the
//!    second fails at once. [`judge`] says how the records continue what has been applied.
//! 2. Read all that the new commands can touch ([`gather`](super::gather)).
//! 3. Fold, in memory, each partition by itself; each record has its outcome ([`decide`](super::decide)), or nothing is
//!    written.
//! 4. Write each touched account once, and what else there is.
//! 5. Commit; then read back what became of the records that had been applied before, and hold it against them.
//!
//! Round trips: the fences (of one partition one; of several two, and one to three more for each that has none yet), the
//! accounts and the commit always; the accounts' update or insert; open pages and keys where a page turns or a command carries
//! a key; turned pages, keys, unbooked outcomes and dead letters where there are any. And for each partition that needs it,
//! one for ended holds, and after the commit those for what had been applied before.

use std::collections::HashMap;
use std::time::{Duration, Instant as StopWatch};

use futures::future::join_all;
use ledger::{Partition, Worksheet, settle};

use super::decide::Decided;
use super::task::Task;
use crate::batch::{AppliedOutcome, LogRecord};
use crate::books::{Books, Transaction, Work};
use crate::error::ApplyFailure;
use crate::fence::{Circumstances, Continuation, Fence, FenceFault, FenceMove, judge, voids_passed};
use crate::spent::Step;
use crate::store::Store;

/// How much longer than their lifetime keys stay stored: a retry within the lifetime finds its key also where the settler
/// was down over its end, or the books were restored from a backup.
const KEYS_OUTLAST: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// Records that an attempt applies: some of a batch's, in a row and never none.
#[derive(Clone, Copy)]
pub(super) struct Share<'a> {
    pub(super) task: &'a Task,
    pub(super) records: &'a [LogRecord],
}

impl Share<'_> {
    pub(super) fn partition(&self) -> Partition {
        self.task.batch.partition
    }
}

/// What an attempt that committed has done.
struct Done {
    continuation: Continuation,
    /// What became of the records that had not been applied before.
    applied: Vec<AppliedOutcome>,
}

/// What of a share had not been applied before, and what is to become of it.
pub(super) struct Portion<'a> {
    pub(super) share: Share<'a>,
    pub(super) continuation: Continuation,
    pub(super) decided: Decided<'a>,
}

impl<'a> Portion<'a> {
    fn of((share, continuation): (&Share<'a>, Continuation)) -> Self {
        let Continuation { redelivered, generation, partitions, .. } = continuation;
        let decided = Decided::all(&share.records[redelivered..], share.partition(), generation, partitions);
        Self { share: *share, continuation, decided }
    }
}

/// Why an attempt did not commit.
pub(super) enum NotDone {
    Failed(ApplyFailure),
    /// Only so many records of a share are sound, at least one. Nothing is wrong with those.
    Sound(usize),
}

impl<F: Into<ApplyFailure>> From<F> for NotDone {
    fn from(failure: F) -> Self {
        Self::Failed(failure.into())
    }
}

impl NotDone {
    fn is_silence(&self) -> bool {
        matches!(self, Self::Failed(ApplyFailure::Store(error)) if error.is_silence())
    }
}

impl<B: Books> Store<B> {
    /// One attempt, shares of different partitions in one transaction: all of it is applied, or nothing.
    pub(super) async fn attempt_whole(&self, shares: &[Share<'_>]) -> Result<(), NotDone> {
        self.meter.count_attempt();
        let done = self.attempt(shares).await?;
        let keeping = shares.iter().zip(done).map(|(Share { task, records }, done)| async move {
            let before = self.read_back(task, &records[..done.continuation.redelivered], &done.continuation).await?;
            task.keep(before, done.applied, &done.continuation);
            Ok(())
        });
        join_all(keeping).await.into_iter().collect::<Result<(), ApplyFailure>>()?;
        self.meter.count_batch();
        Ok(())
    }

    /// Where everything had been applied before, it commits too, though it changes nothing: only then is it certain that what
    /// was read stays.
    async fn attempt(&self, shares: &[Share<'_>]) -> Result<Vec<Done>, NotDone> {
        let Some(Share { task, .. }) = shares.first() else { return Ok(Vec::new()) };
        task.check_time()?;
        let mut transaction = self.books.begin().await?;
        let mut mark = StopWatch::now();
        let done = match self.fold_and_write(&mut transaction, task, shares, &mut mark).await {
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

    /// All tasks of an attempt have one deadline and one `settled_at`: those of the first.
    async fn fold_and_write(
        &self,
        transaction: &mut B::Transaction,
        first: &Task,
        shares: &[Share<'_>],
        mark: &mut StopWatch,
    ) -> Result<Vec<Done>, NotDone> {
        let moves: Vec<_> = shares.iter().map(|share| FenceMove::behind(&share.task.batch, share.records)).collect();
        let fences = transaction.move_fences(&moves).await?;
        let judged = shares.iter().zip(&fences).map(|(share, fence)| self.judge(share, fence.as_ref()));
        let continuations = judged.collect::<Result<Vec<_>, _>>()?;
        let portions: Vec<_> = shares.iter().zip(continuations).map(Portion::of).collect();
        let unchanged: Vec<_> = portions.iter().filter(|portion| portion.decided.is_empty()).collect();
        unchanged.iter().for_each(|portion| portion.share.task.changes_nothing());
        if unchanged.len() == portions.len() {
            self.meter.lap(Step::Read, mark);
            let nothing = |portion: Portion<'_>| Done { continuation: portion.continuation, applied: Vec::new() };
            return Ok(portions.into_iter().map(nothing).collect());
        }
        first.check_time()?;
        let worksheets = self.gather(transaction, &portions, first.settled_at).await?;
        self.meter.lap(Step::Read, mark);
        first.check_time()?;
        let (mut works, mut done) = (Vec::with_capacity(shares.len()), Vec::with_capacity(shares.len()));
        for (portion, worksheet) in portions.into_iter().zip(worksheets) {
            let continuation = portion.continuation;
            let (work, applied) = self.fold(portion, worksheet)?;
            works.push(work);
            done.push(Done { continuation, applied });
        }
        self.meter.lap(Step::Fold, mark);
        let written = transaction.write(&works).await;
        // The transaction has counted this time itself, as encoding and writing.
        *mark = StopWatch::now();
        written?;
        Ok(done)
    }

    fn judge(&self, share: &Share<'_>, fence: Option<&Fence>) -> Result<Continuation, NotDone> {
        let accepts_writers_time = self.terms.accepts_writers_time;
        let circumstances = Circumstances { now: share.task.settled_at, accepts_writers_time };
        let continuation = judge(fence, &share.task.batch, share.records, circumstances)?;
        if continuation.sound < share.records.len() {
            Err(NotDone::Sound(continuation.sound))
        } else {
            Ok(continuation)
        }
    }

    /// What is to be written of a portion, and what has become of its records.
    fn fold(
        &self,
        portion: Portion<'_>,
        mut worksheet: Worksheet,
    ) -> Result<(Work, Vec<AppliedOutcome>), ApplyFailure> {
        let Portion { share: Share { task, records }, continuation, decided } = portion;
        let outcomes = settle(&mut worksheet, decided.timed_commands())?;
        let applied = decided.in_order(outcomes)?;
        let changes = worksheet.into_changes();
        if let Some(unsound) = changes.accounts.iter().find_map(|change| change.after.check().err()) {
            return Err(ApplyFailure::Unsound(Box::new(unsound)));
        }
        let end = records.last().map_or(0, |record| record.offset + 1);
        let work = Work {
            topic: task.batch.topic.clone(),
            partition: task.batch.partition,
            changes,
            unbooked: applied.iter().filter_map(AppliedOutcome::unbooked).cloned().collect(),
            dead_letters: applied.iter().filter_map(AppliedOutcome::dead_letter).collect(),
            voids: voids_passed(continuation.found_at..end, applied.len()),
            settled_at: task.settled_at,
            keys_swept_at: task.settled_at.plus(self.terms.policy.key_lifetime).plus(KEYS_OUTLAST),
        };
        Ok((work, applied))
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
