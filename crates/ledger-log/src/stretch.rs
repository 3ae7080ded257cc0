//! What stands in a stretch of the command topic: records, and offsets at which nothing does.
//!
//! The markers of Kafka's transactions, committed or aborted, take an offset each and are shown to no reader. So do records
//! that were compacted away, or that the log no longer begins with: a reader steps over all of them alike. Here an offset is
//! *void* only where nothing else is possible than a marker: between the log's first offset, before the reading and after
//! it, and its end, in a topic whose `cleanup.policy` is `delete`, which keeps every record from its beginning on. (What a topic was before it was
//! set to `delete`, nobody can tell: so `passbook check` never advises to set a compacted one back.)
//! Whatever else is missing is an error that says what it is; a loss is never void.
//!
//! **A record counts, whatever became of the transaction that wrote it.** A committed record is one like any other. One of
//! an aborted transaction stands in the log as well, and whether a reader is shown it depends on its `isolation.level`:
//! Lambda's pages do not say which one its pollers have, and lambda-local's is librdkafka's `read_committed`. The books
//! must not depend on it. What is shown by `read_uncommitted` is all that stands in the log, for good; so that is what is
//! read here and what is settled, and a poller of either kind gives the same books. `api` never writes in a transaction; who
//! writes to the topic beside it writes commands, and no transaction takes one back.
//!
//! Bounds: a reading ends by its deadline; it gives at most [`MOST_RECORDS`] records and stops at the one with which they
//! are [`MOST_BYTES`]; beside those, librdkafka holds at most 8 MB. Whoever wants more reads again from [`Stretch::end`] on.

mod kafka;

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;

use ledger::{Offset, Partition};
use tokio::time::Instant;

use crate::{COMMANDS, StoredRecord};
pub use kafka::KafkaCommandReader;

/// The most records of one reading: more than an event of Lambda's has, 10,000 (Lambda API, `BatchSize`).
pub(crate) const MOST_RECORDS: usize = 20_000;
/// The bytes of keys and values with which a reading stops.
pub(crate) const MOST_BYTES: usize = 16 * 1024 * 1024;

/// The port through which the command topic itself is asked.
pub trait CommandReader: Send + Sync + fmt::Debug + 'static {
    /// What stands at these offsets of a partition: from the first of them on, as far as the bounds reach.
    ///
    /// # Errors
    /// Where that cannot be said of the first offset, and of any other up to where a bound is met.
    fn read(
        &self,
        partition: Partition,
        offsets: Range<Offset>,
        until: Instant,
    ) -> impl Future<Output = Result<Stretch, StretchError>> + Send;
}

impl<T: CommandReader> CommandReader for Arc<T> {
    async fn read(
        &self,
        partition: Partition,
        offsets: Range<Offset>,
        until: Instant,
    ) -> Result<Stretch, StretchError> {
        (**self).read(partition, offsets, until).await
    }
}

/// What stands in a stretch of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// In the order of the log.
    pub records: Vec<StoredRecord>,
    /// Offsets at which nothing stands, in order.
    pub voids: Vec<Range<Offset>>,
    /// So far every offset asked for is a record's or void: the end of those asked for, unless a bound was met.
    pub end: Offset,
}

/// Why it is not known what stands in a stretch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StretchError {
    #[error("{COMMANDS}-{partition} begins at offset {start}: what stood from offset {first} on up to there is gone")]
    Lost { partition: Partition, first: Offset, start: Offset },
    #[error("{COMMANDS}-{partition} ends at offset {end}, before what was asked for")]
    NotThere { partition: Partition, end: Offset },
    #[error(
        "{COMMANDS}-{partition} has no record at offset {first}, and cleanup.policy of the topic is {policy}, not delete: one may have been there and been removed"
    )]
    NotKept { partition: Partition, first: Offset, policy: String },
    #[error("{COMMANDS}-{partition} cannot be read ({reason})")]
    Unavailable { partition: Partition, reason: String },
}

impl StretchError {
    /// Whether the same question may be answered later, without anybody doing anything about it.
    pub const fn retry_helps(&self) -> bool {
        matches!(self, Self::NotThere { .. } | Self::Unavailable { .. })
    }
}

impl Stretch {
    /// Of `records`, which are all that stand between the first offset and `end`.
    pub(crate) fn new(first: Offset, records: Vec<StoredRecord>, end: Offset) -> Self {
        let taken = records.iter().map(|record| record.offset.unsigned_abs());
        let mut voids = Vec::new();
        let mut next = first;
        for offset in taken.chain([end]) {
            voids.extend((next < offset).then_some(next..offset));
            next = offset + 1;
        }
        Self { records, voids, end }
    }
}

/// What a reader came by.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) records: Vec<StoredRecord>,
    /// So far it has read.
    pub(crate) read_to: i64,
    /// Whether it stopped because the partition ends there.
    pub(crate) met_end: bool,
    /// Where the log begins, when all was read.
    pub(crate) log_start: i64,
}

impl Found {
    /// # Errors
    /// Where the log does not have the first offset, or ends before the last.
    pub(crate) fn judge(self, partition: Partition, offsets: &Range<Offset>) -> Result<Stretch, StretchError> {
        let (start, read_to) = (self.log_start.unsigned_abs(), self.read_to.unsigned_abs());
        if start > offsets.start {
            return Err(StretchError::Lost { partition, first: offsets.start, start });
        }
        if self.met_end && read_to < offsets.end {
            return Err(StretchError::NotThere { partition, end: read_to });
        }
        Ok(Stretch::new(offsets.start, self.records, read_to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(offsets: &[i64]) -> Vec<StoredRecord> {
        let record = |offset: &i64| StoredRecord {
            partition: 0,
            offset: *offset,
            key: None,
            value: None,
            traceparent: None,
            recorded_at: None,
            stamped_by_broker: true,
        };
        offsets.iter().map(record).collect()
    }

    fn voids(stretch: &Stretch) -> Vec<(Offset, Offset)> {
        stretch.voids.iter().map(|void| (void.start, void.end)).collect()
    }

    #[test]
    fn what_no_record_takes_is_void() {
        for (offsets, end, expected) in [
            (&[5, 6, 7][..], 8, &[][..]),
            (&[5, 7], 8, &[(6, 7)]),
            (&[7], 10, &[(5, 7), (8, 10)]),
            (&[], 9, &[(5, 9)]),
            (&[], 5, &[]),
        ] {
            let stretch = Stretch::new(5, records(offsets), end);
            assert_eq!((voids(&stretch).as_slice(), stretch.end), (expected, end), "{offsets:?}");
        }
    }

    #[test]
    fn a_loss_is_never_void_and_what_is_to_come_is_not_either() {
        let found = |log_start, read_to, met_end| Found { records: records(&[7]), read_to, met_end, log_start };
        let asked = 6..10;
        assert_eq!(voids(&found(6, 10, false).judge(3, &asked).unwrap()), [(6, 7), (8, 10)]);
        assert_eq!(found(7, 10, false).judge(3, &asked), Err(StretchError::Lost { partition: 3, first: 6, start: 7 }));
        let ends_early = found(0, 9, true).judge(3, &asked).unwrap_err();
        assert_eq!(ends_early, StretchError::NotThere { partition: 3, end: 9 });
        assert!(ends_early.retry_helps());
        let cut_short = found(0, 8, false).judge(3, &asked).unwrap();
        assert_eq!((voids(&cut_short), cut_short.end), (vec![(6, 7)], 8), "a bound was met");
    }
}
