//! Who gets the next free place in flight: a new batch, or one whose wait for its next try is over. A pure core.
//!
//! Promises: both kinds get their turn, one after the other, so that neither a crowd of failing partitions nor busy
//! ones starve the rest; those that come back do so in the order in which their waits ended.
//!
//! Bounds: a partition stands in one batch at most, so no more batches wait than there are partitions.

use std::collections::VecDeque;
use std::time::Instant;

use super::batcher::Batcher;
use super::delivery::Delivery;

/// Batches that may be tried again and have no place yet.
#[derive(Debug, Default)]
pub struct Line {
    again: VecDeque<Delivery>,
    new_first: bool,
}

impl Line {
    /// A batch's wait is over.
    pub fn join(&mut self, delivery: Delivery) {
        self.again.push_back(delivery);
    }

    /// What to try now: nothing while every place is taken, or when nothing is due.
    pub fn next(&mut self, batcher: &mut Batcher, now: Instant) -> Option<Delivery> {
        if !batcher.has_place() {
            return None;
        }
        let new = if self.new_first || self.again.is_empty() { batcher.take(now).map(Delivery::new) } else { None };
        self.new_first = new.is_none();
        new.or_else(|| self.again.pop_front())
    }
}
