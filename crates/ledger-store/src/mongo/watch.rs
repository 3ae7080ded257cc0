//! One look at the fences for everybody who waits for an outcome.
//!
//! While somebody waits, one task reads the fences every few milliseconds and tells all who wait; with nobody waiting
//! there is no task. A waiter subscribes before it makes sure that the task runs, and the task gives up only under the
//! lock under which it is started, so no wake-up is lost.
//!
//! A look that fails ends every wait: where the store does not answer, waiting on brings nothing, and holds a place that
//! somebody else needs. While the last look has failed and another is under way, or failed less than [`SIT_OUT`] ago, no
//! wait begins either; who would wait sees to it that there is another look.
//!
//! Bounds: a look takes at most [`PATIENCE`], and the looks become fewer while the fences stand still ([`Pace`]): one
//! request that waits for what never comes costs some 25 looks in its first second, then five a second. While fences move or
//! somebody new comes, there is a look every 2 ms, however many wait.

mod pace;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ledger::{COMMANDS, Partition, Position, TransactionId};
use mongodb::Database;
use mongodb::bson::{RawDocumentBuf, doc};
use mongodb::error::Error as DriverError;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use self::pace::Pace;
use super::committed;
use super::rows::each;
use crate::error::StoreError;
use crate::fence::{Reached, Whereabouts, whereabouts};
use crate::shape::{FENCES, read_fence};

/// How long a look may take, before it counts as one that has failed.
const PATIENCE: Duration = Duration::from_secs(2);
/// For how long a look that failed speaks for the store, when nobody has looked since.
const SIT_OUT: Duration = Duration::from_secs(1);
/// How long a fence that has moved counts as moving: longer than any pause between two looks.
const JUST: Duration = Duration::from_millis(250);
/// Within so many records a fence that moves is near, however short its last move was: one transaction takes them all.
const NEAR: u64 = 100;

/// Cheap to clone; clones watch together.
#[derive(Debug, Clone)]
pub(super) struct FenceWatch(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    database: Database,
    seen: watch::Sender<Seen>,
    /// Somebody has begun to wait.
    newcomer: Notify,
    is_running: Mutex<bool>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fences {
    pub(super) places: HashMap<Partition, Reached>,
    /// Whether the generation was begun, with a fence for each of its partitions.
    are_begun: bool,
}

/// The fences as they were last seen, and what the last look has come to.
#[derive(Debug, Clone, Default)]
struct Seen {
    /// How often they have been looked at, in vain too.
    looks: u64,
    fences: Fences,
    /// The last move of each fence that was seen to move.
    moves: HashMap<Partition, Move>,
    /// Why the last look saw nothing, and when.
    failure: Option<(StoreError, Instant)>,
}

/// A fence was seen further on than at the look before.
#[derive(Debug, Clone, Copy)]
struct Move {
    at: Instant,
    /// By so many offsets.
    length: u64,
}

impl Seen {
    /// What another look has come to. A fence that was not seen before, or began anew, has not moved.
    fn note(&mut self, fences: Fences, at: Instant) {
        for (partition, now) in &fences.places {
            let before = self.fences.places.get(partition).filter(|before| before.generation == now.generation);
            let length = before.map_or(0, |before| now.next_offset.saturating_sub(before.next_offset));
            if length > 0 {
                self.moves.insert(*partition, Move { at, length });
            }
        }
        (self.fences, self.failure) = (fences, None);
    }

    /// Whether a fence has just moved, and is near this position: two more such moves pass it, or it is one of the next few.
    fn comes_soon(&self, position: Position, now: Instant) -> bool {
        let moved = self.moves.get(&position.partition());
        let Some(Move { at, length }) = moved.filter(|_| self.failure.is_none()) else { return false };
        let fence = self.fences.places.get(&position.partition());
        let fence = fence.filter(|fence| fence.generation == position.generation());
        let near = length.saturating_mul(2).max(NEAR);
        let is_near = |fence: &Reached| position.offset() < fence.next_offset.saturating_add(near);
        now.duration_since(*at) < JUST && fence.is_some_and(is_near)
    }

    /// The failure of a look after so many.
    fn failure_since(&self, looks: u64) -> Option<StoreError> {
        self.failure.as_ref().filter(|_| self.looks > looks).map(|(failure, _)| failure.clone())
    }
}

/// What a wait has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waited {
    /// The fence has passed it, or there can be no such transaction.
    Passed,
    /// It has not, as was seen while waiting.
    InVain,
    /// The time came before the fences could be looked at.
    Unknown,
}

impl FenceWatch {
    pub(super) fn new(database: Database) -> Self {
        let (seen, newcomer, is_running) = Default::default();
        Self(Arc::new(Shared { database, seen, newcomer, is_running }))
    }

    /// Waits until its partition's fence has passed a transaction, or the time has come.
    ///
    /// # Errors
    /// As soon as a look fails; at once where the last one did.
    pub(super) async fn wait(&self, id: &TransactionId, until: Instant) -> Result<Waited, StoreError> {
        let mut seen = self.0.seen.subscribe();
        let looks_before = seen.borrow().looks;
        if let Some(failure) = self.run() {
            return Err(failure);
        }
        // An earlier look may be of before the generation began.
        let is_new = |seen: &Seen| seen.looks > looks_before;
        let passes = |seen: &Seen| match whereabouts(seen.fences.places.get(&id.position.partition()).copied(), id) {
            Whereabouts::Passed => true,
            Whereabouts::ToCome => false,
            Whereabouts::Impossible => is_new(seen),
            Whereabouts::NoFence => seen.fences.are_begun && is_new(seen),
        };
        let ends = |seen: &Seen| passes(seen) || seen.failure_since(looks_before).is_some();
        drop(timeout_at(until, seen.wait_for(ends)).await);
        let seen = seen.borrow();
        match seen.failure_since(looks_before) {
            _ if passes(&seen) => Ok(Waited::Passed),
            Some(failure) => Err(failure),
            // What an earlier look has come to says nothing of now.
            None if seen.looks == looks_before => Ok(Waited::Unknown),
            None => Ok(Waited::InVain),
        }
    }

    /// Whether the fence of its partition is about to pass a position.
    pub(super) fn comes_soon(&self, position: Position) -> bool {
        self.0.seen.borrow().comes_soon(position, Instant::now())
    }

    /// Why it is in vain to ask the store anything, where a look has just shown it; somebody looks again, then.
    pub(super) fn known_away(&self) -> Option<StoreError> {
        let has_failed = self.0.seen.borrow().failure.is_some();
        has_failed.then(|| self.run()).flatten()
    }

    /// A look of its own.
    pub(super) async fn look(&self) -> Result<Fences, StoreError> {
        self.0.look().await
    }

    /// Has somebody look, and says why waiting for it is in vain, where it is.
    fn run(&self) -> Option<StoreError> {
        self.0.newcomer.notify_one();
        let mut is_running = self.0.is_running.lock().unwrap_or_else(PoisonError::into_inner);
        let (failure, failed_at) = self.0.seen.borrow().failure.clone().unzip();
        let is_away = *is_running || failed_at.is_some_and(|at| at.elapsed() < SIT_OUT);
        if !*is_running {
            *is_running = true;
            // What is long past says nothing to those who come while the next look is under way.
            self.0.seen.send_if_modified(|seen| !is_away && seen.failure.take().is_some());
            tokio::spawn(Arc::clone(&self.0).look_while_somebody_waits());
        }
        failure.filter(|_| is_away)
    }
}

impl Shared {
    async fn look_while_somebody_waits(self: Arc<Self>) {
        let mut pace = Pace::default();
        loop {
            let looked = timeout(PATIENCE, self.look()).await.unwrap_or_else(|_| Err(too_late()));
            let have_moved = self.tell(looked);
            self.pause(&mut pace, have_moved).await;
            let mut is_running = self.is_running.lock().unwrap_or_else(PoisonError::into_inner);
            if self.seen.receiver_count() == 0 {
                *is_running = false;
                return;
            }
        }
    }

    /// Whether the fences have moved since the look before.
    fn tell(&self, looked: Result<Fences, StoreError>) -> bool {
        let mut have_moved = false;
        self.seen.send_modify(|seen| {
            seen.looks += 1;
            match looked {
                Ok(fences) => {
                    have_moved = fences != seen.fences;
                    seen.note(fences, Instant::now());
                }
                Err(failure) => seen.failure = Some((failure, Instant::now())),
            }
        });
        have_moved
    }

    /// Until the next look; somebody new is not made to wait for a pace that has slowed down for others.
    async fn pause(&self, pace: &mut Pace, have_moved: bool) {
        let interval = pace.next(have_moved);
        sleep(Pace::SHORTEST).await;
        let rest = interval.saturating_sub(Pace::SHORTEST);
        if timeout(rest, self.newcomer.notified()).await.is_ok() {
            *pace = Pace::default();
        }
    }

    async fn look(&self) -> Result<Fences, StoreError> {
        let mut fences = Fences::default();
        let collection = self.database.collection::<RawDocumentBuf>(FENCES);
        let cursor = collection.find(doc! { "topic": COMMANDS }).read_concern(committed()).await?;
        each(cursor, FENCES, |fields| {
            let fence = read_fence(fields)?;
            fences.places.insert(fence.partition, fence.reached());
            fences.are_begun |= fence.partitions.is_some();
            Ok(())
        })
        .await?;
        Ok(fences)
    }
}

fn too_late() -> StoreError {
    let reason = format!("no answer within {} s", PATIENCE.as_secs());
    DriverError::from(std::io::Error::new(std::io::ErrorKind::TimedOut, reason)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fences(offsets: &[(Partition, u64)]) -> Fences {
        let place = |(partition, next_offset): &(Partition, u64)| {
            (*partition, Reached { generation: 1, next_offset: *next_offset, partitions: None })
        };
        Fences { places: offsets.iter().map(place).collect(), are_begun: true }
    }

    #[test]
    fn what_is_near_a_fence_that_moves_comes_soon() {
        let (mut seen, at) = (Seen::default(), Instant::now());
        seen.note(fences(&[(0, 5), (1, 5)]), at);
        let comes_soon = |seen: &Seen, partition, offset, after: Duration| {
            seen.comes_soon(Position::new(1, partition, offset).unwrap(), at + after)
        };
        assert!(!comes_soon(&seen, 1, 5, Duration::ZERO), "nothing has moved");
        seen.note(fences(&[(0, 5), (1, 505), (2, 1), (4, 0)]), at);
        seen.note(fences(&[(0, 5), (1, 505), (2, 1), (4, 3)]), at);
        for (partition, offset, after, expected) in [
            (1, 505, Duration::ZERO, true),
            (1, 1_504, JUST / 2, true),
            (1, 1_505, Duration::ZERO, false),
            (1, 505, JUST, false),
            (4, 102, Duration::ZERO, true),
            (4, 103, Duration::ZERO, false),
            (0, 5, Duration::ZERO, false),
            (2, 1, Duration::ZERO, false),
            (3, 0, Duration::ZERO, false),
        ] {
            assert_eq!(comes_soon(&seen, partition, offset, after), expected, "{partition} {offset} {after:?}");
        }
        seen.note(fences(&[(0, 5), (1, 505), (2, 1), (4, 3)]), at + JUST / 2);
        assert!(comes_soon(&seen, 1, 505, JUST / 2), "it stands still for a moment");
        let of_the_next_generation = Position::new(2, 1, 505).unwrap();
        assert!(!seen.comes_soon(of_the_next_generation, at));
        seen.failure = Some((too_late(), at));
        assert!(!comes_soon(&seen, 1, 505, Duration::ZERO), "nobody knows where it is");
    }
}
