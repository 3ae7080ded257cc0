//! Where the time of applying goes, counted as it goes by: an `Instant` before and after each step.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What a batch's time is spent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Waiting for the fence, accounts, keys and ended holds.
    Read,
    /// Folding the commands, digests included.
    Fold,
    /// Building the commands to MongoDB.
    Encode,
    /// Waiting for the updates and inserts.
    Write,
    Commit,
}

impl Step {
    pub const ALL: [Self; 5] = [Self::Read, Self::Fold, Self::Encode, Self::Write, Self::Commit];
}

/// Time spent applying since the store was connected, over all attempts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    steps: [Duration; 5],
    pub attempts: u64,
    pub batches: u64,
}

impl Spent {
    pub const fn on(&self, step: Step) -> Duration {
        self.steps[step as usize]
    }

    /// What was spent since `earlier` was taken.
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            steps: std::array::from_fn(|at| self.steps[at].saturating_sub(earlier.steps[at])),
            attempts: self.attempts - earlier.attempts,
            batches: self.batches - earlier.batches,
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Meter {
    nanoseconds: [AtomicU64; 5],
    attempts: AtomicU64,
    batches: AtomicU64,
}

impl Meter {
    pub(crate) fn count_attempt(&self) {
        self.attempts.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_batch(&self) {
        self.batches.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds the time since `*mark` to a step, and marks the next one's start.
    pub(crate) fn lap(&self, step: Step, mark: &mut Instant) {
        let now = Instant::now();
        let nanoseconds = u64::try_from(now.duration_since(*mark).as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds[step as usize].fetch_add(nanoseconds, Ordering::Relaxed);
        *mark = now;
    }

    pub(crate) fn read(&self) -> Spent {
        Spent {
            steps: std::array::from_fn(|at| Duration::from_nanos(self.nanoseconds[at].load(Ordering::Relaxed))),
            attempts: self.attempts.load(Ordering::Relaxed),
            batches: self.batches.load(Ordering::Relaxed),
        }
    }
}
