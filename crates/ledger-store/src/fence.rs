//! The fence of a partition, and the rules it stands for.
//!
//! A batch may start at the fence or before it. What lies before it is a redelivery, if it is no younger than the last
//! record applied, of the fence's generation, and of what stands in the books at its position (the store compares that when
//! it reads the outcome back); anything else means that the log is not the one applied so far, and stops the partition:
//! skipping a command would lose it, and applying it twice would double it. The records before the first that is at fault
//! are applied all the same.
//!
//! A record of an older generation is one of two things, and the moment at which the fence's generation began tells which:
//! at that moment the log before was gone and the new one was not there yet. One that is newer stands in this log: an `api`
//! that has not heard that the topic was created anew wrote it. Such a record is set aside, in the transaction that moves
//! the fence past it. One that is not newer stands in the log that is gone: the event source had it in flight and delivers
//! it again. To set that aside would move the fence over offsets at which this log has commands of its own, so it is a
//! fault, as is what nobody can read of that age.

mod fault;
mod whereabouts;

use std::collections::BTreeSet;
use std::num::NonZeroU16;
use std::ops::Range;

use ledger::{COMMANDS, Generation, Offset, Partition, Position, SAMPLES, Timestamp};

use self::fault::CLOCKS_DIFFER;
pub use self::fault::FenceFault;
pub(crate) use self::whereabouts::{Reached, Whereabouts, whereabouts};
use crate::batch::{LogRecord, PartitionBatch};

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
    /// The offset before which every outcome is known to be published.
    pub published: Offset,
    /// How many of the offsets before the next hold no record.
    pub voids: u64,
    /// The newest time among the records applied.
    pub last_recorded_at: Timestamp,
    /// When the generation began, by the clock that stamps the records; not known of one that began before this was kept,
    /// or whose log was there before the books.
    pub began_at: Option<Timestamp>,
    /// How many partitions the topic has in this generation; not known of one that nobody has begun.
    pub partitions: Option<Partition>,
    /// What was applied of the generations before, in their order.
    pub earlier: Vec<EarlierGeneration>,
}

/// A generation of a partition that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EarlierGeneration {
    pub generation: Generation,
    /// How many records of it were applied.
    pub applied: u64,
}

/// By what a batch is judged beside the fence.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Circumstances {
    /// This machine's clock.
    pub(crate) now: Timestamp,
    /// Whether the writers of records may tell the time.
    pub(crate) accepts_writers_time: bool,
}

/// How records continue their partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Continuation {
    pub(crate) generation: Generation,
    /// How many partitions it has, where that is known.
    pub(crate) partitions: Option<NonZeroU16>,
    /// How many records at the front had been applied before.
    pub(crate) redelivered: usize,
    /// How many may be applied, those included; at the next there is a fault.
    pub(crate) sound: usize,
    /// The newest time among the records applied before these.
    pub(crate) clock: Timestamp,
    /// Where the fence stood.
    pub(crate) found_at: Offset,
    /// The offset before which every outcome was known to be published.
    pub(crate) published: Offset,
}

/// How many of the records, from the first on, follow each other without a gap that is not void.
pub(crate) fn run_length(batch: &PartitionBatch, from: usize) -> usize {
    let records = batch.records.get(from..).unwrap_or_default();
    let follows = |pair: &[LogRecord]| batch.is_next(pair[0].offset + 1, pair[1].offset);
    records.windows(2).take_while(|pair| follows(pair)).count() + usize::from(!records.is_empty())
}

impl PartitionBatch {
    /// Whether `found` is what follows at `expected`, all offsets between being void.
    pub(crate) fn is_next(&self, expected: Offset, found: Offset) -> bool {
        let next = self.voids.iter().fold(expected, |at, void| if void.contains(&at) { void.end } else { at });
        next == found
    }
}

/// Holds `records`, some of the batch's in a row and never none, against their partition's fence.
pub(crate) fn judge(
    fence: Option<&Fence>,
    batch: &PartitionBatch,
    records: &[LogRecord],
    circumstances: Circumstances,
) -> Result<Continuation, FenceFault> {
    if ![COMMANDS, SAMPLES].contains(&batch.topic.as_str()) {
        return Err(FenceFault::OtherTopic { found: batch.topic.clone() });
    }
    let unbegun;
    let fence = match fence {
        Some(fence) => fence,
        None => {
            let generation = records.iter().find_map(LogRecord::generation).unwrap_or(FIRST_GENERATION);
            unbegun = Fence::at_beginning(&batch.topic, batch.partition, generation, None);
            &unbegun
        }
    };
    let fault = records
        .iter()
        .zip(0..)
        .find_map(|(record, at)| Some((at, fault_of(record, fence, batch.partition, circumstances)?)));
    let sound = match fault {
        Some((0, fault)) => return Err(fault),
        Some((at, _)) => at,
        None => records.len(),
    };
    let first = records.first().map_or(0, |record| record.offset);
    if first > fence.next_offset && !batch.is_next(fence.next_offset, first) {
        return Err(match fence.next_offset {
            0 => FenceFault::StartsLate { found: first },
            expected => FenceFault::Gap { expected, found: first },
        });
    }
    Ok(Continuation {
        generation: fence.generation,
        partitions: fence.partitions.and_then(NonZeroU16::new),
        redelivered: records.partition_point(|record| record.offset < fence.next_offset),
        sound,
        clock: fence.last_recorded_at,
        found_at: fence.next_offset,
        published: fence.published,
    })
}

/// What is wrong with one record, whatever stands around it.
fn fault_of(
    record: &LogRecord,
    fence: &Fence,
    partition: Partition,
    circumstances: Circumstances,
) -> Option<FenceFault> {
    let LogRecord { offset, recorded_at, stamped_by_broker, .. } = *record;
    let expected = fence.generation;
    let found = record.generation();
    if offset >= Position::OFFSET_END {
        return Some(FenceFault::OffsetTooLarge { found: offset });
    }
    if let Some(command) = record.command().filter(|command| command.position.partition() != partition) {
        return Some(FenceFault::OtherPartition { found: command.position.partition() });
    }
    if let Some(found) = found.filter(|found| *found > expected) {
        return Some(FenceFault::NewerGeneration { expected, found });
    }
    if found != Some(expected) && fence.began_at.is_some_and(|began_at| recorded_at <= began_at) {
        return Some(FenceFault::DeletedLog { generation: expected, offset });
    }
    if offset < fence.next_offset {
        return (recorded_at > fence.last_recorded_at).then_some(FenceFault::Recreated { offset });
    }
    if !stamped_by_broker && !circumstances.accepts_writers_time {
        return Some(FenceFault::WritersTime { offset });
    }
    let ahead_ms = recorded_at.epoch_ms().saturating_sub(circumstances.now.epoch_ms());
    (recorded_at > circumstances.now.plus(CLOCKS_DIFFER)).then_some(FenceFault::AheadOfClock { offset, ahead_ms })
}

/// A move of a fence past records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FenceMove {
    pub topic: String,
    pub partition: Partition,
    /// Where there is no fence yet, the generation that begins with this.
    pub generation: Generation,
    pub next_offset: Offset,
    pub last_recorded_at: Timestamp,
}

impl FenceMove {
    /// To behind `records`, which are some of the batch's.
    pub(crate) fn behind(batch: &PartitionBatch, records: &[LogRecord]) -> Self {
        Self {
            topic: batch.topic.clone(),
            partition: batch.partition,
            generation: records.iter().find_map(LogRecord::generation).unwrap_or(FIRST_GENERATION),
            next_offset: records.last().map_or(0, |record| record.offset + 1),
            last_recorded_at: records.iter().map(|record| record.recorded_at).max().unwrap_or(BEGINNING),
        }
    }
}

impl Fence {
    /// The fence of a partition of which nothing has been applied.
    pub fn at_beginning(
        topic: &str,
        partition: Partition,
        generation: Generation,
        began_at: Option<Timestamp>,
    ) -> Self {
        Self {
            topic: topic.to_owned(),
            partition,
            generation,
            next_offset: 0,
            published: 0,
            voids: 0,
            last_recorded_at: BEGINNING,
            began_at,
            partitions: None,
            earlier: Vec::new(),
        }
    }

    pub(crate) fn reached(&self) -> Reached {
        let partitions = self.partitions.and_then(NonZeroU16::new);
        Reached { generation: self.generation, next_offset: self.next_offset, partitions }
    }

    /// How many records of its generation have been applied.
    pub fn applied(&self) -> u64 {
        self.next_offset.saturating_sub(self.voids)
    }

    /// This fence moved on. Never back: what another settler has applied stays applied.
    pub(crate) fn moved(mut self, to: &FenceMove) -> Self {
        self.next_offset = self.next_offset.max(to.next_offset);
        self.last_recorded_at = self.last_recorded_at.max(to.last_recorded_at);
        self
    }

    /// The fences with which a generation of so many partitions begins, where `fences` were the topic's before. The fence of
    /// a partition that is no more moves on too: with the old one, the old generation's transactions of that partition
    /// would be called accepted for ever.
    pub(crate) fn begin(
        topic: &str,
        partitions: Partition,
        generation: Generation,
        began_at: Option<Timestamp>,
        fences: &[Self],
    ) -> Vec<Self> {
        let all: BTreeSet<_> = (0..partitions).chain(fences.iter().map(|fence| fence.partition)).collect();
        let begin = |partition| {
            let before = fences.iter().find(|fence| fence.partition == partition).cloned();
            let begun = match before {
                Some(before) => before.begin_anew(generation, began_at),
                None => Self::at_beginning(topic, partition, generation, began_at),
            };
            Self { partitions: Some(partitions), ..begun }
        };
        all.into_iter().map(begin).collect()
    }

    /// The fence of a partition that was added to the topic after the generation of `sibling`, the fence of another, began.
    /// The generation knows nothing of it: no command of an account stands in it.
    pub(crate) fn of_added_partition(partition: Partition, sibling: &Self) -> Self {
        let begun = Self::at_beginning(&sibling.topic, partition, sibling.generation, sibling.began_at);
        Self { partitions: sibling.partitions, ..begun }
    }

    /// The fence with which the next generation begins.
    fn begin_anew(self, generation: Generation, began_at: Option<Timestamp>) -> Self {
        let over = EarlierGeneration { generation: self.generation, applied: self.applied() };
        let is_over = self.generation != generation && over.applied > 0;
        let mut earlier = self.earlier;
        earlier.extend(is_over.then_some(over));
        Self { earlier, ..Self::at_beginning(&self.topic, self.partition, generation, began_at) }
    }
}

/// How many offsets of `passed` hold no record: those that no record of the batch stands at.
pub(crate) fn voids_passed(passed: Range<Offset>, records: usize) -> u64 {
    (passed.end.saturating_sub(passed.start)).saturating_sub(records as u64)
}

#[cfg(test)]
mod tests;
