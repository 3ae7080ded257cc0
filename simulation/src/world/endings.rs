//! What no settler may go on after: a log that has lost commands, and another log under the same name. When all else has been
//! looked at, some runs end so: the partition has to stand still, and the books stay as they are.

use ledger::Partition;

use super::World;
use crate::Wrong;
use crate::log::PARTITIONS;
use crate::oracle::{self, Picture};

impl World {
    pub(super) async fn end(mut self, books: &Picture) -> Result<(), Wrong> {
        match self.rng.u8(..10) {
            0 => self.lose_commands(),
            1 => self.begin_another_log(),
            _ => return Ok(()),
        }
        for partition in 0..PARTITIONS {
            self.expect_standstill(partition).await?;
        }
        let after = oracle::picture(&self).await?;
        if after == *books { Ok(()) } else { Err("the books have changed behind a log that is not theirs".to_owned()) }
    }

    /// Retention, or a broker that was not in sync and became the leader, takes commands that are not settled yet.
    fn lose_commands(&mut self) {
        self.append_to_each(3);
        for partition in 0..PARTITIONS {
            let end = self.log.end(partition);
            self.log.truncate(partition, end - 1);
            self.committed[usize::from(partition)] = end - 1;
        }
    }

    /// The topic is created anew, and nobody has told the books.
    fn begin_another_log(&mut self) {
        self.log.recreate();
        self.append_to_each(1);
        self.committed = [0; PARTITIONS as usize];
    }

    fn append_to_each(&mut self, least: u64) {
        let (now, ends) = (self.now(), self.ends());
        while self.ends().iter().zip(ends).any(|(end, before)| *end < before + least) {
            self.log.accept(&mut self.rng, now);
        }
    }

    async fn expect_standstill(&mut self, partition: Partition) -> Result<(), Wrong> {
        let from = self.committed[usize::from(partition)];
        for _ in 0..3 {
            self.deliver(partition, from, 20);
            self.collect(std::time::Duration::from_secs(61)).await;
            let committed = self.committed[usize::from(partition)];
            if committed != from {
                return Err(format!(
                    "partition {partition} went on from {from} to {committed} in a log that is not its own"
                ));
            }
        }
        Ok(())
    }
}
