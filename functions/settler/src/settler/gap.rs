//! A gap before a record: what stands there is asked of the log itself.
//!
//! An event source steps over what it does not show: the markers of Kafka's transactions and, by its isolation level, what
//! was aborted. It also leaves out what it has given up (an on-failure destination), and what stands before where it was told
//! to start. None of that is lost: the log has it. So the log is read from the gap to the end of the batch, once a batch:
//! its records are settled in their order, as if they had been delivered, and the fence steps over its voids
//! ([`ledger_log::Stretch`]). What the log does not have any more is a loss, and stops the partition.
//!
//! The records that were delivered have to stand in what is read, at their offsets and with their times: otherwise the log
//! that this function is told is not the one that the event source reads.

use std::ops::Range;

use ledger::{COMMANDS, Offset, Timestamp};
use ledger_log::{CommandReader, OutcomeLog, StoredRecord, Stretch, StretchError};
use ledger_store::{ApplyError, ApplyFailure, FenceFault, Report, Settling};
use tokio::time::{Instant, timeout_at};

use super::{Failure, Settled, Settler};
use crate::deadline::Deadlines;
use crate::event::PartitionName;
use crate::partition::{Traces, read_stretch};

/// Why a gap is not closed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Open {
    #[error(
        "{0}; the records that are gone cannot be settled: bring them back from a backup of the topic, or begin anew: stop `api` and the event source, `passbook topics delete`, `passbook topics create`, and start them again; what of this topic is not settled is lost then"
    )]
    Lost(StretchError),
    #[error(
        "{0}; whether commands are missing cannot be told any more: begin anew: stop `api` and the event source, `passbook topics delete`, `passbook topics create`, and start them again; what of this topic is not settled is lost then"
    )]
    NotKept(StretchError),
    #[error(
        "the log does not tell what stands there: {0}; `settler` reads it with KAFKA_BOOTSTRAP_SERVERS or MSK_CLUSTER_ARN, and has to be allowed to read and to describe {COMMANDS} and its settings"
    )]
    Untold(StretchError),
    #[error(
        "the log that `settler` reads has another record at offset {offset} than was delivered: KAFKA_BOOTSTRAP_SERVERS or MSK_CLUSTER_ARN of `settler` names another cluster than the event source"
    )]
    OtherLog { offset: Offset },
    #[error("what stands there is more than is read at once; the rest follows with the next delivery")]
    More,
    #[error("other partitions took the time that there was to read the log")]
    Busy,
}

impl Open {
    /// Whether to deliver again cannot help.
    pub(super) const fn is_final(&self) -> bool {
        matches!(self, Self::Lost(_) | Self::NotKept(_) | Self::OtherLog { .. })
    }
}

impl From<StretchError> for Open {
    fn from(error: StretchError) -> Self {
        match error {
            StretchError::Lost { .. } => Self::Lost(error),
            StretchError::NotKept { .. } => Self::NotKept(error),
            StretchError::NotThere { .. } | StretchError::Unavailable { .. } => Self::Untold(error),
        }
    }
}

/// The offsets before the record at which a batch stops, if those are missing.
pub(super) fn gap(failure: Option<&ApplyError>) -> Option<Range<Offset>> {
    let failure = failure.filter(|failure| failure.topic == COMMANDS)?;
    match failure.failure {
        ApplyFailure::Fault(FenceFault::Gap { expected, found }) => Some(expected..found),
        ApplyFailure::Fault(FenceFault::StartsLate { found }) => Some(0..found),
        _ => None,
    }
}

impl<S: Settling, O: OutcomeLog, L: CommandReader> Settler<S, O, L> {
    /// Settles what stands in a gap, and what was delivered behind it.
    pub(super) async fn close_gap(
        &self,
        name: &PartitionName,
        gap: Range<Offset>,
        delivered: &[(Offset, Timestamp)],
        settled_at: Timestamp,
        deadlines: Deadlines,
        (settled, traces): (&mut Settled, &mut Traces),
    ) {
        let Some(fault) = settled.failure.take() else { return };
        let keep_fault = |open: Open| Some(Failure::Gap { fault: Box::new(fault), open });
        // One partition at a time: what is read is held in memory until it is settled.
        let Ok(_turn) = timeout_at(deadlines.apply, self.looking.lock()).await else {
            settled.failure = keep_fault(Open::Busy);
            return;
        };
        let stretch = match self.read_gap(name, &gap, delivered, deadlines).await {
            Ok(stretch) => stretch,
            Err(open) => {
                settled.failure = keep_fault(open);
                return;
            }
        };
        let is_all = delivered.last().is_none_or(|(last, _)| stretch.end > *last);
        let skipped = stretch.records.len() - behind(&gap, delivered).filter(|(at, _)| *at < stretch.end).count();
        let (voids, (batch, more_traces)) = (gap_voids(&stretch), read_stretch(name, stretch));
        traces.extend(more_traces);
        let recorded_at: Vec<_> = batch.records.iter().map(|record| record.recorded_at).collect();
        let Report { outcomes, unpublished, failure } = self.store.apply(batch, settled_at, deadlines.apply).await;
        if !outcomes.is_empty() {
            log_closed(name, &gap, skipped, voids);
            settled.skipped = skipped as u64;
        }
        // What the batch began with has told what was missed before it; what the log tells of begins behind that.
        if settled.outcomes.is_empty() {
            settled.unpublished = unpublished;
        }
        settled.recorded_at.extend(recorded_at.into_iter().take(outcomes.len()));
        settled.outcomes.extend(outcomes);
        settled.failure = match failure {
            Some(failure) => Some(failure.into()),
            None if is_all => None,
            None => keep_fault(Open::More),
        };
    }

    async fn read_gap(
        &self,
        name: &PartitionName,
        gap: &Range<Offset>,
        delivered: &[(Offset, Timestamp)],
        deadlines: Deadlines,
    ) -> Result<Stretch, Open> {
        let end = delivered.last().map_or(gap.end, |(last, _)| last + 1);
        let now = Instant::now();
        let until = now + deadlines.apply.saturating_duration_since(now) / 2;
        let stretch = self.log.read(name.partition, gap.start..end, until).await?;
        let mut found = stretch.records.iter();
        for (offset, recorded_at) in behind(gap, delivered).take_while(|(offset, _)| *offset < stretch.end) {
            let record = found.find(|record| record.offset.unsigned_abs() >= *offset);
            let is_it = |record: &&StoredRecord| {
                record.offset.unsigned_abs() == *offset && record.recorded_at.is_none_or(|at| at == *recorded_at)
            };
            record.filter(is_it).ok_or(Open::OtherLog { offset: *offset })?;
        }
        Ok(stretch)
    }
}

/// What was delivered from the end of the gap on.
fn behind<'a>(
    gap: &Range<Offset>,
    delivered: &'a [(Offset, Timestamp)],
) -> impl Iterator<Item = &'a (Offset, Timestamp)> {
    let end = gap.end;
    let mut last = None;
    // The same record twice stands in the log once.
    delivered.iter().filter(move |(offset, _)| *offset >= end && last.replace(*offset) != Some(*offset))
}

fn gap_voids(stretch: &Stretch) -> u64 {
    stretch.voids.iter().map(|void| void.end - void.start).sum()
}

fn log_closed(name: &PartitionName, gap: &Range<Offset>, skipped: usize, voids: u64) {
    let PartitionName { topic, partition } = name;
    let offset = gap.start;
    if skipped == 0 {
        tracing::debug!(topic, partition, offset, voids, "the fence stepped over markers of transactions");
    } else {
        tracing::warn!(
            topic,
            partition,
            offset,
            skipped,
            voids,
            "records that the event source did not deliver were read from the log and settled"
        );
    }
}
