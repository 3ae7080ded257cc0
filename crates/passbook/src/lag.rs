//! How many commands wait to be settled.

use anyhow::{bail, ensure};
use ledger_log::PartitionEnd;
use ledger_store::Fence;
use serde::Serialize;

use crate::cli::Places;
use crate::places::{COMMANDS, fences_of};
use crate::table::table;

#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Lag {
    pub(crate) partitions: Vec<PartitionLag>,
    pub(crate) lag: u64,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct PartitionLag {
    pub(crate) partition: u16,
    /// The offset that the next command gets.
    pub(crate) end: u64,
    /// The next offset to be settled.
    pub(crate) settled: u64,
    pub(crate) lag: u64,
}

pub(crate) async fn lag(places: &Places, json: bool) -> anyhow::Result<()> {
    let (store, topics) = (places.store().await?, places.topics().await?);
    // The fences first: what is settled meanwhile makes the lag look larger, never smaller than nothing.
    let fences = fences_of(&store).await?;
    let (generation, ends) = (topics.generation().await?, topics.command_ends().await?);
    ensure!(!ends.is_empty(), "there is no topic {COMMANDS}; run `passbook topics create`");
    if let Some(fence) = fences.iter().find(|fence| Some(fence.generation) != generation) {
        let log = generation.map_or_else(|| "none".to_owned(), |generation| generation.to_string());
        bail!("the books are at generation {} of the log, Kafka at {log}; run `passbook check`", fence.generation);
    }
    let lag = lag_of(&ends, &fences);
    if json {
        println!("{}", serde_json::to_string(&lag)?);
    } else {
        println!("{}", lag.to_table());
    }
    Ok(())
}

pub(crate) fn lag_of(ends: &[PartitionEnd], fences: &[Fence]) -> Lag {
    let of_partition = |end: &PartitionEnd| {
        let fence = fences.iter().find(|fence| fence.partition == end.partition);
        let settled = fence.map_or(0, |fence| fence.next_offset);
        PartitionLag { partition: end.partition, end: end.end, settled, lag: end.end.saturating_sub(settled) }
    };
    let partitions: Vec<_> = ends.iter().map(of_partition).collect();
    Lag { lag: partitions.iter().map(|partition| partition.lag).sum(), partitions }
}

impl Lag {
    fn to_table(&self) -> String {
        let rows: Vec<_> = self
            .partitions
            .iter()
            .map(|found| {
                [found.partition.into(), found.end, found.settled, found.lag].map(|number: u64| number.to_string())
            })
            .collect();
        let table = table(["partition", "end", "settled", "lag"], &rows);
        format!("{table}\n{} to settle", self.lag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lag_is_what_lies_between_the_fence_and_the_end() {
        let end = |partition, end| PartitionEnd { partition, start: 0, end };
        let fence = Fence { next_offset: 9, ..Fence::at_beginning(COMMANDS, 0, 1, None) };
        let lag = lag_of(&[end(0, 10), end(1, 3)], &[fence]);
        assert_eq!(
            serde_json::to_string(&lag).unwrap(),
            r#"{"partitions":[{"partition":0,"end":10,"settled":9,"lag":1},{"partition":1,"end":3,"settled":0,"lag":3}],"lag":4}"#
        );
        assert_eq!(lag.to_table().lines().last(), Some("4 to settle"));
    }
}
