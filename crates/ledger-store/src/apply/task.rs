//! A batch on its way into the books: the terms on which it is applied, and how far it has come.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ledger::{Offset, Timestamp};
use tokio::time::Instant;

use super::unpublished;
use crate::batch::{AppliedOutcome, PartitionBatch, Report};
use crate::error::{ApplyError, ApplyFailure, StoreError};
use crate::fence::Continuation;

#[derive(Clone)]
pub(super) struct Task {
    pub(super) batch: Arc<PartitionBatch>,
    pub(super) settled_at: Timestamp,
    pub(super) deadline: Instant,
    progress: Arc<Mutex<Progress>>,
}

#[derive(Default)]
struct Progress {
    outcomes: Vec<AppliedOutcome>,
    unpublished: Option<Range<Offset>>,
    /// How many records the attempt under way has, or the last one that failed.
    attempted: Option<usize>,
    /// Whether all of those had been applied before.
    changes_nothing: bool,
    /// Why it failed.
    last: Option<StoreError>,
}

impl Task {
    pub(super) fn new(batch: PartitionBatch, settled_at: Timestamp, deadline: Instant) -> Self {
        Self { batch: Arc::new(batch), settled_at, deadline, progress: Arc::default() }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn attempt(&self, records: usize) {
        let mut progress = self.progress();
        (progress.attempted, progress.changes_nothing) = (Some(records), false);
    }

    /// Notes that the attempt has nothing to write: what takes long then is no fault of its size.
    pub(super) fn changes_nothing(&self) {
        self.progress().changes_nothing = true;
    }

    /// How many records the attempt has that writes, under way or failed; nothing where there is none.
    pub(super) fn attempted_to_write(&self) -> Option<usize> {
        let progress = self.progress();
        progress.attempted.filter(|_| !progress.changes_nothing)
    }

    /// Keeps what a committed prefix has come to: first what had been applied before, then what is new.
    pub(super) fn keep(&self, before: Vec<AppliedOutcome>, now: Vec<AppliedOutcome>, continuation: &Continuation) {
        let mut progress = self.progress();
        if progress.outcomes.is_empty() {
            progress.unpublished = unpublished(&self.batch, continuation);
        }
        for mut outcomes in [before, now] {
            // What an ordinary batch comes to is one prefix, and is not copied.
            if progress.outcomes.is_empty() {
                progress.outcomes = outcomes;
            } else {
                progress.outcomes.append(&mut outcomes);
            }
        }
        (progress.last, progress.attempted) = (None, None);
    }

    /// The batch, for somebody else to apply.
    pub(super) fn into_batch(self) -> PartitionBatch {
        Arc::unwrap_or_clone(self.batch)
    }

    pub(super) fn check_time(&self) -> Result<(), ApplyFailure> {
        if Instant::now() < self.deadline { Ok(()) } else { Err(self.out_of_time()) }
    }

    pub(super) fn out_of_time(&self) -> ApplyFailure {
        ApplyFailure::OutOfTime { last: self.progress().last.take() }
    }

    pub(super) fn note(&self, error: &StoreError, delay: Duration) {
        let PartitionBatch { topic, partition, .. } = &*self.batch;
        tracing::debug!(topic, partition, %error, ?delay, "applying again");
        self.progress().last = Some(error.clone());
    }

    /// What has become of the batch; `failure` says why the rest of it is not applied.
    pub(super) fn report(&self, failure: Option<ApplyFailure>) -> Report {
        let mut progress = self.progress();
        let outcomes = std::mem::take(&mut progress.outcomes);
        let rest = self.batch.records.get(outcomes.len());
        let failure = failure.zip(rest).map(|(failure, first)| ApplyError {
            topic: self.batch.topic.clone(),
            partition: self.batch.partition,
            offset: first.offset,
            failure,
        });
        Report { outcomes, unpublished: progress.unpublished.take(), failure }
    }
}
