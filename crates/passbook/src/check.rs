//! The books against themselves, and against the log; and the topics against what the ledger's promises need of them.

use anyhow::bail;
use ledger::Placement;
use ledger_log::PartitionEnd;
use ledger_store::Fence;

use crate::cli::Places;
use crate::lag::lag_of;
use crate::places::{COMMANDS, fences_of};
use crate::topics::no_deviations;

pub(crate) async fn check(places: &Places) -> anyhow::Result<()> {
    let (store, topics) = places.store_and_topics().await?;
    let checked = store.check().await?;
    if let Some(difference) = checked.difference {
        bail!("{difference}");
    }
    // The fences first: the log only grows, so what is settled was in it.
    let fences = fences_of(&store).await?;
    let (beginning, ends) = (topics.beginning().await?, topics.command_ends().await?);
    if let Some(difference) = difference(&fences, beginning.map(|beginning| beginning.placement), &ends) {
        bail!("{difference}");
    }
    no_deviations(&topics.deviations().await?)?;
    let (lag, settled) = (lag_of(&ends, &fences).lag, fences.iter().map(|fence| fence.next_offset).sum::<u64>());
    println!(
        "the books are right: {} accounts, {} entries, debits equal credits; {settled} commands settled, {lag} to settle",
        checked.accounts, checked.entries
    );
    if let Some(unpublished) = unpublished(&fences) {
        println!("{unpublished}");
    }
    Ok(())
}

/// What is to be said of outcomes that may not be published. It is no fault: the next delivery of their partition sees to it.
fn unpublished(fences: &[Fence]) -> Option<String> {
    let missed = fences.iter().filter(|fence| fence.published < fence.next_offset);
    let missed: Vec<_> =
        missed.map(|fence| format!("partition {} from offset {} on", fence.partition, fence.published)).collect();
    let missed = Some(missed.join(", ")).filter(|missed| !missed.is_empty())?;
    Some(format!(
        "outcomes not known to be published yet: {missed}; they are published with the next delivery of their partition"
    ))
}

/// The first thing in which the fences and the log do not agree.
fn difference(fences: &[Fence], placement: Option<Placement>, ends: &[PartitionEnd]) -> Option<String> {
    let first_settled = fences.iter().find(|fence| fence.next_offset > 0);
    if ends.is_empty() {
        return first_settled.map(|fence| {
            format!(
                "partition {} is settled up to offset {}, and there is no topic {COMMANDS}",
                fence.partition, fence.next_offset
            )
        });
    }
    let Some(placement) = placement else {
        return Some(format!("{COMMANDS} is there, and no generation of it has begun"));
    };
    fences.iter().find_map(|fence| difference_of(fence, placement, ends)).or_else(|| {
        // One that was added since the generation began has a fence only once something stands in it.
        let mut of_generation = ends.iter().filter(|end| end.partition < placement.partitions.get());
        let PartitionEnd { partition, .. } =
            of_generation.find(|end| !fences.iter().any(|fence| fence.partition == end.partition))?;
        Some(format!("partition {partition} has no fence in these books: run `passbook topics create --if-missing`, or name the right books with --mongo and --database"))
    })
}

fn difference_of(fence: &Fence, placement: Placement, ends: &[PartitionEnd]) -> Option<String> {
    let Fence { partition, next_offset, .. } = fence;
    let Placement { generation, partitions: pinned } = placement;
    if fence.generation != generation {
        let settled = fence.generation;
        return Some(format!(
            "partition {partition} is settled in generation {settled}, the log is of generation {generation}"
        ));
    }
    if let Some(books) = fence.partitions.filter(|books| *books != pinned.get()) {
        return Some(format!(
            "the books say that generation {generation} began with {books} partitions, Kafka says {pinned}"
        ));
    }
    match ends.iter().find(|end| end.partition == *partition) {
        None if *next_offset > 0 => Some(format!(
            "partition {partition} is settled up to offset {next_offset}, and the log has no such partition"
        )),
        Some(end) if end.end < *next_offset => Some(format!(
            "partition {partition} is settled up to offset {next_offset}, and the log ends at {}",
            end.end
        )),
        Some(end) if end.start > *next_offset => Some(format!(
            "partition {partition} is settled up to offset {next_offset}, and the log begins at {}",
            end.start
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use ledger::Generation;

    use super::*;

    fn fence(generation: Generation, next_offset: u64) -> Fence {
        Fence { next_offset, ..Fence::at_beginning(COMMANDS, 3, generation, None) }
    }

    /// The log is of a generation of five partitions.
    fn check(fence: Fence, generation: Option<Generation>, ends: &[PartitionEnd], expected: Option<&str>) {
        let partitions = NonZeroU16::new(5).unwrap();
        let placement = generation.map(|generation| Placement { generation, partitions });
        assert_eq!(difference(&[fence], placement, ends).as_deref(), expected);
    }

    #[test]
    fn a_partition_that_was_added_later_needs_no_fence() {
        let end = |partition| PartitionEnd { partition, start: 0, end: 10 };
        check(fence(1, 5), Some(1), &[end(3), end(5), end(6)], None);
        let other = Fence { partitions: Some(8), ..fence(1, 5) };
        let said = "the books say that generation 1 began with 8 partitions, Kafka says 5";
        check(other, Some(1), &[end(3)], Some(said));
    }

    #[test]
    fn outcomes_that_may_not_be_published_are_named() {
        let published = |next_offset, published| Fence { published, ..fence(1, next_offset) };
        assert_eq!(unpublished(&[published(0, 0), published(5, 5)]), None);
        assert_eq!(
            unpublished(&[published(5, 5), published(9, 4)]).unwrap(),
            "outcomes not known to be published yet: partition 3 from offset 4 on; they are published with the next delivery of their partition"
        );
    }

    #[test]
    fn the_fences_stand_within_the_log() {
        let log = [PartitionEnd { partition: 3, start: 2, end: 10 }];
        check(fence(1, 10), Some(1), &log, None);
        check(fence(1, 0), None, &[], None);
        check(fence(1, 11), Some(1), &log, Some("partition 3 is settled up to offset 11, and the log ends at 10"));
        check(fence(1, 1), Some(1), &log, Some("partition 3 is settled up to offset 1, and the log begins at 2"));
        check(fence(1, 5), Some(2), &log, Some("partition 3 is settled in generation 1, the log is of generation 2"));
        check(fence(1, 5), None, &log, Some("passbook.commands is there, and no generation of it has begun"));
        check(
            fence(1, 5),
            Some(1),
            &[],
            Some("partition 3 is settled up to offset 5, and there is no topic passbook.commands"),
        );
        let two = [log[0], PartitionEnd { partition: 4, start: 0, end: 1 }];
        let unfenced = "partition 4 has no fence in these books: run `passbook topics create --if-missing`, or name the right books with \
                        --mongo and --database";
        check(fence(1, 5), Some(1), &two, Some(unfenced));
        let other = [PartitionEnd { partition: 0, start: 0, end: 10 }];
        check(
            fence(1, 5),
            Some(1),
            &other,
            Some("partition 3 is settled up to offset 5, and the log has no such partition"),
        );
    }
}
