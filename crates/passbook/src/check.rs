//! The books against themselves, and against the log.

use anyhow::bail;
use ledger::Generation;
use ledger_log::PartitionEnd;
use ledger_store::Fence;

use crate::cli::Places;
use crate::lag::lag_of;
use crate::places::{COMMANDS, fences_of};

pub(crate) async fn check(places: &Places) -> anyhow::Result<()> {
    let (store, topics) = (places.store().await?, places.topics().await?);
    let checked = store.check().await?;
    if let Some(difference) = checked.difference {
        bail!("{difference}");
    }
    // The fences first: the log only grows, so what is settled was in it.
    let fences = fences_of(&store).await?;
    let (generation, ends) = (topics.generation().await?, topics.command_ends().await?);
    if let Some(difference) = difference(&fences, generation, &ends) {
        bail!("{difference}");
    }
    let (lag, settled) = (lag_of(&ends, &fences).lag, fences.iter().map(|fence| fence.next_offset).sum::<u64>());
    println!(
        "the books are right: {} accounts, {} entries, debits equal credits; {settled} commands settled, {lag} to settle",
        checked.accounts, checked.entries
    );
    Ok(())
}

/// The first thing in which the fences and the log do not agree.
fn difference(fences: &[Fence], generation: Option<Generation>, ends: &[PartitionEnd]) -> Option<String> {
    let first_settled = fences.iter().find(|fence| fence.next_offset > 0);
    if ends.is_empty() {
        return first_settled.map(|fence| {
            format!(
                "partition {} is settled up to offset {}, and there is no topic {COMMANDS}",
                fence.partition, fence.next_offset
            )
        });
    }
    let Some(generation) = generation else {
        return Some(format!("{COMMANDS} is there, and no generation of it has begun"));
    };
    fences.iter().find_map(|fence| difference_of(fence, generation, ends)).or_else(|| {
        let PartitionEnd { partition, .. } =
            ends.iter().find(|end| !fences.iter().any(|fence| fence.partition == end.partition))?;
        Some(format!("partition {partition} has no fence in these books: run `passbook topics create --if-missing`, or name the right books with --mongo and --database"))
    })
}

fn difference_of(fence: &Fence, generation: Generation, ends: &[PartitionEnd]) -> Option<String> {
    let Fence { partition, next_offset, .. } = fence;
    if fence.generation != generation {
        let settled = fence.generation;
        return Some(format!(
            "partition {partition} is settled in generation {settled}, the log is of generation {generation}"
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
    use super::*;

    fn fence(generation: Generation, next_offset: u64) -> Fence {
        Fence { next_offset, ..Fence::at_beginning(COMMANDS, 3, generation, None) }
    }

    fn check(fence: Fence, generation: Option<Generation>, ends: &[PartitionEnd], expected: Option<&str>) {
        assert_eq!(difference(&[fence], generation, ends).as_deref(), expected);
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
