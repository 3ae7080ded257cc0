//! What `topics create` is to do, decided from what is there.

use ledger::{Generation, Partition};
use ledger_log::{COMMANDS, GENERATIONS, PartitionEnd};
use ledger_store::Fence;

/// The log and the books as they are.
#[derive(Debug)]
pub(super) struct Found {
    /// The generation that Kafka has recorded.
    pub(super) generation: Option<Generation>,
    /// The partitions of the command topic; none where there is no such topic.
    pub(super) ends: Vec<PartitionEnd>,
    pub(super) fences: Vec<Fence>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// There is no log: a generation begins.
    Begin(Generation),
    /// There is a log, and the books know nothing of it.
    Adopt { generation: Generation, partitions: Partition },
    /// There is a log, the books know its generation, and Kafka has lost the record of it.
    Record { generation: Generation, partitions: Partition },
    /// All is there.
    Keep { generation: Generation, partitions: Partition },
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
    #[error("generation {0} is the last that a transaction id can name")]
    NoneLeft(Generation),
}

pub(super) fn plan(found: &Found, if_missing: bool) -> Result<Plan, Refusal> {
    let newest_settled = found.fences.iter().map(|fence| fence.generation).max();
    if found.ends.is_empty() {
        let last = found.generation.max(newest_settled).unwrap_or(0);
        return last.checked_add(1).map(Plan::Begin).ok_or(Refusal::NoneLeft(last));
    }
    if !if_missing {
        return Err(Refusal::Exists);
    }
    let partitions = found.ends.len() as Partition;
    let Some(generation) = found.generation else {
        let generation = generation_of_books(found)?;
        check_fences(found, generation)?;
        return Ok(Plan::Record { generation, partitions });
    };
    if found.fences.is_empty() {
        return Ok(Plan::Adopt { generation, partitions });
    }
    check_fences(found, generation)?;
    Ok(Plan::Keep { generation, partitions })
}

/// The generation of a log that says none itself. The settler judges each command by the generation it carries, so a log
/// that is not the one that was settled does no harm.
fn generation_of_books(found: &Found) -> Result<Generation, Refusal> {
    let generations = || found.fences.iter().map(|fence| fence.generation);
    let one = generations().next().ok_or(Refusal::NoGeneration)?;
    match generations().find(|other| *other != one) {
        Some(other) => Err(Refusal::SeveralGenerations { one, other }),
        None => Ok(one),
    }
}

fn check_fences(found: &Found, generation: Generation) -> Result<(), Refusal> {
    for fence in &found.fences {
        if fence.generation != generation {
            return Err(Refusal::OtherGeneration { books: fence.generation, log: generation });
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
        Found {
            generation,
            ends: ends.iter().enumerate().map(end).collect(),
            fences: fences.iter().enumerate().map(fence).collect(),
        }
    }

    #[test]
    fn without_a_log_the_next_generation_begins() {
        for (generation, fences, begun) in
            [(None, &[][..], 1), (Some(3), &[], 4), (None, &[(7, 100)], 8), (Some(3), &[(7, 0), (7, 5)], 8)]
        {
            assert_eq!(plan(&found(generation, &[], fences), false), Ok(Plan::Begin(begun)));
        }
        let last = found(Some(Generation::MAX), &[], &[]);
        assert_eq!(plan(&last, true), Err(Refusal::NoneLeft(Generation::MAX)));
    }

    #[test]
    fn a_log_that_is_there_is_kept_only_when_that_is_meant() {
        let there = found(Some(2), &[10, 0], &[(2, 10), (2, 0)]);
        assert_eq!(plan(&there, false), Err(Refusal::Exists));
        assert_eq!(plan(&there, true), Ok(Plan::Keep { generation: 2, partitions: 2 }));
    }

    #[test]
    fn new_books_begin_at_the_beginning_of_the_log() {
        assert_eq!(plan(&found(Some(2), &[10, 0], &[]), true), Ok(Plan::Adopt { generation: 2, partitions: 2 }));
    }

    #[test]
    fn a_generation_that_kafka_has_lost_is_recorded_again_from_the_books() {
        let there = |fences| found(None, &[10, 4], fences);
        let within = there(&[(3, 10), (3, 0)]);
        assert_eq!(plan(&within, true), Ok(Plan::Record { generation: 3, partitions: 2 }));
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
