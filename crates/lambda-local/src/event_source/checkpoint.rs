//! How far each partition may be committed, has been, and what is still to be sent: a pure core. One commit is under way
//! at a time.
//!
//! Promises: positions only grow; a position settled under an earlier assignment of its partition is not committed; one
//! the broker did not take is sent again.

use std::collections::BTreeMap;

use super::batcher::Epoch;
use super::delivery::Settled;
use super::record::Partition;

#[derive(Debug)]
struct Mark {
    epoch: Epoch,
    settled: Option<i64>,
    sent: Option<i64>,
    committed: Option<i64>,
}

/// The positions of one poller's partitions.
#[derive(Debug, Default)]
pub struct Checkpoint {
    marks: BTreeMap<Partition, Mark>,
}

impl Checkpoint {
    /// A partition begins here, before anything of it is read: the group is to have that in writing.
    pub fn begins(&mut self, partition: Partition, next: i64) {
        let epoch = Epoch::default();
        self.marks.insert(partition, Mark { epoch, settled: Some(next), sent: None, committed: None });
    }

    /// A partition was assigned.
    pub fn assign(&mut self, partition: Partition, epoch: Epoch) {
        self.marks.insert(partition, Mark { epoch, settled: None, sent: None, committed: None });
    }

    /// A partition was taken away.
    pub fn revoke(&mut self, partition: Partition) {
        self.marks.remove(&partition);
    }

    /// A position was settled.
    pub fn settled(&mut self, settled: Settled) {
        if let Some(mark) = self.marks.get_mut(&settled.partition).filter(|mark| mark.epoch == settled.epoch) {
            mark.settled = mark.settled.max(Some(settled.next));
        }
    }

    /// What is to be committed now; it counts as sent, until [`Checkpoint::committed`] or [`Checkpoint::failed`].
    pub fn take(&mut self) -> Vec<(Partition, i64)> {
        let unsent = self.marks.iter_mut().filter(|(_, mark)| mark.settled > mark.sent);
        let positions = unsent.filter_map(|(partition, mark)| {
            mark.sent = mark.settled;
            Some((*partition, mark.settled?))
        });
        positions.collect()
    }

    /// The broker has what was sent.
    pub fn committed(&mut self) {
        for mark in self.marks.values_mut() {
            mark.committed = mark.sent;
        }
    }

    /// The broker did not take what was sent: it will be sent again.
    pub fn failed(&mut self) {
        for mark in self.marks.values_mut() {
            mark.sent = mark.committed;
        }
    }

    /// Whether everything settled has been sent.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.marks.values().all(|mark| mark.settled <= mark.sent)
    }

    /// Whether the broker has everything that was settled of a partition.
    #[must_use]
    pub fn is_committed(&self, partition: Partition) -> bool {
        self.marks.get(&partition).is_none_or(|mark| mark.settled <= mark.committed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(partition: Partition, epoch: u64, next: i64) -> Settled {
        Settled { partition, epoch: Epoch(epoch), next, done: true }
    }

    #[test]
    fn positions_grow_and_are_sent_once() {
        let mut checkpoint = Checkpoint::default();
        checkpoint.assign(0, Epoch(1));
        checkpoint.settled(settled(0, 1, 5));
        checkpoint.settled(settled(0, 1, 3));
        assert_eq!(checkpoint.take(), [(0, 5)]);
        assert_eq!(checkpoint.take(), []);
        assert!(checkpoint.is_clean());
    }

    #[test]
    fn what_was_settled_before_a_rebalance_is_not_committed() {
        let mut checkpoint = Checkpoint::default();
        checkpoint.assign(0, Epoch(1));
        checkpoint.revoke(0);
        checkpoint.settled(settled(0, 1, 5));
        checkpoint.assign(0, Epoch(2));
        checkpoint.settled(settled(0, 1, 6));
        assert_eq!(checkpoint.take(), []);
        checkpoint.settled(settled(0, 2, 2));
        assert_eq!(checkpoint.take(), [(0, 2)]);
    }

    #[test]
    fn what_the_broker_did_not_take_is_sent_again() {
        let mut checkpoint = Checkpoint::default();
        checkpoint.assign(0, Epoch(1));
        checkpoint.settled(settled(0, 1, 5));
        checkpoint.take();
        assert!(!checkpoint.is_committed(0), "sent is not taken");
        checkpoint.failed();
        assert!(!checkpoint.is_clean());
        assert_eq!(checkpoint.take(), [(0, 5)]);
        checkpoint.committed();
        assert!(checkpoint.is_committed(0));
        checkpoint.failed();
        assert_eq!(checkpoint.take(), [], "the broker has it");
    }

    #[test]
    fn a_beginning_is_committed_and_is_no_longer_in_question_once_the_partition_is_assigned() {
        let mut checkpoint = Checkpoint::default();
        checkpoint.begins(0, 7);
        assert!(!checkpoint.is_committed(0));
        assert_eq!(checkpoint.take(), [(0, 7)]);
        checkpoint.committed();
        assert!(checkpoint.is_committed(0));
        checkpoint.assign(0, Epoch(1));
        assert_eq!((checkpoint.take(), checkpoint.is_committed(0)), (vec![], true));
    }
}
