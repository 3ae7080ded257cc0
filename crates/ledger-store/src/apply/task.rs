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
    /// How many records the last attempt had; nothing before the first.
    attempted: Option<usize>,
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
        self.progress().attempted = Some(records);
    }

    pub(super) fn attempted(&self) -> Option<usize> {
        self.progress().attempted
    }

    /// Keeps what a committed prefix has come to.
    pub(super) fn keep(&self, outcomes: Vec<AppliedOutcome>, continuation: &Continuation) {
        let mut progress = self.progress();
        if progress.outcomes.is_empty() {
            let first = self.batch.records.first().map_or(0, |record| record.offset);
            progress.unpublished = unpublished(first, continuation);
        }
        progress.outcomes.extend(outcomes);
        progress.last = None;
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
