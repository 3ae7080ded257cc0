//! Applies a batch of one partition: five steps in one transaction, tried again until they succeed or time is up.
//!
//! 1. Move the fence, and learn where it stood: one command both reads it and takes it, so of two settlers of one
//!    partition the second fails at once. [`judge`] says how the batch continues what has been applied.
//! 2. Read all that the new commands can touch ([`gather`]).
//! 3. Fold, in memory; each record has its outcome, or nothing is written.
//! 4. Write each touched account once, and what else there is ([`write`]).
//! 5. Commit; then read back what became of the records that had been applied before.
//!
//! Round trips: the fence, the accounts and the commit always; the accounts' update or insert; open pages, keys and ended
//! holds where a page turns, a command carries a key, a hold is not open; turned pages, keys, unbooked outcomes and
//! dead letters where there are any.

mod gather;
mod statements;
mod write;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant as StopWatch};

use backon::Retryable;
use ledger::{Command, Generation, Timestamp, settle};
use mongodb::ClientSession;
use mongodb::bson::doc;
use mongodb::error::ErrorKind;
use mongodb::options::{ReadConcern, ReturnDocument};
use tokio::time::{Instant, timeout_at};

use super::commit::{backoff, commit};
use super::{Store, durable};
use crate::batch::{Applied, AppliedOutcome, LogRecord, PartitionBatch};
use crate::capability::Reading;
use crate::error::{ApplyError, ApplyFailure, StoreError};
use crate::fence::{Continuation, Fence, judge};
use crate::shape::{FENCES, Fields, fence_advance, fence_id, read_fence};
use crate::spent::Step;

/// What an attempt that committed has done.
struct Done {
    continuation: Continuation,
    /// What became of the records that had not been applied before.
    applied: Vec<AppliedOutcome>,
}

/// A batch and the terms on which it is applied.
struct Task {
    batch: PartitionBatch,
    settled_at: Timestamp,
    deadline: Instant,
    /// Why the last attempt failed.
    last: Mutex<Option<StoreError>>,
}

impl Store {
    /// The attempts run in a task of their own, which ends its transaction even when the time has come: one that is
    /// only dropped would keep its locks until the server gives it up, a minute later.
    pub(super) async fn apply_until(
        &self,
        batch: PartitionBatch,
        settled_at: Timestamp,
        deadline: Instant,
    ) -> Result<Vec<AppliedOutcome>, ApplyError> {
        if batch.records.is_empty() {
            return Ok(Vec::new());
        }
        let task = Arc::new(Task { batch, settled_at, deadline, last: Mutex::default() });
        let attempts = {
            let (store, task) = (self.clone(), Arc::clone(&task));
            tokio::spawn(async move { store.attempt_until_done(&task).await })
        };
        let applied = match timeout_at(deadline, attempts).await {
            Ok(Ok(applied)) => applied,
            Ok(Err(ended)) => std::panic::resume_unwind(ended.into_panic()),
            Err(_) => Err(task.out_of_time()),
        };
        applied.map_err(|failure| task.error(failure))
    }

    async fn attempt_until_done(&self, task: &Task) -> Result<Vec<AppliedOutcome>, ApplyFailure> {
        (|| self.attempt_whole(task))
            .retry(backoff())
            .when(|failure| matches!(failure, ApplyFailure::Store(error) if error.retry_helps()))
            .notify(|failure, delay| task.note(failure, delay))
            .await
    }

    async fn attempt_whole(&self, task: &Task) -> Result<Vec<AppliedOutcome>, ApplyFailure> {
        self.meter.count_attempt();
        let done = self.attempt(task).await?;
        let generation = done.continuation.generation;
        let before = &task.batch.records[..done.continuation.redelivered];
        let mut applied = self.read_back(&task.batch, before, generation).await?;
        applied.extend(done.applied);
        self.meter.count_batch();
        Ok(applied)
    }

    /// A batch of which everything had been applied before is committed too, though it changes nothing: only then is it
    /// certain that what was read stays.
    async fn attempt(&self, task: &Task) -> Result<Done, ApplyFailure> {
        task.check_time()?;
        let mut session = self.begin().await?;
        let mut mark = StopWatch::now();
        match self.fold_and_write(&mut session, task, &mut mark).await {
            Ok(done) => {
                commit(&mut session, task.deadline).await?;
                self.meter.lap(Step::Commit, &mut mark);
                Ok(done)
            }
            Err(failure) => {
                if !matches!(&failure, ApplyFailure::Store(error) if error.is_silence()) {
                    abort(&mut session).await;
                }
                Err(failure)
            }
        }
    }

    async fn begin(&self) -> Result<ClientSession, StoreError> {
        let mut session = self.client.start_session().await?;
        let start = session.start_transaction().read_concern(ReadConcern::snapshot()).write_concern(durable());
        let Err(error) = start.await else { return Ok(session) };
        // Of a server that is away the driver says that it does not support transactions.
        if matches!(error.kind.as_ref(), ErrorKind::Transaction { .. }) {
            self.ping().await?;
            return Err(StoreError::Conflict(error.kind.to_string()));
        }
        Err(error.into())
    }

    async fn fold_and_write(
        &self,
        session: &mut ClientSession,
        task: &Task,
        mark: &mut StopWatch,
    ) -> Result<Done, ApplyFailure> {
        let (batch, settled_at) = (&task.batch, task.settled_at);
        let fence = self.take_fence(session, batch).await?;
        let continuation = judge(fence.as_ref(), batch.partition, &batch.records)?;
        let new = &batch.records[continuation.redelivered..];
        if new.is_empty() {
            self.meter.lap(Step::Read, mark);
            return Ok(Done { continuation, applied: Vec::new() });
        }
        task.check_time()?;
        let commands: Vec<&Command> = new.iter().filter_map(LogRecord::command).collect();
        let mut gathered = self.gather(session, batch.partition, &commands, continuation.clock, settled_at).await?;
        self.meter.lap(Step::Read, mark);
        task.check_time()?;
        let outcomes = settle(&mut gathered.book, commands.into_iter().cloned());
        let applied = batch.in_order(new, continuation.generation, outcomes)?;
        let changes = gathered.book.into_changes();
        self.meter.lap(Step::Fold, mark);
        let work = write::Work {
            changes: &changes,
            before: &gathered.before,
            unbooked: applied.iter().filter_map(AppliedOutcome::unbooked).collect(),
            dead_letters: batch.dead_letters(new, continuation.generation),
            topic: &batch.topic,
            settled_at,
        };
        self.write(session, work, mark).await?;
        Ok(Done { continuation, applied })
    }

    /// Moves the fence behind the batch, whatever is to be said of it, and answers where it stood.
    async fn take_fence(
        &self,
        session: &mut ClientSession,
        batch: &PartitionBatch,
    ) -> Result<Option<Fence>, StoreError> {
        let id = fence_id(&batch.topic, batch.partition);
        let advance = fence_advance(&Fence::at_end_of(&batch.topic, batch.partition, &batch.records));
        let row = self
            .collection(FENCES)
            .find_one_and_update(doc! { "_id": &id }, advance)
            .upsert(true)
            .return_document(ReturnDocument::Before)
            .session(session)
            .await?;
        row.map(|row| read_fence(Fields(&row)).map_err(|malformed| malformed.in_document(FENCES, &id))).transpose()
    }

    /// What became of records that had been applied before.
    async fn read_back(
        &self,
        batch: &PartitionBatch,
        records: &[LogRecord],
        generation: Generation,
    ) -> Result<Vec<AppliedOutcome>, ApplyFailure> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let mut ids: Vec<_> = records.iter().filter_map(|record| batch.id_of(record, generation)).collect();
        let positions: Vec<_> = records.iter().map(|record| batch.position_of(record, generation)).collect();
        let mut near = self.find_near(&ids).await?;
        let missing: Vec<_> =
            positions.iter().copied().filter(|position| !near.outcomes.contains_key(position)).collect();
        let mut unreadable = if missing.is_empty() { HashMap::new() } else { self.find_dead_letters(&missing).await? };
        ids.retain(|id| !near.outcomes.contains_key(&id.position) && !unreadable.contains_key(&id.position));
        self.find_in_turned_pages(&ids, &mut near).await?;
        let outcome = |position| {
            let settled = near.outcomes.remove(&position).map(Applied::Settled);
            let applied = settled.or_else(|| unreadable.remove(&position).map(Applied::Unreadable));
            let applied = applied.ok_or(ApplyFailure::OutcomeMissing(position))?;
            Ok(AppliedOutcome { position, applied, redelivered: true })
        };
        positions.into_iter().map(outcome).collect()
    }
}

impl Task {
    fn check_time(&self) -> Result<(), ApplyFailure> {
        if Instant::now() < self.deadline { Ok(()) } else { Err(self.out_of_time()) }
    }

    fn out_of_time(&self) -> ApplyFailure {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).take();
        ApplyFailure::OutOfTime { last }
    }

    fn note(&self, failure: &ApplyFailure, delay: Duration) {
        let PartitionBatch { topic, partition, .. } = &self.batch;
        tracing::debug!(topic, partition, %failure, ?delay, "applying again");
        if let ApplyFailure::Store(error) = failure {
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
        }
    }

    fn error(&self, failure: ApplyFailure) -> ApplyError {
        ApplyError {
            topic: self.batch.topic.clone(),
            partition: self.batch.partition,
            offset: self.batch.records.first().map_or(0, LogRecord::offset),
            failure,
        }
    }
}

async fn abort(session: &mut ClientSession) {
    if let Err(error) = session.abort_transaction().await {
        tracing::debug!(%error, "a transaction was left for the server to end");
    }
}
