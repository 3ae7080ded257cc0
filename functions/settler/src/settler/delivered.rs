//! A partition of an event on its way: what was delivered, how far it has come, and what that leaves to do.

use std::ops::Range;

use ledger::{Offset, Timestamp};
use ledger_store::{AppliedOutcome, PartitionBatch, Published};

use super::Failure;
use crate::event::{PartitionName, PartitionRecords};
use crate::metrics::Metrics;
use crate::partition::{Traces, read};
use crate::response::BatchItemFailure;

/// How far a partition of an event has come.
#[derive(Debug, Default)]
pub(super) struct Settled {
    pub(super) outcomes: Vec<AppliedOutcome>,
    /// When the record of each was recorded.
    pub(super) recorded_at: Vec<Timestamp>,
    /// How many records were settled that the event source had left out.
    pub(super) skipped: u64,
    pub(super) unpublished: Option<Range<Offset>>,
    pub(super) failure: Option<Failure>,
}

/// What a delivery has done of a partition.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) failures: Vec<BatchItemFailure>,
    pub(super) metrics: Metrics,
    /// How far all is published, where no earlier delivery left anything unpublished.
    pub(super) published: Option<Published>,
    pub(super) behind: Option<Behind>,
}

/// A partition with outcomes from an earlier delivery that may not be published.
#[derive(Debug)]
pub(super) struct Behind {
    pub(super) name: PartitionName,
    pub(super) missed: Range<Offset>,
    /// How far all is published once those are.
    pub(super) then: Published,
}

/// What an event has of a partition.
pub(super) struct Delivered {
    pub(super) name: PartitionName,
    /// Of each record where it stands, and when it was recorded.
    pub(super) records: Vec<(Offset, Timestamp)>,
    pub(super) traces: Traces,
}

impl Delivered {
    pub(super) fn read(partition: PartitionRecords) -> (Self, PartitionBatch) {
        let PartitionRecords { name, mut records } = partition;
        // Lambda delivers them in order, and the store takes no others: sorting makes sure of it.
        records.sort_unstable_by_key(|record| record.offset);
        let places = records.iter().map(|record| (record.offset, Timestamp::from_epoch_ms(record.timestamp))).collect();
        let (batch, traces) = read(&name, records);
        (Self { name, records: places, traces }, batch)
    }
}

impl Settled {
    /// How far all is published now, or once what an earlier delivery left unpublished is.
    pub(super) fn after_publishing(&self, name: &PartitionName) -> (Option<Published>, Option<Behind>) {
        let Some(last) = self.outcomes.last().map(|last| last.position) else { return (None, None) };
        let published = name.published(last.generation(), last.offset() + 1);
        match self.unpublished.clone() {
            Some(missed) => (None, Some(Behind { name: name.clone(), missed, then: published })),
            None => (Some(published), None),
        }
    }
}
