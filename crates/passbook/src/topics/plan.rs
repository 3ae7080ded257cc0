//! What `topics create` is to do, decided from what is there.

use std::num::NonZeroU16;

use ledger::{Generation, Partition, Placement};
use ledger_log::{COMMANDS, GENERATIONS, PartitionEnd};
use ledger_store::Fence;

/// The log and the books as they are.
#[derive(Debug)]
pub(super) struct Found {
    /// The generation that Kafka has recorded, and its partitions.
    pub(super) placement: Option<Placement>,
    /// The number of a generation whose record says no more than that, and whose log is gone.
    pub(super) number_alone: Option<Generation>,
    /// The partitions of the command topic; none where there is no such topic.
    pub(super) ends: Vec<PartitionEnd>,
    pub(super) fences: Vec<Fence>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// There is no log: a generation begins.
    Begin(Generation),
    /// There is a log, and the books know nothing of it.
    Adopt(Placement),
    /// There is a log, the books know its generation, and Kafka has lost the record of it.
    Record(Placement),
    /// All is there.
    Keep(Placement),
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("the topics are there already; add --if-missing to be content with that, or delete them first")]
    Exists,
    #[error(
        "the topic {COMMANDS} is there, but no generation of it has begun, and the books know none: it was not created by this program; delete it with `passbook topics delete` first"
    )]
    NoGeneration,
    #[error(
        "the topic {COMMANDS} is there, {GENERATIONS} has no generation of it, and the books have two, {one} and {other}: which of them the log is of cannot be told; nothing was changed"
    )]
    SeveralGenerations { one: Generation, other: Generation },
    #[error(
        "the books are at generation {books} of the log, Kafka is at {log}: one of the two is not the one that belongs to the other; nothing was changed"
    )]
    OtherGeneration { books: Generation, log: Generation },
    #[error(
        "partition {partition} is settled up to offset {settled}, but the log ends at {end}: it has lost commands; delete the topics to begin the next generation"
    )]
    LogTooShort { partition: Partition, settled: u64, end: u64 },
    #[error(
        "generation {generation} began with {pinned} partitions, and {COMMANDS} has {there}: it was created anew or lost some, and commands with them; delete the topics to begin the next generation"
    )]
    TooFewPartitions { generation: Generation, pinned: NonZeroU16, there: usize },
    #[error(
        "the books say that generation {generation} began with {books} partitions, Kafka says {log}: one of the two is not the one that belongs to the other; nothing was changed"
    )]
    OtherPartitions { generation: Generation, books: Partition, log: NonZeroU16 },
    #[error("generation {0} is the last that a transaction id can name")]
    NoneLeft(Generation),
}

pub(super) fn plan(found: &Found, if_missing: bool) -> Result<Plan, Refusal> {
    let newest_settled = found.fences.iter().map(|fence| fence.generation).max();
    if found.ends.is_empty() {
        let last = found
            .placement
            .map(|placement| placement.generation)
            .max(newest_settled)
            .max(found.number_alone)
            .unwrap_or(0);
        return last.checked_add(1).map(Plan::Begin).ok_or(Refusal::NoneLeft(last));
    }
    if !if_missing {
        return Err(Refusal::Exists);
    }
    let Some(placement) = found.placement else {
        let placement = placement_of_books(found)?;
        check_fences(found, placement)?;
        return Ok(Plan::Record(placement));
    };
    check_fences(found, placement)?;
    Ok(if found.fences.is_empty() { Plan::Adopt(placement) } else { Plan::Keep(placement) })
}

impl Found {
    /// What is to be said of partitions that were added to the topic after its generation began.
    pub(super) fn unused(&self) -> Option<String> {
        let Placement { generation, partitions } = self.placement?;
        let there = self.ends.len();
        (there > usize::from(partitions.get())).then(|| {
            format!(
                "{COMMANDS} has {there} partitions, of which generation {generation} uses the {partitions} that it began with; the next generation uses those it is created with"
            )
        })
    }
}

/// The generation of a log that says none itself, and its partitions. The settler judges each command by the generation it carries, so a log
/// that is not the one that was settled does no harm.
fn placement_of_books(found: &Found) -> Result<Placement, Refusal> {
    let generations = || found.fences.iter().map(|fence| fence.generation);
    let one = generations().next().ok_or(Refusal::NoGeneration)?;
    match generations().find(|other| *other != one) {
        Some(other) => Err(Refusal::SeveralGenerations { one, other }),
        None => {
            let partitions =
                found.fences.iter().find_map(|fence| fence.partitions).unwrap_or(found.ends.len() as Partition);
            let partitions = NonZeroU16::new(partitions).ok_or(Refusal::NoGeneration)?;
            Ok(Placement { generation: one, partitions })
        }
    }
}

fn check_fences(found: &Found, placement: Placement) -> Result<(), Refusal> {
    let Placement { generation, partitions: pinned } = placement;
    let there = found.ends.len();
    if there < usize::from(pinned.get()) {
        return Err(Refusal::TooFewPartitions { generation, pinned, there });
    }
    for fence in &found.fences {
        if fence.generation != generation {
            return Err(Refusal::OtherGeneration { books: fence.generation, log: generation });
        }
        if let Some(books) = fence.partitions.filter(|books| *books != pinned.get()) {
            return Err(Refusal::OtherPartitions { generation, books, log: pinned });
        }
        let end = found.ends.iter().find(|end| end.partition == fence.partition).map_or(0, |end| end.end);
        if fence.next_offset > end {
            let (partition, settled) = (fence.partition, fence.next_offset);
            return Err(Refusal::LogTooShort { partition, settled, end });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(generation: Option<Generation>, ends: &[u64], fences: &[(Generation, u64)]) -> Found {
        let end = |(partition, end): (usize, &u64)| PartitionEnd { partition: partition as u16, start: 0, end: *end };
        let fence = |(partition, (generation, next_offset)): (usize, &(Generation, u64))| Fence {
            next_offset: *next_offset,
            ..Fence::at_beginning(COMMANDS, partition as u16, *generation, None)
        };
        // As many as there are, unless a test says otherwise.
        let partitions = NonZeroU16::new(ends.len() as u16).unwrap_or(NonZeroU16::MIN);
        Found {
            placement: generation.map(|generation| Placement { generation, partitions }),
            number_alone: None,
            ends: ends.iter().enumerate().map(end).collect(),
            fences: fences.iter().enumerate().map(fence).collect(),
        }
    }

    fn placement(generation: Generation, partitions: u16) -> Placement {
        Placement { generation, partitions: NonZeroU16::new(partitions).unwrap() }
    }

    #[test]
    fn a_generation_keeps_the_partitions_that_it_began_with() {
        let of = |pinned, books| {
            let mut there = found(Some(2), &[10, 0, 0], &[(2, 10), (2, 0)]);
            there.placement = Some(placement(2, pinned));
            there.fences.iter_mut().for_each(|fence| fence.partitions = books);
            there
        };
        let grown = of(2, Some(2));
        assert_eq!(plan(&grown, true), Ok(Plan::Keep(placement(2, 2))));
        assert!(
            grown.unused().unwrap().contains("has 3 partitions, of which generation 2 uses the 2 that it began with")
        );
        assert_eq!(of(3, None).unused(), None);
        let shrunk = Refusal::TooFewPartitions { generation: 2, pinned: NonZeroU16::new(4).unwrap(), there: 3 };
        assert_eq!(plan(&of(4, Some(4)), true), Err(shrunk));
        let other = Refusal::OtherPartitions { generation: 2, books: 2, log: NonZeroU16::new(3).unwrap() };
        assert_eq!(plan(&of(3, Some(2)), true), Err(other));
        let mut forgotten = of(2, Some(2));
        forgotten.placement = None;
        assert_eq!(plan(&forgotten, true), Ok(Plan::Record(placement(2, 2))), "as the books have it");
    }

    #[test]
    fn without_a_log_the_next_generation_begins() {
        for (generation, fences, begun) in
            [(None, &[][..], 1), (Some(3), &[], 4), (None, &[(7, 100)], 8), (Some(3), &[(7, 0), (7, 5)], 8)]
        {
            assert_eq!(plan(&found(generation, &[], fences), false), Ok(Plan::Begin(begun)));
        }
        let told_as_before = Found { number_alone: Some(4), ..found(None, &[], &[(2, 5)]) };
        assert_eq!(plan(&told_as_before, false), Ok(Plan::Begin(5)), "a number is never used twice");
        let last = found(Some(Generation::MAX), &[], &[]);
        assert_eq!(plan(&last, true), Err(Refusal::NoneLeft(Generation::MAX)));
    }

    #[test]
    fn a_log_that_is_there_is_kept_only_when_that_is_meant() {
        let there = found(Some(2), &[10, 0], &[(2, 10), (2, 0)]);
        assert_eq!(plan(&there, false), Err(Refusal::Exists));
        assert_eq!(plan(&there, true), Ok(Plan::Keep(placement(2, 2))));
    }

    #[test]
    fn new_books_begin_at_the_beginning_of_the_log() {
        assert_eq!(plan(&found(Some(2), &[10, 0], &[]), true), Ok(Plan::Adopt(placement(2, 2))));
    }

    #[test]
    fn a_generation_that_kafka_has_lost_is_recorded_again_from_the_books() {
        let there = |fences| found(None, &[10, 4], fences);
        let within = there(&[(3, 10), (3, 0)]);
        assert_eq!(plan(&within, true), Ok(Plan::Record(placement(3, 2))));
        assert_eq!(plan(&within, false), Err(Refusal::Exists));
        let beyond = there(&[(3, 10), (3, 5)]);
        assert_eq!(plan(&beyond, true), Err(Refusal::LogTooShort { partition: 1, settled: 5, end: 4 }));
        assert_eq!(plan(&there(&[(3, 1), (2, 1)]), true), Err(Refusal::SeveralGenerations { one: 3, other: 2 }));
    }

    #[test]
    fn books_and_a_log_that_do_not_belong_together_are_refused() {
        for (there, refusal) in [
            (found(None, &[0], &[]), Refusal::NoGeneration),
            (found(Some(2), &[9], &[(3, 1)]), Refusal::OtherGeneration { books: 3, log: 2 }),
            (found(Some(2), &[9], &[(1, 1)]), Refusal::OtherGeneration { books: 1, log: 2 }),
            (found(Some(2), &[9], &[(2, 10)]), Refusal::LogTooShort { partition: 0, settled: 10, end: 9 }),
            (found(Some(2), &[9], &[(2, 9), (2, 1)]), Refusal::LogTooShort { partition: 1, settled: 1, end: 0 }),
        ] {
            assert_eq!(plan(&there, true), Err(refusal));
        }
    }
}
