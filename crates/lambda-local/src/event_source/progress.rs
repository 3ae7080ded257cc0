//! What a poller tells about itself, for `/health` and `/status`.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::record::Partition;

#[derive(Debug, Default)]
pub(crate) struct Progress {
    joined: AtomicBool,
    stopped: AtomicBool,
    /// It died, and another one has not joined in its place yet.
    dead: AtomicBool,
    /// How often it died.
    deaths: AtomicUsize,
    /// Batches that wait for their next try.
    failing: AtomicUsize,
    /// Batches being tried.
    in_flight: AtomicUsize,
    partitions: Mutex<BTreeSet<Partition>>,
}

/// A batch waits for its next try as long as this lives.
pub(crate) struct Failing(Arc<Progress>);

impl Drop for Failing {
    fn drop(&mut self) {
        self.0.failing.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Progress {
    pub(crate) fn joined(&self) {
        self.dead.store(false, Ordering::Relaxed);
        self.joined.store(true, Ordering::Relaxed);
    }

    /// It has nothing any more of what it had.
    pub(crate) fn died(&self) {
        self.dead.store(true, Ordering::Relaxed);
        self.joined.store(false, Ordering::Relaxed);
        self.deaths.fetch_add(1, Ordering::Relaxed);
        self.in_flight.store(0, Ordering::Relaxed);
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(crate) fn deaths(&self) -> usize {
        self.deaths.load(Ordering::Relaxed)
    }

    pub(crate) fn has_joined(&self) -> bool {
        self.joined.load(Ordering::Relaxed)
    }

    pub(crate) fn stopped(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    pub(crate) fn failing(self: &Arc<Self>) -> Failing {
        self.failing.fetch_add(1, Ordering::Relaxed);
        Failing(Arc::clone(self))
    }

    pub(crate) fn began(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn ended(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(crate) fn assigned(&self, partition: Partition) {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner).insert(partition);
    }

    pub(crate) fn revoked(&self, partition: Partition) {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner).remove(&partition);
    }

    pub(crate) fn partitions(&self) -> BTreeSet<Partition> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn state(&self) -> &'static str {
        if self.stopped.load(Ordering::Relaxed) {
            "stopped"
        } else if self.dead.load(Ordering::Relaxed) {
            "restarting"
        } else if !self.has_joined() {
            "joining"
        } else if self.failing.load(Ordering::Relaxed) > 0 {
            "retrying"
        } else {
            "polling"
        }
    }
}
