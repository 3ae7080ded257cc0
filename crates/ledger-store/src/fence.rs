//! The fence of a partition, and the rules it stands for.
//!
//! A batch may start at the fence or before it. What lies before it is a redelivery, if it is no younger than the last
//! record applied and of the fence's generation; anything else means that the log is not the one applied so far, and
//! is refused whole: skipping a command would lose it, and applying it twice would double it.
//!
//! A record of an older generation is one of two things, and the moment at which the fence's generation began tells which:
//! at that moment the log before was gone and the new one was not there yet. One that is newer stands in this log: an `api`
//! that has not heard that the topic was created anew wrote it. Such records are named one by one, since there is a way on:
//! whoever has their bytes can have them set aside as dead letters. One that is not newer stands in the log that is gone:
//! the event source had it in flight and delivers it again. To set that aside would move the fence over offsets at which
//! this log has commands of its own, so it is refused, as is what nobody can read of that age.

use ledger::{Generation, Offset, Partition, Position, Timestamp};

use crate::batch::LogRecord;

/// The generation of a topic that nobody has begun and whose first record does not say.
const FIRST_GENERATION: Generation = 1;
/// Before every record.
const BEGINNING: Timestamp = Timestamp::from_epoch_ms(0);

/// How far a partition has been applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    pub topic: String,
    pub partition: Partition,
    pub generation: Generation,
    /// The next offset to apply.
    pub next_offset: Offset,
    /// The newest time among the records applied.
    pub last_recorded_at: Timestamp,
    /// When the generation began, by the clock that stamps the records; not known of one that began before this was kept,
    /// or whose log was there before the books.
    pub began_at: Option<Timestamp>,
}

/// Why a batch does not continue what has been applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FenceRefusal {
    #[error(
        "nothing of the partition has been applied, yet the batch starts at offset {found}: the records before it would be skipped; stop the event source and set its consumer group back to offset 0"
    )]
    StartsLate { found: Offset },
    #[error(
        "the batch starts at offset {found}, the next to apply is {expected}: the records between would be skipped; stop the event source and set its consumer group back to offset {expected}"
    )]
    Gap { expected: Offset, found: Offset },
    #[error("offset {found} follows offset {after} in the batch")]
    NotConsecutive { after: Offset, found: Offset },
    #[error(
        "a record of generation {found}, while the partition is at generation {expected}: the books are older than the log; point `settler` at the books of this log, or begin anew: stop `api` and the event source, `passbook topics delete`, `passbook topics create`, and start them again"
    )]
    NewerGeneration { expected: Generation, found: Generation },
    /// Never empty.
    #[error("{} records are of a generation before {expected}, the first at offset {}", .offsets.len(), .offsets.first().unwrap_or(&0))]
    OlderGeneration { expected: Generation, offsets: Vec<Offset> },
    #[error(
        "the record at offset {offset} is from before generation {generation} of the log began: the event source still holds records of a deleted log; restart it (of Lambda's: disable the event source mapping and enable it again)"
    )]
    DeletedLog { generation: Generation, offset: Offset },
    #[error(
        "offset {offset} was applied before, yet the record there is newer than the last one applied: the topic was created anew; stop `api` and the event source, `passbook topics delete`, `passbook topics create`, and start them again; what is in this topic is lost"
    )]
    Recreated { offset: Offset },
    #[error("a record of partition {found} in a batch of another partition")]
    OtherPartition { found: Partition },
    #[error("offset {found} is past the last that a transaction id can name")]
    OffsetTooLarge { found: Offset },
}

/// How a batch continues its partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Continuation {
    pub(crate) generation: Generation,
    /// How many records at the front of the batch had been applied before.
    pub(crate) redelivered: usize,
    /// The newest time among the records applied before this batch.
    pub(crate) clock: Timestamp,
}

/// Holds a batch, never empty, against its partition's fence.
pub(crate) fn judge(
    fence: Option<&Fence>,
    partition: Partition,
    records: &[LogRecord],
) -> Result<Continuation, FenceRefusal> {
    check_partition(partition, records)?;
    check_consecutive(records)?;
    let first = records.first().map_or(0, LogRecord::offset);
    let Some(fence) = fence else {
        if first > 0 {
            return Err(FenceRefusal::StartsLate { found: first });
        }
        let generation = records.iter().find_map(LogRecord::generation).unwrap_or(FIRST_GENERATION);
        check_generation(generation, None, records)?;
        return Ok(Continuation { generation, redelivered: 0, clock: BEGINNING });
    };
    check_generation(fence.generation, fence.began_at, records)?;
    if first > fence.next_offset {
        return Err(FenceRefusal::Gap { expected: fence.next_offset, found: first });
    }
    let before = records.partition_point(|record| record.offset() < fence.next_offset);
    match records[..before].iter().find(|record| record.recorded_at() > fence.last_recorded_at) {
        Some(newer) => Err(FenceRefusal::Recreated { offset: newer.offset() }),
        None => Ok(Continuation { generation: fence.generation, redelivered: before, clock: fence.last_recorded_at }),
    }
}

fn check_partition(partition: Partition, records: &[LogRecord]) -> Result<(), FenceRefusal> {
    let partitions = records.iter().filter_map(LogRecord::command).map(|command| command.position.partition());
    match partitions.into_iter().find(|found| *found != partition) {
        Some(found) => Err(FenceRefusal::OtherPartition { found }),
        None => Ok(()),
    }
}

fn check_consecutive(records: &[LogRecord]) -> Result<(), FenceRefusal> {
    if let Some(found) = records.iter().map(LogRecord::offset).find(|offset| *offset >= Position::OFFSET_END) {
        return Err(FenceRefusal::OffsetTooLarge { found });
    }
    match records.windows(2).find(|pair| pair[1].offset() != pair[0].offset() + 1) {
        Some(pair) => Err(FenceRefusal::NotConsecutive { after: pair[0].offset(), found: pair[1].offset() }),
        None => Ok(()),
    }
}

fn check_generation(
    expected: Generation,
    began_at: Option<Timestamp>,
    records: &[LogRecord],
) -> Result<(), FenceRefusal> {
    let generations = || records.iter().filter_map(|record| Some((record.offset(), record.generation()?)));
    if let Some((_, found)) = generations().find(|(_, found)| *found > expected) {
        return Err(FenceRefusal::NewerGeneration { expected, found });
    }
    let is_of_a_deleted_log = |record: &&LogRecord| {
        record.generation() != Some(expected) && began_at.is_some_and(|began_at| record.recorded_at() <= began_at)
    };
    if let Some(deleted) = records.iter().find(is_of_a_deleted_log) {
        return Err(FenceRefusal::DeletedLog { generation: expected, offset: deleted.offset() });
    }
    let offsets: Vec<Offset> = generations().filter(|(_, found)| *found < expected).map(|(offset, _)| offset).collect();
    if offsets.is_empty() { Ok(()) } else { Err(FenceRefusal::OlderGeneration { expected, offsets }) }
}

impl Fence {
    /// The fence at the end of a batch, were there none before.
    pub(crate) fn at_end_of(topic: &str, partition: Partition, records: &[LogRecord]) -> Self {
        Self {
            topic: topic.to_owned(),
            partition,
            generation: records.iter().find_map(LogRecord::generation).unwrap_or(FIRST_GENERATION),
            next_offset: records.last().map_or(0, |record| record.offset() + 1),
            last_recorded_at: records.iter().map(LogRecord::recorded_at).max().unwrap_or(BEGINNING),
            began_at: None,
        }
    }

    /// The fence of a partition of which nothing has been applied.
    pub(crate) fn at_beginning(
        topic: &str,
        partition: Partition,
        generation: Generation,
        began_at: Option<Timestamp>,
    ) -> Self {
        Self { topic: topic.to_owned(), partition, generation, next_offset: 0, last_recorded_at: BEGINNING, began_at }
    }
}
