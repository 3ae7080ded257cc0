//! Whether every partition of the log is settled: a first deposit shows one of them.
//!
//! Nothing is deposited into the others, for the books may be somebody's. What is asked is how far each is settled: it
//! settles when it has come to the log's end, or goes on; one with something to settle whose fence has not moved for
//! [`PATIENCE`] is stuck. A stack with one runs on, since there is something to look at, but is not ready.

use crate::operator::{Lag, Operator};
use crate::say::{self, Step};
use crate::supervise::Supervisor;
use crate::workspace::StackDir;
use anyhow::Result;
use serde_json::Value;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// The event source may have to join its group, and a batch may take as long as `settler`'s time-out.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(200);
const SETTLER: &str = "settler";

/// The partitions that are stuck.
pub(crate) fn every_partition(supervisor: &mut Supervisor, operator: &Operator) -> Result<Vec<u16>> {
    let step = Step::begin("log", "every partition settles");
    let deadline = Instant::now() + PATIENCE;
    let mut first = None;
    loop {
        supervisor.check_start()?;
        let stuck = match operator.lag() {
            Ok(lag) => {
                let stuck = not_moved(first.get_or_insert_with(|| lag.clone()), &lag);
                if stuck.is_empty() {
                    step.done(every_one_settles(&lag));
                    return Ok(stuck);
                }
                Ok(stuck)
            }
            Err(error) => Err(error),
        };
        if Instant::now() > deadline {
            let stuck = stuck?;
            step.done(format!("{} not settled any further", named(&stuck)));
            return Ok(stuck);
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// The partitions with something to settle of which nothing was settled between two looks.
fn not_moved(first: &Lag, now: &Lag) -> Vec<u16> {
    let settled_before = |partition: u16| first.partitions.iter().find(|found| found.partition == partition);
    let waits = now.partitions.iter().filter(|found| found.lag > 0);
    let stands =
        waits.filter(|found| settled_before(found.partition).is_some_and(|first| first.settled == found.settled));
    stands.map(|found| found.partition).collect()
}

fn every_one_settles(lag: &Lag) -> String {
    let all = lag.partitions.len();
    match lag.lag {
        0 => format!("all {all} partitions are settled"),
        left => format!("all {all} partitions settle; {} commands to go", say::thousands(left)),
    }
}

pub(crate) fn named(partitions: &[u16]) -> String {
    let numbers: Vec<_> = partitions.iter().map(u16::to_string).collect();
    format!("{} {}", if numbers.len() == 1 { "partition" } else { "partitions" }, numbers.join(", "))
}

/// Says which partitions are stuck, and what `settler` last said of each.
pub(crate) fn complain(dir: &StackDir, stuck: &[u16]) {
    if stuck.is_empty() {
        return;
    }
    let log = fs::read_to_string(dir.log(SETTLER)).unwrap_or_default();
    say::print(format_args!("\nNot ready: nothing is settled of {} of passbook.commands.", named(stuck)));
    for partition in stuck {
        let said = last_complaint(&log, *partition).unwrap_or_else(|| "settler has said nothing of it".to_owned());
        say::print(format_args!("  partition {partition}: {said}"));
    }
    say::print(format_args!("`passbook lag` shows how far each is; all of it is in {}.", dir.log(SETTLER).display()));
}

/// The message of the last warning or error that speaks of a partition.
fn last_complaint(log: &str, partition: u16) -> Option<String> {
    log.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find_map(|line| {
        let is_complaint = line["level"] == "ERROR" || line["level"] == "WARN";
        (is_complaint && line["partition"] == partition)
            .then(|| line["message"].as_str().unwrap_or_default().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::PartitionLag;

    fn lag(partitions: &[(u64, u64)]) -> Lag {
        let of = |(number, (settled, lag)): (usize, &(u64, u64))| PartitionLag {
            partition: number as u16,
            settled: *settled,
            lag: *lag,
            ..PartitionLag::default()
        };
        Lag {
            partitions: partitions.iter().enumerate().map(of).collect(),
            lag: partitions.iter().map(|(_, lag)| lag).sum(),
        }
    }

    #[test]
    fn a_partition_settles_that_is_at_the_end_or_goes_on() {
        let first = lag(&[(5, 0), (5, 3), (5, 3), (5, 0)]);
        let now = lag(&[(5, 0), (6, 9), (5, 9), (5, 1)]);
        assert_eq!(not_moved(&first, &now), [2, 3]);
        assert_eq!(named(&[2, 3]), "partitions 2, 3");
    }

    #[test]
    fn the_last_complaint_of_a_partition_is_told() {
        let log = concat!(
            "START\n",
            r#"{"level":"ERROR","partition":2,"message":"a gap"}"#,
            "\n",
            r#"{"level":"WARN","partition":2,"message":"to be delivered again: a gap"}"#,
            "\n",
            r#"{"level":"INFO","partition":2,"message":"settled a batch"}"#,
            "\n",
        );
        assert_eq!(last_complaint(log, 2).as_deref(), Some("to be delivered again: a gap"));
        assert_eq!(last_complaint(log, 1), None);
    }
}
