//! How many commands wait to be settled, for how long, and whether anything is done about it.
//!
//! The age is that of the oldest unsettled record by its own time, which is the broker's: read from the log, one record a
//! partition. A partition is *stuck* when that is older than a bound and its fence does not move from one look to another
//! two seconds later; one whose fence moves is only *behind*. So a look costs two seconds more only where something is old.

mod table;

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{bail, ensure};
use ledger::{Partition, Timestamp};
use ledger_log::{PartitionEnd, Topics};
use ledger_store::Fence;
use serde::Serialize;

use crate::cli::Places;
use crate::places::{COMMANDS, fences_of};

/// Between two looks at a fence that may be stuck: `settler` commits a batch in less, and Lambda's event source waits for
/// half a second before it delivers one.
const SECOND_LOOK_AFTER: Duration = Duration::from_secs(2);

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
    /// How long the oldest unsettled command has waited, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) oldest_ms: Option<u64>,
    pub(crate) state: State,
    /// Why it is stuck, as far as the log and the fence show it; else `settler`'s log says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Settled,
    /// Something waits.
    Behind,
    /// Something waits, and nothing is done about it.
    Stuck,
}

/// Prints the lag.
///
/// # Errors
/// When something cannot be read, and, once it is printed, when a partition is stuck.
pub(crate) async fn lag(places: &Places, json: bool, stuck_after_seconds: u32) -> anyhow::Result<()> {
    let (store, topics) = places.store_and_topics().await?;
    // The fences first: what is settled meanwhile makes the lag look larger, never smaller than nothing.
    let fences = fences_of(&store).await?;
    let (generation, ends) = (topics.generation().await?, topics.command_ends().await?);
    ensure!(!ends.is_empty(), "there is no topic {COMMANDS}; run `passbook topics create`");
    if let Some(fence) = fences.iter().find(|fence| Some(fence.generation) != generation) {
        let log = generation.map_or_else(|| "none".to_owned(), |generation| generation.to_string());
        bail!("the books are at generation {} of the log, Kafka at {log}; run `passbook check`", fence.generation);
    }
    let mut lag = lag_of(&ends, &fences);
    let oldest = oldest_unsettled(&topics, &lag).await?;
    lag.leave_out_markers(&oldest);
    lag.tell_ages(&oldest, now());
    if lag.has_waited_for(stuck_after_seconds) {
        tokio::time::sleep(SECOND_LOOK_AFTER).await;
        lag.judge(stuck_after_seconds, &ends, &fences_of(&store).await?);
    }
    if json {
        println!("{}", serde_json::to_string(&lag)?);
    } else {
        println!("{}", lag.to_table());
    }
    let stuck = lag.stuck();
    ensure!(stuck.is_empty(), "stuck: {}; the log of `settler` says why", stuck.join(", "));
    Ok(())
}

/// When the oldest unsettled command of each partition was recorded; nothing of a partition where none waits.
async fn oldest_unsettled(topics: &Topics, lag: &Lag) -> anyhow::Result<HashMap<Partition, Timestamp>> {
    let waiting = lag.partitions.iter().filter(|partition| partition.lag > 0);
    let starts: Vec<_> = waiting.map(|partition| (partition.partition, partition.settled)).collect();
    if starts.is_empty() {
        return Ok(HashMap::new());
    }
    let records = topics.first_commands(&starts).await?;
    Ok(records
        .into_iter()
        .filter_map(|record| Some((record.partition.try_into().ok()?, record.recorded_at?)))
        .collect())
}

#[expect(clippy::disallowed_methods, reason = "the outermost shell: everything inside takes the time as an argument")]
fn now() -> Timestamp {
    Timestamp::from_epoch_ms(jiff::Timestamp::now().as_millisecond())
}

pub(crate) fn lag_of(ends: &[PartitionEnd], fences: &[Fence]) -> Lag {
    let of_partition = |end: &PartitionEnd| {
        let settled = settled(fences, end.partition);
        let lag = end.end.saturating_sub(settled);
        let state = if lag > 0 { State::Behind } else { State::Settled };
        PartitionLag { partition: end.partition, end: end.end, settled, lag, oldest_ms: None, state, why: None }
    };
    let partitions: Vec<_> = ends.iter().map(of_partition).collect();
    Lag { lag: partitions.iter().map(|partition| partition.lag).sum(), partitions }
}

fn settled(fences: &[Fence], partition: Partition) -> u64 {
    fences.iter().find(|fence| fence.partition == partition).map_or(0, |fence| fence.next_offset)
}

impl Lag {
    /// Where no record stands from the fence to the end, there are markers of transactions: nothing waits.
    fn leave_out_markers(&mut self, oldest: &HashMap<Partition, Timestamp>) {
        for partition in self.partitions.iter_mut().filter(|partition| !oldest.contains_key(&partition.partition)) {
            (partition.lag, partition.state) = (0, State::Settled);
        }
        self.lag = self.partitions.iter().map(|partition| partition.lag).sum();
    }

    fn tell_ages(&mut self, oldest: &HashMap<Partition, Timestamp>, now: Timestamp) {
        for partition in &mut self.partitions {
            let age = |at: &Timestamp| now.epoch_ms().saturating_sub(at.epoch_ms()).max(0).unsigned_abs();
            partition.oldest_ms = oldest.get(&partition.partition).map(age);
        }
    }

    fn has_waited_for(&self, seconds: u32) -> bool {
        self.partitions.iter().any(|partition| partition.has_waited_for(seconds))
    }

    /// What has waited for so long is stuck where its fence still is where it was.
    fn judge(&mut self, seconds: u32, ends: &[PartitionEnd], fences_later: &[Fence]) {
        for partition in self.partitions.iter_mut().filter(|partition| partition.has_waited_for(seconds)) {
            if settled(fences_later, partition.partition) == partition.settled {
                partition.state = State::Stuck;
                let start = ends.iter().find(|end| end.partition == partition.partition).map_or(0, |end| end.start);
                partition.why = (start > partition.settled)
                    .then(|| format!("the log begins at offset {start}: the commands before it are gone"));
            }
        }
    }

    fn stuck(&self) -> Vec<String> {
        let stuck = self.partitions.iter().filter(|partition| partition.state == State::Stuck);
        let said = |partition: &PartitionLag| {
            let why = partition.why.as_deref().map(|why| format!(" ({why})")).unwrap_or_default();
            format!("partition {} at offset {}{why}", partition.partition, partition.settled)
        };
        stuck.map(said).collect()
    }
}

impl PartitionLag {
    fn has_waited_for(&self, seconds: u32) -> bool {
        self.lag > 0 && self.oldest_ms.is_some_and(|age| age > u64::from(seconds) * 1_000)
    }
}

#[cfg(test)]
mod tests;
